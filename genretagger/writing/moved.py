"""Find files that were moved since a run changed them.

A file counts as found only if its SHA-256 is the one that the run left.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from os import PathLike
from pathlib import Path

from genretagger.containers import container_of
from genretagger.identity import is_folder
from genretagger.writing import exchange
from genretagger.writing.journal import Entry, Head

_Content = tuple[Path, str]
"""A file, and the SHA-256 of what is in it."""


def located(entries: Sequence[Entry], elsewhere: Elsewhere | None) -> Iterator[Entry]:
    """Give the changes of a journal in the order of undo, each with the path of its file now.

    Each is to be dealt with before the next is asked for: two files may have the same content,
    and what was taken back is no longer what the run left.

    Parameters
    ----------
    entries : sequence of Entry
        As `journal.read` gives them.
    elsewhere : Elsewhere or None
        Where moved files are sought.

    Yields
    ------
    Entry
        The last one first, but those at the end whose files are not where they were. One whose
        file is not found has the path that it had.
    """
    taken: set[_Content] = set()
    moved = []
    for entry in reversed(entries):
        if elsewhere is not None and not elsewhere.lies_where_it_was(entry):
            moved.append(entry)
            continue
        taken.add((entry.path, entry.sha256[1]))
        yield entry
    places: dict[Path, Path] = {}
    for entry in moved:
        before = places.get(entry.path, entry.path)  # one run may change a file twice
        path = elsewhere.find(entry, before, taken) if elsewhere else None
        if path is not None:
            taken.add((path, entry.sha256[1]))
            places[entry.path] = path
        yield replace(entry, path=path or entry.path)


class Elsewhere:
    """Places where files may lie that were moved; none is looked at before one is asked for.

    Parameters
    ----------
    folders : iterable of str or path-like
        With all that is below them.
    known : iterable of str or path-like
        More files; they need not exist.
    """

    def __init__(
        self,
        folders: Iterable[str | PathLike[str]],
        known: Iterable[str | PathLike[str]] = (),
    ) -> None:
        self._candidates = chain(map(Path, known), _files_below(map(Path, folders)))
        self._by_kind: dict[str, dict[Path, int]] | None = None
        self._sha256 = cache(_sha256)
        self._found: dict[Path, Path] = {}

    @classmethod
    def of_run(
        cls, head: Head, entries: Sequence[Entry], known: Iterable[str | PathLike[str]]
    ) -> Elsewhere:
        """Give the places for the moved files of a run: its folders, theirs, and more files.

        Parameters
        ----------
        head : Head
        entries : sequence of Entry
        known : iterable of str or path-like
            As for the class.
        """
        roots = {*head.roots, *(entry.path.parent for entry in entries)}
        # of one that is gone, the folder that it lay in, but not all of the disk
        folders = {root if is_folder(root) else root.parent for root in roots}
        folders = {f for f in folders if f in roots or f != Path(f.anchor)}
        return cls(sorted(f for f in folders if folders.isdisjoint(f.parents)), known)

    def lies_where_it_was(self, entry: Entry) -> bool:
        """Tell whether a file is there, as it was before a change or after."""
        return self._hash(entry.path) in entry.sha256

    def find(self, entry: Entry, first: Path, taken: Collection[_Content]) -> Path | None:
        """Find a file as a change has left it.

        Parameters
        ----------
        entry : Entry
        first : pathlib.Path
            Where to look first.
        taken : collection of tuple of (pathlib.Path, str)
            Files with a content that another change has left.

        Returns
        -------
        pathlib.Path or None
            Without symbolic links.
        """
        after = entry.sha256[1]
        for path in (first, *self._like(entry)):
            if self._hash(path) == after and (real := path.resolve(), after) not in taken:
                self._found[real] = entry.path
                return real
        return None

    def was_at(self, path: Path) -> Path:
        """Give the path that a file had before it was moved, if it was found here."""
        return self._found.get(path, path)

    def _like(self, entry: Entry) -> Iterator[Path]:
        """Yield the files of the same kind and size, if that is known; of the same name first."""
        if self._by_kind is None:
            self._by_kind = _by_kind(self._candidates)
        sizes = self._by_kind.get(entry.path.suffix.lower(), {})
        wanted = entry.sizes and entry.sizes[1]
        like = [path for path, size in sizes.items() if wanted in (None, size)]
        yield from sorted(like, key=lambda path: path.name != entry.path.name)

    def _hash(self, path: Path) -> str | None:
        """Hash a file once, unless it changes; None if it is none, or cannot be read."""
        try:
            now = path.stat()
            if not stat.S_ISREG(now.st_mode):
                return None
            return self._sha256(path, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        except (OSError, ValueError):
            return None


def _sha256(path: Path, *_state: int) -> str:
    return exchange.sha256(path)


def _by_kind(paths: Iterable[Path]) -> dict[str, dict[Path, int]]:
    """Look at files: their sizes, by their suffixes."""
    sizes: dict[str, dict[Path, int]] = defaultdict(dict)
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            sizes[path.suffix.lower()][path] = path.stat().st_size
    return sizes


def _files_below(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for top, _, names in os.walk(folder):
            yield from (
                Path(top, name)
                for name in names
                if not name.startswith(".genretagger-") and container_of(Path(name))
            )
