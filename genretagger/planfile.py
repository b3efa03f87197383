"""Save a plan, let a person edit it, and read it back without trusting it.

A plan file is JSON lines: a head, then one line for each track, the same that ``--format
json`` prints, with the identity of the file. Lines may be deleted, and what stands under
``new`` in their ``blocks`` may be edited.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from genretagger.containers import BLOCKS
from genretagger.errors import FatalError
from genretagger.genres import GENRES
from genretagger.journal import state_folder
from genretagger.plan import shown
from genretagger.records import BlockChange, Identity, State, TagChange
from genretagger.report import Row, plan_row

FORMAT = 1
"""Version of the lines; a reader of another version refuses them."""

_MAX_PATH = 1 << 15
"""Bytes: no system takes longer ones (Windows 32,767; Linux 4,096), and each part of a path
costs a look at the disk."""

_MAX_LINE = 1 << 20  # characters; a line of ours has some thousand


@dataclass(frozen=True)
class Plan:
    """A plan as it was read.

    Attributes
    ----------
    field : str or None
        What the plan is for, if not for the genre.
    bundle_id : str
        The model that heard the tracks.
    thresholds : tuple of float, length n_genres, or None
        At which each genre passed; None in plans that do not say.
    changes : list of TagChange
        What is to be done. A line that is refused has the state FAILED.
    """

    field: str | None
    bundle_id: str
    thresholds: tuple[float, ...] | None
    changes: list[TagChange]


class PlanFile:
    """A plan being written.

    Parameters
    ----------
    stream : file object
    roots : sequence of pathlib.Path
        What the user named. `read` trusts a plan with these only if it was made here.
    field : str or None
    bundle_id : str
    thresholds : tuple of float, length n_genres, optional
        At which each genre passes, to be shown.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        roots: Sequence[Path],
        field: str | None,
        bundle_id: str,
        thresholds: tuple[float, ...] | None = None,
    ) -> None:
        self._stream = stream
        named = [str(root.resolve()) for root in roots]
        self._append(
            {
                "genretagger_plan": FORMAT,
                "bundle": bundle_id,
                "thresholds": _by_genre(thresholds),
                "field": field,
                "roots": named,
                "seal": _seal(named),
            }
        )

    def add(self, change: TagChange) -> None:
        """Write one line."""
        row = plan_row(change)
        del row["old"], row["new"]  # the blocks say it, and nobody shall edit the wrong one
        row["path"] = str(change.path.parent.resolve() / change.path.name)
        row["identity"] = asdict(change.identity) if change.identity else None
        self._append(row)

    def _append(self, row: Row) -> None:
        self._stream.write(json.dumps(row) + "\n")


def read(path: Path, within: Sequence[Path]) -> Plan:
    """Read a plan.

    Parameters
    ----------
    path : pathlib.Path
    within : sequence of pathlib.Path
        Files elsewhere are refused. If empty: what the user named when the plan was made
        on this machine, else the working directory.

    Returns
    -------
    Plan

    Raises
    ------
    FatalError
        If it is no plan, or a line makes no sense.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        head = json.loads(lines[0])
        if head["genretagger_plan"] != FORMAT:
            raise FatalError(f"plan {path}: written by another version of genretagger")
        field, named = head["field"], [str(root) for root in head["roots"]]
        if not (field is None or isinstance(field, str)):
            raise TypeError("the field is no text")
        bundle_id, thresholds = str(head["bundle"]), _probabilities(head.get("thresholds"))
        is_ours = hmac.compare_digest(str(head["seal"]).encode(), _seal(named).encode())
    except OSError as error:
        raise FatalError(f"plan {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise FatalError(f"plan {path}: this is no plan: {str(error)[:200]}") from error
    tops = [os.path.realpath(root) for root in within or (named if is_ours else [Path.cwd()])]
    changes = [
        _change(line, f"plan {path}, line {n}") for n, line in enumerate(lines[1:], 2) if line
    ]
    to_do = [
        change if _is_within(change.path, tops) else _refused(change)
        for change in changes
        if change.state is State.CHANGE
    ]
    return Plan(field, bundle_id, thresholds, to_do)


def _is_within(path: Path, tops: Sequence[str]) -> bool:
    # links are followed, on both sides: one inside a folder must not lead a plan out of it
    real = os.path.realpath(path)
    return ".." not in path.parts and any(
        real == top or real.startswith(top.rstrip(os.sep) + os.sep) for top in tops
    )


def _refused(change: TagChange) -> TagChange:
    why = "outside of what you named; to change it, name its folder after the plan"
    return replace(change, state=State.FAILED, new=change.old, blocks=(), reason=why)


def _change(line: str, where: str) -> TagChange:
    try:
        if len(line) > _MAX_LINE:
            raise ValueError("too long")
        row: dict[str, Any] = json.loads(line)
        blocks = tuple(
            BlockChange(block["kind"], _texts(block["old"]), _texts(block["new"]))
            for block in row["blocks"]
        )
        if not all(block.kind in BLOCKS for block in blocks):
            raise ValueError("there is no such kind of block")
        identity = None if row["identity"] is None else Identity(**row["identity"])
        state = State(row["state"])
        if state is State.CHANGE and (identity is None or not blocks):
            raise ValueError("a change needs an identity and blocks")
        if "\0" in row["path"] or not os.path.isabs(row["path"]):  # noqa: PTH117 - still untrusted
            raise ValueError("a path must be absolute")
        if len(os.fsencode(row["path"])) > _MAX_PATH:
            raise ValueError("a path is too long")
        return TagChange(
            path=Path(row["path"]),
            state=state,
            old=tuple(dict.fromkeys(value for block in blocks for value in block.old)),
            new=shown(blocks),
            blocks=blocks,
            genres=_texts(row["genres"]),
            probabilities=_probabilities(row["probabilities"]),
            reason=str(row["reason"]),
            identity=identity,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FatalError(f"{where}: {str(error)[:200]}; correct or delete the line") from error


def _by_genre(values: tuple[float, ...] | None) -> dict[str, float] | None:
    return None if values is None else dict(zip(GENRES, values, strict=True))


def _probabilities(by_genre: Any) -> tuple[float, ...] | None:
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


def _seal(roots: Sequence[str]) -> str:
    """Sign the roots with a key that only this user has, so that nobody else can."""
    return hmac.new(_key(), json.dumps(roots).encode("ascii"), hashlib.sha256).hexdigest()


def _key() -> bytes:
    path = state_folder() / "plan-key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
        return path.read_bytes()
    except OSError as error:
        raise FatalError(f"{path}: {error.strerror}; plans cannot be signed") from error
