"""Fields: what one may be called, and which keys hold it in each kind of metadata block."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mutagen.id3 import TCON

from genretagger.containers import BLOCKS
from genretagger.tags.base import Block

KEYS: dict[str, tuple[str, ...]] = {
    "album": ("TALB", "ALBUM", "©ALB", "WM/ALBUMTITLE", "IPRD"),
    "album_artist": ("TPE2", "ALBUMARTIST", "ALBUM ARTIST", "AART", "WM/ALBUMARTIST"),
    "artist": ("TPE1", "ARTIST", "©ART", "AUTHOR", "IART"),
    # ASF and some Vorbis comments call a comment a description
    "comment": (
        *("COMM", "COMMENT", "©CMT", "DESCRIPTION", "ICMT", "COMMENTS", "DESC", "LDES", "©DES"),
        *("TXXX:COMMENT", "TXXX:COMMENTS", "TXXX:DESCRIPTION", "WM/COMMENTS", "WM/DESCRIPTION"),
        *(f"----:COM.APPLE.ITUNES:{name}" for name in ("COMMENT", "COMMENTS", "DESCRIPTION")),
    ),
    "compilation": ("TCMP", "COMPILATION", "CPIL", "WM/ISCOMPILATION"),
    "cuesheet": ("CUESHEET",),
    "isrc": ("TSRC", "ISRC", "----:COM.APPLE.ITUNES:ISRC", "WM/ISRC"),
    "title": ("TIT2", "TITLE", "©NAM", "INAM"),
}
"""The keys, in upper case, that hold what is read beside the genre.

They are those of all kinds of block together: no key means two things in two blocks. The
first is ID3's, under which ID3v1 is read, too.
"""

VARIOUS = {"various artists", "various", "va"}
"""Album artists, folded, that mark a compilation."""


def values_of(blocks: Iterable[Block], name: str) -> tuple[str, ...]:
    """List what blocks hold of a field of `KEYS`: block by block, in the order of its keys."""
    return tuple(v for block in blocks for key in KEYS[name] for v in block.items.get(key, ()))


def value_of(blocks: Iterable[Block], name: str) -> str:
    """Take the first value that blocks hold of a field of `KEYS`, or an empty string."""
    return next(iter(values_of(blocks, name)), "")


def is_genre(field: str | None) -> bool:
    """Tell whether a field is the genre itself, which has a place of its own in each block."""
    return field is None or field.casefold() == "genre"


def keys_of(kind: str, field: str | None) -> tuple[str, ...]:
    """Say under which keys a kind of block holds the genre or a field; none if it cannot.

    The first is the one to write to; the others count where they are there.
    """
    block = BLOCKS[kind]
    if field is None or is_genre(field):
        return (block.key, *block.also)
    return (block.custom.replace("NAME", field),) if block.custom else ()


def held_in(block: Block, field: str | None) -> tuple[str, ...]:
    """List what a block holds of the genre or a field: under the first key, then what is more."""
    keys = [key.upper() for key in keys_of(block.kind, field)]
    first = block.items.get(keys[0], ()) if keys else ()
    others = (value for key in keys[1:] for value in block.items.get(key, ()))
    values = first + tuple(dict.fromkeys(value for value in others if value not in first))
    is_spelled = not is_genre(field) or block.kind.startswith("ID3")
    return values if is_spelled else tuple(map(_spelled, values))


def _spelled(value: str) -> str:
    """Spell a genre out that some program has written as ID3's number, as ``17`` or ``(17)``."""
    number = re.fullmatch(r"\(?(\d{1,3})\)?", value.strip())
    return next(iter(TCON.GENRES[int(number[1]) :]), value) if number else value


def check_field(name: str) -> None:
    """Make sure that a field of one's own may have this name, in whatever kind of block.

    Raises
    ------
    ValueError
        If a Vorbis comment or APEv2 forbids it, or other programs read such a field.

    References
    ----------
    https://xiph.org/vorbis/doc/v-comment.html, "Comment encoding": 0x20 to 0x7D without ``=``.
    https://wiki.hydrogenaud.io/index.php?title=APE_key: 2 to 255 characters, and four names.

    Examples
    --------
    >>> check_field("AUTOGENRE")
    >>> check_field("Album Artist")
    Traceback (most recent call last):
        ...
    ValueError: Album Artist means something else already
    """
    if not re.fullmatch(r"[ -<>-}]{2,255}", name):
        raise ValueError("a field's name is 2 to 255 characters of ASCII, without =")
    if name.upper() in {"ID3", "TAG", "OGGS", "MP+"}:
        raise ValueError(f"APEv2 forbids a field {name}")
    if re.sub("[^A-Z]", "", name.upper()) in _TAKEN:
        raise ValueError(f"{name} means something else already")


_TAKEN = {
    *("GENRE", "STYLE", "TITLE", "ARTIST", "ARTISTS", "ALBUM", "ALBUMARTIST", "COMPOSER"),
    *("CONDUCTOR", "PERFORMER", "LYRICIST", "COMMENT", "COMMENTS", "DESCRIPTION", "LYRICS"),
    *("DATE", "YEAR", "ORIGINALDATE", "TRACK", "TRACKNUMBER", "TRACKTOTAL", "DISC"),
    *("DISCNUMBER", "DISCTOTAL", "COMPILATION", "COPYRIGHT", "LABEL", "PUBLISHER", "ISRC"),
    *("BARCODE", "CATALOGNUMBER", "LANGUAGE", "BPM", "KEY", "RATING", "ENCODER", "ENCODEDBY"),
    *("CUESHEET", "METADATABLOCKPICTURE", "COVERART"),
}
"""Fields that other programs read, by their names' letters: somebody's work stands in them."""
