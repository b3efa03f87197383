"""Stage 4, shards: mel power of every clip, and its teachers' outputs, on disk.

With ``--variant`` it makes the features of the grid instead, for the stage `study`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from training import run as runs
from training.features import shards
from training.files import check_room
from training.progress import Progress
from training.stages import study
from training.study import grid, pictures, protocols, variants

NAME = "shards"
HELP = "clips -> shards/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's options."""
    runs.add_arguments(parser, data=True)
    parser.add_argument("--yamnet", type=Path, metavar="TFLITE", help="a teacher: yamnet.tflite")
    parser.add_argument(
        "--musicnn", type=Path, metavar="WHEEL", help="a teacher: musicnn-0.1.0-py3-none-any.whl"
    )
    parser.add_argument(
        "--variant", action="append", metavar="ID", help="of the 24, or 'all'; repeatable"
    )
    study.add_grid_argument(parser)
    parser.add_argument(
        "--copy-all", action="store_true", help="augment every track, not the training part alone"
    )
    parser.add_argument("--cluster", metavar="ADDRESS", help="work on this Dask cluster instead")
    parser.add_argument("--png", type=Path, metavar="FOLDER", help="write 8-bit pictures, too")


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    this = runs.Run(args)
    if args.variant:
        _build_variants(args, this, say)
        return
    clips = this.clips()
    progress = Progress(len(clips), say)
    for done in shards.build(
        this.folder.shards,
        clips,
        args.data,
        this.config.features,
        manifest_sha256=this.manifest_sha256(),
        yamnet=args.yamnet,
        musicnn_wheel=args.musicnn,
        n_jobs=args.jobs,
    ):
        progress.at(done, f"{done}/{len(clips)} clips")


def _build_variants(args: argparse.Namespace, this: runs.Run, say: Callable[[str], None]) -> None:
    config, clips = study.read_grid(args, this, say)
    store = this.folder.variants
    chosen = grid.select(args.variant)
    copied = [True] * len(clips) if args.copy_all else protocols.training_part(clips, config)
    before = variants.n_done(store)
    progress = Progress(len(clips) - before, say)
    for done, n_rejected in variants.build(
        store,
        clips,
        args.data,
        chosen,
        config.features,
        copied=copied,
        n_jobs=args.jobs,
        cluster=args.cluster,
    ):
        progress.at(done - before, f"{done}/{len(clips)} tracks, {n_rejected} rejected")
    for variant in chosen if args.png else ():
        examples = variants.read(store, clips, variant, config.features)
        # a byte for each value; what is compressed away is little
        n_bytes = len(examples) * math.prod(examples.shape)
        check_room(args.png / variant.id, n_bytes, "free some, or choose another --png")
        progress = Progress(len(examples), say)
        for done in pictures.export_png(args.png / variant.id, examples, clips):
            progress.at(done, f"{variant.id}: {done}/{len(examples)} pictures")
