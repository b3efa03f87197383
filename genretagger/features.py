"""Step 3, extract: a segment becomes the log-mel spectrogram that the network hears."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genretagger.arrays import Floats

AMIN = np.float32(1e-10)
"""The power of numerical silence, librosa's default: the least that becomes decibels."""


@dataclass(frozen=True)
class FeatureConfig:
    """Everything the features depend on, but for the filterbank; it travels in the bundle.

    Attributes
    ----------
    sr : int
        Sampling rate in Hz. All development data has 16 kHz.
    n_fft : int
        Window and transform length in samples: 1024 (64 ms) resolves the lowest of
        96 mel bands, which are 30 Hz apart.
    hop_length : int
        In samples: 320 (20 ms), 50 frames a second.
    n_mels : int
        Mel bands: 96, as in MusiCNN (Pons and Serra, ISMIR late-breaking 2019).
    fmin_hz, fmax_hz : float
        Edges of the filterbank in Hz. The upper one stays below 7.3 kHz, where
        resamplers to 16 kHz begin to differ.
    segment_s : float
        Length of a segment in seconds: 10, as in the founding report.
    top_db : float
        Depth of the floor under the segment's peak in dB: librosa's default.
    """

    sr: int = 16000
    n_fft: int = 1024
    hop_length: int = 320
    n_mels: int = 96
    fmin_hz: float = 30.0
    fmax_hz: float = 7000.0
    segment_s: float = 10.0
    top_db: float = 80.0

    @property
    def n_samples(self) -> int:
        """Samples in a segment."""
        return round(self.segment_s * self.sr)

    @property
    def n_frames(self) -> int:
        """Frames in a segment; the first and last window are centred on its ends."""
        return 1 + self.n_samples // self.hop_length


@lru_cache(maxsize=2)
def _hann(n_fft: int) -> Floats:
    # periodic Hann, as scipy.signal.get_window("hann", n_fft) makes it
    phase = 2.0 * np.pi * np.arange(n_fft) / n_fft
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def mel_power(y: Floats, config: FeatureConfig, filterbank: Floats) -> Floats:
    """Compute the mel-band power spectrogram.

    Parameters
    ----------
    y : numpy.ndarray, shape (n_samples,), float32
        Mono samples at ``config.sr``.
    config : FeatureConfig
    filterbank : numpy.ndarray, shape (n_mels, 1 + n_fft // 2), float32

    Returns
    -------
    numpy.ndarray, shape (n_mels, 1 + n_samples // hop_length), float32
        Power, not in dB. Equal to ``librosa.feature.melspectrogram`` with centred,
        zero-padded frames and a Hann window.
    """
    half = config.n_fft // 2
    padded = np.pad(np.asarray(y, dtype=np.float32), half)
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft)[:: config.hop_length]
    spectrum = np.fft.rfft(frames * _hann(config.n_fft), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return np.asarray(filterbank @ power.T, dtype=np.float32)


def to_db(power: Floats, top_db: float) -> Floats:
    """Turn power into decibels under the peak, floored.

    Parameters
    ----------
    power : numpy.ndarray
        Any shape; not negative.
    top_db : float
        Depth of the floor in dB.

    Returns
    -------
    numpy.ndarray, float32
        Same shape, in [-top_db, 0]: relative to the peak, so that loudness does not
        matter. Equal to ``librosa.power_to_db(power, ref=numpy.max, top_db=top_db)``.
    """
    peak = np.maximum(AMIN, power.max())
    db = 10.0 * (np.log10(np.maximum(AMIN, power)) - np.log10(peak))
    return np.asarray(np.maximum(db, -top_db), dtype=np.float32)


def log_mel(y: Floats, config: FeatureConfig, filterbank: Floats) -> Floats:
    """Compute the log-mel spectrogram of one segment.

    Parameters
    ----------
    y : numpy.ndarray, shape (n_samples,), float32
        Mono samples at ``config.sr``.
    config : FeatureConfig
    filterbank : numpy.ndarray, shape (n_mels, 1 + n_fft // 2), float32

    Returns
    -------
    numpy.ndarray, shape (n_mels, n_frames), float32
        In dB under the segment's peak, in [-top_db, 0].
    """
    return to_db(mel_power(y, config, filterbank), config.top_db)
