"""Vorbis comments."""

from __future__ import annotations

import struct

from genretagger.tags.base import Block, Edit, gathered, replaced


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
    """Read the comments; one without ``=`` says nothing."""
    texts = (c.decode("utf-8", "replace").partition("=") for c in split_vorbis(raw)[1])
    return Block("Vorbis comment", gathered((key, (value,)) for key, _, value in texts if value))


def edit_vorbis(raw: bytes, edit: Edit) -> bytes:
    """Put values into a comment block, one comment each, under the spelling of the first."""
    vendor, comments, rest = split_vorbis(raw) if raw else (b"", [], b"")
    keys = [comment.partition(b"=")[0] for comment in comments]
    are_ours = [key.upper() == edit.key.upper().encode() for key in keys]
    key = keys[are_ours.index(True)] if any(are_ours) else edit.key.encode()
    new = [key + b"=" + value.encode() for value in edit.values]
    comments = replaced(comments, are_ours, new)
    counted = [struct.pack("<I", len(text)) + text for text in (vendor, *comments)]
    counted.insert(1, struct.pack("<I", len(comments)))
    return b"".join(counted) + rest
