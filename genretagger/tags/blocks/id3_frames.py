"""Sizes and frames of ID3v2 tags, as bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

from mutagen.id3 import ID3, Frames_2_2

from genretagger.errors import TrackError

_FRAME_ID = re.compile(rb"[A-Z][A-Z0-9]{2}[A-Z0-9 \0]")
_SHORT_ID = re.compile(rb"[A-Z][A-Z0-9]{2}")


def _synchsafe(data: bytes) -> int:
    """Read a 28-bit number kept in the lower seven bits of four bytes."""
    if len(data) != 4 or max(data) > 0x7F:
        raise ValueError("a size in the ID3v2 tag is not synchsafe")
    return data[0] << 21 | data[1] << 14 | data[2] << 7 | data[3]


def to_synchsafe(number: int) -> bytes:
    """Write a 28-bit number into the lower seven bits of four bytes."""
    if number >= 1 << 28:
        raise TrackError("the ID3v2 tag would exceed 256 MB; remove pictures from it first")
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def big_endian(data: bytes) -> int:
    """Read a number whose first byte counts most."""
    return int.from_bytes(data, "big")


def id3v2_size(head: bytes) -> int:
    """Tell the length in bytes of the ID3v2 tag that begins with these 10 bytes, or 0."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    footer = 10 if head[3] == 4 and head[5] & 0x10 else 0
    return 10 + _synchsafe(head[6:10]) + footer


def find_id3v2(head: bytes) -> tuple[int, int]:
    """Find a tag that stray bytes stand before, as TagLib does: before any frame of MPEG audio.

    Returns
    -------
    tuple of int
        Its offset and its length in bytes; (0, 0) if there is none.
    """
    if head.startswith(b"ID3"):
        return 0, id3v2_size(head)
    tag = _HEADER.search(head)
    if not tag or _MPEG_SYNC.search(head, 0, tag.start()):
        return 0, 0
    return tag.start(), id3v2_size(tag[0])


_HEADER = re.compile(rb"ID3[\2-\4][^\xff].[\0-\x7f]{4}", re.DOTALL)
_MPEG_SYNC = re.compile(rb"\xff[\xe2-\xe7\xea-\xef\xf2-\xf7\xfa-\xff]")


def without_extended(raw: bytes) -> bytes:
    """Drop the extended header, whose checksum and padding size a change would make wrong.

    mutagen before 1.48 fails on one in a tag of version 2.3.
    """
    if raw[3] == 2 or not raw[5] & 0x40:
        return raw
    body = raw[10 : 10 + _synchsafe(raw[6:10])]
    if not _FRAME_ID.match(body):  # some taggers set the flag without writing the header
        body = body[_synchsafe(body[:4]) if raw[3] == 4 else 4 + big_endian(body[:4]) :]
    return raw[:5] + bytes((raw[5] & ~0x40,)) + to_synchsafe(len(body)) + body


def _walk_frames(body: bytes, size_of: Callable[[bytes], int]) -> list[bytes]:
    """Cut the frames of an ID3v2.3 or 2.4 tag apart, up to the padding."""
    frames = []
    at = 0
    # padding begins with four NULs, as mutagen has it: with fewer, it is a frame whose name is
    # damaged, and what stands behind it must not be taken for padding
    while body[at : at + 4].strip(b"\0"):
        end = at + 10 + size_of(body[at + 4 : at + 8])
        if not _FRAME_ID.match(body, at) or end > len(body):
            raise ValueError("the frames of the ID3v2 tag do not add up")
        frames.append(body[at:end])
        at = end
    return frames


def _walk_short_frames(body: bytes) -> list[bytes]:
    """Cut the frames of an ID3v2.2 tag apart, up to the padding."""
    frames = []
    at = 0
    while body[at : at + 3].strip(b"\0"):
        end = at + 6 + big_endian(body[at + 3 : at + 6])
        if not _SHORT_ID.match(body, at) or end > len(body):
            raise ValueError("the frames of the ID3v2 tag do not add up")
        frames.append(body[at:end])
        at = end
    return frames


def split_id3v2(raw: bytes) -> tuple[int, list[bytes], Callable[[int], bytes]]:
    """Take a tag apart: its flags, its frames, how it writes their sizes.

    The unsynchronisation of versions 2.2 and 2.3, which runs over the whole tag, is undone.
    """
    raw = without_extended(raw)
    version, flags = raw[3], raw[5]
    body = raw[10 : 10 + _synchsafe(raw[6:10])]
    if version < 4 and flags & 0x80:
        body = body.replace(b"\xff\x00", b"\xff")
    if version == 2:
        return 0, _walk_short_frames(body), lambda size: size.to_bytes(3, "big")
    if version == 3:
        return flags & 0x20, _walk_frames(body, big_endian), lambda size: size.to_bytes(4, "big")
    try:
        return flags & 0xA0, _walk_frames(body, _synchsafe), to_synchsafe
    except ValueError:  # iTunes used to write plain sizes (mutagen, determine_bpi)
        return flags & 0xA0, _walk_frames(body, big_endian), lambda size: size.to_bytes(4, "big")


def name_of(frame: bytes) -> str:
    """Tell the name of a frame of version 2.3 or 2.4.

    Some programs write the names of version 2.2, of three letters, into tags of version 2.3.
    """
    name = frame[:4].decode("ascii", "replace")
    known: Any = Frames_2_2.get(name[:3]) if name[3] == "\0" else None
    return str(known.__base__.__name__) if known else name


def parse_alone(frame: bytes, version: int, flags: int) -> list[Any]:
    """Let mutagen read one frame; it gives none for what it does not know or cannot read.

    Parameters
    ----------
    frame : bytes
        With its head: of 6 bytes in version 2.2, of 10 later.
    version : int
    flags : int
        Of the tag.
    """
    if version == 4:  # whatever way its size was written
        frame = frame[:4] + to_synchsafe(len(frame) - 10) + frame[8:]
    head = b"ID3" + bytes((version, 0, flags)) + to_synchsafe(len(frame))
    return list(ID3(BytesIO(head + frame), translate=False, load_v1=False).values())
