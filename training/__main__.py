"""The stages of training, joined by files: ``python -m training STAGE``."""

from __future__ import annotations

import argparse
import errno
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from genretagger.errors import GenreTaggerError
from training.progress import say
from training.stages import (
    baselines,
    corpus,
    download,
    evaluate,
    export,
    manifest,
    playlists,
    shards,
    study,
    train,
)

STAGES = (
    playlists,
    download,
    manifest,
    shards,
    corpus,
    train,
    evaluate,
    export,
    baselines,
    study,
)
"""In the order in which they run; the last two are asides."""

_FULL_BYTES = 1_000_000  # a disk with less free is called full


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train, measure and export a model bundle; see training/README.md.",
    )
    parsers = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for stage in STAGES:
        stage_parser = parsers.add_parser(stage.NAME, help=stage.HELP)
        stage.add_arguments(stage_parser)
        stage_parser.set_defaults(run_stage=stage.run)
    return parser


def _is_full(error: Exception) -> bool:
    """Tell whether a disk is full; HDF5 and TensorFlow say so in their text alone."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left" in str(error)


def _full_folders(run: Path | None) -> str:
    """Name the folders that are full, of those that a stage writes to."""
    folders = [folder for folder in (run, Path(tempfile.gettempdir())) if folder is not None]
    full = [f"{f}" for f in folders if f.exists() and shutil.disk_usage(f).free < _FULL_BYTES]
    return " and ".join(dict.fromkeys(full))


def _in_words(error: Exception, run: Path | None) -> str:
    """Say in one line which file the system refused, and what to do."""
    name = error.filename if isinstance(error, OSError) else None
    if not name and _is_full(error):
        name = _full_folders(run)
    place = f"{name}: " if name else ""
    if _is_full(error):
        return f"{place}the disk is full: free some room, and run this again; it resumes"
    reason = error.strerror if isinstance(error, OSError) else None
    return place + " ".join((reason or str(error)).split())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage.

    Returns
    -------
    int
        0, or 1 if it failed; the reason goes to standard error.
    """
    args = _parser().parse_args(argv)
    began = time.monotonic()
    try:
        args.run_stage(args, say)
    except GenreTaggerError as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if not isinstance(error, OSError) and not _is_full(error):
            raise
        print(f"training: {_in_words(error, getattr(args, 'run', None))}", file=sys.stderr)
        return 1
    say(f"{args.stage}: {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
