"""The stages of training, joined by files: ``python -m training STAGE``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from genretagger.errors import GenreTaggerError
from training import config as configuration
from training.progress import say
from training.stages import (
    baselines,
    corpus,
    download,
    evaluate,
    export,
    manifest,
    playlists,
    shards,
    study,
    train,
)
from training.study import trainings

DATA = "GENRETAGGER_DATA"
"""The environment variable that may name the data folder."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train, measure and export a model bundle; see training/README.md.",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, default=configuration.DEFAULT, metavar="TOML")
    common.add_argument("--run", type=Path, default=Path("runs/default"), metavar="FOLDER")
    common.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes or threads"
    )
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data",
        type=Path,
        default=os.environ.get(DATA, "."),
        metavar="FOLDER",
        help=f"what the manifest's paths are relative to; or set {DATA}; default: here",
    )
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")

    def add(name: str, do: Any, text: str, *parents: Any) -> argparse.ArgumentParser:
        stage = stages.add_parser(name, help=text, parents=[common, *parents])
        stage.set_defaults(do=do)
        return stage

    for module in (playlists, download):
        stage = stages.add_parser(module.NAME, help=module.HELP)
        module.add_arguments(stage)
        stage.set_defaults(do=partial(module.run, say=say))
    manifest.add_arguments(
        add("manifest", manifest.run, "labelled audio of any source -> manifest.jsonl", data)
    )
    corpus.add_arguments(add("corpus", corpus.run, "free music without labels -> corpus/"))
    stage = add("shards", shards.run, "clips -> shards/", data)
    stage.add_argument("--yamnet", type=Path, metavar="TFLITE", help="a teacher: yamnet.tflite")
    stage.add_argument(
        "--musicnn", type=Path, metavar="WHEEL", help="a teacher: musicnn-0.1.0-py3-none-any.whl"
    )
    stage.add_argument(
        "--variant", action="append", metavar="ID", help="of the 24, or 'all'; repeatable"
    )
    study.add_grid_argument(stage)
    stage.add_argument(
        "--copy-all", action="store_true", help="augment every track, not the training part alone"
    )
    stage.add_argument("--cluster", metavar="ADDRESS", help="work on this Dask cluster instead")
    stage.add_argument("--png", type=Path, metavar="FOLDER", help="write 8-bit pictures, too")
    stage = add("train", train.run, "shards -> models/; a killed training goes on")
    stage.add_argument(
        "--model", action="append", metavar="NAME", help="a fold's number or 'final'; repeatable"
    )
    stage.add_argument(
        "--musicnn", type=Path, metavar="WHEEL", help="for a configuration of heads on MusiCNN"
    )
    add("evaluate", evaluate.run, "models -> metrics.json, curves.json, plots/", data)
    stage = add("baselines", baselines.run, "what the models are compared with -> baselines.md")
    stage.add_argument(
        "--of",
        type=Path,
        action="append",
        default=[],
        metavar="RUN",
        help="measure this run's models, too, out of their folds; repeatable",
    )
    stage = add("export", export.run, "the final model -> bundle/", data)
    stage.add_argument("--out", type=Path, metavar="FOLDER", help="default: bundle/ in the run")
    stage.add_argument("--compare", type=int, default=100, help="clips for LiteRT against Keras")
    stage = add("study", study.run, "shards of variants -> study/: the grid of the report")
    stage.add_argument("--variant", action="append", metavar="ID", help="default: all 24")
    study.add_grid_argument(stage)
    stage.add_argument(
        "--protocol",
        action="append",
        choices=trainings.PROTOCOLS,
        help="repeatable; default: artists and shuffled",
    )
    stage.add_argument("--threads", type=int, default=1, help="of each of the --jobs trainings")
    stage.add_argument("--out", type=Path, metavar="FOLDER", help="default: study/ in the run")
    stage.add_argument("--write", type=Path, metavar="PAGE", help="put the tables in this page")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage.

    Returns
    -------
    int
        0, or 1 if it failed; the reason goes to standard error.
    """
    args = _parser().parse_args(argv)
    began = time.monotonic()
    try:
        args.do(args)
    except GenreTaggerError as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    say(f"{args.stage}: {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
