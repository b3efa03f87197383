"""Commands that change files."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable

from genretagger.cli.output import warn
from genretagger.text import printable
from genretagger.writing import history
from genretagger.writing.recovery import writing_run

Command = Callable[[argparse.Namespace], int]


def only_writer(run: Command) -> Command:
    """Keep other writing runs away while a command runs, unless it is a dry run.

    What a killed run has left half done is put in order first.
    """

    @functools.wraps(run)
    def run_alone(options: argparse.Namespace) -> int:
        if vars(options).get("dry_run"):
            return run(options)
        with writing_run(f"genretagger {options.command_line}", _say):
            code = run(options)
        if message := history.warning():
            warn(message)
        return code

    return run_alone


def _say(message: str) -> None:
    sys.stderr.write(f"{printable(message)}\n")
