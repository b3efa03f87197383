"""The stages of training have one form, and no data set is named in code."""

import inspect
from pathlib import Path

import pytest

from training.__main__ import STAGES

pytestmark = pytest.mark.quick

TRAINING = Path(__file__).resolve().parent.parent / "training"
MODULES = sorted(path for path in TRAINING.rglob("*.py") if path != TRAINING / "__init__.py")


def test_every_stage_has_the_same_form_and_is_numbered_as_it_runs():
    protocol = (TRAINING / "README.md").read_text(encoding="utf-8")
    for number, stage in enumerate(STAGES, 1):
        assert f"\n| {number} | `{stage.NAME}` | " in protocol
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
