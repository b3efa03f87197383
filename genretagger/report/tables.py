"""Rows as a table, JSON lines or CSV."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from typing import Protocol, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from genretagger.genres import GENRES
from genretagger.records import State
from genretagger.rows import Row
from genretagger.text import printable

_STYLES = {
    State.CHANGE: "green",
    State.KEEP: "dim",
    State.UNDECIDED: "yellow",
    State.FAILED: "bold red",
}


class Report(Protocol):
    """Where rows go."""

    def add(self, row: Row) -> None:
        """Write one row."""
        ...


class JsonLines:
    """One JSON object a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, row: Row) -> None:
        """Write one row."""
        # ASCII escapes carry file names that are not UTF-8 through unharmed
        self._stream.write(json.dumps(row) + "\n")
        self._stream.flush()


class Csv:
    """Comma-separated values, with one column for each genre's probability."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._writer: csv.DictWriter[str] | None = None

    def add(self, row: Row) -> None:
        """Write one row, and the heading before the first."""
        flat = {
            key: "; ".join(value) if isinstance(value, list) else value
            for key, value in row.items()
            if key not in ("probabilities", "blocks")
        }
        probabilities = row["probabilities"] or dict.fromkeys(GENRES, "")
        if self._writer is None:
            self._writer = csv.DictWriter(self._stream, [*flat, *GENRES])
            self._writer.writeheader()
        self._writer.writerow(flat | probabilities)
        self._stream.flush()


class PlainTable:
    """One line a track, for pipes and files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, row: Row) -> None:
        """Write one row."""
        parts = [row["state"]] if "new" in row else []
        parts += [printable(row["path"]), _genres_cell(row), printable(row["reason"])]
        self._stream.write("\t".join(parts) + "\n")
        self._stream.flush()


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
            Text(_genres_cell(row), style=style),
            Text(printable(row["reason"]), style="dim" if state is not State.FAILED else style),
        )
        self._console.print(grid)


FORMATS: dict[str, Callable[[TextIO], Report]] = {
    "table": PlainTable,
    "json": JsonLines,
    "csv": Csv,
}
"""What each ``--format`` writes into a file or a pipe."""


def _genres_cell(row: Row) -> str:
    if "new" not in row:  # a prediction
        return "; ".join(row["genres"]) or f"({row['state']})"
    old, new = (printable("; ".join(row[key])) or "(none)" for key in ("old", "new"))
    return f"{old} -> {new}" if row["state"] == "change" else old
