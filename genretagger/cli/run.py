"""Counts, report and progress of one run."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich import progress
from rich.console import Console

from genretagger.cli.codes import INTERRUPTED, OK, SOME_FAILED
from genretagger.cli.output import report_stream, spare_audio
from genretagger.records import State, TagChange
from genretagger.report.html import Page
from genretagger.report.tables import FORMATS, Report, TerminalTable
from genretagger.rows import Row, plan_row
from genretagger.scan import find_tracks
from genretagger.text import printable, reason_text
from genretagger.words import Words


class Run:
    """Counts, report and progress of one run.

    Parameters
    ----------
    options : argparse.Namespace
    words : mapping of State to str
        What the states are called in the summary and on the page; the others are left out.
    row : callable
        What the report shows of a line.

    Raises
    ------
    FatalError
        If a file to be written is named as audio is.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        words: Words,
        *,
        row: Callable[[TagChange], Row] = plan_row,
    ) -> None:
        self._format: str = options.format
        self._output: Path | None = options.output
        self._page_path: Path | None = vars(options).get("report")
        for path in (options.output, vars(options).get("plan_file"), self._page_path):
            spare_audio(path)
        self._command = f"genretagger {options.command_line}"
        self._words = words
        self._row = row
        self._counts: Counter[State] = Counter()
        self._failures: list[TagChange] = []
        self._is_reporting = False
        self._is_interrupted = False
        self._messages = Console(stderr=True)
        self._n_done = 0
        self._reports: list[Report] = []
        self._early: list[TagChange] = []
        self._page: Page | None = None
        self.total: int | None = None
        """How many tracks there are, once it is known."""

    def fail(self, path: Path, why: str) -> None:
        """Take a file or folder that cannot be used, also before anything is reported."""
        line = TagChange(path, State.FAILED, reason=(why,))
        if self._is_reporting:
            self._take(line)
        else:
            self._early.append(line)

    def tracks(self, roots: Sequence[Path], ignore: Sequence[str]) -> Iterator[Path]:
        """Find the tracks below some files and folders; what cannot be read is a failure.

        They are found as they are asked for, so that neither the first track nor the memory
        waits for a large collection, and counted meanwhile where progress is shown.
        """
        find = partial(find_tracks, roots, ignore=ignore)
        if self._messages.is_terminal:
            threading.Thread(target=self._count, args=(find,), daemon=True).start()
        return find(on_error=self.fail)

    def _count(self, find: Callable[..., Iterator[Path]]) -> None:
        self.total = sum(1 for _ in find(on_error=lambda *_: None))

    def make_page(self, **head: Any) -> None:
        """Also report to the page of ``--report``, if it is asked for; `head` is as in `Page`."""
        if self._page_path is not None:
            self._page = Page(command=self._command, words=self._words, **head)

    @contextlib.contextmanager
    def reporting(self, *, shown: bool = True) -> Iterator[Callable[[TagChange], None]]:
        """Show progress, and take lines, which are shown or counted; end quietly on Ctrl-C."""
        with contextlib.ExitStack() as stack:
            advance = stack.enter_context(self._progress())
            if shown:
                self._reports.append(stack.enter_context(self._report()))
            if self._page is not None and self._page_path is not None:
                stack.enter_context(self._page.written_to(self._page_path))
                self._reports.append(self._page)

            self._is_reporting = True
            for line in self._early:
                self._take(line)

            def add(line: TagChange) -> None:
                self._take(line)
                self._n_done += 1
                advance()

            try:
                yield add
            except KeyboardInterrupt:
                self._is_interrupted = True

    def _take(self, line: TagChange) -> None:
        self._counts[line.state] += 1
        if line.state is State.FAILED:
            self._failures.append(line)
        row = self._row(line)
        for report in self._reports:
            report.add(row)

    @contextlib.contextmanager
    def _progress(self) -> Iterator[Callable[[], None]]:
        if not self._messages.is_terminal:
            yield lambda: None
            return
        columns = (progress.BarColumn(), progress.MofNCompleteColumn(), _Rate())
        left = progress.TimeRemainingColumn(elapsed_when_finished=True)
        with progress.Progress(*columns, left, console=self._messages) as bar:
            task = bar.add_task("", total=self.total)
            yield lambda: bar.update(task, advance=1, total=self.total)

    @contextlib.contextmanager
    def _report(self) -> Iterator[Report]:
        if self._output is None and self._format == "table" and sys.stdout.isatty():
            # rows must go through the console that draws the progress bar below them
            yield TerminalTable(self._messages if self._messages.is_terminal else Console())
            return
        with report_stream(self._output) as stream:
            yield FORMATS[self._format](stream)

    def summary(self) -> int:
        """Say what has become of the tracks, list every failure, and return the exit code."""
        say = sys.stderr.write
        total = sum(self._counts.values())
        counts = ", ".join(f"{self._counts[state]} {word}" for state, word in self._words.items())
        if self._is_interrupted:
            left = "some" if self.total is None else self.total - self._n_done
            say(f"interrupted: every file is whole, {left} tracks are left\n")
        is_empty = not total and not self._is_interrupted
        say("no audio files found\n" if is_empty else f"{total} tracks: {counts}\n")
        if self._failures:
            say("failed:\n")
        for line in self._failures:
            say(f"  {printable(str(line.path))}: {printable(reason_text(line.reason))}\n")
        if self._is_interrupted:
            return INTERRUPTED
        return SOME_FAILED if self._failures else OK


class _Rate(progress.ProgressColumn):
    def render(self, task: progress.Task) -> str:
        return f"{task.speed or 0.0:.1f} tracks/s"
