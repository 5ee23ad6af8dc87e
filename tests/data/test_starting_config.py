"""The config that `relclf init` writes."""

import json
from pathlib import Path

import pytest
import yaml

from relclf.config.loading import load_config
from relclf.config.schema import ExperimentConfig
from relclf.data.starting_config import starting_config, write_starting_config
from relclf.errors import UserMistake


def corpus(path: Path, relations: list[str | None], length: int = 4) -> Path:
    lines = [
        json.dumps({"tokens": ["w"] * length, "head": [0, 1], "tail": [1, 2], "relation": relation})
        for relation in relations
    ]
    path.write_text("\n".join(lines))
    return path


def test_the_config_is_valid_and_finds_the_data_from_its_own_folder(tmp_path: Path) -> None:
    data = corpus(tmp_path / "train set.jsonl", ["r", "r", "s"])
    config = tmp_path / "configs" / "c.yaml"
    config.parent.mkdir()
    write_starting_config(data, config)
    loaded = load_config(config)
    assert loaded.data.train.resolve() == data.resolve()
    assert (loaded.data.format.name, loaded.data.dev, loaded.data.negative_relation) == ("jsonl", 0.1, None)
    plain = ExperimentConfig.model_validate(yaml.safe_load(config.read_text()))
    assert str(plain.data.train) == "../train set.jsonl"


def test_all_that_does_not_come_from_the_file_is_the_default(tmp_path: Path) -> None:
    data = corpus(tmp_path / "d", ["r", "s"])
    written = ExperimentConfig.model_validate(yaml.safe_load(starting_config(data, tmp_path)))
    assert written.encoding.max_length == 64
    assert written.model_dump(exclude={"data", "encoding"}) == ExperimentConfig(data=written.data).model_dump(
        exclude={"data", "encoding"}
    )


@pytest.mark.parametrize(
    ("length", "limit"),
    [(4, (64, "refuse")), (99, (128, "refuse")), (512, (640, "refuse")), (900, (928, "window"))],
)
def test_the_length_limit_leaves_room_for_a_quarter_more_or_cuts_windows(
    tmp_path: Path, length: int, limit: tuple[int, str]
) -> None:
    data = corpus(tmp_path / "d", ["r", "s"], length)
    encoding = ExperimentConfig.model_validate(yaml.safe_load(starting_config(data, tmp_path))).encoding
    assert (encoding.max_length, encoding.too_long) == limit


@pytest.mark.parametrize("negative", ["Other", "no_relation", "NA", "no"])
def test_the_commented_lines_are_right_once_their_sign_is_taken_away(tmp_path: Path, negative: str) -> None:
    data = corpus(tmp_path / "d", ["r", negative, "r"])
    text = starting_config(data, tmp_path)
    line = next(line for line in text.split("\n") if "# negative_relation:" in line)
    declared = yaml.safe_load(text.replace(line, line.replace("# ", "", 1)))["data"]["negative_relation"]
    assert declared == ("NAME" if negative == "no" else negative)
    assert (f"Looks like it: {negative}." in text) == (negative != "no")


def test_relations_are_listed_with_their_counts(tmp_path: Path) -> None:
    text = starting_config(corpus(tmp_path / "d", ["rare", "often", "often", None]), tmp_path)
    assert "\n#   often          2   50.0 %\n#   rare           1   25.0 %\n" in text
    assert "\n#   without a relation: 1; training refuses them, take them out\n" in text


def test_a_relation_or_a_path_cannot_break_out_of_its_line(tmp_path: Path) -> None:
    hostile = "x\nseed: 9\u2028seed: 9"
    data = corpus(tmp_path / 'a"b: #c\u00e9', [hostile, "NA", hostile])
    config = tmp_path / "c.yaml"
    write_starting_config(data, config)
    assert load_config(config).seed == 1
    assert load_config(config).data.train.resolve() == data.resolve()


@pytest.mark.parametrize(
    ("relations", "message"),
    [
        ([None, None], "none of its 2 sentences has a relation. Training needs them, see docs/formats.md."),
        (["r", "r", None], "only one relation, 'r'. A network needs at least two relations to tell apart."),
    ],
)
def test_too_few_relations_are_refused(tmp_path: Path, relations: list[str | None], message: str) -> None:
    data = corpus(tmp_path / "d", relations)
    with pytest.raises(UserMistake) as caught:
        starting_config(data, tmp_path)
    assert str(caught.value) == f"{data}: {message}"


def test_standard_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="cannot be standard input"):
        starting_config(Path("-"), tmp_path)
