"""Lay tracks out on a map: those that sound alike lie close to one another.

t-SNE (van der Maaten and Hinton 2008) keeps neighbours together. It takes minutes for tens of
thousands of tracks, so some are laid out by it, and the others go where those lie that they are
most like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsRegressor

if TYPE_CHECKING:
    from genretagger.arrays import Floats

_MOST_LAID_OUT = 4000  # by t-SNE: a minute of one core
_PERPLEXITY = 30.0  # the authors' middle value
_N_NEIGHBOURS = 5


def lay_out(components: Floats, seed: int = 0) -> Floats:
    """Lay tracks out in two dimensions.

    Parameters
    ----------
    components : numpy.ndarray, shape (n_tracks, n_components), float32
    seed : int
        Chooses the tracks that t-SNE lays out, if there are more than it is given.

    Returns
    -------
    numpy.ndarray, shape (n_tracks, 2), float32
        In [0, 1], with one scale for both, and the middle at 0.5.
    """
    n = len(components)
    drawn = np.sort(np.random.default_rng(seed).permutation(n)[:_MOST_LAID_OUT])
    perplexity = min(_PERPLEXITY, (len(drawn) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    known = tsne.fit_transform(components[drawn])
    places = np.empty((n, 2), dtype=np.float32)
    places[drawn] = known
    others = np.setdiff1d(np.arange(n), drawn)
    if len(others):
        neighbours = KNeighborsRegressor(_N_NEIGHBOURS, weights="distance")
        places[others] = neighbours.fit(components[drawn], known).predict(components[others])
    low, high = places.min(axis=0), places.max(axis=0)
    middle, size = (low + high) / 2, max(float((high - low).max()), 1e-6)
    return np.asarray((places - middle) / size + 0.5, dtype=np.float32)
