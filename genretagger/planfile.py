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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

from genretagger.containers import BLOCKS
from genretagger.errors import FatalError
from genretagger.genres import GENRES
from genretagger.journal import state_folder
from genretagger.plan import TagPolicy, shown
from genretagger.records import BlockChange, Identity, State, TagChange
from genretagger.report import Row, plan_row

Answer = Literal["accepted", "rejected", ""]

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


@dataclass(frozen=True)
class Verdict:
    """What a person decided on one line, and what came of it.

    Attributes
    ----------
    answer : {"accepted", "rejected", ""}
        Empty if a decision was taken back.
    blocks : tuple of BlockChange or None
        What is to be written instead of what was planned.
    identity : Identity or None
        Of the file now, where it is not the planned one any more: after an edit, a write or
        its undoing.
    written : str
        The name of the journal of the run that wrote it; empty if none did, or it was undone.
    """

    answer: Answer = ""
    blocks: tuple[BlockChange, ...] | None = None
    identity: Identity | None = None
    written: str = ""

    def carried_into(self, line: TagChange) -> TagChange:
        """Return the line as it is after this verdict."""
        if self.blocks is not None:
            new = shown(self.blocks)
            line = replace(line, state=State.CHANGE, blocks=self.blocks, new=new)
        return replace(line, identity=self.identity or line.identity)


def is_waiting(verdict: Verdict | None) -> bool:
    """Tell whether a line is accepted and not written yet."""
    return verdict is not None and verdict.answer == "accepted" and not verdict.written


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
                "thresholds": _by_genre(thresholds),
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
        row = plan_row(change)
        del row["new"]  # the blocks say it, and nobody shall edit the wrong one
        if change.blocks:
            del row["old"]
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
        if line.startswith(_DECIDED):
            if n == len(lines) and not _is_whole(line):
                break  # what a killed review left of its last line
            decided, verdict = _verdict(line, where)
            if decided in places:  # the line may have been deleted
                verdicts[places[decided]] = verdict
        elif line and not (n == len(lines) and _DECIDED.startswith(line)):
            changes.append(_change(line, where))
            verdicts.append(None)
            places[changes[-1].path] = len(changes) - 1
    refused = frozenset(n for n, change in enumerate(changes) if not _is_within(change.path, tops))
    return Plan(field, bundle_id, thresholds, policy, changes, refused, verdicts)


_DECIDED = '{"decided": '
"""How a line begins that holds a decision."""


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


class Decisions:
    """Decisions being appended to a plan, each safely on the disk before the call returns.

    Parameters
    ----------
    path : pathlib.Path
        Of the plan. What a killed review left of its last line is cut off.

    Raises
    ------
    FatalError
        If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("r+b") as file:
                content = file.read()
                last = content[content.rfind(b"\n") + 1 :]
                if last and _is_whole(last.decode("utf-8", "replace")):
                    file.write(b"\n")
                elif last:
                    file.truncate(len(content) - len(last))
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, verdicts: Iterable[tuple[Path, Verdict]]) -> None:
        """Append decisions.

        Raises
        ------
        FatalError
            If that fails. None of them may then be taken for saved.
        """
        text = "".join(json.dumps(_verdict_row(*verdict)) + "\n" for verdict in verdicts)
        try:
            with self._path.open("r+b") as file:
                end = file.seek(0, os.SEEK_END)
                try:
                    file.write(text.encode("ascii"))
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(end)  # a full disk must not leave half a line
                    raise
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> FatalError:
        return FatalError(f"plan {self._path}: cannot be written: {error.strerror}")


def _verdict_row(path: Path, verdict: Verdict) -> Row:
    return {
        "decided": str(path),
        "answer": verdict.answer,
        "blocks": None if verdict.blocks is None else [asdict(block) for block in verdict.blocks],
        "identity": asdict(verdict.identity) if verdict.identity else None,
        "written": verdict.written,
    }


def _verdict(line: str, where: str) -> tuple[Path, Verdict]:
    try:
        row: dict[str, Any] = json.loads(line)
        if row["answer"] not in get_args(Answer):
            raise ValueError("a decision is accepted or rejected")
        blocks = None if row["blocks"] is None else _blocks(row["blocks"])
        identity = None if row["identity"] is None else Identity(**row["identity"])
        verdict = Verdict(row["answer"], blocks, identity, str(row["written"]))
        return Path(row["decided"]), verdict
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FatalError(f"{where}: {str(error)[:200]}; correct or delete the line") from error


def _blocks(rows: Any) -> tuple[BlockChange, ...]:
    blocks = tuple(
        BlockChange(block["kind"], _texts(block["old"]), _texts(block["new"])) for block in rows
    )
    if not all(block.kind in BLOCKS for block in blocks):
        raise ValueError("there is no such kind of block")
    return blocks


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
    why = "outside of what you named; to change it, name its folder after the plan"
    return replace(change, state=State.FAILED, new=change.old, blocks=(), reason=why)


def _change(line: str, where: str) -> TagChange:
    try:
        if len(line) > _MAX_LINE:
            raise ValueError("too long")
        row: dict[str, Any] = json.loads(line)
        blocks = _blocks(row["blocks"])
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
