"""Which keys hold a field in each kind of metadata block."""

from __future__ import annotations

# mypy: allow-untyped-calls
# (mutagen says that it is typed, and leaves most of its functions without types)
from genretagger.containers import BLOCKS

COMMON = {
    "album": ("TALB", "ALBUM", "©ALB", "WM/ALBUMTITLE", "IPRD"),
    "album_artist": ("TPE2", "ALBUMARTIST", "ALBUM ARTIST", "AART", "WM/ALBUMARTIST"),
    "artist": ("TPE1", "ARTIST", "©ART", "AUTHOR", "IART"),
    "compilation": ("TCMP", "COMPILATION", "CPIL", "WM/ISCOMPILATION"),
    "cuesheet": ("CUESHEET",),
}
"""Where the blocks keep what an album needs; no key means two things in two blocks."""

NAMES = {
    "artist": COMMON["artist"],
    "title": ("TIT2", "TITLE", "©NAM", "INAM"),
    "album": COMMON["album"],
    "isrc": ("TSRC", "ISRC", "----:COM.APPLE.ITUNES:ISRC", "WM/ISRC"),
}
"""Where the blocks keep what tells one recording from another."""

COMMENTS = ("COMM", "COMMENT", "©CMT", "DESCRIPTION", "ICMT")
"""Where comments stand; ASF and some Vorbis comments call them a description."""

VARIOUS = {"various artists", "various", "va"}


def key_of(kind: str, field: str | None) -> str:
    """Say under which key a block holds the genre or the field; empty if it cannot."""
    if field is None or field.casefold() == "genre":
        return BLOCKS[kind].key
    return BLOCKS[kind].custom.replace("NAME", field)
