"""Figures of one subset: ranking and decisions, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genretagger.genres import GENRES
from training.arrays import Bools, Integers, Numbers
from training.config import EvaluateConfig, Subset
from training.data.clips import Clip
from training.measure import metrics


def _mean(numbers: Numbers) -> float:
    numbers = numbers[~np.isnan(numbers)]
    return float(numbers.mean()) if len(numbers) else float("nan")


def rounded(number: float) -> float | None:
    """Round to four digits; None for what is undefined, since JSON has no NaN."""
    return None if np.isnan(number) else round(float(number), 4)


def ranking(
    ref: Bools, estimated: Numbers, groups: Sequence[str], config: EvaluateConfig
) -> dict[str, Any]:
    """Measure one subset: value, interval and majority guess of each ranking metric."""
    counts = ref.sum(axis=0)
    counted = [g for g in range(len(GENRES)) if counts[g] >= config.least_positives]

    def measures(scores: Numbers) -> Any:
        hits = metrics.top1_hits(ref, scores)
        lrap = metrics.ranking_precision(ref, scores)

        def measure(rows: Integers) -> Numbers:
            each = [
                metrics.average_precision(ref[rows, g], scores[rows, g]) for g in range(len(GENRES))
            ]
            return np.array(
                [
                    _mean(hits[rows]),
                    _mean(np.array([each[g] for g in counted])),
                    _mean(lrap[rows]),
                    *each,
                ]
            )

        return measure

    everything = np.arange(len(ref))
    value = measures(estimated)(everything)
    # the majority guess says the same of every clip: how common each genre is
    constant = np.broadcast_to(counts / len(ref), ref.shape)
    majority = measures(np.asarray(constant, dtype=float))(everything)
    low, high = metrics.intervals(
        groups,
        measures(estimated),
        n_resamples=config.n_resamples,
        interval=config.interval,
        seed=config.seed,
    )

    def figure(i: int) -> dict[str, Any]:
        numbers = {"value": value[i], "low": low[i], "high": high[i], "majority": majority[i]}
        return {key: rounded(number) for key, number in numbers.items()}

    return {
        "n_clips": len(ref),
        "n_groups": len(set(groups)),
        "n_without_label": int((~ref.any(axis=1)).sum()),
        "top1_in_labels": figure(0),
        "macro_map": figure(1) | {"genres": [GENRES[g] for g in counted]},
        "lrap": figure(2),
        "average_precision": {
            genre: figure(3 + g) | {"positives": int(counts[g])}
            for g, genre in enumerate(GENRES)
            if counts[g]
        },
    }


def by_genre(ref: Bools, written: Bools) -> dict[str, dict[str, int]]:
    """Count how often each genre is written, and right."""
    right = (written & ref).sum(axis=0)
    return {
        genre: {"written": int(n), "right": int(r)}
        for genre, n, r in zip(GENRES, written.sum(axis=0), right, strict=True)
    }


def decisions(
    ref: Bools, written: Bools, groups: Sequence[str], config: EvaluateConfig
) -> dict[str, Any]:
    """Measure the genres that would be written."""
    labelled = np.asarray(ref.any(axis=1))
    counted = np.flatnonzero(ref.sum(axis=0) >= config.least_positives)

    def measure(rows: Integers) -> Numbers:
        out, want = written[rows], ref[rows]
        right, n_written = (out & want).sum(), out.sum()
        first = labelled[rows]
        both = (out.sum(axis=0) + want.sum(axis=0))[counted]
        with np.errstate(invalid="ignore"):
            f1 = 2 * (out & want).sum(axis=0)[counted] / both
        return np.array(
            [
                right / n_written if n_written else np.nan,
                out.any(axis=1).mean(),
                out[first].any(axis=1).mean() if first.any() else np.nan,
                (~out[~first].any(axis=1)).mean() if (~first).any() else np.nan,
                right / want.sum() if want.any() else np.nan,
                out.sum() / max(1, out.any(axis=1).sum()),
                (out == want).all(axis=1).mean(),
                2 * right / (n_written + want.sum()) if n_written + want.sum() else np.nan,
                _mean(f1),
            ]
        )

    names = (
        "precision",
        "coverage",
        "coverage_of_labelled",
        "undecided_without_label",
        "recall",
        "genres_per_decision",
        "exact_set",
        "micro_f1",
        "macro_f1",
    )
    value = measure(np.arange(len(ref)))
    low, high = metrics.intervals(
        groups,
        measure,
        n_resamples=config.n_resamples,
        interval=config.interval,
        seed=config.seed,
    )
    return {
        name: {"value": rounded(value[i]), "low": rounded(low[i]), "high": rounded(high[i])}
        for i, name in enumerate(names)
    }


def select(clips: Sequence[Clip], subsets: Mapping[str, Subset]) -> dict[str, Bools]:
    """Select the clips of each subset, beside all; empty subsets are left out.

    Where no subset is named, each source is one, if there are several.

    Returns
    -------
    dict of str to numpy.ndarray, shape (n_clips,), bool
        ``all`` first.
    """
    chosen = {"all": np.ones(len(clips), dtype=bool)}
    sources = {clip.source for clip in clips}
    if not subsets and len(sources) > 1:
        subsets = {name: Subset(only=(name,)) for name in sorted(sources)}
    for name, subset in subsets.items():
        chosen[name] = np.array([subset.holds(clip.source) for clip in clips])
    return {name: rows for name, rows in chosen.items() if rows.any()}
