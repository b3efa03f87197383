"""Metrics: ranking, calibration error, and intervals over artists."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from training.arrays import Bools, Integers, Numbers


def average_precision(reference: Bools, estimated: Numbers) -> float:
    """Compute the area under precision over recall, without interpolation.

    Parameters
    ----------
    reference : numpy.ndarray, shape (n,), bool
    estimated : numpy.ndarray, shape (n,)
        Scores; equal ones are one step.

    Returns
    -------
    float
        In [0, 1]; NaN if nothing is positive. Equal to
        ``sklearn.metrics.average_precision_score``.

    Examples
    --------
    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.1]))
    0.8333333333333333
    """
    n_positives = int(reference.sum())
    if n_positives == 0:
        return float("nan")
    order = np.argsort(-estimated, kind="stable")
    hits = np.cumsum(reference[order])
    last = np.append(np.flatnonzero(np.diff(estimated[order])), len(order) - 1)
    precision = hits[last] / (last + 1)
    gained = np.diff(hits[last], prepend=0)
    return float((precision * gained).sum() / n_positives)


def macro_average_precision(reference: Bools, estimated: Numbers, genres: Sequence[int]) -> float:
    """Average `average_precision` over some genres, those without positives left out."""
    values = [average_precision(reference[:, g], estimated[:, g]) for g in genres]
    values = [v for v in values if not np.isnan(v)]
    return float(np.mean(values)) if values else float("nan")


def top1_hits(reference: Bools, estimated: Numbers) -> Numbers:
    """Tell of each clip whether its most probable genre is among its labels.

    Parameters
    ----------
    reference : numpy.ndarray, shape (n_clips, n_genres), bool
    estimated : numpy.ndarray, shape (n_clips, n_genres)

    Returns
    -------
    numpy.ndarray, shape (n_clips,), float64
        1 or 0; NaN where a clip has no label.
    """
    hit = reference[np.arange(len(reference)), estimated.argmax(axis=1)].astype(float)
    hit[~reference.any(axis=1)] = np.nan
    return np.asarray(hit)


def ranking_precision(reference: Bools, estimated: Numbers) -> Numbers:
    """Compute the label ranking average precision of each clip.

    For each label of the clip: of the genres ranked at least as high, the share that
    are labels too; averaged over its labels (Tsoumakas, Katakis and Vlahavas, "Mining
    multi-label data", 2010). The mean over clips is scikit-learn's LRAP.

    Returns
    -------
    numpy.ndarray, shape (n_clips,), float64
        NaN where a clip has no label.
    """
    above = estimated[:, None, :] >= estimated[:, :, None]
    rank = above.sum(axis=2)
    labels_above = (above & reference[:, None, :]).sum(axis=2)
    n_labels = reference.sum(axis=1)
    with np.errstate(invalid="ignore"):
        total = np.where(reference, labels_above / rank, 0.0).sum(axis=1) / n_labels
    return np.asarray(total)


def calibration_error(reference: Bools, probabilities: Numbers, n_bins: int = 10) -> float:
    """Compute the expected calibration error over bins of equal width.

    Parameters
    ----------
    reference : numpy.ndarray, bool
        Any shape; each element counts once.
    probabilities : numpy.ndarray
        Same shape.
    n_bins : int

    Returns
    -------
    float
        Mean distance of confidence and frequency (Naeini, Cooper and Hauskrecht, AAAI
        2015), for binary events; NaN of none, as where nothing is written.
    """
    p, hit = probabilities.ravel(), reference.ravel().astype(float)
    if not len(p):
        return float("nan")
    bins = np.minimum((p * n_bins).astype(int), n_bins - 1)
    gap = np.bincount(bins, weights=p - hit, minlength=n_bins)
    return float(np.abs(gap).sum() / len(p))


def intervals(
    groups: Sequence[str],
    measure: Callable[[Integers], Numbers],
    *,
    n_resamples: int,
    interval: float,
    seed: int,
) -> tuple[Numbers, Numbers]:
    """Bootstrap percentile intervals by drawing whole artist groups.

    Clips of one artist are alike, so clips drawn one by one would make intervals that
    are too narrow.

    Parameters
    ----------
    groups : sequence of str, length n_clips
    measure : callable
        From clip indices (some drawn more than once) to an array of figures.
    n_resamples : int
    interval : float
        Such as 0.95.
    seed : int

    Returns
    -------
    low, high : numpy.ndarray
        Of the shape that `measure` returns; NaN resamples are left out.
    """
    _, which = np.unique(np.asarray(groups), return_inverse=True)
    members = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])
    rng = np.random.default_rng(seed)
    drawn = [
        measure(np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))]))
        for _ in range(n_resamples)
    ]
    tail = (1 - interval) / 2
    with warnings.catch_warnings():
        # a figure that is undefined in all resamples stays NaN
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(np.array(drawn), [tail, 1 - tail], axis=0)
    return low, high
