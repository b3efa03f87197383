"""Counts, report and progress of one run."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rich.console import Console

from genretagger.cli import config
from genretagger.cli.codes import INTERRUPTED, OK, SOME_FAILED
from genretagger.cli.output import described, fitted, report_stream, say, spare_audio
from genretagger.containers import is_heard_only
from genretagger.errors import FatalError, TrackError
from genretagger.genres import SHIPPED, split_values
from genretagger.identity import identify
from genretagger.records import State, TagChange
from genretagger.report.html import Page
from genretagger.report.tables import FORMATS, Report
from genretagger.rows import Row, plan_row
from genretagger.scan import find_tracks, read_long_list
from genretagger.text import counted, reason_text
from genretagger.words import Words

if TYPE_CHECKING:
    from genretagger.bundle import Bundle
    from genretagger.cache import Cache

_MOST_HIDDEN = 3  # files and folders that a summary names
_MOST_GENRES = 8  # that a summary counts; a line or two


class Run:
    """Counts, report and progress of one run.

    Parameters
    ----------
    options : argparse.Namespace
    words : mapping of State to str
        What the states are called in the table, in the summary and on the page; the others are
        left out.
    row : callable
        What the report shows of a line.
    is_endless : bool
        It goes on until it is stopped: what fails is said at once, and not again at the end.
    is_vast : bool
        There may be millions of tracks: they are not counted first, a file has a line under each of
        its names, and what fails is said at once; so the memory does not grow with their number.

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
        is_endless: bool = False,
        is_vast: bool = False,
    ) -> None:
        rest = vars(options)
        self._format: str = options.format
        self._output: Path | None = options.output
        self._page_path: Path | None = rest.get("report")
        for path in (options.output, rest.get("plan_file"), self._page_path):
            spare_audio(path)
        self._command = f"genretagger {options.command_line}"
        self._options = options
        self._is_quiet = rest.get("talk") == "quiet"
        self._is_verbose = rest.get("talk") == "verbose"
        self._is_endless = is_endless
        self._only_changes: bool = rest.get("changes_only", False)
        self._words = words
        self._row = row
        self._is_vast = is_vast
        self._counts: Counter[State] = Counter()
        self._before: Counter[str] = Counter()
        self._after: Counter[str] = Counter()
        self._passed_over: Counter[str] = Counter()
        self._hidden: list[Path] = []
        self._failures: list[TagChange] = []
        self._told: Cache | None = None
        self._has_news = False
        self._is_reporting = False
        self._is_interrupted = False
        self._messages = Console(stderr=True)
        self._n_done = 0
        self._reports: list[Report] = []
        self._early: list[TagChange] = []
        self._page: Page | None = None
        self.vocabulary = SHIPPED
        """Of the model that hears."""
        self.total: int | None = None
        """How many tracks there are, once it is known."""

    @property
    def n_changes(self) -> int:
        """How many tracks are changed, or would be."""
        return self._counts[State.CHANGE]

    def named_paths(self, options: argparse.Namespace) -> list[Path]:
        """List the files and folders that the command line names; exit if it names none.

        Raises
        ------
        FatalError
            If a list of files cannot be read.
        """
        return list(self.each_named_path(options))

    def each_named_path(self, options: argparse.Namespace) -> Iterator[Path]:
        """Give them as `named_paths` does, but read lists only as their entries are asked for."""
        if not options.paths and not options.files_from:
            options.error("name at least one file or folder, or give --files-from")
        lists = map(self._listed, options.files_from)
        return itertools.chain(options.paths, itertools.chain.from_iterable(lists))

    def _listed(self, source: str) -> Iterator[Path]:
        try:
            with _opened(source) as stream:
                yield from read_long_list(Path(source), stream, self.fail)
        except OSError as error:
            raise FatalError(f"--files-from {source}: {error.strerror}") from error

    def fail(self, path: Path, why: str) -> None:
        """Take a file or folder that cannot be used, even before the report is open."""
        line = TagChange(path, State.FAILED, reason=(why,))
        if self._is_reporting:
            self._take(line)
        else:
            self._early.append(line)

    def tracks(
        self, roots: Iterable[Path], ignore: Sequence[str], *, heard_only: bool = False
    ) -> Iterator[Path]:
        """Find the tracks below some files and folders; what cannot be read is a failure.

        Audio that can be heard, but not tagged, is passed over and counted unless `heard_only`.
        Tracks are found as they are asked for, so that neither the first track nor the memory
        waits for a large collection, and counted meanwhile where progress is shown.
        """
        find = partial(find_tracks, roots, ignore=ignore, once=not self._is_vast)
        if self._shows_progress and not self._is_vast:
            count = partial(find, heard_only=heard_only)
            threading.Thread(target=self._count, args=(count,), daemon=True).start()
        for path in find(heard_only=True, on_error=self.fail, on_hidden=self._hidden.append):
            if heard_only or not is_heard_only(path):
                yield path
            else:
                self._passed_over[path.suffix.lower().lstrip(".")] += 1

    def _count(self, find: Callable[..., Iterator[Path]]) -> None:
        self.total = sum(1 for _ in find(on_error=lambda *_: None))

    def hear_with(self, bundle: Bundle) -> None:
        """Take the model that hears: its genres for the reports, its name for ``--verbose``."""
        self.vocabulary = bundle.vocabulary
        self.remark(described(bundle))

    def make_page(self, **head: Any) -> None:
        """Prepare the page of ``--report``, if it is asked for; `head` as in `Page`."""
        if self._page_path is not None:
            self._page = Page(
                command=self._command, words=self._words, vocabulary=self.vocabulary, **head
            )

    def remark(self, message: str) -> None:
        """Say something that only ``--verbose`` asks for."""
        if self._is_verbose:
            say(message)

    def note(self, message: str) -> None:
        """Say something that only ``--quiet`` does without."""
        if not self._is_quiet:
            say(message)

    @contextlib.contextmanager
    def knowing(self, cache: Cache | None) -> Iterator[None]:
        """Let a cache, while it is open, tell which failures ``--changes-only`` has told before."""
        self._told = cache
        try:
            yield
        finally:
            self._told = None

    @contextlib.contextmanager
    def reporting(
        self, *, shown: bool = True, into: Report | None = None
    ) -> Iterator[Callable[[TagChange], None]]:
        """Open the report and the page, show progress, and end quietly on Ctrl-C.

        Parameters
        ----------
        shown : bool
            Report what is taken.
        into : Report, optional
            Which is open, instead of the one of ``--format``.

        Yields
        ------
        callable
            Takes one line: counts it and reports it.
        """
        if settings := config.file():
            self.remark(f"settings: {settings}{'' if config.is_there(settings) else ' (none)'}")
        with contextlib.ExitStack() as stack:
            advance = stack.enter_context(self._progress())
            if into is not None:
                self._reports.append(into)
            elif shown and self._is_report_wanted:
                self._reports.append(stack.enter_context(self._report()))
            if self._page is not None and self._page_path is not None:
                stack.enter_context(self._page.written_to(self._page_path))

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
        is_news = self._is_news(line)
        self.count(line, is_news=is_news)
        row = self._row(line)
        if self._page is not None:
            self._page.add(row)
        if self._only_changes and not is_news:
            return
        for report in self._reports:
            report.add(row)

    def _is_news(self, line: TagChange) -> bool:
        """Tell whether a line is one that ``--changes-only`` reports."""
        if line.state is not State.FAILED or self._told is None or not self._only_changes:
            return line.state in (State.CHANGE, State.FAILED)
        try:
            identity = identify(line.path)
        except TrackError:  # not there, or not to be seen: that may be another fault each time
            return True
        return self._told.is_news(line.path, identity, reason_text(line.reason))

    def count(self, line: TagChange, *, is_news: bool = True) -> None:
        """Count a line without reporting it; a failure that is no news is not told."""
        self._counts[line.state] += 1
        self._has_news |= is_news and line.state in (State.CHANGE, State.FAILED)
        if line.state is State.FAILED and is_news:
            self._take_failure(line)
        elif line.state is not State.FAILED:
            self._before.update(_genres(line.old))
            self._after.update(_genres(line.new))

    def _take_failure(self, line: TagChange) -> None:
        if not self._is_endless and not self._is_vast:
            self._failures.append(line)
        elif self._is_vast or self._is_quiet or not self._is_table_shown:
            say(f"failed: {_failure(line)}")

    @property
    def _shows_progress(self) -> bool:
        return self._messages.is_terminal and not self._is_quiet and not self._is_endless

    @property
    def _is_table_shown(self) -> bool:
        return self._output is None and self._format == "table"

    @property
    def _is_report_wanted(self) -> bool:
        return not (self._is_quiet and self._is_table_shown)

    @contextlib.contextmanager
    def _progress(self) -> Iterator[Callable[[], None]]:
        if not self._shows_progress:
            yield lambda: None
            return
        from genretagger.report.terminal import progress_bar  # noqa: PLC0415 - pipes do without

        with progress_bar(self._messages, lambda: self.total) as advance:
            yield advance

    @contextlib.contextmanager
    def _report(self) -> Iterator[Report]:
        if self._is_table_shown and sys.stdout.isatty():
            # rows must go through the console that draws the progress bar below them
            from genretagger.report.terminal import TerminalTable  # noqa: PLC0415 - as above

            console = self._messages if self._messages.is_terminal else Console()
            yield TerminalTable(console, self._words)
            return
        with report_stream(self._output) as stream:
            yield FORMATS[self._format](stream, self.vocabulary.genres)

    def write_report(self, lines: Iterable[str]) -> None:
        """Write a report that takes all tracks together, line by line.

        Raises
        ------
        FatalError
            If the file of ``--output`` cannot be opened.
        """
        if not self._is_report_wanted:
            return
        with report_stream(self._output) as stream:
            for line in lines:
                stream.write(f"{fitted(line, stream) if self._format == 'table' else line}\n")

    def summary(self, *, if_nothing: str = "no audio files found") -> int:
        """Print every failure and the counts, and return the exit code."""
        if self._failures:
            say("failed:")
        for line in self._failures:
            say(f"  {_failure(line)}")
        if self._is_interrupted and not self._is_endless:
            left = "some tracks" if self.total is None else counted(self._n_left, "track")
            are = "is" if left == "1 track" else "are"
            say(f"interrupted: every file is whole, {left} {are} left")
        if self.is_talking:
            self._say_counts(if_nothing)
        if self._is_endless:
            return OK
        if self._is_interrupted:
            return INTERRUPTED
        return SOME_FAILED if self._counts[State.FAILED] else OK

    @property
    def is_talking(self) -> bool:
        """Whether the summary, and what to do next, is wanted."""
        is_interrupted = self._is_interrupted and not self._is_endless
        is_news = self._has_news or is_interrupted
        return not self._is_quiet and (is_news or not self._only_changes)

    @property
    def _n_left(self) -> int:
        return (self.total or 0) - self._n_done

    def _say_counts(self, if_nothing: str) -> None:
        total = sum(self._counts.values())
        counts = ", ".join(f"{self._counts[state]} {word}" for state, word in self._words.items())
        if self._passed_over:
            say(_passed_over(self._passed_over))
        if self._hidden:
            say(_hidden(self._hidden))
        if total or self._is_interrupted:
            say(f"{counted(total, 'track')}: {counts}")
        elif not self._passed_over:
            say(if_nothing)
        if self._before != self._after:
            say(f"genres before: {_census(self._before)}")
            say(f"genres after: {_census(self._after)}")
        if held := self._settings():
            say(f"settings of {config.file()}: {', '.join(held)}")

    def _settings(self) -> list[str]:
        settings: Sequence[config.Setting] = vars(self._options).get("settings", ())
        return [s.text for s in settings if s.changes_what_is_written(self._options)]


