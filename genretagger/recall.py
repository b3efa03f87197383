"""Ask the cache first: what it knows is not read or heard again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from genretagger import tags
from genretagger.bundle import Bundle
from genretagger.cache import Cache, HeardKey, Seen
from genretagger.errors import TrackError
from genretagger.identity import identify
from genretagger.records import (
    Prediction,
    Track,
)
from genretagger.tags.cue import cue_beside
from genretagger.workers import has_cuesheet, hear_tracks


def remember(path: Path, field: str | None, cache: Cache | None) -> None:
    """Read what was just written, so that the next run need not."""
    if cache is not None:
        with contextlib.suppress(TrackError):  # it is written; let the next run find out
            for track in read_tags([path], field, cache):
                if isinstance(track, Track):
                    _audio_id(track, cache)


def read_tags(
    paths: Sequence[Path], field: str | None, cache: Cache | None
) -> Iterator[Track | TrackError]:
    """Read files' tags, or recall those of files that are still what they were."""
    states = [_seen(path) for path in paths]
    seen = [state for state in states if isinstance(state, Seen)]
    known = iter(cache.tags(seen, field) if cache else [None] * len(seen))
    for state in states:
        if isinstance(state, TrackError):
            yield state
            continue
        path, identity, cue_beside, _ = state
        found = next(known)
        if found is None:
            try:
                found = tags.read(path, field=field, cue_sheet=cue_beside)
            except TrackError as error:
                yield error
                continue
            if cache is not None:
                cache.keep_tags(path, field, identity, found, cue_beside=cue_beside)
        yield Track(path, found, identity)


def _seen(path: Path) -> Seen | TrackError:
    try:
        return Seen(path, identify(path), cue_beside(path))
    except TrackError as error:
        return error


def listen(
    tracks: Sequence[Track], with_bundle: Bundle, jobs: int, cache: Cache | None
) -> Iterator[Prediction | TrackError]:
    """Recall what was heard before, and hear the rest."""
    if cache is None:
        yield from hear_tracks(tracks, with_bundle, jobs)
        return
    bundle_id = with_bundle.bundle_id
    known = _recall(tracks, bundle_id, cache)
    new = [track for track, (_, answer) in zip(tracks, known, strict=True) if answer is None]
    heard = hear_tracks(new, with_bundle, jobs)
    for track, (key, answer) in zip(tracks, known, strict=True):
        if answer is not None:
            yield answer
            continue
        fresh = next(heard)
        # what has replaced the file while it waited to be heard has another identity
        if key is not None and _is_still(track):
            cache.keep_heard(key, fresh)
        yield fresh


def _recall(
    tracks: Sequence[Track], bundle_id: str, cache: Cache
) -> list[tuple[HeardKey | None, Prediction | TrackError | None]]:
    """Recall how tracks sound, and by what to remember it; None if it cannot be."""
    seen = [
        Seen(track.path, track.identity, has_cuesheet=has_cuesheet(track))
        for track in tracks
        if track.identity is not None
    ]
    known = iter(cache.heard_in(seen, bundle_id))
    answers: list[tuple[HeardKey | None, Prediction | TrackError | None]] = []
    for track in tracks:
        answer = None if track.identity is None else next(known)
        key = None if answer else _heard_key(track, bundle_id, cache)
        answers.append((key, cache.heard(key) if key else answer))
    return answers


def _heard_key(track: Track, bundle_id: str, cache: Cache) -> HeardKey | None:
    try:
        audio_id = _audio_id(track, cache)
    except TrackError:
        return None  # the decoder may make something of it
    if track.identity is None or audio_id is None:
        return None
    return HeardKey(audio_id, track.identity, bundle_id, has_cuesheet(track))


def _audio_id(track: Track, cache: Cache) -> str | None:
    if track.identity is None:
        return None
    found = cache.audio_id(track.path, track.identity)
    if found is None:
        found = tags.audio_id(track.path)
        cache.keep_audio_id(track.path, track.identity, found)
    return found


def _is_still(track: Track) -> bool:
    try:
        return identify(track.path) == track.identity
    except TrackError:
        return False
