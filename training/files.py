"""Files that survive a killed run: complete or absent, and journals of one object a line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from genretagger.errors import FatalError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sha256(path: Path) -> str:
    """Hash a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_room(folder: Path, n_bytes: float, remedy: str) -> None:
    """Refuse to begin what the disk cannot hold.

    Parameters
    ----------
    folder : pathlib.Path
        Where it will be written; it need not be there yet.
    n_bytes : float
        What is still to come.
    remedy : str
        What to do; the message ends with it.

    Raises
    ------
    FatalError
        If the disk has less.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if n_bytes > free:
        raise FatalError(
            f"about {_megabytes(n_bytes)} are to come, and {folder} has {_megabytes(free)} free: "
            f"{remedy}"
        )


def _megabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:,.0f} MB" if n_bytes >= 1e7 else f"{n_bytes / 1e6:.2g} MB"


def split_list(text: str) -> list[str]:
    """Split a list in one cell of a table, or in one tag: names with semicolons between.

    Nothing else is a separator: in a cell or a tag that is a label, ``R&B/Soul`` is one name.

    Examples
    --------
    >>> split_list("Pop; Rock;")
    ['Pop', 'Rock']
    """
    return [name for name in map(str.strip, text.split(";")) if name]


def write_text(path: Path, text: str) -> None:
    """Write a file so that a killed run leaves the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as `write_text` writes a file; its folder must be there."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.save(file, array)
    part.replace(path)


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an NPZ file as `write_text` writes a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.replace(path)


def write_weights(path: Path, network: Any) -> None:
    """Write a Keras network's weights as `write_text` writes a file; their folder must be there.

    Room is asked for first: HDF5 kills the process if the disk is full while it writes.

    Raises
    ------
    FatalError
        If the disk lacks the room.
    """
    check_room(path.parent, 4.4 * network.count_params(), "free some, and run this again")
    part = path.with_name(f"part.{path.name}")  # Keras wants this suffix
    network.save_weights(part)
    part.replace(path)


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, as `write_text` does."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read one JSON object a line; a last line that a killed run left half written is no row."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    rows = []
    for line in lines[:-1]:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


@contextmanager
def appending(path: Path) -> Iterator[TextIO]:
    """Open a journal to append lines, below a line that a killed run left half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
    with path.open("a", encoding="utf-8") as file:
        yield file