def _failure(line: TagChange) -> str:
    return f"{line.path}: {reason_text(line.reason)}"


def _genres(values: Sequence[str]) -> set[str]:
    """List the genres of a track as a player would, each once; an empty text stands for none."""
    return {part for value in values for part in split_values(value) or (value,)} or {""}


def _census(genres: Counter[str]) -> str:
    """Count tracks by genre, those without one last."""
    named = sorted((item for item in genres.items() if item[0]), key=lambda i: (-i[1], i[0]))
    shown = [f"{genre} {n}" for genre, n in named[:_MOST_GENRES]]
    if len(named) > _MOST_GENRES:
        shown.append(f"{len(named) - _MOST_GENRES} more")
    if genres[""]:
        shown.append(f"none {genres['']}")
    return ", ".join(shown)


def _passed_over(kinds: Counter[str]) -> str:
    n = sum(kinds.values())
    shown = [kind if n == len(kinds) else f"{kind} {kinds[kind]}" for kind in sorted(kinds)]
    files = "1 audio file of a kind" if n == 1 else f"{n} audio files of kinds"
    return f"passed over {files} that can be heard, but not tagged ({', '.join(shown)})"


def _hidden(paths: Sequence[Path]) -> str:
    shown = ", ".join(map(str, paths[:_MOST_HIDDEN]))
    more = f" and {len(paths) - _MOST_HIDDEN} more" if len(paths) > _MOST_HIDDEN else ""
    return (
        f"passed over, as a name with a dot in front is hidden: {shown}{more}; name it to hear it"
    )


def _opened(source: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if source == "-":
        return contextlib.nullcontext(sys.stdin.buffer)
    return Path(source).open("rb")
