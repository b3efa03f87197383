"""What runs have written, what of it is in force, and journals that are no longer wanted."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from genretagger import places
from genretagger.errors import FatalError
from genretagger.writing import journal
from genretagger.writing.journal import Head

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
        as having taken back all of them.
    """

    path: Path
    head: Head
    n_files: int
    folder: Path | None
    size: int
    is_in_force: bool


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
    known = list(journal.heads())
    reversed_ = _reversed(known)
    runs = []
    for path, head in known:
        try:
            _, entries = journal.read(path)
        except FatalError as error:
            warn(str(error))
            continue
        folder = _common_folder([entry.path for entry in entries])
        size, is_in_force = path.stat().st_size, path.name not in reversed_
        runs.append(PastRun(path, head, len(entries), folder, size, is_in_force))
    return runs


def _reversed(known: Sequence[tuple[Path, Head]]) -> set[str]:
    """Name the journals that a later one took back which was not taken back itself."""
    names: set[str] = set()
    for n in reversed(range(len(known))):
        path, head = known[n]
        if head.kind != "run" and path.name not in names:
            names.add(head.reverses or _last_like(head, known[:n]))
    return names


def _last_like(head: Head, earlier: Sequence[tuple[Path, Head]]) -> str:
    """Name the journal that an undo or a redo meant which does not say so."""
    kinds = ("run", "redo") if head.kind == "undo" else ("undo",)
    like = [p.name for p, h in earlier if h.kind in kinds and h.command == head.command]
    return like[-1] if like else ""


def _common_folder(paths: Sequence[Path]) -> Path | None:
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
