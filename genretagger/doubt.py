"""When a few excerpts do not settle what a track is: the rule, and the numbers in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genretagger.aggregate import aggregate

if TYPE_CHECKING:
    from genretagger.arrays import Floats

MOST_FURTHER = 6
"""With the first three they are three times what a track costs that is in no doubt."""


class Doubt(NamedTuple):
    """When to listen at more places of a track, and at how many.

    Attributes
    ----------
    margin : float
        The best genre is in doubt if its probability is less than this above the next one's.
    spread : float
        It is, too, if its probabilities in two excerpts are at least this apart.
    excerpts : int
        How many more are heard then, at most `MOST_FURTHER`.
    """

    margin: float
    spread: float
    excerpts: int


def read(entry: Mapping[str, Any]) -> Doubt:
    """Read the entry of a bundle.

    Parameters
    ----------
    entry : mapping
        With the keys of `Doubt`.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it makes no sense.
    """
    doubt = Doubt(float(entry["margin"]), float(entry["spread"]), int(entry["excerpts"]))
    if not (0 <= doubt.margin <= 1 and 0 <= doubt.spread <= 1):
        raise ValueError("doubt: margin and spread are from 0 to 1")
    if not 1 <= doubt.excerpts <= MOST_FURTHER:
        raise ValueError(f"doubt: excerpts are from 1 to {MOST_FURTHER}")
    return doubt


def why_in_doubt(
    by_segment: Floats,
    calibration: Sequence[tuple[float, float]],
    doubt: Doubt,
    genres: Sequence[str],
) -> str:
    """Say why the best genre of a track is in doubt.

    Parameters
    ----------
    by_segment : numpy.ndarray, shape (n_segments, n_genres), float32
        Probabilities before calibration; at least one row.
    calibration : sequence of (float, float), length n_genres
        As in `aggregate`.
    doubt : Doubt
    genres : sequence of str, length n_genres
        Their names.

    Returns
    -------
    str
        Empty if it is in no doubt.
    """
    together = np.array(aggregate(by_segment, calibration))
    second, best = np.argsort(together, kind="stable")[-2:]
    if together[best] - together[second] < doubt.margin:
        return f"{genres[best]} and {genres[second]} are close"
    alone = [aggregate(row[np.newaxis], calibration)[best] for row in by_segment]
    if max(alone) - min(alone) >= doubt.spread:
        return f"they disagree on {genres[best]}"
    return ""
