"""Vocabularies: the genres of a model, their spellings, and which make one combined genre.

A model's bundle says which genres it has. Those of the shipped ones follow the top level of
RateYourMusic's genre tree, less those that the project's founding report leaves out (blues,
metal, regional music, spoken word ...).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

GENRES: tuple[str, ...] = (
    "Ambient",
    "Classical",
    "Country",
    "Dance",
    "Electronic",
    "Experimental",
    "Folk",
    "Hip Hop",
    "Jazz",
    "Psychedelia",
    "Pop",
    "Punk",
    "RNB",
    "Rock",
)
"""The genres of the shipped models, in the order in which tags are written."""

FUSIONS: frozenset[frozenset[str]] = frozenset(
    frozenset(pair)
    for pair in (
        ("Ambient", "Electronic"),
        ("Ambient", "Experimental"),
        ("Country", "Hip Hop"),
        ("Country", "Pop"),
        ("Country", "Rock"),
        ("Dance", "Electronic"),
        ("Dance", "Pop"),
        ("Electronic", "Experimental"),
        ("Electronic", "Hip Hop"),
        ("Electronic", "Pop"),
        ("Folk", "Pop"),
        ("Folk", "Rock"),
        ("Hip Hop", "Jazz"),
        ("Hip Hop", "Pop"),
        ("Hip Hop", "RNB"),
        ("Pop", "Punk"),
        ("Pop", "RNB"),
        ("Pop", "Rock"),
        ("Psychedelia", "Rock"),
    )
)
"""The 19 pairs that count as one combined genre (the founding report, "Methodology")."""

ALIASES: dict[str, tuple[str, ...]] = {
    "Classical": ("Classical Music",),
    "Country": ("Country Music",),
    "Dance": ("Dance Music", "EDM"),
    "Electronic": ("Electronica", "Electronic Music"),
    "Experimental": ("Experimental Music", "Avant-Garde"),
    "Folk": ("Folk Music",),
    "Hip Hop": ("Hip-Hop", "HipHop", "Rap", "Hip Hop/Rap", "Rap/Hip Hop"),
    "Psychedelia": ("Psychedelic",),
    "Pop": ("Pop Music",),
    "Punk": ("Punk Rock",),
    "RNB": ("R&B", "RnB", "R'n'B", "R and B", "Rhythm and Blues", "Rhythm & Blues"),
    "Rock": ("Rock Music",),
}
"""Other spellings, as found in files, that mean the same genre."""


def key_of(name: str) -> str:
    """Give what all spellings of a genre have in common.

    Examples
    --------
    >>> key_of("Hip-Hop") == key_of("hip hop")
    True
    """
    return re.sub(r"[\s\-_'’]+", "", name).casefold()


@dataclass(frozen=True)
class Vocabulary:
    """The genres of a model.

    Attributes
    ----------
    genres : tuple of str
        In the order in which the model gives them and tags are written.
    fusions : frozenset of frozenset of str
        The pairs that count as one combined genre.

    Examples
    --------
    >>> own = Vocabulary(("Deep House", "Lied"), frozenset())
    >>> own.canonical("deep-house"), own.canonical("Pop"), own.in_order(("Lied", "Deep House"))
    ('Deep House', None, ('Deep House', 'Lied'))
    """

    genres: tuple[str, ...] = GENRES
    fusions: frozenset[frozenset[str]] = FUSIONS

    @cached_property
    def _by_key(self) -> dict[str, str]:
        # a genre of that very name comes before another one's alias
        aliases = {
            key_of(alias): genre for genre in self.genres for alias in ALIASES.get(genre, ())
        }
        return aliases | {key_of(genre): genre for genre in self.genres}

    def canonical(self, name: str) -> str | None:
        """Find the genre that a name stands for.

        Parameters
        ----------
        name : str
            A genre as a person or a program wrote it. Case, spaces, hyphens and
            apostrophes do not matter.

        Returns
        -------
        str or None
            One of `genres`, or None where the name is none of theirs.

        Examples
        --------
        >>> canonical("hip-hop"), canonical("R&B"), canonical("Blues")
        ('Hip Hop', 'RNB', None)
        """
        return self._by_key.get(key_of(name))

    def is_fusion(self, first: str, second: str) -> bool:
        """Tell whether two genres count as one combined genre, in either order.

        Examples
        --------
        >>> is_fusion("Rock", "Pop"), is_fusion("Classical", "Punk")
        (True, False)
        """
        return frozenset((first, second)) in self.fusions

    def in_order(self, genres: Iterable[str]) -> tuple[str, ...]:
        """Put genres into the order of the vocabulary.

        Examples
        --------
        >>> in_order(("Rock", "Pop"))
        ('Pop', 'Rock')
        """
        return tuple(sorted(genres, key=self.genres.index))


SHIPPED = Vocabulary()
"""That of the shipped models."""

canonical, is_fusion, in_order = SHIPPED.canonical, SHIPPED.is_fusion, SHIPPED.in_order


def read_vocabulary(genres: object, fusions: object = None) -> Vocabulary:
    """Read a vocabulary from what a file says, without trusting it.

    Parameters
    ----------
    genres : object
        Should be a list of names, each once.
    fusions : object
        Should be a list of pairs of them; None, as before there were other vocabularies, stands
        for the shipped ones that they make.

    Raises
    ------
    ValueError
        If they make no sense.

    Examples
    --------
    >>> read_vocabulary(["Pop", "Rock"]).fusions == {frozenset({"Pop", "Rock"})}
    True
    """
    if genres == list(SHIPPED.genres) and fusions is None:
        return SHIPPED
    if not isinstance(genres, list) or not 0 < len(genres) <= MOST_GENRES:
        raise ValueError(f"genres are a list of 1 to {MOST_GENRES} names")
    if problem := next(filter(None, map(why_no_genre, genres)), ""):
        raise ValueError(problem)
    if len({key_of(genre) for genre in genres}) < len(genres):
        raise ValueError("a genre stands there twice")
    if fusions is None:
        pairs = {pair for pair in FUSIONS if pair <= set(genres)}
    elif isinstance(fusions, list) and all(isinstance(pair, list) for pair in fusions):
        pairs = {frozenset(map(str, pair)) for pair in fusions}
    else:
        raise ValueError("fusions are a list of pairs")
    if not all(len(pair) == 2 and pair <= set(genres) for pair in pairs):
        raise ValueError("fusions are pairs of the genres")
    return Vocabulary(tuple(genres), frozenset(pairs))


MOST_GENRES, _LONGEST_GENRE = 1000, 60


def why_no_genre(name: object) -> str:
    """Say why a name cannot be a genre's; empty if it can.

    Examples
    --------
    >>> why_no_genre("Deep House"), why_no_genre("Rap/Soul")
    ('', 'players split genres at the likes of ; / , |')
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        return "name at least one genre, in printable letters"
    if len(name) > _LONGEST_GENRE:
        return f"a genre has at most {_LONGEST_GENRE} letters"
    if set(name) & set(SEPARATORS):
        return "players split genres at the likes of ; / , |"
    return ""


