"""``genretagger completion``."""

from __future__ import annotations

import argparse
from importlib.resources import files

from genretagger.cli.codes import OK


def run(options: argparse.Namespace) -> int:
    """Print the script that makes a shell complete commands and options."""
    script = files("genretagger.cli") / f"completions/genretagger.{options.shell}"
    print(script.read_text(encoding="utf-8"), end="")
    return OK
