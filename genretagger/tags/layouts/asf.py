"""ASF (WMA)."""

from __future__ import annotations

import struct

from mutagen.asf import ASF, BYTEARRAY

from genretagger.tags.base import Block, Edit, gathered
from genretagger.tags.layouts.base import ByMutagen, Sound

_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


class Asf(ByMutagen):
    """WMA, whose header mutagen writes anew."""

    opened = ASF

    def sound(self) -> Sound:
        """Take everything behind the header object, which holds tags and a date."""
        head = self.at(0, 24)
        if head[:16] != _ASF_HEADER:
            raise ValueError("no ASF header")
        (size,) = struct.unpack("<Q", head[16:])
        return Sound(size, self.size - size)

    def blocks(self) -> list[Block]:
        """Read the texts and numbers; arrays of bytes are pictures and the like."""
        texts = ((key, (str(v),)) for key, v in self.audio.tags if v.TYPE != BYTEARRAY)
        return [Block("ASF", gathered(texts))] if self.audio.tags else []

    def edit(self, edit: Edit) -> None:
        """Put the values at the end, under the spelling of the first that goes."""
        tags = self.audio.tags
        key = next((k for k, _ in tags if k.upper() == edit.key.upper()), edit.key)
        tags[:] = [(k, v) for k, v in tags if k.upper() != edit.key.upper()]
        tags[key] = list(edit.values)

    def header(self) -> tuple[int, int]:
        """Take the header object, which stands first."""
        return 0, min(self.sound().start, self.size)
