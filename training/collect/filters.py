"""Filters by name: karaoke, covers, renditions, altered copies are no examples of a genre.

A rule looks for its words only where they speak of the recording: in the version, in what
stands in brackets or after a dash in the title, in the artist's name only together with
what makes it a producer of such recordings, in the album only in phrases. A song's own
title is never judged: "Cover Me", "Live Forever", "Piano Man" and "Tribute" are songs.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_PIECES = re.compile(r"[(\[]([^()\[\]]*)[)\]]|\s[-–—]\s+([^()\[\]]+)")

_PREFIX = re.compile(r"\W*(karaoke|nightcore|sped[- ]?up|slowed|8d(?: audio)?)\s*[-–—:|]", re.I)
"""Words that stand before a title when they do not belong to it."""

_INSTRUMENTS = (
    r"(?:solo )?(?:piano|violin|cello|harp|guitar|ukulele|sax(?:ophone)?|flute|marimba|strings?"
    r"|string quartet|orchestra(?:l)?|music box|lullaby|8[- ]?bit)"
)
_MADE = r"(?:versions?|renditions?|covers?|arrangements?|interpretations?|tributes?|instrumentals?)"
_SOUND_ALIKE = (
    r"\bin the style of\b|\b(?:originally|as) (?:performed|recorded|made famous) by\b"
    r"|\bmade (?:famous|popular) by\b"
)
_PERFORMERS = (
    r"(?:bands?|players|artists|singers|kings|masters|all[- ]?stars|team|crew|nation|hits)"
)


class Rule(NamedTuple):
    """One reason to reject a recording, and where its words count.

    Attributes
    ----------
    name : str
        As written beside each rejection.
    qualifier, artist, album : re.Pattern or None
        What to look for in the qualifiers of the title, in the artist's name and in the
        album's title; None where nothing there is evidence.
    spares_classical : bool
        The words are usual in classical music itself.
    """

    name: str
    qualifier: re.Pattern[str]
    artist: re.Pattern[str] | None
    album: re.Pattern[str] | None
    spares_classical: bool = False


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


LIVE = "live"
"""The one rule that can be turned off."""

RULES: tuple[Rule, ...] = (
    Rule(
        "karaoke",
        _re(r"\bkaraoke\b|\bbacking (?:track|version)\b|\bsing[- ]?along version\b"),
        # a band may be named Karaoke Something: the name alone is no evidence
        _re(r"\bkaraoke (?:version|hits|all[- ]?stars|channel|band|players|machine)\b"),
        _re(r"\bkaraoke\b"),
    ),
    Rule(
        "altered",
        _re(
            r"\bsped[- ]?up\b|\bspeed(?:ed)?[- ]up\b|\bslowed\b|\bnight ?core\b|\bdaycore\b"
            r"|\b8d\b|\bbass boosted\b|\bchopped (?:and|&|n'?) screwed\b"
        ),
        _re(
            r"\bnightcore\b|\bsped[- ]?up (?:songs?|sounds?|nightcore|music)\b"
            r"|\b8d (?:audio|tunes)\b"
        ),
        _re(
            r"\bnightcore\b|\bsped[- ]?up\b|\bslowed (?:down )?(?:and|&|\+|versions?|songs)"
            r"|\b8d audio\b"
        ),
    ),
    Rule(
        "tribute",
        _re(r"\btribute (?:to|version)\b|\btribute$"),
        _re(
            rf"\btribute (?:to|{_PERFORMERS})\b|\b(?:piano|string|violin|cello|lullaby|rock"
            r"|vitamin|the) tribute$"
        ),
        _re(rf"\btribute to\b|\b{_INSTRUMENTS} tribute\b"),
    ),
    Rule(
        "rendition",
        _re(
            rf"\b{_INSTRUMENTS} {_MADE}\b|\b(?:{_MADE}|arr\.|arranged) (?:for|on|by) (?:the )?"
            rf"{_INSTRUMENTS}\b|\brenditions?\b"
        ),
        _re(
            r"\bstring quartet\b|\b(?:piano|violin|cello|harp|lullaby|music box|8[- ]?bit) "
            r"(?:covers?|renditions?|dreamers|guys|players|masters|universe|arcade|mania)\b"
            r"|\brockabye baby\b"
        ),
        _re(
            rf"\b{_INSTRUMENTS} {_MADE}\b|\b(?:renditions?|interpretations?) of\b"
            r"|\bstring quartet (?:plays|performs)\b"
        ),
        spares_classical=True,
    ),
    Rule(
        "cover",
        _re(
            rf"{_SOUND_ALIKE}|(?<!take )(?<!under )(?<!for )(?<!your )(?<!my )(?<!the )"
            r"\bcover(?: version| song)?$|\bcover(?:ed)? (?:version )?(?:of|by)\b|\bcover version\b"
        ),
        _re(rf"\bcovers? {_PERFORMERS}\b|\b(?:acoustic|rock|metal|pop) covers?\b"),
        _re(
            rf"{_SOUND_ALIKE}|\bcovers(?: vol| volume| ep\b|,|:| \d|\s*$)"
            r"|\bcovers? (?:sessions?|versions?|album|songs|hits)\b"
        ),
    ),
    Rule(
        "instrumental",
        _re(
            r"\binstrumentals?$|\binstrumental (?:version|mix|edit|remix|track|take|cover)\b"
            r"|\bno vocals\b"
        ),
        None,
        _re(r"[(\[]\s*(?:the )?instrumentals?(?: versions?)?\s*[)\]]|\binstrumental versions?\b"),
    ),
    Rule(
        LIVE,
        _re(
            r"^(?:recorded )?live$|\blive (?:at|from|in|on|@) \S+|\bunplugged\b"
            r"|\blive (?:version|sessions?|performance|recording|acoustic|edit|mix|take|bonus)\b"
            r"|\blive,? (?:\w+ )?(?:19|20)\d\d\b|\b(?:acoustic|version|recorded) live$|\ben vivo\b"
            r"|\bao vivo\b|^live (?:[/,;-]|remaster)"
        ),
        None,
        _re(
            r"^live!?$|[(\[]live\b[^)\]]*[)\]]|\s[-–—:]\s+live!?$|\blive (?:at|from|in|on) \S+"
            r"|\bunplugged\b|\bin concert\b|\ben vivo\b|\bao vivo\b"
        ),
    ),
)
"""In the order in which they are asked; the first that matches is named."""

_SAME = _re(
    r"^(?:(?:digital(?:ly)? |\d{4} )?re-?master(?:ed)?(?: version| edition)?(?: \d{4})?"
    r"|\d{4} (?:digital )?re-?master(?:ed)?(?: version)?|(?:album|single|original|explicit|clean"
    r"|mono|stereo)(?: version| mix| edit)?|radio edit|explicit|deluxe(?: edition)?|bonus track"
    r"|(?:feat\.?|ft\.?|featuring|with) .*)$"
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


def rejection(
    *, title: str, version: str, artist: str, album: str, classical: bool, live: bool
) -> tuple[str, str, str] | None:
    """Judge a recording by its name.

    Parameters
    ----------
    title, version, artist, album : str
        As Deezer gives them; `version` is its ``title_version``.
    classical : bool
        It stands on a list of classical music, where "arranged for piano" is no rendition.
    live : bool
        Live recordings are to be rejected, too.

    Returns
    -------
    tuple of str or None
        The rule's name, the field, and the words that matched; None to keep it.

    Examples
    --------
    >>> names = dict(version="", artist="Someone", album="", classical=False, live=True)
    >>> rejection(title="Hello (Karaoke Version)", **names)
    ('karaoke', 'title', 'Karaoke')
    >>> rejection(title="Live and Let Die", **names) is None
    True
    """
    pieces = qualifiers(title, version)
    # an album named after its artist says no more than the name does
    elsewhere = (
        re.sub(re.escape(artist), " ", album, flags=re.IGNORECASE).strip() if artist else album
    )
    for rule in RULES:
        if (rule.name == LIVE and not live) or (rule.spares_classical and classical):
            continue
        for qualifier in pieces:
            if match := rule.qualifier.search(qualifier):
                field = "title_version" if qualifier == version.strip(" ()[]") else "title"
                return rule.name, field, match[0]
        for field, pattern, text in (
            ("artist", rule.artist, artist),
            ("album", rule.album, elsewhere),
        ):
            if pattern is not None and (match := pattern.search(text)):
                return rule.name, field, match[0]
    return None


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
