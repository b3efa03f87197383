"""Heads of our own on embeddings, alone and with the network below them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from genretagger.features import FeatureConfig
from genretagger.genres import GENRES
from training.config import HeadConfig
from training.networks import musicnn
from training.networks.tags import MEANT, N_TAGS

if TYPE_CHECKING:
    import keras

_CUT = 5.0  # standard deviations

TOP_DB = FeatureConfig().top_db
"""Depth of the floor under its peak that each of several networks hears."""


def build(sizes: Sequence[int], head: HeadConfig) -> keras.Model:
    """Build the heads.

    Parameters
    ----------
    sizes : sequence of int
        Of an embedding's parts, each of which has heads of its own.
    head : HeadConfig

    Returns
    -------
    keras.Model
        From (n, size) to logits (n, n_parts * n_heads, n_genres).
    """
    import keras
    from keras import layers, ops

    embedding = keras.Input((sum(sizes),))
    # standardises by the mean and variance of the training clips; learns nothing
    standard = layers.BatchNormalization(center=False, scale=False, name="standard")
    x = ops.clip(standard(embedding, training=False), -_CUT, _CUT)
    logits = []
    parts = [x[:, end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]
    for i in range(len(parts) * head.n_heads):
        y = layers.Dropout(head.input_dropout)(parts[i // head.n_heads])
        y = layers.Dense(head.hidden, activation="relu", name=f"hidden_{i}")(y)
        y = layers.Dropout(head.dropout)(y)
        logits.append(layers.Dense(len(GENRES), name=f"logits_{i}")(y))
    return keras.Model(embedding, ops.stack(logits, axis=1), name="heads")


def on_musicnn(features: FeatureConfig, published: keras.Model) -> keras.Model:
    """Let MusiCNN embed a segment: the mean over patches of 3 s, which it was trained with.

    Parameters
    ----------
    features : FeatureConfig
    published : keras.Model
        From `body.build`.

    Returns
    -------
    keras.Model
        From log-mel in dB under the peak, (1, n_frames, n_mels), to (1, 250).
    """
    import keras
    from keras import ops

    n_patches = features.n_frames // musicnn.N_FRAMES
    decibels = keras.Input(batch_shape=(1, features.n_frames, features.n_mels))
    frames = decibels[:, : n_patches * musicnn.N_FRAMES]
    patches = ops.reshape(frames, (n_patches, musicnn.N_FRAMES, features.n_mels))
    embedding = ops.mean(published(patches, training=False), axis=0, keepdims=True)
    return keras.Model(decibels, embedding, name="embedder")


def side_by_side(features: FeatureConfig, parts: Sequence[keras.Model]) -> keras.Model:
    """Let several networks embed a segment, each by a filterbank of its own.

    Parameters
    ----------
    features : FeatureConfig
        With the filterbanks one behind the other.
    parts : sequence of keras.Model
        From log-mel in dB under the peak of its own bands, at most 80 dB, (1, n_frames,
        n_mels / n_parts), to (1, size of the part).

    Returns
    -------
    keras.Model
        From log-mel in dB under the peak, (1, n_frames, n_mels), to (1, size).
    """
    import keras
    from keras import ops

    decibels = keras.Input(batch_shape=(1, features.n_frames, features.n_mels))
    embeddings = []
    for bands, part in zip(ops.split(decibels, len(parts), axis=2), parts, strict=True):
        under_peak = bands - ops.max(bands, axis=(1, 2), keepdims=True)
        embeddings.append(part(ops.maximum(under_peak, -TOP_DB), training=False))
    return keras.Model(decibels, ops.concatenate(embeddings, axis=1), name="embedder")


def on_embedder(
    features: FeatureConfig,
    head: HeadConfig,
    embedder: keras.Model,
    sizes: Sequence[int],
    tags_at: int,
) -> tuple[keras.Model, keras.Model]:
    """Build heads, alone and on what embeds a segment.

    Parameters
    ----------
    features : FeatureConfig
    head : HeadConfig
    embedder : keras.Model
        From log-mel in dB under the peak, (1, n_frames, n_mels), to (1, n).
    sizes : sequence of int
        Of the parts of these values that heads learn from, the first ones.
    tags_at : int
        Where in these values the logits of the tags begin.

    Returns
    -------
    heads : keras.Model
        See `build`.
    inference : keras.Model
        Both: (1, n_mels, n_frames, 1) in dB to probabilities (1, n_genres), and the embedding
        (1, sum of sizes), each value standardised over the clips that the heads learned from.
        The logit of a genre is the mean of the heads', and of the strongest tag that means it.
    """
    import keras
    from keras import layers, ops

    heads = build(sizes, head)
    shape = (1, features.n_mels, features.n_frames, 1)
    decibels = keras.Input(batch_shape=shape, name="log_mel_db")
    told = embedder(ops.transpose(decibels[..., 0], (0, 2, 1)), training=False)
    embedding = told[:, : sum(sizes)]
    learned = ops.mean(heads(embedding, training=False), axis=1)
    genres = _beside_tags(learned, told[:, tags_at : tags_at + N_TAGS], head)
    standard = heads.get_layer("standard")(embedding, training=False)
    outputs = [layers.Activation("sigmoid")(genres), standard]
    return heads, keras.Model(decibels, outputs)


def _beside_tags(learned: Any, tags: Any, head: HeadConfig) -> Any:
    """Mix the logits of heads with those of the tags that mean the same genre."""
    from keras import ops

    genres = []
    for g in range(len(GENRES)):
        logit = learned[:, g]
        if g in MEANT:
            strongest = ops.max(ops.stack([tags[:, i] for i in MEANT[g]]), axis=0)
            logit += head.tags_share * (strongest + head.tags_shift - logit)
        genres.append(logit)
    return ops.stack(genres, axis=1)
