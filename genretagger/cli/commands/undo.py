"""``genretagger undo``."""

from __future__ import annotations

import argparse
from pathlib import Path

from genretagger import places
from genretagger.cli.reversal import must_name_run, named_journal, reverse
from genretagger.errors import FatalError
from genretagger.writing import history, journal

_RUNS = ("run", "redo")


def run(options: argparse.Namespace) -> int:
    """Take back the last run that is in force, or the one that is named."""
    path = _named_run(options.run) if options.run else history.last_in_force(_RUNS)
    if path is None:
        raise FatalError(f"there is nothing to undo in {places.journals_folder()}")
    must_name_run(options)
    return reverse(options, path)


def _named_run(name: str) -> Path:
    """Find the run of a number, as it was done last; an undo, and a path, mean just themselves."""
    path = named_journal(name)
    head, _ = journal.read(path)
    if head.kind == "undo" or not name.isdecimal():
        return path
    return history.last_in_force(_RUNS, like=path) or path
