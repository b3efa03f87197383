"""Rows and progress on a terminal; imported only there, because rich takes 50 ms for them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from rich import progress
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from genretagger.records import State
from genretagger.report.tables import genres_cell
from genretagger.rows import Row
from genretagger.text import printable
from genretagger.words import PLANNED, Words

_STYLES = {
    State.CHANGE: "green",
    State.KEEP: "dim",
    State.UNDECIDED: "yellow",
    State.FAILED: "bold red",
}
_GAP = 2  # columns between columns
_STATE = 12  # columns for the longest word of `words`, and a blank before it


class TerminalTable:
    """Columns fitted to the terminal, a heading for each folder.

    A row of which a word is wider than its column has its cells below one another, so that
    no word is broken.

    Parameters
    ----------
    console : rich.console.Console
    words : mapping of State to str
        What the states are called.
    """

    def __init__(self, console: Console, words: Words) -> None:
        self._console = console
        self._words = words
        self._folder: str | None = None

    def add(self, row: Row) -> None:
        """Print one row."""
        folder, name = os.path.split(row["path"])
        if folder != self._folder:
            self._folder = folder
            self._print(Text(printable(folder or "."), style="bold"))
        state = State(row["state"]) if "new" in row else None
        style = _STYLES[state] if state else ""
        word = self._words.get(state, PLANNED[state]) if state else row["state"]
        self._print_row(
            Text(f" {word}", style=style),
            Text(printable(name)),
            Text(genres_cell(row), style=style),
            Text(printable(row["reason"]), style="dim" if state is not State.FAILED else style),
        )

    def _print_row(self, state: Text, *cells: Text) -> None:
        left = self._console.width - _STATE - _GAP * len(cells)
        widths = (left * 4 // 11, left * 3 // 11, left - left * 4 // 11 - left * 3 // 11)
        if all(_widest(c) <= width for c, width in zip(cells, widths, strict=True)):
            grid = Table.grid(padding=(0, _GAP, 0, 0))
            for width in (_STATE, *widths):
                grid.add_column(width=width)
            grid.add_row(state, *cells)
            self._console.print(grid)
            return
        name, *others = cells
        self._print(Text.assemble(state, " " * (_STATE + _GAP - cell_len(state.plain)), name))
        for cell in others:
            if cell.plain:
                grid = Table.grid()
                grid.add_column(width=_STATE + _GAP)
                grid.add_column()
                grid.add_row("", cell)
                self._console.print(grid)

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


def _widest(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split()), default=0)


@contextlib.contextmanager
def progress_bar(console: Console, total: Callable[[], int | None]) -> Iterator[Callable[[], None]]:
    """Show a progress bar.

    Parameters
    ----------
    console : rich.console.Console
    total : callable
        Says how many tracks there are, or None as long as that is not known.

    Yields
    ------
    callable
        To be called when a track is done.
    """
    columns = (progress.BarColumn(), progress.MofNCompleteColumn(), _Rate(), _Time())
    with _drawn(console, *columns) as bar:
        task = bar.add_task("", total=total())
        yield lambda: bar.update(task, advance=1, total=total())


@contextlib.contextmanager
def share_bar(console: Console, what: str) -> Iterator[Callable[[float], None]]:
    """Show a progress bar of one piece of work, and remove it at the end.

    Parameters
    ----------
    console : rich.console.Console
    what : str
        Is being heard.

    Yields
    ------
    callable
        To be told what share of the work is done.
    """
    columns = (progress.TextColumn("hearing {task.description}"), progress.BarColumn())
    left = progress.TimeRemainingColumn()
    with _drawn(console, *columns, left, transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


@contextlib.contextmanager
def _drawn(
    console: Console, *columns: progress.ProgressColumn, transient: bool = False
) -> Iterator[progress.Progress]:
    """Draw a bar below all that is written to the terminal meanwhile."""
    bar = progress.Progress(
        *columns,
        console=console,
        transient=transient,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with contextlib.ExitStack() as stack:
        if sys.stdout.isatty():  # what goes into a pipe or a file goes there
            stack.enter_context(contextlib.redirect_stdout(_AboveBar(console, sys.stdout)))
        stack.enter_context(contextlib.redirect_stderr(_AboveBar(console, sys.stderr)))
        yield stack.enter_context(bar)


class _AboveBar:
    """A stream to the terminal whose lines go above the bar, whole and as they are.

    Those of rich itself break a line where the terminal ends, so that a line of JSON is none.

    Parameters
    ----------
    console : rich.console.Console
        Which draws the bar.
    stream : file object
        What the stream is when there is no bar.
    """

    def __init__(self, console: Console, stream: TextIO) -> None:
        self._console = console
        self._begun = ""
        self.rich_proxied_file = stream
        """By this name rich knows where to draw."""

    def write(self, text: str) -> int:
        """Write the lines that are complete, and keep the rest."""
        lines, end, self._begun = (self._begun + text).rpartition("\n")
        if end:
            self._console.print(Segments([Segment(lines + end)]), end="", soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Do nothing: a line that is begun waits for its end."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


class _Rate(progress.ProgressColumn):
    def render(self, task: progress.Task) -> str:
        return f"{task.speed or 0.0:.1f} tracks/s"


class _Time(progress.ProgressColumn):
    """The time that is left, and at the end the time that it took."""

    max_refresh = 0.5  # seconds; a time that flickers cannot be read

    def render(self, task: progress.Task) -> str:
        if task.finished:
            return f"took {_clock(task.finished_time or 0.0)}"
        if task.time_remaining is None:
            return ""
        return f"{_clock(task.time_remaining)} left"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
