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


def interval(figure: dict[str, Any], digits: int = 2) -> str:
    """Lay out a figure with its interval."""
    if figure["value"] is None:
        return "-"
    value, low, high = (f"{figure[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
