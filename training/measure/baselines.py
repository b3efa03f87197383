"""Baselines on the same folds as the models, in one table.

All learn from and are measured on the folds of the manifest. Embeddings are those of the
shards' teachers: MusiCNN's last hidden layer and tags, averaged over four patches of a clip,
and YAMNet's embedding, averaged over its windows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training import markdown
from training.arrays import Bools, Floats, Integers, Numbers
from training.config import (
    AnyConfig,
    Config,
    EvaluateConfig,
    HeadConfig,
    MusicnnHeads,
    digest,
)
from training.data.clips import Clip, reference
from training.features.mel import under_peak
from training.features.shards import Shards
from training.files import check_room, write_array, write_text
from training.learn.heads import Examples, fit_heads
from training.learn.sampling import draw_weights
from training.measure import evaluate, figures, metrics
from training.networks import heads, musicnn, report
from training.networks.tags import MEANT
from training.progress import Progress

FLOOR = "MusiCNN + YAMNet, perceptron"
"""What a bundle has to beat: frozen embeddings of published networks under our labels."""

REPORT = "report's CNN, from scratch"
_REPORT_EPOCHS = 6  # chosen for time; about 20 would be fair, see docs/study.md: 19 on average
_REPORT_FRAMES = 192  # 3 s, as in the report's shortest excerpts
_REPORT_BATCH = 32
_LEAST_SPREAD = 1e-6
_NEVER = -20.0  # the logit of a genre that nothing speaks for


@dataclass(frozen=True)
class Fold:
    """One fold that is left out.

    Attributes
    ----------
    learn, test : numpy.ndarray, int64
        Indices of the clips to learn from and to predict.
    weights : numpy.ndarray, shape (len(learn),), float64
        How often each is drawn; they sum to 1.
    """

    learn: Integers
    test: Integers
    weights: Numbers


def _majority(fold: Fold, y: Bools) -> Numbers:
    common = (y[fold.learn].sum(axis=0) + 0.5) / (len(fold.learn) + 1)
    return np.tile(np.log(common / (1 - common)), (len(fold.test), 1))


def zero_shot(tags: Floats) -> Numbers:
    """Use the logits of MusiCNN's tags as those of the genres that they mean."""
    logits = np.full((len(tags), len(GENRES)), _NEVER)
    for genre, columns in MEANT.items():
        logits[:, genre] = tags[:, musicnn.N_HIDDEN + np.array(columns)].max(axis=1)
    return logits


def _standardised(x: Floats, learn: Integers) -> Floats:
    mean, spread = x[learn].mean(axis=0), x[learn].std(axis=0) + _LEAST_SPREAD
    return np.asarray(np.clip((x - mean) / spread, -5, 5), dtype=np.float32)


def _logistic(fold: Fold, x: Floats, y: Bools) -> Numbers:
    from sklearn.linear_model import LogisticRegression

    x, labels = _standardised(x, fold.learn), y[fold.learn]
    logits = np.full((len(fold.test), len(GENRES)), _NEVER)
    for g in np.flatnonzero(labels.any(axis=0) & ~labels.all(axis=0)):
        model = LogisticRegression(C=0.01, max_iter=1000)
        weights = fold.weights * len(fold.weights)
        model.fit(x[fold.learn], labels[:, g], sample_weight=weights)
        logits[:, g] = model.decision_function(x[fold.test])
    return logits


def _perceptron(fold: Fold, x: Floats, y: Bools, head: HeadConfig) -> Numbers:
    """Fit heads to embeddings of any size."""
    import keras

    x, labels = _standardised(x, fold.learn), y[fold.learn].astype(np.float32)
    keras.utils.set_random_seed(head.seed)
    model = heads.build([x.shape[1]], head)
    model.get_layer("standard").set_weights([np.zeros(x.shape[1]), np.ones(x.shape[1])])
    clips = np.arange(len(fold.learn))
    examples = Examples(x[fold.learn], np.arange(len(clips) + 1), labels)
    for _ in fit_heads(model, head, examples, clips, fold.weights, seed=[0]):
        pass
    logits = model.predict(x[fold.test], verbose=0)
    return np.asarray(np.asarray(logits, dtype=float).mean(axis=1))


