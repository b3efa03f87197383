"""One labelled track of each recording, and how many each genre gets."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from genretagger.genres import GENRES, in_order
from training.collect import filters
from training.collect.config import PlaylistsConfig
from training.collect.tracks import Candidate, Track
from training.collect.wanted import Wanted, contradiction


def _recordings(candidates: list[Candidate]) -> list[list[Candidate]]:
    """Group candidates by recording: the same ISRC, or the same artist and title."""
    group: dict[str, list[Candidate]] = {}  # from each key to the group that has it
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
    wanted: Wanted, candidates: Iterable[Candidate], rejected: list[dict[str, Any]]
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


def fill_quotas(
    wanted: Wanted, tracks: Iterable[Track], rejected: list[dict[str, Any]]
) -> list[Track]:
    """Choose as many tracks of each part of a label's range; append the others to `rejected`.

    The parts of a label are taken from in turn until its quota is full, so a small part
    gives all that it has. Within a part the order is that of the ids' hashes.
    """
    by_label: dict[tuple[str, ...], dict[str, list[Track]]] = {}
    for track in tracks:
        part = wanted.parts.get(track.playlists[0], track.playlists[0])
        by_label.setdefault(track.genres, {}).setdefault(part, []).append(track)
    chosen = []
    for label, by_part in by_label.items():
        turns = [
            (turn, part, track)
            for part, members in by_part.items()
            for turn, track in enumerate(sorted(members, key=_shuffled))
        ]
        turns.sort(key=lambda row: row[:2])
        quota = wanted.quotas.get(label, len(turns))
        chosen += [track for _, _, track in turns[:quota]]
        rejected += [
            Candidate(track, "", readable=True, lists=list(track.playlists)).rejected(
                "over-quota", matched=part
            )
            for _, part, track in turns[quota:]
        ]
    return sorted(chosen, key=lambda track: int(track.track_id))


def _shuffled(track: Track) -> str:
    return hashlib.sha256(track.track_id.encode()).hexdigest()


def yields(
    settings: PlaylistsConfig,
    lists: list[dict[str, Any]],
    listed: dict[str, set[str]],
    tracks: list[Track],
    rejected: list[dict[str, Any]],
) -> dict[str, Any]:
    """Count the tracks of each genre and fusion, and warn if they are few or uneven.

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
