"""Stage 5, corpus: music, speech and noise without labels, for models to learn from, too."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from training import run as runs
from training.data import manifest
from training.learn.recipes import Sources

NAME = "corpus"
HELP = "free music without labels -> corpus/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's options."""
    runs.add_arguments(parser)
    parser.add_argument(
        "--audio",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="music instead of the packages, of artists that are not measured; repeatable",
    )
    parser.add_argument(
        "--speech",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="recorded speech instead of the packages; repeatable",
    )


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    this = runs.Run(args)

    def fingerprints() -> dict[str, str]:
        return manifest.fingerprints(this.folder.decoded, this.clips())

    sources = Sources(args.audio, args.speech, fingerprints, args.jobs)
    this.recipe.collect(this.folder, sources, say)
