"""How often each clip is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.arrays import Numbers
from training.config import HeadConfig, TrainConfig
from training.data.clips import Clip
from training.data.split import stratum


def draw_weights(clips: Sequence[Clip], config: TrainConfig | HeadConfig) -> Numbers:
    """Decide how often each clip is drawn.

    A clip's weight falls with the number of clips of its artist group, and a kind of
    set as a whole weighs less than in proportion, so that neither one artist's many
    clips nor one source's habits rule.

    Parameters
    ----------
    clips : sequence of Clip
    config : TrainConfig

    Returns
    -------
    numpy.ndarray, shape (n_clips,), float64
        Sums to 1.
    """
    groups = [clip.artist_id for clip in clips]
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = counts[which].astype(float) ** -config.group_power
    sets = np.array([stratum(clip) for clip in clips])
    for name in np.unique(sets):
        rows = sets == name
        weights[rows] *= weights[rows].sum() ** (config.set_power - 1.0)
    return np.asarray(weights / weights.sum())
