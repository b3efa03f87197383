"""Vorbis comments."""

from __future__ import annotations

# mypy: allow-untyped-calls
# (mutagen says that it is typed, and leaves most of its functions without types)
import struct

from genretagger.tags.base import Block, Edit


def split_vorbis(raw: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Take a Vorbis comment apart: the vendor's name, the comments, what follows them."""
    at = 0

    def take() -> bytes:
        nonlocal at
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4 + length
        if at > len(raw):
            raise ValueError("the Vorbis comment runs past its end")
        return raw[at - length : at]

    vendor = take()
    (count,) = struct.unpack_from("<I", raw, at)
    at += 4
    comments = [take() for _ in range(count)]
    return vendor, comments, raw[at:]


def parse_vorbis(raw: bytes) -> Block:
    items: dict[str, tuple[str, ...]] = {}
    for comment in split_vorbis(raw)[1]:
        key, _, value = comment.decode("utf-8", "replace").partition("=")
        if value:
            items[key.upper()] = (*items.get(key.upper(), ()), value)
    return Block("Vorbis comment", items)


def edit_vorbis(raw: bytes, edit: Edit) -> bytes:
    vendor, comments, rest = split_vorbis(raw) if raw else (b"", [], b"")
    keys = [comment.partition(b"=")[0] for comment in comments]
    ours = [key.upper() == edit.key.upper().encode() for key in keys]
    at = ours.index(True) if any(ours) else len(comments)
    key = keys[at] if any(ours) else edit.key.encode()
    comments = [c for c, mine in zip(comments, ours, strict=True) if not mine]
    comments[at:at] = [key + b"=" + value.encode() for value in edit.values]
    counted = [struct.pack("<I", len(text)) + text for text in (vendor, *comments)]
    counted.insert(1, struct.pack("<I", len(comments)))
    return b"".join(counted) + rest
