"""Native FLAC."""

from __future__ import annotations

# mypy: allow-untyped-calls
# (mutagen says that it is typed, and leaves most of its functions without types)
from typing import BinaryIO

from genretagger.errors import TrackError
from genretagger.tags.base import PADDING
from genretagger.tags.blocks.id3 import big_endian
from genretagger.tags.layouts.base import Sound
from genretagger.tags.layouts.splices import Splice
from genretagger.tags.layouts.stream import Stream


class Flac(Stream):
    """A native FLAC stream, and whatever other programs put around it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, lambda _: self._walk())
        place = next((b for b in self.metadata if b[0] == 4), None)
        if place:
            self._found("Vorbis comment", *place[1:])

    def _walk(self) -> None:
        """List the metadata blocks: type, offset and size of the content in bytes."""
        self.metadata: list[tuple[int, int, int]] = []
        offset, last = self.start + 4, 0
        if self.at(self.start, 4) != b"fLaC":
            raise ValueError("no FLAC stream")
        while not last:
            head = self.at(offset, 4)
            last, kind, size = head[0] & 0x80, head[0] & 0x7F, big_endian(head[1:])
            self.metadata.append((kind, offset + 4, size))
            offset += 4 + size
            if offset > self.size:
                raise ValueError("the metadata runs past the end of the file")
        if self.metadata[0][0] != 0:
            raise ValueError("no STREAMINFO block")
        self.has_cuesheet = any(kind == 5 for kind, *_ in self.metadata)

    def sound(self) -> Sound:
        (_, offset, size), last = self.metadata[0], self.metadata[-1]
        start = last[1] + last[2]
        return Sound(start, super().sound().size + self.start - start, self.at(offset, size))

    def embed(self, new: dict[str, bytes]) -> list[Splice]:
        comment = new.get("Vorbis comment")
        splices = super().embed({f: d for f, d in new.items() if f != "Vorbis comment"})
        if comment is None:
            return splices
        if len(comment) > 0xFFFFFF:
            raise TrackError("the Vorbis comment would exceed 16 MB; remove pictures from it")
        # everything from the first to the last block is laid out again: the comment in its
        # place or second, the last padding block taking up the difference
        blocks = [(kind, self.at(offset, size)) for kind, offset, size in self.metadata]
        old_size = sum(4 + len(data) for _, data in blocks)
        at = next((i for i, (kind, _) in enumerate(blocks) if kind == 4), None)
        blocks[1 if at is None else at : 1 if at is None else at + 1] = [(4, comment)]
        pads = [i for i, (kind, _) in enumerate(blocks) if kind == 1]
        at = pads[-1] if pads else len(blocks)
        del blocks[at : at + 1]
        room = old_size - sum(4 + len(data) for _, data in blocks)
        if room:
            blocks.insert(at, (1, bytes(min(room - 4 if room >= 4 else PADDING, 0xFFFFFF))))
        data = b"".join(
            bytes((kind | (0x80 if i == len(blocks) - 1 else 0),))
            + len(content).to_bytes(3, "big")
            + content
            for i, (kind, content) in enumerate(blocks)
        )
        return [*splices, Splice(self.start + 4, old_size, data)]
