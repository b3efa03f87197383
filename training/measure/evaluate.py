"""Predictions of clips, and their metrics.

Clips are decoded, extracted, predicted, aggregated and decided on by the product's own code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from genretagger import bundle
from genretagger.aggregate import aggregate, logit
from genretagger.classifier import Classifier
from genretagger.errors import FatalError, TrackError
from genretagger.features import FeatureConfig
from genretagger.genres import GENRES
from genretagger.hearing import hear
from training.arrays import Bools, Integers, Numbers
from training.config import EvaluateConfig, Subset
from training.data.clips import Clip, reference
from training.features import mel
from training.files import write_text
from training.measure import calibrate, curves, figures, metrics
from training.networks import litert

IDENTITY = ((1.0, 0.0),) * len(GENRES)
"""No calibration."""

UNHEARD = 0.95
"""The threshold of a genre that is unheard: see `calibrate.unheard`."""


def write_fold_bundle(inference: Any, features: FeatureConfig, folder: Path) -> None:
    """Write a bundle that holds nothing but a network, for measuring it."""
    model = litert.to_tflite(inference)
    about = {"name": "fold", "purpose": "measured in cross-validation, not for use"}
    bundle.write(
        folder,
        model=model,
        golden={},
        features=features,
        filterbank=mel.filterbank(features),
        thresholds=(0.5,) * len(GENRES),
        calibration=IDENTITY,
        about=about | litert.named_embedding(model),
        card="One fold's network, for measuring; not for use.\n",
    )


def predict(folder: Path, paths: Sequence[Path]) -> Numbers:
    """Predict clips as the product predicts files.

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
    classifier = Classifier(bundle.read(folder))
    logits = np.full((len(paths), len(GENRES)), np.nan)
    for row, path in zip(logits, paths, strict=True):
        by_segment = hear(path, classifier).by_segment
        if len(by_segment):
            row[:] = logit(np.array(aggregate(by_segment)))
    return logits


def predict_clips(folder: Path, clips: Sequence[Clip], data: Path, n_jobs: int) -> Numbers:
    """Predict clips by one bundle, in several processes.

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
        If a clip cannot be decoded, although the manifest says that it could, or is silent.
    """
    paths = [data / clip.path for clip in clips]
    parts = np.array_split(np.arange(len(paths)), max(1, n_jobs))
    try:
        predicted = joblib.Parallel(n_jobs=n_jobs)(
            joblib.delayed(predict)(folder, [paths[i] for i in part.tolist()]) for part in parts
        )
    except TrackError as error:
        raise FatalError(f"{error}; the manifest is stale: run the stage `manifest`") from error
    logits = np.concatenate(predicted)
    if not np.isfinite(logits).all():
        rows = np.flatnonzero(np.isnan(logits).any(axis=1)).tolist()
        silent = [clips[i].track_id for i in rows]
        raise FatalError(f"no prediction for {', '.join(silent[:5])}: silent; leave them out")
    return logits


@dataclass(frozen=True)
class Choice:
    """Calibration and thresholds, chosen on some clips to decide on others.

    Attributes
    ----------
    calibration : list of (float, float), length n_genres
        Slope and intercept.
    threshold : float
        The same for all genres.
    unheard : numpy.ndarray, shape (n_genres,), bool
        Genres of which nothing is written unless the network is all but certain.
    """

    calibration: list[tuple[float, float]]
    threshold: float
    unheard: Bools = field(default_factory=lambda: np.zeros(len(GENRES), dtype=bool))

    @property
    def thresholds(self) -> Numbers:
        """Of each genre."""
        return np.where(self.unheard, UNHEARD, self.threshold)

    def decide(self, logits: Numbers) -> tuple[Numbers, Bools]:
        """Calibrate logits, and let the product decide: probabilities, and what is written."""
        probabilities = calibrate.apply(logits, self.calibration)
        return probabilities, calibrate.written(probabilities, self.thresholds)


def choose(logits: Numbers, ref: Bools, sets: Integers, config: EvaluateConfig) -> Choice:
    """Choose calibration and thresholds on predictions of clips with labels."""
    curve = calibrate.platt(logits.ravel(), ref.ravel(), config.calibration_c)
    calibration = [curve] * len(GENRES)
    threshold = calibrate.choose_threshold(
        calibrate.apply(logits, calibration),
        ref,
        sets,
        wanted=config.precision,
        lowest=config.lowest_threshold,
    )
    return Choice(calibration, threshold)


