"""Stage shards."""

from __future__ import annotations

import argparse

from training.features import shards
from training.progress import Progress, say
from training.run import Run
from training.stages.study import build_variants


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    run = Run(args)
    if args.variant:
        build_variants(args, run)
        return
    clips = run.clips()
    progress = Progress(len(clips), say)
    for done in shards.build(
        run.shards,
        clips,
        args.data,
        run.config.features,
        manifest_sha256=run.manifest_sha256(),
        yamnet=args.yamnet,
        musicnn_wheel=args.musicnn,
        n_jobs=args.jobs,
    ):
        progress.at(done, f"{done}/{len(clips)} clips")
