"""Stage 7, evaluate: measure each clip by the model that has not learned from its artist."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from genretagger.genres import GENRES
from training import files
from training import run as runs
from training.arrays import Numbers
from training.data import split
from training.data.clips import Clip
from training.measure import curves, evaluate
from training.progress import Progress

NAME = "evaluate"
HELP = "models -> metrics.json, curves.json, plots/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's options."""
    runs.add_arguments(parser, data=True)


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    this = runs.Run(args)
    every = this.clips()
    this.check_split(every)
    for name in this.measured():
        this.teachers(name)  # all are there and of this configuration, before an hour is spent
    config = this.config.evaluate
    clips = [
        clip
        for clip in every
        if clip.confidence >= config.least_confidence and clip.split != split.TRAIN
    ]
    splits = np.array([clip.split for clip in clips])
    logits = _out_of_fold(this, clips, args.data, args.jobs, say)
    np.savez_compressed(
        this.folder.predictions,
        logits=logits,
        split=splits,
        track_id=np.array([clip.track_id for clip in clips]),
    )
    if this.config.split.is_holdout:
        is_test = splits == split.TEST
        measured, drawn = evaluate.evaluate_holdout(
            clips, is_test, logits, config, this.config.subsets
        )
    else:
        folds = splits.astype(int)
        measured, drawn = evaluate.evaluate(clips, folds, logits, config, this.config.subsets)
    evaluate.write(this.folder.metrics, measured | {"made_from": this.made_from()})
    evaluate.write(this.folder.curves, drawn)
    for path in curves.plot(drawn, this.folder.plots):
        say(f"drawn: {path}")
    for name, ranking in measured["metrics"]["ranking"].items():
        figures = {key: ranking[key]["value"] for key in ("top1_in_labels", "macro_map", "lrap")}
        say(f"{name}: {ranking['n_clips']} clips, {figures}")


def _out_of_fold(
    this: runs.Run, clips: Sequence[Clip], data: Path, n_jobs: int, say: Callable[[str], None]
) -> Numbers:
    """Predict each clip by the model whose training folds did not contain its artist."""
    splits = np.array([clip.split for clip in clips])
    logits = np.full((len(clips), len(GENRES)), np.nan)
    progress = Progress(len(clips), say)
    n_done = 0
    for name in this.measured():
        everything = np.arange(len(clips))
        rows = everything if this.config.split.is_holdout else np.flatnonzero(splits == name)
        logits[rows] = _predictions(this, name, [clips[i] for i in rows.tolist()], data, n_jobs)
        n_done += len(rows)
        progress.at(n_done, f"{n_done}/{len(clips)} clips predicted")
    return logits


def _predictions(
    this: runs.Run, name: str, clips: Sequence[Clip], data: Path, n_jobs: int
) -> Numbers:
    """Predict clips by one model, or read its stored predictions."""
    folder = this.folder.model(name)
    made_from = np.array([this.manifest_sha256(), files.sha256(folder.weights)])
    ids = np.array([clip.track_id for clip in clips])
    if folder.predictions.exists():
        with np.load(folder.predictions) as before:
            same_model = np.array_equal(before["made_from"], made_from)
            if same_model and np.array_equal(before["track_id"], ids):
                return np.asarray(before["logits"])
    evaluate.write_fold_bundle(this.load_model(name), this.config.features, folder.bundle)
    logits = evaluate.predict_clips(folder.bundle, clips, data, n_jobs)
    part = folder.predictions.with_name("part.npz")
    np.savez_compressed(part, logits=logits, track_id=ids, made_from=made_from)
    part.replace(folder.predictions)
    return logits
