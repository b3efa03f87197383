"""Bare streams with tags before and behind: MP3, Monkey's Audio, Musepack, WavPack."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

from mutagen.musepack import MusepackInfo

from genretagger.errors import TrackError
from genretagger.tags.blocks.apev2 import read_apev2_footer
from genretagger.tags.blocks.id3_frames import find_id3v2
from genretagger.tags.layouts.base import Layout, Sound
from genretagger.tags.layouts.splices import Splice


class Stream(Layout):
    """A bare stream: ID3v2 before it; APEv2, Lyrics3 and ID3v1 behind it.

    Parameters
    ----------
    file : binary file
    info : callable
        mutagen's reader of the stream's properties, which refuses what is not one.
    n_stray : int
        How many stray bytes at most may stand before an ID3v2 tag. They count as audio, and a tag
        that is changed goes before them: not every reader finds one behind them, and without them
        some would decode other samples, as they find a Xing header then.
    """

    begins_with_id3 = True

    def __init__(
        self, file: BinaryIO, info: Callable[[BinaryIO], object], *, n_stray: int = 0
    ) -> None:
        super().__init__(file)
        self.places: dict[str, tuple[int, int]] = {}
        offset, size = find_id3v2(self.at(0, min(n_stray + 10, self.size)))
        self.start, self.stray = offset + size, self.at(0, offset)
        if size:
            self.places["ID3v2"] = 0, self.start
            self.raw["ID3v2"] = self.at(offset, size)
            _, more = find_id3v2(self.at(self.start, min(10, self.size - self.start)))
            if more:
                self.further.append(("ID3v2", self.at(self.start, more)))
        self._count_apev2_before()
        file.seek(self.start)
        info(file)
        self.end = self._before_id3v1()
        if self.end < self.start:
            raise ValueError("the size of the Lyrics3 tag is wrong")
        self._place_apev2()

    def _place(self, family: str, offset: int, size: int) -> None:
        """Note where a block stands, and read its bytes."""
        self.places[family] = offset, size
        self.raw[family] = self.at(offset, size)

    def _before_id3v1(self) -> int:
        """Find where ID3v1 begins, or what stands before it and belongs to it."""
        end = self.size
        tail = self.at(max(self.start, end - 131), min(131, end - self.start))
        # "TAG" 128 bytes from the end may also be the middle of an APEv2 header
        if tail[-128:-125] != b"TAG" or tail[-131:-123] == b"APETAGEX":
            return end
        end -= 128
        self._place("ID3v1", end, 128)
        if end - self.start >= 227 and self.at(end - 227, 4) == b"TAG+":
            end -= 227  # "enhanced" ID3v1: longer titles, left alone
        if end - self.start >= 15 and self.at(end - 9, 9) == b"LYRICS200":
            end -= 15 + int(self.at(end - 15, 6))
        return end

    def _count_apev2_before(self) -> None:
        """Count a tag at the beginning, where hardly a program looks, as a further one."""
        for offset in {0, self.start}:
            head = self.at(offset, min(32, self.size - offset))
            footer = read_apev2_footer(head)
            if footer and len(head) == 32:
                self.further.append(("APEv2", self.at(offset, 32 + footer[0])))

    def _place_apev2(self) -> None:
        room = self.end - self.start
        footer = read_apev2_footer(self.at(self.end - 32, 32)) if room >= 32 else None
        if footer is None:
            return
        size, has_header = footer
        if has_header and self.at(self.end - size - 32, 8) == b"APETAGEX":
            size += 32
        if not 32 <= size <= room:
            raise ValueError("the size of the APEv2 tag is wrong")
        self._place("APEv2", self.end - size, size)

    def sound(self) -> Sound:
        """Take everything between the tags."""
        end, _ = self.places.get("APEv2", (self.end, 0))
        start = self.start - len(self.stray)
        return Sound(start, end - start)

    def encoded(self, offset: int, size: int) -> bytes:
        """Read as if stray bytes before the tag stood behind it."""
        if offset >= self.start:
            return self.at(offset, size)
        n = min(self.start - offset, size)
        at = len(self.stray) - (self.start - offset)
        return self.stray[at : at + n] + self.at(self.start, size - n)

    def embed(self, new: dict[str, bytes]) -> list[Splice]:
        """Put each block in its place; a new APEv2 tag stands before Lyrics3 and ID3v1."""
        if any(family == "APEv2" for family, _ in self.further):
            raise TrackError("an APEv2 tag at its beginning; let one program write its tags anew")
        if "ID3v2" in new:
            new = {**new, "ID3v2": new["ID3v2"] + self.stray}
        nowhere = {"ID3v2": (0, 0), "APEv2": (self.end, 0)}
        return [Splice(*self.places.get(f, nowhere.get(f, (0, 0))), d) for f, d in new.items()]


def musepack(file: BinaryIO) -> object:
    """Read a Musepack stream's properties, but only if its packets lead from one to the next.

    mutagen's reader goes round in circles for ever where a packet is smaller than its header.
    """
    start = file.tell()
    if file.read(4) == b"MPCK":
        for _ in range(_MOST_PACKETS):
            if file.read(2) in {b"AP", b"SE", b""}:
                break
            file.seek(_rest_of_packet(file), os.SEEK_CUR)
        else:
            raise ValueError("no audio among its first packets")
    file.seek(start)
    return MusepackInfo(file)


def _rest_of_packet(file: BinaryIO) -> int:
    """Read the size of a packet behind its key; return how many bytes of it are left."""
    size, n, byte = 0, 2, 0x80
    while byte & 0x80:
        byte = file.read(1)[0]
        size, n = size << 7 | byte & 0x7F, n + 1
        if n > 12:  # 64 bits, seven in a byte
            raise ValueError("a packet's size is no number")
    if size < n:
        raise ValueError("a packet is smaller than its own header")
    return size - n


_MOST_PACKETS = 100
"""Before the audio of a Musepack stream; encoders write four or five."""
