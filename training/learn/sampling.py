"""How often each clip is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.arrays import Numbers
from training.config import HeadConfig, TrainConfig
from training.data.clips import Clip
from training.data.split import stratum


def draw_weights(
    clips: Sequence[Clip], config: TrainConfig | HeadConfig, large_sets: Sequence[str]
) -> Numbers:
    """Decide how often each clip is drawn.

    A clip's weight falls with the number of clips of its artist group, and a stratum (a
    large source, or all the others) as a whole weighs less than in proportion, so that
    neither one artist's many clips nor one source's habits rule.

    Parameters
    ----------
    clips : sequence of Clip
    config : TrainConfig or HeadConfig
    large_sets : sequence of str
        See `SplitConfig`.

    Returns
    -------
    numpy.ndarray, shape (n_clips,), float64
        Sums to 1.
    """
    groups = [clip.artist_id for clip in clips]
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = counts[which].astype(float) ** -config.group_power
    strata = np.array([stratum(clip, large_sets) for clip in clips])
    for name in np.unique(strata):
        rows = strata == name
        weights[rows] *= weights[rows].sum() ** (config.set_power - 1.0)
    return np.asarray(weights / weights.sum())
