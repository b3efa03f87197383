"""DSF."""

from __future__ import annotations

import struct
from typing import BinaryIO

from genretagger.tags.blocks.id3_frames import id3v2_size
from genretagger.tags.layouts.base import Layout, Sound
from genretagger.tags.layouts.splices import Splice


class Dsf(Layout):
    """DSF: an ID3v2 tag at the end, to which the header points."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        head = self.at(0, 32)
        if head[:4] != b"DSD " or head[28:] != b"fmt ":
            raise ValueError("no DSF header")
        (self.pointer,) = struct.unpack("<Q", head[20:28])
        if self.pointer:
            size = id3v2_size(self.at(self.pointer, 10))
            if not size:
                raise ValueError("no ID3v2 tag where the header says")
            self.raw["ID3v2"] = self.at(self.pointer, size)

    def sound(self) -> Sound:
        """Take everything between the first chunk, which points to the tag, and the tag."""
        return Sound(28, (self.pointer or self.size) - 28)

    def embed(self, new: dict[str, bytes]) -> list[Splice]:
        """Put the tag at its place, and correct the file's size and the pointer."""
        data = new["ID3v2"]
        old_size = len(self.raw.get("ID3v2", b""))
        offset = self.pointer or self.size
        header = struct.pack("<QQ", self.size + len(data) - old_size, offset if data else 0)
        return [Splice(offset, old_size, data), Splice(12, 16, header)]
