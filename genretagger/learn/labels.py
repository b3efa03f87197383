"""From the genres in tags to labels that a model can learn from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from genretagger.errors import FatalError
from genretagger.genres import (
    MOST_GENRES,
    Vocabulary,
    key_of,
    says_nothing,
    split_values,
    why_no_genre,
)
from genretagger.text import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_TRACKS, LEAST_ARTISTS = 8, 3
"""Of a genre: with fewer, a fold by artist has nothing to learn it from, or to test it on."""

_LEAST_TOGETHER, _SHARE_TOGETHER = 3, 0.05
"""Tracks that make two genres a fusion, and their share of the rarer one's: less is a slip."""


class Tagged(NamedTuple):
    """What the tags of one track say.

    Attributes
    ----------
    values : tuple of str
        Its genres, as they stand in the file.
    artist : str
        Tracks of one artist are never on both sides of a fold.
    """

    values: tuple[str, ...]
    artist: str


class LeftOut(NamedTuple):
    """A genre that has too few tracks or artists, or a name that no genre can have."""

    name: str
    n_tracks: int
    n_artists: int

    @property
    def has_few(self) -> bool:
        """Whether it has too few tracks or artists."""
        return self.n_tracks < LEAST_TRACKS or self.n_artists < LEAST_ARTISTS


@dataclass(frozen=True)
class Labels:
    """Labels of tracks.

    Attributes
    ----------
    vocabulary : Vocabulary
    reference : numpy.ndarray, shape (n_tracks, n_genres), bool
    groups : numpy.ndarray, shape (n_tracks,), int
        The number of each track's artist.
    left_out : tuple of LeftOut
        The most common first.
    """

    vocabulary: Vocabulary
    reference: NDArray[np.bool_]
    groups: NDArray[np.int64]
    left_out: tuple[LeftOut, ...]


def genres_of(values: Sequence[str], synonyms: Mapping[str, str]) -> tuple[str, ...]:
    """List the genres that a track's values name, without those that say nothing.

    Parameters
    ----------
    values : sequence of str
    synonyms : mapping of str to str
        As `read_synonyms` gives them.

    Examples
    --------
    >>> genres_of(("Shoegaze; Dream Pop", "Unknown", "Rap"), {"rap": "Hip Hop"})
    ('Shoegaze', 'Dream Pop', 'Hip Hop')
    >>> genres_of(("Pop/Rock",), {}), genres_of(("Pop/Rock",), {"pop/rock": "Pop Rock"})
    (('Pop', 'Rock'), ('Pop Rock',))
    """
    parts = [part for value in values for part in _parts(value, synonyms)]
    named = [synonyms.get(key_of(part), part) for part in parts]
    return tuple(dict.fromkeys(g for g in named if g and not says_nothing(g)))


def _parts(value: str, synonyms: Mapping[str, str]) -> tuple[str, ...]:
    """Split a value into genres, unless a line of the mapping names it as a whole."""
    return (value,) if key_of(value) in synonyms else split_values(value)


def read_synonyms(text: str) -> dict[str, str]:
    """Read which genres in tags are to be learned as which.

    Parameters
    ----------
    text : str
        Lines such as ``Rap = Hip Hop``; with nothing behind the ``=``, the genre is not learned.
        Empty ones and ``#`` comments are passed over.

    Returns
    -------
    dict
        From the key of a spelling, see `genres.key_of`, to the genre.

    Raises
    ------
    ValueError
        If a line has another form, or a genre stands twice; the message names the line.

    Examples
    --------
    >>> read_synonyms("Rap = Hip Hop  # one thing")
    {'rap': 'Hip Hop'}
    """
    synonyms: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        left, equals, genre = (part.strip() for part in content.partition("="))
        if not equals or not left:
            raise ValueError(f"line {number}: write it as 'Rap = Hip Hop'")
        if key_of(left) in synonyms:
            raise ValueError(f"line {number}: {left!r} stands twice")
        if genre and (problem := why_no_genre(genre)):
            raise ValueError(f"line {number}: {problem}")
        synonyms[key_of(left)] = genre
    return synonyms


def unmatched(tracks: Iterable[Tagged], synonyms: Mapping[str, str]) -> list[str]:
    """List the lines of a mapping that match no track's genre, by the keys of their spellings.

    Parameters
    ----------
    tracks : iterable of Tagged
        Also those whose genres are all left out by the mapping.
    synonyms : mapping of str to str
        As `read_synonyms` gives them.

    Examples
    --------
    >>> unmatched([Tagged(("Rap",), "")], {"rap": "", "lied": "Song"})
    ['lied']
    """
    there = {key_of(part) for t in tracks for v in t.values for part in _parts(v, synonyms)}
    return [spelling for spelling in synonyms if spelling not in there]


