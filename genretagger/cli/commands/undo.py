"""``genretagger undo``."""

from __future__ import annotations

import argparse

from genretagger import places
from genretagger.cli.caching import opened_cache
from genretagger.cli.output import offer_undo
from genretagger.cli.run import Run
from genretagger.cli.writer import only_writer
from genretagger.errors import FatalError
from genretagger.recall import remember
from genretagger.records import State
from genretagger.words import REDONE, UNDONE
from genretagger.writing import change, journal


@only_writer
def run(options: argparse.Namespace) -> int:
    """Take back what a run has written; of an undo, do it again."""
    folder, journals = places.journals_folder(), journal.history()
    if options.journal is None and not journals:
        raise FatalError(f"there is nothing to undo in {folder}")
    path = options.journal or journals[-1]
    # a journal says which bytes to write into which file: only what was written here is believed
    if path.resolve().parent != folder.resolve():
        raise FatalError(f"{path} is not a journal in {folder}; nothing was done")
    head, entries = journal.read(path)
    is_redo = head.kind == "undo"
    back = journal.Journal.reversing(path, head)
    run = Run(options, REDONE if is_redo else UNDONE)
    run.total = len(entries)
    with opened_cache(options) as cache, run.reporting() as add:
        for line in change.undo(entries, back, preserve_mtime=options.preserve_mtime):
            if line.state is State.CHANGE:
                remember(line.path, None, cache)
            add(line)
    code = run.summary()
    offer_undo(back.path, "take it back" if is_redo else "do it again")
    return code
