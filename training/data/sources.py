"""Where labelled tracks come from: a table, downloads, a folder tree, a tagged collection.

Each source gives entries and rejects what it cannot use, with the row and the remedy; no
audio is opened here but for its tags.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from genretagger import scan, tags
from genretagger.errors import FatalError, TrackError
from genretagger.genres import canonical, in_order
from genretagger.subgenres import Names
from training.data import artists
from training.files import read_jsonl, split_list

CLIPS = "clips"
"""The folder beside a table without the column `path`: one ``<id>.opus`` for each row."""

_COLUMNS = ("id", "genres")
_GTZAN = re.compile(r"[^.]+\.\d{5}")
_HEADINGS = {"file", "filename", "file name", "id", "track"}
_SURE, _LIKELY = 3, 2


@dataclass(frozen=True)
class Entry:
    """A labelled track whose audio is not opened yet.

    Attributes
    ----------
    track_id : str
        Unique.
    path : pathlib.Path
    genres : tuple of str
        In the order of `genretagger.genres.GENRES`; empty if none describes it.
    source : str
        Where it comes from: sets are balanced by this.
    confidence : int
        Of the label: 3 sure, 2 likely, 1 a guess.
    group : str
        What its artist group is called if it joins no other.
    keys : tuple of str
        Entries that share one are one artist group.
    where : str
        The row or file, for messages.
    """

    track_id: str
    path: Path
    genres: tuple[str, ...]
    source: str
    confidence: int
    group: str
    keys: tuple[str, ...]
    where: str


@dataclass
class Rejects:
    """Rows and files that are left out, with reason and remedy."""

    rows: list[dict[str, str]] = field(default_factory=list)

    def add(self, where: str, reason: str, remedy: str) -> None:
        """Add one row."""
        self.rows.append({"where": where, "reason": reason, "remedy": remedy})


def read_names(path: Path | None) -> Names:
    """Read a mapping from names in tags and of folders to genres, beside those that are known.

    Parameters
    ----------
    path : pathlib.Path, optional
        Of lines as `Names` reads them.

    Raises
    ------
    FatalError
        If a line makes no sense.
    """
    try:
        return Names(_text(path) if path is not None else "")
    except ValueError as error:
        raise FatalError(f"{path}, {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FatalError(f"{path} cannot be read as UTF-8: {error}") from error


def _genres(text: str) -> tuple[str, ...] | None:
    genres = [canonical(name) for name in split_list(text)]
    return None if None in genres else in_order(tuple({g for g in genres if g is not None}))


def from_labels(path: Path, rejects: Rejects) -> list[Entry]:
    """Read a table of labels.

    Parameters
    ----------
    path : pathlib.Path
        Tab-separated, with the columns ``id``, ``genres`` (joined with semicolons) and
        ``artist_group`` or ``artist``; ``path`` (relative to the table), ``set`` and
        ``confidence`` are optional, others are ignored.
    rejects : Rejects

    Raises
    ------
    FatalError
        If the table lacks a column.
    """
    entries = []
    # quotes are letters (a title may begin with one), and only a line feed ends a row
    lines = [line.removesuffix("\r") for line in _text(path).split("\n")]
    reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    columns = set(reader.fieldnames or ())
    missing = sorted(set(_COLUMNS) - columns)
    if not columns & {"artist_group", "artist"}:
        missing.append("artist_group")
    if missing:
        raise FatalError(f"{path} lacks the column {', '.join(missing)}")
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        genres = _genres(row["genres"] or "")
        confidence = row.get("confidence") or str(_SURE)
        if genres is None:
            rejects.add(where, f"unknown genre in {row['genres']!r}", "see `genretagger genres`")
            continue
        if not row["id"] or confidence not in {"1", "2", "3"}:
            rejects.add(where, "no id, or a confidence other than 1, 2, 3", "complete the row")
            continue
        file = Path(row["path"]) if row.get("path") else Path(CLIPS) / f"{row['id']}.opus"
        given = row.get("artist_group") or ""
        names = artists.names(row.get("artist") or "")
        entries.append(
            Entry(
                track_id=row["id"],
                path=path.parent / file,
                genres=genres,
                source=row.get("set") or "labels",
                confidence=int(confidence),
                group=given or (names[0] if names else row["id"]),
                # the table's own groups stand as they are
                keys=(f"group {given}",) if given else tuple(names),
                where=where,
            )
        )
    return entries


def from_downloads(path: Path, rejects: Rejects) -> list[Entry]:
    """Read the table of the stage `download`.

    Parameters
    ----------
    path : pathlib.Path
        ``downloads.jsonl``. What was not found is counted by that stage, not here.
    rejects : Rejects
    """
    rows = read_jsonl(path)
    if not rows:
        raise FatalError(f"{path} holds no downloads: run the stage `download` first")
    entries = []
    for number, row in enumerate(rows, 1):
        if row["status"] != "found":
            continue
        where = f"{path}, line {number}"
        genres = _genres("; ".join(row["genres"]))
        if genres is None:
            rejects.add(where, f"unknown genre in {row['genres']}", "run `playlists` again")
            continue
        names = artists.names(row["artist"])
        keys = [*names, f"deezer {row['artist_id']}"] if row["artist_id"] else names
        track_id = f"deezer-{row['track_id']}"
        entries.append(
            Entry(
                track_id=track_id,
                path=path.parent / row["path"],
                genres=genres,
                source=row["source"],
                confidence=_LIKELY,  # the playlist says so, nobody listened
                group=names[0] if names else track_id,
                keys=tuple(keys),
                where=where,
            )
        )
    return entries


def _walk(folder: Path, rejects: Rejects) -> Iterator[Path]:
    if not folder.is_dir():
        raise FatalError(f"{folder} is no folder")

    def unread(path: Path, reason: str) -> None:
        rejects.add(str(path), reason, "repair or remove it")

    for path in scan.find_tracks([folder], on_error=unread):
        # no table, log or screen can hold a name in no known encoding
        shown = str(path).encode(errors="backslashreplace").decode()
        if shown == str(path):
            yield path
        else:
            rejects.add(shown, "its name is not UTF-8", "rename it")


def read_artists(path: Path | None) -> dict[str, str]:
    """Read a list of the artists of files whose names and tags do not tell them.

    Parameters
    ----------
    path : pathlib.Path, optional
        Tab-separated: a file's name, with or without folders and suffix, and its artist;
        further columns and a first row that begins with ``file`` are ignored.

    Returns
    -------
    dict of str to str
        From a file's name without folders and suffix, as ``disco.00000``, to its artist.

    Raises
    ------
    FatalError
        If it cannot be read, a row has no second column, or two rows name other artists.
    """
    found: dict[str, str] = {}
    # not splitlines: a name may hold what Unicode calls a line separator
    lines = _text(path).split("\n") if path is not None else []
    for number, line in enumerate(lines, 1):
        file, tab, rest = line.partition("\t")
        if not line.strip() or (number == 1 and file.strip().casefold() in _HEADINGS):
            continue
        if not tab or not file.strip():
            raise FatalError(f"{path}, line {number}: write a file's name, a tab and its artist")
        name, artist = _bare(file.strip()), rest.partition("\t")[0].strip()
        if found.setdefault(name, artist) != artist:
            raise FatalError(
                f"{path}, line {number}: {name} is by {found[name]!r} in a line above, and here by "
                f"{artist!r}: keep one; files of one name in several folders cannot be told apart"
            )
    return found


def _bare(file: str) -> str:
    """Take folders and the suffix of an audio file off a name; ``disco.00000`` has none."""
    name = PurePosixPath(file.replace("\\", "/")).name
    return name if _GTZAN.fullmatch(name) else PurePosixPath(name).stem


def from_tree(
    folder: Path, meaning: Names, rejects: Rejects, listed: Mapping[str, str]
) -> list[Entry]:
    """Read a folder for each genre.

    The artist is the listed one; else the tag's; else what stands before " - " in
    ``Genre/Artist - Title``; else the folder in ``Genre/Artist/Album/title``; else the track
    is its own group, as in GTZAN's layout (``genre/genre.00000.wav``), and an artist's tracks
    may be parted.

    Parameters
    ----------
    folder : pathlib.Path
    meaning : Names
    rejects : Rejects
    listed : mapping of str to str
        From `read_artists`.

    Raises
    ------
    FatalError
        If all files lie in one folder whose name means nothing.
    """
    entries = []
    paths = list(_walk(folder, rejects))
    names = {path.relative_to(folder).parts[0] for path in paths}
    name = names.pop() if len(names) == 1 else ""
    if name and (folder / name).is_dir() and meaning(name) is None:
        raise FatalError(
            f"all files of {folder} lie in {name!r}, which is no genre: give --tree "
            f"{folder / name}, or tell in --mapping what the name means"
        )
    for path in paths:
        parts = path.relative_to(folder).parts
        if len(parts) < 2:
            rejects.add(str(path), "lies in no genre's folder", "move it into one")
            continue
        genres = meaning(parts[0])
        if genres is None:
            rejects.add(*_unmapped(path, parts[0]))
            continue
        own = f"{folder.name}/{'/'.join(parts)}"
        credit = listed.get(path.stem, "") or _artist_tag(path)
        if not artists.names(credit) and " - " in path.stem:
            credit = re.sub(r"^\d+[ .-]+", "", path.stem).partition(" - ")[0]
        elif not artists.names(credit) and len(parts) > 2:
            credit = parts[1]
        keys = tuple(artists.names(credit))
        group = keys[0] if keys else own
        entries.append(Entry(own, path, genres, folder.name, _LIKELY, group, keys, where=str(path)))
    return entries


def _artist_tag(path: Path) -> str:
    try:
        return tags.names(path)["artist"]
    except TrackError:
        return ""  # what cannot be decoded either is rejected there


def _unmapped(path: Path, name: str) -> tuple[str, str, str]:
    remedy = f"add '{name} = ...' with our genres, or '{name} =' for none, to --mapping"
    return str(path), f"unmapped genre {name!r}", remedy


def from_collection(folder: Path, meaning: Names, rejects: Rejects) -> list[Entry]:
    """Read a collection by the genres that its tags have now.

    Parameters
    ----------
    folder : pathlib.Path
    meaning : Names
    rejects : Rejects
        Untagged tracks, and those with any name that is not known, are left out: half a
        label would teach that the other half is wrong.
    """
    entries = []
    for path in _walk(folder, rejects):
        try:
            stored = tags.read(path)
        except TrackError as error:
            rejects.add(str(path), str(error), "repair or remove it")
            continue
        values = next((block.values for block in stored.blocks if block.values), ())
        names = [name for value in values for name in split_list(value)]
        if not names:
            rejects.add(str(path), "has no genre", "tag it, or leave it out")
            continue
        by_name = {name: meaning(name) for name in names}
        unknown = [name for name, genres in by_name.items() if genres is None]
        if unknown:
            rejects.add(*_unmapped(path, unknown[0]))
            continue
        artist = artists.names(stored.artist) or artists.names(stored.album_artist)
        own = f"{folder.name}/{path.relative_to(folder).as_posix()}"
        genres = in_order(tuple({g for each in by_name.values() if each for g in each}))
        entries.append(
            Entry(
                track_id=own,
                path=path,
                genres=genres,
                source=folder.name,
                confidence=_LIKELY,
                group=artist[0] if artist else own,
                keys=tuple(artist),
                where=str(path),
            )
        )
    return entries
