"""Albums of the library: their own genres, from their tracks'."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import genretagger
from beetsplug.genrecnn.outcomes import CHANGED, UNDECIDED, Outcome, own_genres
from beetsplug.genrecnn.settings import Settings

if TYPE_CHECKING:
    from beets.library import Album


REPLACED = "genrecnn_replaced"
"""The flexible field of an album: which genres a run replaced by which, and its journal."""


def album_genres(tracks: Iterable[list[str]], max_genres: int) -> tuple[list[str], str]:
    """Find the genres that stand for an album.

    From the tracks' genres, whoever set them, rather than from probabilities: so an album
    never has a genre that none of its tracks has, and a person's own genres count.

    Parameters
    ----------
    tracks : iterable of list of str
        The genres of each track; a track without any does not count.
    max_genres : int

    Returns
    -------
    tuple of list of str, and str
        The genres that at least half of the tracks have, the most common ones if there
        are too many, and the reason in words. None where the tracks have little in common.

    Examples
    --------
    >>> album_genres([["Pop", "Rock"], ["Rock"], ["Rock"], []], 2)
    (['Rock'], 'Rock on 3 of 3 tracks')
    """
    having = [track for track in tracks if track]
    counts = Counter(genre for track in having for genre in dict.fromkeys(track))
    taken = [genre for genre, n in counts.most_common() if 2 * n >= len(having)][:max_genres]
    if all(genre in genretagger.GENRES for genre in taken):
        taken = list(genretagger.in_order(tuple(taken)))
    if not taken:
        return [], f"undecided: no genre on half of {len(having)} tracks"
    on = ", ".join(f"{genre} on {counts[genre]}" for genre in taken)
    return taken, f"{on} of {len(having)} tracks"


def take_album_back(album: Album, path: Path, journal: genretagger.Journal) -> None:
    replaced = json.loads(album.get(REPLACED) or "{}")
    if replaced.get("journal") != path.name:
        return
    old, new = replaced["old"], replaced["new"]
    del album[REPLACED]
    if album.genres == new:
        album.genres = old
        remember_album(Outcome(album, CHANGED, new, old, ""), journal)
    album.store(inherit=False)


def remember_album(outcome: Outcome, journal: genretagger.Journal) -> None:
    """Keep what an album had; files are what makes a journal, and it has none."""
    if outcome.state == CHANGED and journal.path is not None:
        row = {"journal": journal.path.name, "old": outcome.old, "new": outcome.new}
        outcome.of[REPLACED] = json.dumps(row)
        outcome.of.store(inherit=False)


def tag_album(album: Album, new: dict[int, list[str]], settings: Settings) -> Outcome | None:
    """Set an album's own genres from its tracks'; None if there is nothing to say."""
    old = own_genres(album)
    if old and not settings.force:
        return None
    tracks = [new.get(item.id) or own_genres(item) for item in album.items()]
    genres, reason = album_genres(tracks, settings.policy.max_genres)
    if not any(tracks) or (genres and sorted(genres) == sorted(old)):
        return None
    if not genres:
        return Outcome(album, UNDECIDED, old, old, reason)
    if not settings.pretend:
        album.genres = genres
        album.store(inherit=False)  # the tracks keep theirs
    return Outcome(album, CHANGED, old, genres, reason)
