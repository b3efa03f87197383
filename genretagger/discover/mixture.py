"""Fit Gaussian mixtures to the embeddings of tracks.

The values are standardised and brought to unit length, as where tracks are compared, and reduced
to their principal components: a Gaussian in hundreds of dimensions has more parameters than most
collections have tracks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.mixture import GaussianMixture

from genretagger.errors import FatalError
from genretagger.similarity import ENOUGH, directions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from genretagger.arrays import Floats, Halves

_Ints: TypeAlias = "NDArray[np.int64]"
_Numbers: TypeAlias = "NDArray[np.float64]"

_N_COMPONENTS = 12
"""Principal components. Of the labelled clips' groups, those of 8 agree less with genres, and those
of 24 and 32 are fewer and come less surely again."""
_NUMBERS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40)
"""Numbers of groups that are tried; more than 40, a person will not look through."""
_PATIENCE = 3
"""Of them in a row that may fit worse, before no more are tried."""
_COVARIANCES = ("full", "diag")
"""Gaussians of any direction take many tracks, and few tracks are better told by plain ones."""
_MOST_FITTED = 5000
"""Tracks that mixtures are fitted to; of more, these are drawn by chance. They are more than 40
groups have parameters (3,600), and the time stays below a minute."""
_LEAST_VARIANCE = 1e-3
"""Of a Gaussian, of the variance of all: encodings of one recording make no group."""
N_SEEDS = 5
_SHARE_DRAWN = 0.8
"""Of the tracks, to which each further mixture is fitted: were it all, only the starts differed."""


@dataclass(frozen=True)
class Groups:
    """Groups of tracks, the largest first.

    Attributes
    ----------
    members : tuple of numpy.ndarray, int
        The tracks of each group, the most typical first: those that lie deepest in its Gaussian.
    group : numpy.ndarray, shape (n_tracks,), int
        Of each track.
    sureness : numpy.ndarray, shape (n_tracks,), float32
        The probability of that group, on average over the mixture and those that were fitted from
        other seeds. Given one mixture, nearly every track is sure.
    components : numpy.ndarray, shape (n_tracks, n_components), float32
        What the mixture was fitted to.
    stability : tuple of float
        Of each group: the Jaccard index with the most alike group of a mixture that was fitted from
        another seed, on average over the seeds (Hennig 2007).
    agreement : float
        Adjusted mutual information with those mixtures, on average: 1 if they say the same, 0 if
        they agree by chance.
    """

    members: tuple[_Ints, ...]
    group: _Ints
    sureness: Floats
    components: Floats
    stability: tuple[float, ...]
    agreement: float


def find_groups(embeddings: Sequence[Halves], seed: int = 0) -> Groups:
    """Find groups of tracks that sound alike.

    Parameters
    ----------
    embeddings : sequence of numpy.ndarray, shape (n_values,), float16
        Of the same bundle.
    seed : int
        The same gives the same.

    Returns
    -------
    Groups
        Their number, and whether the Gaussians may have any direction, are those with the lowest
        Bayesian information criterion (Fraley and Raftery 2002).

    Raises
    ------
    FatalError
        If there are too few different tracks.
    """
    matrix = np.stack(embeddings) if embeddings else np.empty((0, 0), dtype=np.float16)
    # the same audio twice is one piece of evidence, and a Gaussian of no width
    _, first, recording = np.unique(matrix, axis=0, return_index=True, return_inverse=True)
    if len(first) < ENOUGH:
        raise FatalError(
            f"{len(first)} different tracks are too few to find groups in; at least {ENOUGH} "
            "are needed: name more folders"
        )
    rng = np.random.default_rng(seed)
    y = _components(matrix[first].astype(np.float32), seed)
    drawn = y[np.sort(rng.permutation(len(y))[:_MOST_FITTED])]
    fits = [fit for kind in _COVARIANCES for fit in _by_number(drawn, kind, seed)]
    best = min(fits, key=lambda fit: fit[1])[0]
    own, others = best.predict_proba(y), list(_again(best, drawn, y, rng))
    labels, other_labels = own.argmax(axis=1), [other.argmax(axis=1) for other in others]
    recording = recording.reshape(-1)  # numpy 2.0 gives it another shape
    group, members, order = _in_order(best, y, labels, recording)
    return Groups(
        members=members,
        group=group,
        sureness=_sureness(labels, [own, *others])[recording],
        components=y[recording],
        stability=tuple(_stability(labels == g, other_labels) for g in order),
        agreement=float(
            np.mean([adjusted_mutual_info_score(labels, other) for other in other_labels])
        ),
    )


def _components(matrix: Floats, seed: int) -> Floats:
    x = directions(matrix)
    n_components = min(_N_COMPONENTS, *x.shape)
    return np.asarray(PCA(n_components, random_state=seed).fit_transform(x), dtype=np.float32)


def _mixture(y: Floats, n_groups: int, covariance: str, seed: int) -> GaussianMixture:
    return GaussianMixture(
        n_groups,
        covariance_type=covariance,
        random_state=seed,
        reg_covar=_LEAST_VARIANCE * float(y.var()),
    ).fit(y)


def _by_number(y: Floats, covariance: str, seed: int) -> Iterator[tuple[GaussianMixture, float]]:
    """Fit mixtures of more and more groups, until more fit worse; give each with its BIC."""
    lowest, n_worse = np.inf, 0
    for n_groups in _NUMBERS:
        mixture = _mixture(y, n_groups, covariance, seed)
        bic = float(mixture.bic(y))
        yield mixture, bic
        n_worse = 0 if bic < lowest else n_worse + 1
        lowest = min(lowest, bic)
        if n_worse == _PATIENCE:
            return


def _again(
    best: GaussianMixture, drawn: Floats, y: Floats, rng: np.random.Generator
) -> Iterator[_Numbers]:
    """Give the probabilities of mixtures that start from other seeds, fitted to most tracks."""
    for seed in range(1, N_SEEDS + 1):
        some = rng.permutation(len(drawn))[: round(_SHARE_DRAWN * len(drawn))]
        again = _mixture(drawn[np.sort(some)], best.n_components, best.covariance_type, seed)
        yield np.asarray(again.predict_proba(y))


def _sureness(labels: _Ints, mixtures: Sequence[_Numbers]) -> Floats:
    """Average the probability of each track's own group over mixtures, (n_tracks, n_groups) each.

    A group of another mixture counts as the one with which it shares most tracks.
    """
    sums = np.zeros(len(labels))
    for probabilities in mixtures:
        shared = np.zeros((probabilities.shape[1], labels.max() + 1))
        np.add.at(shared, (probabilities.argmax(axis=1), labels), 1)
        sums += np.where(shared.argmax(axis=1) == labels[:, None], probabilities, 0).sum(axis=1)
    return np.asarray(sums / len(mixtures), dtype=np.float32)


def _stability(is_member: NDArray[np.bool_], others: Sequence[_Ints]) -> float:
    return float(np.mean([_best_jaccard(is_member, other) for other in others]))


def _best_jaccard(is_member: NDArray[np.bool_], other: _Ints) -> float:
    inside = np.bincount(other[is_member], minlength=other.max() + 1)
    together = np.bincount(other) + is_member.sum() - inside
    return float((inside / together).max())


def _in_order(
    best: GaussianMixture, y: Floats, labels: _Ints, recording: _Ints
) -> tuple[_Ints, tuple[_Ints, ...], list[int]]:
    """Give the groups numbers by their size, and put their tracks in order.

    Returns
    -------
    tuple of numpy.ndarray, tuple of numpy.ndarray and list of int
        The group of each track, the tracks of each group, and the component that each group was.
    """
    sizes = np.bincount(labels[recording], minlength=best.n_components)
    order = [int(g) for g in np.argsort(-sizes, kind="stable") if sizes[g]]
    number = np.zeros(best.n_components, dtype=np.int64)
    number[order] = np.arange(len(order))
    group = number[labels[recording]]
    by_depth = np.argsort(_depths(best, y, labels)[recording], kind="stable")
    members = tuple(by_depth[group[by_depth] == g] for g in range(len(order)))
    return group, members, order


def _depths(best: GaussianMixture, y: Floats, labels: _Ints) -> _Numbers:
    """Give each track's squared Mahalanobis distance from the middle of its group."""
    depths = np.empty(len(y))
    for g, (mean, precision) in enumerate(zip(best.means_, best.precisions_, strict=True)):
        away = y[labels == g] - mean
        weighted = away @ precision if precision.ndim == 2 else away * precision
        depths[labels == g] = (weighted * away).sum(axis=1)
    return depths
