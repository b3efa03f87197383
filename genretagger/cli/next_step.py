"""What a run has written, and the command that fits next."""

from __future__ import annotations

import argparse
import shlex

from genretagger.text import counted


def written(n_changed: int) -> str:
    """Say how many files a run has changed, and how to take it back."""
    if not n_changed:
        return "no file was changed"
    were = "was" if n_changed == 1 else "were"
    return f"{counted(n_changed, 'file')} {were} changed; to take it back: genretagger undo"


def without_dry_run(options: argparse.Namespace) -> str:
    """Give the command that does what a dry run has shown.

    Examples
    --------
    >>> without_dry_run(argparse.Namespace(words=["tag", "-n", "My Music"]))
    "genretagger tag 'My Music'"
    """
    words = [word for word in options.words if word not in ("-n", "--dry-run")]
    if len(words) == len(options.words):  # abbreviated, or in the settings file
        return "the same command without --dry-run"
    return shlex.join(("genretagger", *words))
