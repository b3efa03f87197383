"""Lines of a plan as rows: the keys of JSON, CSV, the page and the plan file.

Every key is written here, and read back from plan files here, whoever has edited them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genretagger.containers import BLOCKS
from genretagger.errors import FatalError
from genretagger.genres import SHIPPED, Vocabulary
from genretagger.plan import shown
from genretagger.records import BlockChange, Identity, State, TagChange
from genretagger.text import reason_text
from genretagger.words import PREDICTED

Row = dict[str, Any]
"""One line of output, with the keys of the JSON format, in order."""

_DIGITS = 4  # of a probability that is shown; the network's is not good for more

_DIGITS_OF_HALF = 5

_MAX_PATH = 1 << 15
"""Bytes: no system takes longer ones (Windows 32,767; Linux 4,096), and each part of a path
costs a look at the disk."""

_MAX_LINE = 1 << 20  # characters; a line of ours has some thousand


def plan_row(change: TagChange) -> Row:
    """Return a line of the plan as it is shown.

    Examples
    --------
    >>> row = plan_row(TagChange(Path("a.mp3"), State.KEEP, old=("Blues",), reason=("kept",)))
    >>> row["state"], row["old"], row["reason"]
    ('keep', ['Blues'], 'kept')
    """
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
        "probabilities": by_genre(change.probabilities, change.vocabulary, _DIGITS),
        "reason": reason_text(change.reason),
    }


def prediction_row(line: TagChange) -> Row:
    """Return a line as it is shown by `predict`, which looks at no tags.

    Its state is a word of `words.PREDICTED`.
    """
    reason = reason_text(line.reason)
    return {
        "path": str(line.path),
        "state": PREDICTED[line.state],
        "genres": list(line.genres),
        "probabilities": by_genre(line.probabilities, line.vocabulary, _DIGITS),
        # as rows were before they had a state
        "reason": f"failed: {reason}" if line.state is State.FAILED else reason,
    }


def embedded_row(line: TagChange) -> Row:
    """Return a line as `prediction_row` does, with its embedding, to the last bit of float16.

    Examples
    --------
    >>> import numpy as np
    >>> heard = TagChange(Path("a.mp3"), State.KEEP, embedding=np.array([0.1, 3], np.float16))
    >>> embedded_row(heard)["embedding"]
    [0.099976, 3.0]
    """
    embedding = None
    if line.embedding is not None:
        # 11 bits are told apart by 5 digits (IEEE 754-2019, 5.12.2)
        embedding = [float(f"{value:.{_DIGITS_OF_HALF}g}") for value in line.embedding.tolist()]
    return {**prediction_row(line), "embedding": embedding}


def saved_row(change: TagChange) -> Row:
    """Return a line of the plan as it is saved; `read_change` reads it back."""
    row = plan_row(change)
    del row["new"]  # the blocks say it, and nobody shall edit the wrong one
    if change.blocks:
        del row["old"]
    row["path"] = str(change.path.parent.resolve() / change.path.name)
    row["identity"] = asdict(change.identity) if change.identity else None
    return row


def read_change(line: str, where: str, vocabulary: Vocabulary = SHIPPED) -> TagChange:
    """Read a line of a saved plan, which anybody may have edited.

    Parameters
    ----------
    line : str
        As `saved_row` made it.
    where : str
        Of the line, for the message.
    vocabulary : Vocabulary, optional
        Of the model by which the plan was made.

    Returns
    -------
    TagChange
        Its path is absolute, and where it changes something, it has an identity and blocks.

    Raises
    ------
    FatalError
        If the line makes no sense.
    """
    try:
        if len(line) > _MAX_LINE:
            raise ValueError("too long")
        row: Row = json.loads(line)
        blocks = read_blocks(row["blocks"])
        identity = None if row["identity"] is None else Identity(**row["identity"])
        state = State(row["state"])
        if state is State.CHANGE and (identity is None or not blocks):
            raise ValueError("a change needs an identity and blocks")
        old = tuple(dict.fromkeys(value for block in blocks for value in block.old))
        old = old if blocks else _texts(row.get("old", []))
        return TagChange(
            path=_path(row["path"]),
            state=state,
            old=old,
            new=shown(blocks) if blocks else old,
            blocks=blocks,
            genres=_texts(row["genres"]),
            probabilities=read_probabilities(row["probabilities"], vocabulary),
            vocabulary=vocabulary,
            reason=(str(row["reason"]),) if row["reason"] else (),
            identity=identity,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FatalError(f"{where}: {str(error)[:200]}; correct or delete the line") from error


def _path(text: str) -> Path:
    if "\0" in text or not os.path.isabs(text):  # noqa: PTH117 - still untrusted
        raise ValueError("a path must be absolute")
    if len(os.fsencode(text)) > _MAX_PATH:
        raise ValueError("a path is too long")
    return Path(text)


def read_blocks(rows: Any) -> tuple[BlockChange, ...]:
    """Read the ``blocks`` of a saved line.

    Raises
    ------
    ValueError, KeyError, TypeError
        If they make no sense.
    """
    blocks = tuple(
        BlockChange(block["kind"], _texts(block["old"]), _texts(block["new"])) for block in rows
    )
    if not all(block.kind in BLOCKS for block in blocks):
        raise ValueError("there is no such kind of block")
    return blocks


def by_genre(
    values: tuple[float, ...] | None, vocabulary: Vocabulary, digits: int | None = None
) -> dict[str, float] | None:
    """Name the genre of each probability or threshold.

    Parameters
    ----------
    values : tuple of float, length n_genres, or None
    vocabulary : Vocabulary
        In whose order the values are.
    digits : int, optional
        Round to so many decimals.
    """
    if values is None:
        return None
    rounded = values if digits is None else [round(value, digits) for value in values]
    return dict(zip(vocabulary.genres, rounded, strict=True))


def read_probabilities(by_genre: Any, vocabulary: Vocabulary) -> tuple[float, ...] | None:
    """Read probabilities or thresholds by genre, in the order of a vocabulary.

    Raises
    ------
    ValueError, TypeError
        If they make no sense.
    """
    if by_genre is None:
        return None
    if not isinstance(by_genre, Mapping) or set(by_genre) != set(vocabulary.genres):
        raise TypeError("probabilities have the names of the genres")
    values = tuple(by_genre[genre] for genre in vocabulary.genres)
    if not all(isinstance(value, (int, float)) and 0 <= value <= 1 for value in values):
        raise ValueError("a probability is between 0 and 1")
    return tuple(map(float, values))


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
        raise TypeError("genres are a list of texts that are not empty")
    return tuple(values)
