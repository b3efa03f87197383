"""The list of playlists, as a person writes it, with the genres of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genretagger.errors import FatalError
from genretagger.genres import GENRES, canonical, in_order, is_fusion
from training import config as configuration
from training.collect.deezer import playlist_id
from training.files import split_list

FORM = '"https://www.deezer.com/en/playlist/ID" = "Pop; Rock"'


@dataclass(frozen=True)
class Wanted:
    """The contents of a list file.

    Attributes
    ----------
    playlists : dict
        From a playlist's id to its genres.
    keep, drop : frozenset of str
        Ids of tracks that were judged by ear: a name is no reason to reject the first.
    """

    playlists: dict[str, tuple[str, ...]]
    keep: frozenset[str]
    drop: frozenset[str]


def read_list(path: Path) -> Wanted:
    """Read the file that lists playlists and their genres.

    Parameters
    ----------
    path : pathlib.Path
        TOML: a table ``[playlists]`` from ids or links to one genre or a fusion, and
        perhaps ``[by_hand]`` with the ids of tracks to ``keep`` and to ``drop``.

    Raises
    ------
    FatalError
        If it cannot be read, or a line is none of this; the message names it.
    """
    table = configuration.read_toml(path, "the list of playlists")
    lines = path.read_text(encoding="utf-8").splitlines()

    def where(key: str) -> str:
        number = next((n for n, line in enumerate(lines, 1) if key in line), None)
        return f"{path}, line {number}" if number else str(path)

    unknown = sorted(set(table) - {"playlists", "by_hand"})
    if unknown:
        raise FatalError(f"{where(unknown[0])}: unknown table or key {unknown[0]!r}")
    entries = table.get("playlists")
    if not isinstance(entries, dict) or not entries:
        raise FatalError(f"{path}: no playlists; below [playlists] write lines like {FORM}")
    playlists: dict[str, tuple[str, ...]] = {}
    for key, value in entries.items():
        try:
            number = playlist_id(key)
            genres = _genres(value)
        except ValueError as error:
            raise FatalError(f"{where(key)}: {key!r} {error}") from error
        if number in playlists:
            raise FatalError(f"{where(key)}: the playlist {number} comes twice; keep one line")
        playlists[number] = genres
    by_hand = table.get("by_hand", {})
    sets: dict[str, frozenset[str]] = {"keep": frozenset(), "drop": frozenset()}
    if not isinstance(by_hand, dict) or set(by_hand) - set(sets):
        raise FatalError(f"{where('by_hand')}: [by_hand] has `keep` and `drop` only")
    for name, ids in by_hand.items():
        if not isinstance(ids, list) or not all(str(i).isdecimal() for i in ids):
            raise FatalError(f"{where(name)}: `{name}` is a list of track ids: [3135556, 3135557]")
        sets[name] = frozenset(str(i) for i in ids)
    both = sorted(sets["keep"] & sets["drop"])
    if both:
        raise FatalError(f"{where(both[0])}: track {both[0]} is to be kept and dropped")
    return Wanted(playlists, sets["keep"], sets["drop"])


def _genres(value: object) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise ValueError(f"has no genre: write {FORM}")  # noqa: TRY004
    names = split_list(value)
    if not names:
        raise ValueError(f"has no genre: write {FORM}")
    genres = [canonical(name) for name in names]
    for name, genre in zip(names, genres, strict=True):
        if genre is None:
            raise ValueError(f"has the genre {name!r}, which is none of {', '.join(GENRES)}")
    label = in_order(tuple(dict.fromkeys(genre for genre in genres if genre is not None)))
    if len(label) != len(names):
        raise ValueError("names a genre twice")
    if why := contradiction(label):
        raise ValueError(f"is {why}; see docs on the 19 fusions, or choose one genre")
    return label


def contradiction(genres: tuple[str, ...]) -> str:
    """Give the reason why genres make no label; empty if they do.

    Examples
    --------
    >>> contradiction(("Pop", "Rock")), contradiction(("Classical", "Punk"))
    ('', 'no fusion: Classical; Punk')
    """
    if len(genres) == 1 or (len(genres) == 2 and is_fusion(*genres)):
        return ""
    kind = "no fusion" if len(genres) == 2 else "more than two genres"
    return f"{kind}: {'; '.join(genres)}"
