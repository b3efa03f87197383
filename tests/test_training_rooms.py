"""Arrows between the rooms of training point one way, and its stages have one form."""

import ast
import inspect
from pathlib import Path

import pytest

from training.__main__ import STAGES

TRAINING = Path(__file__).resolve().parent.parent / "training"
GROUND = {"arrays", "config", "crashes", "files", "folders", "markdown", "progress"}
MAY = {
    **{name: set() for name in GROUND},
    "collect": set(),
    "data": set(),
    "networks": set(),
    "features": {"data", "networks"},
    "learn": {"data", "networks", "features"},
    "measure": {"data", "networks", "features", "learn"},
    "ship": {"networks", "features"},
    "study": {"data", "networks", "measure"},
    "run": {"data", "features", "learn"},
    "stages": {"collect", "data", "learn", "features", "measure", "ship", "study", "run"},
    "__main__": {"stages"},
}
MODULES = sorted(path for path in TRAINING.rglob("*.py") if path != TRAINING / "__init__.py")


def room(path):
    return path.relative_to(TRAINING).with_suffix("").parts[0]


def rooms_used(path):
    """Yield the rooms that a module imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "training":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("training."):
            yield node.module.split(".")[1]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(TRAINING)))
def test_a_room_uses_the_ground_and_the_rooms_below_it_alone(path):
    assert set(rooms_used(path)) - {room(path)} <= MAY[room(path)] | GROUND


def test_every_stage_has_the_same_form_and_is_numbered_as_it_runs():
    for number, stage in enumerate(STAGES, 1):
        assert stage.__doc__.startswith(f"Stage {number}, {stage.NAME}: ")
        assert list(inspect.signature(stage.add_arguments).parameters) == ["parser"]
        assert list(inspect.signature(stage.run).parameters) == ["args", "say"]
        assert stage.HELP
    modules = {path.stem for path in (TRAINING / "stages").glob("*.py")} - {"__init__"}
    assert {stage.NAME for stage in STAGES} == modules


def test_no_data_set_is_named_in_code():
    for path in MODULES:
        text = path.read_text(encoding="utf-8").casefold()
        assert not [name for name in ("panda", "emotify", 'albums"') if name in text], path
