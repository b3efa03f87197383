"""Stage `playlists`: Deezer playlists become a list of labelled tracks, and why others are not.

A track's label is the union of what the playlists say that it stands on: one genre, or
two that make one of the 19 fusions. Two others, or three, contradict each other, and the
track is rejected: which list errs cannot be known from the lists.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from genretagger.errors import FatalError
from genretagger.genres import GENRES, canonical, in_order, is_fusion
from training import config as configuration
from training import filters
from training.config import PlaylistsConfig
from training.deezer import Api, BrokenError, RefusedError, playlist_id
from training.progress import Progress
from training.rows import appending, read_jsonl, sha256, write_jsonl, write_text

NAME = "playlists"
HELP = "playlists on Deezer -> tracks.jsonl, rejected.jsonl, yield.json"
TRACKS, REJECTED, YIELD = "tracks.jsonl", "rejected.jsonl", "yield.json"

_CACHE, _ISRCS = "playlists", "isrc.jsonl"
_FORM = '"https://www.deezer.com/en/playlist/ID" = "Pop; Rock"'


@dataclass(frozen=True)
class Track:
    """One track to learn from.

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


@dataclass(frozen=True)
class Wanted:
    """What a list file asks for.

    Attributes
    ----------
    playlists : dict
        From a playlist's id to its genres.
    keep, drop : frozenset of str
        Ids of tracks that were judged by ear: a name is no reason to reject the first.
    """

    playlists: dict[str, tuple[str, ...]]
    keep: frozenset[str]
    drop: frozenset[str]


@dataclass
class _Candidate:
    """A track as found, before it is taken or rejected."""

    track: Track
    version: str
    readable: bool
    lists: list[str] = field(default_factory=list)

    def rejected(self, rule: str, **why: str) -> dict[str, Any]:
        row = asdict(self.track)
        kept = {key: row[key] for key in ("track_id", "isrc", "artist", "title", "album")}
        return {"rule": rule, **why, **kept, "playlists": self.lists}


def read_list(path: Path) -> Wanted:
    """Read the file that says which playlists to take, and what each one is.

    Parameters
    ----------
    path : pathlib.Path
        TOML: a table ``[playlists]`` from ids or links to one genre or a fusion, and
        perhaps ``[by_hand]`` with the ids of tracks to ``keep`` and to ``drop``.

    Raises
    ------
    FatalError
        If it cannot be read, or a line is none of this; the message names it.
    """
    table = configuration.read_toml(path, "the list of playlists")
    lines = path.read_text(encoding="utf-8").splitlines()

    def where(key: str) -> str:
        number = next((n for n, line in enumerate(lines, 1) if key in line), None)
        return f"{path}, line {number}" if number else str(path)

    unknown = sorted(set(table) - {"playlists", "by_hand"})
    if unknown:
        raise FatalError(f"{where(unknown[0])}: unknown table or key {unknown[0]!r}")
    entries = table.get("playlists")
    if not isinstance(entries, dict) or not entries:
        raise FatalError(f"{path}: no playlists; below [playlists] write lines like {_FORM}")
    found: dict[str, tuple[str, ...]] = {}
    for key, value in entries.items():
        try:
            number = playlist_id(key)
            genres = _genres(value)
        except ValueError as error:
            raise FatalError(f"{where(key)}: {key!r} {error}") from error
        if number in found:
            raise FatalError(f"{where(key)}: the playlist {number} comes twice; keep one line")
        found[number] = genres
    by_hand = table.get("by_hand", {})
    sets: dict[str, frozenset[str]] = {"keep": frozenset(), "drop": frozenset()}
    if not isinstance(by_hand, dict) or set(by_hand) - set(sets):
        raise FatalError(f"{where('by_hand')}: [by_hand] has `keep` and `drop` only")
    for name, ids in by_hand.items():
        if not isinstance(ids, list) or not all(str(i).isdecimal() for i in ids):
            raise FatalError(f"{where(name)}: `{name}` is a list of track ids: [3135556, 3135557]")
        sets[name] = frozenset(str(i) for i in ids)
    both = sorted(sets["keep"] & sets["drop"])
    if both:
        raise FatalError(f"{where(both[0])}: track {both[0]} is to be kept and dropped")
    return Wanted(found, sets["keep"], sets["drop"])


