"""Fit heads on embeddings, and find out what they are worth.

Ridge regression of all genres at once: on embeddings of a network that was made for genres a
linear map is enough, and a genre may have 8 tracks. All that it takes of the tracks is sums of
their products; these are made once for each fold, and serve every other fold and every penalty.
Scores become probabilities by logistic regression (Platt 1999) on tracks of artists that the
scores had not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GroupKFold

from genretagger.decide import DecisionPolicy, decide
from genretagger.genres import Vocabulary
from genretagger.heads import Heads
from genretagger.learn.labels import Labels
from genretagger.records import Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from genretagger.arrays import Floats

_Numbers: TypeAlias = "NDArray[np.float64]"
_Bools: TypeAlias = "NDArray[np.bool_]"
_Ints: TypeAlias = "NDArray[np.int64]"

N_FOLDS = 5
_PENALTIES = (1e2, 1e3, 1e4)  # of standardised values; the best is taken by mean average precision
_WANTED = 0.7
"""Precision that a genre's threshold is chosen for."""
_CONSTANT = 1e-10
"""Share of a value's mean square: with a variance below it, it is the same for all tracks. Half
precision, in which embeddings are kept, tells 1e-7 apart."""
_LEAST_PROBABLE = 0.3
"""Lowest threshold: where genres are told apart easily, precision alone would let anything pass."""
_LEAST_RIGHT = 3
"""Tracks that must be right at a threshold, before it is believed."""
_NEVER = 1.0
"""Threshold of a genre that cannot be heard: no probability reaches it."""


@dataclass(frozen=True)
class GenreFigures:
    """What one genre is worth, on artists that were not learned from.

    Attributes
    ----------
    name : str
    n_tracks, n_artists : int
    average_precision, chance : float
        Of ranking the tracks by it, and of any ranking.
    precision, recall : float or None
        At its threshold, which was chosen on other artists; None where nothing passes.
    threshold : float
        Of the bundle; 1 where the genre cannot be heard.
    shipped : float or None
        Average precision of the network's own genre of that name, if it has one.
    """

    name: str
    n_tracks: int
    n_artists: int
    average_precision: float
    chance: float
    precision: float | None
    recall: float | None
    threshold: float
    shipped: float | None

    @property
    def is_heard(self) -> bool:
        """Whether the genre is ever proposed."""
        return self.threshold < _NEVER


@dataclass(frozen=True)
class Learned:
    """What was learned.

    Attributes
    ----------
    heads : Heads
        Their sigmoids are calibrated.
    thresholds : tuple of float, length n_genres
    genres : tuple of GenreFigures
        In the order of the vocabulary.
    top1 : float
        How often the most probable genre is one of the track's.
    majority : float
        The same, if the most common genre were always said.
    precision : float or None
        Of the genres that would be written; None where none would.
    coverage : float
        Share of the tracks on which would be decided.
    """

    heads: Heads
    thresholds: tuple[float, ...]
    genres: tuple[GenreFigures, ...]
    top1: float
    majority: float
    precision: float | None
    coverage: float


