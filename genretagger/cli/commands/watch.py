"""``genretagger watch``."""

from __future__ import annotations

import argparse
import contextlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from genretagger.cache import Cache
from genretagger.cli.caching import opened_cache
from genretagger.cli.next_step import written
from genretagger.cli.output import say, warn
from genretagger.cli.planning import plan_options
from genretagger.cli.run import Run
from genretagger.cli.writer import turn
from genretagger.errors import FatalError
from genretagger.identity import is_folder
from genretagger.installation import command_for
from genretagger.pipeline import Options, make_plan
from genretagger.recall import remember
from genretagger.records import State, TagChange
from genretagger.text import counted
from genretagger.words import PLANNED, WRITTEN
from genretagger.writing import history
from genretagger.writing.change import apply
from genretagger.writing.signals import once_interrupted, uninterrupted

try:
    from genretagger.arrival import Arrivals
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "watchdog":
        raise
    raise FatalError(f"watch needs: {command_for('watch')}") from error


def run(options: argparse.Namespace) -> int:
    """Tag what lies in some folders and what comes into them, until it is stopped."""
    for folder in options.paths:
        if not is_folder(folder):
            raise FatalError(f"{folder} is no folder; name folders that are there")
    if options.by != "track" and options.no_cache:
        options.error(f"--by {options.by} would hear all again for each file; leave --no-cache out")
    run = Run(options, PLANNED if options.dry_run else WRITTEN, is_endless=True)
    planning = plan_options(options, analyse_all=False)
    run.hear_with(planning.bundle)
    arrivals = Arrivals(
        options.paths,
        ignore=options.ignore,
        settle_s=options.settle,
        rescan_s=60 * options.rescan,
        together=options.by != "track",
        on_error=run.fail,
        warn=warn,
    )
    stopped_by = once_interrupted(signal.SIGINT, signal.SIGTERM)
    with stopped_by, run.reporting() as add, contextlib.closing(arrivals):
        watcher = _Watcher(options, planning, arrivals, run, add)
        if options.talk != "quiet":
            say(f"watching {', '.join(map(str, options.paths))}; Ctrl-C ends it")
        while True:
            watcher.tag_next()
    code = run.summary(if_nothing="no audio file was there, and none has come")
    if run.is_talking:
        say("nothing was written" if options.dry_run else written(run.n_changes))
    return code


class _Watcher:
    """Tags files as they become whole.

    Parameters
    ----------
    options : argparse.Namespace
    planning : Options
        Without a cache; it is open while there is something to do, so that other runs learn at
        once what was heard.
    arrivals : Arrivals
    run : Run
    report : callable
        Reports a line, which `run` else only counts.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        planning: Options,
        arrivals: Arrivals,
        run: Run,
        report: Callable[[TagChange], None],
    ) -> None:
        self._options, self._planning, self._arrivals = options, planning, arrivals
        self._run, self._report = run, report

    def tag_next(self) -> None:
        """Wait for files, and do with them what ``genretagger tag`` would do."""
        arrived = self._arrivals.wait()
        taken_back = history.taken_back()
        news = [path for path in arrived if not _is_taken_back(path, taken_back)]
        if n_left_alone := len(arrived) - len(news):
            self._say_left_alone(n_left_alone)
        paths = news
        if news and self._options.by != "track":
            # an album or an artist is decided on by all of its tracks, those of before, too
            known = self._arrivals.known()
            paths = [path for path in known if not _is_taken_back(path, taken_back)]
        wanted = set(news)
        with opened_cache(self._options) as cache, self._run.knowing(cache):
            for line in make_plan(paths, replace(self._planning, cache=cache)):
                if line.state is State.CHANGE and not self._options.dry_run:
                    with turn(self._options), uninterrupted():
                        self._write(line, cache)
                elif line.path in wanted and self._is_up_to_date(line):
                    self._take(line)

    def _write(self, line: TagChange, cache: Cache | None) -> None:
        if not self._is_up_to_date(line):
            return
        options = self._options
        journal = history.journal_of_today(options.command_line, options.paths)
        is_first_of_day = journal.path is None
        done = apply(line, journal, field=options.field, preserve_mtime=options.preserve_mtime)
        if done.state is State.CHANGE:
            remember(done.path, options.field, cache)
            self._arrivals.note_written(done.path)
        self._take(done)
        if is_first_of_day and (message := history.warning()):
            warn(message)

    def _is_up_to_date(self, line: TagChange) -> bool:
        """Tell whether a line still holds; a file that has changed meanwhile is awaited anew."""
        if self._arrivals.is_known(line.path):
            return True
        self._arrivals.expect(line.path)
        return False

    def _take(self, line: TagChange) -> None:
        """Report a line, but for what lay there before and is left alone."""
        is_left_alone = line.state in (State.KEEP, State.UNDECIDED)
        is_old = is_left_alone and line.path in self._arrivals.was_there
        (self._run.count if is_old else self._report)(line)

    def _say_left_alone(self, n: int) -> None:
        if self._options.talk != "quiet":
            say(f"left {counted(n, 'file')} alone, as undo gave the old bytes back")


def _is_taken_back(path: Path, taken_back: Mapping[Path, int | None]) -> bool:
    """Tell whether undo gave a file its bytes back, and it still lies there."""
    with contextlib.suppress(OSError, RuntimeError):  # gone; links in a circle
        real = path.resolve()
        return real in taken_back and taken_back[real] in (None, real.stat().st_size)
    return False
