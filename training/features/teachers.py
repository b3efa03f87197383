"""Outputs of two published networks, which a CNN of our own learns to predict."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from genretagger import audio
from genretagger.errors import FatalError
from training.arrays import Floats, Halves
from training.networks import litert, musicnn, quiet, start_tensorflow

WINDOW_SAMPLES = 15600
"""Input length of YAMNet in samples at 16 kHz (0.975 s; Plakal and Ellis, tf models)."""

WINDOW_HOP = 15360
"""0.96 s: windows side by side, as the clips' time average needs no overlap."""

SOUNDS_S = 0.96
"""`WINDOW_HOP` in seconds, at YAMNet's 16 kHz."""

SOUNDS_SIZE = 1024
"""Length of YAMNet's embedding: the output of its global average pooling."""


@lru_cache(maxsize=1)
def _yamnet(path: Path) -> tuple[Any, int]:
    from ai_edge_litert.interpreter import Interpreter

    with quiet(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*experimental_preserve_all_tensors", UserWarning)
        network = Interpreter(
            model_path=str(path), num_threads=1, experimental_preserve_all_tensors=True
        )
        network.allocate_tensors()
    # the embedding is no output, but the last tensor of its size: the pooled one
    shapes = ([1, SOUNDS_SIZE], [1, 1, 1, SOUNDS_SIZE])
    tensors = network.get_tensor_details()
    for shape in shapes:
        indices = [t["index"] for t in tensors if t["shape"].tolist() == shape]
        if indices:
            return network, indices[-1]
    raise FatalError(f"{path} has no tensor of {SOUNDS_SIZE} values: not YAMNet")


@lru_cache(maxsize=1)
def musicnn_runner(wheel: Path) -> Any:
    """Make LiteRT run MusiCNN, once for each process."""
    start_tensorflow()
    shape = (1, musicnn.N_FRAMES, 96)
    return litert.runner(musicnn.network(musicnn.load(wheel)), shape)


def embed(y: Floats, path: Path) -> Halves:
    """Run YAMNet over a clip.

    Parameters
    ----------
    y : numpy.ndarray, shape (n_samples,), float32
        At 16 kHz, in [-1, 1].
    path : pathlib.Path
        ``yamnet.tflite``.

    Returns
    -------
    numpy.ndarray, shape (n_windows, 1024), float16
        One row for each `WINDOW_HOP` samples; a last part is dropped.
    """
    network, index = _yamnet(path)
    entry = network.get_input_details()[0]["index"]
    n_windows = max(1, 1 + (len(y) - WINDOW_SAMPLES) // WINDOW_HOP)
    y = audio.fit_length(y, max(len(y), WINDOW_SAMPLES))
    rows = np.empty((n_windows, SOUNDS_SIZE), dtype=np.float16)
    shape = network.get_input_details()[0]["shape"]
    for i, row in enumerate(rows):
        window = y[i * WINDOW_HOP : i * WINDOW_HOP + WINDOW_SAMPLES]
        network.set_tensor(entry, window.reshape(shape).astype(np.float32))
        network.invoke()
        row[:] = network.get_tensor(index).reshape(-1)
    return rows
