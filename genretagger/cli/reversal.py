"""Take back what a run has written, or do it again: shared by `undo` and `redo`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from genretagger import places
from genretagger.cache import Cache
from genretagger.cli import beets_library
from genretagger.cli.caching import opened_cache
from genretagger.cli.codes import INTERRUPTED, SOME_FAILED
from genretagger.cli.next_step import without_dry_run, written
from genretagger.cli.output import say
from genretagger.cli.run import Run
from genretagger.cli.writer import only_writer
from genretagger.errors import FatalError
from genretagger.recall import remember
from genretagger.records import State
from genretagger.text import counted
from genretagger.words import REDONE, TO_REDO, TO_UNDO, UNDONE
from genretagger.writing import change, history, journal
from genretagger.writing.journal import Entry, Head, Journal
from genretagger.writing.moved import Elsewhere


def must_name_run(options: argparse.Namespace) -> None:
    """Exit with a usage message if nothing says which run is meant, and nobody can be asked."""
    if not (options.run or options.yes or options.dry_run or _is_on_terminal()):
        options.error(
            "nobody can be asked here: give --yes, or name a RUN by its number in "
            "'genretagger history'"
        )


def named_journal(name: str) -> Path:
    """Find the journal of a run that is named by its number or its path.

    Raises
    ------
    FatalError
        If there is none, or it was not written here.
    """
    if name.isdecimal():
        return history.numbered(int(name))
    path, folder = Path(name), places.journals_folder()
    # a journal says which bytes to write into which file: only what was written here is believed
    if path.resolve().parent != folder.resolve():
        raise FatalError(f"{path} is not a journal in {folder}; nothing was done")
    return path


def reverse(options: argparse.Namespace, path: Path) -> int:
    """Say what a run is, ask if there is somebody to be asked, and take it back.

    Parameters
    ----------
    options : argparse.Namespace
        Of ``undo`` or ``redo``.
    path : pathlib.Path
        The run's journal. That of an undo is done again.

    Returns
    -------
    int
        The exit code.
    """
    head, entries = journal.read(path)
    for line in _description(path, head, entries) if options.talk != "quiet" else ():
        say(line)
    if not (options.dry_run or options.yes or not _is_on_terminal() or _is_agreed(head)):
        say("nothing was done")
        return SOME_FAILED
    options.journal = path
    return _reverse(options)


def _description(path: Path, head: Head, entries: Sequence[Entry]) -> Iterator[str]:
    number = next((h.number for p, h in journal.heads() if p.name == path.name), None)
    folder = history.common_folder([entry.path for entry in entries])
    where = f"in {folder}" if folder else "in several folders"
    yield f"run {number} of {head.time}, {counted(len(entries), 'file')} {where}: {head.title}"
    here = Path.cwd()
    if folder and folder != here and here not in folder.parents and folder not in here.parents:
        yield f"this is a run of another folder than {here}"
    if head.program == "beets":
        yield (
            "this is a run of beets: here only files are taken back, "
            f"'beet genrecnn --undo {number}' takes back the library, too"
        )


def _is_on_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _is_agreed(head: Head) -> bool:
    sys.stderr.write("do it again? [y/N] " if head.kind == "undo" else "take it back? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@only_writer
def _reverse(options: argparse.Namespace) -> int:
    head, entries = journal.read(options.journal)
    is_redo = head.kind == "undo"
    done, planned = (REDONE, TO_REDO) if is_redo else (UNDONE, TO_UNDO)
    words = planned if options.dry_run else done
    run = Run(options, words)
    run.total = len(entries)
    back = None if options.dry_run else Journal.reversing(options.journal, head)
    with opened_cache(options, run.remark) as cache, run.reporting() as add:
        elsewhere = Elsewhere.of_run(head, entries, known_files(cache))
        for line in change.undo(
            entries, back, elsewhere=elsewhere, preserve_mtime=options.preserve_mtime
        ):
            if back is not None and line.state is State.CHANGE:
                remember(line.path, None, cache)
            is_reversed = line.state is State.CHANGE
            add(replace(line, reason=(words[line.state],)) if is_reversed else line)
        if back is not None:
            back.finish()
    code = run.summary()
    if run.is_talking:
        say(_next_step(options, code, run.n_changes, is_redo=is_redo))
    return code


def known_files(cache: Cache | None) -> Iterator[Path]:
    """List more files among which moved ones are sought; nothing is opened before it is asked."""
    yield from chain(cache.files() if cache else (), beets_library.tracks())


def _next_step(options: argparse.Namespace, code: int, n_changes: int, *, is_redo: bool) -> str:
    """Say what was written, and what to do next."""
    if code == INTERRUPTED:
        return f"to go on: genretagger {' '.join(filter(None, (options.command, options.run)))}"
    if options.dry_run:
        return f"nothing was written; to write it: {without_dry_run(options)}"
    if is_redo or not n_changes:
        return written(n_changes)
    were = "file has its" if n_changes == 1 else "files have their"
    return f"{n_changes} {were} old bytes back; to do it again: genretagger redo"
