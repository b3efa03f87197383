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

from rich.console import Console

from genretagger.cli.codes import INTERRUPTED, OK, SOME_FAILED
from genretagger.cli.output import report_stream, spare_audio
from genretagger.containers import is_heard_only
from genretagger.errors import FatalError
from genretagger.genres import SHIPPED
from genretagger.records import State, TagChange
from genretagger.report.html import Page
from genretagger.report.tables import FORMATS, Report
from genretagger.rows import Row, plan_row
from genretagger.scan import find_tracks, read_list
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
        self._passed_over: Counter[str] = Counter()
        self._failures: list[TagChange] = []
        self._is_reporting = False
        self._is_interrupted = False
        self._messages = Console(stderr=True)
        self._n_done = 0
        self._reports: list[Report] = []
        self._early: list[TagChange] = []
        self._page: Page | None = None
        self.vocabulary = SHIPPED
        """Of the model that hears; to be set before the report is open."""
        self.total: int | None = None
        """How many tracks there are, once it is known."""

    def named_paths(self, options: argparse.Namespace) -> list[Path]:
        """List the files and folders that the command line names; exit if it names none.

        Raises
        ------
        FatalError
            If a list of files cannot be read.
        """
        if not options.paths and not options.files_from:
            options.error("name at least one file or folder, or give --files-from")
        paths = list(options.paths)
        for source in options.files_from:
            paths += read_list(Path(source), _content(source), self._fail)
        return paths

    def _fail(self, path: Path, why: str) -> None:
        """Take a file or folder that cannot be used, even before the report is open."""
        line = TagChange(path, State.FAILED, reason=(why,))
        if self._is_reporting:
            self._take(line)
        else:
            self._early.append(line)

    def tracks(
        self, roots: Sequence[Path], ignore: Sequence[str], *, heard_only: bool = False
    ) -> Iterator[Path]:
        """Find the tracks below some files and folders; what cannot be read is a failure.

        Audio that can be heard, but not tagged, is passed over and counted unless `heard_only`.
        Tracks are found as they are asked for, so that neither the first track nor the memory
        waits for a large collection, and counted meanwhile where progress is shown.
        """
        find = partial(find_tracks, roots, ignore=ignore)
        if self._messages.is_terminal:
            count = partial(find, heard_only=heard_only)
            threading.Thread(target=self._count, args=(count,), daemon=True).start()
        for path in find(heard_only=True, on_error=self._fail):
            if heard_only or not is_heard_only(path):
                yield path
            else:
                self._passed_over[path.suffix.lower().lstrip(".")] += 1

    def _count(self, find: Callable[..., Iterator[Path]]) -> None:
        self.total = sum(1 for _ in find(on_error=lambda *_: None))

    def make_page(self, **head: Any) -> None:
        """Prepare the page of ``--report``, if it is asked for; `head` as in `Page`."""
        if self._page_path is not None:
            self._page = Page(
                command=self._command, words=self._words, vocabulary=self.vocabulary, **head
            )

    @contextlib.contextmanager
    def reporting(self, *, shown: bool = True) -> Iterator[Callable[[TagChange], None]]:
        """Open the report and the page, show progress, and end quietly on Ctrl-C.

        Yields
        ------
        callable
            Takes one line: counts it and, if `shown`, reports it.
        """
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
        from genretagger.report.terminal import progress_bar  # noqa: PLC0415 - pipes do without

        with progress_bar(self._messages, lambda: self.total) as advance:
            yield advance

    @contextlib.contextmanager
    def _report(self) -> Iterator[Report]:
        if self._output is None and self._format == "table" and sys.stdout.isatty():
            # rows must go through the console that draws the progress bar below them
            from genretagger.report.terminal import TerminalTable  # noqa: PLC0415 - as above

            yield TerminalTable(self._messages if self._messages.is_terminal else Console())
            return
        with report_stream(self._output) as stream:
            yield FORMATS[self._format](stream, self.vocabulary.genres)

    def summary(self, *, if_nothing: str = "no audio files found") -> int:
        """Print the counts and every failure, and return the exit code."""
        say = sys.stderr.write
        total = sum(self._counts.values())
        counts = ", ".join(f"{self._counts[state]} {word}" for state, word in self._words.items())
        if self._is_interrupted:
            left = "some" if self.total is None else self.total - self._n_done
            say(f"interrupted: every file is whole, {left} tracks are left\n")
        if self._passed_over:
            say(_passed_over(self._passed_over))
        if total or self._is_interrupted:
            say(f"{total} tracks: {counts}\n")
        elif not self._passed_over:
            say(f"{if_nothing}\n")
        if self._failures:
            say("failed:\n")
        for line in self._failures:
            say(f"  {printable(str(line.path))}: {printable(reason_text(line.reason))}\n")
        if self._is_interrupted:
            return INTERRUPTED
        return SOME_FAILED if self._failures else OK


def _passed_over(kinds: Counter[str]) -> str:
    n = sum(kinds.values())
    shown = [kind if n == len(kinds) else f"{kind} {kinds[kind]}" for kind in sorted(kinds)]
    files = "1 audio file of a kind" if n == 1 else f"{n} audio files of kinds"
    return f"passed over {files} that can be heard, but not tagged ({', '.join(shown)})\n"


def _content(source: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise FatalError(f"--files-from {source}: {error.strerror}") from error
