"""MP4."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mutagen.mp4 import MP4, AtomDataType, MP4FreeForm

from genretagger.errors import TrackError
from genretagger.tags.base import Block, Edit, gathered
from genretagger.tags.layouts.base import ByMutagen, Sound


class Mp4(ByMutagen):
    """MP4, saved by mutagen, which keeps atoms that it does not know."""

    opened = MP4

    def sound(self) -> Sound:
        """Take the largest ``mdat``, and of ``moov`` all but tags, dates and places in the file."""
        about = []
        largest = Sound(0, 0)
        for name, start, end in self._walk(0, self.size):
            if name in {b"elst", b"stsd", b"stts", b"stsc", b"stsz"}:
                about.append(self.at(start, end - start))
            elif name == b"mdat":
                about.append(b"%d" % (end - start))
                largest = max(largest, Sound(start, end - start), key=lambda sound: sound.size)
        return largest._replace(about=b"".join(about))

    def blocks(self) -> list[Block]:
        """Read the texts, those of custom atoms among them; a flag is 1 or 0."""
        if self.audio.tags is None:
            return []
        return [Block("MP4", gathered((k, _texts(k, v)) for k, v in self.audio.tags.items()))]

    def edit(self, edit: Edit) -> None:
        """Put the values in the place of the first that goes, under its spelling."""
        if any(name == b"moof" for name, *_ in self._atoms(0, self.size)):
            # mutagen corrects the offsets of the first fragment only, and the rest goes silent
            raise TrackError("a fragmented MP4; make it a plain one first with ffmpeg -c copy")
        if self.audio.tags is None:
            self.audio.add_tags()
        tags = self.audio.tags
        ours = [key for key in tags if key.upper() == edit.key.upper()]
        for key in ours:
            del tags[key]
        values: list[object] = list(edit.values)
        if edit.key.startswith("----"):
            values = [MP4FreeForm(v.encode(), AtomDataType.UTF8) for v in edit.values]
        if values:
            tags[ours[0] if ours else edit.key] = values

    def header(self) -> tuple[int, int]:
        """Find ``moov``, which holds the tags, and the offsets that have to follow them."""
        start = 0
        for name, _, end in self._atoms(0, self.size):
            if name == b"moov":
                return start, end
            start = end
        raise ValueError("no moov atom")

    def _walk(self, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """Yield the atoms of a stretch as `_atoms` does, those within the audio's parents, too."""
        for name, at, after in self._atoms(start, end):
            yield name, at, after
            if name in {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"}:
                yield from self._walk(at, after)

    def _atoms(self, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """Cut a stretch into atoms: the name, where its content begins, where it ends."""
        while start + 8 <= end:
            size, name = struct.unpack(">I4s", self.at(start, 8))
            head = 8
            if size == 1:  # a 64-bit size follows
                head, (size,) = 16, struct.unpack(">Q", self.at(start + 8, 8))
            if size < head:  # 0: up to the end
                size = end - start
            yield name, start + head, min(start + size, end)
            start += size


def _texts(key: str, values: object) -> list[str]:
    """Tell what an atom holds, as far as it is text."""
    if isinstance(values, bool):
        return [str(int(values))]
    if not isinstance(values, list):
        return []
    if key.startswith("----"):
        return [bytes(value).decode("utf-8", "replace") for value in values]
    return [value for value in values if isinstance(value, str)]
