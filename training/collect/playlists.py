"""Playlists read from Deezer, and their tracks judged by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from genretagger.errors import FatalError
from genretagger.genres import canonical
from genretagger.text import printable
from training.collect import exports, filters
from training.collect.config import PlaylistsConfig
from training.collect.deezer import Api, BrokenError, RefusedError
from training.collect.tracks import Candidate, Track
from training.collect.wanted import Wanted
from training.files import appending, read_jsonl, write_text
from training.progress import Progress

_CACHE, _ISRCS, _ALTERNATIVES = "playlists", "isrc.jsonl", "alternatives.jsonl"


def fetch(
    api: Api,
    wanted: Wanted,
    folder: Path,
    say: Callable[[str], None],
    *,
    refresh: bool = False,
) -> None:
    """Read every playlist into a file of its own; those that have one are left as they are.

    Raises
    ------
    FatalError
        If there is no connection, the quota stays exhausted, or a playlist gives nothing
        readable. What was read before is kept.
    """
    missing = [n for n in wanted.playlists if refresh or not _cached(folder, n)]
    progress = Progress(len(missing), say)
    broken = []
    for done, number in enumerate(missing):
        label = "; ".join(wanted.playlists[number])
        rows: list[Any] = []
        refused = None
        try:
            if number in wanted.exports:
                rows = exports.match(api, exports.read(wanted.exports[number]), folder, say)
            for page, total in () if number in wanted.exports else api.playlist(number):
                rows += page
                progress.at(
                    done + min(len(rows) / max(total, 1), 1.0) * 0.99,
                    f"playlist {number} ({label}), {done + 1} of {len(missing)}: "
                    f"{len(rows)} of {total} tracks",
                )
        except RefusedError as error:
            refused = str(error)
            say(f"playlist {number} ({label}) cannot be had: {error}")
        except BrokenError as error:
            broken.append(f"playlist {number}: {error}")
            continue
        kept = [_trimmed(row) for row in rows]
        write_text(
            folder / _CACHE / f"{number}.json",
            json.dumps({"id": number, "refused": refused, "rows": kept}, ensure_ascii=False),
        )
        progress.at(done + 1, f"playlist {number} ({label}): {len(rows)} tracks")
    if broken:
        raise FatalError(
            f"{'; '.join(broken)}. Run this again (the others are kept), or take it off the list"
        )


def _cached(folder: Path, number: str) -> dict[str, Any] | None:
    path = folder / _CACHE / f"{number}.json"
    try:
        cached: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = cached["id"], cached["refused"], cached["rows"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it was never read, or not by us: it is read again
    return cached


def _trimmed(row: Any) -> Any:
    if not isinstance(row, dict) or "not_found" in row:
        return row
    names = ("id", "readable", "title", "title_short", "title_version", "isrc", "duration")
    kept = {name: row.get(name) for name in (*names, "preview")}
    for part, wanted in (("artist", ("id", "name")), ("album", ("title",))):
        inner = row.get(part)
        kept[part] = {n: inner.get(n) for n in wanted} if isinstance(inner, dict) else {}
    return kept


def gather(
    wanted: Wanted, folder: Path, rejected: list[dict[str, Any]]
) -> tuple[dict[str, Candidate], list[dict[str, Any]]]:
    """Merge the rows of all playlists, one candidate for each id."""
    candidates: dict[str, Candidate] = {}
    report = []
    for number, genres in wanted.playlists.items():
        cached = _cached(folder, number)
        assert cached is not None  # `fetch` has seen to it
        report.append(
            {
                "id": number,
                "genres": list(genres),
                "listed": len(cached["rows"]),
                "refused": cached["refused"],
            }
        )
        for row in cached["rows"]:
            if isinstance(row, dict) and "not_found" in row:
                rejected.append({"rule": "not-found", **row["not_found"], "playlists": [number]})
                continue
            candidate = _candidate(row)
            if candidate is None:
                rejected.append({"rule": "incomplete", "row": row, "playlists": [number]})
                continue
            candidate = candidates.setdefault(candidate.track.track_id, candidate)
            if number not in candidate.lists:
                candidate.lists.append(number)
    return candidates, report


def _candidate(row: Any) -> Candidate | None:
    try:
        track = Track(
            track_id=str(int(row["id"])),
            isrc=_isrc(row.get("isrc")),
            artist_id=str(row["artist"].get("id") or ""),
            artist=row["artist"]["name"].strip(),
            title=(row.get("title") or row["title_short"]).strip(),
            album=(row["album"].get("title") or "").strip(),
            duration_s=float(row["duration"]),
            genres=(),
            playlists=(),
            preview=row.get("preview") or "",
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if not track.artist or not track.title:
        return None
    readable = row.get("readable") is not False  # the field may be left out
    return Candidate(track, str(row.get("title_version") or ""), readable)


def _isrc(value: object) -> str:
    """Spell an ISRC as ISO 3901 stores it, without the hyphens of its printed form."""
    return "".join(c for c in str(value or "").upper() if c.isalnum())


def reject_by_name(
    candidate: Candidate, wanted: Wanted, settings: PlaylistsConfig
) -> dict[str, Any] | None:
    """Reject a track by its name or length, or return None."""
    track = candidate.track
    if track.track_id in wanted.drop:
        return candidate.rejected("by-hand")
    if track.track_id in wanted.keep:
        return None
    if track.duration_s < settings.shortest_s:
        return candidate.rejected("too-short", matched=f"{track.duration_s:.0f} s")
    if track.duration_s > settings.longest_s:
        return candidate.rejected("too-long", matched=f"{track.duration_s:.0f} s")
    rejection = filters.rejection(
        title=track.title,
        version=candidate.version,
        artist=track.artist,
        album=track.album,
        genres={genre for number in candidate.lists for genre in wanted.playlists[number]},
        live=settings.reject_live,
    )
    if rejection is None:
        return None
    rule, where, matched = rejection
    return candidate.rejected(rule, field=where, matched=matched)


def _ask_about(
    api: Api,
    candidates: Iterable[Candidate],
    path: Path,
    key: str,
    take: Callable[[Any], Any],
    *,
    what: str,
    otherwise: str,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Ask for one key of each track, and remember each answer, by the track's id.

    A track that Deezer refuses has what `take` makes of None; one whose answer is broken is
    asked for again in the next run.
    """
    known = {row["track_id"]: row[key] for row in read_jsonl(path)}
    asked = [c for c in candidates if c.track.track_id not in known]
    progress = Progress(len(asked), say)
    with appending(path) as file:
        for done, candidate in enumerate(asked, 1):
            number = candidate.track.track_id
            try:
                answer = take(api.track(int(number)).get(key))
            except RefusedError:
                answer = take(None)
            except BrokenError as error:
                say(f"track {number}: {error}; {otherwise} in this run")
                continue
            known[number] = answer
            line = {"track_id": number, key: answer}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            progress.at(done, f"{done} of {len(asked)} {what} looked up")
    return known


