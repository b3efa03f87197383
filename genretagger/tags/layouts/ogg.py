"""Ogg: Vorbis, Opus, FLAC and Speex."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BufferedRandom, BytesIO
from typing import BinaryIO

from mutagen.ogg import OggPage

from genretagger.errors import TrackError
from genretagger.tags.base import PADDING
from genretagger.tags.blocks.vorbis import split_vorbis
from genretagger.tags.layouts.base import Layout, Sound
from genretagger.tags.layouts.splices import Splice, Window

_PAGE_NUMBERS = re.compile(rb"(OggS.{14})(.{1,8})", re.DOTALL)


class Ogg(Layout):
    """Ogg: the comment is the second packet of the stream, in pages that mutagen lays out."""

    PREFIXES = (
        (b"\x01vorbis", b"\x03vorbis"),
        (b"OpusHead", b"OpusTags"),
        (b"\x7fFLAC", b""),
        (b"Speex   ", b""),
    )

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        file.seek(0)
        heads = self._first_pages()
        first, self.codec, self.prefix = self._stream(heads)
        self.has_video = any(page.packets[0].startswith(b"\x80theora") for page in heads)
        self.pages: list[OggPage] = []
        while not self.pages or not (self.pages[-1].complete or len(self.pages[-1].packets) > 1):
            page = OggPage(file)
            if page.serial == first.serial:
                self.pages.append(page)
        self.packets: list[bytes] = OggPage.to_packets(self.pages)
        comment = self._comment(self.packets[0])
        self.rest = split_vorbis(comment)[2]
        self.raw["Vorbis comment"] = comment[: len(comment) - len(self.rest)]

    def _first_pages(self) -> list[OggPage]:
        """Read the first page of each stream: they stand before all others."""
        pages: list[OggPage] = []
        while True:
            at = self.file.tell()
            page = OggPage(self.file)
            if not page.first:
                self.file.seek(at)
                return pages
            pages.append(page)

    def _stream(self, heads: list[OggPage]) -> tuple[OggPage, bytes, bytes]:
        """Find the stream's first page, its codec, and the prefix of its comment packet."""
        for page in heads:
            for codec, prefix in self.PREFIXES:
                if page.packets[0].startswith(codec):
                    return page, codec, prefix
        raise ValueError("no Vorbis, Opus, FLAC or Speex stream")

    def _comment(self, packet: bytes) -> bytes:
        """Take the prefix off the comment packet; FLAC's is a block's head with its size."""
        if self.codec == b"\x7fFLAC":
            self.prefix = packet[:4]
            if packet[0] & 0x7F != 4:
                raise ValueError("no Vorbis comment where Ogg FLAC has it")
        if not packet.startswith(self.prefix):
            raise ValueError("no comment packet")
        return packet[len(self.prefix) :]

    def sound(self) -> Sound:
        """Begin with the first page on which a packet of audio ends: it has a position."""
        offset = 0
        while offset < self.size:
            head = self.at(offset, 27)
            if head[:4] != b"OggS":
                raise ValueError("something between the Ogg pages")
            if int.from_bytes(head[6:14], "little", signed=True) > 0:
                break
            offset += 27 + head[26] + sum(self.at(offset + 27, head[26]))
        return Sound(offset, self.size - offset)

    def encoded(self, offset: int, size: int) -> bytes:
        """Read encoded audio, without the numbers and checksums of its pages."""
        # where the comment takes up more pages or fewer, later ones get another number, and so
        # another checksum: bytes 18 to 25 of a page's head, which may begin before the stretch
        before = min(25, offset)
        data = self.at(offset - before, before + size)
        return _PAGE_NUMBERS.sub(lambda m: m[1] + bytes(len(m[2])), data)[before:]

    def embed(self, new: dict[str, bytes]) -> list[Splice]:
        """Lay out the pages of the comment again; where their number changes, number the rest.

        Raises
        ------
        TrackError
            If there is video, too: it has a comment of its own, which would keep the old genre.
        """
        if self.has_video:
            raise TrackError(
                "a video (Ogg with Theora), which holds a genre in a second place; leave it out"
            )
        start, end = _offset(self.pages[0]), _offset(self.pages[-1]) + self.pages[-1].size
        old_size = len(self.packets[0])
        self.packets[0] = self._packet(new["Vorbis comment"], old_size)
        if len(self.packets[0]) == old_size:  # the pages keep their sizes
            data = BytesIO(b"".join(self.packets))
            for page in self.pages:
                page.packets = [data.read(len(part)) for part in page.packets]
            pages = self.pages
        else:
            pages = OggPage.from_packets(self.packets, self.pages[0].sequence)
        window = Window(self.file, start, end)
        with BufferedRandom(window) as copy:
            OggPage.replace(copy, self.pages, pages)
        renumbered = [] if len(pages) == len(self.pages) else self._renumbered(end, pages[-1])
        return [window.splice(), *renumbered]

    def _packet(self, comment: bytes, old_size: int) -> bytes:
        """Put a comment into its packet, padded as its codec allows.

        Vorbis: a framing bit, then padding. Opus: padding, unless its first bit is set and
        says that it means something (RFC 7845 section 5.2). FLAC, Speex: neither.
        """
        if self.codec == b"\x7fFLAC":
            self.prefix = self.prefix[:1] + len(comment).to_bytes(3, "big")
        rest, can_pad = self.rest, self.codec in {b"\x01vorbis", b"OpusHead"}
        if self.codec == b"\x01vorbis":
            rest = rest[:1]
        elif self.codec == b"OpusHead":
            can_pad = not (rest and rest[0] & 1)
            rest = b"" if can_pad else rest
        packet = self.prefix + comment + rest
        if not can_pad:
            return packet
        return packet.ljust(old_size if len(packet) <= old_size else len(packet) + PADDING, b"\0")

    def _renumbered(self, start: int, last: OggPage) -> Iterator[Splice]:
        """Give the later pages of the stream the next numbers, and so other checksums."""
        number = last.sequence
        self.file.seek(start)
        while self.file.tell() < self.size:
            page = OggPage(self.file)
            if page.serial == last.serial:
                page.sequence = number = number + 1
                yield Splice(_offset(page) + 18, 8, page.write()[18:26])


def _offset(page: OggPage) -> int:
    return page.offset or 0  # None only in a page that was not read from a file
