"""Apply lines of a plan, and undo them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from genretagger import tags
from genretagger.errors import TrackError
from genretagger.identity import check_writable, identify
from genretagger.plan import failed
from genretagger.records import Identity, State, TagChange
from genretagger.writing import exchange
from genretagger.writing.difference import difference
from genretagger.writing.journal import Entry, Journal
from genretagger.writing.moved import Elsewhere, located
from genretagger.writing.signals import uninterrupted


def apply(
    change: TagChange,
    journal: Journal,
    *,
    field: str | None = None,
    preserve_mtime: bool = False,
) -> TagChange:
    """Do what a line of the plan says, and nothing else.

    The change is made and verified in a copy, written down, and only then put in place.

    Parameters
    ----------
    change : TagChange
        Nothing is done unless its state is CHANGE.
    journal : Journal
    field : str, optional
        Write to this field instead of the genre.
    preserve_mtime : bool
        Leave the file's modification time as it was.

    Returns
    -------
    TagChange
        The same line, or one with state FAILED that says why; the file is then as it was.

    Raises
    ------
    FatalError
        If the journal cannot be written.
    """
    if change.state is not State.CHANGE:
        return change
    try:
        rewrite(
            change.path,
            lambda copy: tags.write(copy, change.blocks, field=field),
            journal,
            old=change.old,
            new=change.new,
            planned=change.identity,
            preserve_mtime=preserve_mtime,
        )
    except TrackError as error:
        return failed(change, error)
    return change


def rewrite(
    path: str | PathLike[str],
    write: Callable[[Path], None],
    journal: Journal,
    *,
    old: Sequence[str],
    new: Sequence[str],
    planned: Identity | None = None,
    preserve_mtime: bool = False,
) -> bool:
    """Change a file's tags in a copy, write down what that changes, and put it in place.

    Parameters
    ----------
    path : str or path-like
    write : callable
        Changes the copy whose path it is given, as it likes; the audio must stay.
    journal : Journal
    old, new : sequence of str
        The genres, for the journal.
    planned : Identity, optional
        Of the file when the change was planned.
    preserve_mtime : bool
        Leave the file's modification time as it was.

    Returns
    -------
    bool
        Whether there was anything to change.

    Raises
    ------
    TrackError
        If the file cannot be changed. It is then as it was.
    FatalError
        If the journal cannot be written.
    """
    path = Path(path)
    check_writable(path)
    with uninterrupted():
        before = identify(path)
        if planned not in (None, before):
            raise TrackError("changed since the plan was made; make a new plan")
        with _working_copy(path, journal) as copy:
            audio_id = tags.audio_id(copy)
            write(copy)
            if tags.audio_id(copy) != audio_id:
                raise TrackError("to write its tags would change its audio; it stays as it was")
            real = path.resolve()
            hashes = exchange.sha256(real), exchange.sha256(copy)
            if hashes[0] == hashes[1]:
                return False
            sizes = real.stat().st_size, copy.stat().st_size
            delta = difference(real, copy)
            entry = Entry(real, delta, hashes, tuple(old), tuple(new), sizes)
            _exchange(entry, copy, before, journal, preserve_mtime=preserve_mtime)
    return True


def undo(
    entries: Sequence[Entry],
    journal: Journal | None,
    *,
    elsewhere: Elsewhere | None = None,
    preserve_mtime: bool = False,
) -> Iterator[TagChange]:
    """Take back the changes of a journal, the last one first; those of moved files at the end.

    Parameters
    ----------
    entries : sequence of Entry
        As `journal.read` gives them.
    journal : Journal or None
        Where this run is written down, so that it can be taken back, too. Without one, no file
        is changed: the lines say what would become of each.
    elsewhere : Elsewhere, optional
        Where files are sought that were moved since.
    preserve_mtime : bool
        Leave the files' modification times as they are.

    Yields
    ------
    TagChange
        With the path where the file lies now. CHANGE if it is again what it was, byte for
        byte; KEEP if it never was changed; FAILED, and untouched, if something else has changed
        it since, or it is not found.
    """
    for entry in located(entries, elsewhere):
        back = entry.reversed()
        line = TagChange(back.path, State.CHANGE, old=back.old, new=back.new, reason=("undone",))
        try:
            with uninterrupted():
                if not _take_back(back, journal, preserve_mtime=preserve_mtime):
                    reason = ("it is as it was before",)
                    line = replace(line, state=State.KEEP, old=back.new, reason=reason)
        except TrackError as error:
            line = failed(line, error)
        yield line


def _take_back(back: Entry, journal: Journal | None, *, preserve_mtime: bool) -> bool:
    """Undo one change; tell whether there was anything to undo."""
    before, after = back.sha256
    if not os.path.lexists(back.path):
        raise TrackError("it is not there, nor found elsewhere; was it removed?")
    check_writable(back.path)
    identity = identify(back.path)
    try:
        now = exchange.sha256(back.path)
    except OSError as error:
        raise TrackError(f"cannot be read: {error.strerror}") from error
    if now == after:
        return False
    if now != before:
        raise TrackError(_CHANGED)
    if journal is None:
        return True
    with _working_copy(back.path, journal) as copy:
        exchange.patch(back.path, copy, back.delta)
        if exchange.sha256(copy) != after:
            raise TrackError(_CHANGED)
        _exchange(back, copy, identity, journal, preserve_mtime=preserve_mtime)
    return True


_CHANGED = "changed since; it stays as it is"


@contextlib.contextmanager
def _working_copy(path: Path, journal: Journal) -> Iterator[Path]:
    with contextlib.suppress(OSError):  # what is wrong with the file, the next line says
        journal.note_copy(exchange.copy_of(path.resolve(strict=True)))
    with exchange.working_copy(path) as copy:
        yield copy


def _exchange(
    entry: Entry, copy: Path, before: Identity, journal: Journal, *, preserve_mtime: bool
) -> None:
    journal.begin(entry)
    try:
        exchange.exchange(entry.path, copy, entry.delta, before, preserve_mtime=preserve_mtime)
    except TrackError:
        journal.end(done=False)
        raise
    journal.end(done=True)
