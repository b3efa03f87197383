"""``genretagger history``."""

from __future__ import annotations

import argparse

from genretagger.cli.codes import OK
from genretagger.cli.output import say, tell, warn
from genretagger.cli.writer import only_writer
from genretagger.text import counted
from genretagger.writing.history import PastRun, past_runs, prune


def run(options: argparse.Namespace) -> int:
    """List the runs that have changed files, the latest last; or remove old journals."""
    if options.prune is not None:
        return _prune(options)
    is_none = True
    for past in past_runs(warn):
        is_none = False
        for line in _lines(past):
            tell(line)
    if is_none:
        say("no run has changed a file yet")
    return OK


def _lines(past: PastRun) -> list[str]:
    state = "in force" if past.is_in_force else "taken back"
    if past.head.kind != "run" and not past.is_finished:
        state = "broken off"
    when, folder = past.head.time, past.folder or "several folders"
    files = "file " if past.n_files == 1 else "files"
    return [
        f"{past.head.number:>4}  {when}  {past.n_files:>6} {files}  {_kilobytes(past.size)}  "
        f"{state:<10}  {folder}",
        f"      {past.head.title}",
        f"      {past.path}",
    ]


def _kilobytes(size: int) -> str:
    return f"{-(-size // 1000):>7} kB"


@only_writer
def _prune(options: argparse.Namespace) -> int:
    removed = prune(options.prune)
    for path in removed:
        tell(f"removed {path}")
    journals = counted(len(removed), "journal")
    tell(f"{journals} removed; what they tell of can no longer be taken back")
    return OK
