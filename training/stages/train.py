"""Stage 6, train: fit a model for each fold that is left out, and one that learns from all."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from genretagger.errors import FatalError
from training import run as runs
from training.learn.recipes import Material

NAME = "train"
HELP = "shards -> models/; a killed training resumes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's options."""
    runs.add_arguments(parser)
    parser.add_argument(
        "--model", action="append", metavar="NAME", help="a fold's number or 'final'; repeatable"
    )
    parser.add_argument(
        "--musicnn", type=Path, metavar="WHEEL", help="for a configuration of heads on MusiCNN"
    )


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    this = runs.Run(args)
    clips = this.clips()
    this.check_split(clips)
    _use_threads(args.jobs)
    cached = this.open_shards()
    names = args.model or this.models()
    for name in names:
        if name not in this.models():
            raise FatalError(f"there is no model {name!r}, only {', '.join(this.models())}")
    rows = {name: np.flatnonzero(this.learns(name, clips)).tolist() for name in names}
    this.recipe.fit(Material(this.folder, clips, cached, rows, args.musicnn, args.jobs), say)


def _use_threads(n: int) -> None:
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # too late: TensorFlow was used before in this process
        tf.config.threading.set_intra_op_parallelism_threads(n)
        tf.config.threading.set_inter_op_parallelism_threads(1)
