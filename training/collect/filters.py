"""Filters by name: karaoke, covers, renditions, altered copies are no examples of a genre.

A rule looks for its words only where they speak of the recording: in the version, in what
stands in brackets or after a dash in the title, in the artist's name only together with
what makes it a producer of such recordings, in the album only in phrases, in a song's own
title only in phrases that no song is called: "Cover Me", "Live Forever", "Piano Man" and
"Tribute" are songs. The words stand in `training.collect.rules`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from training.collect.rules import LIVE, ORIGINALS, RULES

_PIECES = re.compile(r"[(\[]([^()\[\]]*)[)\]]|\s[-–—]\s+([^()\[\]]+)")

_PREFIX = re.compile(r"\W*(karaoke|nightcore|sped[- ]?up|slowed|8d(?: audio)?)\s*[-–—:|]", re.I)
"""Words that stand before a title when they do not belong to it."""

_SAME = re.compile(
    r"^(?:(?:digital(?:ly)? |\d{4} )?re-?master(?:ed)?(?: version| edition)?(?: \d{4})?"
    r"|\d{4} (?:digital )?re-?master(?:ed)?(?: version)?|(?:album|single|original|explicit|clean"
    r"|mono|stereo)(?: version| mix| edit)?|radio edit|explicit|deluxe(?: edition)?|bonus track"
    r"|(?:feat\.?|ft\.?|featuring|with) .*)$",
    re.IGNORECASE,
)
"""Qualifiers that leave a recording the same for a listener; a remix is another one."""


def qualifiers(title: str, version: str) -> list[str]:
    """List what a title says of the recording rather than of the song.

    Parameters
    ----------
    title, version : str
        Deezer's ``title`` and ``title_version``.

    Examples
    --------
    >>> qualifiers("Creep (Acoustic) - Live at Home", "")
    ['Acoustic', 'Live at Home']
    """
    inside = [a or b for a, b in _PIECES.findall(title)]
    before = _PREFIX.match(title)
    inside += [before[1]] if before else []
    parts = [part.strip(" ()[]") for part in (*inside, version)]
    return list(dict.fromkeys(part for part in parts if part))


def fold(text: str) -> str:
    """Take accents and capitals off a text, letter by letter: its length stays.

    Examples
    --------
    >>> fold("Versión Karaokê")
    'version karaoke'
    """
    folded = (unicodedata.normalize("NFKD", c.lower())[:1] or c for c in text)
    return "".join("'" if c in "\u2019\u02bc\u00b4`" else c for c in folded)


def rejection(
    *, title: str, version: str, artist: str, album: str, genres: Collection[str], live: bool
) -> tuple[str, str, str] | None:
    """Judge a recording by its name.

    Parameters
    ----------
    title, version, artist, album : str
        As Deezer gives them; `version` is its ``title_version``.
    genres : collection of str
        Those of the lists that it stands on: on one of classical music "arranged for
        piano" is no rendition.
    live : bool
        Live recordings are to be rejected, too.

    Returns
    -------
    tuple of str or None
        The rule's name, the field, and the words that matched; None to keep it.

    Examples
    --------
    >>> names = dict(version="", artist="Someone", album="", genres=["Rock"], live=True)
    >>> rejection(title="Hello (Karaoke Version)", **names)
    ('karaoke', 'title', 'Karaoke')
    >>> rejection(title="Live and Let Die", **names) is None
    True
    """
    # an album named after its artist says no more than the name does
    name = re.sub("^the ", "", artist, flags=re.IGNORECASE)
    elsewhere = re.sub(re.escape(name), " ", album, flags=re.IGNORECASE).strip() if name else album
    if fold(elsewhere) in ORIGINALS:
        elsewhere = ""
    singer = "" if fold(artist) in ORIGINALS else artist
    pieces = qualifiers(title, version)
    for rule in RULES:
        if rule.name == LIVE and not live:
            continue
        spared = not rule.spared.isdisjoint(genres)
        places = [("artist", rule.artist, singer)]
        if not spared:
            qualified = [(_field(piece, version), rule.qualifier, piece) for piece in pieces]
            places = [*qualified, ("title", rule.title, title), *places]
            places.append(("album", rule.album, elsewhere))
        for field, pattern, text in places:
            if pattern is not None and (match := pattern.search(fold(text))):
                return rule.name, field, text[match.start() : match.end()]
    return None


def _field(qualifier: str, version: str) -> str:
    return "title_version" if qualifier == version.strip(" ()[]") else "title"


def _plain(text: str) -> str:
    """Leave letters and digits of any script, without accents and case."""
    folded = unicodedata.normalize("NFKD", text.casefold().replace("&", " and "))
    kept = "".join(c for c in folded if c.isalnum())
    return kept or "".join(text.casefold().split())


def same_recording(artist: str, title: str) -> str:
    """Make the key under which two spellings of one recording meet.

    Guests, remasters and the like do not matter; a remix or another version does.

    Examples
    --------
    >>> same_recording("Beyoncé", "Halo (feat. X) [Remastered 2011]") == same_recording(
    ...     "BEYONCE", "Halo"
    ... )
    True
    >>> same_recording("A", "B (C Remix)") == same_recording("A", "B")
    False
    """

    def keep(piece: re.Match[str]) -> str:
        inside = (piece[1] or piece[2] or "").strip()
        return " " if _SAME.match(inside) else piece[0]

    bare = _PIECES.sub(keep, title)
    bare = re.sub(r"\s(?:feat\.|ft\.|featuring\s).*$", "", bare, flags=re.IGNORECASE)
    singer = re.sub(r"^the\s+", "", artist.strip(), flags=re.IGNORECASE)
    return f"{_plain(singer)}\t{_plain(bare)}"
