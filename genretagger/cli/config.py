"""Defaults of options from the user's settings file, so that they are given once.

A TOML file: what stands at its beginning holds for every command that has the option, what stands
in a table such as ``[tag]`` for that command. On the command line, all can be said otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from genretagger import places
from genretagger.cli.values import name_list
from genretagger.errors import FatalError
from genretagger.text import nearest

_UNSETTABLE = ("help", "no_config")

_SHOWING = frozenset(
    (
        *("changes_only", "cluster", "embedding", "format", "html", "jobs", "json", "listen"),
        *("no_browser", "no_cache", "output", "png", "report", "rescan", "settle", "talk", "why"),
        "yes",
    )
)
"""Options that change how a run goes and what it shows, but nothing that it writes into files."""


_LIKE = {"watch": "tag"}
"""Commands that do what another does, and so take its table where their own says nothing."""


class Setting(NamedTuple):
    """One option's default from the settings file.

    Attributes
    ----------
    action : argparse.Action
        The option.
    text : str
        Key and value, as they may stand in the file.
    value : object
        As the option has it after the command line was read.
    table : str
        The table it stands in; empty where it holds for all commands.
    """

    action: argparse.Action
    text: str
    value: object
    table: str

    @property
    def where(self) -> str:
        """The place in the file, in words."""
        return f"[{self.table}]" if self.table else "for all commands"

    def changes_what_is_written(self, options: argparse.Namespace) -> bool:
        """Tell whether it matters for files, and the command line has not said otherwise."""
        if self.action.dest in _SHOWING:
            return False
        is_added_to = isinstance(self.action, argparse._AppendAction)
        return is_added_to or vars(options)[self.action.dest] == self.value


def file() -> Path | None:
    """Say where the settings file lies, if it is there or not; None for a user without a home."""
    try:
        return places.config_file()
    except FatalError:
        return None


def read(commands: Mapping[str, argparse.ArgumentParser]) -> dict[str, Any]:
    """Read the settings file, and refuse names that mean nothing.

    Parameters
    ----------
    commands : mapping of str to argparse.ArgumentParser
        Every command by its name.

    Returns
    -------
    dict
        As the file has it; empty if there is none.

    Raises
    ------
    FatalError
        If it cannot be read, is no TOML, or names a command or an option that there is not.
    """
    path = file()
    if path is None:
        return {}
    try:
        content = _parsed(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        if not is_there(path):
            return {}
        raise FatalError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise FatalError(f"{path}: {error}") from error
    all_keys = {key for command in commands.values() for key in _options(command)}
    for key, value in content.items():
        if not isinstance(value, dict):
            _check(key, all_keys, f"{path}: no command has an option")
            continue
        _check(key, commands, f"{path}: there is no command")
        for inner in value:
            _check(inner, _options(commands[key]), f"{path}, [{key}]: there is no option")
    return content


def is_there(path: Path) -> bool:
    """Tell whether there is a file, as far as its folders may be entered.

    They may not in a container, say, whose user is given another one's home.
    """
    return os.path.exists(path)  # noqa: PTH110 - pathlib raises what stat does


def _parsed(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")  # first: most users have no such file
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    content: dict[str, Any] = tomllib.loads(text)
    return content


def _check(key: str, known: Mapping[str, Any] | set[str], what: str) -> None:
    if key not in known:
        raise FatalError(f"{what} {key!r}{nearest(key, known)}")


def settings(
    content: Mapping[str, Any], name: str, command: argparse.ArgumentParser
) -> Iterator[Setting]:
    """Give the settings that hold for one command.

    Parameters
    ----------
    content : mapping
        As `read` gives it.
    name : str
        Of the command.
    command : argparse.ArgumentParser

    Raises
    ------
    FatalError
        If the option refuses a value; the message names the file.
    """
    options = _options(command)
    for key, action in options.items():
        tables = (name, _LIKE.get(name, name))
        table = next((table for table in tables if key in content.get(table, {})), "")
        here = content[table] if table else content
        if key not in here or isinstance(here[key], dict):
            continue
        try:
            value = _value(action, here[key])
        except (argparse.ArgumentTypeError, ValueError) as error:
            where = f", [{table}]" if table else ""
            raise FatalError(f"{file()}{where}: {key}: {error}") from error
        yield Setting(action, line(key, here[key]), value, table)


def _options(command: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """List the options of a command by their long names."""
    return {
        max(action.option_strings, key=len).lstrip("-"): action
        for action in command._actions
        if action.option_strings and action.dest not in _UNSETTABLE
    }


def defaults(command: argparse.ArgumentParser) -> Iterator[tuple[argparse.Action, str]]:
    """Give each option of a command with a line that says its own default, if it has one."""
    for key, action in _options(command).items():
        value = action.default
        if action.nargs == 0:
            value = value is not None and value == action.const
        has_none = value is None or value == {} or (key == "jobs" and value == 0)
        yield action, key if has_none else line(key, value)


def line(key: str, value: object) -> str:
    """Write a line of the file.

    Examples
    --------
    >>> line("protect", ("Blues", "Reggae")), line("jobs", 2), line("always", True)
    ('protect = ["Blues", "Reggae"]', 'jobs = 2', 'always = true')
    """
    plain = sorted(value) if isinstance(value, frozenset) else value
    return f"{key} = {json.dumps(plain, ensure_ascii=False, default=str)}"


def _value(action: argparse.Action, value: object) -> object:
    """Convert a value of the file as one of the command line is.

    Raises
    ------
    ValueError, argparse.ArgumentTypeError
        If the option refuses it.
    """
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError("write true or false")
        return action.const if value else action.default
    if isinstance(action, argparse._AppendAction):
        return [_converted(action, v) for v in (value if isinstance(value, list) else [value])]
    if isinstance(value, list) and action.type is name_list:
        value = ",".join(map(str, value))
    return _converted(action, value)


def _converted(action: argparse.Action, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("write one text or number")  # noqa: TRY004 - as the others
    text = str(value)
    if str(action.metavar).startswith("FILE") and text != "-":
        text = str(places.config_file().parent / Path(text).expanduser())
    read = action.type if callable(action.type) else str
    found = read(text)
    if action.choices is not None and found not in action.choices:
        hint = nearest(text, action.choices)
        raise ValueError(f"{text!r} is none of {', '.join(action.choices)}{hint}")
    return found
