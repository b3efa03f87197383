"""The line: files -> tags and audio -> probabilities -> decision -> plan.

Only this module knows the order of the steps. What changes files takes a line of the plan, and
is in `writing`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TypeVar

from genretagger.albums import By, Named, combine, group
from genretagger.audit import Audit
from genretagger.bundle import Bundle, require_embedding
from genretagger.bundle import read as read_bundle
from genretagger.cache import Cache
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import TrackError
from genretagger.hearing import hearing_id, in_own_genres
from genretagger.identity import check_writable
from genretagger.plan import TagPolicy, existing_genres, failed, plan, plan_unheard, why_kept
from genretagger.recall import audio_id, look_at, read_tags, recall_or_hear, rehearse
from genretagger.records import Prediction, Seen, State, TagChange, Track, TrackTags
from genretagger.workers import hear_tracks

_T = TypeVar("_T")
_Other = TypeVar("_Other", TrackError, None)
_BATCH = 256  # tracks whose tags are read ahead; bounds memory and the wait for the first


@dataclass(frozen=True)
class Options:
    """Settings of a run.

    Attributes
    ----------
    bundle : Bundle
    decision : DecisionPolicy
    tags : TagPolicy
    field : str or None
        Write to this field and leave the genre alone.
    by : {"track", "album", "artist"}
        One decision for each track, for each album, or for each artist.
    jobs : int
        Worker processes that hear tracks; 0 is one for each core.
    analyse_all : bool
        Hear also the tracks whose genre stays whatever is heard, so that a dry run can
        show their predictions beside what is kept.
    cache : Cache or None
        Where tags and predictions of before are looked up, and new ones are kept.
    """

    bundle: Bundle
    decision: DecisionPolicy
    tags: TagPolicy
    field: str | None = None
    by: By = "track"
    jobs: int = 1
    analyse_all: bool = True
    cache: Cache | None = None


class _Entry(NamedTuple):
    """A track on its way into the plan, or its line, if that is made already.

    Attributes
    ----------
    track : Track or TagChange
    stays : str
        Why the track's genre stays, whatever is heard; empty if it need not.
    to_hear : Seen or None
        None if hearing the track would make no difference.
    """

    track: Track | TagChange
    stays: str = ""
    to_hear: Seen | None = None


def make_plan(paths: Iterable[Path], options: Options) -> Iterator[TagChange]:
    """Read tags and audio, and say what becomes of each track. Nothing is written.

    Parameters
    ----------
    paths : iterable of pathlib.Path
    options : Options

    Yields
    ------
    TagChange
        One line for each path, in their order; with another `Options.by` than "track" in
        the order in which the albums or artists begin.

    Raises
    ------
    FatalError
        If the model cannot be used.
    """
    for batch in _batches(paths, _BATCH if options.by == "track" else None):
        tracks = _read(batch, options)
        named = [Named(t.file.path, t.tags) if isinstance(t, Track) else None for t in tracks]
        groups = group(named, options.by)
        entries = [[_entry(tracks[n], options) for n in members] for members in groups]
        to_hear = [entry.to_hear for members in entries for entry in members]
        answers = _hear(to_hear, options.bundle, options.jobs, options.cache)
        for members in entries:
            yield from _plan_group([(entry, next(answers)) for entry in members], options)


def predict(
    paths: Iterable[str | PathLike[str]],
    bundle: str | PathLike[str] | Bundle = "default",
    jobs: int = 1,
    *,
    cache: Cache | None = None,
    embedding: bool = False,
) -> Iterator[tuple[Path, Prediction | TrackError]]:
    """Predict tracks. No file is opened for writing.

    Parameters
    ----------
    paths : iterable of str or path-like
    bundle : str or path-like or Bundle
        The model, as in `bundle.read`.
    jobs : int
        Worker processes that hear tracks; 0 is one for each core.
    cache : Cache, optional
        Where predictions of before are looked up, and new ones are kept.
    embedding : bool
        With the embedding of each track; what was heard without is heard again.

    Yields
    ------
    tuple of pathlib.Path and Prediction or TrackError
        One for each path, in their order.

    Raises
    ------
    FatalError
        If the model cannot be used, or has no embedding where one is wanted.
    """
    model = bundle if isinstance(bundle, Bundle) else read_bundle(bundle)
    for file in examine(map(Path, paths), model, jobs, cache=cache, embedding=embedding):
        yield file.path, file.answer


class Examined(NamedTuple):
    """A file, what its tags say, and what is heard in it.

    Attributes
    ----------
    path : pathlib.Path
    track : Track or TrackError
        With its tags, or why they cannot be read; the audio may be sound all the same.
    answer : Prediction or TrackError
    """

    path: Path
    track: Track | TrackError
    answer: Prediction | TrackError


def examine(
    paths: Iterable[Path],
    with_bundle: Bundle,
    jobs: int = 1,
    *,
    cache: Cache | None = None,
    embedding: bool = False,
) -> Iterator[Examined]:
    """Read the tags of tracks and predict them. No file is opened for writing.

    Parameters
    ----------
    paths, with_bundle, jobs, cache, embedding
        As in `predict`.

    Yields
    ------
    Examined
        One for each path, in their order.

    Raises
    ------
    FatalError
        As in `predict`.
    """
    if embedding:
        require_embedding(with_bundle)
    for batch in _batches(paths, _BATCH):
        files = [look_at(path) for path in batch]
        tracks = list(read_tags(files, None, cache))
        to_hear = [
            track.file if isinstance(track, Track) else file
            for file, track in zip(files, tracks, strict=True)
        ]
        answers = _hear(to_hear, with_bundle, jobs, cache, embedding=embedding)
        yield from map(Examined, batch, tracks, answers)


def audit_tracks(
    paths: Iterable[Path],
    audit: Audit,
    with_bundle: Bundle,
    jobs: int = 1,
    *,
    cache: Cache | None = None,
    library: Mapping[Path, TrackTags] | None = None,
) -> Iterator[TagChange]:
    """Compare the genres of tracks with what is heard. No file is opened for writing.

    Parameters
    ----------
    paths, with_bundle, jobs, cache
        As in `examine`.
    audit : Audit
        Takes each track.
    library : mapping of pathlib.Path to TrackTags, optional
        What counts as the tags of each path, in place of those in the file.

    Yields
    ------
    TagChange
        One line for each path, which leaves it as it is: UNDECIDED where its own genre is
        contradicted, and FAILED where it could not be heard.

    Raises
    ------
    FatalError
        As in `predict`.
    """
    for path, track, answer in examine(paths, with_bundle, jobs, cache=cache):
        if isinstance(track, TrackError):
            yield failed(TagChange(path, State.FAILED), track)
            continue
        known = replace(track, tags=library[path]) if library is not None else track
        own = existing_genres(known.tags)
        heard = answer if isinstance(answer, Prediction) else None
        remark = audit.add(known, heard, audio_id(track.file, cache))
        line = TagChange(path, State.KEEP, old=own, new=own, vocabulary=with_bundle.vocabulary)
        if isinstance(answer, TrackError):
            yield failed(line, answer)
            continue
        policy = DecisionPolicy(with_bundle.thresholds, vocabulary=with_bundle.vocabulary)
        decision = decide(answer, policy)
        yield replace(
            line,
            state=State.UNDECIDED if remark else State.KEEP,
            genres=decision.genres,
            probabilities=answer.probabilities,
            reason=(remark.text,) if remark else decision.reason,
        )


def _hear(
    files: Sequence[Seen | _Other],
    with_bundle: Bundle,
    jobs: int,
    cache: Cache | None,
    *,
    embedding: bool = False,
) -> Iterator[Prediction | TrackError | _Other]:
    """Recall or hear tracks by a bundle's network, and say it in the bundle's genres."""
    network = with_bundle.network
    hear = partial(hear_tracks, with_bundle=network, jobs=jobs)
    answers = recall_or_hear(
        files,
        hear,
        hearing_id(network),
        cache,
        embedding=embedding or with_bundle.heads is not None,
    )
    for answer in answers:
        yield in_own_genres(answer, with_bundle) if isinstance(answer, Prediction) else answer


def _batches(items: Iterable[_T], size: int | None) -> Iterator[list[_T]]:
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, size)):
        yield batch


def _read(paths: Sequence[Path], options: Options) -> list[Track | TagChange]:
    files = [look_at(path) for path in paths]
    return [
        failed(TagChange(path, State.FAILED), track) if isinstance(track, TrackError) else track
        for path, track in zip(paths, read_tags(files, options.field, options.cache), strict=True)
    ]


def _entry(track: Track | TagChange, options: Options) -> _Entry:
    if isinstance(track, TagChange):
        return _Entry(track)
    stays = why_kept(track.tags, options.tags)
    must_hear = options.analyse_all or options.by != "track" or not stays
    return _Entry(track, stays, track.file if must_hear else None)


def _plan_group(
    members: Sequence[tuple[_Entry, Prediction | TrackError | None]], options: Options
) -> Iterator[TagChange]:
    """Make the lines of tracks that get one decision together; None stands for not heard."""
    heard = [answer for _, answer in members if isinstance(answer, Prediction)]
    together = combine(heard, options.by)
    for (track, stays, _), answer in members:
        if isinstance(track, TagChange):
            yield track
            continue
        file, tags = track.file, track.tags
        if isinstance(answer, TrackError):
            yield plan_unheard(file.path, tags, answer, identity=file.identity, stays=stays)
            continue
        prediction = together or answer
        decision = decide(prediction, options.decision) if prediction else None
        line = plan(
            file.path,
            tags,
            options.tags,
            decision,
            prediction,
            identity=file.identity,
            stays=stays,
        )
        yield _rehearsed(line, file, options)


def _rehearsed(line: TagChange, file: Seen, options: Options) -> TagChange:
    """Let a change fail that the run would refuse to write."""
    if line.state is not State.CHANGE:
        return line
    try:
        check_writable(line.path)
        rehearse(file, line.blocks, options.field, options.cache)
    except TrackError as error:
        return failed(line, error)
    return line
