"""Batches of varied crops, with their targets."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from training.arrays import Floats, Integers
from training.config import Config, OwnCnn
from training.data.clips import Clip, reference
from training.features.augment import Cropper
from training.features.shards import Shards
from training.features.teachers import WINDOW_HOP, WINDOW_SAMPLES
from training.learn.sampling import draw_weights
from training.networks import cnn, musicnn

_CUT = 5.0  # standard deviations


def sound_targets(shards: Shards, rows: Sequence[int], n_components: int) -> Floats:
    """Project YAMNet's embeddings to the targets of each moment.

    Each value is standardised over the windows of the training clips; the result is
    rotated to its principal components and scaled so that their mean variance is 1.
    The mean squared error is then the share of variance left unexplained.

    Parameters
    ----------
    shards : Shards
        With sounds.
    rows : sequence of int
        Indices of the training clips: nothing else is looked at to fit the projection.
    n_components : int

    Returns
    -------
    numpy.ndarray, shape (n_windows, n_components), float32
        All windows, projected.
    """
    assert shards.sounds is not None
    windows = np.asarray(shards.sounds, dtype=np.float32)
    learned = np.concatenate([np.arange(shards.windows[i], shards.windows[i + 1]) for i in rows])
    centre, spread = windows[learned].mean(axis=0), windows[learned].std(axis=0)
    # some values are 0 nearly everywhere: damped by the median, and cut, or a few windows
    # would rule the loss (seen without: a component at 1700 standard deviations)
    z = np.clip((windows - centre) / (spread + np.median(spread)), -_CUT, _CUT)
    _, axes = np.linalg.eigh(z[learned].T @ z[learned])
    axes = axes[:, ::-1][:, :n_components].astype(np.float32)
    projected = z @ axes
    return np.asarray(projected / np.sqrt(projected[learned].var(axis=0).mean()), dtype=np.float32)


def tag_targets(shards: Shards, rows: Sequence[int]) -> Floats:
    """Standardise MusiCNN's values over the training clips.

    The logits of its tags together weigh as much as its hidden layer.

    Parameters
    ----------
    shards : Shards
        With tags.
    rows : sequence of int
        Indices of the training clips.

    Returns
    -------
    numpy.ndarray, shape (n_clips, n_tags), float32
    """
    assert shards.tags is not None
    learned = shards.tags[list(rows)]
    centre, spread = learned.mean(axis=0), learned.std(axis=0)
    z = np.clip((shards.tags - centre) / (spread + 0.1 * np.median(spread)), -_CUT, _CUT)
    share = np.full(musicnn.SIZE, musicnn.SIZE / (2 * musicnn.N_HIDDEN))
    share[musicnn.N_HIDDEN :] = musicnn.SIZE / (2 * (musicnn.SIZE - musicnn.N_HIDDEN))
    return np.asarray(z * np.sqrt(share), dtype=np.float32)


class Batches:
    """Endless varied batches; the same seed, fold and epoch give the same ones.

    Parameters
    ----------
    config : Config
    clips : sequence of Clip
        The whole manifest.
    shards : Shards
        Of the same manifest.
    rows : sequence of int
        Indices of the clips to draw from.
    """

    def __init__(
        self, config: Config[OwnCnn], clips: Sequence[Clip], shards: Shards, rows: Sequence[int]
    ) -> None:
        train = config.model.train
        self._features, self._config = config.features, train
        self._shards = shards
        self._rows = np.asarray(rows)
        self._cropper = Cropper(train, config.features)
        learned = [clips[i] for i in rows]
        self._weights = draw_weights(learned, train, config.split.large_sets)
        self._reference = reference(clips).astype(np.float32)
        self._sounds: Floats | None = None
        self._tags: Floats | None = None
        if train.sounds_weight and shards.sounds is not None:
            self._sounds = sound_targets(shards, rows, train.sounds_components)
        if train.tags_weight and shards.tags is not None:
            self._tags = tag_targets(shards, rows)
        self.n_sounds = 0 if self._sounds is None else self._sounds.shape[1]
        self.n_tags = 0 if self._tags is None else self._tags.shape[1]
        self.n_batches = max(1, len(rows) // train.batch_size)

    def _crop(self, i: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw a crop of a clip, and the targets of its moments."""
        n_frames = self._features.n_frames
        start = int(rng.integers(max(1, self._shards.n_frames(i) - n_frames + 1)))
        segment = self._shards.segment(i, start, n_frames)
        x, first, last = self._cropper.crop(segment, rng)
        if self._sounds is None:
            return x, np.empty((0, 0), np.float32)
        sounds = self._sounds[self._shards.windows[i] : self._shards.windows[i + 1]]
        return x, self._at_moments(sounds, len(x), start + first, last - first)

    def _at_moments(self, sounds: Floats, length: int, first: int, n_read: int) -> Floats:
        """Interpolate a clip's windows at the centres of a crop's moments.

        Parameters
        ----------
        sounds : numpy.ndarray, shape (n_windows, n_sounds)
        length : int
            Of the crop, in frames.
        first, n_read : int
            The frames of the clip that it is made of, stretched to its length.

        Returns
        -------
        numpy.ndarray, shape (n_moments, n_sounds), float32
        """
        n_moments = -(-length // cnn.STRIDE)
        # a moment's centre: five convolutions of stride 2, each looking one frame ahead
        frame = cnn.STRIDE * np.arange(n_moments) + cnn.STRIDE - 1
        centre = first + np.minimum(frame, length - 1) * n_read / length
        place = (centre * self._features.hop_length - WINDOW_SAMPLES / 2) / WINDOW_HOP
        place = np.clip(place, 0, len(sounds) - 1)
        low = np.minimum(place.astype(int), max(0, len(sounds) - 2))
        high = np.minimum(low + 1, len(sounds) - 1)
        share = (place - low)[:, None].astype(np.float32)
        return np.asarray((1 - share) * sounds[low] + share * sounds[high])

    def epoch(self, name: str, epoch: int) -> Iterator[dict[str, Floats]]:
        """Draw one epoch.

        Parameters
        ----------
        name : str
            Of the model: the fold left out, or `FINAL`.
        epoch : int

        Yields
        ------
        dict of str to numpy.ndarray, float32
            ``x`` (batch_size, n_mels, crop_frames, 1) in dB, and its targets:
            ``logits`` (batch_size, n_genres) in [0, 1], ``sounds`` (batch_size,
            n_moments, n_sounds) and, if there are any, ``tags`` (batch_size, n_tags).
        """
        rng = np.random.default_rng([self._config.seed, *name.encode(), epoch])
        n = self.n_batches * self._config.batch_size
        # systematic sampling: expected counts, at most one off, in random order
        grid = (np.arange(n) + rng.random()) / n
        order = np.searchsorted(np.cumsum(self._weights), grid).clip(max=len(self._rows) - 1)
        rng.shuffle(order)
        for rows in self._rows[order].reshape(self.n_batches, self._config.batch_size):
            yield self._batch(rows, rng)

    def _batch(self, rows: Integers, rng: np.random.Generator) -> dict[str, Floats]:
        config = self._config
        drawn = [self._crop(i, rng) for i in rows]
        parts = {
            "x": np.stack([crop for crop, _ in drawn]).transpose(0, 2, 1)[..., None],
            "logits": self._reference[rows],
            "sounds": np.stack([sounds for _, sounds in drawn]),
        }
        if self._tags is not None:
            parts["tags"] = self._tags[rows]
        other = rng.permutation(len(rows))
        share = rng.beta(config.mixup_alpha, config.mixup_alpha, len(rows))
        share = np.maximum(share, 1 - share).astype(np.float32)
        share[rng.random(len(rows)) >= config.mixup_share] = 1.0
        for key, part in parts.items():
            kept = share.reshape(-1, *[1] * (part.ndim - 1))
            parts[key] = np.ascontiguousarray(kept * part + (1 - kept) * part[other])
        smooth = config.label_smoothing
        parts["logits"] = parts["logits"] * (1 - smooth) + 0.5 * smooth
        return parts


def ahead(items: Iterator[Any], depth: int = 4) -> Iterator[Any]:
    """Compute items in a thread ahead of their use."""
    ready: queue.Queue[Any] = queue.Queue(depth)

    def make() -> None:
        try:
            for item in items:
                ready.put((item, None))
            ready.put((None, None))
        except BaseException as error:
            ready.put((None, error))

    threading.Thread(target=make, daemon=True).start()
    while True:
        item, error = ready.get()
        if error is not None:
            raise error
        if item is None:
            return
        yield item
