"""A fully convolutional tagger, as trained on the Million Song Dataset: a teacher.

Choi, Fazekas and Sandler, "Automatic tagging using deep convolutional neural networks", ISMIR
2016, as trained by Won, Ferraro, Bogdanov and Serra, "Evaluation of CNN-based automatic music
tagging models", SMC 2020 (MIT licence, Music Technology Group, Universitat Pompeu Fabra). Its
weights, an npz file, are learned from and never shipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genretagger.errors import FatalError
from genretagger.features import FeatureConfig
from training.arrays import Floats
from training.networks import student
from training.networks.student import Shape

if TYPE_CHECKING:
    import keras

_LEAST = 1e-3  # a unit with smaller weights was given up in training, and is silent
_EPSILON = 1e-5  # of batch normalisation, in PyTorch


def _scale(weights: dict[str, Floats], name: str) -> tuple[Floats, Floats]:
    """Give a batch normalisation as gain and offset."""
    gain = weights[f"{name}.weight"] / np.sqrt(weights[f"{name}.running_var"] + _EPSILON)
    return gain, weights[f"{name}.bias"] - weights[f"{name}.running_mean"] * gain


def _read(path: Path) -> dict[str, Floats]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            weights = {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise FatalError(f"{path} cannot be read as an npz file: {error}") from error
    if not {"layer5.conv.weight", "spec_bn.weight", "dense.weight"} <= set(weights):
        raise FatalError(f"{path} does not hold the FCN's weights")
    return weights


def load(path: Path, features: FeatureConfig) -> keras.Model:
    """Build the network, and fill it from the published weights.

    Parameters
    ----------
    path : pathlib.Path
        The npz file: ``layerN.conv.weight`` and so on, in PyTorch's layout.
    features : FeatureConfig
        The FCN's own: 96 mel bands on HTK's scale.

    Returns
    -------
    keras.Model
        As `student.build` builds it, without the units that are silent, a third of the first
        two layers'. It hears each segment with the peak at `student.PEAK_DB`, where the
        published one hears how loud a recording is.

    Raises
    ------
    FatalError
        If the file is no such network.
    """
    weights = _read(path)
    gain, offset = _scale(weights, "spec_bn")
    channels = np.array([True])
    kernels = []
    for i in range(1, len(student.POOLS) + 1):
        units, bias = _scale(weights, f"layer{i}.bn")
        kernel = weights[f"layer{i}.conv.weight"].transpose(3, 2, 1, 0) * units
        bias = bias + weights[f"layer{i}.conv.bias"] * units
        if i == 1:
            kernel = kernel * gain * student.UNIT_DB
        kernel = kernel[:, :, channels]
        alive = np.abs(weights[f"layer{i}.conv.weight"] * units[:, None, None, None]).max(
            axis=(1, 2, 3)
        )
        channels = alive > _LEAST
        kernels.append([kernel[..., channels], bias[channels]])
    network = student.build(Shape(tuple(len(bias) for _, bias in kernels)), features)
    for i, layer in enumerate(kernels):
        network.get_layer(f"before_{i}").set_weights(layer)
    tags = [weights["dense.weight"].T[channels], weights["dense.bias"]]
    network.get_layer("tags").set_weights(tags)
    zero = float(-offset[0] / gain[0])
    if abs(zero - student.ZERO_DB) > 0.1:
        raise FatalError(f"{path} hears {zero:.1f} dB as zero, not {student.ZERO_DB:g}")
    return network
