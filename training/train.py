"""Stage 3, train: fit the network to the clips of all folds but one, or of all."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger.errors import FatalError
from training import musicnn, networks
from training.augment import Augmenter
from training.config import Config, HeadConfig, TrainConfig, fingerprint
from training.manifest import Clip, reference
from training.progress import Progress
from training.shards import WINDOW_HOP, WINDOW_SAMPLES, Shards
from training.split import stratum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

FINAL = "final"
"""The name of the model that learns from all folds, and ships."""

WEIGHTS = "model.weights.h5"
"""What a finished training leaves in its folder, beside ``log.jsonl``."""

DESCRIPTION = "model.json"
"""What a model was trained with; written first."""

_CUT = 5.0  # standard deviations

_SAVE_EVERY = 3  # epochs: half a minute of work is lost at most when a run is killed


def draw_weights(clips: Sequence[Clip], config: TrainConfig | HeadConfig) -> NDArray[np.float64]:
    """Decide how often each clip is drawn.

    A clip's weight falls with the number of clips of its artist group, and a kind of
    set as a whole weighs less than in proportion, so that neither one artist's many
    clips nor one source's habits rule.

    Parameters
    ----------
    clips : sequence of Clip
    config : TrainConfig

    Returns
    -------
    numpy.ndarray, shape (n_clips,), float64
        Sums to 1.
    """
    groups = [clip.artist_id for clip in clips]
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = counts[which].astype(float) ** -config.group_power
    sets = np.array([stratum(clip) for clip in clips])
    for name in np.unique(sets):
        rows = sets == name
        weights[rows] *= weights[rows].sum() ** (config.set_power - 1.0)
    return np.asarray(weights / weights.sum())


def sound_targets(shards: Shards, rows: Sequence[int], n_components: int) -> Floats:
    """Project YAMNet's embeddings to what the network has to predict of each moment.

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
    mine = np.concatenate([np.arange(shards.windows[i], shards.windows[i + 1]) for i in rows])
    centre, spread = windows[mine].mean(axis=0), windows[mine].std(axis=0)
    # some values are 0 nearly everywhere: damped by the median, and cut, or a few windows
    # would rule the loss (seen without: a component at 1700 standard deviations)
    z = np.clip((windows - centre) / (spread + np.median(spread)), -_CUT, _CUT)
    _, axes = np.linalg.eigh(z[mine].T @ z[mine])
    axes = axes[:, ::-1][:, :n_components].astype(np.float32)
    projected = z @ axes
    return np.asarray(projected / np.sqrt(projected[mine].var(axis=0).mean()), dtype=np.float32)


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
    mine = shards.tags[list(rows)]
    centre, spread = mine.mean(axis=0), mine.std(axis=0)
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
        self, config: Config, clips: Sequence[Clip], shards: Shards, rows: Sequence[int]
    ) -> None:
        self._config = config
        self._shards = shards
        self._rows = np.asarray(rows)
        self._augmenter = Augmenter(config.train, config.features)
        self._weights = draw_weights([clips[i] for i in rows], config.train)
        self._reference = reference(clips).astype(np.float32)
        self._sounds: Floats | None = None
        self._tags: Floats | None = None
        if config.train.sounds_weight and shards.sounds is not None:
            self._sounds = sound_targets(shards, rows, config.train.sounds_components)
        if config.train.tags_weight and shards.tags is not None:
            self._tags = tag_targets(shards, rows)
        self.n_sounds = 0 if self._sounds is None else self._sounds.shape[1]
        self.n_tags = 0 if self._tags is None else self._tags.shape[1]
        self.n_batches = max(1, len(rows) // config.train.batch_size)

    def _crop(self, i: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        features = self._config.features
        first, end = self._shards.frames[i], self._shards.frames[i + 1]
        n = int(end - first)
        start = int(rng.integers(max(1, n - features.n_frames + 1)))
        # a clip shorter than a segment is repeated, as audio.fit_length does
        index = first + (start + np.arange(features.n_frames)) % n
        segment = np.asarray(self._shards.mel[index], dtype=np.float32)
        x, heard, until = self._augmenter.crop(segment, rng)
        if self._sounds is None:
            return x, np.empty((0, 0), np.float32)
        windows = self._sounds[self._shards.windows[i] : self._shards.windows[i + 1]]
        n_moments = -(-len(x) // networks.STRIDE)
        # a moment's centre: five convolutions of stride 2, each looking one frame ahead
        frame = networks.STRIDE * np.arange(n_moments) + networks.STRIDE - 1
        centre = start + heard + np.minimum(frame, len(x) - 1) * (until - heard) / len(x)
        place = (centre * features.hop_length - WINDOW_SAMPLES / 2) / WINDOW_HOP
        place = np.clip(place, 0, len(windows) - 1)
        low = np.minimum(place.astype(int), max(0, len(windows) - 2))
        high = np.minimum(low + 1, len(windows) - 1)
        share = (place - low)[:, None].astype(np.float32)
        return x, (1 - share) * windows[low] + share * windows[high]

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
            ``x`` (batch_size, n_mels, crop_frames, 1) in dB, and what is wanted of it:
            ``logits`` (batch_size, n_genres) in [0, 1], ``sounds`` (batch_size,
            n_moments, n_sounds) and, if there are any, ``tags`` (batch_size, n_tags).
        """
        config = self._config.train
        rng = np.random.default_rng([config.seed, *name.encode(), epoch])
        n = self.n_batches * config.batch_size
        # systematic sampling: expected counts, at most one off, in random order
        grid = (np.arange(n) + rng.random()) / n
        order = np.searchsorted(np.cumsum(self._weights), grid).clip(max=len(self._rows) - 1)
        rng.shuffle(order)
        for batch in self._rows[order].reshape(self.n_batches, config.batch_size):
            drawn = [self._crop(i, rng) for i in batch]
            parts = {
                "x": np.stack([crop for crop, _ in drawn]).transpose(0, 2, 1)[..., None],
                "logits": self._reference[batch],
                "sounds": np.stack([sounds for _, sounds in drawn]),
            }
            if self._tags is not None:
                parts["tags"] = self._tags[batch]
            other = rng.permutation(len(batch))
            share = rng.beta(config.mixup_alpha, config.mixup_alpha, len(batch))
            share = np.maximum(share, 1 - share).astype(np.float32)
            share[rng.random(len(batch)) >= config.mixup_share] = 1.0
            for key, part in parts.items():
                mine = share.reshape(-1, *[1] * (part.ndim - 1))
                parts[key] = np.ascontiguousarray(mine * part + (1 - mine) * part[other])
            smooth = config.label_smoothing
            parts["logits"] = parts["logits"] * (1 - smooth) + 0.5 * smooth
            yield parts


def _ahead(items: Iterator[Any], depth: int = 4) -> Iterator[Any]:
    """Make items in a thread, so that the network does not wait for them."""
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


def check(config: Config, folder: Path, shards_sha256: str) -> dict[str, Any]:
    """Read a model's description and check that it belongs to a configuration and to shards.

    Parameters
    ----------
    config : Config
    folder : pathlib.Path
    shards_sha256 : str
        The fingerprint of the shards, and so of their manifest.

    Returns
    -------
    dict
        ``n_sounds``, ``n_tags``: sizes of its training heads; ``n_clips``.

    Raises
    ------
    FatalError
        If there is none, or it was trained with other settings.
    """
    try:
        meta = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{folder} holds no model: run the stage `train` first") from error
    for key, now, what in (
        ("config", fingerprint(config), "with another configuration"),
        ("shards", shards_sha256, "on other shards"),
    ):
        if meta.get(key) != now:
            raise FatalError(f"{folder} was trained {what}: remove it, or use another --run")
    return dict(meta)


def _optimizer(train: TrainConfig, n_batches: int) -> Any:
    import keras

    n_steps = n_batches * train.epochs
    n_warmup = min(n_steps - 1, round(train.warmup_epochs * n_batches))
    schedule = keras.optimizers.schedules.CosineDecay(
        train.learning_rate / 20,
        n_steps - n_warmup,
        warmup_target=train.learning_rate,
        warmup_steps=n_warmup,
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=train.weight_decay, global_clipnorm=train.clip_norm
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def fit(
    config: Config,
    clips: Sequence[Clip],
    shards: Shards,
    *,
    rows: Sequence[int],
    name: str,
    folder: Path,
    say: Callable[[str], None],
) -> Path:
    """Train one model, or go on where a killed training stopped.

    Parameters
    ----------
    config : Config
    clips : sequence of Clip
        The whole manifest.
    shards : Shards
    rows : sequence of int
        Indices of the clips to learn from.
    name : str
        Of the model; part of its seed.
    folder : pathlib.Path
        For checkpoints, the log and the weights.
    say : callable
        Takes one line of progress.

    Returns
    -------
    pathlib.Path
        The weights, in Keras' HDF5.

    Raises
    ------
    FatalError
        If the folder holds a model, whole or begun, of another configuration.
    """
    weights, description = folder / WEIGHTS, folder / DESCRIPTION
    if description.exists():
        check(config, folder, shards.sha256)
    if weights.exists():
        say(f"{name}: trained before")
        return weights

    import keras
    import tensorflow as tf

    train = config.train
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(train.seed)
    batches = Batches(config, clips, shards, rows)
    meta = {
        "n_sounds": batches.n_sounds,
        "n_tags": batches.n_tags,
        "n_clips": len(rows),
        "config": fingerprint(config),
        "shards": shards.sha256,
    }
    description.write_text(json.dumps(meta) + "\n", encoding="utf-8")
    model, _ = networks.build(config.network, config.features, batches.n_sounds, batches.n_tags)
    optimizer = _optimizer(train, batches.n_batches)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(parts: dict[str, Any]) -> list[Any]:
        with tf.GradientTape() as tape:
            out = model(parts["x"], training=True)
            by_label = tf.reduce_mean(
                tf.nn.sigmoid_cross_entropy_with_logits(parts["logits"], out["logits"])
            )
            errors = {
                name: tf.reduce_mean(tf.square(out[name] - parts[name]))
                for name in ("sounds", "tags")
                if name in out
            }
            loss = by_label + sum(weight[name] * error for name, error in errors.items())
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return [by_label, *errors.values()]

    weight = {"sounds": train.sounds_weight, "tags": train.tags_weight}
    names = ["labels", *(n for n in ("sounds", "tags") if n in model.output)]
    done = tf.Variable(0, trainable=False, dtype=tf.int64)
    state = tf.train.Checkpoint(model=model, optimizer=optimizer, done=done)
    manager = tf.train.CheckpointManager(state, str(folder / "checkpoints"), max_to_keep=1)
    if manager.latest_checkpoint:
        state.restore(manager.latest_checkpoint)
    first = int(done.numpy())
    progress = Progress(max(1, train.epochs - first), say, every_s=0)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        for epoch in range(first, train.epochs):
            began = time.monotonic()
            losses = [
                [float(v) for v in step({k: tf.constant(v) for k, v in parts.items()})]
                for parts in _ahead(batches.epoch(name, epoch))
            ]
            seconds = time.monotonic() - began
            means = np.round(np.mean(losses, axis=0), 4).tolist()
            line = {"epoch": epoch + 1, **dict(zip(names, means, strict=True))}
            log.write(json.dumps({**line, "seconds": round(seconds, 1)}) + "\n")
            log.flush()
            shown = "  ".join(f"{k} {v:.4f}" for k, v in zip(names, means, strict=True))
            what = f"{name}: epoch {epoch + 1}/{train.epochs}  {shown}  {seconds:.1f} s"
            progress.at(epoch + 1 - first, what)
            done.assign(epoch + 1)
            if (epoch + 1) % _SAVE_EVERY == 0:
                manager.save()
    model.save_weights(weights)
    return weights
