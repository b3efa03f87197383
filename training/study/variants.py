"""Shards of the grid: examples of any of the 24 variants, on disk, in bounded memory.

A store is a folder with one file for each kind and length that was asked for, and an index:

``mel-30s.f16`` and the like
    Records of one size, one after the other: float16, shape (rows, frames, channels).
    Rounding costs at most a 2048th of a value: 0.03 dB of a mel band, whose values lie in
    [-80, 0] dB. A variant without derivatives reads the first channel, one without copies
    leaves the copies' records out, so that all 24 need six files.
``rows.jsonl``
    One line for each track of the manifest that is done, in order: how many copies it has, or
    why it was rejected. Written after its records: what a killed run left half written lies
    behind the last line, and is cut off by the next run, which resumes from there.
``rejects.tsv``
    The rejected rows again, for people, with what to do.
``meta.json``
    What the store was made from; a mismatch refuses to resume and to load.

A record's place follows from the rows before it, so a batch is a few reads at known places. It
is read, not mapped: a map's pages count as the process's memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import joblib
import numpy as np

from genretagger.errors import FatalError
from training.arrays import Floats, Halves, Integers
from training.crashes import outlive
from training.data.clips import Clip
from training.files import check_room, write_text
from training.study import extract
from training.study.grid import N_COPIES, GridConfig, Variant, parse

_CRASHED = "the decoder crashed on it: get another copy, or leave it out"
_BLOCK = 4  # tracks in flight for each worker: at 44.1 kHz all six files of one take 20 MB
_MARGIN_BYTES = 500_000_000  # left free on the disk for everybody else


# ---- Writing ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    """Which files a store has, and where a track's records are."""

    files: tuple[Variant, ...]  # not augmented: copies are more records of the same file
    config: GridConfig

    @classmethod
    def of(cls, variants: Sequence[Variant], config: GridConfig) -> _Layout:
        deltas = any(v.deltas for v in variants)
        kinds = {(v.mfcc, v.seconds) for v in variants}
        files = (Variant(mfcc, deltas, False, s) for mfcc, s in sorted(kinds, reverse=True))
        return cls(tuple(files), config)

    def path(self, folder: Path, file: Variant) -> Path:
        return folder / f"{'mfcc' if file.mfcc else 'mel'}-{file.seconds}s.f16"

    def record_bytes(self, file: Variant) -> int:
        return int(np.prod(file.shape_in(self.config))) * 2

    def track_bytes(self, n_copies: int) -> int:
        return n_copies * sum(file.n_parts * self.record_bytes(file) for file in self.files)


def _rows(folder: Path) -> list[dict[str, Any]]:
    """Read what is done; a last line that a kill cut short is none."""
    try:
        lines = (folder / "rows.jsonl").read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def n_done(folder: Path) -> int:
    """Count the tracks of a store that are done, rejected ones too."""
    return len(_rows(folder))


def _meta(clips: Sequence[Clip], layout: _Layout, copied: Sequence[bool]) -> dict[str, Any]:
    about = [[clip.track_id, clip.path, clip.sha256] for clip in clips]
    return {
        "format": 1,
        "clips": hashlib.sha256(json.dumps(about).encode()).hexdigest(),
        "copied": hashlib.sha256(bytes(copied)).hexdigest(),
        "config": asdict(layout.config),
        "files": [file.id for file in layout.files],
    }


@contextlib.contextmanager
def _parallel(n_jobs: int, cluster: str | None) -> Iterator[Any]:
    if cluster is None:
        yield joblib.Parallel(n_jobs=n_jobs)  # not entered: its workers are replaced if they die
        return
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise FatalError("--cluster needs Dask: pip install 'genretagger[cluster]'") from error
    try:
        client = Client(cluster, timeout="20s")  # type: ignore[no-untyped-call,unused-ignore]
    except (OSError, TimeoutError, ValueError) as error:
        raise FatalError(f"no Dask scheduler answers at {cluster}: start one there") from error
    with client, joblib.parallel_config(backend="dask"), joblib.Parallel() as parallel:
        yield parallel


