"""The stages of training, joined by files: ``python -m training STAGE``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.errors import GenreTaggerError
from training import config as configuration
from training import download, manifest, playlists, shards, split, train
from training.config import Config
from training.manifest import Clip

DATA = "GENRETAGGER_DATA"
"""The environment variable that may name the data folder."""


class _Run:
    """The files of a run, and what more than one stage does with them."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.folder: Path = args.run
        self.config: Config = configuration.load(args.config)
        self.manifest = self.folder / "manifest.jsonl"
        self.shards = self.folder / "shards"
        self.metrics = self.folder / "metrics.json"

    def clips(self) -> list[Clip]:
        return manifest.read(self.manifest)

    def manifest_sha256(self) -> str:
        return manifest.sha256(self.manifest)

    def open_shards(self) -> shards.Shards:
        return shards.read(
            self.shards, self.config.features, manifest_sha256=self.manifest_sha256()
        )

    def folds(self, clips: Sequence[Clip]) -> dict[str, int]:
        return split.assign(clips, self.config.split.n_folds)

    def models(self) -> list[str]:
        return [*(str(k) for k in range(self.config.split.n_folds)), train.FINAL]

    def model(self, name: str) -> Path:
        return self.folder / "models" / name

    def heads(self, name: str) -> tuple[int, int]:
        meta = train.check(self.config, self.model(name))
        return int(meta["n_sounds"]), int(meta["n_tags"])


def _say(line: str) -> None:
    print(line, flush=True)


def _manifest(args: argparse.Namespace) -> None:
    run = _Run(args)
    clips = manifest.build(args.data / "labels.tsv")
    manifest.write(run.manifest, clips)
    folds = run.folds(clips)
    which = split.fold_of(clips, folds)
    _say(f"{len(clips)} clips, {len(folds)} artist groups, manifest {run.manifest_sha256()[:12]}")
    _say(f"split {split.sha256(folds)[:12]}: {np.bincount(which).tolist()} clips in each fold")


def _shards(args: argparse.Namespace) -> None:
    run = _Run(args)
    clips = run.clips()
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
        _say(f"{done}/{len(clips)} clips")


def _train(args: argparse.Namespace) -> None:
    run = _Run(args)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(args.jobs)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    clips, cached = run.clips(), run.open_shards()
    which = split.fold_of(clips, run.folds(clips))
    sure = np.array([clip.confidence >= run.config.train.least_confidence for clip in clips])
    for name in args.model or run.models():
        left_out = np.zeros(len(clips), bool) if name == train.FINAL else which == int(name)
        rows = np.flatnonzero(sure & ~left_out)
        train.fit(
            run.config,
            clips,
            cached,
            rows=rows.tolist(),
            name=name,
            folder=run.model(name),
            say=_say,
        )


def _evaluate(args: argparse.Namespace) -> None:
    run = _Run(args)
    from training import evaluate

    clips = run.clips()
    sure = [clip.confidence >= run.config.evaluate.least_confidence for clip in clips]
    which = split.fold_of(clips, run.folds(clips))[sure]
    clips = [clip for clip, keep in zip(clips, sure, strict=True) if keep]
    names = run.models()[:-1]
    for name in names:
        evaluate.write_fold_bundle(
            run.config,
            run.model(name) / train.WEIGHTS,
            run.heads(name),
            run.model(name) / "bundle",
        )
    _say(f"{len(names)} folds converted; hearing {len(clips)} clips")
    bundles = [run.model(name) / "bundle" for name in names]
    logits = evaluate.predict_out_of_fold(clips, which, bundles, args.data, args.jobs)
    np.savez_compressed(
        run.folder / "predictions.npz",
        logits=logits,
        folds=which,
        track_id=np.array([clip.track_id for clip in clips]),
    )
    found = evaluate.evaluate(clips, which, logits, run.config.evaluate)
    evaluate.write(run.metrics, found)
    for name, ranking in found["metrics"]["ranking"].items():
        figures = {key: ranking[key]["value"] for key in ("top1_in_labels", "macro_map", "lrap")}
        _say(f"{name}: {ranking['n_clips']} clips, {figures}")


