"""Heads of our own on embeddings, alone and with the network below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genretagger.features import FeatureConfig
from genretagger.genres import GENRES
from training.config import HeadConfig
from training.networks import musicnn

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


def on_embedder(
    features: FeatureConfig, head: HeadConfig, embedder: keras.Model
) -> tuple[keras.Model, keras.Model]:
    """Build heads, alone and on what embeds a segment.

    Parameters
    ----------
    features : FeatureConfig
    head : HeadConfig
    embedder : keras.Model
        From log-mel in dB under the peak, (1, n_frames, n_mels), to (1, size).

    Returns
    -------
    heads : keras.Model
        From (n, size) to logits (n, n_heads, n_genres).
    inference : keras.Model
        Both: (1, n_mels, n_frames, 1) in dB to probabilities (1, n_genres), the mean of the
        heads' logits, and the embedding (1, size), each value standardised over the clips
        that the heads learned from.
    """
    import keras
    from keras import layers, ops

    heads = build(embedder.output.shape[-1], head)
    shape = (1, features.n_mels, features.n_frames, 1)
    decibels = keras.Input(batch_shape=shape, name="log_mel_db")
    embedding = embedder(ops.transpose(decibels[..., 0], (0, 2, 1)), training=False)
    genres = ops.mean(heads(embedding, training=False), axis=1)
    standard = heads.get_layer("standard")(embedding, training=False)
    outputs = [layers.Activation("sigmoid")(genres), standard]
    return heads, keras.Model(decibels, outputs)
