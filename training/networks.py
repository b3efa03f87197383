"""The network: log-mel in dB to one logit for each genre, for any number of frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from genretagger.errors import FatalError
from genretagger.features import FeatureConfig
from genretagger.genres import GENRES
from training.config import NetworkConfig

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

STRIDE = 32
"""Frames from one moment to the next: the product of all strides, 0.64 s."""

REPORT_FILTERS = (8, 16, 32, 64, 128)
"""Channels of the founding report's five convolutions."""

_MOMENTUM = 0.9
"""Of the report's BatchNorm: with Keras' default of 0.99 its running averages are not there yet
after the few hundred steps of a short study, and accuracy was under chance (seen: 3 to 8 %)."""

_LEAST_MEL_ROWS = 78  # 3x3 and 2x2 maxima four times, and 3x3 once more, leave one row


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


def report(
    shape: tuple[int, int, int],
    *,
    pooling: str = "flatten",
    mean: Any = 0.0,
    variance: Any = 1.0,
) -> keras.Model:
    """Build the founding report's network for one of its variants.

    Five 3x3 convolutions of 8 to 128 channels without padding, each with BatchNorm and
    ReLU, 2x2 maxima after the first four, dropout of 0.3 and 14 sigmoids, as printed
    there. Its network for MFCC is not printed: only that kernels and pools were fitted to
    the 13 rows. Ours keeps the kernels and pools over time alone, because neighbouring
    coefficients are no neighbours in pitch: rows go 13, 11, 9, 7, 5, 3. Where the report
    divides pixels by 255, each row and channel is standardised; and BatchNorm's averages
    run faster, so that few steps are enough for them.

    Parameters
    ----------
    shape : tuple of int
        Rows, frames, channels of an example. Fewer rows than the pools need are pooled
        over time alone.
    pooling : {"flatten", "global"}
        "flatten" is the report's, for this number of frames alone. "global" averages over
        what is left of rows and frames, for any length.
    mean, variance : array_like, shape (rows, channels)
        Of the training examples.

    Returns
    -------
    keras.Model
        (n, rows, frames, channels) to probabilities (n, n_genres).
    """
    import keras
    from keras import layers

    rows, frames, channels = shape
    over_rows = 2 if rows >= _LEAST_MEL_ROWS else 1
    signal = keras.Input((rows, None if pooling == "global" else frames, channels))
    x = layers.Normalization(axis=(1, 3), mean=mean, variance=variance)(signal)
    for i, filters in enumerate(REPORT_FILTERS):
        x = layers.BatchNormalization(momentum=_MOMENTUM)(layers.Conv2D(filters, 3)(x))
        x = layers.ReLU()(x)
        if i < len(REPORT_FILTERS) - 1:
            x = layers.MaxPooling2D((over_rows, 2))(x)
    if pooling == "global":
        x = layers.GlobalAveragePooling2D()(x)
    elif pooling == "flatten":
        x = layers.Flatten()(x)
    else:
        raise FatalError(f"no pooling {pooling!r}: there are flatten and global")
    x = layers.Dropout(0.3)(x)
    return keras.Model(signal, layers.Dense(len(GENRES), activation="sigmoid")(x))


def n_macs(config: NetworkConfig, features: FeatureConfig) -> int:
    """Count the multiply-accumulates of the convolutions for one segment."""
    n_mels, n_frames = -(-features.n_mels // 2), -(-features.n_frames // 2)
    total, entering = n_mels * n_frames * 25 * config.stem, config.stem
    for channels, stride in config.blocks:
        n_mels, n_frames = -(-n_mels // stride), -(-n_frames // stride)
        total += n_mels * n_frames * 9 * entering * channels
        entering = channels
    return total


def to_tflite(inference: keras.Model) -> bytes:
    """Convert the inference model to a TensorFlow Lite flatbuffer, weights in float32.

    Parameters
    ----------
    inference : keras.Model
        The second model of `build`.

    Returns
    -------
    bytes
    """
    import tensorflow as tf

    return bytes(tf.lite.TFLiteConverter.from_keras_model(inference).convert())


def runner(network: Callable[[Any], Any], shape: Sequence[int]) -> Callable[[Floats], Floats]:
    """Make LiteRT run a network, on one core: several times as fast as TensorFlow here.

    TensorFlow's convolutions are slow where one channel enters, as in MusiCNN's first layer.

    Parameters
    ----------
    network : callable
        A model or function, from one tensor to one.
    shape : sequence of int
        Of the input, float32.

    Returns
    -------
    callable
        From an array of that shape to the output.
    """
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    function = tf.function(network, input_signature=[tf.TensorSpec(shape, tf.float32)])
    concrete = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], function)
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    interpreter.allocate_tensors()
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(x: Floats) -> Floats:
        interpreter.set_tensor(entry["index"], x)
        interpreter.invoke()
        found: Floats = interpreter.get_tensor(exit_["index"])
        return found

    return run
