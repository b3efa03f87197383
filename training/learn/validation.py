"""The loss on clips that a model does not learn from: for its log; nothing is chosen by it."""

from __future__ import annotations

import numpy as np

from genretagger.errors import FatalError
from training.arrays import Floats


def check_loss(loss: float, name: str, learning_rate: float) -> None:
    """Refuse to go on with a loss that is no number: what was learned is none, either.

    Raises
    ------
    FatalError
        If it is not finite.
    """
    if not np.isfinite(loss):
        raise FatalError(
            f"{name}: the loss has become {loss}: lower learning_rate = {learning_rate:g}, and run "
            "the stage again"
        )


def cross_entropy(logits: Floats, labels: Floats) -> float:
    """Compute the mean binary cross-entropy.

    Parameters
    ----------
    logits : numpy.ndarray, shape (n, ..., n_genres)
        Of one head, or of several.
    labels : numpy.ndarray, shape (n, n_genres)

    Returns
    -------
    float
        In nats.

    Examples
    --------
    >>> round(cross_entropy(np.zeros((1, 2)), np.array([[1.0, 0.0]])), 4)
    0.6931
    """
    aligned = labels.reshape(len(labels), *[1] * (logits.ndim - 2), -1)
    return float(np.mean(np.logaddexp(0.0, logits) - aligned * logits))
