"""``genretagger history``."""

from __future__ import annotations

import argparse

from genretagger.cli.codes import OK
from genretagger.cli.output import warn
from genretagger.errors import FatalError
from genretagger.text import printable
from genretagger.writing import journal


def run(_: argparse.Namespace) -> int:
    """List what can be undone, the latest last."""
    for path in journal.history():
        try:
            head, entries = journal.read(path)
        except FatalError as error:  # one that is damaged does not hide the others
            warn(str(error))
            continue
        when, what = printable(head.time), printable(head.title)
        print(f"{when}  {len(entries):>6} files  {what}\n  {printable(str(path))}")
    return OK
