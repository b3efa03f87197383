"""Decisions on the lines of a plan: saved as they are made, and carried out on demand."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from genretagger import places, planfile, tags
from genretagger.bundle import Bundle
from genretagger.cache import Cache
from genretagger.errors import FatalError, GenreTaggerError, TrackError
from genretagger.hearing import hear_closely
from genretagger.identity import check_writable, identify
from genretagger.plan import plan_by_hand
from genretagger.recall import remember
from genretagger.records import Hearing, State, TagChange
from genretagger.report.html import patch
from genretagger.review.sound import Sounds
from genretagger.rows import Row
from genretagger.text import printable, reason_text
from genretagger.verdicts import Answer, Decisions, Scope, Verdict, is_waiting
from genretagger.words import WRITTEN
from genretagger.writing import journal, lock
from genretagger.writing.change import apply, undo
from genretagger.writing.moved import Elsewhere
from genretagger.writing.recovery import writing_run

_REMEMBERED = 8  # tracks heard closely: 4 MB


WRITTEN_STATES = {"written": WRITTEN[State.CHANGE]}
"""What a track is, beside the states of a plan, once its change is written: key and word."""

_Work = Callable[[Cache | None], None]


class RefusedError(GenreTaggerError):
    """A request that cannot be carried out; the message says why."""


class Session:
    """One plan under review.

    Its methods may be called from several threads.

    Parameters
    ----------
    path : pathlib.Path
        Of the plan.
    within : sequence of pathlib.Path
        As in `planfile.read`.
    bundle : Bundle
        Hears tracks closely.
    preserve_mtime : bool
    open_cache : callable
        Gives, to be entered, the cache that remembers what is written, or None.
    known_files : callable
        Maps that cache to more files among which moved ones are sought when a run is taken back.

    Raises
    ------
    FatalError
        If it is no plan, or cannot be written.
    """

    def __init__(
        self,
        path: Path,
        within: Sequence[Path],
        bundle: Bundle,
        *,
        preserve_mtime: bool = False,
        open_cache: Callable[[], AbstractContextManager[Cache | None]] = contextlib.nullcontext,
        known_files: Callable[[Cache | None], Iterable[Path]] = lambda _: (),
    ) -> None:
        self.path = path.resolve()
        self.plan = planfile.read(path, within)
        self.bundle = bundle
        self._preserve_mtime = preserve_mtime
        self._open_cache = open_cache
        self._known_files = known_files
        self._decisions = Decisions(self.path)
        self._alone = threading.RLock()
        self._sounds = Sounds([line.path for line in self.plan.lines], bundle)
        self._problems: dict[int, str] = dict.fromkeys(
            self.plan.refused, "outside of what was named when the plan was made"
        )
        self._steps: list[dict[int, Verdict | None]] = []
        self._work: threading.Thread | None = None
        self._stop = threading.Event()
        self._progress: Row = {"what": "", "done": 0, "total": 0, "error": ""}
        self._wanted: tuple[int, bool] | None = None
        self._share_heard = 0.0
        self.hear_closely = lru_cache(maxsize=_REMEMBERED)(self._hear_closely)
        self._catch_up()

    def only_one(self) -> AbstractContextManager[None]:
        """Keep a second review of the same plan away while the block runs."""
        name = hashlib.sha256(str(self.path).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return lock.only_writer(places.reviews_folder() / name, f"genretagger review {self.path}")

    # ---- show ------------------------------------------------------------------------------

    def decided(self) -> Row:
        """Return all decisions, and the progress of a run."""
        with self._alone:
            ids = {n for n, verdict in enumerate(self.plan.verdicts) if verdict is not None}
            return {**self.progress(), "rows": self._rows(ids | set(self._problems))}

    def progress(self) -> Row:
        """Return the progress of Apply or Undo, and how much they would do now."""
        with self._alone:
            return {
                **self._progress,
                "running": self._work is not None and self._work.is_alive(),
                "waiting": sum(map(is_waiting, self.plan.verdicts)),
                "undoable": len(self._lines_of(self._last_run())),
                "plan": printable(str(self.path)),
            }

    def _rows(self, ids: Iterable[int]) -> list[Row]:
        return [self._row(n, self.plan.verdicts[n] or Verdict()) for n in sorted(ids)]

    def _row(self, n: int, verdict: Verdict) -> Row:
        line, problem = self.plan.line(n), printable(self._problems.get(n, ""))
        row = patch(n, line)
        if verdict.written:
            row["state"] = next(iter(WRITTEN_STATES))
        elif problem:
            row |= {"state": State.FAILED.value, "reason": problem}
        return {
            **row,
            "answer": verdict.answer,
            "edited": verdict.blocks is not None,
            "written": bool(verdict.written),
            "problem": problem,
        }

    # ---- decide ----------------------------------------------------------------------------

    def decide(
        self, ids: Sequence[int], answer: Answer, scope: Scope = "line"
    ) -> tuple[list[Row], int]:
        """Accept or reject lines, or leave them open again. Saved when this returns.

        Lines that are written, and, if accepted, those that would write nothing, are passed
        over; but to accept one line alone whose genre is kept is to take what was heard. Lines
        on which was decided with less at once are left alone, and so is one whose file has what
        was heard already.

        Parameters
        ----------
        ids : sequence of int
        answer : {"accepted", "rejected", ""}
        scope : {"line", "album", "shown"}
            How much is decided at once.

        Returns
        -------
        tuple of list of Row and int
            The lines whose decision this was, and how many were left alone.

        Raises
        ------
        RefusedError
            If there is no such line, or what was heard cannot be written there.
        FatalError
            If it cannot be saved.
        """
        with self._alone:
            step: dict[int, Verdict | None] = {}
            n_left = 0
            for n in ids:
                self._check(n)
                verdict = self.plan.verdicts[n] or Verdict()
                is_able = self.plan.line(n).state is State.CHANGE and n not in self.plan.refused
                if verdict.written:
                    continue
                if not verdict.gives_way_to(scope):
                    n_left += 1
                elif answer != "accepted" or is_able:
                    step[n] = replace(verdict, answer=answer, scope=scope)
                elif scope == "line" and self.plan.line(n).genres and n not in self.plan.refused:
                    if by_hand := self._by_hand(n, self.plan.line(n).genres):
                        step[n] = by_hand
                    else:
                        n_left += 1
            return self._take(step), n_left

    def edit(self, n: int, genres: str) -> list[Row]:
        """Name a track's genres by hand, and accept that.

        Parameters
        ----------
        n : int
        genres : str
            Separated by commas or semicolons.

        Raises
        ------
        RefusedError
            If the genres cannot be written into that file; the message says why.
        FatalError
            If it cannot be saved.
        """
        with self._alone:
            self._check(n)
            if n in self.plan.refused:
                raise RefusedError(self._problems[n])
            if (self.plan.verdicts[n] or Verdict()).written:
                raise RefusedError("it is written; undo that first")
            values = tuple(part.strip() for part in re.split("[;,]", genres) if part.strip())
            if not (by_hand := self._by_hand(n, values)):
                raise RefusedError("the file has that already; there is nothing to write")
            return self._take({n: by_hand})

    def _by_hand(self, n: int, genres: tuple[str, ...]) -> Verdict | None:
        """Give a line other genres than were planned; None if its file has them already.

        Raises
        ------
        RefusedError
            If they cannot be written into it.
        """
        path = self.plan.lines[n].path
        try:
            identity = identify(path)
            held = tags.read(path, field=self.plan.field)
            change = plan_by_hand(path, held, self.plan.policy, genres)
            if change.state is State.KEEP:
                return None
            if change.state is not State.CHANGE:
                raise RefusedError(reason_text(change.reason))
            check_writable(path)
            tags.rehearse(path, change.blocks, field=self.plan.field)
        except (TrackError, ValueError) as error:
            raise RefusedError(str(error)) from error
        return Verdict("accepted", change.blocks, identity)

    def take_back(self) -> list[Row]:
        """Undo the last decision of this session; there may be none."""
        with self._alone:
            if not self._steps:
                return []
            step = {
                n: verdict or Verdict()
                for n, verdict in self._steps.pop().items()
                if not (self.plan.verdicts[n] or Verdict()).written
            }
            return self._keep(step)

    def _take(self, step: dict[int, Verdict | None]) -> list[Row]:
        before = {n: self.plan.verdicts[n] for n in step}
        rows = self._keep({n: verdict or Verdict() for n, verdict in step.items()})
        if step:
            self._steps.append(before)
        return rows

    def _keep(self, step: dict[int, Verdict]) -> list[Row]:
        self._decisions.add((self.plan.lines[n].path, verdict) for n, verdict in step.items())
        for n, verdict in step.items():
            self.plan.verdicts[n] = verdict
            if n not in self.plan.refused:
                self._problems.pop(n, None)
        return self._rows(set(step))

    def _check(self, n: int) -> None:
        if not 0 <= n < len(self.plan.lines):
            raise RefusedError("there is no such line")
        if self._work is not None and self._work.is_alive():
            raise RefusedError("wait until the files are written")

    # ---- play and hear ---------------------------------------------------------------------

    def excerpts(self, n: int) -> Row:
        """Return the length of a track, and where it is heard, see `Sounds.excerpts`."""
        self._check_served(n)
        return self._sounds.excerpts(n)

    def sound(self, n: int, start_s: float) -> bytes:
        """Decode an excerpt to be played, see `Sounds.wav`."""
        self._check_served(n)
        return self._sounds.wav(n, start_s)

    def _hear_closely(self, n: int, is_why: bool) -> Hearing:
        """Hear a track all the way through, unless another one is asked for meanwhile."""
        self._check_served(n)
        self._wanted = wanted = n, is_why

        def advance(share: float) -> None:
            if self._wanted != wanted:
                raise RefusedError("stopped")
            self._share_heard = share

        with self._sounds.one_network:
            advance(0.0)
            return hear_closely(
                self.plan.lines[n].path, self.bundle, is_why=is_why, advance=advance
            )

    def share_heard(self) -> float:
        """Return how much of the track that is being heard all through is heard, up to 1."""
        return self._share_heard

    def stop_hearing(self) -> None:
        """Stop hearing a track all the way through."""
        self._wanted = None

    def _check_served(self, n: int) -> None:
        if not 0 <= n < len(self.plan.lines) or n in self.plan.refused:
            raise RefusedError("there is no such line")

    # ---- apply and undo --------------------------------------------------------------------

    def apply(self) -> None:
        """Start writing the accepted lines, in the background.

        Raises
        ------
        RefusedError
            If files are being written already.
        """
        self._start("apply", self._apply)

    def undo(self) -> None:
        """Start taking back the last run, in the background.

        Raises
        ------
        RefusedError
            If files are being written.
        """
        self._start("undo", self._undo)

    def stop(self) -> None:
        """Stop hearing, and stop writing after the file at hand, and wait for that."""
        self.stop_hearing()
        self._stop.set()
        if self._work is not None:
            self._work.join()

    def _start(self, what: str, work: _Work) -> None:
        with self._alone:
            if self._work is not None and self._work.is_alive():
                raise RefusedError("files are being written already")
            self._progress = {"what": what, "done": 0, "total": 0, "failed": 0, "error": ""}
            self._stop.clear()
            self._work = threading.Thread(target=self._carefully, args=(work,))
            self._work.start()

    def _carefully(self, work: _Work) -> None:
        command = f"genretagger review {self.path}"
        try:
            # the cache is opened here, since SQLite keeps to one thread
            with writing_run(command, lambda _: None), self._open_cache() as cache:
                work(cache)
        except GenreTaggerError as error:
            self._progress["error"] = printable(str(error))

    def _apply(self, cache: Cache | None) -> None:
        run = journal.Journal(f"review {self.path}", roots=self.plan.roots)
        waiting = [n for n, verdict in enumerate(self.plan.verdicts) if is_waiting(verdict)]
        self._progress["total"] = len(waiting)
        for n in waiting:
            if self._stop.is_set():
                break
            change = self.plan.line(n)
            done = apply(change, run, field=self.plan.field, preserve_mtime=self._preserve_mtime)
            self._remember(done, cache)
            name = run.path.name if run.path else "nothing to write"
            self._note(n, done, written=name if done.state is State.CHANGE else "")

    def _undo(self, cache: Cache | None) -> None:
        name = self._last_run()
        path = places.journals_folder() / name
        head, entries = journal.read(path)
        back = journal.Journal.reversing(path, head)
        lines = {self._real(n): n for n in self._lines_of(name)}
        elsewhere = Elsewhere.of_run(head, entries, self._known_files(cache))
        self._progress["total"] = len(entries)
        for change in undo(entries, back, elsewhere=elsewhere, preserve_mtime=self._preserve_mtime):
            self._remember(change, cache)
            n = lines.get(elsewhere.was_at(change.path))
            if n is None:
                self._progress["done"] += 1
            else:
                self._note(n, change, written="" if change.state is not State.FAILED else name)
        back.finish()

    def _remember(self, done: TagChange, cache: Cache | None) -> None:
        if done.state is State.CHANGE:
            remember(done.path, self.plan.field, cache)

    def _note(self, n: int, done: TagChange, *, written: str) -> None:
        """Save the outcome of a line for the next session."""
        with self._alone:
            verdict = self.plan.verdicts[n] or Verdict()
            if done.state is State.FAILED:
                self._problems[n] = reason_text(done.reason)
                self._progress["failed"] += 1
            else:
                identity = identify(done.path)
                self._keep({n: replace(verdict, identity=identity, written=written)})
                if done.path not in (self.plan.lines[n].path, self._real(n)):
                    self._problems[n] = f"taken back, but moved: it lies at {done.path}"
            self._progress["done"] += 1

    def _last_run(self) -> str:
        runs = {v.written for v in self.plan.verdicts if v is not None and v.written}
        # a plan may have been edited: only names of journals are looked up
        names = {name for name in runs if re.fullmatch(r"[\dT-]+\.jsonl", name)}
        journals = [name for name in names if (places.journals_folder() / name).is_file()]
        return max(journals, key=_written_ns, default="")

    def _lines_of(self, run: str) -> list[int]:
        if not run:
            return []
        return [n for n, v in enumerate(self.plan.verdicts) if v is not None and v.written == run]

    def _real(self, n: int) -> Path:
        return self.plan.lines[n].path.resolve()

    def _catch_up(self) -> None:
        """Note what a killed run wrote, or another command took back, since the last review."""
        step: dict[int, Verdict] = {}
        runs: dict[Path, str] = {}
        for n, verdict in enumerate(self.plan.verdicts):
            if n in self.plan.refused or verdict is None or verdict.answer != "accepted":
                continue
            line = self.plan.line(n)
            try:
                identity = identify(line.path)
                if identity == line.identity:
                    continue
                blocks = tags.read(line.path, field=self.plan.field).blocks
            except TrackError as error:
                self._problems[n] = str(error)
                continue
            held = {block.kind: block.values for block in blocks}
            is_new = all(held.get(block.kind, ()) == block.new for block in line.blocks)
            is_old = all(held.get(block.kind, ()) == block.old for block in line.blocks)
            if is_new and not verdict.written:
                runs = runs or _runs_by_file()
                name = runs.get(line.path.resolve(), "another program")
                step[n] = replace(verdict, identity=identity, written=name)
            elif is_old and verdict.written:
                step[n] = replace(verdict, identity=identity, written="")
        if step:
            self._keep(step)


def _written_ns(name: str) -> int:
    return (places.journals_folder() / name).stat().st_mtime_ns


def _runs_by_file() -> dict[Path, str]:
    """Return the last run that changed each file."""
    runs: dict[Path, str] = {}
    for path in journal.history():
        with contextlib.suppress(FatalError):  # one that is damaged does not hide the others
            runs.update((entry.path, path.name) for entry in journal.read(path)[1])
    return runs
