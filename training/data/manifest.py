"""Stage 1, manifest: labelled tracks of any source become the list that all stages read."""

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

HEARD = "heard.jsonl"

_BLOCK = 8  # files for each worker between two lines of the journal


@dataclass(frozen=True)
class Heard:
    """What opening a file told.

    Attributes
    ----------
    duration_s : float
        Decoded, in seconds.
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


def _identity(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return f"{path.absolute()}|missing"
    return f"{path.absolute()}|{stat.st_size}|{stat.st_mtime_ns}"


def _hear(path: Path) -> Heard:
    try:
        # the excerpts first: they tell the length without decoding all of it, and an hour of
        # stereo at 44.1 kHz takes 1.9 GB when it is decoded whole, as the shards do, too
        heard = audio.decode(path, sr=duplicates.SR, segment_s=audio.MIN_DURATION_S)
        if heard.duration_s > audio.LONG_S:
            minutes = f"{heard.duration_s / 60:.0f} min long, over {audio.LONG_S / 60:.0f}"
            return Heard(0.0, "", "", f"{minutes}: a mix or an album, to be cut into tracks")
        y = audio.decode_whole(path, duplicates.SR)
        if len(y) < audio.MIN_DURATION_S * duplicates.SR:
            return Heard(0.0, "", "", f"shorter than {audio.MIN_DURATION_S} s")
        if not np.any(y):
            return Heard(0.0, "", "", "silent")
        digest = sha256(path)
    except (TrackError, OSError) as error:
        return Heard(0.0, "", "", str(error))
    return Heard(round(len(y) / duplicates.SR, 4), digest, duplicates.fingerprint(y))


_CRASHED = Heard(0.0, "", "", "the decoder crashed on it")


def hear(
    paths: Sequence[Path], journal: Path, *, n_jobs: int, say: Callable[[str], None]
) -> list[Heard]:
    """Decode each file to its end, hash it and fingerprint it.

    Parameters
    ----------
    paths : sequence of pathlib.Path
    journal : pathlib.Path
        Takes each result as it comes: a killed run goes on from there. A file is known
        again by path, size and time of change.
    n_jobs : int
        Processes.
    say : callable
        Takes a line of progress.

    Returns
    -------
    list of Heard
        In the order of `paths`.
    """
    known = {row.pop("file"): Heard(**row) for row in read_jsonl(journal)}
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
            tasks = [joblib.delayed(_hear)(todo[file]) for file in block]
            found = outlive(joblib.Parallel(n_jobs=n_jobs), tasks, _CRASHED)
            for file, heard in zip(block, found, strict=True):
                known[file] = heard
                out.write(json.dumps({"file": file, **asdict(heard)}, ensure_ascii=False) + "\n")
            out.flush()
            done = start + len(block)
            progress.at(done, f"{done}/{len(todo)} files heard")
    return [known[file] for file in files]


def build(
    entries: Iterable[Entry],
    data: Path,
    folder: Path,
    rejects: Rejects,
    *,
    n_jobs: int,
    say: Callable[[str], None],
    keep_groups: bool = False,
) -> tuple[list[Clip], list[dict[str, Any]]]:
    """Hear labelled tracks, find near-duplicates, and group artists.

    Parameters
    ----------
    entries : iterable of Entry
    data : pathlib.Path
        Paths inside it are written relative to it.
    folder : pathlib.Path
        Keeps what was heard.
    rejects : Rejects
        Takes the rows that cannot be used, one for each corrupt file.
    n_jobs : int
    say : callable
    keep_groups : bool
        Report near-duplicates only; else they are put into one artist group.

    Returns
    -------
    clips : list of Clip
        Sorted by `Clip.track_id`, so that the order of rows does not matter.
    pairs : list of dict
        The near-duplicates.
    """
    named: dict[str, Entry] = {}
    for entry in entries:
        if entry.track_id in named:
            rejects.add(entry.where, f"the id {entry.track_id} comes twice", "name it otherwise")
        else:
            named[entry.track_id] = entry
    kept = [named[track_id] for track_id in sorted(named)]
    heard = hear([entry.path for entry in kept], folder / HEARD, n_jobs=n_jobs, say=say)
    good = []
    for entry, found in zip(kept, heard, strict=True):
        if found.error:
            rejects.add(entry.where, f"{entry.path}: {found.error}", "replace or remove the file")
        else:
            good.append((entry, found))
    kept = [entry for entry, _ in good]
    keys: list[list[str]] = [list(entry.keys) for entry in kept]
    before = artists.join(keys)
    pairs = []
    for pair in duplicates.find([duplicates.words(found.fingerprint) for _, found in good]):
        i, j = pair.first, pair.second
        crosses = before[i] != before[j]
        pairs.append(
            {
                "first": kept[i].track_id,
                "second": kept[j].track_id,
                **{key: getattr(pair, key) for key in ("error", "overlap_s", "lag_s")},
                "across_artists": crosses,
                "labels_differ": kept[i].genres != kept[j].genres,
            }
        )
        if crosses and not keep_groups:
            key = f"same recording {kept[i].track_id}"
            keys[i].append(key)
            keys[j].append(key)
    groups = artists.groups([entry.group for entry in kept], keys)
    clips = [
        Clip(
            track_id=entry.track_id,
            artist_id=group,
            source=entry.source,
            path=_relative(entry.path, data),
            genres=entry.genres,
            confidence=entry.confidence,
            duration_s=found.duration_s,
            sha256=found.sha256,
        )
        for (entry, found), group in zip(good, groups, strict=True)
    ]
    return clips, pairs


def _relative(path: Path, data: Path) -> str:
    path, data = path.absolute(), data.absolute()
    return (path.relative_to(data) if path.is_relative_to(data) else path).as_posix()


def fingerprints(folder: Path, clips: Sequence[Clip]) -> dict[str, str]:
    """Look up what was heard when the manifest was made.

    Parameters
    ----------
    folder : pathlib.Path
        The run's.
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
    known = {row["sha256"]: row["fingerprint"] for row in read_jsonl(folder / HEARD)}
    try:
        return {clip.track_id: known[clip.sha256] for clip in clips}
    except KeyError as error:
        raise FatalError(
            f"{folder / HEARD} lacks clips of the manifest: run the stage `manifest` again"
        ) from error
