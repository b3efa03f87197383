"""Stage 4, evaluate: predict each clip by the fold that never heard its artist; measure.

Clips are heard exactly as the product hears a file: `audio.decode`, `features.log_mel`,
the LiteRT `Classifier`, `aggregate.aggregate`, `decide.decide`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from genretagger import audio, bundle
from genretagger.aggregate import aggregate, logit
from genretagger.classifier import Classifier
from genretagger.errors import FatalError, TrackError
from genretagger.features import log_mel
from genretagger.genres import GENRES
from training.arrays import Bools, Integers, Numbers
from training.config import Config, EvaluateConfig
from training.data.clips import Clip, reference
from training.features import mel
from training.files import write_text
from training.measure import calibrate, curves, figures, metrics
from training.networks import litert
from training.networks.load import load_network

IDENTITY = ((1.0, 0.0),) * len(GENRES)
"""No calibration."""


def write_fold_bundle(config: Config, weights: Path, heads: tuple[int, int], folder: Path) -> None:
    """Write a bundle that holds nothing but a network, for measuring it."""
    _, inference = load_network(config, weights, heads)
    bundle.write(
        folder,
        model=litert.to_tflite(inference),
        golden={},
        features=config.features,
        filterbank=mel.filterbank(config.features),
        thresholds=(0.5,) * len(GENRES),
        calibration=IDENTITY,
        about={"name": "fold", "purpose": "measured in cross-validation, not for use"},
        card="One fold's network, for measuring; not for use.\n",
    )


def predict(folder: Path, paths: Sequence[Path]) -> Numbers:
    """Hear clips as the product hears files.

    Parameters
    ----------
    folder : pathlib.Path
        A bundle.
    paths : sequence of pathlib.Path

    Returns
    -------
    numpy.ndarray, shape (n_clips, n_genres), float64
        Mean logits before calibration; NaN where a clip is silent.
    """
    found = bundle.read(folder)
    classifier = Classifier(found)
    logits = np.full((len(paths), len(GENRES)), np.nan)
    for row, path in zip(logits, paths, strict=True):
        features = found.features
        excerpts = audio.decode(path, sr=features.sr, segment_s=features.segment_s)
        if excerpts.segments:
            log_mels = [log_mel(s.y, features, found.filterbank) for s in excerpts.segments]
            row[:] = logit(np.array(aggregate(classifier.predict(np.stack(log_mels)))))
    return logits


def hear(folder: Path, clips: Sequence[Clip], data: Path, n_jobs: int) -> Numbers:
    """Predict clips by one bundle.

    Parameters
    ----------
    folder : pathlib.Path
        A bundle, whose model has not learned from these clips.
    clips : sequence of Clip
    data : pathlib.Path
        The folder that `Clip.path` is relative to.
    n_jobs : int
        Processes.

    Returns
    -------
    numpy.ndarray, shape (n_clips, n_genres), float64
        Mean logits.

    Raises
    ------
    FatalError
        If a clip cannot be heard, although the manifest says that it could.
    """
    paths = [data / clip.path for clip in clips]
    parts = np.array_split(np.arange(len(paths)), max(1, n_jobs))
    try:
        found = joblib.Parallel(n_jobs=n_jobs)(
            joblib.delayed(predict)(folder, [paths[i] for i in part]) for part in parts
        )
    except TrackError as error:
        raise FatalError(f"{error}; the manifest is stale: run the stage `manifest`") from error
    logits = np.concatenate(found)
    if not np.isfinite(logits).all():
        silent = [clips[i].track_id for i in np.flatnonzero(np.isnan(logits).any(axis=1))]
        raise FatalError(f"no prediction for {', '.join(silent[:5])}: silent; leave them out")
    return logits


def _calibrated(
    logits: Numbers, ref: Bools, config: EvaluateConfig
) -> tuple[list[tuple[float, float]], Numbers]:
    calibration = calibrate.fit(logits, ref, config.calibration_c)
    thresholds = calibrate.choose_thresholds(
        calibrate.apply(logits, calibration),
        ref,
        wanted=config.precision,
        prior=config.threshold_prior,
        lowest=config.lowest_threshold,
    )
    return calibration, thresholds


def nested(
    ref: Bools, folds: Integers, logits: Numbers, config: EvaluateConfig
) -> tuple[Numbers, Bools]:
    """Decide on each fold with what was chosen on the other folds.

    Returns
    -------
    probabilities : numpy.ndarray, shape (n_clips, n_genres), float64
        Calibrated.
    written : numpy.ndarray, shape (n_clips, n_genres), bool
    """
    probabilities, written = np.zeros_like(logits), np.zeros_like(ref)
    for k in np.unique(folds):
        mine, rest = folds == k, folds != k
        calibration, thresholds = _calibrated(logits[rest], ref[rest], config)
        probabilities[mine] = calibrate.apply(logits[mine], calibration)
        written[mine] = calibrate.written(probabilities[mine], thresholds)
    return probabilities, written


def evaluate(
    clips: Sequence[Clip], folds: Integers, logits: Numbers, config: EvaluateConfig
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure out-of-fold predictions.

    Calibration and thresholds are measured nested: for each fold they are chosen on the
    other folds' predictions. What ships is chosen on all of them.

    Parameters
    ----------
    clips : sequence of Clip
        Those to be measured.
    folds : numpy.ndarray, shape (n_clips,), int
    logits : numpy.ndarray, shape (n_clips, n_genres), float64
        Mean logits by the model that has not learned from the clip.
    config : EvaluateConfig

    Returns
    -------
    found : dict
        ``metrics``, for ``bundle.json`` and the card, and ``calibration`` and
        ``thresholds`` to ship.
    curves : dict
        From `curves.curves`.
    """
    decided = nested(reference(clips), folds, logits, config)
    how = (
        f"{len(np.unique(folds))}-fold cross-validation, artist groups disjoint; clips "
        "heard as the product hears a file; calibration and thresholds chosen on the "
        f"other folds; {_intervals_in_words(config)}"
    )
    chosen = _calibrated(logits, reference(clips), config)
    return _found(clips, logits, decided, chosen, how=how, config=config)


