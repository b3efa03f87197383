"""The command line: options, messages, progress, exit codes.

`options` has the parser of every command; `commands` has a module for each, which is imported when
the command is started.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from genretagger.cli.codes import FATAL, INTERRUPTED, OK, SOME_FAILED
from genretagger.cli.options import parse, parser
from genretagger.cli.output import remarks_muted, warn
from genretagger.errors import GenreTaggerError
from genretagger.writing.signals import once_interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``genretagger`` and return its exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if not words:
        print(parser().format_help(), end="")
        return OK
    try:
        options = parse(words)
        options.words, options.command_line = words, " ".join(words)
        with once_interrupted(), remarks_muted():
            command = import_module(f"genretagger.cli.commands.{options.command}")
            return int(command.run(options))
    except GenreTaggerError as error:
        warn(str(error))
        return FATAL
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # "genretagger predict ... | head"
        _forget_output()
        return SOME_FAILED
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _forget_output()
        warn(f"{error.filename or 'standard output'}: {error.strerror}; free some, and start again")
        return FATAL


def _forget_output() -> None:
    """Let what is still to be written to standard output go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
