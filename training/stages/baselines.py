"""Stage 9, baselines: other models on the same folds, for comparison, in one table."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from genretagger.errors import FatalError
from training import run as runs
from training.config import with_heads
from training.folders import RunFolder
from training.measure import baselines
from training.networks import start_tensorflow

NAME = "baselines"
HELP = "what the models are compared with -> baselines.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's options."""
    runs.add_arguments(parser)
    parser.add_argument(
        "--of",
        type=Path,
        action="append",
        default=[],
        metavar="RUN",
        help="measure this run's models, too, out of their folds; repeatable",
    )


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    this = runs.Run(args)
    config = with_heads(this.config)
    if config.split.is_holdout:
        raise FatalError(
            f"config {args.config} [split]: baselines are measured on each fold in turn; set "
            "n_validation and n_test to 0"
        )
    clips = this.clips()
    this.check_split(clips)
    cached = this.open_shards()
    start_tensorflow()
    of_runs = {
        f"`{folder.name}`": baselines.of_run(RunFolder(folder).predictions, clips)
        for folder in args.of
    }
    logits = baselines.predict(config, clips, cached, this.folder.baselines, say=say)
    results = baselines.measure(config, clips, logits | of_runs, say=say)
    say(baselines.write(this.folder.baselines, results))
