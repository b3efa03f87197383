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
from training.data.clips import Clip
from training.features.mel import under_peak
from training.features.shards import Shards
from training.files import write_array
from training.networks import body, litert, musicnn
from training.progress import Progress

if TYPE_CHECKING:
    import keras

_BLOCK = 100  # clips in a file


@dataclass(frozen=True)
class Embedded:
    """MusiCNN's embeddings of the segments of a manifest's clips.

    Attributes
    ----------
    embeddings : numpy.ndarray, shape (n_segments of all clips, 250), float32
    owner : numpy.ndarray, shape (n_segments of all clips,), int64
        Index of the clip that each belongs to, ascending.
    negatives : numpy.ndarray, shape (n_negatives, 250), float32
        Of segments that have no genre.
    embedder : keras.Model
        MusiCNN, as `body.build` builds it.
    sha256 : str
        The fingerprint of the shards.
    """

    embeddings: Floats
    owner: Integers
    negatives: Floats
    embedder: keras.Model
    sha256: str


def segments(shards: Shards, clip: int, duration_s: float, features: FeatureConfig) -> Floats:
    """Cut a clip where the product reads its excerpts.

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
    features: FeatureConfig,
    clips: Sequence[Clip],
    shards: Shards,
    embedder: keras.Model,
    *,
    negatives: Floats,
    say: Callable[[str], None],
) -> Embedded:
    """Embed every segment once; a killed run resumes.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps the embeddings.
    features : FeatureConfig
    clips : sequence of Clip
        The whole manifest.
    shards : Shards
    embedder : keras.Model
        From `body.load` or `compact.Distillation`.
    negatives : numpy.ndarray, shape (n_negatives, n_frames, n_mels), float32
        From `negatives.read`.
    say : callable
        Takes one line of progress.

    Returns
    -------
    Embedded
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = json.dumps([shards.sha256, musicnn.N_FRAMES, body.LOG_RANGE]).encode()
    weights = b"".join(w.tobytes() for w in embedder.get_weights())
    stamp = hashlib.sha256(key + weights).hexdigest()
    run = litert.runner(embedder, (1, musicnn.N_FRAMES, features.n_mels))
    n_patches = features.n_frames // musicnn.N_FRAMES

    def mean_of_patches(part: Floats) -> Floats:
        """Average the embeddings of the patches of each segment."""
        patches = part[:, : n_patches * musicnn.N_FRAMES]
        patches = patches.reshape(-1, musicnn.N_FRAMES, features.n_mels)
        embeddings = np.concatenate([run(patch[None]) for patch in patches])
        return np.asarray(embeddings.reshape(len(part), n_patches, -1).mean(axis=1))

    embeddings: list[Floats] = []
    owner: list[int] = []
    progress = Progress(len(clips), say)
    for start in range(0, len(clips), _BLOCK):
        path = folder / f"{stamp[:12]}-{start}.npy"
        block = range(start, min(start + _BLOCK, len(clips)))
        for i in block:
            owner += [i] * len(audio.excerpt_starts(clips[i].duration_s, features.segment_s))
        if not path.exists():
            means = [
                mean_of_patches(segments(shards, i, clips[i].duration_s, features)) for i in block
            ]
            write_array(path, np.concatenate(means))
            progress.at(block.stop, f"embedded {block.stop}/{len(clips)} clips")
        embeddings.append(np.load(path))
    return Embedded(
        np.concatenate(embeddings),
        np.array(owner),
        mean_of_patches(negatives),
        embedder,
        shards.sha256,
    )
