"""Stage study."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.data.clips import Clip
from training.progress import Progress, say
from training.run import Run
from training.study import grid, pictures, trainings, variants


def read_grid(args: argparse.Namespace, run: Run) -> tuple[trainings.StudyConfig, list[Clip], Path]:
    """Read what the grid is made of: settings, clips, where its shards are."""
    config = trainings.load(args.grid)
    clips = run.clips()
    chosen = trainings.eligible(clips, config)
    say(
        f"{len(chosen)} of {len(clips)} clips are {config.features.least_s} s long or longer; "
        f"sr = {config.features.sr}"
    )
    return config, chosen, run.folder / "variants"


def build_variants(args: argparse.Namespace, run: Run) -> None:
    """Build the shards of variants."""
    config, clips, store = read_grid(args, run)
    chosen = grid.select(args.variant)
    copied = [True] * len(clips) if args.copy_all else trainings.training_part(clips, config)
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
    if args.png:
        for variant in chosen:
            examples = variants.read(store, clips, variant, config.features)
            progress = Progress(len(examples), say)
            for done in pictures.export_png(args.png / variant.id, examples, clips):
                progress.at(done, f"{variant.id}: {done}/{len(examples)} pictures")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    run = Run(args)
    from training.study import findings

    config, clips, store = read_grid(args, run)
    folder = args.out or run.folder / "study"
    chosen = grid.select(args.variant or ["all"])
    protocols = args.protocol or ["artists", "shuffled"]
    progress = Progress(len(chosen) * len(protocols), say, every_s=0)
    finished = trainings.run(
        folder,
        store,
        clips,
        chosen,
        protocols=protocols,
        config=config,
        n_jobs=args.jobs,
        n_threads=args.threads,
    )
    for done, found in enumerate(finished, start=1):
        accuracy = found["log"][-1]["accuracy"]
        progress.at(done, f"{found['protocol']}: {found['variant']}  accuracy {accuracy:.3f}")
    results = findings.read(folder, clips, config.evaluate)
    text = findings.describe(results, clips, config)
    (folder / "study.md").write_text(text + "\n", encoding="utf-8")
    plot = (
        folder / "study.svg" if args.write is None else args.write.with_name(f"{folder.name}.svg")
    )
    findings.plot(results, plot, config.evaluate.interval)
    if args.write is not None:
        findings.publish(args.write, text, folder.name)
    say(text)


def add_grid_argument(stage: argparse.ArgumentParser) -> None:
    """Add the option that names the grid's settings."""
    stage.add_argument(
        "--grid", type=Path, default=trainings.DEFAULT, metavar="TOML", help="of the variants"
    )
