"""``genretagger history``."""

from __future__ import annotations

import argparse

from genretagger.cli.codes import OK
from genretagger.cli.output import warn
from genretagger.cli.writer import only_writer
from genretagger.text import counted, printable
from genretagger.writing.history import PastRun, past_runs, prune


def run(options: argparse.Namespace) -> int:
    """List the runs that have changed files, the latest last; or remove old journals."""
    if options.prune is not None:
        return _prune(options)
    for past in past_runs(warn):
        print("\n".join(_lines(past)))
    return OK


def _lines(past: PastRun) -> list[str]:
    state = "in force" if past.is_in_force else "taken back"
    if past.head.kind != "run" and not past.is_finished:
        state = "broken off"
    when, folder = printable(past.head.time), printable(str(past.folder or "several folders"))
    files = "file " if past.n_files == 1 else "files"
    return [
        f"{past.head.number:>4}  {when}  {past.n_files:>6} {files}  {_kilobytes(past.size)}  "
        f"{state:<10}  {folder}",
        f"      {printable(past.head.title)}",
        f"      {printable(str(past.path))}",
    ]


def _kilobytes(size: int) -> str:
    return f"{-(-size // 1000):>7} kB"


@only_writer
def _prune(options: argparse.Namespace) -> int:
    removed = prune(options.prune)
    for path in removed:
        print(f"removed {printable(str(path))}")
    journals = counted(len(removed), "journal")
    print(f"{journals} removed; what they tell of can no longer be taken back")
    return OK