def build(
    folder: Path,
    clips: Sequence[Clip],
    data: Path,
    variants: Sequence[Variant],
    config: GridConfig,
    *,
    copied: Sequence[bool],
    n_jobs: int,
    cluster: str | None = None,
) -> Iterator[tuple[int, int]]:
    """Extract and write the examples; a killed build resumes where it stopped.

    Parameters
    ----------
    folder : pathlib.Path
        The store; begun, whole or not there.
    clips : sequence of Clip
    data : pathlib.Path
        The folder that `Clip.path` is relative to.
    variants : sequence of Variant
        All are made in one pass over the audio.
    config : GridConfig
    copied : sequence of bool, length n_clips
        Which tracks get copies if a variant is augmented: those of the training part.
    n_jobs : int
        Processes on this machine.
    cluster : str, optional
        Address of a Dask scheduler that works instead; its workers see `data` under the
        same path.

    Yields
    ------
    n_done, n_rejected : int
        Tracks.

    Raises
    ------
    FatalError
        If the folder holds other shards, or the disk lacks the room.
    """
    augmented = any(variant.augmented for variant in variants)
    copied = [bool(c) and augmented for c in copied]
    layout = _Layout.of(variants, config)
    meta = _meta(clips, layout, copied)
    path = folder / "meta.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != meta:
        raise FatalError(
            f"{folder} was made from other data or settings: remove it, or use another folder"
        )
    rows = _rows(folder)
    n_copies = [N_COPIES if c else 1 for c in copied]
    needed = sum(layout.track_bytes(n) for n in n_copies[len(rows) :])
    if needed:
        remedy = "make fewer variants at a time, or use another disk"
        check_room(folder, needed + _MARGIN_BYTES, remedy)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(meta, indent=1) + "\n")
    n_rejected = sum("rejected" in row for row in rows)
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context((folder / "rows.jsonl").open("ab"))
        journal.truncate(sum(len(json.dumps(row)) + 1 for row in rows))
        written = sum(row.get("copies", 0) for row in rows)
        files = []
        for file in layout.files:
            records = stack.enter_context(layout.path(folder, file).open("ab"))
            records.truncate(written * file.n_parts * layout.record_bytes(file))
            files.append(records)
        if len(rows) < len(clips):
            parallel = stack.enter_context(_parallel(n_jobs, cluster))
            step = _BLOCK * joblib.effective_n_jobs(parallel.n_jobs)
            for start in range(len(rows), len(clips), step):
                block = range(start, min(start + step, len(clips)))
                tasks = [
                    joblib.delayed(extract.extract_track)(
                        data / clips[i].path, clips[i].track_id, n_copies[i], layout.files, config
                    )
                    for i in block
                ]
                results: list[list[bytes] | str] = outlive(parallel, tasks, _CRASHED)
                n_rejected += _append(journal, files, [n_copies[i] for i in block], results)
                yield block.stop, n_rejected
    _write_rejects(folder, clips)


def _append(
    journal: BinaryIO,
    files: Sequence[BinaryIO],
    n_copies: Sequence[int],
    results: Sequence[list[bytes] | str],
) -> int:
    """Write a block: the records, and then the rows that vouch for them."""
    lines: list[dict[str, int | str]] = []
    for n, records in zip(n_copies, results, strict=True):
        if isinstance(records, str):
            lines.append({"rejected": records})
            continue
        lines.append({"copies": n})
        for file, part in zip(files, records, strict=True):
            file.write(part)
    for file in files:
        file.flush()
        os.fsync(file.fileno())
    journal.write("".join(json.dumps(line) + "\n" for line in lines).encode())
    journal.flush()
    os.fsync(journal.fileno())
    return sum("rejected" in line for line in lines)


def _write_rejects(folder: Path, clips: Sequence[Clip]) -> None:
    lines = ["row\ttrack_id\tpath\treason\n"]
    for i, (clip, row) in enumerate(zip(clips, _rows(folder), strict=True), start=1):
        if "rejected" in row:
            lines.append(f"{i}\t{clip.track_id}\t{clip.path}\t{row['rejected']}\n")
    write_text(folder / "rejects.tsv", "".join(lines))


# ---- Reading ---------------------------------------------------------------------------------


