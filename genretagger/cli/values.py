"""Read and check the values of options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from genretagger.plan import read_condition

if TYPE_CHECKING:
    import re


def probability(text: str) -> float:
    """Read a number between 0 and 1."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a number") from error
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def count(text: str) -> int:
    """Read a whole number from 1 on."""
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number") from error
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


_DAYS = {"d": 1, "w": 7, "y": 365}


def age_s(text: str) -> float:
    """Read an age such as ``90d``, ``12w`` or ``1y``; return seconds."""
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in _DAYS:
        raise argparse.ArgumentTypeError(f"{text} is not an age such as 90d, 12w or 1y")
    return int(number) * _DAYS[unit] * 86400.0


def separator(text: str) -> str:
    """Read a separator of the genres in a combined value."""
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError("a separator is at least one printable character")
    return text


def name_list(text: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def condition(text: str) -> tuple[str, re.Pattern[str]]:
    """Read a condition such as ``genre matches ^Blues``."""
    try:
        return read_condition(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def field_name(text: str) -> str:
    """Read the name of a field that has no other meaning in any container."""
    from genretagger.tags.fields import check_field  # noqa: PLC0415 - it loads mutagen

    try:
        check_field(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; take another name") from error
    return text
