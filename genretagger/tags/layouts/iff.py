"""WAV and AIFF."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from genretagger.errors import TrackError
from genretagger.tags.blocks.id3 import new_id3v2
from genretagger.tags.blocks.riff_info import frames_of_info, pack_chunk, text_of
from genretagger.tags.layouts.base import Layout, Sound
from genretagger.tags.layouts.splices import Splice


class Iff(Layout):
    """WAV and AIFF: chunks, of which one may be an ID3v2 tag and one LIST/INFO."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._read_head()
        self.places: dict[str, tuple[int, int]] = {}
        self.names = {"ID3v2": b"id3 " if self.is_riff else b"ID3 ", "RIFF INFO": b"LIST"}
        self.chunks: dict[bytes, tuple[int, int]] = {}
        for name, start, size in self._walk():
            self.chunks.setdefault(name, (start, size))
            self.comments += tuple(filter(None, self._comments(name, start, size)))
            family = self._family(name, start)
            if family in self.places:
                self.further.append((family, self.at(start, size)))
            elif family:
                end = min(start + size + size % 2, self.end)
                self.places[family] = start - 8, end - start + 8
                self.raw[family] = self.at(start, size)
                if self.is_riff:  # many programs find an AIFF's by capital letters alone
                    self.names[family] = name
        if self.is_riff and b"bext" in self.chunks:
            # ffmpeg reads no ID3v2 tag beside a broadcast extension, but LIST/INFO
            self.raw.setdefault("RIFF INFO", b"")
        self.about = b"fmt " if self.is_riff else b"COMM"
        if self.about not in self.chunks:
            raise ValueError("no chunk that describes the audio")

    def _read_head(self) -> None:
        """Read which of the two it is, and where its chunks end, which the file may go beyond."""
        head = self.at(0, 12)
        if head[:4] in {b"RF64", b"BW64"}:
            raise TrackError("a 64-bit WAV, whose tags cannot be written; convert it to FLAC")
        self.is_riff = head[:4] == b"RIFF" and head[8:] == b"WAVE"
        if not self.is_riff and not (head[:4] == b"FORM" and head[8:] in {b"AIFF", b"AIFC"}):
            raise ValueError("no WAVE or AIFF header")
        self.order = "<" if self.is_riff else ">"
        (size,) = struct.unpack(f"{self.order}I", head[4:8])
        self.end = 8 + size + size % 2
        if self.end > self.size + 1:  # the padding byte of the last chunk may be missing
            raise ValueError("the file is shorter than its header says")
        self.end = min(self.end, self.size)

    def _walk(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield each chunk: its name, where its content begins, how many bytes it has."""
        offset = 12
        while offset + 8 <= self.end:
            name, size = struct.unpack(f"{self.order}4sI", self.at(offset, 8))
            if offset + 8 + size > self.end:
                raise ValueError("a chunk runs past the end of the file")
            yield name, offset + 8, size
            offset += 8 + size + size % 2

    def _family(self, name: bytes, start: int) -> str:
        """Say which kind of block a chunk holds; empty if none."""
        if name.upper() == b"ID3 ":
            return "ID3v2"
        is_info = self.is_riff and name == b"LIST" and self.at(start, 4) == b"INFO"
        return "RIFF INFO" if is_info else ""

    def _comments(self, name: bytes, start: int, size: int) -> Iterator[str]:
        """Read the comments of a chunk: annotations of AIFF, the description of a broadcast WAV.

        References
        ----------
        Apple, "Audio Interchange File Format" 1.3, "Comments" and "Text Chunks". EBU Tech 3285.
        """
        if self.is_riff:
            if name == b"bext":
                yield text_of(self.at(start, min(size, 256)))
        elif name == b"ANNO":
            yield text_of(self.at(start, size))
        elif name == b"COMT" and size >= 2:
            yield from _texts_of(self.at(start, size))

    def sound(self) -> Sound:
        """Take the content of the chunk of samples; another one describes them."""
        start, size = self.chunks.get(b"data" if self.is_riff else b"SSND", (0, 0))
        return Sound(start, size, self.at(*self.chunks[self.about]))

    def blank(self, kind: str) -> bytes:
        """Begin an ID3v2 tag with what LIST/INFO says, which many programs read no more then."""
        if kind.startswith("ID3v2") and "RIFF INFO" in self.raw:
            return new_id3v2(int(kind[-1]), frames_of_info(self.raw["RIFF INFO"]))
        return super().blank(kind)

    def embed(self, new: dict[str, bytes]) -> list[Splice]:
        """Put each block into its chunk, or a new one at the end, and correct the file's size."""
        data = {
            f: pack_chunk(self.names[f], raw, self.order) if raw else b"" for f, raw in new.items()
        }
        splices = [Splice(*self.places[f], chunk) for f, chunk in data.items() if f in self.places]
        added = b"".join(chunk for family, chunk in data.items() if family not in self.places)
        # the last chunk may lack its padding byte, unless it has just been packed
        is_odd = self.end % 2 and all(s.offset + s.size != self.end for s in splices)
        splices.append(Splice(self.end, 0, b"\0" + added if is_odd and added else added))
        size = self.end - 8 + sum(len(data) - size for _, size, data in splices)
        if size > 0xFFFFFFFF:
            raise TrackError("the file would exceed 4 GB; convert it to FLAC")
        return [*splices, Splice(4, 4, struct.pack(f"{self.order}I", size))]


def _texts_of(comments: bytes) -> Iterator[str]:
    """Cut a COMT chunk into its texts, each with its time, marker and length before it."""
    offset = 2
    for _ in range(int.from_bytes(comments[:2], "big")):
        head, offset = comments[offset : offset + 8], offset + 8
        size = int.from_bytes(head[6:], "big")
        yield text_of(comments[offset : offset + size])
        if offset >= len(comments):
            return
        offset += size + size % 2
