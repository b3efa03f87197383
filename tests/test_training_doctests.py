"""The examples in the docstrings of training are true."""

import doctest
import importlib
from pathlib import Path

import pytest

TRAINING = Path(__file__).resolve().parent.parent / "training"
MODULES = sorted(
    ".".join(path.relative_to(TRAINING.parent).with_suffix("").parts)
    for path in TRAINING.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name):
    outcome = doctest.testmod(importlib.import_module(name.removesuffix(".__init__")))
    assert outcome.failed == 0
    assert outcome.attempted > 0
