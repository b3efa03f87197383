"""A trained network, from its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.config import Config
from training.networks import body, cnn


def load_network(config: Config, weights: Path, heads: tuple[int, int]) -> tuple[Any, Any]:
    """Build the network and load trained weights into it.

    Returns
    -------
    training, inference : keras.Model
        As `cnn.build` returns them, or `body.build`: heads and inference.
    """
    if config.network is None:
        _, ours, inference = body.build(config)
        inference.load_weights(weights)
        return ours, inference
    training, inference = cnn.build(config.network, config.features, *heads)
    training.load_weights(weights)
    return training, inference
