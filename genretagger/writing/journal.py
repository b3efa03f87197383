"""Step 9, journal: what is about to be changed is written down first, so that it can be undone.

A journal is a file of JSON lines, in one folder for each user. The first line says what the
run was; then each change has a line before it is made, with the bytes that it replaces and
the hashes of the file before and after, and a line when it is made, or was given up.

Only this module knows how the first line of an older journal tells an undo from a run.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from genretagger.containers import container_of
from genretagger.errors import FatalError
from genretagger.identity import is_file
from genretagger.places import journals_folder
from genretagger.writing.delta import AnyStretch, Delta, Entries, Pages, Stretch

FORMAT = 2
"""Version of the lines. Those of version 1, where a change is one stretch, are read, too."""


_SPARE = 64 << 10
"""Bytes that stay free when a change is begun, so that its end can be written down, too."""

Kind = Literal["run", "undo", "redo"]


@dataclass(frozen=True)
class Head:
    """The first line of a journal: what the run was.

    Attributes
    ----------
    command : str
        In words; of an undo or a redo, the command whose changes it takes back or makes again.
    time : str
        When the first file was changed, in local time.
    kind : {"run", "undo", "redo"}
    reverses : str
        Name of the journal that an undo or a redo takes back; empty where an older version
        did not note it.
    program : {"genretagger", "beets"}
        What was started.
    number : int or None
        For people, counted from 1; None where an older version did not note it.
    roots : tuple of pathlib.Path
        The folders in which the run was to work, where files that it changed are sought when
        they were moved; empty where an older version did not note them.
    """

    command: str
    time: str
    kind: Kind = "run"
    reverses: str = ""
    program: str = "genretagger"
    number: int | None = None
    roots: tuple[Path, ...] = ()

    @property
    def title(self) -> str:
        """What the run was, in words."""
        return self.command if self.kind == "run" else f"{self.kind} of: {self.command}"


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
    sizes : tuple of (int, int) or None
        Of the whole file before and after, in bytes; None where an older version did not note
        them.
    """

    path: Path
    delta: Delta
    sha256: tuple[str, str]
    old: tuple[str, ...]
    new: tuple[str, ...]
    sizes: tuple[int, int] | None = None

    def reversed(self) -> Entry:
        """Return the way back."""
        sizes = self.sizes and self.sizes[::-1]
        return Entry(self.path, self.delta.reversed(), self.sha256[::-1], self.new, self.old, sizes)


