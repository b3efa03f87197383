"""ID3v2 and ID3v1 tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

from mutagen.id3 import ID3, TCON

from genretagger.errors import TrackError
from genretagger.tags.base import PADDING, Block, Edit, gathered, quoted, replaced
from genretagger.tags.fields import KEYS

_FRAME_ID = re.compile(rb"[A-Z][A-Z0-9]{2}[A-Z0-9 \0]")


def _synchsafe(data: bytes) -> int:
    """Read a 28-bit number kept in the lower seven bits of four bytes."""
    if len(data) != 4 or max(data) > 0x7F:
        raise ValueError("a size in the ID3v2 tag is not synchsafe")
    return data[0] << 21 | data[1] << 14 | data[2] << 7 | data[3]


def _to_synchsafe(number: int) -> bytes:
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


def _without_extended(raw: bytes) -> bytes:
    """Drop the extended header, whose checksum and padding size a change would make wrong.

    mutagen before 1.48 fails on one in a tag of version 2.3.
    """
    if raw[3] == 2 or not raw[5] & 0x40:
        return raw
    body = raw[10 : 10 + _synchsafe(raw[6:10])]
    if not _FRAME_ID.match(body):  # some taggers set the flag without writing the header
        body = body[_synchsafe(body[:4]) if raw[3] == 4 else 4 + big_endian(body[:4]) :]
    return raw[:5] + bytes((raw[5] & ~0x40,)) + _to_synchsafe(len(body)) + body


_READ = {"TCON", "TXXX", *(key for keys in KEYS.values() for key in keys)}
"""Frames that are read; keys of other kinds of block are no names of frames."""


def parse_id3v2(raw: bytes) -> Block:
    """Read the genre, custom texts and the fields of `KEYS`; a frame under its key of 2.3 and 2.4.

    In version 2.2 the genre alone keeps its own key, as it is not edited there.
    """
    tag = ID3(BytesIO(_without_extended(raw)), translate=False, load_v1=False)
    version = tag.version[1]
    texts = (
        (_key_of(frame, version), map(str, frame.genres if isinstance(frame, TCON) else frame.text))
        for frame in tag.values()
        if frame.FrameID in _READ
    )
    return Block(f"ID3v2.{version}", gathered(texts))


def _key_of(frame: Any, version: int) -> str:
    if frame.FrameID == "TXXX":
        return f"TXXX:{frame.desc}"
    # mutagen shows the frames of version 2.2 under their later names
    return "TCO" if frame.FrameID == "TCON" and version == 2 else str(frame.FrameID)


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


def _split_id3v2(raw: bytes) -> tuple[int, list[bytes], Callable[[int], bytes]]:
    """Take an ID3v2.3 or 2.4 tag apart: its flags, its frames, how it writes their sizes.

    The unsynchronisation of version 2.3, which runs over the whole tag, is undone.
    """
    raw = _without_extended(raw)
    version, flags = raw[3], raw[5]
    body = raw[10 : 10 + _synchsafe(raw[6:10])]
    if version == 3:
        if flags & 0x80:
            body = body.replace(b"\xff\x00", b"\xff")
        return flags & 0x20, _walk_frames(body, big_endian), lambda size: size.to_bytes(4, "big")
    try:
        return flags & 0xA0, _walk_frames(body, _synchsafe), _to_synchsafe
    except ValueError:  # iTunes used to write plain sizes (mutagen, determine_bpi)
        return flags & 0xA0, _walk_frames(body, big_endian), lambda size: size.to_bytes(4, "big")


def _convert_id3v2(raw: bytes, version: int) -> bytes:
    tag = ID3(BytesIO(_without_extended(raw)), translate=True, v2_version=version, load_v1=False)
    out = BytesIO()
    tag.save(out, v1=0, v2_version=version, v23_sep=None, padding=lambda _: 0)
    return out.getvalue()


def _id3v2_text(version: int, texts: Sequence[str]) -> bytes:
    """Encode strings for a text frame: UTF-8 in version 2.4, Latin-1 or UTF-16 in 2.3."""
    if version == 4:
        return b"\x03" + "\0".join(texts).encode()
    try:
        return b"\x00" + "\0".join(texts).encode("latin-1")
    except UnicodeEncodeError:
        return b"\x01" + b"\0\0".join(f"\ufeff{text}".encode("utf-16-le") for text in texts)


def _escaped(value: str) -> str:
    """Write a genre so that it is not read as numbers in parentheses (ID3v2.3, TCON)."""
    return value if TCON(text=[value]).genres == [value] else f"({value}"


def edit_id3v2(raw: bytes, edit: Edit) -> bytes:
    """Put values into a tag of the version that the edit names; other frames stay as they are.

    An empty tag is made, one of another version converted; one without a frame left is empty,
    as a tag holds at least one. A tag that still fits keeps its length, and what is left over
    is padding; one that does not gets new padding.

    Raises
    ------
    TrackError
        If the tag would exceed 256 MB.
    ValueError
        If the frames do not add up to the tag's size.
    """
    version = int(edit.kind[-1])
    tag = raw or b"ID3" + bytes((version, 0, 0, 0, 0, 0, 0))
    if tag[3] != version:
        tag = _convert_id3v2(tag, version)
    flags, frames, size_of = _split_id3v2(tag)
    name, _, description = edit.key.partition(":")
    are_ours = [
        frame[:4] == name.encode()
        and _description(frame, version, flags).upper() == description.upper()
        for frame in frames
    ]
    if any(are_ours):  # a custom field keeps its spelling
        description = _description(frames[are_ours.index(True)], version, flags)
    texts = [description, *edit.values] if description else map(_escaped, edit.values)
    text = _id3v2_text(version, list(texts))
    new = [name.encode() + size_of(len(text)) + b"\0\0" + text] if edit.values else []
    body = b"".join(replaced(frames, are_ours, new))
    if not body:
        return b""
    size = len(raw) if 10 + len(body) <= len(raw) else 10 + len(body) + PADDING
    head = b"ID3" + bytes((version, tag[4], flags)) + _to_synchsafe(size - 10)
    return (head + body).ljust(size, b"\0")


def _description(frame: bytes, version: int, flags: int) -> str:
    """Read what a TXXX frame is called; empty for any other frame, and for one that is damaged."""
    if frame[:4] != b"TXXX":
        return ""
    alone = b"ID3" + bytes((version, 0, flags)) + _to_synchsafe(len(frame)) + frame
    frames = ID3(BytesIO(alone), translate=False, load_v1=False).getall("TXXX")
    return str(frames[0].desc) if frames else ""


_ID3V1 = {"title": (3, 33), "artist": (33, 63), "album": (63, 93), "comment": (97, 125)}
"""Where a tag of version 1.0 or 1.1 holds a field: first byte, and the byte behind the last."""


def parse_id3v1(raw: bytes) -> Block:
    """Read the number of the genre, spelled out, and the texts."""
    items = {"BYTE 127": tuple(TCON.GENRES[raw[127] : raw[127] + 1])}  # unknown, as 255: none
    for name, (start, end) in _ID3V1.items():
        text = raw[start:end].split(b"\0")[0].decode("latin-1").strip()
        items[KEYS[name][0]] = (text,) if text else ()
    return Block("ID3v1", items)


def edit_id3v1(raw: bytes, edit: Edit) -> bytes:
    """Put the number of a genre into a tag, or 255 for none; the rest stays."""
    if not raw:
        raise TrackError("an ID3v1 tag is never made; plan for another block")
    if len(edit.values) > 1 or any(value not in TCON.GENRES for value in edit.values):
        raise TrackError(f"ID3v1 has no number for {quoted(edit.values)}; make a new plan")
    number = TCON.GENRES.index(edit.values[0]) if edit.values else 255
    return raw[:127] + bytes((number,))
