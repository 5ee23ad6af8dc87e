"""`relclf config show` and `relclf config schema`."""

import json
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.config.loading import load_config
from relclf.config.schema import json_schema


def test_show_prints_the_resolved_config_relative_to_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("data:\n  train: corpus/t.txt\n")
    result = CliRunner().invoke(
        app, ["config", "show", str(path), "--set", "seed=7", "--set", "model.filters=9"]
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("seed: 7\ndata:\n  train: corpus/t.txt\n")
    assert "  filters: 9\n" in result.stdout
    path.with_name("shown.yaml").write_text(result.stdout)
    assert load_config(path.with_name("shown.yaml")) == load_config(path, ["seed=7", "model.filters=9"])


def test_a_mistaken_config_exits_with_2_and_its_mistakes_on_standard_error(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("data:\n  train: t.txt\n  dve: d.txt\n")
    result = CliRunner().invoke(app, ["config", "show", str(path), "--set", "seed=x"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: {path}:3:3: data.dve: unknown key; did you mean `dev`?\n"
        "--set seed=x: seed: must be a whole number of at least 0 (got 'x')\n"
    )


def test_a_missing_config_exits_with_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["config", "show", str(tmp_path / "no.yaml")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no such file" in result.stderr


def test_schema_prints_the_json_schema() -> None:
    result = CliRunner().invoke(app, ["config", "schema"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == json_schema()


def test_a_config_is_checked_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("data:\n  train: t.txt\n")
    code = (
        "import sys, pathlib; from relclf.config.loading import load_config; "
        "load_config(pathlib.Path(sys.argv[1])); print([m for m in ('torch', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
