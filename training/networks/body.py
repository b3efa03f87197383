"""MusiCNN without its last layer, in Keras.

`musicnn.network` computes the same from the checkpoint's own arrays, as its authors wrote
it. This one can be trained and converted, and takes decibels under a segment's peak.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger.features import FeatureConfig
from training.networks import musicnn

if TYPE_CHECKING:
    import keras


LOG_RANGE = 6.0
"""Powers of ten from MusiCNN's knee to a segment's peak. Its input is ``log10(1 + 10000 power)``,
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

_BN = ("gamma", "beta", "moving_mean", "moving_variance")


def build() -> keras.Model:
    """Build MusiCNN without its last layer, for patches of any number of frames.

    Returns
    -------
    keras.Model
        From log-mel in dB under the peak, (n, n_frames, 96), to (n, 250): the last hidden
        layer, then the logits of the 50 tags.
    """
    import keras
    from keras import layers

    def norm(x: Any, i: int) -> Any:
        return layers.BatchNormalization(name=f"norm_{i}")(x)

    def filters(x: Any, i: int, channels: int, kernel: tuple[int, int]) -> Any:
        padding = "valid" if kernel[1] > 1 else "same"
        return layers.Conv2D(
            channels, kernel, padding=padding, activation="relu", name=f"conv_{i}"
        )(x)

    def over_time(x: Any, i: int) -> Any:
        y = layers.Conv1D(64, 7, padding="same", activation="relu", name=f"conv_{i}")(x)
        return norm(y, i + 1)

    decibels = keras.Input((None, 96))
    # log10(1 + 10 ** (LOG_RANGE + dB / 10)), as a softplus
    x = layers.Rescaling(math.log(10) / 10, offset=LOG_RANGE * math.log(10))(decibels)
    x = layers.Activation("softplus")(x)
    x = layers.Rescaling(1 / math.log(10))(x)
    x = norm(layers.Reshape((-1, 96, 1))(x), 0)
    padded = layers.ZeroPadding2D((3, 0))(x)
    parts = [
        filters(padded if kernel[1] > 1 else x, i, channels, kernel)
        for i, (kernel, channels) in enumerate(FILTERS)
    ]
    peaks = []
    for i, part in enumerate(parts, 1):
        peak = layers.MaxPooling2D((1, part.shape[2]))(norm(part, i))
        peaks.append(layers.Reshape((-1, part.shape[3]))(peak))
    front = layers.Concatenate()(peaks)
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


def load(wheel: Path) -> keras.Model:
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

    model = build()
    for layer in model.layers:
        kind, _, i = layer.name.rpartition("_")
        if kind == "norm":
            name = musicnn.numbered("batch_normalization", int(i))
            values = [weights[f"{name}/{part}"] for part in _BN]
            layer.set_weights([v[order] for v in values] if i == "9" else values)
        elif kind in ("conv", "dense"):
            name = musicnn.numbered("conv2d" if kind == "conv" else "dense", int(i))
            kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
            if kind == "conv" and int(i) >= 5:
                kernel = kernel[:, :, 0, :]
            layer.set_weights([kernel[order] if layer.name == "dense_0" else kernel, bias])
    return model


def n_macs(features: FeatureConfig) -> int:
    """Count the multiply-accumulates of the convolutions for one segment."""
    n_frames = features.n_frames // musicnn.N_FRAMES * musicnn.N_FRAMES
    per_frame = 7 * 64 * (N_FRONT + 2 * 64)
    for (length, width), channels in FILTERS:
        per_frame += (features.n_mels - width + 1) * length * width * channels
    return n_frames * per_frame
