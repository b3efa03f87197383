"""Tables and intervals in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(value: float | None, digits: int = 2) -> str:
    """Lay out a figure, or a dash where it is undefined."""
    return "-" if value is None else f"{value:.{digits}f}"


def span(low: float, high: float, digits: int = 2) -> str:
    """Lay out an interval.

    Examples
    --------
    >>> span(0.5, 0.625)
    '0.50 to 0.62'
    """
    return f"{low:.{digits}f} to {high:.{digits}f}"


def interval(figure: dict[str, Any], digits: int = 2) -> str:
    """Lay out a figure with its interval."""
    if figure["value"] is None:
        return "-"
    return f"{figure['value']:.{digits}f} ({span(figure['low'], figure['high'], digits)})"
