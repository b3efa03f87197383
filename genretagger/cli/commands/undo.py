"""``genretagger undo``."""

from __future__ import annotations

import argparse

from genretagger import places
from genretagger.cli.reversal import must_name_run, named_journal, reverse
from genretagger.errors import FatalError
from genretagger.writing import history


def run(options: argparse.Namespace) -> int:
    """Take back the last run that is in force, or the one that is named."""
    must_name_run(options)
    path = named_journal(options.run) if options.run else history.last_in_force(("run", "redo"))
    if path is None:
        raise FatalError(f"there is nothing to undo in {places.journals_folder()}")
    return reverse(options, path)
