"""Stage 10, study: train the grid by several protocols, and lay it out beside the report's."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from training import run as runs
from training.data.clips import Clip
from training.progress import Progress
from training.study import findings, grid, protocols, road, trainings
from training.study.config import DEFAULT, StudyConfig, load
from training.study.protocols import PROTOCOLS, eligible

NAME = "study"
HELP = "shards of variants -> study/: the grid of the report"


def add_grid_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the grid's settings; the stage `shards` has it, too."""
    parser.add_argument(
        "--grid", type=Path, default=DEFAULT, metavar="TOML", help="of the variants"
    )


def read_grid(
    args: argparse.Namespace, this: runs.Run, say: Callable[[str], None]
) -> tuple[StudyConfig, list[Clip]]:
    """Read the grid's settings, and the clips that are long enough for it."""
    config = load(args.grid)
    clips = this.clips()
    chosen = eligible(clips, config)
    say(
        f"{len(chosen)} of {len(clips)} clips are {config.features.least_s} s long or longer; "
        f"sr = {config.features.sr}"
    )
    return config, chosen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's options."""
    runs.add_arguments(parser)
    parser.add_argument("--variant", action="append", metavar="ID", help="default: all 24")
    add_grid_argument(parser)
    parser.add_argument(
        "--protocol",
        action="append",
        choices=PROTOCOLS,
        help="repeatable; default: artists and shuffled",
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="only train the report's network as the report did, on what `shards --png` wrote",
    )
    parser.add_argument("--threads", type=int, default=1, help="of each of the --jobs trainings")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: study/ in the run")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables in this page")


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    if args.pictures is not None:
        road.fit(args.pictures, load(args.grid).train, say)
        return
    this = runs.Run(args)
    config, clips = read_grid(args, this, say)
    folder = args.out or this.folder.study
    chosen = grid.select(args.variant or ["all"])
    chosen_protocols = args.protocol or ["artists", "shuffled"]
    if "artists" in chosen_protocols:
        protocols.check(clips, config)
    progress = Progress(len(chosen) * len(chosen_protocols), say, every_s=0)
    finished = trainings.run(
        folder,
        this.folder.variants,
        clips,
        chosen,
        protocols=chosen_protocols,
        config=config,
        n_jobs=args.jobs,
        n_threads=args.threads,
    )
    for done, about in enumerate(finished, start=1):
        accuracy = about["log"][-1]["accuracy"]
        progress.at(done, f"{about['protocol']}: {about['variant']}  accuracy {accuracy:.3f}")
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