def nested(
    ref: Bools, parts: Integers, logits: Numbers, sets: Integers, config: EvaluateConfig
) -> tuple[Numbers, Bools]:
    """Decide on each part with what was chosen on the other parts.

    Parameters
    ----------
    ref : numpy.ndarray, shape (n_clips, n_genres), bool
    parts : numpy.ndarray, shape (n_clips,), int
        Folds, or sets that are held out as a whole.
    logits : numpy.ndarray, shape (n_clips, n_genres), float64
    sets : numpy.ndarray, shape (n_clips,), int
        See `calibrate.choose_threshold`.
    config : EvaluateConfig

    Returns
    -------
    probabilities : numpy.ndarray, shape (n_clips, n_genres), float64
        Calibrated.
    written : numpy.ndarray, shape (n_clips, n_genres), bool
    """
    probabilities, written = np.zeros_like(logits), np.zeros_like(ref)
    for k in np.unique(parts):
        measured = parts == k
        choice = choose(logits[~measured], ref[~measured], sets[~measured], config)
        probabilities[measured], written[measured] = choice.decide(logits[measured])
    return probabilities, written


def evaluate(
    clips: Sequence[Clip],
    folds: Integers,
    logits: Numbers,
    unseen: Numbers,
    *,
    config: EvaluateConfig,
    subsets: Mapping[str, Subset],
    held_out: Mapping[str, Subset],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure predictions out of the fold, and of sets that are held out as a whole.

    Calibration and thresholds are measured nested: for each fold or set they are chosen on
    the others' predictions. What ships is chosen on predictions by models that had not seen
    the clip's set, and out of the fold where there are none.

    Parameters
    ----------
    clips : sequence of Clip
        Those to be measured.
    folds : numpy.ndarray, shape (n_clips,), int
    logits : numpy.ndarray, shape (n_clips, n_genres), float64
        Mean logits by the model that has not learned from the clip's artist.
    unseen : numpy.ndarray, shape (n_clips, n_genres), float64
        Mean logits by the model that has not learned from the clip's set; NaN where no model
        is without it.
    config : EvaluateConfig
    subsets : mapping of str to Subset
        What is quoted apart.
    held_out : mapping of str to Subset
        The sets that are held out.

    Returns
    -------
    measured : dict
        ``metrics``, for ``bundle.json`` and the card, and ``calibration`` and
        ``thresholds`` to ship.
    curves : dict
        From `curves.curves`.
    """
    ref = reference(clips)
    how = (
        f"{len(np.unique(folds))}-fold cross-validation, artist groups disjoint; clips "
        "heard as the product hears a file; calibration and thresholds chosen on the "
        f"other folds; {_intervals_in_words(config)}"
    )
    sets = numbered_sets(clips, held_out)
    decided = nested(ref, folds, logits, sets, config)
    rows = np.flatnonzero(np.isfinite(unseen).all(axis=1))
    strangers = nested(ref[rows], sets[rows], unseen[rows], sets[rows], config)
    newest = logits.copy()
    newest[rows] = unseen[rows]
    written, labels = (strangers[1], ref[rows]) if len(rows) else (decided[1], ref)
    choice = replace(
        choose(newest, ref, sets, config),
        unheard=calibrate.unheard(written, labels, config.threshold_prior),
    )
    measured, drawn = _measure(
        clips, logits, decided, choice, how=how, config=config, subsets=subsets
    )
    if len(rows):
        kept = [clips[i] for i in rows.tolist()]
        measured["metrics"]["unseen"] = _measure_unseen(kept, strangers, config, held_out)
    return measured, drawn


def numbered_sets(clips: Sequence[Clip], held_out: Mapping[str, Subset]) -> Integers:
    """Give each clip the number of its set.

    Returns
    -------
    numpy.ndarray, shape (n_clips,), int
        Clips that are in none are one set more.
    """
    sets = np.full(len(clips), len(held_out))
    for i, subset in enumerate(held_out.values()):
        sets[[subset.holds(clip.source) for clip in clips]] = i
    return sets


def _measure_unseen(
    clips: Sequence[Clip],
    decided: tuple[Numbers, Bools],
    config: EvaluateConfig,
    held_out: Mapping[str, Subset],
) -> dict[str, Any]:
    """Measure each set by the model that has seen none of it."""
    ref = reference(clips)
    probabilities, written = decided
    groups = np.array([clip.artist_id for clip in clips])
    figures_of: dict[str, Any] = {"ranking": {}, "decisions": {}, "calibration_error": {}}
    for name, rows in figures.select(clips, held_out).items():
        these = groups[rows].tolist()
        figures_of["ranking"][name] = figures.ranking(ref[rows], probabilities[rows], these, config)
        figures_of["decisions"][name] = figures.decisions(ref[rows], written[rows], these, config)
        figures_of["calibration_error"][name] = _calibration_errors(
            ref[rows], probabilities[rows], written[rows]
        )
    figures_of["decisions_by_genre"] = figures.by_genre(ref, written)
    how = (
        "each set predicted by a model that has learned from none of its clips, nor from other "
        "clips by its artists; calibration and thresholds chosen on the other sets; "
        f"{_intervals_in_words(config)}"
    )
    return {"protocol": how} | figures_of


def _calibration_errors(
    ref: Bools, probabilities: Numbers, written: Bools
) -> dict[str, float | None]:
    best = np.zeros_like(written)
    best[np.arange(len(best)), probabilities.argmax(axis=1)] = True
    return {
        name: figures.rounded(metrics.calibration_error(ref[which], probabilities[which]))
        for name, which in (("all", np.ones_like(best)), ("best", best), ("written", written))
    }


def evaluate_holdout(
    clips: Sequence[Clip],
    is_test: Bools,
    logits: Numbers,
    config: EvaluateConfig,
    subsets: Mapping[str, Subset],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure one model on the test split; calibrate and choose thresholds on validation alone.

    Parameters
    ----------
    clips : sequence of Clip
        Of validation and test.
    is_test : numpy.ndarray, shape (n_clips,), bool
    logits : numpy.ndarray, shape (n_clips, n_genres), float64
    config : EvaluateConfig
    subsets : mapping of str to Subset
        What is quoted apart.

    Returns
    -------
    measured, curves : dict
        As `evaluate`.
    """
    one_set = np.zeros(int((~is_test).sum()), dtype=np.int64)
    choice = choose(logits[~is_test], reference(clips)[~is_test], one_set, config)
    test = [clip for clip, measured in zip(clips, is_test, strict=True) if measured]
    how = (
        f"measured on a test split of {len(test)} clips, artist groups disjoint; clips heard as "
        f"the product hears a file; calibration and thresholds chosen on {int((~is_test).sum())} "
        f"validation clips alone; {_intervals_in_words(config)}"
    )
    decided = choice.decide(logits[is_test])
    test_logits = logits[is_test]
    return _measure(test, test_logits, decided, choice, how=how, config=config, subsets=subsets)


def _intervals_in_words(config: EvaluateConfig) -> str:
    return (
        f"{config.interval:.0%} bootstrap intervals over {config.n_resamples} resamples of "
        "artist groups"
    )


def _measure(
    clips: Sequence[Clip],
    logits: Numbers,
    decided: tuple[Numbers, Bools],
    choice: Choice,
    *,
    how: str,
    config: EvaluateConfig,
    subsets: Mapping[str, Subset],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure decisions that were made without the clip's own label, and lay out what ships.

    Parameters
    ----------
    clips : sequence of Clip
    logits : numpy.ndarray, shape (n_clips, n_genres)
    decided : tuple
        Calibrated probabilities and what is written, as `Choice.decide` gives them.
    choice : Choice
        What ships.
    how : str
        The protocol in words.
    config : EvaluateConfig
    subsets : mapping of str to Subset
    """
    ref = reference(clips)
    probabilities, written = decided
    groups = [clip.artist_id for clip in clips]
    raw = 1.0 / (1.0 + np.exp(-logits))
    ranking, decisions = {}, {}
    for name, rows in figures.select(clips, subsets).items():
        groups_of = [groups[i] for i in np.flatnonzero(rows)]
        ranking[name] = figures.ranking(ref[rows], probabilities[rows], groups_of, config)
        decisions[name] = figures.decisions(ref[rows], written[rows], groups_of, config)
    _, shipped = choice.decide(logits)
    drawn = curves.curves(ref, probabilities, written, raw)
    measured = {
        "protocol": how,
        "ranking": ranking,
        "decisions": decisions,
        "decisions_by_genre": figures.by_genre(ref, written),
        "unheard": [GENRES[g] for g in np.flatnonzero(choice.unheard)],
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
        "metrics": measured,
        "calibration": [[round(s, 5), round(i, 5)] for s, i in choice.calibration],
        "thresholds": [float(t) for t in choice.thresholds],
    }, drawn


def write(path: Path, measured: dict[str, Any]) -> None:
    """Write what `evaluate` measured, as JSON."""
    write_text(path, json.dumps(measured, indent=1, allow_nan=False) + "\n")
