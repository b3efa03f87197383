"""The line: files -> tags and audio -> probabilities -> decision -> plan -> changed files.

Only this module knows the order of the steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeGuard, TypeVar

from genretagger import tags
from genretagger.albums import combine, group_by_album, tags_of
from genretagger.bundle import Bundle
from genretagger.cache import Cache
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import TrackError
from genretagger.plan import TagPolicy, existing_genres, plan, why_kept
from genretagger.recall import listen, read_tags
from genretagger.records import (
    Decision,
    Prediction,
    State,
    TagChange,
    Track,
)
from genretagger.writing.change import failed

_T = TypeVar("_T")
_BATCH = 256  # tracks whose tags are read ahead; bounds memory and the wait for the first


@dataclass(frozen=True)
class Options:
    """All that a run may be told.

    Attributes
    ----------
    bundle : Bundle
    decision : DecisionPolicy
    tags : TagPolicy
    field : str or None
        Write to this field and leave the genre alone.
    by : {"track", "album"}
        One decision for each track, or for each album.
    jobs : int
        Worker processes that decode and predict.
    analyse_all : bool
        Hear also the tracks whose genre stays whatever is heard, so that a dry run can
        show what was heard beside what is kept.
    cache : Cache or None
        Where what was read and heard before is looked up, and remembered.
    """

    bundle: Bundle
    decision: DecisionPolicy
    tags: TagPolicy
    field: str | None = None
    by: Literal["track", "album"] = "track"
    jobs: int = 1
    analyse_all: bool = True
    cache: Cache | None = None


def make_plan(paths: Iterable[Path], options: Options) -> Iterator[TagChange]:
    """Read tags and audio, and say what becomes of each track. Nothing is written.

    Parameters
    ----------
    paths : iterable of pathlib.Path
    options : Options

    Yields
    ------
    TagChange
        One line for each path, in their order; with ``by="album"`` in the order in which
        the albums begin.
    """
    for batch in _batches(paths, None if options.by == "album" else _BATCH):
        tracks = list(_tracks(batch, options))
        groups = group_by_album(tracks) if options.by == "album" else [[track] for track in tracks]
        to_hear = [track for group in groups for track in group if _must_hear(track, options)]
        heard = listen(to_hear, options.bundle, options.jobs, options.cache)
        wanted = set(map(id, to_hear))
        for group in groups:
            yield from _plan_group(group, wanted, heard, options)


def predict(
    paths: Iterable[Path], with_bundle: Bundle, jobs: int = 1, *, cache: Cache | None = None
) -> Iterator[tuple[Path, Prediction | TrackError]]:
    """Hear files. None is opened for writing.

    Parameters
    ----------
    paths : iterable of pathlib.Path
    with_bundle : Bundle
    jobs : int
        Worker processes that decode and predict.
    cache : Cache, optional
        Where what was heard before is looked up, and remembered.

    Yields
    ------
    tuple of pathlib.Path and Prediction or TrackError
        One for each path, in their order.
    """
    for batch in _batches(paths, _BATCH):
        tracks = [
            # the audio may be sound though the tags are not
            Track(path) if isinstance(track, TrackError) else track
            for path, track in zip(batch, read_tags(batch, None, cache), strict=True)
        ]
        yield from zip(batch, listen(tracks, with_bundle, jobs, cache), strict=True)


def _batches(items: Iterable[_T], size: int | None) -> Iterator[list[_T]]:
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, size)):
        yield batch


def _tracks(paths: Sequence[Path], options: Options) -> Iterator[Track | TagChange]:
    found = read_tags(paths, options.field, options.cache)
    for path, track in zip(paths, found, strict=True):
        yield _failure(path, track) if isinstance(track, TrackError) else track


def _must_hear(track: Track | TagChange, options: Options) -> TypeGuard[Track]:
    if isinstance(track, TagChange):
        return False
    stays = why_kept(tags_of(track), options.tags)
    return options.analyse_all or options.by == "album" or not stays


def _plan_group(
    group: list[Track | TagChange],
    wanted: set[int],
    heard: Iterator[Prediction | TrackError],
    options: Options,
) -> Iterator[TagChange]:
    answers = [(track, next(heard) if id(track) in wanted else None) for track in group]
    together = combine([answer for _, answer in answers if isinstance(answer, Prediction)])
    for track, answer in answers:
        if isinstance(track, TagChange):
            yield track
        elif isinstance(answer, TrackError):
            yield _unheard(track, answer, options.tags)
        elif answer is None:
            yield plan(track.path, tags_of(track), options.tags, None, identity=track.identity)
        else:
            prediction = together or answer
            decision = decide(prediction, options.decision)
            change = plan(
                track.path,
                tags_of(track),
                options.tags,
                decision,
                prediction,
                identity=track.identity,
            )
            try:
                if change.state is State.CHANGE:
                    tags.check_writable(track.path)
            except TrackError as error:
                change = failed(change, error)
            yield change


def _unheard(track: Track, error: TrackError, policy: TagPolicy) -> TagChange:
    # a genre that stays whatever is heard also stays if nothing can be: a run that need not
    # hear the track says the same
    if why_kept(tags_of(track), policy):
        unheard = Decision((), (f"not heard: {error}",))
        return plan(track.path, tags_of(track), policy, unheard, identity=track.identity)
    old = existing_genres(tags_of(track))
    return replace(_failure(track.path, error), old=old, new=old, identity=track.identity)


def _failure(path: Path, error: TrackError) -> TagChange:
    return TagChange(path, State.FAILED, reason=(str(error),))
