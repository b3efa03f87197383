"""The stages of training, joined by files: ``python -m training STAGE``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

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
    say(f"{args.stage}: {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