def _genres(value: object) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise ValueError(f"has no genre: write {_FORM}")  # noqa: TRY004
    names = [name.strip() for name in value.split(";")]
    genres = [canonical(name) for name in names]
    for name, genre in zip(names, genres, strict=True):
        if genre is None:
            raise ValueError(f"has the genre {name!r}, which is none of {', '.join(GENRES)}")
    label = in_order(tuple(dict.fromkeys(genre for genre in genres if genre is not None)))
    if len(label) != len(names):
        raise ValueError("names a genre twice")
    if why := contradiction(label):
        raise ValueError(f"is {why}; see docs on the 19 fusions, or choose one genre")
    return label


def contradiction(genres: tuple[str, ...]) -> str:
    """Say why genres make no label, or nothing if they do.

    Examples
    --------
    >>> contradiction(("Pop", "Rock")), contradiction(("Classical", "Punk"))
    ('', 'no fusion: Classical; Punk')
    """
    if len(genres) == 1 or (len(genres) == 2 and is_fusion(*genres)):
        return ""
    kind = "no fusion" if len(genres) == 2 else "more than two genres"
    return f"{kind}: {'; '.join(genres)}"


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
            for page, total in api.playlist(number):
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
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = found["id"], found["refused"], found["rows"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it was never read, or not by us: it is read again
    return found


def _trimmed(row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    names = ("id", "readable", "title", "title_short", "title_version", "isrc", "duration")
    kept = {name: row.get(name) for name in (*names, "preview")}
    for part, wanted in (("artist", ("id", "name")), ("album", ("title",))):
        inner = row.get(part)
        kept[part] = {n: inner.get(n) for n in wanted} if isinstance(inner, dict) else {}
    return kept


def _candidates(
    wanted: Wanted, folder: Path, rejected: list[dict[str, Any]]
) -> tuple[dict[str, _Candidate], list[dict[str, Any]]]:
    """Put the rows of all playlists together, one candidate for each id."""
    candidates: dict[str, _Candidate] = {}
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
            candidate = _candidate(row)
            if candidate is None:
                rejected.append({"rule": "incomplete", "row": row, "playlists": [number]})
                continue
            candidate = candidates.setdefault(candidate.track.track_id, candidate)
            if number not in candidate.lists:
                candidate.lists.append(number)
    return candidates, report


def _candidate(row: Any) -> _Candidate | None:
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
    return _Candidate(track, str(row.get("title_version") or ""), readable)


def _isrc(value: object) -> str:
    """Spell an ISRC as ISO 3901 stores it, without the hyphens of its printed form."""
    return "".join(c for c in str(value or "").upper() if c.isalnum())


def _by_name(
    candidate: _Candidate, wanted: Wanted, settings: PlaylistsConfig
) -> dict[str, Any] | None:
    """Reject a track for what can be seen of it, or return None."""
    track = candidate.track
    if track.track_id in wanted.drop:
        return candidate.rejected("by-hand")
    if track.track_id in wanted.keep:
        return None
    if track.duration_s < settings.shortest_s:
        return candidate.rejected("too-short", matched=f"{track.duration_s:.0f} s")
    if track.duration_s > settings.longest_s:
        return candidate.rejected("too-long", matched=f"{track.duration_s:.0f} s")
    found = filters.rejection(
        title=track.title,
        version=candidate.version,
        artist=track.artist,
        album=track.album,
        classical=any("Classical" in wanted.playlists[number] for number in candidate.lists),
        live=settings.reject_live,
    )
    if found is None:
        return None
    rule, where, matched = found
    return candidate.rejected(rule, field=where, matched=matched)


def _look_up(
    api: Api, candidates: Iterable[_Candidate], folder: Path, say: Callable[[str], None]
) -> None:
    """Ask for the ISRCs that the lists leave out, and remember each answer."""
    path = folder / _ISRCS
    known = {row["track_id"]: row["isrc"] for row in read_jsonl(path)}
    lacking = [c for c in candidates if not c.track.isrc]
    asked = [c for c in lacking if c.track.track_id not in known]
    progress = Progress(len(asked), say)
    with appending(path) as file:
        for done, candidate in enumerate(asked, 1):
            number = candidate.track.track_id
            try:
                isrc = _isrc(api.track(int(number)).get("isrc"))
            except RefusedError:
                isrc = ""
            except BrokenError as error:
                say(f"track {number}: {error}; its ISRC stays unknown in this run")
                continue
            known[number] = isrc
            file.write(json.dumps({"track_id": number, "isrc": isrc}) + "\n")
            file.flush()
            progress.at(done, f"{done} of {len(asked)} missing ISRCs looked up")
    for candidate in lacking:
        candidate.track = replace(candidate.track, isrc=known.get(candidate.track.track_id, ""))


def _recordings(candidates: list[_Candidate]) -> list[list[_Candidate]]:
    """Put together what is one recording, by ISRC or by artist and title."""
    group: dict[str, list[_Candidate]] = {}  # from each key to the group that has it
    for candidate in candidates:
        track = candidate.track
        keys = [filters.same_recording(track.artist, track.title)]
        keys += [track.isrc] if track.isrc else []
        joined = [candidate]
        for old in {id(group[key]): group[key] for key in keys if key in group}.values():
            joined += old
        for member in joined:
            group[filters.same_recording(member.track.artist, member.track.title)] = joined
            if member.track.isrc:
                group[member.track.isrc] = joined
    return list({id(members): members for members in group.values()}.values())


def merge(
    wanted: Wanted, candidates: Iterable[_Candidate], rejected: list[dict[str, Any]]
) -> list[Track]:
    """Make one labelled track of each recording; append the others to `rejected`."""
    order = {number: at for at, number in enumerate(wanted.playlists)}
    tracks = []
    for members in _recordings(list(candidates)):
        # what can be had first, then by the order of the list, so that a rerun agrees
        members.sort(
            key=lambda c: (
                not c.readable,
                not c.track.preview,
                order[c.lists[0]],
                int(c.track.track_id),
            )
        )
        best, *others = members
        for other in others:
            same = other.track.isrc and other.track.isrc == best.track.isrc
            rule = "duplicate-isrc" if same else "duplicate-artist-title"
            rejected.append(other.rejected(rule, kept=best.track.track_id))
        lists = sorted({n for c in members for n in c.lists}, key=order.__getitem__)
        genres = in_order(tuple({g for n in lists for g in wanted.playlists[n]}))
        if not best.readable:
            rejected.append(best.rejected("unreadable"))
        elif why := contradiction(genres):
            kind, _, which = why.partition(": ")
            best.lists = lists
            rejected.append(best.rejected(kind.replace(" ", "-"), matched=which))
        else:
            tracks.append(replace(best.track, genres=genres, playlists=tuple(lists)))
    return sorted(tracks, key=lambda track: int(track.track_id))


def yields(
    settings: PlaylistsConfig,
    lists: list[dict[str, Any]],
    listed: dict[str, set[str]],
    tracks: list[Track],
    rejected: list[dict[str, Any]],
) -> dict[str, Any]:
    """Count what came of each genre and fusion, and warn of what is uneven.

    Parameters
    ----------
    listed : dict
        From a label to the ids of the tracks on its playlists.
    lists : list of dict
        One for each playlist, from `_candidates`.

    Returns
    -------
    dict
        ``labels``: for each genre or fusion how many tracks its lists hold, how many of
        those were taken under whatever label, and how many tracks have it now;
        ``genres``: tracks that have each of the 14; ``rejected``: tracks by rule;
        ``warnings``: sentences.
    """
    final = Counter("; ".join(track.genres) for track in tracks)
    taken = {track.track_id for track in tracks}
    labels = {
        label: {
            "listed": len(listed.get(label, ())),
            "taken": len(listed.get(label, set()) & taken),
            "tracks": final[label],
        }
        for label in sorted(set(listed) | set(final))
    }
    genres = {g: sum(g in track.genres for track in tracks) for g in GENRES}
    warnings = [f"playlist {p['id']} cannot be had: {p['refused']}" for p in lists if p["refused"]]
    none = [g for g in GENRES if not genres[g]]
    if none:
        warnings.append(f"no tracks at all of {', '.join(none)}: add playlists")
    counted = {g: n for g, n in genres.items() if n}
    few = [f"{g} ({n})" for g, n in counted.items() if n < settings.few_tracks]
    if few:
        warnings.append(
            f"fewer than {settings.few_tracks} tracks of {', '.join(few)}: add playlists"
        )
    if counted:
        largest = max(counted, key=counted.__getitem__)
        smallest = min(counted, key=counted.__getitem__)
        ratio = counted[largest] / counted[smallest]
        if ratio > settings.uneven:
            warnings.append(
                f"uneven: {largest} has {ratio:.1f} times the tracks of {smallest} (median "
                f"{statistics.median(counted.values()):.0f}); add to the small, or take from the "
                "large"
            )
    return {
        "playlists": lists,
        "labels": labels,
        "genres": genres,
        "rejected": dict(Counter(row["rule"] for row in rejected).most_common()),
        "warnings": warnings,
    }


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
        found = sha256(folder / TRACKS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FatalError(f"{folder} has no finished {TRACKS}: {again}") from error
    if found != inputs["tracks_sha256"]:
        raise FatalError(f"{folder / TRACKS} is not what {YIELD} says: {again}")
    if inputs["settings"] != asdict(settings):
        raise FatalError(f"[playlists] in the config has changed since {TRACKS} was made: {again}")
    source = Path(inputs["list"])
    if source.is_file() and sha256(source) != inputs["list_sha256"]:
        raise FatalError(f"{source} has changed since {TRACKS} was made: {again}")
    return [
        Track(**{**row, "genres": tuple(row["genres"]), "playlists": tuple(row["playlists"])})
        for row in read_jsonl(folder / TRACKS)
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's own options to its parser."""
    parser.add_argument(
        "list",
        type=Path,
        metavar="LIST.toml",
        help=f"below [playlists] lines such as {_FORM}; ids do as well as links",
    )
    add_common_arguments(parser)
    parser.add_argument(
        "--refresh", action="store_true", help="read playlists again that were read before"
    )


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what both stages of collecting need."""
    parser.add_argument("--config", type=Path, default=configuration.COLLECT, metavar="TOML")
    parser.add_argument(
        "--music",
        type=Path,
        default=Path("runs/music"),
        metavar="FOLDER",
        help="the collection (default: runs/music)",
    )


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage; a killed one goes on with the playlists that it has not read."""
    settings = configuration.load_collect(args.config)
    wanted = read_list(args.list)
    api = Api(settings.deezer)
    fetch(api, wanted, args.music, say, refresh=args.refresh)
    rejected: list[dict[str, Any]] = []
    candidates, lists = _candidates(wanted, args.music, rejected)
    if not candidates:
        raise FatalError(f"none of the playlists in {args.list} has a track; see above")
    listed: dict[str, set[str]] = defaultdict(set)
    for candidate in candidates.values():
        for number in candidate.lists:
            listed["; ".join(wanted.playlists[number])].add(candidate.track.track_id)
    passed = []
    for candidate in candidates.values():
        row = _by_name(candidate, wanted, settings.playlists)
        if row is None:
            passed.append(candidate)
        else:
            rejected.append(row)
    _look_up(api, passed, args.music, say)
    tracks = merge(wanted, passed, rejected)
    report = yields(settings.playlists, lists, listed, tracks, rejected)
    write_jsonl(args.music / TRACKS, (asdict(track) for track in tracks))
    write_jsonl(args.music / REJECTED, rejected)
    report["inputs"] = {
        "list": str(args.list.resolve()),
        "list_sha256": sha256(args.list),
        "settings": asdict(settings.playlists),
        "tracks_sha256": sha256(args.music / TRACKS),
    }
    # the last: its being there says that the others are whole
    write_text(args.music / YIELD, json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    for label, n in report["labels"].items():
        say(f"{label}: {n['taken']} of {n['listed']} tracks of its playlists; now {n['tracks']}")
    for rule, n_tracks in report["rejected"].items():
        say(f"rejected, {rule}: {n_tracks}")
    for warning in report["warnings"]:
        say(f"warning: {warning}")
    say(f"{len(tracks)} tracks in {args.music / TRACKS}, {len(rejected)} rejected")
