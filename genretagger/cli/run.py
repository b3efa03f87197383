"""What the commands share: counts, report and progress of one run."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genretagger import places
from genretagger.containers import container_of, is_heard_only
from genretagger.errors import FatalError
from genretagger.genres import GENRES
from genretagger.records import State
from genretagger.report.tables import Csv, JsonLines, PlainTable, Report, TerminalTable
from genretagger.report.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from genretagger.bundle import Bundle
    from genretagger.cache import Cache
    from genretagger.decide import DecisionPolicy
    from genretagger.report.html import Page
    from genretagger.writing.journal import Journal


OK, SOME_FAILED, USAGE, FATAL, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes. argparse itself exits with USAGE; INTERRUPTED is 128 + SIGINT, as shells have it."""


ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}  # file names need not be UTF-8


WORDS = {
    State.CHANGE: "changed",
    State.KEEP: "kept",
    State.UNDECIDED: "undecided",
    State.FAILED: "failed",
}


def offer_undo(journal: Journal, to: str = "take it back") -> None:
    if journal.path is not None:
        sys.stderr.write(f"to {to}: genretagger undo\n")


def write_file(option: str, path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise FatalError(f"{option} {path}: {error.strerror}") from error


def spare_audio(written: Path) -> None:
    if container_of(written) is not None or is_heard_only(written):
        raise FatalError(f"{written} is an audio file, and stays; nothing was done")


@contextlib.contextmanager
def opened_cache(options: argparse.Namespace) -> Iterator[Cache | None]:
    from genretagger import cache  # noqa: PLC0415

    if vars(options).get("no_cache"):
        yield None
        return
    with contextlib.closing(cache.Cache(places.default_path(), warn=warn)) as opened:
        yield opened


def warn(message: str) -> None:
    sys.stderr.write(f"genretagger: {printable(message)}\n")


def read_bundle(options: argparse.Namespace) -> Bundle:
    from genretagger import bundle  # noqa: PLC0415

    return bundle.read(bundle.locate(options.bundle))


def n_jobs(options: argparse.Namespace) -> int:
    import joblib  # noqa: PLC0415

    return options.jobs or int(joblib.cpu_count())


def decision_policy(options: argparse.Namespace, bundle: Bundle) -> DecisionPolicy:
    from genretagger.decide import DecisionPolicy  # noqa: PLC0415

    thresholds = bundle.thresholds
    if options.threshold is not None:
        thresholds = (options.threshold,) * len(GENRES)
    allowed = (options.only or frozenset(GENRES)) - options.exclude
    if not allowed:
        options.error("--only and --exclude leave no genre")
    return DecisionPolicy(thresholds, options.max_genres, options.always, allowed)


class Run:
    """What becomes of the tracks of one run, and where that is reported."""

    def __init__(self, options: argparse.Namespace) -> None:
        from rich.console import Console  # noqa: PLC0415

        self._format: str = options.format
        self._output: Path | None = options.output
        self._page_path: Path | None = vars(options).get("report")
        for written in (options.output, vars(options).get("plan_file"), self._page_path):
            if written is not None:
                spare_audio(written)
        self._counts: Counter[State] = Counter()
        self._passed_over: Counter[str] = Counter()
        self._failures: list[tuple[str, str]] = []
        self._interrupted = False
        self._messages: Console = Console(stderr=True)
        self._done = 0
        self.total: int | None = None
        self.roots: list[Path] = []
        self._report: Report | None = None
        self.page: Page | None = None

    def find(
        self,
        options: argparse.Namespace,
        row: Callable[[Path, str], dict[str, Any]],
        *,
        heard_only: bool = False,
    ) -> Iterator[Path]:
        """Find the tracks that the command line names; what cannot be is a failure.

        Kinds of audio that can be heard, but not tagged, are passed over and counted unless
        `heard_only`.

        They are found as they are asked for, so that neither the first track nor the memory
        waits for a large collection, and counted meanwhile where progress is shown.
        """
        from genretagger.scan import find_tracks, read_list  # noqa: PLC0415

        if not options.paths and not options.files_from:
            options.error("name at least one file or folder, or give --files-from")
        paths = list(options.paths)
        unlisted: list[tuple[Path, str]] = []
        for source in options.files_from:
            paths += read_list(Path(source), _read(source), lambda *why: unlisted.append(why))
        self.roots = paths
        find = partial(find_tracks, paths, ignore=options.ignore, heard_only=True)
        if self._messages.is_terminal:
            count = partial(find, heard_only=heard_only)
            threading.Thread(target=self._count, args=(count,), daemon=True).start()

        def tell(path: Path, why: str) -> None:
            self._add(State.FAILED, row(path, why))

        def tracks() -> Iterator[Path]:
            for path, why in unlisted:
                tell(path, why)
            for path in find(on_error=tell):
                if heard_only or not is_heard_only(path):
                    yield path
                else:
                    self._passed_over[path.suffix.lower().lstrip(".")] += 1

        return tracks()

    def _count(self, find: Callable[..., Iterator[Path]]) -> None:
        self.total = sum(1 for _ in find(on_error=lambda *_: None))

    def _add(self, state: State, row: dict[str, Any]) -> None:
        self._counts[state] += 1
        if state is State.FAILED:
            self._failures.append((row["path"], row["reason"].removeprefix("failed: ")))
        if self._report is not None:
            self._report.add(row)
        if self.page is not None:
            self.page.add(row)

    @contextlib.contextmanager
    def reporting(self, *, shown: bool = True) -> Iterator[Callable[[State, dict[str, Any]], None]]:
        """Show progress, and take rows, which are shown or counted; end quietly on Ctrl-C."""
        with contextlib.ExitStack() as stack:
            advance = stack.enter_context(self._progress())
            if shown:
                self._report = stack.enter_context(self._opened_report())
            if self.page is not None and self._page_path is not None:
                stack.enter_context(self.page.written_to(self._page_path))

            def add(state: State, row: dict[str, Any]) -> None:
                self._add(state, row)
                self._done += 1
                advance()

            try:
                yield add
            except KeyboardInterrupt:
                self._interrupted = True

    @contextlib.contextmanager
    def _progress(self) -> Iterator[Callable[[], None]]:
        if not self._messages.is_terminal:
            yield lambda: None
            return
        from rich import progress  # noqa: PLC0415

        class Rate(progress.ProgressColumn):
            def render(self, task: progress.Task) -> str:
                return f"{task.speed or 0.0:.1f} tracks/s"

        columns = (progress.BarColumn(), progress.MofNCompleteColumn(), Rate())
        left = progress.TimeRemainingColumn(elapsed_when_finished=True)
        with progress.Progress(*columns, left, console=self._messages) as bar:
            task = bar.add_task("", total=self.total)
            yield lambda: bar.update(task, advance=1, total=self.total)

    @contextlib.contextmanager
    def _opened_report(self) -> Iterator[Report]:
        if self._output is not None:
            try:
                stream = self._output.open(
                    "w", encoding="utf-8", errors="surrogateescape", newline=""
                )
            except OSError as error:
                raise FatalError(f"--output {self._output}: {error.strerror}") from error
            with stream:
                yield _plain_report(self._format, stream)
        elif self._format == "table" and sys.stdout.isatty():
            # rows must go through the console that draws the progress bar below them
            yield TerminalTable(self._messages if self._messages.is_terminal else _stdout())
        else:
            if hasattr(sys.stdout, "reconfigure"):
                sys.stdout.reconfigure(**ENCODING)
            yield _plain_report(self._format, sys.stdout)

    def summary(self, words: dict[State, str]) -> int:
        """Say what has become of the tracks, list every failure, and return the exit code."""
        say = sys.stderr.write
        total = sum(self._counts.values())
        counts = ", ".join(f"{self._counts[state]} {word}" for state, word in words.items())
        if self._interrupted:
            left = "some" if self.total is None else self.total - self._done
            say(f"interrupted: every file is whole, {left} tracks are left\n")
        none = not total and not self._interrupted
        if self._passed_over:
            say(self._of_other_kinds())
        if not none:
            say(f"{total} tracks: {counts}\n")
        elif not self._passed_over:
            say("no audio files found\n")
        if self._failures:
            say("failed:\n")
        for path, reason in self._failures:
            say(f"  {printable(path)}: {printable(reason)}\n")
        if self._interrupted:
            return INTERRUPTED
        return SOME_FAILED if self._failures else OK

    def _of_other_kinds(self) -> str:
        n = sum(self._passed_over.values())
        kinds = ", ".join(
            f"{kind} {count}" if len(self._passed_over) > 1 and n > len(self._passed_over) else kind
            for kind, count in sorted(self._passed_over.items())
        )
        files = "1 audio file of a kind" if n == 1 else f"{n} audio files of kinds"
        return f"passed over {files} that can be heard, but not tagged ({kinds})\n"


def _plain_report(format_: str, stream: Any) -> Report:
    formats: dict[str, Callable[[Any], Report]] = {
        "table": PlainTable,
        "json": JsonLines,
        "csv": Csv,
    }
    return formats[format_](stream)


def _stdout() -> Console:
    from rich.console import Console  # noqa: PLC0415

    return Console()


def _read(source: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise FatalError(f"--files-from {source}: {error.strerror}") from error