def evaluate_holdout(
    clips: Sequence[Clip],
    is_test: Bools,
    logits: Numbers,
    config: EvaluateConfig,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure one model on the test split; choose all that is chosen on validation alone.

    Parameters
    ----------
    clips : sequence of Clip
        Of validation and test.
    is_test : numpy.ndarray, shape (n_clips,), bool
    logits : numpy.ndarray, shape (n_clips, n_genres), float64
    config : EvaluateConfig

    Returns
    -------
    found, curves : dict
        As `evaluate`.
    """
    ref = reference(clips)
    chosen = _calibrated(logits[~is_test], ref[~is_test], config)
    test = [clip for clip, mine in zip(clips, is_test, strict=True) if mine]
    probabilities = calibrate.apply(logits[is_test], chosen[0])
    written = calibrate.written(probabilities, chosen[1])
    how = (
        f"measured on a test split of {len(test)} clips, artist groups disjoint; clips heard as "
        f"the product hears a file; calibration and thresholds chosen on {int((~is_test).sum())} "
        f"validation clips alone; {_intervals_in_words(config)}"
    )
    return _found(test, logits[is_test], (probabilities, written), chosen, how=how, config=config)


def _intervals_in_words(config: EvaluateConfig) -> str:
    return (
        f"{config.interval:.0%} bootstrap intervals over {config.n_resamples} resamples of "
        "artist groups"
    )


def _found(
    clips: Sequence[Clip],
    logits: Numbers,
    decided: tuple[Numbers, Bools],
    chosen: tuple[list[tuple[float, float]], Numbers],
    *,
    how: str,
    config: EvaluateConfig,
) -> tuple[dict[str, Any], dict[str, Any]]:
    ref = reference(clips)
    probabilities, written = decided
    groups = [clip.artist_id for clip in clips]
    raw = 1.0 / (1.0 + np.exp(-logits))
    ranking, decisions = {}, {}
    for name, rows in figures.subsets(clips).items():
        mine = [groups[i] for i in np.flatnonzero(rows)]
        ranking[name] = figures.ranking(ref[rows], probabilities[rows], mine, config)
        decisions[name] = figures.decisions(ref[rows], written[rows], mine, config)
    calibration, thresholds = chosen
    shipped = calibrate.written(calibrate.apply(logits, calibration), thresholds)
    per_genre = {
        genre: {"written": int(written[:, g].sum()), "right": int((written & ref)[:, g].sum())}
        for g, genre in enumerate(GENRES)
    }
    drawn = curves.curves(ref, probabilities, written, raw)
    found = {
        "protocol": how,
        "ranking": ranking,
        "decisions": decisions,
        "decisions_by_genre": per_genre,
        "by_threshold": drawn["by_threshold"],
        "calibration_error": {
            "before": round(metrics.calibration_error(ref, raw), 4),
            "after": round(metrics.calibration_error(ref, probabilities), 4),
        },
        "not_nested": {
            "precision": figures.rounded(calibrate.precision(shipped, ref)),
            "coverage": figures.rounded(calibrate.coverage(shipped)),
        },
    }
    return {
        "metrics": found,
        "calibration": [[round(s, 5), round(i, 5)] for s, i in calibration],
        "thresholds": [float(t) for t in thresholds],
    }, drawn


def write(path: Path, found: dict[str, Any]) -> None:
    """Write what `evaluate` found, as JSON."""
    write_text(path, json.dumps(found, indent=1, allow_nan=False) + "\n")
