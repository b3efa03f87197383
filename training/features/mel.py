"""Mel power as it is stored: in dB, relative to nothing."""

from __future__ import annotations

import numpy as np

from genretagger.features import AMIN, FeatureConfig, mel_power
from training.arrays import Floats
from training.config import MelConfig


def filterbank(config: FeatureConfig) -> Floats:
    """Make the mel filterbank, by librosa.

    Parameters
    ----------
    config : FeatureConfig
        With Slaney's scale, unless it is a `MelConfig` that says others.

    Returns
    -------
    numpy.ndarray, shape (n_mels, 1 + n_fft // 2), float32
    """
    scales = config.scales if isinstance(config, MelConfig) else MelConfig().scales
    return np.concatenate([_one_scale(config, scale, len(scales)) for scale in scales])


def _one_scale(config: FeatureConfig, scale: str, n_scales: int) -> Floats:
    import librosa

    return np.asarray(
        librosa.filters.mel(
            sr=config.sr,
            n_fft=config.n_fft,
            n_mels=config.n_mels // n_scales,
            fmin=config.fmin_hz,
            fmax=config.fmax_hz,
            htk=scale == "htk",
            norm=None if scale == "htk" else "slaney",
        ),
        dtype=np.float32,
    )


def under_peak(decibels: Floats, top_db: float) -> Floats:
    """Take decibels relative to their peak, floored, as `genretagger.features.to_db` does.

    Parameters
    ----------
    decibels : numpy.ndarray, shape (..., n_frames, n_mels)
        Of one segment or of several, each with a peak of its own.
    top_db : float
        Depth of the floor in dB.

    Returns
    -------
    numpy.ndarray
        Same shape, in [-top_db, 0].
    """
    peak = decibels.max(axis=(-2, -1), keepdims=True)
    return np.asarray(np.maximum(decibels - peak, -top_db))


def decibels(y: Floats, config: FeatureConfig, bank: Floats) -> Floats:
    """Compute mel power in dB, relative to nothing, shape (n_frames, n_mels)."""
    return np.asarray(10.0 * np.log10(np.maximum(AMIN, mel_power(y, config, bank))).T)
