"""Measures of a study: from the files of its trainings to the figures that are published.

`figures` makes one object that JSON can hold; tables and plots (`training.study.findings`) are
made of nothing else. All intervals are over the same resamples of the artists, so that differences
of two variants are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.aggregate import aggregate
from genretagger.genres import GENRES
from training.arrays import Bools, Floats, Integers, Numbers
from training.data.clips import Clip, reference
from training.measure import metrics
from training.study import plan
from training.study.config import EvaluateConfig, StudyConfig
from training.study.grid import REPORTED, Variant, parse
from training.study.plan import Training
from training.study.protocols import PROTOCOLS
from training.study.trainings import category_hits, read_json

Saved = Mapping[str, Any]
"""The arrays of one training: ``test`` and ``validation``, and ``_track`` of both."""


# ---- Measures over resamples ------------------------------------------------------------------


def weigh(clips: Sequence[Clip], config: EvaluateConfig) -> Numbers:
    """Draw how often each clip comes in each resample of the artists.

    Returns
    -------
    numpy.ndarray, shape (1 + n_resamples, n_clips)
        The first row is no resample: each clip once.
    """
    names, which = np.unique([clip.artist_id for clip in clips], return_inverse=True)
    rng = np.random.default_rng(config.seed)
    n = len(names)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=config.n_resamples)
    return np.vstack([np.ones(len(clips)), drawn[:, which]])


def average(values: Numbers, weights: Numbers) -> Numbers:
    """Average over resamples, shape (1 + n_resamples,); NaN where nothing was drawn."""
    with np.errstate(invalid="ignore"):
        return np.asarray(weights @ values / weights.sum(axis=1))


def average_precision(known: Bools, scores: Numbers, weights: Numbers) -> Numbers:
    """Compute `metrics.average_precision` of one genre in each resample.

    Parameters
    ----------
    known : numpy.ndarray, shape (n_tracks,), bool
    scores : numpy.ndarray, shape (n_tracks,)
    weights : numpy.ndarray, shape (1 + n_resamples, n_tracks)

    Returns
    -------
    numpy.ndarray, shape (1 + n_resamples,)
        NaN where nothing positive was drawn.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of equal scores
    end = last[np.searchsorted(last, np.arange(len(order)))]
    weights, hits = weights[:, order], weights[:, order] * known[order]
    with np.errstate(invalid="ignore"):
        precision = np.cumsum(hits, axis=1)[:, end] / np.cumsum(weights, axis=1)[:, end]
        return np.asarray((hits * np.nan_to_num(precision)).sum(axis=1) / hits.sum(axis=1))


def by_track(probabilities: Floats, track: Integers) -> tuple[Integers, Numbers]:
    """Combine the parts of each track as the product combines segments.

    Returns
    -------
    tracks : numpy.ndarray, shape (n_tracks,), int64
    probabilities : numpy.ndarray, shape (n_tracks, n_genres), float64
    """
    tracks = np.unique(track)
    return tracks, np.array([aggregate(probabilities[track == i]) for i in tracks])


def tune(labels: Bools, probabilities: Numbers, least_tuned: int) -> Numbers:
    """Choose the thresholds with the highest F1.

    Parameters
    ----------
    labels : numpy.ndarray, shape (n_tracks, n_genres), bool
    probabilities : numpy.ndarray, shape (n_tracks, n_genres)
    least_tuned : int
        A genre with fewer tracks has the threshold that is best for all genres together.

    Returns
    -------
    numpy.ndarray, shape (n_genres,)
    """

    def best(known: Bools, scores: Numbers) -> float:
        order = np.argsort(-scores, kind="stable")
        hits = np.cumsum(known[order])
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + known.sum())
        return float(scores[order[int(f1.argmax())]])

    common = best(labels.ravel(), probabilities.ravel())
    return np.array(
        [
            best(known, scores) if known.sum() >= least_tuned else common
            for known, scores in zip(labels.T, probabilities.T, strict=True)
        ]
    )


def f1_score(labels: Bools, decided: Bools, weights: Numbers) -> Numbers:
    """Compute F1 over all pairs of track and genre (micro average) in each resample."""
    right = weights @ (labels & decided).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * right / (weights @ (labels.sum(axis=1) + decided.sum(axis=1))))


