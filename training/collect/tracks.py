"""The tracks that the stage `playlists` chose."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from genretagger.errors import FatalError
from training.collect.config import PlaylistsConfig
from training.files import read_jsonl, sha256

TRACKS, REJECTED, YIELD = "tracks.jsonl", "rejected.jsonl", "yield.json"


@dataclass(frozen=True)
class Track:
    """One labelled track.

    Attributes
    ----------
    track_id : str
        Deezer's.
    isrc : str
        Of the recording; empty if Deezer does not know it.
    artist_id : str
        Deezer's; splits go by artist.
    artist, title, album : str
    duration_s : float
        In seconds, as Deezer rounds it.
    genres : tuple of str
        One genre or a fusion, in the order of `genretagger.genres.GENRES`.
    playlists : tuple of str
        The ids of the playlists that it, or a duplicate, stands on.
    preview : str
        The address of its 30-s preview, which expires; may be empty.
    """

    track_id: str
    isrc: str
    artist_id: str
    artist: str
    title: str
    album: str
    duration_s: float
    genres: tuple[str, ...]
    playlists: tuple[str, ...]
    preview: str


@dataclass
class Candidate:
    """A track on a playlist, not yet taken or rejected."""

    track: Track
    version: str
    readable: bool
    lists: list[str] = field(default_factory=list)

    def rejected(self, rule: str, **why: str) -> dict[str, Any]:
        """Lay out the row that says why it was rejected."""
        row = asdict(self.track)
        names = ("track_id", "isrc", "artist", "title", "album", "preview")
        kept = {key: row[key] for key in names}
        return {"rule": rule, **why, **kept, "playlists": self.lists}


def read_tracks(folder: Path, settings: PlaylistsConfig) -> list[Track]:
    """Read the tracks of a finished stage `playlists`.

    Raises
    ------
    FatalError
        If the stage has not ended, or the list of playlists, its settings or the tracks
        have changed since.
    """
    again = "run the stage `playlists` again"
    try:
        inputs = json.loads((folder / YIELD).read_text(encoding="utf-8"))["inputs"]
        digest = sha256(folder / TRACKS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FatalError(f"{folder} has no finished {TRACKS}: {again}") from error
    if digest != inputs["tracks_sha256"]:
        raise FatalError(f"{folder / TRACKS} is not what {YIELD} says: {again}")
    if inputs["settings"] != asdict(settings):
        raise FatalError(f"[playlists] in the config has changed since {TRACKS} was made: {again}")
    source = Path(inputs["list"])
    if source.is_file() and sha256(source) != inputs["list_sha256"]:
        raise FatalError(f"{source} has changed since {TRACKS} was made: {again}")
    for name, digest in inputs.get("exports", {}).items():
        if Path(name).is_file() and sha256(Path(name)) != digest:
            raise FatalError(f"{name} has changed since {TRACKS} was made: {again}")
    return [
        Track(**{**row, "genres": tuple(row["genres"]), "playlists": tuple(row["playlists"])})
        for row in read_jsonl(folder / TRACKS)
    ]