class Journal:
    """A journal being written; the file is made with the first change.

    Parameters
    ----------
    command : str
        What the run is, in words, for ``genretagger history``.
    kind, reverses, program
        As in `Head`.
    roots : iterable of str or path-like
        What the run was given: folders, and files, of which the folders count.

    Attributes
    ----------
    path : pathlib.Path or None
        None until the first change begins.
    """

    def __init__(
        self,
        command: str,
        *,
        kind: Kind = "run",
        reverses: str = "",
        program: str = "genretagger",
        roots: Iterable[str | PathLike[str]] = (),
    ) -> None:
        folders = dict.fromkeys(_folder(Path(root)) for root in roots if "\0" not in str(root))
        self._head = Head(command, "", kind, reverses, program, roots=tuple(folders))
        self._copies: list[Path] = []
        self.path: Path | None = None

    @classmethod
    def reversing(cls, path: str | PathLike[str], head: Head) -> Journal:
        """Return the journal for taking back another one: an undo, or the redo of an undo."""
        kind: Kind = "redo" if head.kind == "undo" else "undo"
        return cls(
            head.command,
            kind=kind,
            reverses=Path(path).name,
            program=head.program,
            roots=head.roots,
        )

    @classmethod
    def continuing(cls, path: Path, head: Head) -> Journal:
        """Return a journal to which more changes of the same run are added."""
        journal = cls(head.command, program=head.program, roots=head.roots)
        journal.path = path
        return journal

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders in which the run is to work."""
        return self._head.roots

    def note_copy(self, copy: Path) -> None:
        """Remember which working copy is about to be made, so that a killed run's is removed.

        Raises
        ------
        FatalError
            If that fails.
        """
        self._copies = [*filter(os.path.lexists, self._copies), copy]
        try:
            journals_folder().mkdir(parents=True, exist_ok=True)
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
                number = _next_number()
                self.path = _create()
                stamp = time.strftime("%Y-%m-%d %H:%M:%S")
                head = asdict(replace(self._head, time=stamp, number=number))
                head["roots"] = [_pack(os.fsencode(root)) for root in self._head.roots]
                self._append(genretagger_journal=FORMAT, **head)
            self._append(
                shown=str(entry.path),
                path=_pack(os.fsencode(entry.path)),
                stretches=[_row(stretch) for stretch in entry.delta.stretches],
                sha256=entry.sha256,
                old=entry.old,
                new=entry.new,
                sizes=entry.sizes,
                spare=_SPARE,
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

    def finish(self) -> None:
        """Write down that the run has come to its end; only an undo or a redo need say so.

        One that was broken off does not count, so that the same command goes on with it.
        """
        if self.path is not None:
            try:
                self._append(finished=True)
            except OSError as error:
                raise FatalError(f"the journal {self.path}: {error.strerror}") from error

    def _append(self, *, spare: int = 0, **line: Any) -> None:
        if self.path is None:
            raise ValueError("a change is begun before it ends")
        _append(self.path, line, spare=spare)


def history() -> list[Path]:
    """List the journals, oldest first; not those that a killed run left without a change."""
    paths = journals_folder().glob("*.jsonl") if journals_folder().is_dir() else ()
    begun = [path for path in paths if _has_change(path)]
    return sorted(begun, key=lambda path: path.stat().st_mtime_ns)


def heads() -> Iterator[tuple[Path, Head]]:
    """Read what the runs were, oldest first, every one with a number.

    Numbers are stored. Older versions stored none: their journals count backwards from the
    first that has one, so that none gets another number when the oldest are removed.

    Yields
    ------
    tuple of pathlib.Path and Head
        Journals with a damaged first line are passed over.
    """
    known = [(path, head) for path in history() if (head := _head_of(path))]
    first = next((head.number - n for n, (_, head) in enumerate(known) if head.number), 1)
    for number, (path, head) in enumerate(known, start=first):
        yield path, head if head.number else replace(head, number=number)


def is_finished(path: Path) -> bool:
    """Tell whether an undo or a redo came to its end; older versions did not note it."""
    with path.open("rb") as file:
        is_of_before = json.loads(file.readline()).get("genretagger_journal") == 1
    return is_of_before or _last_line(path) == _FINISHED


def has_ended(path: Path) -> bool:
    """Tell whether the last change of a journal was written down to its end."""
    return _last_line(path) in _ENDS


def _head_of(path: Path) -> Head | None:
    with path.open("rb") as file:
        try:
            return _head(json.loads(file.readline()))
        except _NONSENSE:
            return None


def _has_change(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline().endswith(b"\n") and file.readline().endswith(b"\n")


def read(path: str | PathLike[str]) -> tuple[Head, list[Entry]]:
    """Read a journal.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    head : Head
    entries : list of Entry
        The changes in order; not those that were given up.

    Raises
    ------
    FatalError
        If it is no journal, or damaged other than at its very end, where a killed run may
        have left half a line.
    """
    head, entries, _ = _parse(Path(path))
    return head, entries


def unfinished() -> Iterator[tuple[Path, Entry]]:
    """Find the changes that were begun and have no end: those of killed runs.

    Yields
    ------
    tuple of pathlib.Path and Entry
        The journal, and its last change. Journals that are damaged are passed over.
    """
    for path in history():
        if has_ended(path):
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
    with contextlib.suppress(OSError):  # it is read again by the next run, and names no file
        _noted().unlink(missing_ok=True)


_NONSENSE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What damaged lines raise when they are understood."""

_FINISHED = b'{"finished": true}\n'
_ENDS = {b'{"done": true}\n', b'{"done": false}\n', _FINISHED}


def _folder(root: Path) -> Path:
    real = root.resolve()
    return real.parent if is_file(real) else real


def _noted() -> Path:
    return journals_folder() / "working-copies"


def _last_line(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 64))
        return file.read().splitlines(keepends=True)[-1]


def _unwritable(error: OSError) -> FatalError:
    return FatalError(
        f"the journal in {journals_folder()} cannot be written: {error.strerror}; stopped before "
        "the next change"
    )


