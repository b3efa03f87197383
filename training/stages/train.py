"""Stage 6, train: fit a model for each fold that is left out, and one that learns from all."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from pathlib import Path

from genretagger.errors import FatalError
from training import files
from training import run as runs
from training.learn.recipes import Material
from training.measure import curves
from training.networks import start_tensorflow

NAME = "train"
HELP = "shards -> models/, plots/losses.png; a killed training resumes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's options."""
    runs.add_arguments(parser)
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="as a fold's number or 'final'; repeatable",
    )
    parser.add_argument("--musicnn", type=Path, metavar="WHEEL", help="for heads on MusiCNN")
    parser.add_argument(
        "--fcn", type=Path, metavar="NPZ", help="for heads on a student: its teacher"
    )


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    this = runs.Run(args)
    clips = this.clips()
    this.check_split(clips)
    _use_threads(args.jobs)
    cached, trials = this.open_shards(), this.trials(clips)
    names = [trial.name for trial in trials]
    for name in args.model or []:
        if name not in names:
            raise FatalError(f"there is no model {name!r}, only {', '.join(names)}")
    wanted = [trial for trial in trials if not args.model or trial.name in args.model]
    material = Material(this.folder, clips, cached, wanted, args.musicnn, args.fcn)
    this.recipe.fit(material, say)
    logs = {name: files.read_jsonl(this.folder.model(name).log) for name in names}
    for path in curves.plot_losses(logs, this.folder.plots):
        say(f"drawn: {path}")


def _use_threads(n: int) -> None:
    start_tensorflow()
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # too late: TensorFlow was used before in this process
        tf.config.threading.set_intra_op_parallelism_threads(n)
        tf.config.threading.set_inter_op_parallelism_threads(1)