def learn(
    embeddings: Floats, labels: Labels, shipped: tuple[Vocabulary, _Numbers] | None = None
) -> Learned:
    """Learn a head for each genre, and measure it on artists that it was not learned from.

    Parameters
    ----------
    embeddings : numpy.ndarray, shape (n_tracks, n_values), float32
    labels : Labels
        Of the same tracks.
    shipped : tuple of Vocabulary and numpy.ndarray, shape (n_tracks, n_shipped), optional
        What the network's own genres give for these tracks, to be compared.

    Returns
    -------
    Learned
    """
    reference, groups = labels.reference, labels.groups
    n_folds = min(N_FOLDS, len(np.unique(groups)))
    folds = list(GroupKFold(n_folds).split(embeddings, groups=groups))
    sums = [_sums(embeddings[held_out], reference[held_out]) for _, held_out in folds]
    by_penalty = {p: _scores_apart(embeddings, sums, folds, p) for p in _PENALTIES}
    penalty = max(_PENALTIES, key=lambda p: _mean_precision(reference, by_penalty[p]))
    scores = by_penalty[penalty]

    # calibration and thresholds of a fold are from the others, so that the figures are honest
    probabilities, passed = np.empty_like(scores), np.empty(reference.shape, dtype=bool)
    policies = [DecisionPolicy(()) for _ in reference]
    for others, held_out in folds:
        slopes, intercepts = _calibrate(scores[others], reference[others])
        known = _sigmoid(slopes * scores[others] + intercepts)
        thresholds = _thresholds(known, reference[others])
        probabilities[held_out] = _sigmoid(slopes * scores[held_out] + intercepts)
        passed[held_out] = probabilities[held_out] >= thresholds
        policy = DecisionPolicy(tuple(thresholds.tolist()), vocabulary=labels.vocabulary)
        for track in held_out:
            policies[track] = policy

    slopes, intercepts = _calibrate(scores, reference)
    thresholds = _thresholds(_sigmoid(slopes * scores + intercepts), reference)
    is_labelled = reference.any(axis=1)
    best = probabilities.argmax(axis=1)
    precision, coverage = _written(probabilities, labels, policies)
    return Learned(
        heads=_heads(_total(sums), penalty, slopes, intercepts),
        thresholds=tuple(thresholds.tolist()),
        genres=_figures(labels, probabilities, passed, thresholds, shipped),
        top1=float(reference[np.arange(len(best)), best][is_labelled].mean()),
        majority=float(reference[is_labelled].mean(axis=0).max()),
        precision=precision,
        coverage=coverage,
    )


class _Sums(NamedTuple):
    """All that ridge regression takes of some tracks: sums of embeddings `x` and labels `y`."""

    n: int
    x: _Numbers
    y: _Numbers
    xx: _Numbers
    xy: _Numbers

    def without(self, part: _Sums) -> _Sums:
        """Take some of the tracks away."""
        return _Sums(
            self.n - part.n,
            self.x - part.x,
            self.y - part.y,
            self.xx - part.xx,
            self.xy - part.xy,
        )

    def fit(self, penalty: float) -> tuple[_Numbers, _Numbers]:
        """Fit scores of all genres; return weights (n_genres, n_values) and bias (n_genres,).

        The penalty is one of standardised values.
        """
        mean_x, mean_y = self.x / self.n, self.y / self.n
        covariance = self.xx / self.n - np.outer(mean_x, mean_x)
        shared = self.xy / self.n - np.outer(mean_x, mean_y)
        is_constant = covariance.diagonal() <= _CONSTANT * self.xx.diagonal() / self.n
        scale = np.sqrt(np.where(is_constant, 1.0, covariance.diagonal()))
        correlation = covariance / np.outer(scale, scale)
        correlation[np.diag_indices_from(correlation)] += penalty / self.n
        weights = np.linalg.solve(correlation, shared / scale[:, None]).T / scale
        return weights, mean_y - weights @ mean_x


def _sums(x: Floats, reference: _Bools) -> _Sums:
    wide, y = x.astype(np.float64), reference.astype(np.float64)
    return _Sums(len(x), wide.sum(axis=0), y.sum(axis=0), wide.T @ wide, wide.T @ y)


def _total(parts: Sequence[_Sums]) -> _Sums:
    return _Sums(*(sum(column[1:], start=column[0]) for column in zip(*parts, strict=True)))


def _scores_apart(
    x: Floats, sums: Sequence[_Sums], folds: Sequence[tuple[_Ints, _Ints]], penalty: float
) -> _Numbers:
    """Score every track by what was learned from the artists of the other folds."""
    total = _total(sums)
    scores = np.empty((len(x), len(total.y)))
    for (_, held_out), own in zip(folds, sums, strict=True):
        weights, bias = total.without(own).fit(penalty)
        scores[held_out] = x[held_out] @ weights.T + bias
    return scores


def _mean_precision(reference: _Bools, scores: _Numbers) -> float:
    return float(average_precision_score(reference, scores, average="macro"))


