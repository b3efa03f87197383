"""What an audit found: in words, as JSON, and as the cards of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from genretagger.records import Remark
from genretagger.report.tables import json_line
from genretagger.text import printable
from genretagger.words import REMARKS

_MOST_PATHS = 3  # beside a remark in the terminal
_MOST_NAMES = 10  # of genres that are not compared
_MOST_ON_PAGE = 200  # remarks of a kind, and paths of a remark


def lines(remarks: Sequence[Remark], most: int) -> Iterator[str]:
    """Give an audit in words.

    Parameters
    ----------
    remarks : sequence of Remark
    most : int
        Of each kind, show at most so many.
    """
    for kind, heading in REMARKS.items():
        alike = [remark for remark in remarks if remark.kind == kind]
        if not alike:
            continue
        yield f"{heading}: {len(alike)}"
        for remark in alike[:most]:
            yield f"  {printable(remark.text)}"
            yield from (f"      {printable(str(path))}" for path in remark.paths[:_MOST_PATHS])
            if len(remark.paths) > _MOST_PATHS:
                yield f"      and {len(remark.paths) - _MOST_PATHS} more"
        if len(alike) > most:
            yield f"  and {len(alike) - most} more"


def not_compared(names: Counter[str]) -> str:
    """Say which genres on how many tracks an audit could not compare; empty if there are none."""
    if not names:
        return ""
    shown = ", ".join(f"{printable(name)} {n}" for name, n in names.most_common(_MOST_NAMES))
    more = f", and {len(names) - _MOST_NAMES} more names" if len(names) > _MOST_NAMES else ""
    return (
        "not compared, as they mean none of the model's genres or are not known: "
        f"{shown}{more}; --mapping says what a name means"
    )


def json_lines(remarks: Sequence[Remark]) -> Iterator[str]:
    """Give an audit as JSON, one object for each remark."""
    for remark in remarks:
        yield json_line({**remark._asdict(), "paths": [str(path) for path in remark.paths]})


def cards(remarks: Sequence[Remark]) -> list[dict[str, Any]]:
    """Group remarks by kind for the page; every kind is there, also where there is none."""
    by_kind: dict[str, list[Remark]] = {kind: [] for kind in REMARKS}
    for remark in remarks:
        by_kind[remark.kind].append(remark)
    return [
        {
            "heading": REMARKS[kind],
            "n": len(alike),
            "n_more": max(0, len(alike) - _MOST_ON_PAGE),
            "remarks": [
                {
                    "text": printable(remark.text),
                    "paths": [printable(str(path)) for path in remark.paths[:_MOST_ON_PAGE]],
                    "n_more": max(0, len(remark.paths) - _MOST_ON_PAGE),
                }
                for remark in alike[:_MOST_ON_PAGE]
            ],
        }
        for kind, alike in by_kind.items()
    ]
