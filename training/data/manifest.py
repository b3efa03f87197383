"""From labelled tracks to clips: decoded, fingerprinted, grouped by artist."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from genretagger import audio
from genretagger.errors import FatalError, TrackError
from training.crashes import outlive
from training.data import artists, duplicates
from training.data.clips import Clip
from training.data.sources import Entry, Rejects
from training.files import appending, read_jsonl, sha256
from training.progress import Progress

_BLOCK = 8  # files for each worker between two lines of the journal


@dataclass(frozen=True)
class Decoded:
    """Length, hash and fingerprint of a file, decoded to its end.

    Attributes
    ----------
    duration_s : float
        In seconds.
    sha256 : str
    fingerprint : str
        From `duplicates.fingerprint`.
    error : str
        Why it cannot be used; empty if it can.
    """

    duration_s: float
    sha256: str
    fingerprint: str
    error: str = ""


_CRASHED = Decoded(0.0, "", "", "the decoder crashed on it")


def _identity(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return f"{path.absolute()}|missing"
    return f"{path.absolute()}|{stat.st_size}|{stat.st_mtime_ns}"


def _decode(path: Path) -> Decoded:
    try:
        # the excerpts first: they tell the length without decoding all of it, and an hour of
        # stereo at 44.1 kHz takes 1.9 GB when it is decoded whole, as the shards do, too
        excerpts = audio.decode(path, sr=duplicates.SR, segment_s=audio.MIN_DURATION_S)
        if excerpts.duration_s > audio.LONG_S:
            minutes = f"{excerpts.duration_s / 60:.0f} min long, over {audio.LONG_S / 60:.0f}"
            return Decoded(0.0, "", "", f"{minutes}: a mix or an album, to be cut into tracks")
        y = audio.decode_whole(path, duplicates.SR)
        if len(y) < audio.MIN_DURATION_S * duplicates.SR:
            return Decoded(0.0, "", "", f"shorter than {audio.MIN_DURATION_S} s")
        if not np.any(y):
            return Decoded(0.0, "", "", "silent")
        digest = sha256(path)
    except (TrackError, OSError) as error:
        return Decoded(0.0, "", "", str(error))
    return Decoded(round(len(y) / duplicates.SR, 4), digest, duplicates.fingerprint(y))


def decode(
    paths: Sequence[Path], journal: Path, *, n_jobs: int, say: Callable[[str], None]
) -> list[Decoded]:
    """Decode each file to its end, hash it and fingerprint it.

    Parameters
    ----------
    paths : sequence of pathlib.Path
    journal : pathlib.Path
        Takes each result as it comes: a killed run resumes from there. A file is known
        again by path, size and time of change.
    n_jobs : int
        Processes.
    say : callable
        Takes a line of progress.

    Returns
    -------
    list of Decoded
        In the order of `paths`.
    """
    known = {row.pop("file"): Decoded(**row) for row in read_jsonl(journal)}
    files = [_identity(path) for path in paths]
    # what could not be read is tried again: it may have been repaired, or the disk was away
    todo = {
        file: path
        for file, path in zip(files, paths, strict=True)
        if file not in known or known[file].error
    }
    progress = Progress(max(1, len(todo)), say)
    left = list(todo)
    step = _BLOCK * joblib.effective_n_jobs(n_jobs)
    with appending(journal) as out:
        for start in range(0, len(left), step):
            block = left[start : start + step]
            tasks = [joblib.delayed(_decode)(todo[file]) for file in block]
            results = outlive(joblib.Parallel(n_jobs=n_jobs), tasks, _CRASHED)
            for file, decoded in zip(block, results, strict=True):
                known[file] = decoded
                row = {"file": file, **asdict(decoded)}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
            out.flush()
            done = start + len(block)
            progress.at(done, f"{done}/{len(todo)} files decoded")
    return [known[file] for file in files]


def build(
    entries: Iterable[Entry],
    data: Path,
    journal: Path,
    rejects: Rejects,
    *,
    n_jobs: int,
    say: Callable[[str], None],
    keep_groups: bool = False,
    keep_contradictions: bool = False,
) -> tuple[list[Clip], list[dict[str, Any]]]:
    """Decode labelled tracks, find near-duplicates, and group artists.

    Parameters
    ----------
    entries : iterable of Entry
    data : pathlib.Path
        Paths inside it are written relative to it.
    journal : pathlib.Path
        See `decode`.
    rejects : Rejects
        Takes the rows that cannot be used, one for each corrupt file.
    n_jobs : int
    say : callable
    keep_groups : bool
        Report near-duplicates only; else they are put into one artist group.
    keep_contradictions : bool
        Learn from near-duplicates that have no genre in common, too; else both are left out.

    Returns
    -------
    clips : list of Clip
        Sorted by `Clip.track_id`, so that the order of rows does not matter.
    pairs : list of dict
        The near-duplicates.
    """
    kept = _unique(entries, rejects)
    results = decode([entry.path for entry in kept], journal, n_jobs=n_jobs, say=say)
    good = []
    for entry, decoded in zip(kept, results, strict=True):
        if decoded.error:
            rejects.add(entry.where, f"{entry.path}: {decoded.error}", "replace or remove the file")
        else:
            good.append((entry, decoded))
    kept = [entry for entry, _ in good]
    pairs = _near_duplicates(good)
    keys: list[list[str]] = [list(entry.keys) for entry in kept]
    for first, second, about in pairs:
        if about["across_artists"] and not keep_groups:
            key = f"same recording {kept[first].track_id}"
            keys[first].append(key)
            keys[second].append(key)
    contradicted = {} if keep_contradictions else _contradicted(kept, pairs)
    for i, other in contradicted.items():
        labels = ("; ".join(entry.genres) or "none" for entry in (kept[i], other))
        reason = f"is {' and '.join(labels)}: {other.track_id} is the same recording"
        rejects.add(kept[i].where, reason, "correct one of the labels, or --keep-contradictions")
    groups = artists.groups([entry.group for entry in kept], keys)
    clips = [
        Clip(
            track_id=entry.track_id,
            artist_id=group,
            source=entry.source,
            path=_relative(entry.path, data),
            genres=entry.genres,
            confidence=entry.confidence,
            duration_s=decoded.duration_s,
            sha256=decoded.sha256,
        )
        for i, ((entry, decoded), group) in enumerate(zip(good, groups, strict=True))
        if i not in contradicted
    ]
    return clips, [about for _, _, about in pairs]


def _unique(entries: Iterable[Entry], rejects: Rejects) -> list[Entry]:
    """Sort entries by their ids, and reject those whose id comes again."""
    by_id: dict[str, Entry] = {}
    for entry in entries:
        if entry.track_id in by_id:
            rejects.add(entry.where, f"the id {entry.track_id} comes twice", "name it otherwise")
        else:
            by_id[entry.track_id] = entry
    return [by_id[track_id] for track_id in sorted(by_id)]


def _near_duplicates(
    tracks: Sequence[tuple[Entry, Decoded]],
) -> list[tuple[int, int, dict[str, Any]]]:
    """Find pairs that hold the same recording, with a report on each."""
    before = artists.join([entry.keys for entry, _ in tracks])
    pairs = []
    for pair in duplicates.find([duplicates.words(decoded.fingerprint) for _, decoded in tracks]):
        first, second = tracks[pair.first][0], tracks[pair.second][0]
        about = {
            "first": first.track_id,
            "second": second.track_id,
            **{key: getattr(pair, key) for key in ("error", "overlap_s", "lag_s")},
            "across_artists": before[pair.first] != before[pair.second],
            "labels_differ": first.genres != second.genres,
            "labels_contradict": first.genres != second.genres
            and set(first.genres).isdisjoint(second.genres),
        }
        pairs.append((pair.first, pair.second, about))
    return pairs


def _contradicted(
    entries: Sequence[Entry], pairs: Iterable[tuple[int, int, dict[str, Any]]]
) -> dict[int, Entry]:
    """Map the index of each entry that a copy contradicts to that copy."""
    found: dict[int, Entry] = {}
    for first, second, about in pairs:
        if about["labels_contradict"]:
            found.setdefault(first, entries[second])
            found.setdefault(second, entries[first])
    return found


def _relative(path: Path, data: Path) -> str:
    path, data = path.absolute(), data.absolute()
    return (path.relative_to(data) if path.is_relative_to(data) else path).as_posix()


def fingerprints(journal: Path, clips: Sequence[Clip]) -> dict[str, str]:
    """Look up the fingerprints of when the manifest was made.

    Parameters
    ----------
    journal : pathlib.Path
        See `decode`.
    clips : sequence of Clip

    Returns
    -------
    dict of str to str
        Fingerprints by the clips' ids.

    Raises
    ------
    FatalError
        If one is missing.
    """
    known = {row["sha256"]: row["fingerprint"] for row in read_jsonl(journal)}
    try:
        return {clip.track_id: known[clip.sha256] for clip in clips}
    except KeyError as error:
        raise FatalError(
            f"{journal} lacks clips of the manifest: run the stage `manifest` again"
        ) from error
