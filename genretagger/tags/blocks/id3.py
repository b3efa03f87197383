"""ID3v2 and ID3v1 tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from mutagen.id3 import ID3, TCON, Frames

from genretagger.errors import TrackError
from genretagger.tags.base import PADDING, Block, Edit, gathered, quoted, replaced
from genretagger.tags.blocks.id3_convert import convert_id3v2
from genretagger.tags.blocks.id3_frames import (
    name_of,
    parse_alone,
    split_id3v2,
    to_synchsafe,
    without_extended,
)
from genretagger.tags.fields import KEYS

_READ = {"TCON", "TXXX", *(key for keys in KEYS.values() for key in keys)}
"""Frames that are read; keys of other kinds of block are no names of frames."""


def parse_id3v2(raw: bytes) -> Block:
    """Read the genre, custom texts and the fields of `KEYS`; a frame under its key of 2.3 and 2.4.

    In version 2.2 the genre alone keeps its own key, as it is not edited there.
    """
    tag = ID3(BytesIO(without_extended(raw)), translate=False, load_v1=False)
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


def new_id3v2(version: int, texts: Mapping[str, str]) -> bytes:
    """Make a tag of texts, by the names of their frames in version 2.4; empty if there are none."""
    tag = ID3()
    for name, text in texts.items():
        tag.add(Frames[name](encoding=3, lang="XXX", desc="", text=[text]))
    if version == 3:
        tag.update_to_v23()
    out = BytesIO()
    if tag:
        tag.save(out, v1=0, v2_version=version, v23_sep=None, padding=lambda _: 0)
    return out.getvalue()


def edit_id3v2(raw: bytes, edit: Edit) -> bytes:
    """Put values into a tag of the version that the edit names; other frames stay as they are.

    An empty tag is made, one of another version converted; one without a frame left is empty,
    as a tag holds at least one. A tag that still fits keeps its length, and what is left over
    is padding; one that does not gets new padding.

    Raises
    ------
    TrackError
        If the tag would exceed 256 MB, or a conversion would lose a frame.
    ValueError
        If the frames do not add up to the tag's size.
    """
    version = int(edit.kind[-1])
    tag = raw or b"ID3" + bytes((version, 0, 0, 0, 0, 0, 0))
    if tag[3] != version:
        tag = convert_id3v2(tag, version)
    flags, frames, size_of = split_id3v2(tag)
    name, _, description = edit.key.partition(":")
    are_ours = [
        name_of(frame) == name
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
    head = b"ID3" + bytes((version, tag[4], flags)) + to_synchsafe(size - 10)
    return (head + body).ljust(size, b"\0")


def _description(frame: bytes, version: int, flags: int) -> str:
    """Read what a TXXX frame is called; empty for any other frame, and for one that is damaged."""
    if name_of(frame) != "TXXX":
        return ""
    frames = parse_alone(frame, version, flags)
    return str(frames[0].desc) if frames else ""


_ID3V1 = {"title": (3, 33), "artist": (33, 63), "album": (63, 93), "comment": (97, 125)}
"""Where a tag of version 1.0 or 1.1 holds a field: first byte, and the byte behind the last."""


def parse_id3v1(raw: bytes) -> Block:
    """Read the number of the genre, spelled out, and the texts."""
    # 0 is Blues, and what a program leaves that writes nothing
    is_blank = raw[127] == 0 and not raw[3:127].strip(b"\0 ")
    genre = () if is_blank else tuple(TCON.GENRES[raw[127] : raw[127] + 1])  # unknown, as 255: none
    items = {"BYTE 127": genre}
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
