"""Settings that are checked when they are read: types and ranges, said once in a dataclass.

A field's annotation says all: ``epochs: Count`` is a whole number from 1. A new dataclass is
checked by `check` as it stands; one whose annotations are plain has its types checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Range:
    """Numbers that a setting may have.

    Attributes
    ----------
    low, high : float
    above, below : bool
        `low`, or `high`, itself is not one of them.
    """

    low: float
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        """Tell whether a number is one of them."""
        over = value > self.low if self.above else value >= self.low
        under = value < self.high if self.below else value <= self.high
        return over and under

    def __str__(self) -> str:
        """Say it in words.

        Examples
        --------
        >>> str(Range(1)), str(Range(0, 1, below=True))
        ('1 or more', '0 or more and less than 1')
        """
        low = f"more than {self.low:g}" if self.above else f"{self.low:g} or more"
        if self.high == math.inf:
            return low
        return f"{low} and {'less than' if self.below else 'at most'} {self.high:g}"


Count = Annotated[int, Range(1)]
Amount = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, 2**32 - 1)]
"""As NumPy and Keras take it."""

Confidence = Annotated[int, Range(1, 3)]
Positive = Annotated[float, Range(0, above=True)]
Weight = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
Rate = Annotated[float, Range(0, 1, below=True)]
"""Of what is dropped or moved to others: all of it would leave nothing."""

Inside = Annotated[float, Range(0, 1, above=True, below=True)]


def check(kind: type[Any], table: Mapping[str, Any], hints: Mapping[str, Any]) -> str:
    """Check the values of a table against the annotations of a dataclass.

    Parameters
    ----------
    kind : type
        A dataclass. Fields that are themselves dataclasses, or generic, are not checked.
    table : mapping
        As TOML has it.
    hints : mapping
        Annotations that are narrower than the dataclass' own.

    Returns
    -------
    str
        Each key that is wrong, with what was found and what is allowed; empty if none is.

    Examples
    --------
    >>> @dataclass
    ... class Train:
    ...     epochs: Count
    >>> check(Train, {"epochs": -3}, {})
    'epochs = -3, but a whole number of 1 or more is allowed'
    """
    allowed = {**get_type_hints(kind, include_extras=True), **hints}
    wrong = [
        f"{key} = {_toml(value)}, but {_words(allowed[key])} is allowed"
        for key, value in table.items()
        if key in allowed and not _fits(value, allowed[key])
    ]
    return "; ".join(wrong)


def _toml(value: Any) -> str:
    """Write a value as TOML does, or nearly."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    text = {"True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= 60 else f"{text[:57]}..."


_SCALARS: dict[Any, Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool),
    str: lambda value: isinstance(value, str),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    ),
}


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        limits = [part for part in inner[1:] if isinstance(part, Range)]
        return _fits(value, inner[0]) and all(value in limit for limit in limits)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            return False
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    return _SCALARS[hint](value) if hint in _SCALARS else True


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text in quotes"}


def _words(hint: Any) -> str:
    """Say what an annotation allows."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        limits = [str(part) for part in inner[1:] if isinstance(part, Range)]
        return " of ".join([_words(inner[0]), *limits])
    if origin is Literal:
        return " or ".join(map(_toml, inner))
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return f"a list in brackets, each {_words(inner[0])}"
        return f"[{', '.join(map(_words, inner))}]"
    return _NAMES[hint]
