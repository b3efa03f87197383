"""Step 9, journal: what is about to be changed is written down first, so that it can be undone.

A journal is a file of JSON lines, in one folder for each user. The first line says what the
run was; then each change has a line before it is made, with the bytes that it replaces and
the hashes of the file before and after, and a line when it is made, or was given up.
"""

from __future__ import annotations

import base64
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from genretagger.errors import FatalError
from genretagger.files import Delta

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
        self.path: Path | None = None

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
            raise FatalError(
                f"the journal in {folder()} cannot be written: {error.strerror}; stopped before "
                "the next change"
            ) from error

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
        with self.path.open("a", encoding="ascii") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def state_folder() -> Path:
    """Say where this user's state is kept: the platform's place for it."""
    return user_state_path("genretagger", appauthor=False)


def folder() -> Path:
    """Say where journals are kept."""
    return state_folder() / "journals"


def history() -> list[Path]:
    """List the journals, oldest first."""
    found = folder().glob("*.jsonl") if folder().is_dir() else ()
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


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
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise FatalError(f"journal {path}: {error.strerror}") from error
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    entries: list[Entry] = []
    try:
        head, *rest = [json.loads(line) for line in lines]
        if head["genretagger_journal"] != FORMAT:
            raise FatalError(f"journal {path}: written by another version of genretagger")
        for line in rest:
            if "path" in line:
                entries.append(_entry(line))
            elif line["done"] is False:
                entries.pop()
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise FatalError(f"journal {path}: damaged: {error}") from error
    return head, entries


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
    if not isinstance(start, int) or start < 0 or not path.is_absolute():
        raise ValueError("a line makes no sense")
    before, after = map(str, line["sha256"])
    old, new = (tuple(map(str, line[key])) for key in ("old", "new"))
    delta = Delta(start, _unpack(line["old_bytes"]), _unpack(line["new_bytes"]))
    return Entry(path, delta, (before, after), old, new)


def _pack(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unpack(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
