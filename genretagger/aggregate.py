"""Step 5, aggregate: what was heard in segments becomes one set of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genretagger.arrays import Floats, Halves

_EPSILON = 1e-6  # keeps a saturated sigmoid's logit finite: +-13.8
_MOST_HALF = 65504.0  # the largest float16


def logit(probabilities: Floats) -> Floats:
    """Undo the sigmoid, element by element, within +-13.8."""
    p = np.clip(probabilities.astype(np.float64), _EPSILON, 1 - _EPSILON)
    return (np.log(p) - np.log1p(-p)).astype(np.float32)


def aggregate(
    probabilities: Floats, calibration: Sequence[tuple[float, float]] | None = None
) -> tuple[float, ...]:
    """Combine the probabilities of several segments, or of several tracks.

    Logits are averaged, which is the product of experts: one segment that rules a genre
    out weighs more than it would in a mean of probabilities.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n, n_genres)
        n is at least 1.
    calibration : sequence of (float, float), length n_genres, optional
        Slope and intercept for the mean logit of each genre (Platt 1999): a bundle's own for
        segments, which is not given again for the tracks of an album.

    Returns
    -------
    tuple of float, length n_genres
    """
    mean = logit(np.asarray(probabilities)).mean(axis=0)
    if calibration is not None:
        slope, intercept = np.asarray(calibration, dtype=np.float32).T
        mean = slope * mean + intercept
    return tuple(float(p) for p in 1.0 / (1.0 + np.exp(-mean.astype(np.float64))))


def mean_embedding(embeddings: Floats) -> Halves:
    """Average the embeddings of segments, in the precision in which they are kept.

    Parameters
    ----------
    embeddings : numpy.ndarray, shape (n, n_values)
        n is at least 1.

    Returns
    -------
    numpy.ndarray, shape (n_values,), float16
    """
    mean = np.asarray(embeddings, dtype=np.float64).mean(axis=0)
    return np.asarray(np.clip(mean, -_MOST_HALF, _MOST_HALF), dtype=np.float16)