def measure_examples(folds: Sequence[Saved], labels: Bools, weights: Numbers) -> Numbers:
    """Compute the report's accuracy over the test parts of some folds, in each resample."""
    track = np.concatenate([saved["test_track"] for saved in folds])
    hits = category_hits(labels[track], np.concatenate([saved["test"] for saved in folds]))
    labelled = labels[track].any(axis=1)
    return average(hits[labelled].astype(float), weights[:, track[labelled]])


def measure_tracks(
    folds: Sequence[Saved], labels: Bools, weights: Numbers, config: EvaluateConfig
) -> dict[str, Numbers]:
    """Measure whole tracks over the test parts of some folds, in each resample.

    Returns
    -------
    dict of str to numpy.ndarray, shape (1 + n_resamples,)
        ``top1``: the most probable genre is among the labels. ``map``: average precision,
        averaged over the genres with `least_positives` tracks. ``f1``: at thresholds that
        were chosen on each fold's validation part.
    """
    each, decisions, rows = [], [], []
    for saved in folds:
        tracks, scores = by_track(saved["test"], saved["test_track"])
        tuned, tuned_scores = by_track(saved["validation"], saved["validation_track"])
        decisions.append(scores >= tune(labels[tuned], tuned_scores, config.least_tuned))
        each.append(scores)
        rows.append(tracks)
    track, scores = np.concatenate(rows), np.concatenate(each)
    decided = np.concatenate(decisions)
    known, weights = labels[track], weights[:, track]
    counted = np.flatnonzero(known.sum(axis=0) >= config.least_positives).tolist()
    hits, labelled = metrics.top1_hits(known, scores), known.any(axis=1)
    precisions = [average_precision(known[:, g], scores[:, g], weights) for g in counted]
    return {
        "top1": average(hits[labelled], weights[:, labelled]),
        "map": np.ma.masked_invalid(precisions).mean(axis=0).filled(np.nan)
        if counted
        else np.full(len(weights), np.nan),
        "f1": f1_score(known, decided, weights),
    }


# ---- Figures ---------------------------------------------------------------------------------


def figures(folder: Path, clips: Sequence[Clip], config: StudyConfig) -> dict[str, Any]:
    """Measure all trainings that are done.

    Parameters
    ----------
    folder : pathlib.Path
        With the results.
    clips : sequence of Clip
    config : StudyConfig

    Returns
    -------
    dict
        What JSON can hold: ``data``, ``settings``, ``trainings``, and a list for each table
        with the rows whose trainings are all done. A figure is ``[value, low, high]``.

    Raises
    ------
    FatalError
        If a result comes from other data or settings.
    """
    study = _Study(folder, clips, config)
    train = config.train
    return {
        "data": {
            "n_tracks": len(clips),
            "n_artists": len({clip.artist_id for clip in clips}),
            "sr": config.features.sr,
            "test": study.test_genres(),
            "least_positives": config.evaluate.least_positives,
        },
        "settings": {
            "batch_size": train.batch_size,
            "patience": train.patience,
            "most_passes": train.most_passes,
            "n_rotations": config.split.n_rotations,
            "interval": config.evaluate.interval,
            "decisive": list(config.plan.decisive),
        },
        "n_planned": len(study.planned),
        "trainings": [_costs(about) for about in study.done.values()],
        "grid": study.grid(),
        "copies": study.copies(),
        "leakage": study.leakage(),
        "decisive": study.decisive(),
        "seeds": study.seeds(),
        "curves": study.curves(),
    }


def _costs(about: Mapping[str, Any]) -> dict[str, Any]:
    """Tell how long a training took, and whether that was enough."""
    return {
        **{key: about[key] for key in ("variant", "protocol", "fold", "seed", "converged")},
        "passes": len(about["log"]),
        "best_pass": about["best_pass"],
        "seconds": round(sum(line["seconds"] for line in about["log"])),
        "cpu_seconds": round(sum(line["cpu_seconds"] for line in about["log"])),
        "peak_mb": None if about["peak_mb"] is None else round(about["peak_mb"]),
    }