def look_up_isrcs(
    api: Api, candidates: Iterable[Candidate], folder: Path, say: Callable[[str], None]
) -> None:
    """Ask for the ISRCs that the lists leave out, and remember each answer."""
    lacking = [c for c in candidates if not c.track.isrc]
    known = _ask_about(
        api,
        lacking,
        folder / _ISRCS,
        "isrc",
        _isrc,
        what="missing ISRCs",
        otherwise="its ISRC stays unknown",
        say=say,
    )
    for candidate in lacking:
        candidate.track = replace(candidate.track, isrc=known.get(candidate.track.track_id, ""))


def replace_unreadable(
    api: Api, candidates: Iterable[Candidate], folder: Path, say: Callable[[str], None]
) -> None:
    """Put in the place of tracks that Deezer does not play here those that it names instead."""
    unreadable = [c for c in candidates if not c.readable]
    known = _ask_about(
        api,
        unreadable,
        folder / _ALTERNATIVES,
        "alternative",
        _trimmed,
        what="unreadable tracks",
        otherwise="it stays unreadable",
        say=say,
    )
    for candidate in unreadable:
        other = _candidate(known.get(candidate.track.track_id))
        if other is not None and other.readable:
            candidate.track, candidate.readable = other.track, True


def search(api: Api, words: str) -> list[str]:
    """Search for playlists; give lines to choose from, as a list file has them.

    Parameters
    ----------
    api : Api
    words : str
        Such as ``Ambient playlist``; a genre among them is put into the lines.

    Returns
    -------
    list of str
        ``ID = "GENRE" # title, number of tracks, who made it``.
    """
    parts = words.split()
    spans = [" ".join(parts[i : i + n]) for n in (3, 2, 1) for i in range(len(parts))]
    label = next(filter(None, map(canonical, spans)), "GENRE")
    lines = []
    for row in api.search("playlist", words):
        user = row.get("user")
        maker = user.get("name") if isinstance(user, dict) else None
        about = f"{row.get('title')}, {row.get('nb_tracks')} tracks, by {maker or 'unknown'}"
        lines.append(f'{row.get("id")} = "{label}" # {printable(about)}')
    return lines
