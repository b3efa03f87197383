"""What the layouts of all containers share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from genretagger.beginning import read_beginning
from genretagger.errors import TrackError
from genretagger.tags.base import Block, Edit, family_of
from genretagger.tags.blocks import FORMATS
from genretagger.tags.layouts.splices import Splice

STRETCH = 16384
"""Length in bytes of each stretch that goes into `tags.audio_id`.

0.1 s of a CD, 0.4 s of the largest MP3.
"""


class Sound(NamedTuple):
    """Position of the encoded audio, and header bytes that change how it decodes.

    `start` and `size` count bytes.
    """

    start: int
    size: int
    about: bytes = b""

    def stretches(self) -> Sequence[int]:
        """Choose where the hashed stretches begin: five, or so many that nothing is left out."""
        if self.size <= 5 * STRETCH:
            return range(self.start, self.start + self.size, STRETCH)
        return [self.start + (self.size - STRETCH) * quarter // 4 for quarter in range(5)]


class Layout:
    """Where one open file keeps its blocks and its audio.

    Whoever inherits finds the blocks when it is made, and raises whatever it likes if the file
    is not what it seems.

    Parameters
    ----------
    file : binary file

    Attributes
    ----------
    size : int
        Of the file in bytes.
    raw : dict
        The bytes of each block by its family (`family_of`).
    further : list of (str, bytes)
        Family and bytes of blocks that stand where a reader may or may not look for another one
        of their family. They count, but are not written.
    has_cuesheet : bool
        Whether the file holds a cue sheet outside its blocks.
    comments : tuple of str
        What comments the file holds outside its blocks.
    """

    begins_with_id3 = False
    """Whether an ID3v2 tag may stand before the rest."""

    has_cuesheet = False
    comments: tuple[str, ...] = ()

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)
        self.raw: dict[str, bytes] = {}
        self.further: list[tuple[str, bytes]] = []
        if not self.begins_with_id3 and self._has_id3_in_front():
            raise TrackError(
                "an ID3 tag stands before its beginning, where this format has none; copy it with "
                "ffmpeg -c copy, and tag the copy"
            )

    def _has_id3_in_front(self) -> bool:
        """Tell whether an ID3v2 tag stands before something that is not another tag."""
        self.file.seek(0)
        if self.file.read(3) != b"ID3":
            return False
        self.file.seek(0)
        behind = read_beginning(self.file, 10)
        return bool(behind) and not behind.startswith(b"TAG")

    def blocks(self) -> list[Block]:
        """Parse every block; what further ones of its family hold counts as its own."""
        blocks = {family: FORMATS[family][0](raw) for family, raw in self.raw.items()}
        for family, raw in self.further:
            more = FORMATS[family][0](raw)
            items = blocks.setdefault(family, Block(more.kind, {})).items
            for key, values in more.items.items():
                first = items.get(key, ())
                items[key] = first + tuple(value for value in values if value not in first)
        return list(blocks.values())

    def splices(self, edits: Sequence[Edit]) -> list[Splice]:
        """Say what the edits change in the file.

        Raises
        ------
        TrackError
            If a block, or the container, cannot hold the values.
        """
        new: dict[str, bytes] = {}
        for edit in edits:
            family = family_of(edit.kind)
            if any(_holds(f, raw, edit) for f, raw in self.further if f == family):
                raise TrackError(
                    f"two {family} blocks hold it; let one program write them anew, or leave it out"
                )
            raw = new.get(family, self.raw.get(family))
            new[family] = FORMATS[family][1](self.blank(edit.kind) if raw is None else raw, edit)
        return self.embed(new) if new else []

    def blank(self, kind: str) -> bytes:  # noqa: ARG002 - of use where it is not empty
        """Begin a new block; empty unless it has to say more than is edited."""
        return b""

    def embed(self, new: dict[str, bytes]) -> list[Splice]:
        """Put new bytes, by family, in the place of blocks; empty bytes remove a block."""
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


def _holds(family: str, raw: bytes, edit: Edit) -> bool:
    return bool(FORMATS[family][0](raw).items.get(edit.key.upper()))
