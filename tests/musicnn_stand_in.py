"""Made-up weights of MusiCNN's form, and patches for it: for tests without the published ones."""

import numpy as np

from training.networks import body


def checkpoint(rng):
    """Make weights of the names and shapes that the published checkpoint has."""
    weights = {}

    def norm(i, n):
        name = "batch_normalization" + (f"_{i}" if i else "")
        for part in ("gamma", "beta", "moving_mean"):
            weights[f"{name}/{part}"] = rng.normal(0.5, 0.2, n)
        weights[f"{name}/moving_variance"] = rng.uniform(0.5, 2.0, n)

    def conv(i, *shape):
        name = "conv2d" + (f"_{i}" if i else "")
        weights[f"{name}/kernel"] = rng.normal(0, 0.05, shape)
        weights[f"{name}/bias"] = rng.normal(0, 0.1, shape[-1])

    norm(0, 1)
    for i, width in enumerate(body.WIDTHS):
        conv(i, 7, width, 1, 204)
        norm(i + 1, 204)
    for i, length in enumerate(body.LENGTHS, 2):
        conv(i, length, 1, 1, 51)
        norm(i + 1, 51)
    for i, entering in ((5, 561), (6, 64), (7, 64)):
        conv(i, 7, entering, 1, 64)
        norm(i + 1, 64)
    norm(9, 2 * (561 + 3 * 64))
    norm(10, 200)
    for name, shape in (("dense", (1506, 200)), ("dense_1", (200, 50))):
        weights[f"{name}/kernel"] = rng.normal(0, 0.05, shape)
        weights[f"{name}/bias"] = rng.normal(0, 0.1, shape[-1])
    return {name: value.astype(np.float32) for name, value in weights.items()}


def decibels(*shape):
    return (-80 * np.random.default_rng(1).random(shape)).astype(np.float32)