class _Study:
    """What is done of a study, and its figures.

    Attributes
    ----------
    planned : list of Training
    done : dict of Training to dict
        With what the JSON of each holds.
    """

    def __init__(self, folder: Path, clips: Sequence[Clip], config: StudyConfig) -> None:
        self._folder, self._config, self._clips = folder, config, clips
        self._labels, self._weights = reference(clips), weigh(clips, config.evaluate)
        self.planned = plan.trainings(config)
        found = {one: read_json(folder, one, config, clips) for one in self.planned}
        self.done = {one: about for one, about in found.items() if about is not None}
        self._measured: dict[tuple[bool, tuple[Training, ...]], dict[str, Numbers]] = {}

    def _first(self, variant: Variant, protocol: str) -> list[Training]:
        return [Training(variant, protocol, 0, self._config.train.seed)]

    def _folds(self, variant: Variant, protocol: str) -> list[Training]:
        """List the trainings of all folds; one for a protocol that has but one."""
        n = self._config.split.n_rotations if protocol == "artists" else 1
        return [Training(variant, protocol, fold, self._config.train.seed) for fold in range(n)]

    def _measure(
        self, trainings: Sequence[Training], *, majority: bool = False
    ) -> dict[str, Numbers] | None:
        """Measure the test parts of trainings together, or say nothing if one is not done.

        With `majority`, as if each had learned nothing but how frequent each genre is.
        """
        if not all(one in self.done for one in trainings):
            return None
        key = majority, tuple(trainings)
        if key not in self._measured:
            folds = [self._load(one, majority=majority) for one in trainings]
            values = {"accuracy": measure_examples(folds, self._labels, self._weights)}
            if trainings[0].protocol != "shuffled":  # parts of its tracks were learned from
                values |= measure_tracks(folds, self._labels, self._weights, self._config.evaluate)
            self._measured[key] = values
        return self._measured[key]

    def _load(self, training: Training, *, majority: bool) -> Saved:
        with np.load(training.path(self._folder).with_suffix(".npz")) as file:
            saved = dict(file)
        if majority:
            prevalence = np.array(self.done[training]["prevalence"], dtype=np.float32)
            for part in ("test", "validation"):
                saved[part] = np.tile(prevalence, (len(saved[part]), 1))
        return saved

    def _figure(self, values: Numbers) -> list[float | None]:
        tail = (1 - self._config.evaluate.interval) / 2
        if np.isnan(values[0]):
            return [None, None, None]
        low, high = np.nanquantile(values[1:], [tail, 1 - tail])
        return [round(float(value), 4) for value in (values[0], low, high)]

    def _figures(self, values: Mapping[str, Numbers]) -> dict[str, Any]:
        return {name: self._figure(value) for name, value in values.items()}

    def test_genres(self) -> dict[str, int]:
        """Count the tracks of each genre in the first test part, artists apart."""
        for one in self.done:
            if one.protocol == "artists" and one.fold == 0:
                tracks = np.unique(self._load(one, majority=False)["test_track"])
                return dict(zip(GENRES, self._labels[tracks].sum(axis=0).tolist(), strict=True))
        return {}

    def grid(self) -> list[dict[str, Any]]:
        """Lay out one row for each variant, in the report's order, the majority before them."""
        rows: list[dict[str, Any]] = []
        for name in REPORTED:
            row: dict[str, Any] = {"variant": name, "reported": REPORTED[name]}
            for protocol in ("shuffled", "artists"):
                trainings = self._first(parse(name), protocol)
                values = self._measure(trainings)
                nothing = self._measure(trainings, majority=True)
                if values is None or nothing is None:
                    continue
                log = self.done[trainings[0]]["log"]
                row[protocol] = self._figures(values) | {
                    "maximum": round(max(line["validation_accuracy"] for line in log), 4)
                }
                if protocol == "artists":
                    over = self._figure(values["top1"] - nothing["top1"])
                    row[protocol]["over_majority"] = over
            if len(row) > 2:
                rows.append(row)
        majority: dict[str, Any] = {"variant": None, "reported": None}
        for protocol in ("shuffled", "artists"):
            measured = [row["variant"] for row in rows if protocol in row]
            if measured:
                first = self._first(parse(measured[0]), protocol)
                majority[protocol] = self._figures(self._measure(first, majority=True) or {})
        return [majority, *rows] if rows else []

    def copies(self) -> list[dict[str, Any]]:
        """Lay out what copies gain in each decisive pair, by each protocol."""
        rows = []
        for protocol in PROTOCOLS:
            majority = None
            for name in self._config.plan.decisive:
                gain = self._gain(name, protocol)
                if gain is None:
                    continue
                before, after = gain
                plain, copied = plan.pair(name)
                row: dict[str, Any] = {
                    "variant": name,
                    "protocol": protocol,
                    "n_folds": len(self._folds(plain, protocol)),
                    "reported": round(REPORTED[copied.id] - REPORTED[plain.id], 4),
                }
                for measure in ("accuracy", "top1") if "top1" in before else ("accuracy",):
                    row[measure] = {
                        "without": self._figure(before[measure]),
                        "with": self._figure(after[measure]),
                        "difference": self._figure(after[measure] - before[measure]),
                    }
                if majority is None:
                    nothing = self._measure(self._folds(plain, protocol), majority=True)
                    majority = {**row, "variant": None, "reported": None}
                    majority |= {
                        measure: {"without": self._figure(value)}
                        for measure, value in (nothing or {}).items()
                        if measure in row
                    }
                    rows.append(majority)
                rows.append(row)
        return rows

    def _gain(
        self, name: str, protocol: str
    ) -> tuple[dict[str, Numbers], dict[str, Numbers]] | None:
        before, after = (self._measure(self._folds(v, protocol)) for v in plan.pair(name))
        return None if before is None or after is None else (before, after)

    def leakage(self) -> dict[str, Any]:
        """Average over all decisive pairs what copies gain, by protocol; empty if one lacks."""
        means = {}
        for protocol in PROTOCOLS:
            gains = [self._gain(name, protocol) for name in self._config.plan.decisive]
            there = [
                after["accuracy"] - before["accuracy"] for before, after in filter(None, gains)
            ]
            if len(there) < len(gains):
                return {}
            means[protocol] = np.mean(there, axis=0)
        means["lost"] = means["shuffled"] - means["tracks"]
        return self._figures(means)

    def decisive(self) -> list[dict[str, Any]]:
        """Compare the variants that decide, over all folds, the majority before them."""
        chosen = plan.decisive(self._config)
        best = max(chosen, key=lambda variant: REPORTED[variant.id])
        reference_values = self._measure(self._folds(best, "artists"))
        rows: list[dict[str, Any]] = []
        for variant in chosen:
            folds = self._folds(variant, "artists")
            values, nothing = self._measure(folds), self._measure(folds, majority=True)
            if values is None or nothing is None:
                continue
            if not rows:
                rows.append({"variant": None, **self._figures(nothing)})
            row: dict[str, Any] = {"variant": variant.id, **self._figures(values)}
            row["over_majority"] = self._figure(values["top1"] - nothing["top1"])
            if reference_values is not None and variant != best:
                row["over"] = best.id
                for measure in ("top1", "map"):
                    difference = values[measure] - reference_values[measure]
                    row[f"{measure}_over"] = self._figure(difference)
            rows.append(row)
        return rows

    def seeds(self) -> list[dict[str, Any]]:
        """Lay out the same training with several seeds, artists apart on the first fold."""
        rows: list[dict[str, Any]] = []
        first, n = self._config.train.seed, self._config.plan.n_seeds
        for variant in plan.decisive(self._config):
            seeds = [Training(variant, "artists", 0, first + i) for i in range(n)]
            values = [self._measure([one]) for one in seeds]
            nothing = self._measure(seeds[:1], majority=True)
            if nothing is None or n < 2 or any(value is None for value in values):
                continue
            if not rows:
                rows.append({"variant": None, **_each([nothing])})
            rows.append({"variant": variant.id, **_each([v for v in values if v is not None])})
        return rows

    def curves(self) -> list[dict[str, Any]]:
        """List the losses of the decisive variants' first trainings, pass by pass."""
        keys = ("loss", "validation_loss")
        return [
            {
                "variant": one.variant.id,
                "protocol": one.protocol,
                **{key: [round(line[key], 4) for line in about["log"]] for key in keys},
            }
            for one, about in self.done.items()
            if one.variant in plan.decisive(self._config)
            and (one.fold, one.seed) == (0, self._config.train.seed)
        ]


def _each(values: Sequence[Mapping[str, Numbers]]) -> dict[str, list[float]]:
    """List figures of several trainings, by measure."""
    return {
        measure: [round(float(one[measure][0]), 4) for one in values]
        for measure in ("accuracy", "top1", "map")
    }
