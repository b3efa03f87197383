"""Splices: a new content of a file, told by the stretches that differ from the old one.

A layout says what it wants to change as a list of splices. They can be looked at before a
byte is written (`Spliced`), and carried out (`apply_splices`).
"""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_CHUNK = 1 << 20
"""Bytes moved at a time where a file has to grow or shrink."""


class Splice(NamedTuple):
    """Put `data` where `size` bytes at `offset` stand now.

    Offsets count in the old content. Splices do not overlap; where two begin at the same
    offset, one of them replaces nothing and comes first.
    """

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


class _Seekable(io.RawIOBase):
    """A file whose bytes come from elsewhere; whoever inherits knows its size."""

    position = 0

    def size(self) -> int:
        """Tell the length in bytes."""
        raise NotImplementedError

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read in any order."""
        return True

    def tell(self) -> int:
        """Tell at which byte the next read begins."""
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size()}[whence]
        if start + offset < 0:
            raise ValueError("the offset is negative")
        self.position = start + offset
        return self.position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read up to as many bytes as the buffer holds."""
        view = memoryview(buffer).cast("B")
        data = self.read_piece(len(view))
        view[: len(data)] = data
        self.position += len(data)
        return len(data)

    def read_piece(self, size: int) -> bytes:
        """Read at the position, and at most `size` bytes: as far as they lie together."""
        raise NotImplementedError


class Spliced(_Seekable):
    """A file as it reads once splices are carried out; nothing is written, little is held.

    Parameters
    ----------
    file : binary file
    splices : sequence of Splice
    """

    def __init__(self, file: BinaryIO, splices: Sequence[Splice]) -> None:
        self._file = file
        # pieces in order: where each begins, and either its bytes or its offset in the old file
        self._starts: list[int] = []
        self._pieces: list[bytes | int] = []
        self._end = old = 0
        for offset, size, data in sorted(splices):
            self._add(old, offset - old)
            self._add(data, len(data))
            old = offset + size
        self._add(old, file.seek(0, os.SEEK_END) - old)

    def _add(self, piece: bytes | int, size: int) -> None:
        if size > 0:
            self._starts.append(self._end)
            self._pieces.append(piece)
            self._end += size

    def size(self) -> int:
        """Tell the length in bytes, as it will be."""
        return self._end

    def read_piece(self, size: int) -> bytes:
        """Read from one splice, or from between two."""
        if self.position >= self._end:
            return b""
        number = bisect_right(self._starts, self.position) - 1
        skipped = self.position - self._starts[number]
        piece = self._pieces[number]
        if isinstance(piece, bytes):
            return piece[skipped : skipped + size]
        end = self._starts[number + 1] if number + 1 < len(self._starts) else self._end
        self._file.seek(piece + skipped)
        return self._file.read(min(size, end - self.position))


class Window(_Seekable):
    """The beginning of a file, of which the last stretch may be changed, in memory.

    Parameters
    ----------
    file : binary file
    start, end : int
        Offsets in bytes. What stands before `start` is read through; what stands from `end`
        on seems not to be there.
    """

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._start, self._old_size = file, start, end - start
        file.seek(start)
        self._held = bytearray(file.read(end - start))

    def splice(self) -> Splice:
        """Say what has been changed."""
        return Splice(self._start, self._old_size, bytes(self._held))

    def size(self) -> int:
        """Tell the length in bytes, as it is now."""
        return self._start + len(self._held)

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def read_piece(self, size: int) -> bytes:
        """Read from before the window, or in it."""
        if self.position < self._start:
            self._file.seek(self.position)
            return self._file.read(min(size, self._start - self.position))
        at = self.position - self._start
        return bytes(self._held[at : at + size])

    def write(self, data: ReadableBuffer) -> int:
        """Write in the window, or on at its end."""
        content = bytes(data)
        at = self.position - self._start
        if content and not 0 <= at <= len(self._held):
            raise ValueError("written outside the window")
        self._held[at : at + len(content)] = content
        self.position += len(content)
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        """Cut the window off."""
        size = self.position if size is None else size
        if size < self._start:
            raise ValueError("cut outside the window")
        del self._held[size - self._start :]
        return self.size()
