"""Which tracks sound alike: their embeddings compared. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genretagger.arrays import Floats, Halves

ENOUGH = 50
"""From so many tracks on, each value is standardised over them. All music has much in common, and
what is left when that is taken away tells tracks apart; of fewer, chance would be taken away."""

SAME = 0.85
"""What an artist has made that is as similar as this, standardised, is another encoding of one
recording. Sound alone does not tell: songs of different bands of extreme metal are more similar
than most pairs of encodings of one recording are (``tests/benchmarks/bench_same.py``)."""


def nearest(
    track: Halves, others: Sequence[Halves], by_its_artist: Sequence[bool]
) -> list[tuple[int, float]]:
    """Rank tracks by how they sound like one.

    Parameters
    ----------
    track : numpy.ndarray, shape (n_values,), float16
        Its embedding.
    others : sequence of numpy.ndarray, shape (n_values,), float16
        Of the same bundle.
    by_its_artist : sequence of bool, length n_others
        Whether each may be by the same artist.

    Returns
    -------
    list of (int, float)
        Indices of `others`, and their similarity: the cosine of the angle, in [-1, 1]. The most
        similar first; without other encodings of the same recording, where there are `ENOUGH`
        tracks to tell.
    """
    if not others:
        return []
    matrix = np.array([track, *others], dtype=np.float32)
    is_enough = len(others) >= ENOUGH
    matrix = directions(matrix, standardise=is_enough)
    alike = np.clip(matrix[1:] @ matrix[0], -1.0, 1.0)
    ranked = [(i, float(alike[i])) for i in np.argsort(-alike, kind="stable").tolist()]
    return [(i, a) for i, a in ranked if not (is_enough and a >= SAME and by_its_artist[i])]


def directions(embeddings: Floats, *, standardise: bool = True) -> Floats:
    """Reduce embeddings to vectors of unit length, whose products are similarities.

    Parameters
    ----------
    embeddings : numpy.ndarray, shape (n_tracks, n_values), float32
        Changed in place.
    standardise : bool
        Take away first what all tracks have in common, and how much each value varies.

    Returns
    -------
    numpy.ndarray, shape (n_tracks, n_values), float32
    """
    if standardise:
        embeddings -= embeddings.mean(axis=0)
        deviation = np.sqrt(_sums_of_squares(embeddings, axis=0) / len(embeddings))
        embeddings /= np.maximum(deviation, 1e-6)  # a value that never changes stays 0
    embeddings /= _lengths(embeddings)
    return embeddings


def _lengths(vectors: Floats) -> Floats:
    lengths = np.sqrt(_sums_of_squares(vectors, axis=1))[:, None]
    return np.asarray(np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)


def _sums_of_squares(matrix: Floats, axis: int) -> Floats:
    """Sum squares without a copy of the matrix, which takes a tenth of the time."""
    return np.asarray(np.einsum("ij,ij->j" if axis == 0 else "ij,ij->i", matrix, matrix))
