"""Stage corpus."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.data import manifest
from training.features import corpus, negatives
from training.progress import say
from training.run import Run


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    run = Run(args)
    if run.config.negatives is not None:
        negatives.run(run.folder, run.config.negatives, run.config.features, args.speech, say=say)
        if run.config.corpus is None:
            return
    measured = manifest.fingerprints(run.folder, run.clips())
    corpus.run(run.folder, run.config, args.audio, measured=measured, n_jobs=args.jobs, say=say)


def add_arguments(stage: argparse.ArgumentParser) -> None:
    """Add the stage's options."""
    stage.add_argument(
        "--audio",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="music instead of the packages, of artists that are not measured; repeatable",
    )
    stage.add_argument(
        "--speech",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="recorded speech instead of the packages; repeatable",
    )