SEPARATORS = ";/,|\\"
"""Where players split a value into genres."""


def split_values(text: str) -> tuple[str, ...]:
    """Split text into genres wherever a player would.

    Examples
    --------
    >>> split_values("Hip Hop/Rap; Pop")
    ('Hip Hop', 'Rap', 'Pop')
    """
    parts = (part.strip() for part in re.split(f"[{re.escape(SEPARATORS)}]", text))
    return tuple(part for part in parts if part)


JUNK = ("Unknown", "Other", "Misc", "None")
"""Names that programs write where they know no genre; ID3v1's numbers 12 and, as ID3v2's text,
255 are among them."""


def says_nothing(value: str, junk: Iterable[str] = JUNK) -> bool:
    """Tell whether a genre is blank, a bare number that stands for none, or one of the junk.

    Examples
    --------
    >>> [says_nothing(value) for value in (" ", "(255)", "<unknown>", "Other Music")]
    [True, True, True, False]
    """
    bare = value.strip(" \t\r\n()<>[]")
    return not bare or bare.isdecimal() or bare.casefold() in {name.casefold() for name in junk}


def read_mapping(text: str, vocabulary: Vocabulary = SHIPPED) -> dict[str, str]:
    """Read a mapping file: which of a model's genres are written under another name.

    Parameters
    ----------
    text : str
        Lines such as ``Hip Hop = Rap``; empty ones and ``#`` comments are passed over.
    vocabulary : Vocabulary, optional

    Returns
    -------
    dict
        From one of the genres to the name to write.

    Raises
    ------
    ValueError
        If a line has another form, an unknown genre or one twice, or a name at which
        players would split; the message names the line.

    Examples
    --------
    >>> read_mapping("RNB = Soul  # as I call it")
    {'RNB': 'Soul'}
    """
    names: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        left, equals, name = (part.strip() for part in content.partition("="))
        genre = vocabulary.canonical(left)
        if not equals or not name or not name.isprintable():
            raise ValueError(f"line {number}: write it as 'Hip Hop = Rap'")
        if genre is None or genre in names:
            raise ValueError(f"line {number}: {left!r} is no genre of ours, or stands twice")
        if set(name) & set(SEPARATORS):
            raise ValueError(f"line {number}: players split genres at the likes of ; / , |")
        names[genre] = name
    return names
