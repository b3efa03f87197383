"""The vocabulary: 14 genres in their fixed order, their aliases, and the 19 fusions.

The genres follow the top level of RateYourMusic's genre tree, less those that the
project's founding report leaves out (blues, metal, regional music, spoken word ...).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

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
"""The genres in the order in which the model outputs them and tags are written."""

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


def _key(name: str) -> str:
    return re.sub(r"[\s\-_'’]+", "", name).casefold()


_CANONICAL: dict[str, str] = {_key(genre): genre for genre in GENRES} | {
    _key(alias): genre for genre, aliases in ALIASES.items() for alias in aliases
}


def canonical(name: str) -> str | None:
    """Find the genre that a name stands for.

    Parameters
    ----------
    name : str
        A genre as a person or a program wrote it. Case, spaces, hyphens and
        apostrophes do not matter.

    Returns
    -------
    str or None
        One of `GENRES`, or None where the name is none of theirs.

    Examples
    --------
    >>> canonical("hip-hop"), canonical("R&B"), canonical("Blues")
    ('Hip Hop', 'RNB', None)
    """
    return _CANONICAL.get(_key(name))


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


def read_mapping(text: str) -> dict[str, str]:
    """Read a mapping file: which of our genres are written under another name.

    Parameters
    ----------
    text : str
        Lines such as ``Hip Hop = Rap``; empty ones and ``#`` comments are passed over.

    Returns
    -------
    dict
        From one of `GENRES` to the name to write.

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
        genre = canonical(left)
        if not equals or not name or not name.isprintable():
            raise ValueError(f"line {number}: write it as 'Hip Hop = Rap'")
        if genre is None or genre in names:
            raise ValueError(f"line {number}: {left!r} is no genre of ours, or stands twice")
        if set(name) & set(SEPARATORS):
            raise ValueError(f"line {number}: players split genres at the likes of ; / , |")
        names[genre] = name
    return names


def is_fusion(first: str, second: str) -> bool:
    """Tell whether two genres make one of the 19 fusions, in either order.

    Examples
    --------
    >>> is_fusion("Rock", "Pop"), is_fusion("Classical", "Punk")
    (True, False)
    """
    return frozenset((first, second)) in FUSIONS


def in_order(genres: tuple[str, ...]) -> tuple[str, ...]:
    """Put genres into the fixed order of `GENRES`.

    Examples
    --------
    >>> in_order(("Rock", "Pop"))
    ('Pop', 'Rock')
    """
    return tuple(sorted(genres, key=GENRES.index))
