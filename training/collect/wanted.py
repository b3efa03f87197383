"""The list of playlists, as a person writes it, with the genres of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from genretagger.errors import FatalError
from genretagger.genres import GENRES, canonical, in_order, is_fusion
from training import config as configuration
from training.collect.deezer import playlist_id
from training.files import sha256, split_list

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
    exports : dict of str to pathlib.Path
        Exports of Spotify playlists, by the ids that they have among `playlists`; an id
        changes with the file.
    parts : dict of str to str
        From a playlist's id to its sub-genre, or other part of its genre's range.
    quotas : dict
        From a label to how many tracks it gets in all, the same number of each part.
    """

    playlists: dict[str, tuple[str, ...]]
    keep: frozenset[str]
    drop: frozenset[str]
    exports: dict[str, Path] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    quotas: dict[tuple[str, ...], int] = field(default_factory=dict)


def read_list(path: Path) -> Wanted:
    """Read the file that lists playlists and their genres.

    Parameters
    ----------
    path : pathlib.Path
        TOML: tables ``[playlists]`` from ids or links, and ``[exports]`` from CSV files
        beside the list, to one genre or a fusion, or to ``{ genre = ..., part = ... }``;
        perhaps ``[by_hand]`` with the ids of tracks to ``keep`` and to ``drop``, and
        ``[quotas]`` from labels to numbers.

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

    unknown = sorted(set(table) - {"playlists", "exports", "by_hand", "quotas"})
    if unknown:
        raise FatalError(f"{where(unknown[0])}: unknown table or key {unknown[0]!r}")
    entries, files = table.get("playlists", {}), table.get("exports", {})
    if not isinstance(entries, dict) or not isinstance(files, dict) or not (entries or files):
        raise FatalError(f"{path}: no playlists; below [playlists] write lines like {FORM}")
    playlists: dict[str, tuple[str, ...]] = {}
    parts: dict[str, str] = {}
    exports: dict[str, Path] = {}
    rows = [(*item, False) for item in entries.items()]
    rows += [(*item, True) for item in files.items()]
    for key, value, is_file in rows:
        try:
            number = _export_id(path.parent / key) if is_file else playlist_id(key)
            genres, part = _genres_and_part(value)
        except ValueError as error:
            raise FatalError(f"{where(key)}: {key!r} {error}") from error
        if number in playlists:
            raise FatalError(f"{where(key)}: the playlist {number} comes twice; keep one line")
        playlists[number], parts[number] = genres, part or number
        if is_file:
            exports[number] = path.parent / key
    quotas = _quotas(table.get("quotas", {}), where)
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
    return Wanted(playlists, sets["keep"], sets["drop"], exports, parts, quotas)


def _export_id(path: Path) -> str:
    """Name an export by its file and its contents: a changed one is another."""
    try:
        digest = sha256(path)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    return f"{path.stem}-{digest[:12]}"


def _genres_and_part(value: object) -> tuple[tuple[str, ...], str]:
    """Read ``"Rock"``, or ``{ genre = "Rock", part = "Shoegaze" }``."""
    if not isinstance(value, dict):
        return _genres(value), ""
    part = value.get("part", "")
    if set(value) - {"genre", "part"} or not isinstance(part, str):
        raise ValueError('has to be "Rock" or { genre = "Rock", part = "Shoegaze" }')
    return _genres(value.get("genre")), part


def _quotas(table: object, where: Callable[[str], str]) -> dict[tuple[str, ...], int]:
    if not isinstance(table, dict):
        raise FatalError(f"{where('quotas')}: below [quotas] write lines like Rock = 120")
    quotas = {}
    for key, value in table.items():
        try:
            genres = _genres(key)
        except ValueError as error:
            raise FatalError(f"{where(key)}: {key!r} {error}") from error
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise FatalError(f"{where(key)}: {key} = {value!r}, but a number of tracks is wanted")
        quotas[genres] = value
    return quotas


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
