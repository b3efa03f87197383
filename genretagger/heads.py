"""Heads of a bundle of one's own: a linear map from a network's embedding to other genres.

They are learned by a library (`genretagger.learn`), and applied by numpy alone.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genretagger.arrays import Floats, Halves

_MOST_BYTES = 1 << 24
"""Of the file, and of an array in it: 1000 genres of 480 values are 1.9 MB."""


@dataclass(frozen=True)
class Heads:
    """One linear head for each genre.

    A mean of embeddings has the mean of their logits, so a track may be heard as a whole or
    by its segments.

    Attributes
    ----------
    weights : numpy.ndarray, shape (n_genres, n_values), float32
    bias : numpy.ndarray, shape (n_genres,), float32
    """

    weights: Floats
    bias: Floats

    def predict(self, embeddings: Floats | Halves) -> Floats:
        """Turn embeddings into probabilities.

        Parameters
        ----------
        embeddings : numpy.ndarray, shape (n, n_values)

        Returns
        -------
        numpy.ndarray, shape (n, n_genres), float32
            One independent probability for each genre.
        """
        logits = np.asarray(embeddings, dtype=np.float64) @ self.weights.T + self.bias
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits), dtype=np.float32)  # no overflow

    def write(self, path: Path) -> None:
        """Write them into a file, which holds no code."""
        np.savez(path, weights=self.weights, bias=self.bias)


def read(path: Path, n_genres: int, n_values: int) -> Heads:
    """Read heads without trusting them.

    Parameters
    ----------
    path : pathlib.Path
        As `Heads.write` made it.
    n_genres, n_values : int
        What they must map to, and from.

    Returns
    -------
    Heads

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it makes no sense.
    """
    weights, bias = _arrays(path)
    if weights.dtype != np.float32 or bias.dtype != np.float32:
        raise ValueError("heads are numbers in float32")
    if weights.shape != (n_genres, n_values) or bias.shape != (n_genres,):
        raise ValueError(
            f"heads of the shape {weights.shape}, not {(n_genres, n_values)}: made for another "
            "embedding, or other genres"
        )
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise ValueError("heads hold NaN or infinity")
    return Heads(weights, bias)


def _arrays(path: Path) -> tuple[Floats, Floats]:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("too large")
    try:
        with zipfile.ZipFile(path) as archive:
            largest = max(member.file_size for member in archive.infolist())
        if largest <= _MOST_BYTES:
            with np.load(path, allow_pickle=False) as arrays:
                # what is no array there comes as bytes
                return np.asarray(arrays["weights"]), np.asarray(arrays["bias"])
    except Exception as error:  # what is not made by numpy raises whatever zip, zlib and numpy do
        raise ValueError("no arrays of heads") from error
    raise ValueError("too large")
