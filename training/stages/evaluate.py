"""Stage 7, evaluate: measure each clip by the model that has not learned from its artist."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from genretagger.genres import GENRES
from training import files
from training import run as runs
from training.arrays import Integers, Numbers
from training.data import split
from training.data.clips import Clip
from training.data.trials import Trial
from training.markdown import number
from training.measure import curves, evaluate
from training.progress import Progress

NAME = "evaluate"
HELP = "models -> metrics.json, curves.json, plots/"

_AT_A_TIME = 128  # clips between two lines of progress: a quarter of a minute on two cores
_TOLD = {"top1_in_labels": "best genre is a label", "macro_map": "macro average precision"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's options."""
    runs.add_arguments(parser, data=True)


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    this = runs.Run(args)
    config, clips = this.config.evaluate, this.clips()
    this.check_split(clips)
    sure = np.array([clip.confidence >= config.least_confidence for clip in clips])
    trials = [trial for trial in this.trials(clips) if trial.measured.any()]
    for trial in trials:
        this.teachers(trial, clips)  # all are there and of this configuration, before an hour
    # a bundle each, and three arrays of predictions of every clip
    n_bytes = sum(this.folder.model(trial.name).weights.stat().st_size for trial in trials)
    n_bytes += 3 * 8 * len(clips) * len(GENRES)
    files.check_room(this.folder.path, n_bytes, "free some, or move the run to another disk")
    folds, unseen = (np.full((len(clips), len(GENRES)), np.nan) for _ in range(2))
    progress = Progress(sum(int((trial.measured & sure).sum()) for trial in trials), say)
    n_done = 0
    for trial in trials:
        rows = np.flatnonzero(trial.measured & sure)
        logits = unseen if trial.is_unseen else folds
        tell = partial(_tell, progress, trial.name, n_done, len(rows))
        logits[rows] = _predictions(this, trial, clips, rows, args, tell=tell)
        n_done += len(rows)
    _measure(this, clips, folds, unseen, say)


def _tell(progress: Progress, model: str, before: int, total: int, n: int) -> None:
    progress.at(before + n, f"model {model}: {n}/{total} clips predicted")


def _measure(
    this: runs.Run,
    clips: Sequence[Clip],
    folds: Numbers,
    unseen: Numbers,
    say: Callable[[str], None],
) -> None:
    """Measure what was predicted, and write it."""
    config, subsets = this.config.evaluate, this.config.subsets
    rows = np.flatnonzero(np.isfinite(folds).all(axis=1))
    kept = [clips[i] for i in rows.tolist()]
    splits = np.array([clip.split for clip in kept])
    predictions = {
        "logits": folds[rows],
        "unseen": unseen[rows],
        "split": splits,
        "track_id": np.array([clip.track_id for clip in kept]),
    }
    files.write_arrays(this.folder.predictions, predictions)
    if this.config.split.is_holdout:
        is_test = splits == split.TEST
        measured, drawn = evaluate.evaluate_holdout(kept, is_test, folds[rows], config, subsets)
    else:
        measured, drawn = evaluate.evaluate(
            kept,
            splits.astype(int),
            folds[rows],
            unseen[rows],
            config=config,
            subsets=subsets,
            held_out=this.config.unseen,
        )
    evaluate.write(this.folder.metrics, measured | {"made_from": this.made_from()})
    evaluate.write(this.folder.curves, drawn)
    for path in curves.plot(drawn, this.folder.plots):
        say(f"drawn: {path}")
    unseen_sets = measured["metrics"].get("unseen", {"ranking": {}})["ranking"]
    told = {f"unseen {name}": ranking for name, ranking in unseen_sets.items()}
    for name, ranking in (told | measured["metrics"]["ranking"]).items():
        figures = ", ".join(
            f"{what} {number(ranking[key]['value'], 3)}" for key, what in _TOLD.items()
        )
        say(f"{name}: {ranking['n_clips']} clips, {figures}")


def _predictions(
    this: runs.Run,
    trial: Trial,
    clips: Sequence[Clip],
    rows: Integers,
    args: argparse.Namespace,
    *,
    tell: Callable[[int], None],
) -> Numbers:
    """Predict some of the clips by one model, or read its stored predictions.

    `tell` takes how many are predicted.
    """
    folder = this.folder.model(trial.name)
    made_from = np.array([this.manifest_sha256(), files.sha256(folder.weights)])
    measured = [clips[i] for i in rows.tolist()]
    ids = np.array([clip.track_id for clip in measured])
    if folder.predictions.exists():
        with np.load(folder.predictions) as before:
            same_model = np.array_equal(before["made_from"], made_from)
            if same_model and np.array_equal(before["track_id"], ids):
                tell(len(rows))
                return np.asarray(before["logits"])
    inference = this.load_model(trial, clips)
    evaluate.write_fold_bundle(inference, this.config.features, folder.bundle)
    logits = np.empty((len(rows), len(GENRES)))
    for start in range(0, len(rows), _AT_A_TIME):
        block = slice(start, start + _AT_A_TIME)
        logits[block] = evaluate.predict_clips(folder.bundle, measured[block], args.data, args.jobs)
        tell(min(block.stop, len(rows)))
    predictions = {"logits": logits, "track_id": ids, "made_from": made_from}
    files.write_arrays(folder.predictions, predictions)
    return logits
