"""The folder of downloaded audio: files fetched, checked, put in their places and counted."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genretagger import audio, tags
from genretagger.containers import container_of
from genretagger.errors import FatalError, TrackError
from training.collect import filters, streamrip
from training.collect.config import DownloadConfig
from training.collect.deezer import Api, BrokenError, RefusedError
from training.collect.tracks import Track
from training.files import appending, read_jsonl, sha256, write_jsonl, write_text
from training.progress import Progress

DOWNLOADS, SUMMARY = "downloads.jsonl", "downloads.json"

FOUND, MISSING, WRONG, DAMAGED = "found", "missing", "wrong duration", "damaged"

_OUTCOMES, _AUDIO, _ASIDE, _INCOMING = "outcomes.jsonl", "audio", "aside", "incoming"
_CHECK_SR = 8000  # Hz; decoding to the end is the check, so the cheapest resampling will do
_NO_REASON = 10  # tracks of which none arrives; at the report's yield of 70 % that is no chance


@dataclass(frozen=True)
class Outcome:
    """The outcome of one track.

    Attributes
    ----------
    track_id : str
    status : {"found", "missing", "wrong duration", "damaged"}
    path : str
        Relative to the source's folder; empty if there is no file.
    duration_s : float
        Of the decoded audio, in seconds.
    reason : str
        Why it was not found.
    """

    track_id: str
    status: str
    path: str = ""
    duration_s: float = 0.0
    reason: str = ""


class Source:
    """The folder of one source: its audio, its journal of outcomes, its table.

    Parameters
    ----------
    folder : pathlib.Path
    tracks : list of Track
        All that are wanted.
    settings : DownloadConfig
    """

    def __init__(self, folder: Path, tracks: list[Track], settings: DownloadConfig) -> None:
        self.folder, self.tracks, self.settings = folder, tracks, settings
        self.outcomes = {row["track_id"]: Outcome(**row) for row in read_jsonl(folder / _OUTCOMES)}
        for name in (_AUDIO, _ASIDE):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def pending(self, *, retry: bool) -> list[Track]:
        """List the tracks without an outcome, and those whose file is gone.

        Parameters
        ----------
        retry : bool
            Also those that were not found before.
        """
        return [track for track in self.tracks if not self._settled(track, retry)]

    def _settled(self, track: Track, retry: bool) -> bool:
        outcome = self.outcomes.get(track.track_id)
        if outcome is None:
            return False
        if outcome.status == FOUND:
            return (self.folder / outcome.path).is_file()
        return not retry

    def record(self, outcome: Outcome) -> None:
        """Write an outcome to the journal, at once."""
        self.outcomes[outcome.track_id] = outcome
        with appending(self.folder / _OUTCOMES) as file:
            file.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")

    def take(
        self, arrived: Path, track: Track, expected_s: float, *, cut_off: bool = False
    ) -> Outcome | None:
        """Check a file and put it in its place: among the audio, or aside.

        Parameters
        ----------
        arrived : pathlib.Path
        track : Track
        expected_s : float
            In seconds.
        cut_off : bool
            Whoever wrote it was ended, so that a file with a fault says nothing of the
            track: it is removed, and None returned.
        """
        status, duration_s, reason = check(arrived, expected_s, self.settings.tolerance_s)
        if cut_off and status != FOUND:
            arrived.unlink()
            return None
        place = self.folder / (_AUDIO if status == FOUND else _ASIDE)
        target = place / f"{track.track_id}{arrived.suffix.lower()}"
        arrived.replace(target)
        path = target.relative_to(self.folder).as_posix()
        outcome = Outcome(track.track_id, status, path, round(duration_s, 2), reason)
        self.record(outcome)
        return outcome

    def write_table(self, name: str, tracks_sha256: str) -> dict[str, Any]:
        """Write the table of all tracks, and count what came.

        Parameters
        ----------
        name : str
            Of the source.
        tracks_sha256 : str
            Of the list of tracks, so that later stages can refuse a stale table.
        """
        rows = []
        for track in self.tracks:
            outcome = self.outcomes.get(track.track_id, Outcome(track.track_id, "not tried"))
            row = asdict(track) | {"listed_s": track.duration_s} | asdict(outcome)
            del row["preview"]
            rows.append(row | {"source": name})
        write_jsonl(self.folder / DOWNLOADS, rows)
        labels: dict[str, Counter[str]] = {}
        for row in rows:
            labels.setdefault("; ".join(row["genres"]), Counter())[row["status"]] += 1
        summary = {
            "source": name,
            "tracks_sha256": tracks_sha256,
            "downloads_sha256": sha256(self.folder / DOWNLOADS),
            "status": dict(Counter(row["status"] for row in rows).most_common()),
            "labels": {label: dict(labels[label]) for label in sorted(labels)},
        }
        write_text(self.folder / SUMMARY, json.dumps(summary, ensure_ascii=False, indent=2) + "\n")
        return summary


def check(path: Path, expected_s: float, tolerance_s: float) -> tuple[str, float, str]:
    """Decode a file to its end.

    Parameters
    ----------
    path : pathlib.Path
    expected_s, tolerance_s : float
        In seconds.

    Returns
    -------
    status : str
    duration_s : float
        Of what was decoded.
    reason : str
        Empty if it is as expected.
    """
    try:
        duration_s = len(audio.decode_whole(path, _CHECK_SR)) / _CHECK_SR
    except TrackError as error:
        return DAMAGED, 0.0, str(error)
    if abs(duration_s - expected_s) > tolerance_s:
        return WRONG, duration_s, f"{duration_s:.1f} s of audio, {expected_s:.0f} s expected"
    return FOUND, duration_s, ""


def fetch_previews(
    source: Source, api: Api, say: Callable[[str], None], *, retry: bool = False
) -> None:
    """Fetch the previews of all tracks that have none yet.

    Raises
    ------
    FatalError
        If there is no connection; a rerun resumes there.
    """
    pending = source.pending(retry=retry)
    progress = Progress(len(pending), say)
    n_found = 0
    for done, track in enumerate(pending, 1):
        content, reason = _preview(api, track)
        if content is None:
            source.record(Outcome(track.track_id, MISSING, reason=reason))
        else:
            arrived = source.folder / f".{track.track_id}.mp3"
            arrived.write_bytes(content)
            expected_s = min(source.settings.preview_s, track.duration_s)
            outcome = source.take(arrived, track, expected_s)
            n_found += outcome is not None and outcome.status == FOUND
        progress.at(done, f"{done} of {len(pending)} previews, {n_found} found")


def _preview(api: Api, track: Track) -> tuple[bytes | None, str]:
    """Fetch one preview; a refused address has expired, so a new one is asked for."""
    reason = "Deezer has no preview of it"
    try:
        if track.preview:
            try:
                return api.fetch(track.preview), ""
            except RefusedError as error:
                reason = str(error)
        url = api.track(int(track.track_id)).get("preview")
        if url and url != track.preview:
            return api.fetch(url), ""
    except (RefusedError, BrokenError) as error:
        reason = str(error)
    return None, reason


def rip_tracks(
    source: Source,
    environment: Path,
    arl: str,
    say: Callable[[str], None],
    *,
    retry: bool = False,
) -> None:
    """Have streamrip fetch all tracks that are not there yet, batch by batch.

    Raises
    ------
    FatalError
        If a batch brings nothing and there is a reason for it: it hung, it crashed, the
        account was refused. What came before is kept.
    """
    settings = source.settings
    incoming = source.folder / _INCOMING
    streamrip.executable(environment)
    _sort(source, incoming, source.tracks, say, cut_off=True)  # what a killed run has left
    pending = source.pending(retry=retry)
    progress = Progress(len(pending), say)
    n_found = 0
    for start in range(0, len(pending), settings.batch):
        batch = pending[start : start + settings.batch]
        ended = streamrip.rip(
            [track.track_id for track in batch],
            incoming,
            environment,
            arl=arl,
            settings=settings,
            private=source.folder / ".private",
        )
        with appending(source.folder / "streamrip.log") as log:
            log.write(ended.output.rstrip() + f"\n{ended.hung}\n")
        arrived = _sort(source, incoming, batch, say, cut_off=bool(ended.hung))
        if not arrived and (why := _why_nothing(ended, len(batch))):
            raise FatalError(f"{why}; its output is in {source.folder / 'streamrip.log'}")
        for track in batch:
            if track.track_id not in arrived:
                reason = f"rip was ended: {ended.hung}" if ended.hung else "it did not arrive"
                source.record(Outcome(track.track_id, MISSING, reason=reason))
        n_found += sum(outcome.status == FOUND for outcome in arrived.values())
        done = start + len(batch)
        progress.at(done, f"{done} of {len(pending)} tracks, {n_found} found")


def _why_nothing(ended: streamrip.Ended, n_tracks: int) -> str:
    """Find the reason why a batch brought nothing; empty if its tracks may just be missing."""
    last = next((line.strip() for line in ended.output.splitlines()[::-1] if line.strip()), "")
    if "Invalid arl" in ended.output or "AuthenticationError" in ended.output:
        return (
            "Deezer refuses the account: its arl cookie has expired or was mistyped; log in with "
            "a browser and copy it anew"
        )
    if ended.hung:
        return f"rip brought nothing, and {ended.hung}; check the network and run this again"
    if "Traceback" in ended.output or n_tracks >= _NO_REASON:
        return f"rip brought none of {n_tracks} tracks; the last it said was {last[:200]!r}"
    return ""


def _sort(
    source: Source,
    incoming: Path,
    tracks: Iterable[Track],
    say: Callable[[str], None],
    *,
    cut_off: bool,
) -> dict[str, Outcome]:
    """Match arrived files to tracks by their tags, and take them."""
    by_isrc = {track.isrc: track for track in tracks if track.isrc}
    by_name = {filters.same_recording(t.artist, t.title): t for t in tracks}
    arrived: dict[str, Outcome] = {}
    for path in sorted(p for p in incoming.rglob("*") if p.is_file()):
        if container_of(path) is None:
            path.unlink()  # a cover, or a part that never became a track
            continue
        try:
            names = tags.names(path)
        except TrackError:
            names = dict.fromkeys(("artist", "title", "isrc"), "")
        if cut_off and not any(names.values()):
            path.unlink()  # rip writes tags last: this one was being fetched
            continue
        track = by_isrc.get("".join(c for c in names["isrc"].upper() if c.isalnum()))
        for artist in filter(None, (names["artist"], names["artist"].split(", ")[0])):
            track = track or by_name.get(filters.same_recording(artist, names["title"]))
        if track is None or track.track_id in arrived:
            aside = source.folder / _ASIDE / path.name
            path.replace(aside)
            say(f"{aside}: its tags name no track that was asked for; it stays there")
        elif outcome := source.take(path, track, track.duration_s, cut_off=cut_off):
            arrived[track.track_id] = outcome
    shutil.rmtree(incoming, ignore_errors=True)
    return arrived
