"""``genretagger similar``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from genretagger import pipeline
from genretagger.bundle import Bundle
from genretagger.cache import Cache
from genretagger.cli.caching import opened_cache
from genretagger.cli.choosing import Chooser, HeardTrack, heard_track
from genretagger.cli.settings import chosen_bundle
from genretagger.errors import FatalError, TrackError
from genretagger.playlist import Candidate, artist_key
from genretagger.similarity import nearest

if TYPE_CHECKING:
    from genretagger.arrays import Halves


def run(options: argparse.Namespace) -> int:
    """List the tracks that sound like one; never write but the playlist."""
    bundle = chosen_bundle(options)
    chooser = Chooser(options)
    chooser.run.hear_with(bundle)
    with opened_cache(options, chooser.run.remark) as cache:
        track, embedding = _sought(options, bundle, cache)
    with opened_cache(options) as cache:  # opened anew, it knows the track, too
        others = chooser.heard(bundle, cache, embedding=True)
    return chooser.show(_ranked(track, embedding, others), "similarity")


def _sought(
    options: argparse.Namespace, bundle: Bundle, cache: Cache | None
) -> tuple[HeardTrack, Halves]:
    (file,) = pipeline.examine([options.track], bundle, 1, cache=cache, embedding=True)
    if isinstance(file.answer, TrackError):
        raise FatalError(f"{options.track}: {file.answer}") from file.answer
    if file.answer.embedding is None:
        raise FatalError(f"{options.track} is silent; there is nothing that sounds like it")
    return heard_track(file, file.answer, cache), file.answer.embedding


def _ranked(track: HeardTrack, embedding: Halves, others: list[HeardTrack]) -> list[Candidate]:
    """Rank tracks by similarity, without the same audio under another name."""
    embedded = [
        (other, other.prediction.embedding)
        for other in others
        if other.prediction.embedding is not None
        and (other.recording is None or other.recording != track.recording)
    ]
    # who is not known may be anybody
    may_be = {"", artist_key(track.artist)}
    by_its_artist = [not track.artist or artist_key(o.artist) in may_be for o, _ in embedded]
    ranked = nearest(embedding, [its_embedding for _, its_embedding in embedded], by_its_artist)
    return [
        Candidate(embedded[i][0].path, value, embedded[i][0].artist, embedded[i][0].recording)
        for i, value in ranked
    ]
