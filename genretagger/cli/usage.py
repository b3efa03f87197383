"""How the parser speaks: help whose words stay whole, errors of one line with a hint."""

from __future__ import annotations

import argparse
import os
import shlex
import textwrap
from typing import Any, NoReturn

from genretagger.cli.codes import USAGE
from genretagger.cli.output import say
from genretagger.text import nearest


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, and what may have been meant."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(**{"formatter_class": _Help, **rest})

    def error(self, message: str) -> NoReturn:
        """End the program with a message of one line."""
        say(f"{self.prog}: {message.removeprefix('argument ')} (see {self.prog} --help)")
        self.exit(USAGE)

    def refuse(self, unknown: str) -> NoReturn:
        """End the program because of a word on the command line that means nothing."""
        if not unknown.startswith("-"):
            self.error(f"{unknown!r} is one word too many")
        name = unknown.partition("=")[0]
        options = [text for action in self._actions for text in action.option_strings]
        if name in options:  # and yet it was not taken: it stood before the command
            self.error(f"{name} goes behind the command: {self.prog} {name}")
        self.error(f"there is no option {name}{nearest(name, options)}")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = list(action.choices)
        if isinstance(action, argparse._SubParsersAction):
            hint = nearest(str(value), choices)
            if not hint and os.path.lexists(str(value)):
                example = f"{self.prog} tag --dry-run {shlex.quote(str(value))}"
                hint = f"; name one before a file or folder: {example}"
            self.error(f"there is no command {value!r}{hint}")
        why = f"{value!r} is none of {', '.join(choices)}{nearest(str(value), choices)}"
        raise argparse.ArgumentError(action, why)


class _Help(argparse.HelpFormatter):
    """Breaks lines between words alone, and leaves lines that are indented as they are."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrapped(" ".join(text.split()), width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = (
            [line] if line.startswith(" ") else _wrapped(line, width - len(indent)) or [""]
            for line in text.splitlines()
        )
        return "\n".join(indent + line for part in lines for line in part)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
