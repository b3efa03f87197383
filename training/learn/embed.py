"""Embeddings of a manifest's segments, for heads to learn from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genretagger import audio
from genretagger.features import FeatureConfig
from training.arrays import Floats, Integers
from training.data.clips import Clip
from training.features.mel import under_peak
from training.features.shards import Shards
from training.files import check_room, write_array
from training.networks import body, litert
from training.progress import Progress

if TYPE_CHECKING:
    import keras

_BLOCK = 100  # clips in a file


@dataclass(frozen=True)
class Embedded:
    """Embeddings of the segments of a manifest's clips.

    Attributes
    ----------
    embeddings : numpy.ndarray, shape (n_segments of all clips, n), float32
    owner : numpy.ndarray, shape (n_segments of all clips,), int64
        Index of the clip that each belongs to, ascending.
    negatives : numpy.ndarray, shape (n_negatives, n), float32
        Of segments that have no genre.
    embedder : keras.Model
        From log-mel in dB under the peak, (1, n_frames, n_mels), to (1, n).
    sha256 : str
        The hash of the embedder's weights and of what `negatives` are of.
    """

    embeddings: Floats
    owner: Integers
    negatives: Floats
    embedder: keras.Model
    sha256: str

    def first(self, n: int) -> Embedded:
        """Leave out all but the first values."""
        return replace(self, embeddings=self.embeddings[:, :n], negatives=self.negatives[:, :n])


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
        As in `Embedded`.
    negatives : numpy.ndarray, shape (n_negatives, n_frames, n_mels), float32
        From `negatives.read`.
    say : callable
        Takes one line of progress.

    Returns
    -------
    Embedded
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = json.dumps([shards.sha256, body.LOG_RANGE]).encode()
    weights = b"".join(w.tobytes() for w in embedder.get_weights())
    stamp = hashlib.sha256(key + weights).hexdigest()
    made_by = hashlib.sha256(weights)
    made_by.update(negatives.tobytes())
    run = litert.runner(embedder, (1, features.n_frames, features.n_mels))

    def of_each(part: Floats) -> Floats:
        return np.concatenate([run(segment[None]) for segment in part])

    embeddings: list[Floats] = []
    owner: list[int] = []
    progress = Progress(len(clips), say)
    paths = {i: folder / f"{stamp[:12]}-{i}.npy" for i in range(0, len(clips), _BLOCK)}
    n_left = sum(
        len(audio.excerpt_starts(clip.duration_s, features.segment_s))
        for start, path in paths.items()
        if not path.exists()
        for clip in clips[start : start + _BLOCK]
    )
    n_bytes = n_left * embedder.output.shape[-1] * 4
    check_room(folder, n_bytes, "free some, or choose another --run")
    for start, path in paths.items():
        block = range(start, min(start + _BLOCK, len(clips)))
        for i in block:
            owner += [i] * len(audio.excerpt_starts(clips[i].duration_s, features.segment_s))
        if not path.exists():
            parts = [segments(shards, i, clips[i].duration_s, features) for i in block]
            write_array(path, of_each(np.concatenate(parts)))
            progress.at(block.stop, f"embedded {block.stop}/{len(clips)} clips")
        embeddings.append(np.load(path))
    return Embedded(
        np.concatenate(embeddings),
        np.array(owner),
        of_each(negatives),
        embedder,
        made_by.hexdigest(),
    )
