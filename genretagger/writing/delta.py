"""How two contents of a file differ: a list of stretches.

What lies between two stretches is the same in both contents, so audio that only moved is not
part of a delta. A stretch is kept as the bytes of both contents (`Stretch`) or, where a
container forces a change on every entry of a table or every page, as what is added to each
(`Entries`, `Pages`). One content is made from the other in pieces: memory does not grow with
the file.

References
----------
Ogg pages: RFC 3533 section 6. Offset tables (``stco``, ``co64``): ISO/IEC 14496-12 section 8.7.5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, TypeAlias

CHUNK = 1 << 20
"""Bytes read, compared or moved at a time."""


PAGE = 4096
"""The most that is written in place: a signal cannot cut a write inside one page (Linux,
``generic_perform_write``), and the journal restores it after a power failure."""


class MismatchError(ValueError):
    """A content is not the one that a delta was made for."""


@dataclass(frozen=True)
class Stretch:
    """Bytes in the place of others.

    Attributes
    ----------
    start : int
        Offset in the old content, in bytes.
    old, new : bytes
    """

    start: int
    old: bytes
    new: bytes

    @property
    def end(self) -> int:
        """Where the old bytes end."""
        return self.start + len(self.old)

    @property
    def growth(self) -> int:
        """By how many bytes the content becomes longer; negative if shorter."""
        return len(self.new) - len(self.old)

    def reversed(self, start: int) -> Stretch:
        """Return the way back, which begins elsewhere if the content before it has grown."""
        return Stretch(start, self.new, self.old)

    def changed(self, content: BinaryIO) -> Iterator[bytes]:
        """Yield the new bytes, if the content holds the old ones."""
        if read_at(content, self.start, len(self.old)) != self.old:
            raise MismatchError("other bytes than the delta replaces")
        yield self.new


@dataclass(frozen=True)
class Entries:
    """A table of big-endian numbers without sign, each larger by the same.

    Attributes
    ----------
    start : int
        Offset in the old content, in bytes.
    count : int
        Number of entries.
    width : {4, 8}
        Bytes of each.
    added : int
        Modulo 256 to the power of `width`.
    """

    start: int
    count: int
    width: int
    added: int

    growth = 0

    @property
    def end(self) -> int:
        """Where the last entry ends."""
        return self.start + self.count * self.width

    def reversed(self, start: int) -> Entries:
        """Return the way back, which begins elsewhere if the content before it has grown."""
        return replace(self, start=start, added=-self.added % (1 << 8 * self.width))

    def changed(self, content: BinaryIO) -> Iterator[bytes]:
        """Yield the entries as they become."""
        for at in range(self.start, self.end, CHUNK):
            data = read_at(content, at, min(CHUNK, self.end - at))
            numbers = unpacked(data, self.width)
            yield packed([self._sum(number) for number in numbers], self.width)

    def _sum(self, number: int) -> int:
        return (number + self.added) % (1 << 8 * self.width)


@dataclass(frozen=True)
class Pages:
    """Whole Ogg pages; those of one stream get other numbers, and so other checksums.

    Attributes
    ----------
    start : int
        Offset of the first page in the old content, in bytes.
    size : int
        Bytes of all pages.
    serial : int
        Of the stream; pages of other streams stay.
    added : int
        To the number of each page, modulo 2**32.
    """

    start: int
    size: int
    serial: int
    added: int

    growth = 0

    @property
    def end(self) -> int:
        """Where the last page ends."""
        return self.start + self.size

    def reversed(self, start: int) -> Pages:
        """Return the way back, which begins elsewhere if the content before it has grown."""
        return replace(self, start=start, added=-self.added % (1 << 32))

    def changed(self, content: BinaryIO) -> Iterator[bytes]:
        """Yield the pages as they become."""
        at = self.start
        while at < self.end:
            page = page_at(content, at)
            at += len(page)
            yield renumbered(page, self.added) if serial_of(page) == self.serial else page
        if at != self.end:
            raise MismatchError("Ogg pages of other sizes than the delta has")


AnyStretch: TypeAlias = Stretch | Entries | Pages


@dataclass(frozen=True)
class Delta:
    """How an old content becomes a new one.

    Attributes
    ----------
    stretches : tuple of Stretch, Entries or Pages
        From the beginning of the content to its end; they do not overlap.
    """

    stretches: tuple[AnyStretch, ...]

    @property
    def start(self) -> int:
        """Up to where both contents are the same, in bytes."""
        return self.stretches[0].start if self.stretches else 0

    @property
    def end(self) -> int:
        """From where on the rest of the old content is the end of the new one, too."""
        return self.stretches[-1].end if self.stretches else 0

    @property
    def growth(self) -> int:
        """By how many bytes the new content is longer; negative if shorter."""
        return sum(stretch.growth for stretch in self.stretches)

    def reversed(self) -> Delta:
        """Return the way back."""
        back: list[AnyStretch] = []
        shift = 0
        for stretch in self.stretches:
            back.append(stretch.reversed(stretch.start + shift))
            shift += stretch.growth
        return Delta(tuple(back))

    def changed(self, content: BinaryIO) -> Iterator[bytes]:
        """Make the new content from the old one.

        Parameters
        ----------
        content : binary file
            Holds the old content; read at places, so it must not be used meanwhile.

        Yields
        ------
        bytes
            The new content in pieces, `CHUNK` bytes or a stretch at most.

        Raises
        ------
        MismatchError
            If it is not what the delta was made for, as far as the stretches show.
        """
        at = 0
        for stretch in self.stretches:
            yield from _as_it_is(content, at, stretch.start)
            yield from stretch.changed(content)
            at = stretch.end
        content.seek(at)
        while piece := content.read(CHUNK):
            yield piece


def fits_in_page(delta: Delta) -> bool:
    """Tell whether everything from the first stretch to the last lies in one page of the file."""
    return delta.end <= delta.start - delta.start % PAGE + PAGE


def _as_it_is(content: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, CHUNK):
        yield read_at(content, at, min(CHUNK, end - at))


def read_at(content: BinaryIO, offset: int, size: int) -> bytes:
    """Read exactly `size` bytes at an offset."""
    content.seek(offset)
    data = content.read(size)
    if len(data) != size:
        raise MismatchError("the content ends too early")
    return data


_LETTERS = {4: "I", 8: "Q"}


def unpacked(data: bytes, width: int) -> Sequence[int]:
    """Read big-endian numbers without sign; what is left at the end is no number."""
    count = len(data) // width
    return struct.unpack(f">{count}{_LETTERS[width]}", data[: count * width])


def packed(numbers: Sequence[int], width: int) -> bytes:
    """Write big-endian numbers without sign."""
    return struct.pack(f">{len(numbers)}{_LETTERS[width]}", *numbers)


# ---- Ogg pages ---------------------------------------------------------------------------------

_HEAD = 27  # bytes, up to the table of segments
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def page_at(content: BinaryIO, offset: int) -> bytes:
    """Read one Ogg page.

    Raises
    ------
    MismatchError
        If there is none.
    """
    head = read_at(content, offset, _HEAD)
    if head[:4] != b"OggS":
        raise MismatchError("no Ogg page where the delta has one")
    segments = read_at(content, offset + _HEAD, head[26])
    return head + segments + read_at(content, offset + _HEAD + head[26], sum(segments))


def serial_of(page: bytes) -> int:
    """Say which stream a page belongs to."""
    return int.from_bytes(page[14:18], "little")


def number_of(page: bytes) -> int:
    """Say which page of its stream this is."""
    return int.from_bytes(page[18:22], "little")


def renumbered(page: bytes, added: int) -> bytes:
    """Return the page with another number and the checksum that goes with it."""
    number = (number_of(page) + added) % (1 << 32)
    blank = page[:18] + number.to_bytes(4, "little") + bytes(4) + page[26:]
    return blank[:22] + _checksum(blank) + blank[26:]


def _checksum(page: bytes) -> bytes:
    # Ogg's CRC-32 is zlib's with the bits of every byte, and of the sum, in the other order,
    # and without the inversions before and after
    mirrored = ~zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) & 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2).to_bytes(4, "little")
