"""Stage 10, study: train the grid by several protocols, and lay it out beside the report's."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from training import run as runs
from training.data.clips import Clip
from training.files import write_text
from training.progress import Progress
from training.study import findings, grid, measures, plan, protocols, road, trainings
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
        help="repeatable; default: all that the plan has",
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="only train the report's network as the report did, on what `shards --png` wrote",
    )
    parser.add_argument("--threads", type=int, default=1, help="of each of the --jobs trainings")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: study/ in the run")
    parser.add_argument(
        "--measure-only", action="store_true", help="train nothing: lay out what is done"
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="PAGE",
        help="put the tables in this page, figures (JSON) and plots beside it",
    )


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    if args.pictures is not None:
        road.fit(args.pictures, load(args.grid).train, say)
        return
    this = runs.Run(args)
    config, clips = read_grid(args, this, say)
    folder = args.out = args.out or this.folder.study
    if not args.measure_only:
        _train(args, this.folder.variants, config, clips, say)
    page = args.write or folder / "study.md"
    if args.write is None:
        write_text(page, "<!-- study:begin -->\n<!-- study:end -->\n")
    findings.publish(page, measures.figures(folder, clips, config))
    say(findings.parts(page)[1])


def _train(
    args: argparse.Namespace,
    store: Path,
    config: StudyConfig,
    clips: list[Clip],
    say: Callable[[str], None],
) -> None:
    chosen = grid.select(args.variant or ["all"])
    planned = plan.trainings(config, chosen, args.protocol or PROTOCOLS)
    for fold in sorted({one.fold for one in planned if one.protocol == "artists"}):
        rotated = replace(config, split=config.split.rotated(fold))
        protocols.check(clips, rotated)
    left = trainings.missing(args.out, store, clips, planned, config)
    say(f"{len(planned) - len(left)} of {len(planned)} trainings are done")
    progress = Progress(plan.work(left, config), say, every_s=0)
    done = 0
    for training, about in trainings.run(
        args.out,
        store,
        clips,
        left,
        config,
        n_jobs=args.jobs,
        n_threads=args.threads,
    ):
        done += plan.work([training], config)
        passes = f"{len(about['log'])} passes, the best {about['best_pass']}"
        progress.at(done, f"{training.id}: done, {passes}")
