"""MusiCNN's embeddings of a manifest's segments, for heads to learn from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genretagger import audio
from genretagger.features import FeatureConfig
from training.arrays import Floats, Integers
from training.config import Config
from training.data.clips import Clip
from training.features.mel import under_peak
from training.features.shards import Shards
from training.files import write_array
from training.networks import body, litert, musicnn
from training.progress import Progress

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Heard:
    """What MusiCNN says of the segments of a manifest's clips.

    Attributes
    ----------
    embeddings : numpy.ndarray, shape (n_segments of all clips, 250), float32
    owner : numpy.ndarray, shape (n_segments of all clips,), int64
        Index of the clip that each belongs to, ascending.
    negatives : numpy.ndarray, shape (n_negatives, 250), float32
        Of segments that have no genre.
    trunk : keras.Model
        MusiCNN, as `body` builds it.
    sha256 : str
        The fingerprint of the shards.
    """

    embeddings: Floats
    owner: Integers
    negatives: Floats
    trunk: keras.Model
    sha256: str


def segments(shards: Shards, clip: int, duration_s: float, features: FeatureConfig) -> Floats:
    """Cut a clip where the product would listen.

    Returns
    -------
    numpy.ndarray, shape (n_segments, n_frames, n_mels), float32
        In dB under each segment's peak.
    """
    starts = np.array(audio.excerpt_starts(duration_s, features.segment_s))
    frames = np.round(starts * features.sr / features.hop_length).astype(int)
    decibels = [shards.segment(clip, start, features.n_frames) for start in frames.tolist()]
    return under_peak(np.stack(decibels), features.top_db)


def embed(
    folder: Path,
    config: Config,
    clips: Sequence[Clip],
    shards: Shards,
    trunk: keras.Model,
    *,
    silent_about: Floats,
    say: Callable[[str], None],
) -> Heard:
    """Let MusiCNN hear every segment once; a killed run goes on where it stopped.

    Parameters
    ----------
    folder : pathlib.Path
        Where what it said is kept.
    config : Config
    clips : sequence of Clip
        The whole manifest.
    shards : Shards
    trunk : keras.Model
        From `load_body` or `compact.load`.
    silent_about : numpy.ndarray, shape (n_negatives, n_frames, n_mels), float32
        From `negatives.read`.
    say : callable
        Takes one line of progress.

    Returns
    -------
    Heard
    """
    features = config.features
    folder.mkdir(parents=True, exist_ok=True)
    key = json.dumps([shards.sha256, musicnn.N_FRAMES, body.LOG_RANGE]).encode()
    stamp = hashlib.sha256(key + b"".join(w.tobytes() for w in trunk.get_weights())).hexdigest()
    found, owner = [], []
    run = litert.runner(trunk, (1, musicnn.N_FRAMES, features.n_mels))
    n_patches = features.n_frames // musicnn.N_FRAMES

    def hear(part: Floats) -> Floats:
        """Average what is said of the patches of each segment."""
        patches = part[:, : n_patches * musicnn.N_FRAMES]
        patches = patches.reshape(-1, musicnn.N_FRAMES, features.n_mels)
        said = np.concatenate([run(patch[None]) for patch in patches])
        return np.asarray(said.reshape(len(part), n_patches, -1).mean(axis=1))

    progress = Progress(len(clips), say)
    for start in range(0, len(clips), 100):
        path = folder / f"{stamp[:12]}-{start}.npy"
        block = range(start, min(start + 100, len(clips)))
        for i in block:
            owner += [i] * len(audio.excerpt_starts(clips[i].duration_s, features.segment_s))
        if path.exists():
            found.append(np.load(path))
            continue
        means = np.concatenate(
            [hear(segments(shards, i, clips[i].duration_s, features)) for i in block]
        )
        write_array(path, means)
        found.append(means)
        progress.at(block.stop, f"heard {block.stop}/{len(clips)} clips")
    return Heard(np.concatenate(found), np.array(owner), hear(silent_about), trunk, shards.sha256)
