"""Features of one track, for any of the 24 variants."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genretagger import audio
from genretagger.errors import GenreTaggerError, TrackError
from genretagger.features import to_db
from training.arrays import Floats, Halves
from training.study.grid import TRACK_S, GridConfig, Variant

_SEGMENT_S = TRACK_S / 3

# ---- Features --------------------------------------------------------------------------------


def decode(path: Path, config: GridConfig) -> Floats:
    """Read the three excerpts of a track as the product reads them, and join them.

    Returns
    -------
    numpy.ndarray, shape (30 * sr,), float32

    Raises
    ------
    TrackError
        If the file cannot be decoded, is shorter than ``config.least_s``, is silent in one
        of the excerpts, or is so long that it may be an album. Nothing is padded: a length
        that shows would tell the source of a clip, and so its genre.
    """
    excerpts = audio.decode(path, sr=config.sr, segment_s=_SEGMENT_S)
    if excerpts.duration_s < config.least_s:
        raise TrackError(
            f"{excerpts.duration_s:.1f} s long, and {config.least_s:.1f} s are needed: get the "
            "whole track, or leave it out"
        )
    if excerpts.duration_s > audio.LONG_S:
        raise TrackError(f"{excerpts.duration_s / 60:.0f} min long: cut the album into its tracks")
    if len(excerpts.segments) < 3:
        raise TrackError("silent in one of the three excerpts: leave it out")
    return np.concatenate([segment.y for segment in excerpts.segments])


def copies(y: Floats, track_id: str, config: GridConfig) -> list[Floats]:
    """Make the pitch-shifted and the noisy copy of a track.

    Parameters
    ----------
    y : numpy.ndarray, shape (n_samples,), float32
    track_id : str
        Decides, by its hash, on up or down and on the noise.
    config : GridConfig

    Returns
    -------
    list of numpy.ndarray
        The track itself, pitch-shifted (by librosa, which keeps the tempo), noisy.
    """
    import librosa

    seed = int.from_bytes(hashlib.sha256(track_id.encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    steps = config.pitch_semitones * rng.choice([-1.0, 1.0])
    shifted = librosa.effects.pitch_shift(y, sr=config.sr, n_steps=steps)
    noise = rng.standard_normal(len(y), dtype=np.float32)
    rms = np.sqrt(np.mean(np.square(y))) * 10.0 ** (-config.snr_db / 20.0)
    return [y, np.asarray(shifted, dtype=np.float32), y + np.float32(rms) * noise]


def extract(y: Floats, variant: Variant, config: GridConfig) -> Halves:
    """Compute the examples of a track.

    Parameters
    ----------
    y : numpy.ndarray, shape (30 * sr,), float32
    variant : Variant
    config : GridConfig

    Returns
    -------
    numpy.ndarray, shape (n_parts, rows, frames, channels), float16
        Each from its own stretch of samples alone. Mel bands in dB under the example's
        peak, or the MFCC of that; then the derivatives, by frame and by frame squared.
    """
    import librosa

    rows, frames, channels = variant.shape_in(config)
    out = np.empty((variant.n_parts, rows, frames, channels), dtype=np.float16)
    n = variant.n_samples(config.sr)
    for i, example in enumerate(out):
        start = round(i * TRACK_S * config.sr / variant.n_parts)
        power = librosa.feature.melspectrogram(
            y=y[start : start + n],
            sr=config.sr,
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            n_mels=config.n_mels,
        )
        x = to_db(power[:, :frames], config.top_db)
        if variant.mfcc:
            x = librosa.feature.mfcc(S=x, n_mfcc=config.n_mfcc)
        example[..., 0] = x
        for order in range(1, channels):
            example[..., order] = librosa.feature.delta(x, width=config.delta_width, order=order)
    return out


def extract_track(
    path: Path, track_id: str, n_copies: int, files: Sequence[Variant], config: GridConfig
) -> list[bytes] | str:
    """Compute one track's records for each file, or say why not."""
    try:
        y = decode(path, config)
        versions = copies(y, track_id, config) if n_copies > 1 else [y]
        return [b"".join(extract(c, file, config).tobytes() for c in versions) for file in files]
    except GenreTaggerError as error:
        return str(error)
    except (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, ValueError) as error:
        # one odd file must not stop a night's run, whatever a library makes of it
        return f"{type(error).__name__}: {error}; leave it out, or encode it again"
