"""The benchmark's tracks: found or made up, each as MP3 and as FLAC."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from genretagger import audio
from genretagger.features import FeatureConfig

CONTAINERS = ("MP3", "FLAC")


@dataclass(frozen=True)
class Tracks:
    """The same tracks in every form.

    Attributes
    ----------
    files : dict of str to list of pathlib.Path
        For each of `CONTAINERS`, one file for each track.
    excerpts : list of pathlib.Path
        The segments that are listened to, joined, as one WAV file for each track.
    description : str
        What they are, for the table's caption.
    """

    files: dict[str, list[Path]]
    excerpts: list[Path]
    description: str


def gather(music: Path | None, folder: Path, *, n_tracks: int, shortest_s: float) -> Tracks:
    """Find tracks or make them up, and bring each into every container.

    Parameters
    ----------
    music : pathlib.Path or None
        A folder of music; None makes the tracks up.
    folder : pathlib.Path
        Where files are made; no file of `music` is touched.
    n_tracks : int
        At most so many.
    shortest_s : float
        Shorter files of `music` are passed over; made up tracks are 30 % longer and more.

    Returns
    -------
    Tracks
    """
    sources = _made_up(folder, n_tracks, shortest_s) if music is None else []
    if music is not None:
        for path in sorted(p for p in music.rglob("*") if p.is_file()):
            if len(sources) < n_tracks and shortest_s <= _duration_s(path) <= audio.LONG_S:
                sources.append(path)
        if not sources:
            raise SystemExit(f"{music}: no track of {shortest_s:.0f} s or more that can be read")
    files = {
        container: [_bring_into(container, path, folder, i) for i, path in enumerate(sources)]
        for container in CONTAINERS
    }
    durations_s = [_duration_s(path) for path in files["MP3"]]
    kept = sum(path.suffix.lower() == ".mp3" for path in sources)
    origin = f"found, {kept} of them MP3 from the start" if music else "made up"
    description = (
        f"{len(sources)} tracks ({origin}), {min(durations_s):.0f} to {max(durations_s):.0f} s, "
        f"{np.mean(durations_s):.0f} s on average; the rest encoded by libsndfile"
    )
    excerpts = [_join_excerpts(path, folder, i) for i, path in enumerate(files["MP3"])]
    return Tracks(files, excerpts, description)


def copies(files: list[Path], n: int, folder: Path) -> Path:
    """Fill a folder with copies, n in all; real ones, as a scan hears hard links once."""
    folder.mkdir(parents=True)
    for i in range(n):
        source = files[i % len(files)]
        shutil.copyfile(source, folder / f"{i:05d}{source.suffix}")
    return folder


def short_tracks(folder: Path, n: int, seconds: float) -> list[Path]:
    """Make short files for the memory run, MP3 and FLAC in turn."""
    made = []
    for i in range(n):
        suffix = ".mp3" if i % 2 else ".flac"
        path = folder / f"short-{i}{suffix}"
        soundfile.write(path, _music(seconds, seed=i), 44100)
        made.append(path)
    return made


def _duration_s(path: Path) -> float:
    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.LibsndfileError:
        return 0.0


def _made_up(folder: Path, n: int, shortest_s: float) -> list[Path]:
    made = []
    for i in range(n):
        path = folder / f"made-up-{i}.flac"
        soundfile.write(path, _music(shortest_s * (1.3 + 0.7 * i / n), seed=i), 44100)
        made.append(path)
    return made


def _music(seconds: float, seed: int) -> np.ndarray:
    """Chords of decaying harmonics and a noisy beat, stereo: something for an encoder to do."""
    rng = np.random.default_rng(seed)
    sr = 44100
    t = np.arange(round(2.0 * sr)) / sr  # one bar
    bars = []
    for _ in range(int(np.ceil(seconds / 2.0))):
        root_hz = 110.0 * 2.0 ** (rng.integers(0, 12) / 12)
        bar = 0.05 * rng.standard_normal((len(t), 2)) * np.exp(-12.0 * (t % 0.5))[:, np.newaxis]
        for ratio in (1.0, 1.25, 1.5):
            for harmonic in range(1, 9):
                phases = rng.uniform(0, 2 * np.pi, 2)
                wave = np.sin(2 * np.pi * root_hz * ratio * harmonic * t[:, np.newaxis] + phases)
                bar += 0.08 / harmonic * wave * np.exp(-t)[:, np.newaxis]
        bars.append(bar)
    return np.concatenate(bars)[: round(seconds * sr)].astype(np.float32)


def _bring_into(container: str, source: Path, folder: Path, i: int) -> Path:
    path = folder / f"track-{i}.{container.lower()}"
    if source.suffix.lower() == path.suffix:
        shutil.copyfile(source, path)
    else:
        y, sr = soundfile.read(source, dtype="float32", always_2d=True)
        soundfile.write(path, np.clip(y, -1.0, 1.0), sr)  # FLAC: 16 bits
    return path


def _join_excerpts(path: Path, folder: Path, i: int) -> Path:
    features = FeatureConfig()
    excerpts = audio.decode(path, sr=features.sr, segment_s=features.segment_s)
    joined = folder / f"excerpts-{i}.wav"
    soundfile.write(joined, np.concatenate([s.y for s in excerpts.segments]), features.sr)
    return joined
