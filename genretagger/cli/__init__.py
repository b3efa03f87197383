"""The command line: options, messages, progress, exit codes."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from genretagger.cli.options import parser
from genretagger.cli.run import FATAL, INTERRUPTED, SOME_FAILED
from genretagger.errors import GenreTaggerError
from genretagger.report.text import printable
from genretagger.writing.recovery import writing_run
from genretagger.writing.signals import once_interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``genretagger`` and return its exit code."""
    options = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        options.words = " ".join(sys.argv[1:] if arguments is None else arguments)
        with once_interrupted(), _only_writer(options):
            return run(options)
    except GenreTaggerError as error:
        print(f"genretagger: {printable(str(error))}", file=sys.stderr)
        return FATAL
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # "genretagger predict ... | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_FAILED


@contextlib.contextmanager
def _only_writer(options: argparse.Namespace) -> Iterator[None]:
    """Keep other writing runs away, and put in order what a killed one left."""
    if "writes" not in options or vars(options).get("dry_run"):
        yield
        return

    def say(message: str) -> None:
        sys.stderr.write(f"{printable(message)}\n")

    with writing_run(f"genretagger {options.words}", say):
        yield