def _report(fold: Fold, shards: Shards, y: Bools, *, seed: int, top_db: float) -> Numbers:
    """Train the founding report's network on crops, and average its logits over a clip."""
    import keras

    def crop(i: int, start: int) -> Floats:
        segment = shards.segment(i, start, _REPORT_FRAMES)
        return np.asarray(under_peak(segment, top_db).T[..., None])

    rng = np.random.default_rng(seed)

    def draw(rows: Integers) -> Floats:
        return np.stack([crop(i, int(rng.integers(1 << 30))) for i in rows.tolist()])

    keras.utils.set_random_seed(seed)
    sample = draw(rng.choice(fold.learn, 200))
    model = report.build(
        sample.shape[1:],
        pooling="global",
        mean=sample.mean(axis=(0, 2)),
        variance=sample.var(axis=(0, 2)),
    )
    n_steps = _REPORT_EPOCHS * max(1, len(fold.learn) // _REPORT_BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, n_steps)
    model.compile(keras.optimizers.Adam(schedule), keras.losses.BinaryCrossentropy())
    for _ in range(n_steps):
        rows = rng.choice(fold.learn, _REPORT_BATCH, p=fold.weights)
        model.train_on_batch(draw(rows), y[rows].astype(np.float32))
    logits = np.empty((len(fold.test), len(GENRES)))
    for row, i in zip(logits, fold.test.tolist(), strict=True):
        starts = np.linspace(0, max(0, shards.n_frames(i) - _REPORT_FRAMES), 9).astype(int)
        p = np.clip(model.predict_on_batch(np.stack([crop(i, s) for s in starts])), 1e-6, 1 - 1e-6)
        row[:] = np.log(p / (1 - p)).mean(axis=0)
    return logits


def _baselines(
    config: Config[MusicnnHeads], shards: Shards, y: Bools
) -> dict[str, Callable[[Fold], Numbers]]:
    """Lay out all baselines, in the order of the table."""
    if shards.sounds is None or shards.tags is None:
        raise FatalError("the baselines need both teachers: run `shards --yamnet --musicnn`")
    tags, head, top_db = shards.tags, config.model.train, config.features.top_db
    sounds = np.stack(
        [
            np.asarray(shards.sounds[a:b], dtype=np.float32).mean(axis=0)
            for a, b in zip(shards.windows[:-1], shards.windows[1:], strict=True)
        ]
    )
    embeddings = {
        "YAMNet": sounds,
        "MusiCNN": tags,
        "MusiCNN + YAMNet": np.concatenate([tags, sounds], axis=1),
    }
    predictors: dict[str, Callable[[Fold], Numbers]] = {
        "majority": partial(_majority, y=y),
        REPORT: partial(_report, shards=shards, y=y, seed=head.seed, top_db=top_db),
        "MusiCNN's tags, zero-shot": lambda fold: zero_shot(tags[fold.test]),
    }
    for name, x in embeddings.items():
        predictors[f"{name}, logistic"] = partial(_logistic, x=x, y=y)
        predictors[f"{name}, perceptron"] = partial(_perceptron, x=x, y=y, head=head)
    return predictors


def predict(
    config: Config[MusicnnHeads],
    clips: Sequence[Clip],
    shards: Shards,
    folder: Path,
    *,
    say: Callable[[str], None],
) -> dict[str, Numbers]:
    """Predict every clip out of its fold, by each baseline; a killed run resumes.

    What was predicted from other shards or with other heads is not used.

    Parameters
    ----------
    config : Config
        Its heads are the perceptrons of the table.
    clips : sequence of Clip
        The whole manifest.
    shards : Shards
        Made with both teachers.
    folder : pathlib.Path
        Keeps the predictions.
    say : callable
        Takes a line of progress.

    Returns
    -------
    dict of str to numpy.ndarray, shape (n_clips, n_genres), float64
        Logits.

    Raises
    ------
    FatalError
        If the shards lack a teacher, or the disk lacks the room.
    """
    predictors = _baselines(config, shards, reference(clips))
    head = config.model.train
    stamp = digest([shards.sha256, asdict(head), config.split.large_sets])
    splits = np.array([clip.split for clip in clips])
    sure = np.array([clip.confidence >= head.least_confidence for clip in clips])
    predictions = {name: np.zeros((len(clips), len(GENRES))) for name in predictors}
    names = sorted(set(splits))
    progress = Progress(len(names) * len(predictors), say)
    paths = {
        (split, name): folder / f"{stamp[:12]}-{split}-{n}.npy"
        for split in names
        for n, name in enumerate(predictors)
    }
    n_left = sum((splits == split).sum() for (split, _), path in paths.items() if not path.exists())
    check_room(folder, 8 * len(GENRES) * int(n_left), "free some, or move the run to another disk")
    folder.mkdir(parents=True, exist_ok=True)
    for k, split in enumerate(names):
        learn, test = np.flatnonzero((splits != split) & sure), np.flatnonzero(splits == split)
        learned = [clips[i] for i in learn.tolist()]
        fold = Fold(learn, test, draw_weights(learned, head, config.split.large_sets))
        for n, (name, predictor) in enumerate(predictors.items()):
            path = paths[split, name]
            if not path.exists():
                write_array(path, predictor(fold))
            predictions[name][test] = np.load(path)
            progress.at(k * len(predictors) + n + 1, f"fold {split}: {name}")
    return predictions


def measure(
    config: AnyConfig,
    clips: Sequence[Clip],
    predictions: dict[str, Numbers],
    *,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Measure predictions as `evaluate` does, and compare each with a named one.

    Parameters
    ----------
    config : Config
    clips : sequence of Clip
        The whole manifest.
    predictions : dict of str to numpy.ndarray, shape (n_clips, n_genres)
        Logits, from `predict` and of bundles.
    say : callable
        Takes a line of progress.

    Returns
    -------
    dict
        For each name what `evaluate.evaluate` calls ``metrics``, and ``against_floor``: by how
        much it is better than `FLOOR`, with intervals over the same resamples of artists.
    """
    settings, subsets = config.evaluate, config.subsets
    sure = [i for i, c in enumerate(clips) if c.confidence >= settings.least_confidence]
    chosen = [clips[i] for i in sure]
    ref, folds = reference(chosen), np.array([int(clip.split) for clip in chosen])
    sets = evaluate.numbered_sets(chosen, config.unseen)
    decided = {
        name: evaluate.nested(ref, folds, logits[sure], sets, settings)[0]
        for name, logits in predictions.items()
    }
    groups = np.array([clip.artist_id for clip in chosen])
    results: dict[str, Any] = {}
    progress = Progress(len(predictions), say)
    for n, (name, logits) in enumerate(predictions.items(), 1):
        measured, _ = evaluate.evaluate(
            chosen,
            folds,
            logits[sure],
            np.full_like(logits[sure], np.nan),
            config=settings,
            subsets=subsets,
            held_out=config.unseen,
        )
        compared = {
            subset: _against_floor(
                ref[rows],
                decided[name][rows],
                decided[FLOOR][rows],
                groups[rows].tolist(),
                settings,
            )
            for subset, rows in figures.select(chosen, subsets).items()
        }
        results[name] = measured["metrics"] | {"against_floor": compared}
        progress.at(n, f"measured: {name}")
    return results


def _against_floor(
    labels: Bools,
    ours: Numbers,
    floor: Numbers,
    groups: Sequence[str],
    settings: EvaluateConfig,
) -> dict[str, dict[str, float]]:
    """Compare two predictions of the same clips, with intervals over artist groups."""
    counted = np.flatnonzero(labels.sum(axis=0) >= settings.least_positives).tolist()
    hits = metrics.top1_hits(labels, ours) - metrics.top1_hits(labels, floor)

    def difference(rows: Integers) -> Numbers:
        maps = [
            metrics.macro_average_precision(labels[rows], scores[rows], counted)
            for scores in (ours, floor)
        ]
        return np.array([np.nanmean(hits[rows]), maps[0] - maps[1]])

    low, high = metrics.intervals(
        groups,
        difference,
        n_resamples=settings.n_resamples,
        interval=settings.interval,
        seed=settings.seed,
    )
    figures_of = zip(difference(np.arange(len(labels))), low, high, strict=True)
    return {
        key: {"value": round(value, 4), "low": round(a, 4), "high": round(b, 4)}
        for key, (value, a, b) in zip(("top1_in_labels", "macro_map"), figures_of, strict=True)
    }


def table(results: dict[str, Any]) -> str:
    """Lay the results out in Markdown: ranking, differences from `FLOOR`, decisions."""
    subsets = list(results[FLOOR]["ranking"])
    rankings = {"top1_in_labels": "top-1 in labels", "macro_map": "macro average precision"}
    decisions = {
        "exact_set": "exact set",
        "micro_f1": "micro F1",
        "macro_f1": "macro F1",
        "precision": "precision",
        "coverage": "coverage",
        "undecided_without_label": "undecided without label",
    }
    compared = [(key, subset) for key in rankings for subset in subsets if subset != "all"]
    cell = partial(markdown.interval, digits=3)
    tables = [
        markdown.table(
            [title, *subsets],
            [
                [name, *(cell(figures_of["ranking"][subset][key]) for subset in subsets)]
                for name, figures_of in results.items()
            ],
        )
        for key, title in rankings.items()
    ]
    tables += [
        markdown.table(
            [f"better than {FLOOR} by", *(f"{rankings[k]}, {subset}" for k, subset in compared)],
            [
                [
                    name,
                    *(cell(figures_of["against_floor"][subset][key]) for key, subset in compared),
                ]
                for name, figures_of in results.items()
            ],
        ),
        markdown.table(
            ["all clips", "LRAP", *decisions.values(), "calibration error"],
            [
                [
                    name,
                    cell(figures_of["ranking"]["all"]["lrap"]),
                    *(cell(figures_of["decisions"]["all"][key]) for key in decisions),
                    f"{figures_of['calibration_error']['after']:.3f}",
                ]
                for name, figures_of in results.items()
            ],
        ),
    ]
    return "\n\n".join(tables) + "\n"


def of_run(path: Path, clips: Sequence[Clip]) -> Numbers:
    """Read a run's out-of-fold predictions of the clips.

    Parameters
    ----------
    path : pathlib.Path
        ``predictions.npz`` of a run that was evaluated on the same manifest.
    clips : sequence of Clip

    Returns
    -------
    numpy.ndarray, shape (n_clips, n_genres), float64
        Logits; NaN for clips that are not measured.

    Raises
    ------
    FatalError
        If it was not evaluated, or on other folds.
    """
    if not path.exists():
        raise FatalError(f"{path} is missing: run the stage `evaluate` of that run first")
    with np.load(path) as before:
        logits = dict(zip(before["track_id"].tolist(), before["logits"], strict=True))
        splits = dict(zip(before["track_id"].tolist(), before["split"].tolist(), strict=True))
    if any(splits.get(clip.track_id, clip.split) != clip.split for clip in clips):
        raise FatalError(f"{path} was measured on other folds")
    nothing = np.full(len(GENRES), np.nan)
    return np.array([logits.get(clip.track_id, nothing) for clip in clips])


def write(path: Path, results: dict[str, Any]) -> str:
    """Write results beside the folder of predictions, as ``.json`` and ``.md``.

    Parameters
    ----------
    path : pathlib.Path
        That folder.
    results : dict
        From `measure`.

    Returns
    -------
    str
        The tables.
    """
    laid_out = table(results)
    write_text(path.with_suffix(".json"), json.dumps(results, indent=1) + "\n")
    write_text(path.with_suffix(".md"), laid_out)
    return laid_out
