"""Albums of the library: their own genres, from their tracks'."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import genretagger
from beetsplug.genrecnn.outcomes import Outcome, own_genres, tags_of
from beetsplug.genrecnn.settings import Settings
from genretagger import State

if TYPE_CHECKING:
    from beets.library import Album, Item, Library


REPLACED = "genrecnn_replaced"
"""The flexible field of an album: which genres runs replaced by which, and their journals."""


def album_genres(
    tracks: Iterable[list[str]],
    max_genres: int,
    vocabulary: genretagger.Vocabulary | None = None,
) -> tuple[list[str], str]:
    """Find the genres that stand for an album.

    From the tracks' genres, whoever set them, rather than from probabilities: so an album
    never has a genre that none of its tracks has, and a person's own genres count.

    Parameters
    ----------
    tracks : iterable of list of str
        The genres of each track; a track without any does not count.
    max_genres : int
    vocabulary : genretagger.Vocabulary, optional
        In whose order they stand, if all of them are in it; that of the shipped models.

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
    vocabulary = vocabulary or genretagger.Vocabulary()
    if all(genre in vocabulary.genres for genre in taken):
        taken = list(vocabulary.in_order(taken))
    if not taken:
        return [], f"undecided: no genre on half of {len(having)} tracks"
    on = ", ".join(f"{genre} on {counts[genre]}" for genre in taken)
    return taken, f"{on} of {genretagger.counted(len(having), 'track')}"


def tag_albums(
    lib: Library, tracks: Sequence[Outcome[Item]], settings: Settings
) -> Iterator[Outcome[Album]]:
    """Set the own genres of the albums that these tracks are on.

    Yields
    ------
    Outcome
        One for each album, but for those of which there is nothing to say.
    """
    genres = {track.model.id: track.new for track in tracks}
    album_ids = dict.fromkeys(track.model.album_id for track in tracks if track.model.album_id)
    for album in filter(None, map(lib.get_album, album_ids)):
        if outcome := tag_album(album, genres, settings):
            yield outcome


def tag_album(
    album: Album, new: Mapping[int | None, list[str]], settings: Settings
) -> Outcome[Album] | None:
    """Set an album's own genres from its tracks'.

    Parameters
    ----------
    album : beets.library.Album
    new : mapping of int to list of str
        The genres that the run decided on, by the track's id; the others' are the library's.
    settings : Settings

    Returns
    -------
    Outcome or None
        None if there is nothing to say.
    """
    tags, policy = tags_of(album), settings.tags
    if genretagger.why_kept(tags, policy):
        return None
    tracks = [_telling(new.get(item.id) or own_genres(item), policy) for item in album.items()]
    if not any(tracks):
        return None
    written = tuple(policy.names.get(genre, genre) for genre in policy.vocabulary.genres)
    genres, reason = album_genres(
        tracks, settings.policy.max_genres, genretagger.Vocabulary(written, frozenset())
    )
    # they are written as the tracks have them, and in this order, whosever genres they are
    others = (genre for genre in written if genre not in genres)
    as_they_are = replace(
        policy, names={}, vocabulary=genretagger.Vocabulary((*genres, *others), frozenset())
    )
    decision = genretagger.Decision(tuple(genres), (reason,))
    line = genretagger.plan_genres(album.filepath, tags, as_they_are, decision)
    if line.state is State.KEEP:
        return None
    if line.state is State.CHANGE and not settings.pretend:
        album.genres = list(line.new)
        album.store(inherit=False)  # the tracks keep theirs
    return Outcome(album, line.state, list(line.old), list(line.new), line.reason)


def _telling(genres: Iterable[str], policy: genretagger.TagPolicy) -> list[str]:
    return [genre for genre in genres if not genretagger.says_nothing(genre, policy.junk)]


def remember_album(outcome: Outcome[Album], journal: genretagger.Journal) -> None:
    """Keep in an album what it had, because journals hold changes of files, and it has none."""
    if outcome.state is State.CHANGE and journal.path is not None:
        row = {"journal": journal.path.name, "old": outcome.old, "new": outcome.new}
        outcome.model[REPLACED] = json.dumps([*_replaced(outcome.model), row])
        outcome.model.store(inherit=False)


def take_album_back(album: Album, path: Path, journal: genretagger.Journal) -> None:
    """Give an album the genres that it had before a run, unless somebody changed them since.

    Parameters
    ----------
    album : beets.library.Album
    path : pathlib.Path
        The journal of the run that is taken back.
    journal : genretagger.Journal
        Of this run, so that it can be taken back, too.
    """
    rows = _replaced(album)
    row = next((row for row in rows if row["journal"] == path.name), None)
    if row is None:
        return
    album[REPLACED] = json.dumps([other for other in rows if other is not row])
    if album.genres == row["new"]:
        album.genres = row["old"]
        remember_album(Outcome(album, State.CHANGE, row["new"], row["old"], ("undone",)), journal)
    album.store(inherit=False)


def _replaced(album: Album) -> list[dict[str, Any]]:
    rows = json.loads(album.get(REPLACED) or "[]")
    return [rows] if isinstance(rows, dict) else rows  # one, in version 0.1
