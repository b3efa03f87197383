"""Rows as a table, JSON lines or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TextIO

from genretagger.rows import Row
from genretagger.text import printable


class Report(Protocol):
    """Takes rows and writes them."""

    def add(self, row: Row) -> None:
        """Write one row."""
        ...


SCHEMA = 1
"""Version of the lines of JSON, which docs/lines.schema.json describes. Raise it when a key goes or
its meaning changes; a new key is no new version."""


def json_line(values: Mapping[str, object]) -> str:
    """Write a line of JSON, with the version of its keys."""
    # ASCII escapes carry file names that are not UTF-8 through unharmed
    return json.dumps({"schema": SCHEMA, **values})


class JsonLines:
    """One JSON object a line."""

    def __init__(self, stream: TextIO, _: Sequence[str] = ()) -> None:
        self._stream = stream

    def add(self, row: Row) -> None:
        """Write one row."""
        self._stream.write(f"{json_line(row)}\n")
        self._stream.flush()


class Csv:
    """Comma-separated values, with one column for each genre's probability.

    Parameters
    ----------
    stream : file object
    genres : sequence of str
        Of the model.
    """

    def __init__(self, stream: TextIO, genres: Sequence[str]) -> None:
        self._stream, self._genres = stream, genres
        self._writer: csv.DictWriter[str] | None = None

    def add(self, row: Row) -> None:
        """Write one row, and the heading before the first."""
        flat = {
            key: "; ".join(value) if isinstance(value, list) else value
            for key, value in row.items()
            if key not in ("probabilities", "blocks")
        }
        probabilities = row["probabilities"] or dict.fromkeys(self._genres, "")
        if self._writer is None:
            self._writer = csv.DictWriter(self._stream, [*flat, *self._genres])
            self._writer.writeheader()
        self._writer.writerow(flat | probabilities)
        self._stream.flush()


class PlainTable:
    """One line a track, for pipes and files."""

    def __init__(self, stream: TextIO, _: Sequence[str] = ()) -> None:
        self._stream = stream

    def add(self, row: Row) -> None:
        """Write one row."""
        parts = [row["state"]] if "new" in row else []
        parts += [printable(row["path"]), genres_cell(row), printable(row["reason"])]
        self._stream.write("\t".join(parts) + "\n")
        self._stream.flush()


FORMATS: dict[str, Callable[[TextIO, Sequence[str]], Report]] = {
    "table": PlainTable,
    "json": JsonLines,
    "csv": Csv,
}
"""The report of each ``--format``, in a file or a pipe, of what a model of these genres heard."""


def genres_cell(row: Row) -> str:
    """Return the genres of a row as text: before and after, or predicted."""
    if "new" not in row:  # a prediction
        return "; ".join(row["genres"]) or f"({row['state']})"
    old, new = (printable("; ".join(row[key])) or "(none)" for key in ("old", "new"))
    return f"{old} -> {new}" if row["state"] == "change" else old
