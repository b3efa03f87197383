"""Stage `baselines`: what the bundles are compared with, on the same folds, in one table.

All learn from and are measured on the folds of the manifest. Embeddings are those of the
shards' teachers: MusiCNN's last hidden layer and tags, averaged over four patches of a clip,
and YAMNet's embedding, averaged over its windows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training import markdown
from training.arrays import Bools, Floats, Integers, Numbers
from training.config import Config, HeadConfig
from training.data.clips import Clip, reference
from training.features.mel import under_peak
from training.features.shards import Shards
from training.files import write_text
from training.learn.heads import Examples, fit_heads
from training.learn.sampling import draw_weights
from training.measure import evaluate, figures, metrics
from training.networks import body, musicnn, report
from training.progress import Progress

TAGS = {
    "Ambient": ("ambient",),
    "Country": ("country",),
    "Dance": ("dance", "House"),
    "Electronic": ("electronic", "electronica", "electro"),
    "Experimental": ("experimental",),
    "Folk": ("folk",),
    "Hip Hop": ("Hip-Hop",),
    "Jazz": ("jazz",),
    "Pop": ("pop", "indie pop"),
    "Punk": ("punk",),
    "RNB": ("soul", "funk", "rnb"),
    "Rock": ("rock", "alternative rock", "classic rock", "indie rock", "hard rock", "metal"),
}
"""MusiCNN's tags that mean a genre; it has none for Classical and Psychedelia."""

FLOOR = "MusiCNN + YAMNet, perceptron"
"""What a bundle has to beat: frozen embeddings of published networks under our labels."""

REPORT = "report's CNN, from scratch"
_REPORT_EPOCHS = 6  # as in the study of the 24 variants
_REPORT_FRAMES = 192  # 3 s, as in the report's shortest excerpts
_REPORT_BATCH = 32
_LEAST_SPREAD = 1e-6
_NEVER = -20.0  # the logit of a genre that nothing speaks for


def _zero_shot(tags: Floats) -> Numbers:
    logits = np.full((len(tags), len(GENRES)), _NEVER)
    for genre, names in TAGS.items():
        columns = [musicnn.N_HIDDEN + musicnn.TAGS.index(name) for name in names]
        logits[:, GENRES.index(genre)] = tags[:, columns].max(axis=1)
    return logits


def _logistic(x: Floats, y: Bools, test: Floats, weights: Numbers) -> Numbers:
    from sklearn.linear_model import LogisticRegression

    found = np.full((len(test), len(GENRES)), _NEVER)
    for g in np.flatnonzero(y.any(axis=0) & ~y.all(axis=0)):
        model = LogisticRegression(C=0.01, max_iter=1000)
        model.fit(x, y[:, g], sample_weight=weights * len(weights))
        found[:, g] = model.decision_function(test)
    return found


def _perceptron(x: Floats, y: Bools, test: Floats, weights: Numbers, head: HeadConfig) -> Numbers:
    """Fit the heads of `transfer` to embeddings of any size."""
    import keras

    keras.utils.set_random_seed(head.seed)
    heads = body.build_heads(x.shape[1], head)
    heads.get_layer("standard").set_weights([np.zeros(x.shape[1]), np.ones(x.shape[1])])
    examples = Examples(x, np.arange(len(x) + 1), y.astype(np.float32))
    for _ in fit_heads(heads, head, examples, np.arange(len(x)), weights, seed=[0]):
        pass
    return np.asarray(heads.predict(test, verbose=0), dtype=float).mean(axis=1)


