"""Native FLAC."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from genretagger.errors import TrackError
from genretagger.tags.base import PADDING
from genretagger.tags.blocks.id3_frames import big_endian
from genretagger.tags.layouts.base import Sound
from genretagger.tags.layouts.splices import Splice
from genretagger.tags.layouts.stream import Stream


class Flac(Stream):
    """A native FLAC stream, and whatever other programs put around it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, lambda _: self._walk())
        comments = [place for place in self.metadata if place.kind == _COMMENT]
        for place in comments[:1]:
            self._place("Vorbis comment", place.offset, place.size)
        for place in comments[1:]:
            self.further.append(("Vorbis comment", self.at(place.offset, place.size)))

    def _walk(self) -> None:
        """List the metadata blocks."""
        self.metadata: list[_Place] = []
        offset, last = self.start + 4, 0
        if self.at(self.start, 4) != b"fLaC":
            raise ValueError("no FLAC stream")
        while not last:
            head = self.at(offset, 4)
            last, kind, size = head[0] & 0x80, head[0] & 0x7F, big_endian(head[1:])
            self.metadata.append(_Place(kind, offset + 4, size))
            offset += 4 + size
            if offset > self.size:
                raise ValueError("the metadata runs past the end of the file")
        if self.metadata[0].kind != _STREAMINFO:
            raise ValueError("no STREAMINFO block")
        self.has_cuesheet = any(place.kind == _CUESHEET for place in self.metadata)

    def sound(self) -> Sound:
        """Begin behind the metadata, of which STREAMINFO describes the audio."""
        info, last = self.metadata[0], self.metadata[-1]
        start = last.offset + last.size
        size = super().sound().size + self.start - start
        return Sound(start, size, self.at(info.offset, info.size))

    def embed(self, new: dict[str, bytes]) -> list[Splice]:
        """Lay out everything from the first to the last metadata block again."""
        comment = new.get("Vorbis comment")
        around = super().embed({f: data for f, data in new.items() if f != "Vorbis comment"})
        if comment is None:
            return around
        if len(comment) > _MOST:
            raise TrackError("the Vorbis comment would exceed 16 MB; remove pictures from it")
        blocks = [(place.kind, self.at(place.offset, place.size)) for place in self.metadata]
        old_size = _size_of(blocks)
        blocks = _padded(_with_comment(blocks, comment), old_size)
        return [*around, Splice(self.start + 4, old_size, _packed(blocks))]


class _Place(NamedTuple):
    """Where the content of a metadata block lies, in bytes."""

    kind: int
    offset: int
    size: int


_Blocks = list[tuple[int, bytes]]
"""Metadata blocks: the kind and the content of each."""

_STREAMINFO, _PADDING, _COMMENT, _CUESHEET = 0, 1, 4, 5
_MOST = 0xFFFFFF
"""Bytes that one block can hold."""


def _size_of(blocks: _Blocks) -> int:
    return sum(4 + len(content) for _, content in blocks)


def _with_comment(blocks: _Blocks, comment: bytes) -> _Blocks:
    """Put a comment in the place of the first one, or behind STREAMINFO."""
    at = next((i for i, (kind, _) in enumerate(blocks) if kind == _COMMENT), None)
    if at is None:
        return [*blocks[:1], (_COMMENT, comment), *blocks[1:]]
    return [*blocks[:at], (_COMMENT, comment), *blocks[at + 1 :]]


def _padded(blocks: _Blocks, size: int) -> _Blocks:
    """Let the last padding block take up the difference to a size in bytes, if it can.

    A block has a head of 4 bytes: where less is left, all grows by new padding.
    """
    at = max((i for i, (kind, _) in enumerate(blocks) if kind == _PADDING), default=len(blocks))
    blocks = blocks[:at] + blocks[at + 1 :]
    room = size - _size_of(blocks)
    if room:
        padding = bytes(min(room - 4 if room >= 4 else PADDING, _MOST))
        blocks.insert(at, (_PADDING, padding))
    return blocks


def _packed(blocks: _Blocks) -> bytes:
    """Put its head before the content of each block, and mark the last."""
    last = len(blocks) - 1
    return b"".join(
        bytes((kind | (0x80 if i == last else 0),)) + len(content).to_bytes(3, "big") + content
        for i, (kind, content) in enumerate(blocks)
    )
