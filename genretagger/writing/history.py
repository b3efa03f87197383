"""What runs have written, what of it is in force, and journals that are no longer wanted."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from genretagger import places
from genretagger.errors import FatalError
from genretagger.writing import journal
from genretagger.writing.journal import Head, Journal

MANY_BYTES = 1 << 30
"""Journals that take more are worth a warning."""


@dataclass(frozen=True)
class PastRun:
    """One journal, as people want to know it.

    Attributes
    ----------
    path : pathlib.Path
        Of the journal.
    head : Head
        Always with a number.
    n_files : int
        How many files it changed.
    folder : pathlib.Path or None
        The innermost folder that all of them lie in; None if they share none.
    size : int
        Bytes of the journal.
    is_in_force : bool
        Whether no later run took it back. A run that takes back some of the files only counts
        as having taken back all of them, one that was broken off as none.
    is_finished : bool
        False of an undo or a redo that was broken off.
    """

    path: Path
    head: Head
    n_files: int
    folder: Path | None
    size: int
    is_in_force: bool
    is_finished: bool


def past_runs(warn: Callable[[str], object]) -> list[PastRun]:
    """Read all journals.

    Parameters
    ----------
    warn : callable
        Told of each journal that is damaged, and so left out.

    Returns
    -------
    list of PastRun
        The oldest first.
    """
    known = dict(journal.heads())
    reversals = _reversals(list(known.items()))
    runs = []
    for path in journal.history():
        try:
            _, entries = journal.read(path)
        except FatalError as error:
            warn(str(error))
            continue
        head = known[path]
        folder = common_folder([entry.path for entry in entries])
        size, is_in_force = path.stat().st_size, path.name not in reversals
        is_finished = head.kind == "run" or journal.is_finished(path)
        runs.append(PastRun(path, head, len(entries), folder, size, is_in_force, is_finished))
    return runs


def numbered(number: int) -> Path:
    """Find the journal of the run with that number.

    Raises
    ------
    FatalError
        If there is none.
    """
    for path, head in journal.heads():
        if head.number == number:
            return path
    raise FatalError(f"there is no run {number}; 'genretagger history' lists those that there are")


def last_in_force(
    kinds: Collection[str], *, program: str | None = None, like: str | PathLike[str] | None = None
) -> Path | None:
    """Find the last journal that no later one took back.

    Parameters
    ----------
    kinds : collection of {"run", "undo", "redo"}
    program : {"genretagger", "beets"}, optional
        Of this program alone.
    like : str or path-like, optional
        Only journals of the run that this one belongs to: the run itself, and what took it back or
        did it again.

    Returns
    -------
    pathlib.Path or None
    """
    known = list(journal.heads())
    journals = {path.name: (path, head) for path, head in known}
    reversals = _reversals(known)
    for path, head in reversed(known):
        is_meant = head.kind in kinds and program in (None, head.program)
        is_like = like is None or _run_of(path.name, journals) == _run_of(Path(like).name, journals)
        if is_meant and is_like and path.name not in reversals:
            return path
    return None


def journal_of_today(command: str, roots: Iterable[Path]) -> Journal:
    """Give the journal for a change of a run that goes on for days: one for each day.

    Today's is gone on with, by another process, too, unless it was taken back or removed
    meanwhile.

    Parameters
    ----------
    command, roots
        As in `Journal`.
    """
    new = Journal(command, roots=roots)
    known = list(journal.heads())
    reversals = _reversals(known)
    for path, head in reversed(known):
        is_same = head.kind == "run" and (head.command, head.roots) == (command, new.roots)
        is_of_today = head.time.startswith(time.strftime("%Y-%m-%d"))
        if is_same and is_of_today and path.name not in reversals and journal.has_ended(path):
            return Journal.continuing(path, head)
    return new


def taken_back() -> dict[Path, int | None]:
    """List the files that an undo in force gave their bytes back.

    Returns
    -------
    dict of pathlib.Path to int or None
        How many bytes each has since then; None where an older version did not note it. Journals
        that are damaged are passed over.
    """
    known = list(journal.heads())
    reversals = _reversals(known)
    files: dict[Path, int | None] = {}
    for path, head in known:
        if head.kind == "undo" and path.name not in reversals:
            with contextlib.suppress(FatalError):
                _, entries = journal.read(path)
                files |= {entry.path: entry.sizes and entry.sizes[1] for entry in entries}
    return files


def _run_of(name: str, journals: Mapping[str, tuple[Path, Head]]) -> str:
    """Name the journal of the run that an undo or a redo goes back to, as far as it is there.

    What follows on an undo that was broken off is a part of the run, and so on its own.
    """
    seen = {name}
    while name in journals and (before := journals[name][1].reverses) in journals:
        path, head = journals[before]
        if before in seen or (head.kind != "run" and not journal.is_finished(path)):
            break
        seen.add(before)
        name = before
    return name


def _reversals(known: Sequence[tuple[Path, Head]]) -> dict[str, Path]:
    """Map names of journals to the later ones, in force, that took them back."""
    reversals: dict[str, Path] = {}
    for n in reversed(range(len(known))):
        path, head = known[n]
        if head.kind != "run" and path.name not in reversals and journal.is_finished(path):
            reversals.setdefault(head.reverses or _last_like(head, known[:n]), path)
    return reversals


def _last_like(head: Head, earlier: Sequence[tuple[Path, Head]]) -> str:
    """Name the journal that an undo or a redo meant which does not say so."""
    kinds = ("run", "redo") if head.kind == "undo" else ("undo",)
    like = [p.name for p, h in earlier if h.kind in kinds and h.command == head.command]
    return like[-1] if like else ""


def common_folder(paths: Sequence[Path]) -> Path | None:
    """Name the innermost folder that all files lie in; None if they share none."""
    with contextlib.suppress(ValueError):  # none, or on several drives
        return Path(os.path.commonpath([path.parent for path in paths]))
    return None


def prune(older_than_s: float) -> list[Path]:
    """Remove journals of long ago; what they changed can then no longer be taken back.

    To be called while no other run is writing. A journal whose last change has no end, or
    that is damaged, stays.

    Parameters
    ----------
    older_than_s : float
        How long ago the last change was at least, in seconds.

    Returns
    -------
    list of pathlib.Path
        The journals that were removed, the oldest first.

    Raises
    ------
    FatalError
        If one cannot be removed.
    """
    kept = {path for path, _ in journal.unfinished()}
    removed = []
    for path in journal.history():
        age_s = time.time() - path.stat().st_mtime
        if path in kept or age_s < older_than_s or not _is_whole(path):
            continue
        try:
            path.unlink()
        except OSError as error:
            raise FatalError(f"journal {path}: {error.strerror}; it stays") from error
        removed.append(path)
    return removed


def _is_whole(path: Path) -> bool:
    try:
        journal.read(path)
    except FatalError:
        return False
    return True


def warning() -> str | None:
    """Say that journals take much room; None if they do not."""
    folder = places.journals_folder()
    size = sum(path.stat().st_size for path in journal.history())
    if size <= MANY_BYTES:
        return None
    return (
        f"the journals in {folder} take {size / 1e9:.1f} GB; "
        "genretagger history --prune AGE removes old ones"
    )
