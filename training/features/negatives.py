"""Sounds that no genre describes, for heads to learn to say nothing about.

Speech and sound effects are out of Debian packages, short recordings joined to segments; noise
is computed. All are labelled with no genre at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from genretagger import audio
from genretagger.errors import FatalError, TrackError
from genretagger.features import FeatureConfig
from training.arrays import Floats
from training.config import NegativesConfig
from training.features import corpus, mel, stored
from training.files import write_array
from training.progress import Progress

_NOISE = "noise"
_LEAST_BYTES = 2_000  # a spoken word
_KINDS = ("coloured", "waves", "hum", "sweep", "clicks")


def _joined(files: list[Path], n: int, features: FeatureConfig, *, only_short: bool) -> Floats:
    """Lay recordings end to end, and cut them into at most `n` segments."""
    length = round(features.segment_s * features.sr)
    parts: list[Floats] = []
    for path in files:
        if sum(map(len, parts)) >= n * length:
            break
        try:
            y = audio.decode_whole(path, features.sr)
        except (TrackError, OSError):
            continue  # a container of something else under the same suffix
        if not audio.is_silent(y) and not (only_short and len(y) > length):
            parts.append(y)
    if not parts:
        raise FatalError(f"{files[0].parent if files else 'a package'} holds no speech: remove it")
    y = np.concatenate(parts)
    n = min(n, len(y) // length)
    return y[: n * length].reshape(n, length)


def noise(rng: np.random.Generator, features: FeatureConfig) -> Floats:
    """Compute a segment of noise, hum, a sweep or clicks.

    Returns
    -------
    numpy.ndarray, shape (segment_s * sr,), float32
        In [-1, 1].
    """
    n = round(features.segment_s * features.sr)
    time = np.arange(n) / features.sr
    kind = rng.choice(_KINDS)
    # a spectrum that falls by 0 (white) to 12 dB (twice brown) an octave
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20.0) ** rng.uniform(0.0, 2.0)
    y = np.fft.irfft(spectrum, n)
    y /= y.std()
    if kind == "waves":
        y *= 1 + rng.uniform(0.3, 1.0) * np.sin(2 * np.pi * rng.uniform(0.05, 4.0) * time)
    elif kind != "coloured":
        y *= 10 ** rng.uniform(-4.0, -0.5)
        first = 40.0 * 75.0 ** rng.uniform()  # 40 to 3000 Hz, as many an octave: mains hum, too
        if kind == "hum":
            for partial in range(1, int(rng.integers(2, 8))):
                y += np.sin(2 * np.pi * first * partial * time) / partial ** rng.uniform(0.5, 2.0)
        elif kind == "sweep":
            octaves = rng.uniform(-3.0, 3.0) * time / features.segment_s
            y += np.sin(2 * np.pi * np.cumsum(first * 2**octaves) / features.sr)
        else:
            every = features.sr * rng.uniform(0.1, 2.0)
            at = (np.arange(n / every) * every).astype(int)
            click = np.zeros(n)
            click[at] = 1.0
            decay = np.exp(-np.arange(features.sr // 10) / rng.uniform(5.0, 200.0))
            y += np.convolve(click, decay * rng.standard_normal(len(decay)))[:n]
    return np.asarray(0.5 * y / np.abs(y).max(), dtype=np.float32)


def collect(
    folder: Path,
    config: NegativesConfig,
    features: FeatureConfig,
    extra: Sequence[Path],
    *,
    say: Callable[[str], None],
) -> None:
    """Collect recordings, compute noise, and store the mel power of all; a killed run resumes.

    Parameters
    ----------
    folder : pathlib.Path
        ``mel/SOURCE.npy`` in it is float16, (n_segments, n_frames, n_mels), in dB.
    config : NegativesConfig
    features : FeatureConfig
    extra : sequence of pathlib.Path
        Folders of speech instead of the packages.
    say : callable
        Takes a line of progress.

    Raises
    ------
    FatalError
        If a package cannot be had, or holds no speech nor effects.
    """
    bank = mel.filterbank(features)
    asked = wanted(config, features, corpus.names_of(extra))
    place_of_mel = stored.begin(folder, asked)
    progress = Progress(len(asked.sources), say)
    for i, name in enumerate(asked.sources):
        target = place_of_mel / f"{name}.npy"
        if not target.exists():
            rng = np.random.default_rng([config.seed, i])
            if name == _NOISE:
                sounds = np.stack([noise(rng, features) for _ in range(config.n_noises)])
            else:
                place = extra[i] if extra else corpus.fetch(name, folder, _LEAST_BYTES)
                files = corpus.find(place)
                rng.shuffle(files)
                # in a game's package, what is longer than a segment may be its music
                sounds = _joined(files, config.n_segments, features, only_short=not extra)
            decibels = np.stack([mel.decibels(y, features, bank) for y in sounds])
            write_array(target, decibels.astype(np.float16))
        progress.at(i + 1, f"{i + 1}/{len(asked.sources)} sources of what is no music")
    stored.finish(folder, asked)


def wanted(
    config: NegativesConfig, features: FeatureConfig, folders: Sequence[str] = ()
) -> stored.Wanted:
    """Say what is to be stored; folders of speech may stand for the packages."""
    sources = (*(folders or config.packages), _NOISE)
    settings = [config.seed, config.n_segments, config.n_noises]
    return stored.Wanted.of(sources, settings, features, are_packages=not folders)


def read(folder: Path, features: FeatureConfig) -> Floats:
    """Open what `collect` has stored.

    Returns
    -------
    numpy.ndarray, shape (n_segments, n_frames, n_mels), float32
        In dB under each segment's peak.

    Raises
    ------
    FatalError
        If there is nothing.
    """
    stored_in = folder / "mel"
    if not (stored_in / f"{_NOISE}.npy").exists():  # made last
        raise FatalError(f"{stored_in} holds no speech and noise: run the stage `corpus` first")
    sounds = [np.load(path).astype(np.float32) for path in sorted(stored_in.glob("*.npy"))]
    return mel.under_peak(np.concatenate(sounds), features.top_db)
