"""What the blocks and layouts of tags share: a block as it was read, an edit, small helpers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

PADDING = 1024
"""Bytes left free where a tag has to grow: mutagen's own lower bound (`PaddingInfo`)."""


class Block(NamedTuple):
    """One block as it was read: its kind, and its text values by upper-case key."""

    kind: str
    items: dict[str, tuple[str, ...]]


class Edit(NamedTuple):
    """One change in a block's own terms: the key, and the values it is to hold."""

    kind: str
    key: str
    values: tuple[str, ...]


def gathered(pairs: Iterable[tuple[str, Iterable[str]]]) -> dict[str, tuple[str, ...]]:
    """Gather texts by their keys in upper case, in order; empty texts say nothing."""
    items: dict[str, tuple[str, ...]] = {}
    for key, texts in pairs:
        items[key.upper()] = items.get(key.upper(), ()) + tuple(filter(None, texts))
    return items


def replaced(items: Sequence[T], are_ours: Sequence[bool], new: Sequence[T]) -> list[T]:
    """Put new items in the place of the first of ours, or at the end; the rest of ours goes.

    Examples
    --------
    >>> replaced(["TIT2", "TCON", "TALB", "TCON"], [False, True, False, True], ["TCON new"])
    ['TIT2', 'TCON new', 'TALB']
    """
    at = are_ours.index(True) if any(are_ours) else len(items)
    others = [item for item, is_ours in zip(items, are_ours, strict=True) if not is_ours]
    return [*others[:at], *new, *others[at:]]


def family_of(kind: str) -> str:
    """Take the version off a kind: a file has one place for ID3v2 tags of whatever version."""
    return "ID3v2" if kind.startswith("ID3v2") else kind


def quoted(values: tuple[str, ...]) -> str:
    """Show values in a message, each cut to 60 characters."""
    short = (value if len(value) <= 60 else f"{value[:57]}..." for value in values)
    return ", ".join(json.dumps(value, ensure_ascii=False) for value in short) or "nothing"
