"""Which tracks belong to one album, and what they amount to together."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from genretagger.aggregate import aggregate
from genretagger.records import (
    Prediction,
    TagChange,
    Track,
    TrackTags,
)


def group_by_album(tracks: list[Track | TagChange]) -> list[list[Track | TagChange]]:
    albums: dict[Hashable, list[Track | TagChange]] = {}
    for track in tracks:
        key: Hashable = track.path
        if isinstance(track, Track) and not tags_of(track).is_compilation:
            of = tags_of(track)
            key = (of.album.casefold(), of.album_artist.casefold() or track.path.parent)
        albums.setdefault(key, []).append(track)
    groups: list[list[Track | TagChange]] = []
    for album in albums.values():
        groups += [[track] for track in album] if _is_mixed(album) else [album]
    return groups


def _is_mixed(album: list[Track | TagChange]) -> bool:
    """Tell a folder of many artists, without an album artist, from an album."""
    of = [tags_of(track) for track in album if isinstance(track, Track)]
    artists = {t.artist.casefold() for t in of if not t.album_artist}
    return len(artists) > 2  # a guest on one track does not make a compilation


def combine(predictions: list[Prediction]) -> Prediction | None:
    heard = [p.probabilities for p in predictions if p.probabilities is not None]
    if len(heard) < 2:
        return None
    note = f"album: {len(heard)} tracks heard together"
    return Prediction(aggregate(np.asarray(heard, dtype=np.float32)), (note,))


def tags_of(track: Track) -> TrackTags:
    if track.tags is None:
        raise ValueError(f"the tags of {track.path} were not read")
    return track.tags
