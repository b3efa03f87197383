"""What the blocks and layouts of tags share: a block as read, an edit, and small helpers."""

from __future__ import annotations

# mypy: allow-untyped-calls
# (mutagen says that it is typed, and leaves most of its functions without types)
import json
from typing import NamedTuple

PADDING = 1024
"""Bytes left free where a tag has to grow: mutagen's own lower bound (`PaddingInfo`)."""


class Block(NamedTuple):
    """One block as found: its kind, and its text values by upper-case key."""

    kind: str
    items: dict[str, tuple[str, ...]]


class Edit(NamedTuple):
    """One change in a block's own terms: the key, and the values it is to hold."""

    kind: str
    key: str
    values: tuple[str, ...]


def family_of(kind: str) -> str:
    """Say which place in a file a kind of block takes: the ID3v2 versions share one."""
    return "ID3v2" if kind.startswith("ID3v2") else kind


def quoted(values: tuple[str, ...]) -> str:
    short = (value if len(value) <= 60 else f"{value[:57]}..." for value in values)
    return ", ".join(json.dumps(value, ensure_ascii=False) for value in short) or "nothing"
