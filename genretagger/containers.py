"""The one table of audio containers: how each is found, decoded and tagged.

Where a genre lives follows the ID3v2.3 and v2.4 specifications, the Vorbis comment
specification, the APEv2 specification, Microsoft's RIFF and ASF documents, and iTunes'
use of MP4 atoms, as read and written by mutagen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from genretagger.genres import canonical

ID3V1_NUMBERS: dict[str, int] = {
    "Country": 2,
    "Dance": 3,
    "Hip Hop": 7,
    "Jazz": 8,
    "Pop": 13,
    "RNB": 14,
    "Rock": 17,
    "Ambient": 26,
    "Classical": 32,
    "Punk": 43,
    "Electronic": 52,
    "Psychedelia": 67,
    "Folk": 80,
    "Experimental": 162,
}
"""Our genres in the ID3v1 list: 0 to 79 are ID3v1's own, 80 on Winamp's (148 on, version 5.6)."""


@dataclass(frozen=True)
class Block:
    """How one kind of metadata block holds a genre.

    Attributes
    ----------
    key : str
        The frame, item or atom.
    several : str
        How it holds several values; empty if it holds one string only.
    custom : str
        Where ``--field NAME`` goes; empty if the block has no free fields.
    also : tuple of str
        Other keys under which programs write and show a genre. Where one is there, it counts,
        and is changed with the first.
    """

    key: str
    several: str
    custom: str
    also: tuple[str, ...] = ()


BLOCKS: dict[str, Block] = {
    "Vorbis comment": Block("GENRE", "repeated GENRE", "NAME"),
    "ID3v2.4": Block("TCON", "one TCON, NUL-separated", "TXXX:NAME", ("TXXX:GENRE",)),
    "ID3v2.3": Block("TCON", "", "TXXX:NAME", ("TXXX:GENRE",)),
    "ID3v2.2": Block("TCO", "", "", ("TXXX:GENRE",)),
    "MP4": Block(
        "©gen",
        "several ©gen values",
        "----:com.apple.iTunes:NAME",
        ("----:com.apple.iTunes:GENRE",),
    ),
    "ASF": Block("WM/Genre", "several WM/Genre", "NAME", ("Genre",)),
    "APEv2": Block("Genre", "NUL inside one item", "NAME"),
    "RIFF INFO": Block("IGNR", "", ""),
    "ID3v1": Block("byte 127", "", ""),
}
"""The kinds of metadata block, in order of preference where none holds a genre yet."""


@dataclass(frozen=True)
class Container:
    """One audio container.

    Attributes
    ----------
    name : str
        Shown to people, and part of what `tags.audio_id` hashes.
    suffixes : tuple of str
        File name endings, lower case, with the dot.
    decoder : {"soundfile", "ffmpeg"}
        What decodes it; ffmpeg must be on the PATH.
    layout : str
        How blocks and audio lie in the file: a key of `tags.layouts.LAYOUTS`.
    native : str
        The block to create where the file has none.
    beside : tuple of str
        Other blocks that such files are known to carry.
    """

    name: str
    suffixes: tuple[str, ...]
    decoder: Literal["soundfile", "ffmpeg"]
    layout: str
    native: str
    beside: tuple[str, ...] = ()


_ID3 = ("ID3v2.3", "ID3v2.2")

CONTAINERS: tuple[Container, ...] = (
    Container("MP3", (".mp3",), "soundfile", "mp3", "ID3v2.4", (*_ID3, "APEv2", "ID3v1")),
    Container(
        "FLAC", (".flac",), "soundfile", "flac", "Vorbis comment", ("ID3v2.4", *_ID3, "ID3v1")
    ),
    Container("Ogg Vorbis", (".ogg", ".oga"), "soundfile", "ogg", "Vorbis comment"),
    Container("Opus", (".opus",), "soundfile", "ogg", "Vorbis comment"),
    Container("WAV", (".wav",), "soundfile", "iff", "ID3v2.4", (*_ID3, "RIFF INFO")),
    Container("AIFF", (".aif", ".aiff", ".aifc"), "soundfile", "iff", "ID3v2.4", _ID3),
    Container("M4A (AAC, ALAC)", (".m4a", ".m4b", ".mp4"), "ffmpeg", "mp4", "MP4"),
    Container("WMA", (".wma",), "ffmpeg", "asf", "ASF"),
    Container("Monkey's Audio", (".ape",), "ffmpeg", "ape", "APEv2", ("ID3v1",)),
    Container("Musepack", (".mpc", ".mp+"), "ffmpeg", "musepack", "APEv2", ("ID3v1",)),
    Container("WavPack", (".wv",), "ffmpeg", "wavpack", "APEv2", ("ID3v1",)),
    Container("DSF", (".dsf",), "ffmpeg", "dsf", "ID3v2.4", _ID3),
)
"""Every container that genretagger reads and writes."""

HEARD_ONLY: frozenset[str] = frozenset(
    {
        *(".aac", ".ac3", ".amr", ".au", ".caf", ".dff", ".dts", ".eac3", ".mka"),
        *(".mp1", ".mp2", ".oma", ".ra", ".rm", ".shn", ".snd", ".spx", ".tak", ".tta", ".voc"),
        *(".w64", ".weba", ".webm"),
    }
)
"""Endings of audio that ffmpeg decodes and genretagger does not tag."""

_BY_SUFFIX = {suffix: c for c in CONTAINERS for suffix in c.suffixes}


def container_of(path: Path) -> Container | None:
    """Find the container by a file's name.

    Examples
    --------
    >>> container_of(Path("a/b.FLAC")).name
    'FLAC'
    >>> container_of(Path("cover.jpg")) is None
    True
    """
    return _BY_SUFFIX.get(path.suffix.lower())


def stored_values(
    kind: str, genres: tuple[str, ...], *, style: str = "combined", separator: str = "; "
) -> tuple[str, ...]:
    """Say how a block of this kind holds these values.

    Parameters
    ----------
    kind : str
        A key of `BLOCKS`.
    genres : tuple of str
        The values to be held, in the order in which they are to stand.
    style : {"combined", "multi"}
        One joined value, or the block's native several values where it has them.
    separator : str
        What joins them.

    Returns
    -------
    tuple of str
        What reading the block back gives. An ID3v1 block holds only the first genre
        that its list of numbers knows, and nothing if there is none.

    Examples
    --------
    >>> stored_values("ID3v2.4", ("Pop", "Rock"))
    ('Pop; Rock',)
    >>> stored_values("ID3v2.4", ("Pop", "Rock"), style="multi")
    ('Pop', 'Rock')
    >>> stored_values("ID3v1", ("Blues & Soul", "RNB"))
    ('R&B',)
    """
    if kind == "ID3v1":
        spelled = {"Hip Hop": "Hip-Hop", "RNB": "R&B", "Psychedelia": "Psychedelic"}
        known = [g for g in map(canonical, genres) if g in ID3V1_NUMBERS]
        return tuple(spelled.get(genre, genre) for genre in known[:1])
    if style == "multi" and BLOCKS[kind].several:
        return genres
    return (separator.join(genres),) if genres else ()


def is_heard_only(path: Path) -> bool:
    """Tell by a file's name whether it can be heard, but not tagged.

    Examples
    --------
    >>> is_heard_only(Path("a.AAC")), is_heard_only(Path("a.m4a")), is_heard_only(Path("a.txt"))
    (True, False, False)
    """
    return path.suffix.lower() in HEARD_ONLY
