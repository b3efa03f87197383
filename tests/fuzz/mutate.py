"""Damage bytes and JSON at random, the same way for the same seed."""

from __future__ import annotations

import json
import random
from typing import Any

_NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_SIZES = ((2, "big"), (2, "little"), (4, "big"), (4, "little"), (8, "big"), (8, "little"))


def _somewhere(chance: random.Random, size: int) -> int:
    """Choose an offset, most often near the beginning or the end, where the headers are."""
    near = min(size, chance.choice((16, 64, 512, 4096)))
    kind = chance.random()
    if kind < 0.5:
        return chance.randrange(near)
    return size - 1 - chance.randrange(near) if kind < 0.7 else chance.randrange(size)


def damage(data: bytes, chance: random.Random, others: tuple[bytes, ...] = ()) -> bytes:
    """Make one to six changes: bits, bytes, numbers, cuts, repeats, pieces of other files."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if not changed:
            changed = bytearray(b"\0")
        at = _somewhere(chance, len(changed))
        length = min(chance.choice((1, 4, 10, 100, 5000)), len(changed) - at)
        kind = chance.randrange(9)
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind in (2, 3):  # a length, an offset, a count
            size, order = chance.choice(_SIZES)
            old = int.from_bytes(changed[at : at + size], order)
            near = old + chance.choice((-8, -1, 1, 8, 1000))
            new = chance.choice((*_NUMBERS, near, len(changed), len(changed) - at))
            changed[at : at + size] = (new % (1 << 8 * size)).to_bytes(size, order)
        elif kind == 4:
            del changed[at:]
        elif kind == 5:
            del changed[at : at + length]
        elif kind == 6:
            changed[at:at] = changed[at : at + length] * chance.choice((1, 1, 30))
        elif kind == 7:
            changed[at:at] = chance.randbytes(length)
        else:
            other = chance.choice(others or (data,))
            start = _somewhere(chance, len(other))
            changed[at : at + length] = other[start : start + length]
    return bytes(changed)


def _odd(chance: random.Random) -> Any:
    deep: Any = 0
    for _ in range(chance.choice((1, 50, 900))):
        deep = [deep]
    numbers = (0, -1, 1, 0.5, 2**31, 2**63, 2**64, 10**30, -(10**9), 1e308, float("inf"))
    texts = (
        "",
        "\0",
        "\ud800",
        "\udcff",
        "\x1b[2J",
        "../x",
        "/etc/passwd",
        "a/" * 9000,
        "x" * 9999,
    )
    others = (None, True, False, float("nan"), [], {}, [None], {"a": 1}, [[]], [""], [0] * 3)
    return chance.choice((*numbers, *texts, *others, deep))


def damage_json(value: Any, chance: random.Random) -> Any:
    """Put an odd value somewhere, or take something away."""
    if isinstance(value, (dict, list)) and value and chance.random() < 0.9:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = chance.choice(keys)
        copy = value.copy()
        if chance.random() < 0.1:
            del copy[key]
        else:
            copy[key] = damage_json(value[key], chance)
        return copy
    return _odd(chance)


def damage_lines(text: bytes, chance: random.Random) -> bytes:
    """Damage JSON lines: as values, as bytes, or as lines that are lost or stand twice."""
    lines = text.splitlines(keepends=True)
    kind = chance.random()
    if kind < 0.6:
        at = chance.randrange(len(lines))
        for _ in range(chance.choice((1, 1, 2))):
            lines[at] = json.dumps(damage_json(json.loads(lines[at]), chance)).encode() + b"\n"
    elif kind < 0.75:
        at = chance.randrange(len(lines))
        lines[at : at + 1] = chance.choice(([], [lines[at]] * 2, [b"[" * 100_000 + b"\n"]))
    else:
        return damage(text, chance)
    return b"".join(lines)
