"""Step 9, journal: what is about to be changed is written down first, so that it can be undone.

A journal is a file of JSON lines, in one folder for each user. The first line says what the
run was; then each change has a line before it is made, with the bytes that it replaces and
the hashes of the file before and after, and a line when it is made, or was given up.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genretagger.containers import container_of
from genretagger.errors import FatalError
from genretagger.places import journals_folder
from genretagger.writing.exchange import Delta

FORMAT = 1
"""Version of the lines; a reader of another version refuses them."""


@dataclass(frozen=True)
class Entry:
    """One change of one file.

    Attributes
    ----------
    path : pathlib.Path
        Absolute.
    delta : Delta
        What is replaced by what.
    sha256 : tuple of (str, str)
        Of the whole file before and after, as hexadecimal digits.
    old, new : tuple of str
        The genres, to be shown.
    """

    path: Path
    delta: Delta
    sha256: tuple[str, str]
    old: tuple[str, ...]
    new: tuple[str, ...]

    def reversed(self) -> Entry:
        """Return the way back."""
        return Entry(self.path, self.delta.reversed(), self.sha256[::-1], self.new, self.old)


class Journal:
    """A journal being written; the file is made with the first change.

    Parameters
    ----------
    command : str
        What the run is, in words, for ``genretagger history``.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._copies: list[Path] = []
        self.path: Path | None = None

    def note_copy(self, copy: Path) -> None:
        """Remember which working copy is about to be made, so that a killed run's is removed.

        Raises
        ------
        FatalError
            If that fails.
        """
        self._copies = [*filter(os.path.lexists, self._copies), copy]
        try:
            folder().mkdir(parents=True, exist_ok=True)
            _noted().write_bytes(b"\0".join(map(os.fsencode, self._copies)))
        except OSError as error:
            raise _unwritable(error) from error

    def begin(self, entry: Entry) -> None:
        """Write down a change, safely on the disk, before it is made.

        Raises
        ------
        FatalError
            If that fails. The change must then not be made.
        """
        try:
            if self.path is None:
                self.path = _create()
                stamp = time.strftime("%Y-%m-%d %H:%M:%S")
                self._append(genretagger_journal=FORMAT, command=self._command, time=stamp)
            self._append(
                shown=str(entry.path),
                path=_pack(os.fsencode(entry.path)),
                start=entry.delta.start,
                old_bytes=_pack(entry.delta.old),
                new_bytes=_pack(entry.delta.new),
                sha256=entry.sha256,
                old=entry.old,
                new=entry.new,
            )
        except OSError as error:
            raise _unwritable(error) from error

    def end(self, *, done: bool) -> None:
        """Write down that the change was made, or was not and the file is as it was.

        Without this line, after a crash, the hashes tell which.
        """
        try:
            self._append(done=done)
        except OSError as error:
            raise FatalError(f"the journal {self.path}: {error.strerror}") from error

    def _append(self, **line: Any) -> None:
        if self.path is None:
            raise ValueError("a change is begun before it ends")
        _append(self.path, line)


def folder() -> Path:
    """Say where journals are kept."""
    return journals_folder()


def history() -> list[Path]:
    """List the journals, oldest first; not those that a killed run left without a change."""
    found = folder().glob("*.jsonl") if folder().is_dir() else ()
    begun = [path for path in found if _has_change(path)]
    return sorted(begun, key=lambda path: path.stat().st_mtime_ns)


def _has_change(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline().endswith(b"\n") and file.readline().endswith(b"\n")


def read(path: Path) -> tuple[dict[str, Any], list[Entry]]:
    """Read a journal.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    head : dict
        ``command`` and ``time``.
    entries : list of Entry
        The changes in order; not those that were given up.

    Raises
    ------
    FatalError
        If it is no journal, or damaged other than at its very end, where a killed run may
        have left half a line.
    """
    head, entries, _ = _parse(path)
    return head, entries


def unfinished() -> Iterator[tuple[Path, Entry]]:
    """Find the changes that were begun and have no end: those of killed runs.

    Yields
    ------
    tuple of pathlib.Path and Entry
        The journal, and its last change. Journals that are damaged are passed over.
    """
    for path in history():
        if _last_line(path) in _ENDS:
            continue
        with contextlib.suppress(FatalError):  # who undoes it is told
            _, entries, is_open = _parse(path)
            if is_open:
                yield path, entries[-1]


def settle(path: Path, *, done: bool) -> None:
    """Write the end of a journal's last change, in the place of a line that was cut short.

    Raises
    ------
    FatalError
        If that fails.
    """
    try:
        stat = path.stat()
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
        _append(path, {"done": done})
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # its place in the history
    except OSError as error:
        raise _unwritable(error) from error


def noted_copies() -> list[Path]:
    """Say which working copies runs have made, and may have left behind."""
    try:
        noted = [Path(os.fsdecode(name)) for name in _noted().read_bytes().split(b"\0")]
    except OSError:
        return []
    return [
        path
        for path in noted
        if path.is_absolute() and path.name.startswith(".genretagger-") and container_of(path)
    ]


def forget_copies() -> None:
    """Drop the note."""
    with contextlib.suppress(OSError):  # it is read again, and nothing is found
        _noted().unlink(missing_ok=True)


_ENDS = {b'{"done": true}\n', b'{"done": false}\n'}


def _noted() -> Path:
    return folder() / "working-copies"


def _last_line(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 64))
        return file.read().splitlines(keepends=True)[-1]


def _unwritable(error: OSError) -> FatalError:
    return FatalError(
        f"the journal in {folder()} cannot be written: {error.strerror}; stopped before the "
        "next change"
    )


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="ascii") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _parse(path: Path) -> tuple[dict[str, Any], list[Entry], bool]:
    """Read the head, the changes that were not given up, and whether the last has no end."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise FatalError(f"journal {path}: {error.strerror}") from error
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    entries: list[Entry] = []
    is_open = False
    try:
        head, *rest = [json.loads(line) for line in lines]
        if head["genretagger_journal"] != FORMAT:
            raise FatalError(f"journal {path}: written by another version of genretagger")
        if not (isinstance(head["command"], str) and isinstance(head["time"], str)):
            raise TypeError("the first line makes no sense")
        for line in rest:
            is_open = "path" in line
            if is_open:
                entries.append(_entry(line))
            elif line["done"] is False:
                entries.pop()
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise FatalError(f"journal {path}: damaged: {str(error)[:200]}") from error
    return head, entries, is_open


def _create() -> Path:
    folder().mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S")
    for number in range(1, 1000):
        path = folder() / f"{stamp}-{number}.jsonl"
        try:
            path.open("x").close()
        except FileExistsError:
            continue
        return path
    raise FileExistsError(0, "a thousand journals in one second")


def _entry(line: dict[str, Any]) -> Entry:
    path, start = Path(os.fsdecode(_unpack(line["path"]))), line["start"]
    if (
        not isinstance(start, int)
        or not 0 <= start < 1 << 63
        or "\0" in str(path)
        or not path.is_absolute()
    ):
        raise ValueError("a line makes no sense")
    if container_of(path) is None:
        raise ValueError("it names a file that is no audio")
    before, after = map(str, line["sha256"])
    old, new = (tuple(map(str, line[key])) for key in ("old", "new"))
    delta = Delta(start, _unpack(line["old_bytes"]), _unpack(line["new_bytes"]))
    return Entry(path, delta, (before, after), old, new)


def _pack(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unpack(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
