"""Save a plan, let a person edit it, and read it back without trusting it.

A plan file is JSON lines: a head, then one line for each track, the same that ``--format
json`` prints, with the identity of the file. Lines may be deleted, and what stands under
``new`` in their ``blocks`` may be edited.

What a person decides in ``genretagger review`` is appended, a line for each decision, the last
one on a track being what counts. A plan with such lines is a reviewed one: of it, only what was
accepted, and is not written yet, is to be done.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from genretagger.errors import FatalError
from genretagger.places import plan_key
from genretagger.plan import TagPolicy
from genretagger.records import State, TagChange
from genretagger.rows import Row, by_genre, read_change, read_probabilities, saved_row
from genretagger.verdicts import DECIDED, Verdict, is_waiting, is_whole, read_verdict

FORMAT = 1
"""Version of the lines; a reader of another version refuses them."""


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
    policy : TagPolicy
        How genres are written that are named by hand.
    lines : list of TagChange
        All tracks.
    refused : frozenset of int
        Which of the lines are about files outside of what may be changed.
    verdicts : list of Verdict or None
        What was decided last on each of the lines; None where nothing was.
    """

    field: str | None
    bundle_id: str
    thresholds: tuple[float, ...] | None
    policy: TagPolicy
    lines: list[TagChange]
    refused: frozenset[int]
    verdicts: list[Verdict | None]

    @property
    def is_reviewed(self) -> bool:
        """Whether a person has decided on lines of it."""
        return any(verdict is not None for verdict in self.verdicts)

    @property
    def changes(self) -> list[TagChange]:
        """What is to be done. A line that is refused has the state FAILED."""
        is_reviewed = self.is_reviewed
        return [
            _refused(self.line(n)) if n in self.refused else self.line(n)
            for n, (line, verdict) in enumerate(zip(self.lines, self.verdicts, strict=True))
            if (is_waiting(verdict) if is_reviewed else line.state is State.CHANGE)
        ]

    def line(self, n: int) -> TagChange:
        """Return a line with what was decided on it carried in."""
        verdict = self.verdicts[n]
        return self.lines[n] if verdict is None else verdict.carried_into(self.lines[n])


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
    policy : TagPolicy, optional
        How genres are written, for those that are named by hand later.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        roots: Sequence[Path],
        field: str | None,
        bundle_id: str,
        thresholds: tuple[float, ...] | None = None,
        policy: TagPolicy | None = None,
    ) -> None:
        policy = policy or TagPolicy()
        self._stream = stream
        named = [str(root.resolve()) for root in roots]
        self._append(
            {
                "genretagger_plan": FORMAT,
                "bundle": bundle_id,
                "thresholds": by_genre(thresholds),
                "field": field,
                "style": policy.style,
                "separator": policy.separator,
                "id3": policy.id3,
                "names": dict(policy.names),
                "roots": named,
                "seal": _seal(named),
            }
        )

    def add(self, change: TagChange) -> None:
        """Write one line."""
        self._append(saved_row(change))

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
        bundle_id, thresholds = str(head["bundle"]), read_probabilities(head.get("thresholds"))
        policy = _policy(head)
        is_ours = hmac.compare_digest(str(head["seal"]).encode(), _seal(named).encode())
    except OSError as error:
        raise FatalError(f"plan {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise FatalError(f"plan {path}: this is no plan: {str(error)[:200]}") from error
    tops = [os.path.realpath(root) for root in within or (named if is_ours else [Path.cwd()])]
    changes: list[TagChange] = []
    places: dict[Path, int] = {}
    verdicts: list[Verdict | None] = []
    for n, line in enumerate(lines[1:], 2):
        where = f"plan {path}, line {n}"
        if line.startswith(DECIDED):
            if n == len(lines) and not is_whole(line):
                break  # what a killed review left of its last line
            decided, verdict = read_verdict(line, where)
            if decided in places:  # the line may have been deleted
                verdicts[places[decided]] = verdict
        elif line and not (n == len(lines) and DECIDED.startswith(line)):
            changes.append(read_change(line, where))
            verdicts.append(None)
            places[changes[-1].path] = len(changes) - 1
    refused = frozenset(n for n, change in enumerate(changes) if not _is_within(change.path, tops))
    return Plan(field, bundle_id, thresholds, policy, changes, refused, verdicts)


def _policy(head: Mapping[str, Any]) -> TagPolicy:
    given = {key: head[key] for key in ("style", "separator", "id3", "names") if key in head}
    policy = TagPolicy(**given)
    names = policy.names
    if policy.style not in ("combined", "multi") or policy.id3 not in ("keep", "2.3", "2.4"):
        raise ValueError("there is no such style, or version of ID3")
    if not isinstance(policy.separator, str) or not policy.separator.isprintable():
        raise TypeError("a separator is printable text")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise TypeError("names are texts")
    return policy


def _is_within(path: Path, tops: Sequence[str]) -> bool:
    # links are followed, on both sides: one inside a folder must not lead a plan out of it
    real = os.path.realpath(path)
    return ".." not in path.parts and any(
        real == top or real.startswith(top.rstrip(os.sep) + os.sep) for top in tops
    )


def _refused(change: TagChange) -> TagChange:
    why = ("outside of what you named; to change it, name its folder after the plan",)
    return replace(change, state=State.FAILED, new=change.old, blocks=(), reason=why)


def _seal(roots: Sequence[str]) -> str:
    """Sign the roots with a key that only this user has, so that nobody else can."""
    return hmac.new(_key(), json.dumps(roots).encode("ascii"), hashlib.sha256).hexdigest()


def _key() -> bytes:
    path = plan_key()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
        return path.read_bytes()
    except OSError as error:
        raise FatalError(f"{path}: {error.strerror}; plans cannot be signed") from error
