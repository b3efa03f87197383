"""Heads of our own on MusiCNN's embeddings, alone and with the body below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genretagger.features import FeatureConfig
from genretagger.genres import GENRES
from training.config import CompactConfig, HeadConfig
from training.networks import body, musicnn

if TYPE_CHECKING:
    import keras

_CUT = 5.0  # standard deviations


def build(size: int, head: HeadConfig) -> keras.Model:
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
    # standardises by the mean and variance of the training clips; learns nothing
    standard = layers.BatchNormalization(center=False, scale=False, name="standard")
    x = ops.clip(standard(embedding, training=False), -_CUT, _CUT)
    logits = []
    for i in range(head.n_heads):
        y = layers.Dropout(head.input_dropout)(x)
        y = layers.Dense(head.hidden, activation="relu", name=f"hidden_{i}")(y)
        y = layers.Dropout(head.dropout)(y)
        logits.append(layers.Dense(len(GENRES), name=f"logits_{i}")(y))
    return keras.Model(embedding, ops.stack(logits, axis=1), name="heads")


def with_body(
    features: FeatureConfig, head: HeadConfig, compact: CompactConfig | None = None
) -> tuple[keras.Model, keras.Model, keras.Model]:
    """Build body and heads.

    A segment is cut into patches of 3 s, the length that MusiCNN was trained with, and their
    embeddings are averaged. Each head gives logits, and these are averaged, too.

    Parameters
    ----------
    features : FeatureConfig
    head : HeadConfig
    compact : CompactConfig, optional
        Put them on a smaller MusiCNN, as `body.build` does.

    Returns
    -------
    embedder : keras.Model
        From `body.build`.
    heads : keras.Model
        From (n, 250) to logits (n, n_heads, n_genres).
    inference : keras.Model
        Both: (1, 96, n_frames, 1) in dB to probabilities (1, n_genres).
    """
    import keras
    from keras import layers, ops

    heads = build(musicnn.SIZE, head)
    embedder = body.build(compact)
    n_patches = features.n_frames // musicnn.N_FRAMES
    shape = (1, features.n_mels, features.n_frames, 1)
    decibels = keras.Input(batch_shape=shape, name="log_mel_db")
    frames = ops.transpose(decibels[:, :, : n_patches * musicnn.N_FRAMES, 0], (0, 2, 1))
    patches = ops.reshape(frames, (n_patches, musicnn.N_FRAMES, features.n_mels))
    embedding = ops.mean(embedder(patches, training=False), axis=0, keepdims=True)
    genres = ops.mean(heads(embedding, training=False), axis=1)
    return embedder, heads, keras.Model(decibels, layers.Activation("sigmoid")(genres))
