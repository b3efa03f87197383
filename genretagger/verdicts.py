"""A person's decisions on the lines of a plan, appended to its file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from genretagger.errors import FatalError
from genretagger.plan import shown
from genretagger.records import BlockChange, Identity, State, TagChange
from genretagger.rows import Row, read_blocks

Answer = Literal["accepted", "rejected", ""]
Scope = Literal["line", "album", "shown"]


@dataclass(frozen=True)
class Verdict:
    """A person's decision on one line, and its outcome.

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
    scope : {"line", "album", "shown"}
        What was decided on at once: this line, its album, or all that the page showed.
    """

    answer: Answer = ""
    blocks: tuple[BlockChange, ...] | None = None
    identity: Identity | None = None
    written: str = ""
    scope: Scope = "line"

    def gives_way_to(self, scope: Scope) -> bool:
        """Tell whether a decision on so much at once may change this one.

        What was decided by hand stays where more is decided at once.
        """
        scopes = get_args(Scope)
        return not self.answer or scopes.index(scope) <= scopes.index(self.scope)

    def carried_into(self, line: TagChange) -> TagChange:
        """Return the line with this verdict's changes."""
        if self.blocks is not None:
            new = shown(self.blocks)
            line = replace(line, state=State.CHANGE, blocks=self.blocks, new=new)
        return replace(line, identity=self.identity or line.identity)


def is_waiting(verdict: Verdict | None) -> bool:
    """Tell whether a line is accepted and not written yet."""
    return verdict is not None and verdict.answer == "accepted" and not verdict.written


DECIDED = '{"decided": '
"""The beginning of a line that holds a decision."""


def is_whole(line: str) -> bool:
    """Tell whether a line is complete; a killed review may leave half of one."""
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
                if last and is_whole(last.decode("utf-8", "replace")):
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
            If that fails. None of them is saved then.
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
        "scope": verdict.scope,
    }


def read_verdict(line: str, where: str) -> tuple[Path, Verdict]:
    """Read a line that begins as `DECIDED`.

    Parameters
    ----------
    line : str
    where : str
        Of the line, for the message.

    Returns
    -------
    tuple of pathlib.Path and Verdict
        The track, and what was decided on it.

    Raises
    ------
    FatalError
        If the line makes no sense.
    """
    try:
        row: dict[str, Any] = json.loads(line)
        if row["answer"] not in get_args(Answer):
            raise ValueError("a decision is accepted or rejected")
        scope = row.get("scope", "line")  # before there were scopes, none was noted
        if scope not in get_args(Scope):
            raise ValueError("a decision is on a line, an album, or all that is shown")
        blocks = None if row["blocks"] is None else read_blocks(row["blocks"])
        identity = None if row["identity"] is None else Identity(**row["identity"])
        verdict = Verdict(row["answer"], blocks, identity, str(row["written"]), scope)
        return Path(row["decided"]), verdict
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FatalError(f"{where}: {str(error)[:200]}; correct or delete the line") from error
