"""MP4."""

from __future__ import annotations

# mypy: allow-untyped-calls
# (mutagen says that it is typed, and leaves most of its functions without types)
import struct
from collections.abc import Iterator

from mutagen.mp4 import MP4, AtomDataType, MP4FreeForm

from genretagger.errors import TrackError
from genretagger.tags.base import Block, Edit
from genretagger.tags.layouts.base import ByMutagen, Sound


class Mp4(ByMutagen):
    """MP4, saved by mutagen, which keeps atoms that it does not know."""

    opened = MP4

    def sound(self) -> Sound:
        """Take the largest ``mdat``, and of ``moov`` all but tags, dates and places in the file."""
        about = []
        found = Sound(0, 0)

        def walk(start: int, end: int) -> None:
            nonlocal found
            for name, at, after in self._atoms(start, end):
                if name in {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"}:
                    walk(at, after)
                elif name in {b"elst", b"stsd", b"stts", b"stsc", b"stsz"}:
                    about.append(self.at(at, after - at))
                elif name == b"mdat":
                    about.append(b"%d" % (after - at))
                    found = max(found, Sound(at, after - at), key=lambda sound: sound.size)

        walk(0, self.size)
        return found._replace(about=b"".join(about))

    def blocks(self) -> list[Block]:
        if self.audio.tags is None:
            return []
        items: dict[str, tuple[str, ...]] = {}
        for key, values in self.audio.tags.items():
            texts = [str(int(values))] if isinstance(values, bool) else values
            if key.startswith("----"):
                texts = [bytes(value).decode("utf-8", "replace") for value in values]
            if isinstance(texts, list):
                found = tuple(text for text in texts if text and isinstance(text, str))
                items[key.upper()] = items.get(key.upper(), ()) + found
        return [Block("MP4", items)]

    def edit(self, edit: Edit) -> None:
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
        start = 0
        for name, _, end in self._atoms(0, self.size):
            if name == b"moov":
                return start, end
            start = end
        raise ValueError("no moov atom")

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
