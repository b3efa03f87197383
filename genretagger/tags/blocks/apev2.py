"""APEv2 tags."""

from __future__ import annotations

# mypy: allow-untyped-calls
# (mutagen says that it is typed, and leaves most of its functions without types)
import struct

from genretagger.tags.base import Block, Edit

APE_HAS_HEADER, _APE_IS_HEADER = 1 << 31, 1 << 29


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
    items: dict[str, tuple[str, ...]] = {}
    for key, is_text, value, _ in _split_apev2(raw)[0]:
        if is_text:
            texts = value.decode("utf-8", "replace").split("\0")
            found = tuple(text for text in texts if text)
            items[key.upper()] = items.get(key.upper(), ()) + found
    return Block("APEv2", items)


def edit_apev2(raw: bytes, edit: Edit) -> bytes:
    items, rest = _split_apev2(raw) if raw else ([], b"")
    version, flags = struct.unpack("<I8xI", raw[-24:-8]) if raw else (2000, APE_HAS_HEADER)
    ours = [key.upper() == edit.key.upper() for key, *_ in items]
    wholes = [whole for (*_, whole), mine in zip(items, ours, strict=True) if not mine]
    if edit.values:
        at = ours.index(True) if any(ours) else len(wholes)
        key = items[at][0] if any(ours) else edit.key
        value = "\0".join(edit.values).encode()
        wholes.insert(at, struct.pack("<II", len(value), 0) + key.encode() + b"\0" + value)
    if not wholes:
        return b""
    body = b"".join(wholes) + rest

    def end(extra: int) -> bytes:
        fields = struct.pack("<IIII", version, len(body) + 32, len(wholes), flags | extra)
        return b"APETAGEX" + fields + bytes(8)

    return (end(_APE_IS_HEADER) if flags & APE_HAS_HEADER else b"") + body + end(0)
