"""Playlists of Spotify, exported to a table, found again on Deezer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genretagger.errors import FatalError
from training.collect.deezer import Api, BrokenError, RefusedError
from training.collect.filters import same_recording
from training.files import appending, read_jsonl
from training.progress import Progress

MATCHES = "matches.jsonl"
_COLUMNS = {
    "title": ("trackname", "title", "song", "track", "name"),
    "artist": ("artistnames", "artistname", "artists", "artist"),
    "isrc": ("isrc",),
    "duration": ("durationms", "trackdurationms"),
}
"""Names of columns, letters and digits alone: of both Exportifys, TuneMyMusic, Soundiiz, Chosic."""

_TOLERANCE_S = 5.0  # one recording's lengths differ by fades and rounding; an edit's by more


@dataclass(frozen=True)
class Exported:
    """A row of an export.

    Attributes
    ----------
    isrc : str
        Empty where the export has none.
    artist : str
        The first of the credit.
    credit : str
        As it is written: a comma may stand between artists, or within a name, as in
        *Tyler, The Creator*.
    title : str
    duration_s : float
        In seconds; 0 if the export does not say.
    """

    isrc: str
    artist: str
    credit: str
    title: str
    duration_s: float

    @property
    def key(self) -> str:
        """What an answer is remembered by."""
        return self.isrc or same_recording(self.artist, self.title)


def read(path: Path) -> list[Exported]:
    """Read an export.

    Parameters
    ----------
    path : pathlib.Path
        A table in UTF-8, with commas, semicolons or tabs, and columns for title and artist as
        Exportify names them, or as others do; ISRC and length are used if they are there.

    Raises
    ------
    FatalError
        If it cannot be read, or lacks a column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        # not splitlines: a name may hold what Unicode calls a line separator
        head = text.partition("\n")[0]
        separator = max(",;\t", key=head.count)
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        names, *table = [line for line in lines if line] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FatalError(f"the export {path} cannot be read: {error}") from error
    plain = ["".join(c for c in name.lower() if c.isalnum()) for name in names]
    places = {
        what: next((plain.index(name) for name in known if name in plain), None)
        for what, known in _COLUMNS.items()
    }
    missing = [what for what in ("title", "artist") if places[what] is None]
    if missing or not table:
        raise FatalError(
            f"the export {path} has no rows with {' and '.join(missing) or 'a track'}: export the "
            "playlist with Exportify"
        )
    rows = []
    for line in table:
        row = {
            what: line[at].strip() if at is not None and at < len(line) else ""
            for what, at in places.items()
        }
        duration = row["duration"]
        exported = Exported(
            isrc="".join(c for c in row["isrc"].upper() if c.isalnum()),
            artist=row["artist"].split(";" if ";" in row["artist"] else ",")[0].strip(),
            credit=row["artist"],
            title=row["title"],
            duration_s=int(duration) / 1000 if duration.isdecimal() else 0.0,
        )
        if exported.isrc or exported.artist or exported.title:
            rows.append(exported)
    return rows


def match(
    api: Api, rows: list[Exported], folder: Path, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Find the rows of an export on Deezer: by ISRC, or by artist and title.

    Parameters
    ----------
    api : Api
    rows : list of Exported
    folder : pathlib.Path
        Keeps each answer, so that a killed run resumes, and no track is asked for twice.
    say : callable

    Returns
    -------
    list of dict
        Deezer's objects, and ``{"not_found": {...}}`` for rows that it does not have.
    """
    journal = folder / MATCHES
    known = {row["key"]: row["found"] for row in read_jsonl(journal)}
    left = list({row.key: row for row in rows if row.key not in known}.values())
    progress = Progress(len(left), say)
    with appending(journal) as file:
        for done, row in enumerate(left, 1):
            try:
                found = _find(api, row)
            except BrokenError as error:
                say(f"{row.artist} - {row.title}: {error}; not found in this run")
                continue
            known[row.key] = found
            file.write(json.dumps({"key": row.key, "found": found}, ensure_ascii=False) + "\n")
            file.flush()
            progress.at(done, f"{done} of {len(left)} exported tracks looked up")
    names = ("isrc", "artist", "title")
    return [
        known.get(row.key) or {"not_found": {name: getattr(row, name) for name in names}}
        for row in rows
    ]


def _find(api: Api, row: Exported) -> dict[str, Any] | None:
    if row.isrc:
        try:
            return api.get(f"track/isrc:{row.isrc}")
        except RefusedError:
            pass  # another release may have another ISRC
    names = dict.fromkeys((row.artist, row.credit)) if row.artist and row.title else ()
    return next(filter(None, (_search(api, row, name) for name in names)), None)


def _search(api: Api, row: Exported, artist_name: str) -> dict[str, Any] | None:
    """Search for a row by one reading of its credit."""
    try:
        plain = {"artist": artist_name.replace('"', " "), "title": row.title.replace('"', " ")}
        found = api.search("track", f'artist:"{plain["artist"]}" track:"{plain["title"]}"')
    except RefusedError:
        return None
    wanted = same_recording(artist_name, row.title)
    for track in found:
        artist = track.get("artist")
        name = artist.get("name") if isinstance(artist, dict) else ""
        if same_recording(str(name), str(track.get("title") or "")) != wanted:
            continue
        length = track.get("duration")
        if not row.duration_s or not isinstance(length, (int, float)):
            return track
        if abs(length - row.duration_s) <= _TOLERANCE_S:
            return track
    return None