def label(tracks: Sequence[Tagged], synonyms: Mapping[str, str]) -> Labels:
    """Make labels of tags.

    A genre is learned under its most common spelling, if it has enough tracks and artists.

    Parameters
    ----------
    tracks : sequence of Tagged
    synonyms : mapping of str to str
        As `read_synonyms` gives them.

    Returns
    -------
    Labels

    Raises
    ------
    FatalError
        If fewer than two genres can be learned; the message says what is lacking.
    """
    genres = [genres_of(track.values, synonyms) for track in tracks]
    keys = [tuple(dict.fromkeys(map(key_of, names))) for names in genres]
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    artists: dict[str, set[str]] = defaultdict(set)
    for track, names, its_keys in zip(tracks, genres, keys, strict=True):
        for name in names:
            spellings[key_of(name)][name] += 1
        for key in its_keys:
            artists[key].add(track.artist)
    n_tracks = Counter(key for its_keys in keys for key in its_keys)
    name_of = {key: counts.most_common(1)[0][0] for key, counts in spellings.items()}
    enough = [
        key
        for key, n in n_tracks.items()
        if n >= LEAST_TRACKS
        and len(artists[key]) >= LEAST_ARTISTS
        and not why_no_genre(name_of[key])
    ]
    left_out = tuple(
        LeftOut(name_of[key], n, len(artists[key]))
        for key, n in n_tracks.most_common()
        if key not in enough
    )
    _check(tracks, [name_of[key] for key in enough], left_out)
    order = _in_order(enough, keys, n_tracks)
    place = {key: n for n, key in enumerate(order)}
    reference = np.zeros((len(tracks), len(order)), dtype=bool)
    for row, its_keys in zip(reference, keys, strict=True):
        row[[place[key] for key in its_keys if key in place]] = True
    numbers: dict[str, int] = {}
    groups = [numbers.setdefault(track.artist, len(numbers)) for track in tracks]
    return Labels(
        Vocabulary(tuple(name_of[key] for key in order), _fusions(order, name_of, reference)),
        reference,
        np.asarray(groups, dtype=np.int64),
        left_out,
    )


def _check(tracks: Sequence[Tagged], names: Sequence[str], left_out: Sequence[LeftOut]) -> None:
    """Refuse what nothing can be learned from."""
    needed = f"at least two with {LEAST_TRACKS} tracks of {LEAST_ARTISTS} artists each are needed"
    if not names and not left_out:
        raise FatalError(
            f"no track has a genre to learn from; {needed}: tag some, name other folders, or "
            "another field by --field"
        )
    if len({track.artist for track in tracks}) < LEAST_ARTISTS:
        raise FatalError(
            f"these {len(tracks)} tracks are by fewer than {LEAST_ARTISTS} artists, of which a "
            f"model would learn their sound and not their genre; {needed}: name more folders"
        )
    if len(names) > MOST_GENRES:
        raise FatalError(f"{len(names)} genres are more than {MOST_GENRES}; join some by --map")
    if len(names) < 2:
        common = ", ".join(map(_shown, left_out[:3]))
        found = f"only {names[0]} has enough tracks" if names else "no genre has enough tracks"
        rest = f"; the others: {common}" if common else ""
        raise FatalError(f"{found}: {needed}{rest}; name more folders, or join genres by --map")


def _shown(genre: LeftOut) -> str:
    numbers = f"{counted(genre.n_tracks, 'track')} of {counted(genre.n_artists, 'artist')}"
    why = "" if genre.has_few else f", but {why_no_genre(genre.name)}"
    return f"{genre.name} ({numbers}{why})"


def _in_order(
    keys: Sequence[str], tracks: Sequence[Sequence[str]], n_tracks: Counter[str]
) -> list[str]:
    """Put genres into the order in which they stand on tracks that have several."""
    places: dict[str, list[float]] = defaultdict(list)
    known = set(keys)
    for names in tracks:
        held = [key for key in names if key in known]
        for n, key in enumerate(held if len(held) > 1 else ()):
            places[key].append(n / (len(held) - 1))
    mean = {key: float(np.mean(places[key])) if places[key] else 0.5 for key in keys}
    return sorted(keys, key=lambda key: (mean[key], -n_tracks[key], key))


def _fusions(
    keys: Sequence[str], name_of: Mapping[str, str], reference: NDArray[np.bool_]
) -> frozenset[frozenset[str]]:
    """Find the pairs that stand on the same tracks often enough."""
    counts = reference.astype(np.int64).T @ reference.astype(np.int64)
    alone = counts.diagonal()
    least = np.maximum(_LEAST_TOGETHER, _SHARE_TOGETHER * np.minimum.outer(alone, alone))
    pairs = zip(*np.nonzero(np.triu(counts >= least, 1)), strict=True)
    return frozenset(frozenset((name_of[keys[a]], name_of[keys[b]])) for a, b in pairs)
