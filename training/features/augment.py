"""Augmentation: crops of a clip's features, varied at random.

All of it happens on whole 10-s segments in dB, before the reference peak is taken, so
that a crop is relative to its segment's peak, exactly as in the product.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from genretagger.features import FeatureConfig
from training.arrays import Floats, Numbers
from training.config import TrainConfig
from training.features.mel import under_peak

_PITCH_STEPS = 9  # shifts are drawn from this many, so that their matrices can be kept


def mel_centres(config: FeatureConfig) -> Numbers:
    """Compute the centre of each mel band in Hz, by librosa (Slaney's scale).

    Returns
    -------
    numpy.ndarray, shape (n_mels,), float64
    """
    import librosa

    edges = librosa.mel_frequencies(config.n_mels + 2, fmin=config.fmin_hz, fmax=config.fmax_hz)
    return np.asarray(edges[1:-1], dtype=np.float64)


def pitch_matrix(centres_hz: Numbers, semitones: float) -> Floats:
    """Make the matrix that shifts a spectrum's pitch by reading other mel bands.

    Parameters
    ----------
    centres_hz : numpy.ndarray, shape (n_mels,)
    semitones : float
        Up if positive.

    Returns
    -------
    numpy.ndarray, shape (n_mels, n_mels), float32
        Each row interpolates between two bands and sums to 1; beyond the outermost
        bands these are repeated.
    """
    n_mels = len(centres_hz)
    source = np.interp(centres_hz / 2 ** (semitones / 12), centres_hz, np.arange(n_mels))
    low = np.minimum(source.astype(int), n_mels - 2)
    matrix = np.zeros((n_mels, n_mels), dtype=np.float32)
    rows = np.arange(n_mels)
    matrix[rows, low] = 1 - (source - low)
    matrix[rows, low + 1] += source - low
    return matrix


class Variations(Protocol):
    """How far `Augmenter.vary` goes: a `TrainConfig` or a `CompactConfig`."""

    @property
    def tilt_db(self) -> float:
        """Twice the standard deviation of the equaliser's gains, in dB."""

    @property
    def bandlimit_share(self) -> float:
        """Share of the segments that get a low-pass."""

    @property
    def pitch_semitones(self) -> float:
        """The largest shift, up or down."""


class Augmenter:
    """Varies segments.

    Parameters
    ----------
    config : Variations
    features : FeatureConfig
    """

    def __init__(self, config: Variations, features: FeatureConfig) -> None:
        self._config = config
        self._centres = mel_centres(features)
        shifts = np.linspace(-config.pitch_semitones, config.pitch_semitones, _PITCH_STEPS)
        self._pitch = [pitch_matrix(self._centres, s) for s in shifts]

    def vary(self, segment_db: Floats, rng: np.random.Generator) -> Floats:
        """Vary a segment's pitch, equaliser and bandwidth.

        Parameters
        ----------
        segment_db : numpy.ndarray, shape (n_frames, n_mels), float32
            Power in dB of a whole segment, time first, relative to anything.
        rng : numpy.random.Generator

        Returns
        -------
        numpy.ndarray, shape (n_frames, n_mels), float32
        """
        config = self._config
        x = segment_db
        if config.pitch_semitones:
            x = x @ self._pitch[rng.integers(len(self._pitch))].T
        if config.tilt_db:
            # a smooth equaliser: a random gain at five points across the mel axis
            gains = rng.normal(0.0, config.tilt_db / 2, 5)
            bands = np.linspace(0.0, 4.0, x.shape[1])
            x = x + np.interp(bands, np.arange(5), gains).astype(np.float32)
        if rng.random() < config.bandlimit_share:
            # a codec's or an old recording's low-pass: 3 to 7 kHz, 96 dB per octave
            cutoff_hz = rng.uniform(3000.0, 7000.0)
            octaves = np.maximum(0.0, np.log2(self._centres / cutoff_hz))
            x = x - (96.0 * octaves).astype(np.float32)
        return x


class Cropper:
    """Draws varied crops of segments.

    Parameters
    ----------
    config : TrainConfig
    features : FeatureConfig
    """

    def __init__(self, config: TrainConfig, features: FeatureConfig) -> None:
        self._config, self._features = config, features
        self._augmenter = Augmenter(config, features)

    def crop(self, segment_db: Floats, rng: np.random.Generator) -> tuple[Floats, int, int]:
        """Vary a segment and cut a crop out of it.

        Parameters
        ----------
        segment_db : numpy.ndarray, shape (n_frames, n_mels), float32
            Power in dB of a whole segment, time first, relative to anything.
        rng : numpy.random.Generator

        Returns
        -------
        crop : numpy.ndarray, shape (crop_frames, n_mels), float32
            In dB under the varied segment's peak, in [-top_db, 0].
        first, last : int
            The frames of the segment that it is made of: ``first <= frame < last``.
        """
        config = self._config
        x = under_peak(self._augmenter.vary(segment_db, rng), self._features.top_db)
        length = min(config.crop_frames, len(x))
        stretch = np.exp(rng.uniform(-1.0, 1.0) * np.log1p(config.tempo))
        n_read = min(len(x), round(length * stretch))
        first = int(rng.integers(len(x) - n_read + 1))
        x = x[first + np.arange(length) * n_read // length]
        self._mask(x, rng)
        return x, first, first + n_read

    def _mask(self, x: Floats, rng: np.random.Generator) -> None:
        """Blot out stretches of time and of bands, in place (SpecAugment)."""
        config, length = self._config, len(x)
        fill = x.mean()
        for _ in range(config.n_time_masks):
            width = int(rng.integers(config.time_mask_frames + 1))
            start = int(rng.integers(max(1, length - width + 1)))
            x[start : start + width] = fill
        for _ in range(config.n_mel_masks):
            width = int(rng.integers(config.mel_mask_bands + 1))
            start = int(rng.integers(x.shape[1] - width + 1))
            x[:, start : start + width] = fill
