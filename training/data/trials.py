"""Trials: which model learns from which clips, and is measured on which.

Two protocols stand side by side. Folds hold out artists: every kind of source lies on both
sides. Unseen sets hold out whole sources, with all that their artists have elsewhere: what a
user's collection is, is a source that nobody has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.arrays import Bools
from training.config import SplitConfig, Subset
from training.data import split
from training.data.clips import Clip
from training.folders import FINAL

_UNSEEN = "unseen-"


@dataclass(frozen=True)
class Trial:
    """One model: what it learns from, and what it is measured on.

    Attributes
    ----------
    name : str
    learns : numpy.ndarray, shape (n_clips,), bool
        Clips whose labels it learns from.
    measured : numpy.ndarray, shape (n_clips,), bool
    """

    name: str
    learns: Bools
    measured: Bools

    @property
    def is_unseen(self) -> bool:
        """Whether it is measured on sources that it has never seen."""
        return self.name.startswith(_UNSEEN)

    def validated(self, clips: Sequence[Clip]) -> list[int]:
        """Give the rows of the clips whose loss the model's log tells.

        Those that it is measured on, but none of a test split that is held out for good. The
        final model of a cross-validation has none.
        """
        rows = np.flatnonzero(self.measured).tolist()
        return [i for i in rows if clips[i].split != split.TEST]


def trials(clips: Sequence[Clip], config: SplitConfig, unseen: Mapping[str, Subset]) -> list[Trial]:
    """Lay out all models of a run, the final one last.

    Parameters
    ----------
    clips : sequence of Clip
        The whole manifest, with splits.
    config : SplitConfig
    unseen : mapping of str to Subset
        Sets of sources that are held out as a whole.

    Returns
    -------
    list of Trial
    """
    splits = np.array([clip.split for clip in clips])
    if config.is_holdout:
        learns = np.asarray(splits == split.TRAIN)
        return [Trial(FINAL, learns, ~learns)]
    laid_out = [Trial(name, splits != name, splits == name) for name in sorted(set(splits))]
    for name, subset in unseen.items():
        rows = np.array([subset.holds(clip.source) for clip in clips])
        artists = {clip.artist_id for clip in clips if subset.holds(clip.source)}
        learns = np.array([clip.artist_id not in artists for clip in clips])
        if rows.any():
            laid_out.append(Trial(f"{_UNSEEN}{name}", learns, rows))
    everything = np.ones(len(clips), dtype=bool)
    return [*laid_out, Trial(FINAL, everything, ~everything)]
