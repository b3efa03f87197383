"""``genretagger demo``."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

from genretagger.cli.commands import tag
from genretagger.cli.options import parse
from genretagger.cli.output import say
from genretagger.errors import FatalError


def run(options: argparse.Namespace) -> int:
    """Make a folder of free music, and show what would be written into it, and the report."""
    _fill(options.folder)
    page = options.folder / "report.html"
    say(f"{options.folder} holds a few seconds each of free music; LICENCES.txt says whose")
    words = ["tag", "--dry-run", "--report", str(page), str(options.folder)]
    say(f"genretagger {' '.join(words)}")
    dry_run = parse(words)
    # the next step needs no report, as this one has
    dry_run.words = ["tag", "--dry-run", str(options.folder)]
    dry_run.command_line = " ".join(words)
    code = tag.run(dry_run)
    say(f"the report, for the browser: {page.resolve().as_uri()}")
    return code


def _fill(folder: Path) -> None:
    """Copy the music into a new folder.

    Raises
    ------
    FatalError
        If the folder is there already, or cannot be made.
    """
    try:
        folder.mkdir(parents=True)
        for source in resources.files("genretagger.cli").joinpath("demo").iterdir():
            (folder / source.name).write_bytes(source.read_bytes())
    except FileExistsError as error:
        raise FatalError(f"{folder} is there already; name a new folder") from error
    except OSError as error:
        raise FatalError(f"{folder}: {error.strerror}; name another folder") from error
