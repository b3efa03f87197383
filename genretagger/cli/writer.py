"""Commands that change files."""

from __future__ import annotations

import argparse
import contextlib
import functools
import time
from collections.abc import Callable, Iterator

from genretagger.cli.output import say, warn
from genretagger.writing import history
from genretagger.writing.lock import OtherWriterError
from genretagger.writing.recovery import writing_run

_PATIENCE_S = 1.0  # between two looks whether another run has ended

Command = Callable[[argparse.Namespace], int]


def only_writer(run: Command) -> Command:
    """Keep other writing runs away while a command runs, unless it is a dry run.

    What a killed run has left half done is put in order first.
    """

    @functools.wraps(run)
    def run_alone(options: argparse.Namespace) -> int:
        if vars(options).get("dry_run"):
            return run(options)
        with writing_run(f"genretagger {options.command_line}", say):
            code = run(options)
        if message := history.warning():
            warn(message)
        return code

    return run_alone


@contextlib.contextmanager
def turn(options: argparse.Namespace) -> Iterator[None]:
    """Wait until no other run is writing, and keep others away while the block runs.

    What a killed run has left half done is put in order first.

    Raises
    ------
    FatalError
        As `writing_run`, but not if another run is writing.
    """
    with contextlib.ExitStack() as stack:
        awaited = ""
        while True:
            try:
                stack.enter_context(writing_run(f"genretagger {options.command_line}", say))
                break
            except OtherWriterError as error:
                if error.holder != awaited:
                    awaited = error.holder
                    warn(f"another run is writing ({awaited}); waiting for its end")
                time.sleep(_PATIENCE_S)
        yield