class Examples:
    """The examples of one variant in a store.

    Attributes
    ----------
    track : numpy.ndarray, shape (n_examples,), int64
        Row of the manifest.
    copy : numpy.ndarray, shape (n_examples,), int64
        0 the track itself, 1 pitch-shifted, 2 noisy.
    shape : tuple of int
        Rows, frames, channels.
    """

    def __init__(
        self, path: Path, variant: Variant, stored: tuple[int, int, int], rows: Sequence[int]
    ) -> None:
        self._path, self._stored = path, stored
        self.variant = variant
        self.shape = (*stored[:2], variant.n_channels)
        self._bytes = int(np.prod(stored)) * 2
        first = [0, *accumulate(rows)]
        places = [
            (track, copy, (first[track] + copy) * variant.n_parts + part)
            for track, n in enumerate(rows)
            for copy in range(n if variant.augmented else min(n, 1))
            for part in range(variant.n_parts)
        ]
        self.track, self.copy, self._record = np.array(places, dtype=np.int64).reshape(-1, 3).T

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.track)

    def read(self, indices: Sequence[int] | Integers) -> Halves:
        """Read some examples, in any order.

        Returns
        -------
        numpy.ndarray, shape (n, rows, frames, channels), float16
        """
        batch = np.empty((len(indices), *self._stored), dtype=np.float16)
        with self._path.open("rb", buffering=0) as file:
            for example, i in zip(batch, indices, strict=True):
                file.seek(int(self._record[i]) * self._bytes)
                left = memoryview(example.data).cast("B")
                while left:
                    n = file.readinto(left)
                    if not n:
                        raise FatalError(f"{self._path} ends early: run the stage `shards` again")
                    left = left[n:]
        return batch[..., : self.shape[2]]

    def batches(
        self,
        targets: Floats,
        indices: Integers,
        batch_size: int,
        *,
        rng: np.random.Generator | None = None,
        n: int | None = None,
    ) -> Iterator[tuple[Floats, Floats]]:
        """Read batches, in order or in a random one.

        Any two examples can be neighbours: a read is at a computed place, so shuffling
        needs no buffer.

        Parameters
        ----------
        targets : numpy.ndarray, shape (n_tracks, n_targets), float32
            By row of the manifest.
        indices : numpy.ndarray, int64
            Which examples.
        batch_size : int
        rng : numpy.random.Generator, optional
            Shuffles.
        n : int, optional
            Stop after so many examples.

        Yields
        ------
        x : numpy.ndarray, shape (n, rows, frames, channels), float32
        y : numpy.ndarray, shape (n, n_targets), float32
        """
        order = np.asarray(indices if rng is None else rng.permutation(indices))[:n]
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            yield self.read(part).astype(np.float32), targets[self.track[part]]


def read(folder: Path, clips: Sequence[Clip], variant: Variant, config: GridConfig) -> Examples:
    """Open one variant of a store.

    Raises
    ------
    FatalError
        If the store is missing or unfinished, was made from other data or settings, or
        lacks this variant.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(
            f"{folder} holds no shards: run `python -m training shards --variant {variant.id}`"
        ) from error
    rows = _rows(folder)
    if len(rows) < len(clips):
        raise FatalError(
            f"{folder} has {len(rows)} of {len(clips)} tracks: run the stage `shards` to its end"
        )
    counts = [row.get("copies", 0) for row in rows]
    files = {(f.mfcc, f.seconds): f for f in map(parse, meta["files"])}
    file = files.get((variant.mfcc, variant.seconds))
    lacks_copies = variant.augmented and max(counts, default=0) < N_COPIES
    if file is None or lacks_copies or (variant.deltas and not file.deltas):
        raise FatalError(
            f"{folder} lacks {variant.id}: run `python -m training shards --variant {variant.id}` "
            "with another --run"
        )
    layout = _Layout(tuple(files.values()), config)
    expected = _meta(clips, layout, [n > 1 for n in counts])
    if any(meta[key] != expected[key] for key in ("format", "clips", "config")):
        raise FatalError(f"{folder} was made from other data: run the stage `shards` again")
    return Examples(layout.path(folder, file), variant, file.shape_in(config), counts)
