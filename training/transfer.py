"""The network of the `accurate` bundle: MusiCNN, as published, under heads of our own.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio
tagging", ISMIR late-breaking 2019; ``MSD_musicnn``, learned from the Million Song
Dataset; ISC licence, which allows its weights to ship. It stays as it is: training its
middle and last layers on our clips, too, was tried and made it no better.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger import audio
from genretagger.features import FeatureConfig
from genretagger.genres import GENRES
from training import musicnn, networks
from training.config import CompactConfig, Config, HeadConfig, fingerprint
from training.manifest import Clip, reference
from training.progress import Progress
from training.rows import write_array
from training.shards import Shards
from training.train import DESCRIPTION, WEIGHTS, check, draw_weights

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LOG_RANGE = 6.0
"""Powers of ten from MusiCNN's knee to a segment's peak. It hears ``log10(1 + 10000 power)``,
and the median peak power of the development clips' segments is 110: 1e4 times 1e2. Counted
from the peak, loudness does not matter."""

WIDTHS = (38, 67)
"""Mel bands that the timbral filters span: 0.4 and 0.7 of 96."""

LENGTHS = (128, 64, 32)
"""Frames that the temporal filters span."""

FILTERS = (*(((7, width), 204) for width in WIDTHS), *(((n, 1), 51) for n in LENGTHS))
"""Size in frames and bands, and number, of each kind of filter."""

N_FRONT = sum(channels for _, channels in FILTERS)
"""Outputs of the filters for each frame."""

_CUT = 5.0  # standard deviations

_BN = ("gamma", "beta", "moving_mean", "moving_variance")


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
    owner: NDArray[np.int64]
    negatives: Floats
    trunk: keras.Model
    sha256: str


@dataclass(frozen=True)
class Examples:
    """What heads learn from.

    Attributes
    ----------
    embeddings : numpy.ndarray, shape (n_segments, size), float32
    first : numpy.ndarray, shape (n_clips + 1,), int64
        Clip ``i`` has the segments ``first[i]`` to ``first[i + 1]``.
    labels : numpy.ndarray, shape (n_clips, n_genres), float32
    """

    embeddings: Floats
    first: NDArray[np.int64]
    labels: Floats


def _n_taps(compact: CompactConfig | None) -> int:
    """Count the frames that a filter over time spans, which are 7 of MusiCNN's."""
    return 7 if compact is None else 1 + 2 * -(-3 // compact.time_stride)


def body(compact: CompactConfig | None = None) -> keras.Model:
    """Build MusiCNN without its last layer, for patches of any number of frames.

    Parameters
    ----------
    compact : CompactConfig, optional
        Build a smaller one instead: its filters are linear combinations of `rank` ones each,
        compared at every `time_stride`-th frame and every `timbral_stride`-th or
        `temporal_stride`-th band. See `training.compact`.

    Returns
    -------
    keras.Model
        From log-mel in dB under the peak, (n, n_frames, 96), to (n, 250): the last hidden
        layer, then the logits of the 50 tags. The layer ``front`` is what follows the filters.
    """
    import keras
    from keras import layers

    def norm(x: Any, i: int) -> Any:
        return layers.BatchNormalization(name=f"norm_{i}")(x)

    def filters(x: Any, i: int, channels: int, kernel: tuple[int, int], stride: int) -> Any:
        """Compare windows of the signal with filters, directly or by way of fewer ones."""
        padding = "valid" if kernel[1] > 1 else "same"
        if compact is None:
            return layers.Conv2D(
                channels, kernel, padding=padding, activation="relu", name=f"conv_{i}"
            )(x)
        strides = (compact.time_stride, stride)
        x = layers.Conv2D(
            compact.rank, kernel, strides, padding=padding, use_bias=False, name=f"basis_{i}"
        )(x)
        return layers.Conv2D(channels, 1, activation="relu", name=f"conv_{i}")(x)

    def over_time(x: Any, i: int) -> Any:
        y = layers.Conv1D(
            64, _n_taps(compact), padding="same", activation="relu", name=f"conv_{i}"
        )(x)
        return norm(y, i + 1)

    decibels = keras.Input((None, 96))
    # log10(1 + 10 ** (LOG_RANGE + dB / 10)), as a softplus
    x = layers.Rescaling(math.log(10) / 10, offset=LOG_RANGE * math.log(10))(decibels)
    x = layers.Activation("softplus")(x)
    x = layers.Rescaling(1 / math.log(10))(x)
    x = norm(layers.Reshape((-1, 96, 1))(x), 0)
    across, along = (1, 1) if compact is None else (compact.timbral_stride, compact.temporal_stride)
    padded = layers.ZeroPadding2D((3, 0))(x)
    parts = [
        filters(padded, i, channels, kernel, across)
        if kernel[1] > 1
        else filters(x, i, channels, kernel, along)
        for i, (kernel, channels) in enumerate(FILTERS)
    ]
    heard = []
    for i, part in enumerate(parts, 1):
        peak = layers.MaxPooling2D((1, part.shape[2]))(norm(part, i))
        heard.append(layers.Reshape((-1, part.shape[3]))(peak))
    front = layers.Concatenate(name="front")(heard)
    first = over_time(front, 5)
    second = layers.Add()([over_time(first, 6), first])
    third = layers.Add()([over_time(second, 7), second])
    together = layers.Concatenate()([front, first, second, third])
    pooled = layers.Concatenate()(
        [layers.GlobalMaxPooling1D()(together), layers.GlobalAveragePooling1D()(together)]
    )
    hidden = layers.Dense(musicnn.N_HIDDEN, activation="relu", name="dense_0")(norm(pooled, 9))
    hidden = norm(hidden, 10)
    tags = layers.Dense(musicnn.SIZE - musicnn.N_HIDDEN, name="dense_1")(hidden)
    return keras.Model(decibels, layers.Concatenate()([hidden, tags]), name="musicnn")


def load_body(wheel: Path) -> keras.Model:
    """Build the body and fill it from the published checkpoint.

    Parameters
    ----------
    wheel : pathlib.Path
        ``musicnn-0.1.0-py3-none-any.whl``.

    Returns
    -------
    keras.Model
    """
    weights = musicnn.load(wheel)
    # the package interleaves maximum and mean of each value, we put one after the other
    n_pooled = len(weights["batch_normalization_9/gamma"])
    order = np.concatenate([np.arange(0, n_pooled, 2), np.arange(1, n_pooled, 2)])

    model = body()
    for layer in model.layers:
        kind, _, i = layer.name.rpartition("_")
        if kind == "norm":
            found = [
                weights[f"{musicnn.numbered('batch_normalization', int(i))}/{part}"] for part in _BN
            ]
            layer.set_weights([v[order] for v in found] if i == "9" else found)
        elif kind in ("conv", "dense"):
            name = musicnn.numbered("conv2d" if kind == "conv" else "dense", int(i))
            kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
            if kind == "conv" and int(i) >= 5:
                kernel = kernel[:, :, 0, :]
            layer.set_weights([kernel[order] if layer.name == "dense_0" else kernel, bias])
    return model


def build_heads(size: int, head: HeadConfig) -> keras.Model:
    """Build the heads.

    Parameters
    ----------
    size : int
        Of an embedding.
    head : HeadConfig

    Returns
    -------
    keras.Model
        From (n, size) to logits (n, n_heads, n_genres).
    """
    import keras
    from keras import layers, ops

    embedding = keras.Input((size,))
    # standardises, by what `fit` finds in the training clips; learns nothing
    standard = layers.BatchNormalization(center=False, scale=False, name="standard")
    x = ops.clip(standard(embedding, training=False), -_CUT, _CUT)
    logits = []
    for i in range(head.n_heads):
        y = layers.Dropout(head.input_dropout)(x)
        y = layers.Dense(head.hidden, activation="relu", name=f"hidden_{i}")(y)
        y = layers.Dropout(head.dropout)(y)
        logits.append(layers.Dense(len(GENRES), name=f"logits_{i}")(y))
    return keras.Model(embedding, ops.stack(logits, axis=1), name="heads")


def build(config: Config) -> tuple[keras.Model, keras.Model, keras.Model]:
    """Build body and heads.

    A segment is cut into patches of 3 s, the length that MusiCNN was trained with, and what
    it says of them is averaged. Each head gives logits, and these are averaged, too.

    Parameters
    ----------
    config : Config
        With a `HeadConfig`.

    Returns
    -------
    trunk, heads : keras.Model
        As `body`; from (n, 250) to logits (n, n_heads, n_genres).
    inference : keras.Model
        Both: (1, 96, n_frames, 1) in dB to probabilities (1, n_genres).
    """
    import keras
    from keras import layers, ops

    head, features = config.train, config.features
    assert isinstance(head, HeadConfig)
    heads = build_heads(musicnn.SIZE, head)
    trunk = body(config.compact)
    n_patches = features.n_frames // musicnn.N_FRAMES
    shape = (1, features.n_mels, features.n_frames, 1)
    decibels = keras.Input(batch_shape=shape, name="log_mel_db")
    heard = ops.transpose(decibels[:, :, : n_patches * musicnn.N_FRAMES, 0], (0, 2, 1))
    patches = ops.reshape(heard, (n_patches, musicnn.N_FRAMES, features.n_mels))
    said = ops.mean(trunk(patches, training=False), axis=0, keepdims=True)
    genres = ops.mean(heads(said, training=False), axis=1)
    return trunk, heads, keras.Model(decibels, layers.Activation("sigmoid")(genres))


def segments(shards: Shards, clip: int, duration_s: float, features: FeatureConfig) -> Floats:
    """Cut a clip where the product would listen.

    Returns
    -------
    numpy.ndarray, shape (n_segments, n_frames, n_mels), float32
        In dB under each segment's peak.
    """
    first, end = shards.frames[clip], shards.frames[clip + 1]
    n = int(end - first)
    starts = np.array(audio.excerpt_starts(duration_s, features.segment_s))
    frames = np.round(starts * features.sr / features.hop_length).astype(int)
    # a clip shorter than a segment is repeated, as audio.fit_length does
    index = (frames[:, None] + np.arange(features.n_frames)) % n
    decibels = np.asarray(shards.mel[first + index], dtype=np.float32)
    return np.maximum(decibels - decibels.max(axis=(1, 2), keepdims=True), -features.top_db)


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
    key = json.dumps([shards.sha256, musicnn.N_FRAMES, LOG_RANGE]).encode()
    stamp = hashlib.sha256(key + b"".join(w.tobytes() for w in trunk.get_weights())).hexdigest()
    found, owner = [], []
    run = networks.runner(trunk, (1, musicnn.N_FRAMES, features.n_mels))
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


def fit(
    config: Config,
    clips: Sequence[Clip],
    heard: Heard,
    *,
    rows: Sequence[int],
    name: str,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Train the heads of one model, and save them with the body.

    Parameters
    ----------
    config : Config
        With a `HeadConfig`.
    clips : sequence of Clip
        The whole manifest.
    heard : Heard
        From `embed`.
    rows : sequence of int
        Indices of the clips to learn from.
    name : str
        Of the model; part of its seed.
    folder : pathlib.Path
        For the log and the weights.
    say : callable
        Takes one line of progress.

    Raises
    ------
    FatalError
        If the folder holds a model of another configuration.
    """
    import keras

    head = config.train
    assert isinstance(head, HeadConfig)
    if (folder / DESCRIPTION).exists():
        check(config, folder, heard.sha256)
    if (folder / WEIGHTS).exists():
        say(f"{name}: trained before")
        return
    folder.mkdir(parents=True, exist_ok=True)
    meta = {"n_sounds": 0, "n_tags": 0, "n_clips": len(rows), "config": fingerprint(config)}
    meta["shards"] = heard.sha256
    (folder / DESCRIPTION).write_text(json.dumps(meta) + "\n", encoding="utf-8")
    keras.utils.set_random_seed(head.seed)
    inner, heads, inference = build(config)
    inner.set_weights(heard.trunk.get_weights())
    mine = heard.embeddings[np.isin(heard.owner, rows)]
    heads.get_layer("standard").set_weights([mine.mean(axis=0), mine.var(axis=0)])
    first = np.searchsorted(heard.owner, np.arange(len(clips) + 1))
    weights = draw_weights([clips[i] for i in rows], head)
    # negatives are so many more clips, of one segment each
    n_more = len(heard.negatives)
    examples = Examples(
        np.concatenate([heard.embeddings, heard.negatives]),
        np.concatenate([first, first[-1] + 1 + np.arange(n_more)]),
        np.pad(reference(clips).astype(np.float32), ((0, n_more), (0, 0))),
    )
    if n_more:
        assert config.negatives is not None
        share = config.negatives.share
        weights = np.concatenate([weights * (1 - share), np.full(n_more, share / n_more)])
    learned = [*rows, *range(len(clips), len(clips) + n_more)]
    seed = [head.seed, *name.encode()]
    began = time.monotonic()
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        losses = fit_heads(heads, head, examples, learned, weights, seed=seed)
        for epoch, loss in enumerate(losses, 1):
            line = {"epoch": epoch, "labels": round(loss, 4)}
            line["seconds"] = round(time.monotonic() - began, 1)
            began = time.monotonic()
            log.write(json.dumps(line) + "\n")
    say(f"{name}: {head.epochs} epochs, loss {line['labels']}")
    inference.save_weights(folder / WEIGHTS)


def fit_heads(
    heads: keras.Model,
    head: HeadConfig,
    examples: Examples,
    rows: Sequence[int] | NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    seed: Sequence[int],
) -> Iterator[float]:
    """Fit heads to embeddings, with mixup.

    Parameters
    ----------
    heads : keras.Model
        From `build_heads`.
    head : HeadConfig
    examples : Examples
    rows : sequence of int
        Clips to learn from.
    weights : numpy.ndarray, shape (len(rows),)
        How often each is drawn; they sum to 1.
    seed : sequence of int

    Yields
    ------
    float
        The mean loss of an epoch.
    """
    import keras
    import tensorflow as tf

    n_batches = max(1, len(rows) // head.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(head.learning_rate, n_batches * head.epochs)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=head.weight_decay)
    optimizer.build(heads.trainable_variables)

    @tf.function
    def step(x: Any, wanted: Any) -> Any:
        with tf.GradientTape() as tape:
            given = heads(x, training=True)
            wanted = tf.broadcast_to(wanted[:, None], tf.shape(given))
            each = tf.nn.sigmoid_cross_entropy_with_logits(wanted, given)
            loss = tf.reduce_mean(each) * head.n_heads  # each head as if it were alone
        gradients = tape.gradient(loss, heads.trainable_variables)
        optimizer.apply(gradients, heads.trainable_variables)
        return loss / head.n_heads

    embeddings, first, labels = examples.embeddings, examples.first, examples.labels
    rng = np.random.default_rng(seed)
    for _ in range(head.epochs):
        losses = []
        for _ in range(n_batches):
            drawn = rng.choice(rows, head.batch_size, p=weights)
            x = embeddings[rng.integers(first[drawn], first[drawn + 1])]
            other = rng.permutation(len(drawn))
            share = rng.beta(head.mixup_alpha, head.mixup_alpha, (len(drawn), 1))
            share = share.astype(np.float32)
            wanted = share * labels[drawn] + (1 - share) * labels[drawn[other]]
            losses.append(float(step(share * x + (1 - share) * x[other], wanted)))
        yield float(np.mean(losses))


def n_macs(features: FeatureConfig, compact: CompactConfig | None = None) -> int:
    """Count the multiply-accumulates of a body's convolutions for one segment."""
    n_frames = features.n_frames // musicnn.N_FRAMES * musicnn.N_FRAMES
    n_mels, n_taps = features.n_mels, _n_taps(compact)
    stride, per_frame = 1, n_taps * 64 * (N_FRONT + 2 * 64)
    for (length, width), channels in FILTERS:
        n_bands = n_mels - width + 1
        if compact is None:
            per_frame += n_bands * length * width * channels
        else:
            step = compact.timbral_stride if width > 1 else compact.temporal_stride
            per_frame += -(-n_bands // step) * compact.rank * (length * width + channels)
            stride = compact.time_stride
    return n_frames // stride * per_frame
