"""From scores to decisions: a calibration and a threshold for each genre."""

from __future__ import annotations

import numpy as np

from genretagger.decide import DecisionPolicy, decide
from genretagger.genres import GENRES
from genretagger.records import Prediction
from training.arrays import Bools, Integers, Numbers

MAX_SLOPE = 100.0
"""What `genretagger.bundle` accepts."""


def platt(logits: Numbers, reference: Bools, strength: float) -> tuple[float, float]:
    """Fit a logistic curve to one genre's mean logits.

    Platt 1999, with a Gaussian prior around "leave it as it is" (slope 1, intercept 0)
    instead of smoothed targets, so that a genre with few positives moves little.

    Parameters
    ----------
    logits : numpy.ndarray, shape (n_clips,)
    reference : numpy.ndarray, shape (n_clips,), bool
    strength : float
        Of the prior: its precision, against one for each clip's log-likelihood.

    Returns
    -------
    slope, intercept : float
        Slope in [0, `MAX_SLOPE`].
    """
    design = np.stack([logits, np.ones_like(logits)], axis=1).astype(float)
    prior = np.array([1.0, 0.0])
    theta = prior.copy()
    y = reference.astype(float)

    def cost(t: Numbers) -> float:
        z = design @ t
        penalty = 0.5 * strength * ((t - prior) ** 2).sum()
        return float((np.logaddexp(0.0, z) - y * z).sum() + penalty)

    for _ in range(100):  # Newton's method, damped; the cost is convex
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ theta, -50, 50)))
        gradient = design.T @ (p - y) + strength * (theta - prior)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + strength * np.eye(2)
        move = np.linalg.solve(hessian, gradient)
        size = 1.0
        while cost(theta - size * move) > cost(theta) and size > 1e-6:
            size /= 2
        theta = theta - size * move
        if np.abs(size * move).max() < 1e-9:
            break
    return float(np.clip(theta[0], 0.0, MAX_SLOPE)), float(np.clip(theta[1], -100.0, 100.0))


def apply(logits: Numbers, calibration: list[tuple[float, float]]) -> Numbers:
    """Turn mean logits into calibrated probabilities, as `aggregate.aggregate` does."""
    slope, intercept = np.array(calibration).T
    return np.asarray(1.0 / (1.0 + np.exp(-(logits * slope + intercept))))


def written(probabilities: Numbers, thresholds: Numbers) -> Bools:
    """Let the product decide on each clip.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n_clips, n_genres)
        Calibrated.
    thresholds : numpy.ndarray, shape (n_genres,)

    Returns
    -------
    numpy.ndarray, shape (n_clips, n_genres), bool
        What `decide.decide` would write, with its default policy.
    """
    policy = DecisionPolicy(tuple(float(t) for t in thresholds))
    out = np.zeros(probabilities.shape, dtype=bool)
    for row, p in zip(out, probabilities, strict=True):
        for genre in decide(Prediction(tuple(float(v) for v in p)), policy).genres:
            row[GENRES.index(genre)] = True
    return out


def precision(out: Bools, reference: Bools) -> float:
    """Of the genres written, compute the share that are labels; NaN if none is written."""
    n = int(out.sum())
    return float((out & reference).sum() / n) if n else float("nan")


def coverage(out: Bools) -> float:
    """Compute the share of clips that get a decision."""
    return float(out.any(axis=1).mean()) if len(out) else float("nan")


def choose_threshold(
    probabilities: Numbers, reference: Bools, sets: Integers, *, wanted: float, lowest: float
) -> float:
    """Choose one threshold for all genres, for precision first, then coverage.

    The lowest one at which the product's decisions reach the wanted precision on each set,
    since a user's collection may be like the worst of them. Thresholds for each genre, or none
    for a genre that does badly, decided less or worse on a set that they were not chosen on.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n_clips, n_genres)
        Calibrated, of clips that the network has not learned from.
    reference : numpy.ndarray, shape (n_clips, n_genres), bool
    sets : numpy.ndarray, shape (n_clips,), int
        The set that each clip is of.
    wanted : float
        Precision.
    lowest : float
        The threshold is not below.

    Returns
    -------
    float
        Two digits, at most 0.95.
    """
    for hundredths in range(round(lowest * 100), 96):
        threshold = hundredths / 100
        out = written(probabilities, np.full(probabilities.shape[1], threshold))
        each = (precision(out[sets == s], reference[sets == s]) for s in np.unique(sets))
        if not any(p < wanted for p in each):
            break
    return threshold


LEAST_PRECISION = 0.6
"""Of a genre that is heard; at 0.7, Electronic (0.67) would be lost, of which there is much."""


def unheard(out: Bools, reference: Bools, prior: float) -> Bools:
    """Find the genres that are wrong in more than two of five times that they are written.

    Parameters
    ----------
    out : numpy.ndarray, shape (n_clips, n_genres), bool
        Written on clips of sets that neither network nor threshold were chosen on.
    reference : numpy.ndarray, shape (n_clips, n_genres), bool
    prior : float
        Imagined decisions for each genre, as many right as wrong, and one that is wrong: so a
        genre that is never written is unheard.

    Returns
    -------
    numpy.ndarray, shape (n_genres,), bool
    """
    right, n = (out & reference).sum(axis=0), out.sum(axis=0)
    return np.asarray((right + prior / 2) / (n + prior + 1) < LEAST_PRECISION)
