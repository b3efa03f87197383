"""Which tracks belong to one album, and what they sound like together. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from genretagger.aggregate import aggregate
from genretagger.records import Prediction, TagChange, Track

_MOST_ARTISTS = 2  # a guest on one track does not make a compilation


def group_by_album(tracks: Sequence[Track | TagChange]) -> list[list[Track | TagChange]]:
    """Group tracks that get one decision together.

    Parameters
    ----------
    tracks : sequence of Track or TagChange
        A line of the plan that is made already, as of a file that cannot be read, stays alone.

    Returns
    -------
    list of list of Track or TagChange
        In the order in which the albums begin. An album is what shares its title and its album
        artist or, without one, its folder. Compilations, and folders of many artists, are no
        albums: each of their tracks stays alone.
    """
    albums: dict[Hashable, list[Track | TagChange]] = {}
    for track in tracks:
        albums.setdefault(_album_key(track), []).append(track)
    groups: list[list[Track | TagChange]] = []
    for album in albums.values():
        groups += [[track] for track in album] if _is_mixed(album) else [album]
    return groups


def _album_key(track: Track | TagChange) -> Hashable:
    if isinstance(track, TagChange):
        return track.path
    tags, path = track.tags, track.file.path
    if tags.is_compilation:
        return path
    return (tags.album.casefold(), tags.album_artist.casefold() or path.parent)


def _is_mixed(album: Sequence[Track | TagChange]) -> bool:
    """Tell a folder of many artists, without an album artist, from an album."""
    tags = [track.tags for track in album if isinstance(track, Track)]
    artists = {t.artist.casefold() for t in tags if not t.album_artist}
    return len(artists) > _MOST_ARTISTS


def combine(predictions: Sequence[Prediction]) -> Prediction | None:
    """Combine the predictions of an album's tracks into one.

    Parameters
    ----------
    predictions : sequence of Prediction
        Those without probabilities, as of silent tracks, do not count.

    Returns
    -------
    Prediction or None
        None where fewer than two tracks count, so that each speaks for itself.
    """
    rows = [p.probabilities for p in predictions if p.probabilities is not None]
    if len(rows) < 2:
        return None
    note = f"album: {len(rows)} tracks heard together"
    return Prediction(aggregate(np.asarray(rows, dtype=np.float32)), (note,))
