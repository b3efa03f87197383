"""Step 6, decide: probabilities become genres, and the reason in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from genretagger.genres import SHIPPED, Vocabulary
from genretagger.records import Decision, Prediction
from genretagger.text import apart


@dataclass(frozen=True)
class DecisionPolicy:
    """How probabilities become genres.

    Attributes
    ----------
    thresholds : tuple of float, length n_genres
        A genre passes at this probability; the bundle's own, or one for all.
    max_genres : int
        At most so many, at least 1.
    always : bool
        Take the best genre even where none passes.
    allowed : frozenset of str or None
        Genres that may be decided; the others are passed over. None: all.
    vocabulary : Vocabulary
        Of the model, in whose order thresholds and probabilities are.
    """

    thresholds: tuple[float, ...]
    max_genres: int = 2
    always: bool = False
    allowed: frozenset[str] | None = None
    vocabulary: Vocabulary = SHIPPED


def decision_policy(
    thresholds: tuple[float, ...],
    *,
    threshold: float | None = None,
    max_genres: int = 2,
    always: bool = False,
    only: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    vocabulary: Vocabulary = SHIPPED,
) -> DecisionPolicy:
    """Make a policy of what a person asks for.

    Parameters
    ----------
    thresholds : tuple of float, length n_genres
        The bundle's own.
    threshold : float, optional
        One for all genres instead.
    max_genres, always
        As in `DecisionPolicy`.
    only, exclude : iterable of str
        Genres in any spelling: decide among these alone, never for these.
    vocabulary : Vocabulary
        The bundle's own.

    Raises
    ------
    ValueError
        If no genre is left, a name is none of ours, or a number is out of range.

    Examples
    --------
    >>> sorted(decision_policy((0.5,) * 14, only=["jazz", "hip-hop"]).allowed)
    ['Hip Hop', 'Jazz']
    """
    if threshold is not None:
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"a threshold is between 0 and 1, not {threshold}")
        thresholds = (float(threshold),) * len(vocabulary.genres)
    most = len(vocabulary.genres)
    if max_genres < 1:
        raise ValueError(f"max_genres: {max_genres} is not at least 1")
    if max_genres > most:
        raise ValueError(f"max_genres: {max_genres} is not at most {most}")
    chosen = vocabulary.genres if only is None else _known(only, vocabulary)
    allowed = frozenset(chosen) - _known(exclude, vocabulary)
    if not allowed:
        raise ValueError("'only' and 'exclude' leave no genre")
    return DecisionPolicy(thresholds, max_genres, always, allowed, vocabulary)


def _known(names: Iterable[str], vocabulary: Vocabulary) -> frozenset[str]:
    if isinstance(names, str):
        raise ValueError(f"write [{names!r}] for one genre")  # noqa: TRY004 - as the others
    genres = {name: vocabulary.canonical(name) for name in names}
    if unknown := [name for name, genre in genres.items() if genre is None]:
        raise ValueError(f"{unknown[0]} is not one of {', '.join(vocabulary.genres)}")
    return frozenset(genre for genre in genres.values() if genre)


FUSES = 0.25
"""How sure a second genre has to be that makes a fusion with the first: in collections that the
shipped network had not heard, half of the pairs of which the second one merely passed were not on
the label."""

FAR = 0.5
"""How sure both of any other pair have to be: unlikely pairs are more often one right and one
wrong genre than a true rarity."""


def is_sure(probability: float, threshold: float, share: float) -> bool:
    """Tell whether a probability is a share of the way from its threshold to certainty.

    Examples
    --------
    >>> is_sure(0.75, 0.5, FAR), is_sure(0.74, 0.5, FAR)
    (True, False)
    """
    return probability >= threshold + share * (1.0 - threshold)


def decide(prediction: Prediction, policy: DecisionPolicy) -> Decision:
    """Decide on the genres of a track or an album.

    The most probable genre that passes its threshold comes first. Another one joins if
    it is a quarter of the way from its threshold to certainty and makes, with every genre taken
    so far, a fusion of the vocabulary, or if both are half of the way.

    Parameters
    ----------
    prediction : Prediction
    policy : DecisionPolicy

    Returns
    -------
    Decision
        Without genres where nothing passes (and ``policy.always`` is off) or nothing
        was heard.
    """
    if prediction.probabilities is None:
        return Decision((), ("undecided: nothing to hear", *prediction.notes))
    genres = policy.vocabulary.genres
    probability = dict(zip(genres, prediction.probabilities, strict=True))
    threshold = dict(zip(genres, policy.thresholds, strict=True))
    allowed = genres if policy.allowed is None else policy.allowed
    ranked = sorted(allowed, key=lambda genre: (-probability[genre], genre))
    passing = [genre for genre in ranked if probability[genre] >= threshold[genre]]

    if not passing:
        # a genre that no probability reaches is never proposed, not even as a guess
        best = next((genre for genre in ranked if threshold[genre] < 1.0), ranked[0])
        shown, needed = apart(probability[best], threshold[best])
        guess, more = f"{best} {shown} is the best guess", f"{needed} would be needed"
        if policy.always:
            return Decision((best,), (f"{guess}, taken though {more}", *prediction.notes))
        return Decision((), (f"undecided: {guess}, {more}", *prediction.notes))

    def clashes(genre: str, other: str) -> str:
        """Say why a genre does not join another one, in a word or two; empty if it does."""
        if policy.vocabulary.is_fusion(genre, other):
            is_enough = is_sure(probability[genre], threshold[genre], FUSES)
            return "" if is_enough else "not sure enough beside"
        both = all(is_sure(probability[g], threshold[g], FAR) for g in (genre, other))
        return "" if both else "seldom goes with"

    taken: list[str] = []
    refused = []
    for genre in passing:
        if len(taken) == policy.max_genres:
            break
        clash = next((f"{why} {other}" for other in taken if (why := clashes(genre, other))), "")
        if clash:
            refused.append(f"{genre} {probability[genre]:.2f} left out: {clash}")
        else:
            taken.append(genre)
    passed = ", ".join(f"{genre} {probability[genre]:.2f}" for genre in taken)
    # of those left out, the two strongest tell enough
    return Decision(tuple(taken), (passed, *refused[:2], *prediction.notes))
