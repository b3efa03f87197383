"""Read and check the values of options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from genretagger.expression import Condition, parse
from genretagger.genres import GENRES, canonical, read_mapping
from genretagger.subgenres import Names


def probability(text: str) -> float:
    """Read a number between 0 and 1."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a number") from error
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def count_up_to(most: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers from 1 to `most`."""

    def count(text: str) -> int:
        try:
            value = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number") from error
        if value < 1 or (most is not None and value > most):
            upper = f" and at most {most}" if most else ""
            raise argparse.ArgumentTypeError(f"{text} is not at least 1{upper}")
        return value

    return count


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


def genre_list(text: str) -> frozenset[str]:
    """Read genres, in any spelling, with commas between them."""
    genres = {name: canonical(name) for name in name_list(text)}
    if unknown := [name for name, genre in genres.items() if genre is None]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is not one of {', '.join(GENRES)}")
    return frozenset(genre for genre in genres.values() if genre)


def condition(text: str) -> tuple[str, re.Pattern[str]]:
    """Read a condition such as ``genre matches ^Blues``."""
    words = text.split(maxsplit=2)
    if len(words) != 3 or words[0] not in ("genre", "comment") or words[1] != "matches":
        raise argparse.ArgumentTypeError("write 'genre matches REGEX' or 'comment matches REGEX'")
    try:
        return words[0], re.compile(words[2], re.IGNORECASE)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{words[2]}: {error}") from error


def heard_condition(text: str) -> Condition:
    """Read a condition such as ``Rock > 0.6 and Folk > 0.3``."""
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def mapping(name: str) -> dict[str, str]:
    """Read the mapping file of that name."""
    try:
        return read_mapping(Path(name).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error.strerror}") from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name}, {error}") from error


def names(path: str) -> Names:
    """Read the file of that name, which says what names of genres mean."""
    try:
        return Names(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{path}, {error}") from error


def field_name(text: str) -> str:
    """Read the name of a field that has no other meaning in any container."""
    from genretagger.tags.fields import check_field  # noqa: PLC0415 - it loads mutagen

    try:
        check_field(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; take another name") from error
    return text