def _append(path: Path, line: dict[str, Any], *, spare: int = 0) -> None:
    """Write a line down safely, if there is room for it and for `spare` bytes more."""
    text = json.dumps(line) + "\n"
    if spare and shutil.disk_usage(path.parent).free < len(text) + spare:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with path.open("a", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _parse(path: Path) -> tuple[Head, list[Entry], bool]:
    """Read the head, the changes that were not given up, and whether the last has no end."""
    entries: list[Entry] = []
    is_open = False
    try:
        lines = _whole_lines(path)
        first = next(lines, {})
        if first["genretagger_journal"] not in (1, FORMAT):
            raise FatalError(f"journal {path}: written by another version of genretagger")
        head = _head(first)
        for line in lines:
            is_open = "path" in line
            if is_open:
                entries.append(_entry(line))
            elif "finished" not in line and line["done"] is False:
                entries.pop()
    except OSError as error:
        raise FatalError(f"journal {path}: {error.strerror}") from error
    except _NONSENSE as error:
        raise FatalError(f"journal {path}: damaged: {str(error)[:200]}") from error
    return head, entries, is_open


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def _create() -> Path:
    journals_folder().mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S")
    for number in range(1, 1000):
        path = journals_folder() / f"{stamp}-{number}.jsonl"
        try:
            path.open("x").close()
        except FileExistsError:
            continue
        return path
    raise FileExistsError(0, "a thousand journals in one second")


def _head(line: dict[str, Any]) -> Head:
    command, stamp, number = line["command"], line["time"], line.get("number")
    if "kind" in line:
        kind, reverses, program = line["kind"], line["reverses"], line["program"]
    else:
        command, kind, reverses, program = _of_before(command)
    texts = (command, stamp, reverses, program)
    is_number = number is None or (type(number) is int and number > 0)
    if not (all(isinstance(text, str) for text in texts) and is_number):
        raise TypeError("the first line makes no sense")
    if kind not in get_args(Kind):
        raise ValueError("the first line tells of neither a run nor an undo")
    roots = tuple(_path(root) for root in line.get("roots", ()))
    return Head(command, stamp, kind, reverses, program, number, roots)


def _of_before(command: str) -> tuple[str, Kind, str, str]:
    """Understand the command of a head without a kind: ``undo of: tag /music``."""
    program = "beets" if command.startswith("beet ") else "genretagger"
    beets, separator, name = command.partition(" --undo ")
    if program == "beets" and separator:
        return beets, "undo", name, program
    for kind in ("undo", "redo"):
        if command.startswith(f"{kind} of: "):
            rest = command.removeprefix(f"{kind} of: ")
            return rest, kind, "", "beets" if rest.startswith("beet ") else program
    return command, "run", "", program


def _next_number() -> int:
    return max((head.number or 0 for _, head in heads()), default=0) + 1


def _path(packed: str) -> Path:
    path = Path(os.fsdecode(_unpack(packed)))
    if "\0" in str(path) or not path.is_absolute():
        raise ValueError("a line makes no sense")
    return path


def _entry(line: dict[str, Any]) -> Entry:
    path = _path(line["path"])
    if container_of(path) is None:
        raise ValueError("it names a file that is no audio")
    before, after = map(str, line["sha256"])
    old, new = (tuple(map(str, line[key])) for key in ("old", "new"))
    rows = line["stretches"] if "stretches" in line else [_row_of_before(line)]
    delta = Delta(tuple(map(_stretch, rows)))
    ends = [0, *(stretch.end for stretch in delta.stretches)]
    if any(stretch.start < end for stretch, end in zip(delta.stretches, ends, strict=False)):
        raise ValueError("stretches that overlap")
    return Entry(path, delta, (before, after), old, new, _sizes(line.get("sizes")))


def _sizes(row: Any) -> tuple[int, int] | None:
    if row is None:
        return None
    old, new = row
    return _whole(old, 1 << 63), _whole(new, 1 << 63)


def _row(stretch: AnyStretch) -> dict[str, Any]:
    if isinstance(stretch, Stretch):
        return {"start": stretch.start, "old": _pack(stretch.old), "new": _pack(stretch.new)}
    return asdict(stretch)


def _row_of_before(line: dict[str, Any]) -> dict[str, Any]:
    return {"start": line["start"], "old": line["old_bytes"], "new": line["new_bytes"]}


def _stretch(row: dict[str, Any]) -> AnyStretch:
    if "old" in row:
        start, old, new = row["start"], _unpack(row["old"]), _unpack(row["new"])
        return Stretch(_whole(start, 1 << 63), old, new)
    kind = Entries if "width" in row else Pages
    stretch = kind(**{key: _whole(value, 1 << 64) for key, value in row.items()})
    if isinstance(stretch, Entries) and stretch.width not in (4, 8):
        raise ValueError("a table of numbers of no known width")
    return stretch


def _whole(value: Any, limit: int) -> int:
    if type(value) is not int or not 0 <= value < limit:
        raise ValueError("a line makes no sense")
    return value


def _pack(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unpack(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
