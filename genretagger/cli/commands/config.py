"""``genretagger config``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from genretagger.cli import config
from genretagger.cli.codes import OK
from genretagger.cli.options import commands_of, parser
from genretagger.text import printable

_COLUMN = 34  # where comments begin, if the line before them is no longer


def run(options: argparse.Namespace) -> int:
    """Show which options have other defaults, or all options of a command, and why."""
    commands = commands_of(parser())
    content = config.read(commands)
    path = config.file()
    is_there = path is not None and config.is_there(path)
    print(f"# {printable(str(path))}{'' if is_there else ' (there is no such file yet)'}")
    lines = {
        name: list(_lines(content, name, command, everything=options.of_command == name))
        for name, command in commands.items()
        if options.of_command in (None, name)
    }
    for name, its_lines in lines.items():
        if its_lines:
            print("\n".join((f"\n[{name}]", *its_lines)))
    if options.of_command is None:
        print("\n# all else has its own default; to see those: genretagger config COMMAND")
    return OK


def _lines(
    content: dict[str, object], name: str, command: argparse.ArgumentParser, *, everything: bool
) -> Iterator[str]:
    held = {s.action.dest: s for s in config.settings(content, name, command)}
    for action, default in config.defaults(command):
        setting = held.get(action.dest)
        if setting is not None and setting.action is action:
            yield f"{printable(setting.text):<{_COLUMN}} # {setting.where}"
        elif everything:
            yield f"{'# ' + default:<{_COLUMN}} # its own default"
