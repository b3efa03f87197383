"""Rows and progress on a terminal; imported only there, because rich takes 50 ms for them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from rich import progress
from rich.console import Console
from rich.table import Table
from rich.text import Text

from genretagger.records import State
from genretagger.report.tables import genres_cell
from genretagger.rows import Row
from genretagger.text import printable

_STYLES = {
    State.CHANGE: "green",
    State.KEEP: "dim",
    State.UNDECIDED: "yellow",
    State.FAILED: "bold red",
}


class TerminalTable:
    """Columns fitted to the terminal, a heading for each folder."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._folder: str | None = None

    def add(self, row: Row) -> None:
        """Print one row."""
        folder, name = os.path.split(row["path"])
        if folder != self._folder:
            self._folder = folder
            self._console.print(Text(printable(folder or "."), style="bold"))
        state = State(row["state"]) if "new" in row else None
        style = _STYLES[state] if state else ""
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(width=10)
        for ratio in (4, 3, 4):
            grid.add_column(ratio=ratio, overflow="fold")
        grid.add_row(
            Text(f" {state.value}" if state else "", style=style),
            Text(printable(name)),
            Text(genres_cell(row), style=style),
            Text(printable(row["reason"]), style="dim" if state is not State.FAILED else style),
        )
        self._console.print(grid)


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
    columns = (progress.BarColumn(), progress.MofNCompleteColumn(), _Rate())
    left = progress.TimeRemainingColumn(elapsed_when_finished=True)
    with progress.Progress(*columns, left, console=console) as bar:
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
    with progress.Progress(*columns, left, console=console, transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


class _Rate(progress.ProgressColumn):
    def render(self, task: progress.Task) -> str:
        return f"{task.speed or 0.0:.1f} tracks/s"
