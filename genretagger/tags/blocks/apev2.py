"""APEv2 tags."""

from __future__ import annotations

import struct

from genretagger.tags.base import Block, Edit, gathered, replaced

_HAS_HEADER, _IS_HEADER = 1 << 31, 1 << 29


def read_apev2_footer(footer: bytes) -> tuple[int, bool] | None:
    """Read the last 32 bytes of a tag, if they are that.

    Returns
    -------
    tuple of (int, bool), or None
        The length in bytes of the tag without its header, and whether it says that it has one,
        which not every such tag has.
    """
    if footer[:8] != b"APETAGEX":
        return None
    size, flags = struct.unpack("<I4xI", footer[12:24])
    return size, bool(flags & _HAS_HEADER)


def _split_apev2(raw: bytes) -> tuple[list[tuple[str, bool, bytes, bytes]], bytes]:
    """Take an APEv2 tag apart: (key, is text, value, whole item) each, and what is left."""
    size, count = struct.unpack("<II", raw[-20:-12])
    at, end = len(raw) - size, len(raw) - 32
    items = []
    for _ in range(count):
        length, flags = struct.unpack_from("<II", raw, at)
        value = raw.index(b"\0", at + 8, end) + 1
        if value + length > end:
            raise ValueError("the items of the APEv2 tag do not add up")
        key = raw[at + 8 : value - 1].decode("latin-1")
        whole = raw[at : value + length]
        items.append((key, not flags & 6, raw[value : value + length], whole))
        at = value + length
    return items, raw[at:end]


def parse_apev2(raw: bytes) -> Block:
    """Read the text items of a tag: several values are separated by NUL."""
    texts = (
        (key, value.decode("utf-8", "replace").split("\0"))
        for key, is_text, value, _ in _split_apev2(raw)[0]
        if is_text
    )
    return Block("APEv2", gathered(texts))


def edit_apev2(raw: bytes, edit: Edit) -> bytes:
    """Put values into a tag, which is made if it is empty, and empty if nothing is left in it.

    An item keeps its place and its spelling; whether there is a header stays, too.
    """
    items, rest = _split_apev2(raw) if raw else ([], b"")
    version, flags = struct.unpack("<I8xI", raw[-24:-8]) if raw else (2000, _HAS_HEADER)
    are_ours = [key.upper() == edit.key.upper() for key, *_ in items]
    key = next((item[0] for item in items if item[0].upper() == edit.key.upper()), edit.key)
    wholes = replaced([whole for *_, whole in items], are_ours, _item(key, edit.values))
    if not wholes:
        return b""
    body = b"".join(wholes) + rest

    def end(extra: int) -> bytes:
        fields = struct.pack("<IIII", version, len(body) + 32, len(wholes), flags | extra)
        return b"APETAGEX" + fields + bytes(8)

    return (end(_IS_HEADER) if flags & _HAS_HEADER else b"") + body + end(0)


def _item(key: str, values: tuple[str, ...]) -> list[bytes]:
    """Make the item that holds the values; none if there are none."""
    value = "\0".join(values).encode()
    whole = struct.pack("<II", len(value), 0) + key.encode() + b"\0" + value
    return [whole] if values else []
