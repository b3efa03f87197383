"""What the tracks of a group have in common, beside all the others. Pure: no I/O."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from genretagger.genres import key_of
from genretagger.playlist import Candidate, choose
from genretagger.subgenres import folded

if TYPE_CHECKING:
    from genretagger.arrays import Floats
    from genretagger.discover.mixture import Groups

_LEAST_SHARE = 0.1
"""Of a group's tracks: what is rarer is no trait of it."""
_LEAST_SHIFT = 0.05
"""Of a mean probability: less is what a few tracks do."""
_MOST_TRAITS = 3
_KNOWN_F1 = 0.5
"""From here on, a genre is taken for the group: half of the tracks of either are both, say."""
_N_TYPICAL = 5


class Trait(NamedTuple):
    """Something that a group has more of than the collection.

    Attributes
    ----------
    name : str
        A genre.
    inside, overall : float
        Of a genre in the tags, the share of the tracks that have it, in the group and in the
        collection; of a genre that is heard, its mean probability.
    """

    name: str
    inside: float
    overall: float


class Match(NamedTuple):
    """The genre in the tags that comes closest to being the group.

    Attributes
    ----------
    name : str
    precision, recall : float
        The share of the group's tracks that have it, and the share of its tracks that are in the
        group.
    """

    name: str
    precision: float
    recall: float

    @property
    def is_known(self) -> bool:
        """Whether the tags know the group: by and large, it is the tracks of that genre."""
        return 2 * self.precision * self.recall >= _KNOWN_F1 * (self.precision + self.recall)


@dataclass(frozen=True)
class Portrait:
    """A group in numbers and names.

    Attributes
    ----------
    tracks : tuple of int
        The most typical first.
    typical : tuple of int
        A few of these, each by another artist.
    n_artists : int
        Named in the tags.
    sureness : float
        Mean probability of the group, of its tracks.
    stability : float
        As in `mixture.Groups`.
    genres, heard : tuple of Trait
        Of the tags, and of what is heard, the most telling first.
    match : Match or None
        None if none of the tracks has a genre.
    """

    tracks: tuple[int, ...]
    typical: tuple[int, ...]
    n_artists: int
    sureness: float
    stability: float
    genres: tuple[Trait, ...]
    heard: tuple[Trait, ...]
    match: Match | None


def portray(
    groups: Groups, tracks: Sequence[Candidate], tags: Genres, heard: tuple[Sequence[str], Floats]
) -> list[Portrait]:
    """Describe every group.

    Parameters
    ----------
    groups : Groups
    tracks : sequence of Candidate
        Their paths, artists and recordings.
    tags : Genres
    heard : tuple of sequence of str and numpy.ndarray, shape (n_tracks, n_genres), float32
        The genres of the model and their probabilities.

    Returns
    -------
    list of Portrait
        In the order of the groups.
    """
    portraits = []
    for members, stability in zip(groups.members, groups.stability, strict=True):
        ids = tuple(members.tolist())
        ranked = [tracks[n]._replace(score=float(n)) for n in ids]
        artists = {folded(track.artist) for track in ranked if track.artist}
        portraits.append(
            Portrait(
                tracks=ids,
                typical=tuple(int(track.score) for track in choose(ranked, _N_TYPICAL, 1)),
                n_artists=len(artists),
                sureness=float(groups.sureness[members].mean()),
                stability=stability,
                genres=tags.traits(ids),
                heard=_heard_traits(*heard, ids),
                match=tags.match(ids),
            )
        )
    return portraits


class Genres:
    """The genres in the tags of a collection.

    Parameters
    ----------
    tracks : sequence of collection of str
        Those of each track, in any spelling.
    """

    def __init__(self, tracks: Sequence[Collection[str]]) -> None:
        spellings: dict[str, Counter[str]] = {}
        for names in tracks:
            for name in names:
                spellings.setdefault(key_of(name), Counter())[name] += 1
        self._name = {key: counts.most_common(1)[0][0] for key, counts in spellings.items()}
        self._keys = [tuple(dict.fromkeys(map(key_of, names))) for names in tracks]
        self._n = Counter(key for keys in self._keys for key in keys)

    def __getitem__(self, track: int) -> tuple[str, ...]:
        """List a track's genres, each in its most common spelling."""
        return tuple(self._name[key] for key in self._keys[track])

    def traits(self, tracks: Sequence[int]) -> tuple[Trait, ...]:
        """List the genres that some tracks have more often than all; those without one count."""
        found = [
            Trait(self._name[key], n / len(tracks), self._n[key] / len(self._keys))
            for key, n in self._counted(tracks).items()
        ]
        return _most_telling(trait for trait in found if trait.inside >= _LEAST_SHARE)

    def match(self, tracks: Sequence[int]) -> Match | None:
        """Find the genre that comes closest to being some tracks, by F1; None without genres."""
        inside = self._counted(tracks)
        if not inside:
            return None
        best = max(inside, key=lambda key: (inside[key] / (len(tracks) + self._n[key]), key))
        n = inside[best]
        return Match(self._name[best], n / len(tracks), n / self._n[best])

    def _counted(self, tracks: Sequence[int]) -> Counter[str]:
        return Counter(key for n in tracks for key in self._keys[n])


def _heard_traits(
    genres: Sequence[str], probabilities: Floats, tracks: Sequence[int]
) -> tuple[Trait, ...]:
    inside, overall = probabilities[list(tracks)].mean(axis=0), probabilities.mean(axis=0)
    found = map(Trait, genres, inside.tolist(), overall.tolist())
    return _most_telling(trait for trait in found if trait.inside - trait.overall >= _LEAST_SHIFT)


def _most_telling(traits: Iterable[Trait]) -> tuple[Trait, ...]:
    """Rank by what each adds to the divergence of the group from the collection (Kullback 1951).

    A common genre must be much more common there, and a rare one may be rare there, too.
    """
    more = [trait for trait in traits if trait.inside > trait.overall]
    more.sort(key=lambda t: (-t.inside * math.log(t.inside / t.overall), t.name))
    return tuple(more[:_MOST_TRAITS])
