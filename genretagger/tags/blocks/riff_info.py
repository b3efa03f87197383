"""LIST/INFO chunks of RIFF files."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from genretagger.errors import TrackError
from genretagger.tags.base import Block, Edit, replaced


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Cut a little-endian LIST apart: (identifier, content) each."""
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > len(data):
            raise ValueError("LIST/INFO runs past its end")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def pack_chunk(name: bytes, content: bytes, order: str = "<") -> bytes:
    """Put name and size before the content of a chunk, and a byte behind an odd one."""
    if len(content) > 0xFFFFFFFF:
        raise TrackError("a chunk would exceed 4 GB; convert the file to FLAC")
    return name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)


def parse_info(raw: bytes) -> Block:
    """Read the texts."""
    items: dict[str, tuple[str, ...]] = {}
    for name, content in _chunks(raw, 4):
        if value := text_of(content):
            items.setdefault(name.decode("latin-1").upper(), (value,))
    return Block("RIFF INFO", items)


_FRAMES = {
    "INAM": "TIT2",
    "IART": "TPE1",
    "IPRD": "TALB",
    "ICRD": "TDRC",
    "ITRK": "TRCK",
    "IPRT": "TRCK",
    "IMUS": "TCOM",
    "IWRI": "TEXT",
    "ICOP": "TCOP",
    "ISFT": "TSSE",
    "ITCH": "TENC",
    "IMED": "TMED",
    "IBPM": "TBPM",
    "ILNG": "TLAN",
    "ICMT": "COMM",
}
"""ID3's names for what LIST/INFO says (TagLib, ``riffinfotag.cpp`` and ``id3v2frame.cpp``)."""


def frames_of_info(raw: bytes) -> dict[str, str]:
    """Say in which ID3v2.4 frames stands what a list says, but for the genre."""
    items = parse_info(raw).items
    return {frame: items[key][0] for key, frame in _FRAMES.items() if key in items}


def text_of(content: bytes) -> str:
    """Read a text: UTF-8, as most programs of today write, or Latin-1; up to the first NUL."""
    text = content.split(b"\0")[0]
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def edit_info(raw: bytes, edit: Edit) -> bytes:
    """Put a value into the list, which is made if it is empty, and empty if nothing is left."""
    if len(edit.values) > 1:
        raise TrackError("RIFF INFO holds one genre only; make a new plan")
    chunks = list(_chunks(raw or b"INFO", 4))
    # some programs write small letters, which not every other finds: a change makes them large
    are_ours = [name.upper() == edit.key.encode() for name, _ in chunks]
    new = [(edit.key.encode(), value.encode() + b"\0") for value in edit.values]
    chunks = replaced(chunks, are_ours, new)
    return b"INFO" + b"".join(pack_chunk(*chunk) for chunk in chunks) if chunks else b""
