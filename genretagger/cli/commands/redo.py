"""``genretagger redo``."""

from __future__ import annotations

import argparse
from pathlib import Path

from genretagger import places
from genretagger.cli.reversal import must_name_run, named_journal, reverse
from genretagger.errors import FatalError
from genretagger.writing import history


def run(options: argparse.Namespace) -> int:
    """Do again what the last undo, or the one that is named, has taken back."""
    path = _named_undo(options.run) if options.run else history.last_in_force(("undo",))
    if path is None:
        raise FatalError(f"there is nothing to do again in {places.journals_folder()}")
    must_name_run(options)
    return reverse(options, path)


def _named_undo(name: str) -> Path:
    """Find the last undo of the run that is named, by itself or by its undo."""
    path = named_journal(name)
    undo = history.last_in_force(("undo",), like=path)
    if undo is None:
        raise FatalError(f"run {name} is in force; there is nothing to do again")
    return undo
