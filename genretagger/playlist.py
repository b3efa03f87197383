"""Playlists: which tracks go into one, and M3U, so that every player finds them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from genretagger.subgenres import folded

_GUESTS = re.compile(r"\s*[(\[]?\b(?:feat|ft|featuring)\b.*", re.IGNORECASE)


class Candidate(NamedTuple):
    """A track that may go into a playlist.

    Attributes
    ----------
    path : pathlib.Path
    score : float
        Why it is where it is: how similar it is, or how well it fits.
    artist : str
        As the tags have it; empty if they do not say.
    recording : object
        What tracks of the same audio share; None if it is not known.
    """

    path: Path
    score: float
    artist: str
    recording: object = None


def choose(ranked: Iterable[Candidate], n: int | None, per_artist: int) -> Iterator[Candidate]:
    """Choose tracks, each recording once, and each artist a few times.

    Parameters
    ----------
    ranked : iterable of Candidate
        Best first.
    n : int or None
        At most so many.
    per_artist : int
        At most so many of one artist; guests do not count, and unknown artists have no limit.

    Yields
    ------
    Candidate
    """
    recordings: set[object] = set()
    artists: Counter[str] = Counter()
    n_chosen = 0
    for track in ranked:
        if n is not None and n_chosen == n:
            return
        artist = artist_key(track.artist)
        if track.recording in recordings or (artist and artists[artist] == per_artist):
            continue
        if track.recording is not None:
            recordings.add(track.recording)
        artists[artist] += 1
        n_chosen += 1
        yield track


def artist_key(artist: str) -> str:
    """Reduce a credit to what all its spellings share, without guests.

    Examples
    --------
    >>> artist_key("Beyoncé feat. Jay-Z") == artist_key("BEYONCE")
    True
    """
    return folded(_GUESTS.sub("", artist))


def m3u(paths: Sequence[Path], playlist: Path) -> bytes:
    """Write an M3U playlist whose entries are relative to its own folder.

    Parameters
    ----------
    paths : sequence of pathlib.Path
    playlist : pathlib.Path
        Where it will lie.

    Returns
    -------
    bytes
        In UTF-8; names that are not UTF-8 stand as they are on the disk.
    """
    folder = playlist.absolute().parent
    entries = ["#EXTM3U", *(_entry(path.absolute(), folder) for path in paths)]
    # on Windows a name may hold half a character of UTF-16, elsewhere any byte
    errors = "surrogatepass" if os.name == "nt" else "surrogateescape"
    return ("\n".join(entries) + "\n").encode("utf-8", errors)


def _entry(path: Path, folder: Path) -> str:
    if {"\n", "\r"} & set(str(path)):
        return path.as_uri()  # a line cannot hold it
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # on another drive
        return str(path)
    # a first letter or a colon that a player would take for a comment or an address
    is_plain = re.match(r"[^#\s]", relative) and ":" not in Path(relative).parts[0]
    return relative if is_plain else os.path.join(".", relative)  # noqa: PTH118 - "." stays