def _training_summary(run: _Run) -> dict[str, Any]:
    log = run.model(train.FINAL) / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    summary: dict[str, Any] = asdict(run.config.train)
    summary["network"] = asdict(run.config.network)
    summary["minutes"] = round(sum(line["seconds"] for line in lines) / 60, 1)
    teachers = (
        "YAMNet (Google; AudioSet; Apache-2.0)",
        "MusiCNN, MSD_musicnn (Pons and Serra; Million Song Dataset; ISC)",
    )
    heads = run.heads(train.FINAL)
    summary["teachers"] = [name for name, n in zip(teachers, heads, strict=True) if n]
    return summary


def _export(args: argparse.Namespace) -> None:
    run = _Run(args)
    from training import export

    clips = run.clips()
    found = json.loads(run.metrics.read_text(encoding="utf-8"))
    learned = [c for c in clips if c.confidence >= run.config.train.least_confidence]
    data = {
        "description": "labelled excerpts from five kinds of sources; see MODEL_CARD.md",
        "n_clips": len(learned),
        "n_groups": len({clip.artist_id for clip in learned}),
        "hours": round(sum(clip.duration_s for clip in learned) / 3600, 1),
        "manifest_sha256": run.manifest_sha256(),
        "split_sha256": split.sha256(run.folds(clips)),
    }
    written, difference, golden = export.export(
        run.config,
        run.model(train.FINAL) / train.WEIGHTS,
        heads=run.heads(train.FINAL),
        found=found,
        data=data,
        training=_training_summary(run),
        template=Path(run.config.card).read_text(encoding="utf-8"),
        folder=args.out or run.folder / "bundle",
        paths=[args.data / clip.path for clip in clips[:: max(1, len(clips) // args.compare)]],
    )
    size = sum(path.stat().st_size for path in written.path.iterdir())
    _say(f"bundle {written.bundle_id} in {written.path}, {size / 1e6:.2f} MB")
    _say(f"LiteRT against Keras: {difference:.2g}; golden segment: {golden:.2g}")


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
        default=os.environ.get(DATA),
        required=DATA not in os.environ,
        metavar="FOLDER",
        help=f"with labels.tsv and clips/; or set {DATA}",
    )
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")

    def add(name: str, do: Any, text: str, *parents: Any) -> argparse.ArgumentParser:
        stage = stages.add_parser(name, help=text, parents=[common, *parents])
        stage.set_defaults(do=do)
        return stage

    for module in (playlists, download):
        stage = stages.add_parser(module.NAME, help=module.HELP)
        module.add_arguments(stage)
        stage.set_defaults(do=partial(module.run, say=_say))
    add("manifest", _manifest, "labels.tsv -> manifest.jsonl", data)
    stage = add("shards", _shards, "clips -> shards/", data)
    stage.add_argument("--yamnet", type=Path, metavar="TFLITE", help="a teacher: yamnet.tflite")
    stage.add_argument(
        "--musicnn", type=Path, metavar="WHEEL", help="a teacher: musicnn-0.1.0-py3-none-any.whl"
    )
    stage = add("train", _train, "shards -> models/; a killed training goes on")
    stage.add_argument(
        "--model", action="append", metavar="NAME", help="a fold's number or 'final'; repeatable"
    )
    add("evaluate", _evaluate, "models of the folds -> metrics.json", data)
    stage = add("export", _export, "the final model -> bundle/", data)
    stage.add_argument("--out", type=Path, metavar="FOLDER", help="default: bundle/ in the run")
    stage.add_argument("--compare", type=int, default=100, help="clips for LiteRT against Keras")
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
    _say(f"{args.stage}: {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
