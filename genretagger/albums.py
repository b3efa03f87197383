"""Which tracks belong together, and what they sound like together. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from genretagger.aggregate import aggregate
from genretagger.records import Prediction, TrackTags

By = Literal["track", "album", "artist"]
"""What gets one decision: each track, album or artist."""

_MOST_ARTISTS = 2  # a guest on one track does not make a compilation

_NOBODY = frozenset(
    {"", "various artists", "various", "va", "unknown artist", "unknown", "[unknown]"}
)
"""What stands where an artist's name should."""


class Named(NamedTuple):
    """What tells to which tracks one belongs."""

    path: Path
    tags: TrackTags


def group(tracks: Sequence[Named | None], by: By) -> list[list[int]]:
    """Group tracks that get one decision together.

    Parameters
    ----------
    tracks : sequence of Named or None
        None stays alone, as a file whose tags cannot be read.
    by : {"track", "album", "artist"}

    Returns
    -------
    list of list of int
        Positions in `tracks`, in the order in which the groups begin. An album is what shares
        its title and its album artist or, without one, its folder. Compilations, and folders of
        many artists, are no albums: each of their tracks stays alone. An artist is the album's
        or, on a compilation or without one, the track's; who has no name stays alone.
    """
    keys = {"track": lambda _: None, "album": _album_key, "artist": _artist_key}
    groups: dict[Hashable, list[int]] = {}
    for n, track in enumerate(tracks):
        key = keys[by](track) if track else None
        groups.setdefault(n if key is None else key, []).append(n)
    parted: list[list[int]] = []
    for members in groups.values():
        is_mixed = by == "album" and _is_mixed([t for n in members if (t := tracks[n])])
        parted += [[n] for n in members] if is_mixed else [members]
    return parted


def _album_key(track: Named) -> Hashable | None:
    tags = track.tags
    if tags.is_compilation:
        return None
    return (tags.album.casefold(), tags.album_artist.casefold() or track.path.parent)


def _artist_key(track: Named) -> Hashable | None:
    tags = track.tags
    names = (tags.artist,) if tags.is_compilation else (tags.album_artist, tags.artist)
    folded = (name.strip().casefold() for name in names)
    return next((name for name in folded if name not in _NOBODY), None)


def _is_mixed(album: Sequence[Named]) -> bool:
    """Tell a folder of many artists, without an album artist, from an album."""
    artists = {t.tags.artist.casefold() for t in album if not t.tags.album_artist}
    return len(artists) > _MOST_ARTISTS


_TOGETHER = (1.15, 0.4)
"""Slope and intercept for the mean logit of tracks that are heard together: their doubts are not
the same, so the mean is too cautious. Of pairs of tracks by one artist in sets that the model had
not heard (docs/performance.md); more than two would bear more."""


def combine(predictions: Sequence[Prediction], by: By) -> Prediction | None:
    """Combine the predictions of tracks that belong together into one.

    Parameters
    ----------
    predictions : sequence of Prediction
        Those without probabilities, as of silent tracks, do not count.
    by : {"track", "album", "artist"}
        What they make up.

    Returns
    -------
    Prediction or None
        None where fewer than two tracks count, so that each speaks for itself.
    """
    rows = [p.probabilities for p in predictions if p.probabilities is not None]
    if len(rows) < 2:
        return None
    note = f"{by}: {len(rows)} tracks heard together"
    calibration = (_TOGETHER,) * len(rows[0])
    return Prediction(aggregate(np.asarray(rows, dtype=np.float32), calibration), (note,))


def combine_each(
    tracks: Sequence[Named | None], predictions: Sequence[Prediction | None], by: By
) -> list[Prediction | None]:
    """Give each track what it and those it belongs to sound like together.

    Parameters
    ----------
    tracks, by
        As in `group`.
    predictions : sequence of Prediction or None
        One for each track; None where it could not be heard.

    Returns
    -------
    list of Prediction or None
        None where a track speaks for itself.
    """
    together: list[Prediction | None] = [None] * len(tracks)
    for members in group(tracks, by):
        combined = combine([p for n in members if (p := predictions[n])], by)
        for n in members:
            together[n] = combined
    return together
