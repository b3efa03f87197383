"""Mel power as it is stored: in dB, relative to nothing."""

from __future__ import annotations

import numpy as np

from genretagger.features import FeatureConfig, mel_power
from training.arrays import Floats

_AMIN = np.float32(1e-10)  # as in genretagger.features.to_db


def filterbank(config: FeatureConfig) -> Floats:
    """Make the mel filterbank, by librosa, with Slaney's scale and area norm.

    Returns
    -------
    numpy.ndarray, shape (n_mels, 1 + n_fft // 2), float32
    """
    import librosa

    return np.asarray(
        librosa.filters.mel(
            sr=config.sr,
            n_fft=config.n_fft,
            n_mels=config.n_mels,
            fmin=config.fmin_hz,
            fmax=config.fmax_hz,
        ),
        dtype=np.float32,
    )


def decibels(y: Floats, config: FeatureConfig, bank: Floats) -> Floats:
    """Compute mel power in dB, relative to nothing, shape (n_frames, n_mels)."""
    return 10.0 * np.log10(np.maximum(_AMIN, mel_power(y, config, bank))).T
