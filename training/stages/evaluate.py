"""Stage evaluate."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from genretagger.genres import GENRES
from training import files
from training.data import split
from training.data.clips import Clip
from training.learn import models
from training.progress import Progress, say
from training.run import Run


def _predictions(run: Run, name: str, clips: Sequence[Clip], args: argparse.Namespace) -> Any:
    """Hear clips by one model, or read what it said before."""
    from training.measure import evaluate

    path = run.model(name) / "predictions.npz"
    made_from = np.array([run.manifest_sha256(), files.sha256(run.model(name) / models.WEIGHTS)])
    ids = np.array([clip.track_id for clip in clips])
    if path.exists():
        with np.load(path) as before:
            if np.array_equal(before["made_from"], made_from) and np.array_equal(
                before["track_id"], ids
            ):
                return before["logits"]
    bundle = run.model(name) / "bundle"
    weights = run.model(name) / models.WEIGHTS
    evaluate.write_fold_bundle(run.config, weights, run.heads(name), bundle)
    logits = evaluate.hear(bundle, clips, args.data, args.jobs)
    part = path.with_name("part.npz")
    np.savez_compressed(part, logits=logits, track_id=ids, made_from=made_from)
    part.replace(path)
    return logits


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    run = Run(args)
    from training.measure import curves, evaluate

    for name in run.measured():
        run.heads(name)  # all are there and of this configuration, before an hour is spent
    holdout = run.config.split.is_holdout
    clips = [
        clip
        for clip in run.clips()
        if clip.confidence >= run.config.evaluate.least_confidence and clip.split != split.TRAIN
    ]
    splits = np.array([clip.split for clip in clips])
    logits = np.full((len(clips), len(GENRES)), np.nan)
    progress = Progress(len(clips), say)
    n_done = 0
    for name in run.measured():
        mine = np.flatnonzero(splits == name) if not holdout else np.arange(len(clips))
        logits[mine] = _predictions(run, name, [clips[i] for i in mine], args)
        n_done += len(mine)
        progress.at(n_done, f"{n_done}/{len(clips)} clips heard")
    np.savez_compressed(
        run.folder / "predictions.npz",
        logits=logits,
        split=splits,
        track_id=np.array([clip.track_id for clip in clips]),
    )
    if holdout:
        found, drawn = evaluate.evaluate_holdout(
            clips, splits == split.TEST, logits, run.config.evaluate
        )
    else:
        found, drawn = evaluate.evaluate(clips, splits.astype(int), logits, run.config.evaluate)
    evaluate.write(run.metrics, found | {"made_from": run.made_from()})
    evaluate.write(run.folder / "curves.json", drawn)
    for path in curves.plot(drawn, run.folder / "plots"):
        say(f"drawn: {path}")
    for name, ranking in found["metrics"]["ranking"].items():
        figures = {key: ranking[key]["value"] for key in ("top1_in_labels", "macro_map", "lrap")}
        say(f"{name}: {ranking['n_clips']} clips, {figures}")
