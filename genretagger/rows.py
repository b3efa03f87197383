"""Lines of a plan and predictions as rows with the keys of the JSON format."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genretagger.containers import BLOCKS
from genretagger.errors import FatalError
from genretagger.genres import GENRES
from genretagger.plan import shown
from genretagger.records import BlockChange, Identity, State, TagChange
from genretagger.report.text import reason_text
from genretagger.report.words import PREDICTED

Row = dict[str, Any]
"""One line of output, with the keys of the JSON format, in order."""


def plan_row(change: TagChange) -> Row:
    """Spell out a line of the plan."""
    return {
        "path": str(change.path),
        "state": change.state.value,
        "old": list(change.old),
        "new": list(change.new),
        "blocks": [
            {"kind": block.kind, "old": list(block.old), "new": list(block.new)}
            for block in change.blocks
        ],
        "genres": list(change.genres),
        "probabilities": by_genre(change.probabilities),
        "reason": reason_text(change.reason),
    }


def prediction_row(line: TagChange) -> Row:
    """Spell out what is heard in one file, whose tags nobody looked at.

    Its state is a word of `report.words.PREDICTED`.
    """
    reason = reason_text(line.reason)
    return {
        "path": str(line.path),
        "state": PREDICTED[line.state],
        "genres": list(line.genres),
        "probabilities": by_genre(line.probabilities),
        # as rows were before they had a state
        "reason": f"failed: {reason}" if line.state is State.FAILED else reason,
    }


def by_genre(probabilities: tuple[float, ...] | None) -> dict[str, float] | None:
    if probabilities is None:
        return None
    return {genre: round(p, 4) for genre, p in zip(GENRES, probabilities, strict=True)}


_MAX_PATH = 1 << 15
"""Bytes: no system takes longer ones (Windows 32,767; Linux 4,096), and each part of a path
costs a look at the disk."""

_MAX_LINE = 1 << 20  # characters; a line of ours has some thousand


def read_blocks(rows: Any) -> tuple[BlockChange, ...]:
    blocks = tuple(
        BlockChange(block["kind"], _texts(block["old"]), _texts(block["new"])) for block in rows
    )
    if not all(block.kind in BLOCKS for block in blocks):
        raise ValueError("there is no such kind of block")
    return blocks


def read_change(line: str, where: str) -> TagChange:
    try:
        if len(line) > _MAX_LINE:
            raise ValueError("too long")
        row: dict[str, Any] = json.loads(line)
        blocks = read_blocks(row["blocks"])
        identity = None if row["identity"] is None else Identity(**row["identity"])
        state = State(row["state"])
        if state is State.CHANGE and (identity is None or not blocks):
            raise ValueError("a change needs an identity and blocks")
        if "\0" in row["path"] or not os.path.isabs(row["path"]):  # noqa: PTH117 - still untrusted
            raise ValueError("a path must be absolute")
        if len(os.fsencode(row["path"])) > _MAX_PATH:
            raise ValueError("a path is too long")
        old = tuple(dict.fromkeys(value for block in blocks for value in block.old))
        old = old if blocks else _texts(row.get("old", []))
        return TagChange(
            path=Path(row["path"]),
            state=state,
            old=old,
            new=shown(blocks) if blocks else old,
            blocks=blocks,
            genres=_texts(row["genres"]),
            probabilities=read_probabilities(row["probabilities"]),
            reason=(str(row["reason"]),) if row["reason"] else (),
            identity=identity,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FatalError(f"{where}: {str(error)[:200]}; correct or delete the line") from error


def exact_by_genre(values: tuple[float, ...] | None) -> dict[str, float] | None:
    return None if values is None else dict(zip(GENRES, values, strict=True))


def read_probabilities(by_genre: Any) -> tuple[float, ...] | None:
    if by_genre is None:
        return None
    if not isinstance(by_genre, Mapping) or set(by_genre) != set(GENRES):
        raise TypeError("probabilities have the names of the genres")
    values = tuple(by_genre[genre] for genre in GENRES)
    if not all(isinstance(value, (int, float)) and 0 <= value <= 1 for value in values):
        raise ValueError("a probability is between 0 and 1")
    return tuple(map(float, values))


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
        raise TypeError("genres are a list of texts that are not empty")
    return tuple(values)
