"""A network of our own: log-mel in dB to one logit for each genre, for any number of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genretagger.features import FeatureConfig
from genretagger.genres import GENRES
from training.config import NetworkConfig

if TYPE_CHECKING:
    import keras


STRIDE = 32
"""Frames from one moment to the next: the product of all strides, 0.64 s."""


def _conv(x: Any, channels: int, kernel: int, stride: int) -> Any:
    from keras import layers

    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)


def build(
    config: NetworkConfig, features: FeatureConfig, n_sounds: int, n_tags: int
) -> tuple[keras.Model, keras.Model]:
    """Build the network.

    Plain 3x3 convolutions, strided rather than pooled: the fastest kind to train on a
    CPU. Blocks that keep their size add what they are given (He et al., CVPR 2016).
    Normalisation is part of the graph, so that features reach it as they are: in dB.

    At the end, all frequencies of a moment (0.64 s apart) become one embedding; over
    time, embeddings are averaged, beside the average of the maxima of short windows.
    Windows, because one maximum over all time grows with the length of the input, and
    training crops are shorter than the product's segments.

    Parameters
    ----------
    config : NetworkConfig
    features : FeatureConfig
    n_sounds, n_tags : int
        Values that the teachers want predicted in training, for each moment and for the
        whole input; 0 where there is no such teacher.

    Returns
    -------
    training : keras.Model
        (n, n_mels, n_frames, 1) to a dict: ``logits`` (n, n_genres) and, if there are
        teachers, ``sounds`` (n, n_frames / 32, n_sounds) and ``tags`` (n, n_tags).
    inference : keras.Model
        The same layers: (1, n_mels, features.n_frames, 1) to probabilities (1, n_genres).
    """
    import keras
    from keras import layers

    signal = keras.Input((features.n_mels, None, 1), name="log_mel_db")
    x = layers.Rescaling(2.0 / features.top_db, offset=1.0)(signal)  # [-80, 0] dB to [-1, 1]
    x = layers.BatchNormalization(axis=1)(x)  # each mel band on its own
    x = layers.ReLU()(_conv(x, config.stem, kernel=5, stride=2))
    for channels, stride in config.blocks:
        y = _conv(x, channels, kernel=3, stride=stride)
        if stride == 1 and x.shape[-1] == channels:
            y = layers.Add()([x, y])
        x = layers.ReLU()(y)
    # all bands of a moment at once: (n, 1, n_frames / 32, embedding)
    x = layers.Conv2D(config.embedding, (x.shape[1], 1), use_bias=False)(x)
    moments = layers.ReLU()(layers.BatchNormalization()(x))
    peaks = layers.MaxPooling2D((1, config.pool_frames), padding="same")(moments)
    pooled = layers.Concatenate()(
        [layers.GlobalAveragePooling2D()(moments), layers.GlobalAveragePooling2D()(peaks)]
    )
    logits = layers.Dense(len(GENRES), name="logits")(layers.Dropout(config.dropout)(pooled))
    outputs = {"logits": logits}
    if n_sounds:
        sounds = layers.Conv2D(n_sounds, 1, name="sounds")(moments)
        outputs["sounds"] = layers.Reshape((-1, n_sounds))(sounds)
    if n_tags:
        outputs["tags"] = layers.Dense(n_tags, name="tags")(pooled)
    training = keras.Model(signal, outputs)

    fixed = keras.Input(batch_shape=(1, features.n_mels, features.n_frames, 1), name="log_mel_db")
    genres = keras.Model(signal, logits)(fixed, training=False)
    probabilities = layers.Activation("sigmoid", name="probabilities")(genres)
    return training, keras.Model(fixed, probabilities)


def n_macs(config: NetworkConfig, features: FeatureConfig) -> int:
    """Count the multiply-accumulates of the convolutions for one segment."""
    n_mels, n_frames = -(-features.n_mels // 2), -(-features.n_frames // 2)
    total, entering = n_mels * n_frames * 25 * config.stem, config.stem
    for channels, stride in config.blocks:
        n_mels, n_frames = -(-n_mels // stride), -(-n_frames // stride)
        total += n_mels * n_frames * 9 * entering * channels
        entering = channels
    return total
