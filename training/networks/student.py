"""A small network of our own, which learns what a large one says of a segment.

It has the five layers of its teacher (`networks.fcn`), but a first layer of filters that nobody
learned, and a bottleneck in the layers that cost most; `training.learn.student` fits it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genretagger.features import FeatureConfig
from training.networks.tags import N_TAGS

if TYPE_CHECKING:
    import keras

PEAK_DB = 34.0
"""What a segment's peak counts as: its teacher's input is absolute, and the median peak of
music is there."""

ZERO_DB = 2.3
"""The teacher's zero, with which both surround a spectrogram."""

UNIT_DB = 20.0
"""Decibels that count as one."""

POOLS = ((4, 2), (4, 2), (4, 2), (5, 3), (4, 4))
"""Frames and bands that become one behind each layer."""

_REPEATED = 3  # the layer whose output is repeated
_N_REPEATED = 28  # frames: what three layers leave of the 29 s that the teacher hears


@dataclass(frozen=True)
class Shape:
    """The shape of a network.

    Attributes
    ----------
    units : tuple of int, length 5
        Of each layer.
    ranks : tuple of int, length 5
        Values by way of which its units look at 3 by 3 places; 0 for directly.
    """

    units: tuple[int, ...]
    ranks: tuple[int, ...] = (0,) * len(POOLS)

    @property
    def embedding(self) -> int:
        """Values of an embedding: the last three layers, averaged."""
        return sum(self.units[2:])


def n_macs(shape: Shape, features: FeatureConfig) -> int:
    """Count the multiply-accumulates of the convolutions for one segment."""
    frames, bands, channels, total = features.n_frames, features.n_mels, 1, 0
    for i, (units, rank, pool) in enumerate(zip(shape.units, shape.ranks, POOLS, strict=True)):
        each = rank * (9 * channels + units) if rank else 9 * channels * units
        total += frames * bands * each
        frames = (_N_REPEATED if i == _REPEATED else frames) // pool[0]
        bands, channels = bands // pool[1], units
    return total


def build(shape: Shape, features: FeatureConfig) -> keras.Model:
    """Build the network.

    Parameters
    ----------
    shape : Shape
    features : FeatureConfig

    Returns
    -------
    keras.Model
        From log-mel in dB under the peak, (n, n_frames, n_mels), to the embedding
        (n, `Shape.embedding`) with the logits of the tags behind it. The layers ``before_0``
        to ``before_4`` give what units hear before they rectify it, ``after_0`` to ``after_4``
        what they pass on, and ``heard`` what the first ones look at.
    """
    import keras
    from keras import layers, ops

    decibels = keras.Input((features.n_frames, features.n_mels))
    x = layers.Rescaling(1 / UNIT_DB, offset=(PEAK_DB - ZERO_DB) / UNIT_DB)(decibels)
    x = layers.Reshape((features.n_frames, features.n_mels, 1), name="heard")(x)
    means = []
    for i, (units, rank, pool) in enumerate(zip(shape.units, shape.ranks, POOLS, strict=True)):
        x = layers.ReLU()(_look(x, units, rank, i))
        if i == _REPEATED:
            x = ops.take(x, [t % x.shape[1] for t in range(_N_REPEATED)], axis=1)
        x = layers.MaxPooling2D(pool, name=f"after_{i}")(x)
        means.append(layers.GlobalAveragePooling2D()(x))
    tags = layers.Dense(N_TAGS, name="tags")(means[-1])
    return keras.Model(decibels, layers.Concatenate()([*means[2:], tags]), name="student")


def _look(x: Any, units: int, rank: int, i: int) -> Any:
    """Let units look at 3 by 3 places, directly or by way of fewer values."""
    from keras import layers

    if not rank:
        return layers.Conv2D(units, 3, padding="same", name=f"before_{i}")(x)
    x = layers.Conv2D(rank, 3, padding="same", use_bias=False, name=f"narrow_{i}")(x)
    return layers.Conv2D(units, 1, name=f"before_{i}")(x)


def cut(network: keras.Model, below: str | None, layer: str) -> keras.Model:
    """Cut a part out of a network.

    Parameters
    ----------
    network : keras.Model
        From `build`.
    below : str or None
        The layer whose output goes in; None for log-mel.
    layer : str
        The layer whose output comes out.

    Returns
    -------
    keras.Model
        It shares its weights with the network.
    """
    import keras

    start = network.input if below is None else network.get_layer(below).output
    return keras.Model(start, network.get_layer(layer).output)