def _report(
    shards: Shards,
    y: Bools,
    *,
    learn: Integers,
    test: Integers,
    weights: Numbers,
    seed: int,
    top_db: float,
) -> Numbers:
    """Train the founding report's network on crops, and average its logits over a clip."""
    import keras

    def crop(i: int, start: int) -> Floats:
        return under_peak(shards.segment(i, start, _REPORT_FRAMES), top_db).T[..., None]

    rng = np.random.default_rng(seed)

    def draw(rows: Integers) -> Floats:
        return np.stack([crop(i, int(rng.integers(1 << 30))) for i in rows])

    keras.utils.set_random_seed(seed)
    sample = draw(rng.choice(learn, 200))
    model = report.report(
        sample.shape[1:],
        pooling="global",
        mean=sample.mean(axis=(0, 2)),
        variance=sample.var(axis=(0, 2)),
    )
    n_steps = _REPORT_EPOCHS * (len(learn) // _REPORT_BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, n_steps)
    model.compile(keras.optimizers.Adam(schedule), keras.losses.BinaryCrossentropy())
    for _ in range(n_steps):
        rows = rng.choice(learn, _REPORT_BATCH, p=weights)
        model.train_on_batch(draw(rows), y[rows].astype(np.float32))
    found = np.empty((len(test), len(GENRES)))
    for row, i in zip(found, test, strict=True):
        starts = np.linspace(0, max(0, shards.n_frames(i) - _REPORT_FRAMES), 9).astype(int)
        p = np.clip(model.predict_on_batch(np.stack([crop(i, s) for s in starts])), 1e-6, 1 - 1e-6)
        row[:] = np.log(p / (1 - p)).mean(axis=0)
    return found


def predict(
    config: Config,
    clips: Sequence[Clip],
    shards: Shards,
    folder: Path,
    *,
    say: Callable[[str], None],
) -> dict[str, Numbers]:
    """Predict every clip out of its fold, by each baseline; a killed run goes on.

    Parameters
    ----------
    config : Config
        With a `HeadConfig`, whose perceptron is used, too.
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
    """
    head = config.train
    assert isinstance(head, HeadConfig)
    if shards.sounds is None or shards.tags is None:
        raise FatalError("the baselines need both teachers: run `shards --yamnet --musicnn`")
    sounds = np.stack(
        [
            np.asarray(shards.sounds[a:b], dtype=np.float32).mean(axis=0)
            for a, b in zip(shards.windows[:-1], shards.windows[1:], strict=True)
        ]
    )
    embeddings = {
        "YAMNet": sounds,
        "MusiCNN": shards.tags,
        "MusiCNN + YAMNet": np.concatenate([shards.tags, sounds], axis=1),
    }
    y = reference(clips)
    splits = np.array([clip.split for clip in clips])
    sure = np.array([clip.confidence >= head.least_confidence for clip in clips])
    names = ["majority", REPORT, "MusiCNN's tags, zero-shot"]
    names += [f"{name}, {kind}" for name in embeddings for kind in ("logistic", "perceptron")]
    found = {name: np.zeros((len(clips), len(GENRES))) for name in names}
    folds = sorted(set(splits))
    progress = Progress(len(folds) * len(names), say)
    folder.mkdir(parents=True, exist_ok=True)
    for k, fold in enumerate(folds):
        learn = np.flatnonzero((splits != fold) & sure)
        test = np.flatnonzero(splits == fold)
        weights = draw_weights([clips[i] for i in learn], head)
        common = (y[learn].sum(axis=0) + 0.5) / (len(learn) + 1)
        for n, name in enumerate(names):
            path = folder / f"{shards.sha256[:12]}-{fold}-{n}.npy"
            if not path.exists():
                if name == "majority":
                    logits = np.tile(np.log(common / (1 - common)), (len(test), 1))
                elif name == REPORT:
                    logits = _report(
                        shards,
                        y,
                        learn=learn,
                        test=test,
                        weights=weights,
                        seed=head.seed,
                        top_db=config.features.top_db,
                    )
                elif name == "MusiCNN's tags, zero-shot":
                    logits = _zero_shot(shards.tags[test])
                else:
                    kind, _, how = name.rpartition(", ")
                    x = embeddings[kind]
                    mean, spread = x[learn].mean(axis=0), x[learn].std(axis=0) + _LEAST_SPREAD
                    x = np.clip((x - mean) / spread, -5, 5).astype(np.float32)
                    if how == "logistic":
                        logits = _logistic(x[learn], y[learn], x[test], weights)
                    else:
                        logits = _perceptron(x[learn], y[learn], x[test], weights, head)
                np.save(path, logits)
            found[name][test] = np.load(path)
            progress.at(k * len(names) + n + 1, f"fold {fold}: {name}")
    return found


def measure(
    config: Config,
    clips: Sequence[Clip],
    found: dict[str, Numbers],
    *,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Measure predictions as `evaluate` does, and compare each with a named one.

    Parameters
    ----------
    config : Config
    clips : sequence of Clip
        The whole manifest.
    found : dict of str to numpy.ndarray, shape (n_clips, n_genres)
        Logits, from `predict` and of bundles.
    say : callable
        Takes a line of progress.

    Returns
    -------
    dict
        For each name what `evaluate.evaluate` calls ``metrics``, and ``against_floor``: by how
        much it is better than `FLOOR`, with intervals over the same resamples of artists.
    """
    settings = config.evaluate
    mine = [i for i, c in enumerate(clips) if c.confidence >= settings.least_confidence]
    chosen = [clips[i] for i in mine]
    ref, folds = reference(chosen), np.array([int(clip.split) for clip in chosen])
    decided = {
        name: evaluate.nested(ref, folds, logits[mine], settings)[0]
        for name, logits in found.items()
    }
    groups = np.array([clip.artist_id for clip in chosen])
    results: dict[str, Any] = {}
    progress = Progress(len(found), say)
    for n, (name, logits) in enumerate(found.items(), 1):
        metrics_of = evaluate.evaluate(chosen, folds, logits[mine], settings)[0]["metrics"]
        compared = {}
        for subset, rows in figures.subsets(chosen).items():
            ours, floor, labels = decided[name][rows], decided[FLOOR][rows], ref[rows]
            counted = np.flatnonzero(labels.sum(axis=0) >= settings.least_positives)
            hits = metrics.top1_hits(labels, ours) - metrics.top1_hits(labels, floor)
            difference = partial(
                _difference, labels=labels, ours=ours, floor=floor, counted=counted, hits=hits
            )
            low, high = metrics.intervals(
                groups[rows].tolist(),
                difference,
                n_resamples=settings.n_resamples,
                interval=settings.interval,
                seed=settings.seed,
            )
            value = difference(np.arange(len(labels)))
            compared[subset] = {
                key: {"value": round(v, 4), "low": round(a, 4), "high": round(b, 4)}
                for key, v, a, b in zip(
                    ("top1_in_labels", "macro_map"), value, low, high, strict=True
                )
            }
        results[name] = metrics_of | {"against_floor": compared}
        progress.at(n, f"measured: {name}")
    return results


def _difference(
    rows: Integers,
    *,
    labels: Bools,
    ours: Numbers,
    floor: Numbers,
    counted: Integers,
    hits: Numbers,
) -> Numbers:
    maps = [
        metrics.macro_average_precision(labels[rows], scores[rows], counted.tolist())
        for scores in (ours, floor)
    ]
    return np.array([np.nanmean(hits[rows]), maps[0] - maps[1]])


def table(results: dict[str, Any]) -> str:
    """Lay the results out in Markdown: ranking, differences from `FLOOR`, decisions."""
    subsets = [s for s in ("all", "panda", "others") if s in results[FLOOR]["ranking"]]
    figures = {"top1_in_labels": "top-1 in labels", "macro_map": "macro average precision"}
    decisions = {
        "exact_set": "exact set",
        "micro_f1": "micro F1",
        "macro_f1": "macro F1",
        "precision": "precision",
        "coverage": "coverage",
        "undecided_without_label": "undecided without label",
    }
    compared = [(key, subset) for key in figures for subset in subsets if subset != "all"]
    cell = partial(markdown.interval, digits=3)
    tables = [
        markdown.table(
            [title, *subsets],
            [
                [name, *(cell(found["ranking"][subset][key]) for subset in subsets)]
                for name, found in results.items()
            ],
        )
        for key, title in figures.items()
    ]
    tables += [
        markdown.table(
            [f"better than {FLOOR} by", *(f"{figures[k]}, {subset}" for k, subset in compared)],
            [
                [name, *(cell(found["against_floor"][subset][key]) for key, subset in compared)]
                for name, found in results.items()
            ],
        ),
        markdown.table(
            ["all clips", "LRAP", *decisions.values(), "calibration error"],
            [
                [
                    name,
                    cell(found["ranking"]["all"]["lrap"]),
                    *(cell(found["decisions"]["all"][key]) for key in decisions),
                    f"{found['calibration_error']['after']:.3f}",
                ]
                for name, found in results.items()
            ],
        ),
    ]
    return "\n\n".join(tables) + "\n"


def of_run(folder: Path, clips: Sequence[Clip]) -> Numbers:
    """Read what a run's models said of the clips out of their folds.

    Parameters
    ----------
    folder : pathlib.Path
        Of a run that was evaluated on the same manifest.
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
    path = folder / "predictions.npz"
    if not path.exists():
        raise FatalError(f"{path} is missing: run the stage `evaluate` of that run first")
    with np.load(path) as before:
        said = dict(zip(before["track_id"].tolist(), before["logits"], strict=True))
        splits = dict(zip(before["track_id"].tolist(), before["split"].tolist(), strict=True))
    if any(splits.get(clip.track_id, clip.split) != clip.split for clip in clips):
        raise FatalError(f"{path} was measured on other folds")
    nothing = np.full(len(GENRES), np.nan)
    return np.array([said.get(clip.track_id, nothing) for clip in clips])


def write(folder: Path, results: dict[str, Any]) -> str:
    """Write ``baselines.json`` and ``baselines.md``, and return the table."""
    laid_out = table(results)
    write_text(folder / "baselines.json", json.dumps(results, indent=1) + "\n")
    write_text(folder / "baselines.md", laid_out)
    return laid_out
