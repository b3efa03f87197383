"""What the layouts of all containers share."""

from __future__ import annotations

# mypy: allow-untyped-calls
# (mutagen says that it is typed, and leaves most of its functions without types)
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, BinaryIO, NamedTuple

from genretagger.errors import TrackError
from genretagger.tags.base import Block, Edit, family_of, quoted
from genretagger.tags.blocks import FORMATS

_CHUNK = 1 << 20
"""Bytes moved at a time where a file has to grow or shrink."""

STRETCH = 16384
"""Bytes hashed at a time to know audio again: 0.1 s of a CD, 0.4 s of the largest MP3."""


class Splice(NamedTuple):
    """Put `data` where `size` bytes at `offset` stand now."""

    offset: int
    size: int
    data: bytes


def apply_splices(file: BinaryIO, splices: Sequence[Splice]) -> None:
    """Carry splices out, the last in the file first, so that offsets stay true."""
    for offset, size, data in sorted(splices, reverse=True):
        _move(file, offset + size, offset + len(data))
        file.seek(offset)
        file.write(data)
    file.flush()


def _move(file: BinaryIO, old: int, new: int) -> None:
    """Move everything from byte `old` to the end so that it begins at byte `new`."""
    if old == new:
        return
    end = file.seek(0, os.SEEK_END)
    starts = range(old, end, _CHUNK)
    for start in starts if new < old else reversed(starts):
        file.seek(start)
        data = file.read(min(_CHUNK, end - start))
        file.seek(start - old + new)
        file.write(data)
    if new < old:
        file.truncate(end - old + new)


class Sound(NamedTuple):
    """Where the encoded audio lies, and what else decides how it sounds."""

    start: int
    size: int
    about: bytes = b""

    def stretches(self) -> Sequence[int]:
        """Choose where to look, in bytes; all of it where it is short."""
        if self.size <= 5 * STRETCH:
            return range(self.start, self.start + self.size, STRETCH)
        return [self.start + (self.size - STRETCH) * quarter // 4 for quarter in range(5)]


class Layout:
    """The blocks of one open file; `raw` holds the bytes of each by its family."""

    has_cuesheet = False

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)
        self.raw: dict[str, bytes] = {}

    def blocks(self) -> list[Block]:
        """Parse every block."""
        return [FORMATS[family][0](raw) for family, raw in self.raw.items()]

    def store(self, edits: Sequence[Edit]) -> None:
        """Write the edits, after making sure in memory that they will read back."""
        new = {}
        for edit in edits:
            family = family_of(edit.kind)
            parse, change = FORMATS[family]
            new[family] = changed = change(self.raw.get(family, b""), edit)
            read_back = parse(changed).items.get(edit.key.upper(), ()) if changed else ()
            if read_back != edit.values:
                raise TrackError(f"{edit.kind} cannot hold {quoted(edit.values)}; rename it")
        if new:
            self.embed(new)

    def embed(self, new: dict[str, bytes]) -> None:
        """Put new bytes in the place of these blocks; empty bytes remove a block."""
        raise NotImplementedError

    def sound(self) -> Sound:
        """Find the encoded audio."""
        raise NotImplementedError

    def encoded(self, offset: int, size: int) -> bytes:
        """Read encoded audio, without what a change of the tags alters in it."""
        return self.at(offset, size)

    def at(self, offset: int, size: int) -> bytes:
        """Read exactly `size` bytes at `offset`."""
        if not 0 <= offset <= offset + size <= self.size:
            raise ValueError("the file ends too early")
        self.file.seek(offset)
        return self.file.read(size)


class ByMutagen(Layout):
    """A header that mutagen reads and writes."""

    opened: Callable[[BinaryIO], Any]

    @cached_property
    def audio(self) -> Any:
        """What mutagen makes of it."""
        self.file.seek(0)
        return type(self).opened(self.file)