def _calibrate(scores: _Numbers, reference: _Bools) -> tuple[_Numbers, _Numbers]:
    """Find the slope and intercept that make each genre's score a log-odds."""
    slopes, intercepts = np.zeros(scores.shape[1]), np.zeros(scores.shape[1])
    for g, (score, is_genre) in enumerate(zip(scores.T, reference.T, strict=True)):
        share = (is_genre.sum() + 1) / (len(is_genre) + 2)
        intercepts[g] = np.log(share / (1 - share))
        spread = float(score.std())
        if spread == 0 or is_genre.all() or not is_genre.any():
            continue
        middle = float(score.mean())
        platt = LogisticRegression().fit((score[:, None] - middle) / spread, is_genre)
        slope = float(platt.coef_[0, 0]) / spread
        if slope > 0:  # else it is no better than chance, and its share is all there is to say
            slopes[g], intercepts[g] = slope, float(platt.intercept_[0]) - slope * middle
    return slopes, intercepts


def _sigmoid(logits: _Numbers) -> _Numbers:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits))


def _thresholds(probabilities: _Numbers, reference: _Bools) -> _Numbers:
    """Choose for each genre the lowest threshold above which it is right often enough."""
    chosen = np.full(probabilities.shape[1], _NEVER)
    for g, (p, is_genre) in enumerate(zip(probabilities.T, reference.T, strict=True)):
        order = np.argsort(-p, kind="stable")
        right = np.cumsum(is_genre[order])
        taken = np.arange(1, len(p) + 1)
        # a point is one where the next track is less probable: equal ones pass together
        is_point = np.append(p[order][:-1] > p[order][1:], True)
        # Laplace's rule: what is right 3 times of 3 is not taken for certain
        enough = is_point & ((right + 1) / (taken + 2) >= _WANTED) & (right >= _LEAST_RIGHT)
        enough &= p[order] >= _LEAST_PROBABLE
        if enough.any():
            last = int(np.flatnonzero(enough)[-1])
            below = p[order][last + 1] if last + 1 < len(p) else 0.0
            chosen[g] = max(_LEAST_PROBABLE, (p[order][last] + below) / 2)
    return chosen


def _heads(sums: _Sums, penalty: float, slopes: _Numbers, intercepts: _Numbers) -> Heads:
    """Fit all tracks, and put the calibration into the heads."""
    weights, bias = sums.fit(penalty)
    return Heads(
        np.asarray(slopes[:, None] * weights, dtype=np.float32),
        np.asarray(slopes * bias + intercepts, dtype=np.float32),
    )


def _written(
    probabilities: _Numbers, labels: Labels, policies: list[DecisionPolicy]
) -> tuple[float | None, float]:
    """Decide as the product does; return the shares of right genres and of decided tracks."""
    n_right = n_written = n_decided = 0
    place = {genre: n for n, genre in enumerate(labels.vocabulary.genres)}
    for p, row, policy in zip(probabilities, labels.reference, policies, strict=True):
        genres = decide(Prediction(tuple(p.tolist())), policy).genres
        n_decided += bool(genres)
        n_written += len(genres)
        n_right += sum(bool(row[place[genre]]) for genre in genres)
    return (n_right / n_written if n_written else None), n_decided / len(policies)


def _figures(
    labels: Labels,
    probabilities: _Numbers,
    passed: _Bools,
    thresholds: _Numbers,
    shipped: tuple[Vocabulary, _Numbers] | None,
) -> tuple[GenreFigures, ...]:
    figures = []
    for g, name in enumerate(labels.vocabulary.genres):
        is_genre = labels.reference[:, g]
        n_passed, n_right = int(passed[:, g].sum()), int((passed[:, g] & is_genre).sum())
        theirs = None
        if shipped is not None and (same := shipped[0].canonical(name)) is not None:
            column = shipped[1][:, shipped[0].genres.index(same)]
            theirs = float(average_precision_score(is_genre, column))
        figures.append(
            GenreFigures(
                name=name,
                n_tracks=int(is_genre.sum()),
                n_artists=len(np.unique(labels.groups[is_genre])),
                average_precision=float(average_precision_score(is_genre, probabilities[:, g])),
                chance=float(is_genre.mean()),
                precision=n_right / n_passed if n_passed else None,
                recall=n_right / int(is_genre.sum()) if n_passed else None,
                threshold=float(thresholds[g]),
                shipped=theirs,
            )
        )
    return tuple(figures)
