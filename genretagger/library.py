"""For other programs: one call for one track, names in place of positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path

from genretagger import bundle as bundles
from genretagger import pipeline
from genretagger.bundle import Bundle
from genretagger.cache import Cache
from genretagger.decide import decide, decision_policy
from genretagger.errors import TrackError
from genretagger.rows import by_genre
from genretagger.text import reason_text


@dataclass(frozen=True)
class TrackGenres:
    """What is heard in one track.

    Attributes
    ----------
    path : pathlib.Path
    genres : tuple of str
        Best first; empty where it is undecided.
    probabilities : mapping of str to float
        For each of the model's genres; empty where there was nothing to hear.
    reason : str
        Why these genres, in words.
    """

    path: Path
    genres: tuple[str, ...]
    probabilities: Mapping[str, float]
    reason: str


def predict(
    path: str | PathLike[str],
    *,
    bundle: str | PathLike[str] | Bundle = "default",
    threshold: float | None = None,
    max_genres: int = 2,
    always: bool = False,
    only: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    cache: Cache | None = None,
) -> TrackGenres:
    """Hear one track and say what it is. No file is opened for writing.

    It is heard in a worker process, which waits a minute for the next call, so that a decoder
    that crashes leaves the caller alive.

    Parameters
    ----------
    path : str or path-like
        An audio file.
    bundle : str or path-like or Bundle
        The model, as in `bundle.read`.
    threshold, max_genres, always, only, exclude
        As in `decide.decision_policy`.
    cache : Cache, optional
        As in `pipeline.predict`.

    Returns
    -------
    TrackGenres

    Raises
    ------
    TrackError
        If the file cannot be heard; the message names it.
    FatalError
        If the model cannot be used.
    ValueError
        If an option makes no sense.
    """
    model = bundle if isinstance(bundle, Bundle) else _read(bundles.locate(bundle))
    policy = decision_policy(
        model.thresholds,
        threshold=threshold,
        max_genres=max_genres,
        always=always,
        only=only,
        exclude=exclude,
        vocabulary=model.vocabulary,
    )
    ((where, answer),) = pipeline.predict([path], model, cache=cache)
    if isinstance(answer, TrackError):
        raise TrackError(f"{where}: {answer}") from answer
    decision = decide(answer, policy)
    probabilities = by_genre(answer.probabilities, model.vocabulary) or {}
    return TrackGenres(where, decision.genres, probabilities, reason_text(decision.reason))


_read = lru_cache(maxsize=4)(bundles.read)
