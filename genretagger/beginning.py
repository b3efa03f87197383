"""The beginning of a file, behind the ID3v2 tags that may stand there."""

from __future__ import annotations

from typing import BinaryIO

HEAD, LONG_HEAD = 1 << 13, 1 << 16
"""Bytes that are looked at: three frames of an MP3 fit, and what may stand before the first."""


def read_beginning(file: BinaryIO, size: int) -> bytes:
    """Read what stands behind ID3v2 tags."""
    while True:
        start = file.tell()
        head = file.read(size)
        if not head.startswith(b"ID3") or len(head) < 10:
            return head
        length = 0
        for byte in head[6:10]:
            length = length << 7 | byte & 0x7F
        file.seek(start + 10 + length + (10 if head[5] & 0x10 else 0))
