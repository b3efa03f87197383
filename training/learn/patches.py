"""Patches of 3 s, drawn from segments and varied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from genretagger.features import FeatureConfig
from training.arrays import Floats
from training.config import CompactConfig
from training.features.augment import Augmenter
from training.features.mel import under_peak
from training.features.shards import Shards
from training.networks import musicnn

_NEPER = np.float32(np.log(10) / 10)  # of power, in a decibel
_SOFTEST_DB = -12.0  # of the second of two pieces that are mixed


class CorpusSegments:
    """Draws segments of the corpus.

    Parameters
    ----------
    segments : sequence of numpy.ndarray
        From `corpus.read`.
    """

    def __init__(self, segments: Sequence[Any]) -> None:
        self._segments = segments
        self._first = np.cumsum([0, *map(len, segments)])

    def __call__(self, rng: np.random.Generator) -> Floats:
        """Draw one: shape (n_frames, n_mels), in dB."""
        i = int(rng.integers(self._first[-1]))
        source = int(np.searchsorted(self._first, i, "right")) - 1
        return np.asarray(self._segments[source][i - self._first[source]], dtype=np.float32)


class ClipSegments:
    """Draws segments of clips, from anywhere in them.

    Parameters
    ----------
    shards : Shards
    rows : sequence of int
        Indices of the clips.
    n_frames : int
        Of a segment.
    """

    def __init__(self, shards: Shards, rows: Sequence[int], n_frames: int) -> None:
        # workers are handed what they read, and no more
        self._shards = replace(shards, sounds=None, tags=None)
        self._rows, self._n_frames = rows, n_frames

    def __call__(self, rng: np.random.Generator) -> Floats:
        """Draw one: shape (n_frames, n_mels), in dB."""
        i = self._rows[int(rng.integers(len(self._rows)))]
        start = int(rng.integers(max(1, self._shards.n_frames(i) - self._n_frames + 1)))
        return self._shards.segment(i, start, self._n_frames)


class Patches:
    """Draws varied patches.

    Parameters
    ----------
    config : CompactConfig
    features : FeatureConfig
    draw_segment : callable
        `CorpusSegments` or `ClipSegments`.
    """

    def __init__(
        self,
        config: CompactConfig,
        features: FeatureConfig,
        draw_segment: Callable[[np.random.Generator], Floats],
    ) -> None:
        self._config, self._features, self._draw_segment = config, features, draw_segment
        self._augmenter = Augmenter(config, features)

    def _segment(self, rng: np.random.Generator) -> Floats:
        return self._augmenter.vary(self._draw_segment(rng), rng)

    def draw(self, rng: np.random.Generator) -> Floats:
        """Draw a patch, often of two pieces at once.

        Returns
        -------
        numpy.ndarray, shape (N_FRAMES, n_mels), float32
            In dB under the peak of the segment that it was cut from.
        """
        x = self._segment(rng)
        if rng.random() < self._config.mixed_share:
            other = self._segment(rng) + np.float32(rng.uniform(_SOFTEST_DB, 0.0))
            other += x.max() - other.max()
            x = np.logaddexp(x * _NEPER, other * _NEPER) / _NEPER
        x = under_peak(x, self._features.top_db)
        start = rng.integers(len(x) - musicnn.N_FRAMES + 1)
        return np.asarray(x[start : start + musicnn.N_FRAMES], dtype=np.float32)
