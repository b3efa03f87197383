"""ASF (WMA)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cached_property
from io import BufferedRandom
from typing import Any

from mutagen import PaddingInfo
from mutagen.asf import ASF, BYTEARRAY

from genretagger.tags.base import Block, Edit, gathered
from genretagger.tags.fields import keys_of
from genretagger.tags.layouts.base import Layout, Sound
from genretagger.tags.layouts.splices import Splice, Window

_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


class Asf(Layout):
    """WMA, whose header mutagen reads, and writes anew."""

    @cached_property
    def audio(self) -> Any:
        """What mutagen makes of it."""
        self.file.seek(0)
        return ASF(self.file)

    def sound(self) -> Sound:
        """Take everything behind the header object, which holds tags and a date."""
        head = self.at(0, 24)
        if head[:16] != _HEADER:
            raise ValueError("no ASF header")
        (size,) = struct.unpack("<Q", head[16:])
        return Sound(size, self.size - size)

    def blocks(self) -> list[Block]:
        """Read the texts and numbers; arrays of bytes are pictures and the like."""
        texts = ((key, (str(v),)) for key, v in self.audio.tags if v.TYPE != BYTEARRAY)
        return [Block("ASF", gathered(texts))] if self.audio.tags else []

    def splices(self, edits: Sequence[Edit]) -> list[Splice]:
        """Let mutagen write into a copy of the header alone, not of the audio behind it."""
        if not edits:
            return []
        for edit in edits:
            self._edit(edit)
        end = min(self.sound().start, self.size)
        window = Window(self.file, 0, end)
        behind = self.size - end

        def padding(info: PaddingInfo) -> int:
            return int(PaddingInfo(info.padding, info.size + behind).get_default_padding())

        with BufferedRandom(window) as copy:
            self.audio.save(copy, padding=padding)
        return [window.splice()]

    def _edit(self, edit: Edit) -> None:
        """Put the values last among mutagen's tags.

        A genre's key is spelled as the programs spell it that heed capital letters, any other as
        the first that goes.
        """
        tags = self.audio.tags
        key = next((k for k, _ in tags if k.upper() == edit.key.upper()), edit.key)
        if edit.key in keys_of(edit.kind, None):
            key = edit.key
        tags[:] = [(k, v) for k, v in tags if k.upper() != edit.key.upper()]
        tags[key] = list(edit.values)
