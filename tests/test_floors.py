"""The floors of the house: a room imports from its own floor or below, and light rooms stay light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "relclf"
FLOORS = {
    "errors": 0,
    "example": 0,
    "relations": 0,
    "compiled": 0,
    "seeding": 0,
    "version": 0,
    "config": 1,
    "data": 1,
    "runs": 1,
    "scoring": 1,
    "encoding": 2,
    "models": 2,
    "training": 3,
    "prediction": 4,
    "sweeps": 4,
    "diagnosis": 4,
    "comparison": 4,
    "report": 4,
    "exports": 4,
    "replay": 4,
    "cli": 5,
    "__main__": 5,
}
HEAVY = {"torch", "sklearn", "scipy"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    """ "relclf.training.loop" -> "training"; "relclf" itself is the roof."""
    return module.split(".")[1] if "." in module else "relclf"


def floor(module: str) -> int:
    return max(FLOORS.values()) if room(module) == "relclf" else FLOORS[room(module)]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST, *, inside_functions: bool) -> Iterator[str]:
    """The absolute names of the modules that a tree imports, those for type checking left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imports(ast.Module(node.orelse, []), inside_functions=inside_functions)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "relclf":
                yield from (f"relclf.{alias.name}" for alias in node.names)
            else:
                yield str(node.module)
        elif inside_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports(node, inside_functions=inside_functions)


def imported(path: Path, *, inside_functions: bool = True) -> set[str]:
    return set(imports(ast.parse(path.read_text(encoding="utf-8")), inside_functions=inside_functions))


def climbs(module: str, names: set[str]) -> list[str]:
    """The imports that go up."""
    own = [name for name in names if name.startswith("relclf.") and room(name) in FLOORS]
    return sorted(name for name in own if floor(name) > floor(module))


def test_every_room_has_a_floor():
    rooms = {room(name_of(path)) for path in MODULES} - {"relclf"}
    assert rooms <= FLOORS.keys()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down_only(path):
    assert climbs(name_of(path), imported(path)) == []


@pytest.mark.parametrize("path", [p for p in MODULES if floor(name_of(p)) <= 1], ids=name_of)
def test_the_two_lowest_floors_import_no_heavy_library_at_module_level(path):
    assert not {name.split(".")[0] for name in imported(path, inside_functions=False)} & HEAVY


@pytest.mark.parametrize("path", [p for p in MODULES if floor(name_of(p)) <= 1], ids=name_of)
def test_the_two_lowest_floors_never_import_torch(path):
    assert "torch" not in {name.split(".")[0] for name in imported(path)}


def test_the_check_sees_imports_that_go_up_and_none_for_type_checking():
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import relclf.cli.app
else:
    import relclf.training.loop
def f():
    from relclf.prediction.predictor import load
    import torch.nn
try:
    from relclf import errors
except ImportError:
    pass
"""
    tree = ast.parse(source)
    everywhere = set(imports(tree, inside_functions=True))
    up = ["relclf.prediction.predictor", "relclf.training.loop"]
    assert climbs("relclf.models.cnn", everywhere) == up
    assert {"relclf.errors", "torch.nn"} <= everywhere
    assert set(imports(tree, inside_functions=False)) == everywhere - {
        "relclf.prediction.predictor",
        "torch.nn",
    }


@pytest.mark.parametrize(
    "code",
    [
        "import relclf; relclf.__version__, dir(relclf)",
        "import sys; sys.argv = ['relclf', '--help']\nfrom relclf.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code",
    ],
    ids=["import relclf", "relclf --help"],
)
def test_it_answers_without_the_heavy_libraries(code):
    ask = f"{code}\nimport sys\nprint('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    first, *loaded = done.stdout.splitlines()[-1].split()
    assert first == "loaded"
    assert "relclf" in loaded
    assert not {"torch", "pydantic", "numpy", "sklearn", "scipy"} & set(loaded)
