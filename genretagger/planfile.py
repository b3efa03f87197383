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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from genretagger.errors import FatalError
from genretagger.genres import SHIPPED, Vocabulary, read_vocabulary
from genretagger.places import plan_key
from genretagger.plan import TagPolicy
from genretagger.records import State, TagChange
from genretagger.rows import Row, by_genre, read_change, read_probabilities, saved_row
from genretagger.verdicts import DECIDED, Verdict, is_waiting, is_whole, read_verdict

FORMAT = 1
"""Version of the lines; a reader of another version refuses them."""


@dataclass(frozen=True)
class Plan:
    """A saved plan.

    Attributes
    ----------
    field : str or None
        What the plan is for, if not for the genre.
    bundle_id : str
        The model that heard the tracks.
    thresholds : tuple of float, length n_genres, or None
        At which each genre passed; None in plans that do not say.
    policy : TagPolicy
        How genres are written that are named by hand, with the model's vocabulary.
    lines : list of TagChange
        All tracks.
    refused : frozenset of int
        Which of the lines are about files outside of what may be changed.
    passed_over : frozenset of int
        Which of the lines are about files outside of what was named now.
    verdicts : list of Verdict or None
        What was decided last on each of the lines; None where nothing was.
    roots : list of pathlib.Path
        Below which it changes files.
    """

    field: str | None
    bundle_id: str
    thresholds: tuple[float, ...] | None
    policy: TagPolicy
    lines: list[TagChange]
    refused: frozenset[int]
    passed_over: frozenset[int]
    verdicts: list[Verdict | None]
    roots: list[Path]

    @property
    def is_reviewed(self) -> bool:
        """Whether a person has decided on lines of it."""
        return any(verdict is not None for verdict in self.verdicts)

    @property
    def changes(self) -> list[TagChange]:
        """The lines to apply; a refused one has the state FAILED."""
        return [
            _refused(self.line(n)) if n in self.refused else self.line(n)
            for n in self._to_do()
            if n not in self.passed_over
        ]

    @property
    def n_passed_over(self) -> int:
        """How many lines would be applied if their files were named."""
        return sum(n in self.passed_over for n in self._to_do())

    def _to_do(self) -> list[int]:
        is_reviewed = self.is_reviewed
        return [
            n
            for n, (line, verdict) in enumerate(zip(self.lines, self.verdicts, strict=True))
            if (is_waiting(verdict) if is_reviewed else line.state is State.CHANGE)
        ]

    def line(self, n: int) -> TagChange:
        """Return a line with its decision carried in."""
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
        How genres are written, for those that are named by hand later, and the model's vocabulary.
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
        resolved = [str(root.resolve()) for root in roots]
        self._append(
            {
                "genretagger_plan": FORMAT,
                "bundle": bundle_id,
                "genres": list(policy.vocabulary.genres),
                "fusions": sorted(sorted(pair) for pair in policy.vocabulary.fusions),
                "thresholds": by_genre(thresholds, policy.vocabulary),
                "field": field,
                "style": policy.style,
                "separator": policy.separator,
                "id3": policy.id3,
                "names": dict(policy.names),
                "roots": resolved,
                "seal": _seal(resolved),
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
        Files elsewhere are passed over, and what leads there by a link is refused. If empty,
        files are refused outside of what the user named when the plan was made on this machine,
        else outside of the working directory.

    Returns
    -------
    Plan

    Raises
    ------
    FatalError
        If it is no plan, or a line makes no sense.
    """
    row, rest = _first_row(path)
    if row["genretagger_plan"] != FORMAT:
        raise FatalError(f"plan {path}: written by another version of genretagger")
    try:
        head = _read_head(row)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FatalError(f"plan {path}: this is no plan: {str(error)[:200]}") from error
    lines, verdicts = _read_lines(rest, path, head.policy.vocabulary)
    tops = [os.path.realpath(top) for top in within or head.trusted_roots]
    outside = frozenset(n for n, line in enumerate(lines) if not _is_within(line.path, tops))
    names = [*tops, *map(os.path.abspath, within)]
    elsewhere = frozenset(n for n in outside if within and not _is_named(lines[n].path, names))
    return Plan(
        field=head.field,
        bundle_id=head.bundle_id,
        thresholds=head.thresholds,
        policy=head.policy,
        lines=lines,
        refused=outside - elsewhere,
        passed_over=elsewhere,
        verdicts=verdicts,
        roots=[Path(top) for top in tops],
    )


class _Head(NamedTuple):
    field: str | None
    bundle_id: str
    thresholds: tuple[float, ...] | None
    policy: TagPolicy
    trusted_roots: Sequence[str | Path]  # below which it may change files, if nobody says more


def _first_row(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Read the line that makes a file a plan, and the lines after it."""
    row = None
    try:
        first, *rest = path.read_text(encoding="utf-8").splitlines() or [""]
        row = json.loads(first)
    except OSError as error:
        raise FatalError(f"plan {path}: {error.strerror}") from error
    except (ValueError, RecursionError):  # bytes that are no text, text that is no JSON
        rest = []
    if not isinstance(row, dict) or "genretagger_plan" not in row:
        raise FatalError(
            f"plan {path}: this is no plan; 'genretagger tag --dry-run --plan FILE' saves one"
        )
    return row, rest


def _read_head(row: Row) -> _Head:
    field, roots = row["field"], [str(root) for root in row["roots"]]
    if not (field is None or isinstance(field, str)):
        raise TypeError("the field is no text")
    policy = _read_policy(row)
    is_ours = hmac.compare_digest(str(row["seal"]).encode(), _seal(roots).encode())
    return _Head(
        field,
        str(row["bundle"]),
        read_probabilities(row.get("thresholds"), policy.vocabulary),
        policy,
        roots if is_ours else [Path.cwd()],
    )


def _read_lines(
    texts: Sequence[str], path: Path, vocabulary: Vocabulary
) -> tuple[list[TagChange], list[Verdict | None]]:
    """Read the lines after the head, and the last decision on each."""
    lines: list[TagChange] = []
    verdicts: list[Verdict | None] = []
    number: dict[Path, int] = {}
    for n, text in enumerate(texts, 1):
        where, is_last = f"plan {path}, line {n + 1}", n == len(texts)
        if text.startswith(DECIDED):
            if is_last and not is_whole(text):
                break  # what a killed review left of its last line
            track, verdict = read_verdict(text, where)
            if track in number:  # its line may have been deleted
                verdicts[number[track]] = verdict
        elif text and not (is_last and DECIDED.startswith(text)):
            lines.append(read_change(text, where, vocabulary))
            verdicts.append(None)
            number[lines[-1].path] = len(lines) - 1
    return lines, verdicts


def _read_policy(head: Row) -> TagPolicy:
    given = {key: head[key] for key in ("style", "separator", "id3", "names") if key in head}
    # plans of before have the genres of the shipped models
    vocabulary = read_vocabulary(head["genres"], head["fusions"]) if "genres" in head else SHIPPED
    policy = TagPolicy(**given, vocabulary=vocabulary)
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
    return ".." not in path.parts and _is_below(os.path.realpath(path), tops)


def _is_named(path: Path, tops: Sequence[str]) -> bool:
    """Tell whether a file's name is below these, wherever its links lead."""
    return ".." in path.parts or _is_below(str(path), tops)


def _is_below(path: str, tops: Sequence[str]) -> bool:
    return any(path == top or path.startswith(top.rstrip(os.sep) + os.sep) for top in tops)


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
