"""Shards: every clip's mel power, and its teachers' outputs, on disk.

``mel.raw``
    float16, shape (n_frames of all clips, n_mels): power in dB, time first, so that a
    crop is one contiguous read. Rounding costs at most 0.032 dB: float16 has steps of
    0.0625 dB between 64 and 128 in magnitude. Not relative to any peak: the reference
    is chosen when a crop is drawn, as the product chooses it for a segment.
``sounds.raw``
    float16, shape (n_windows of all clips, 1024): YAMNet's embedding of each 0.96 s.
``tags.npy``
    float32, shape (n_clips, 250): MusiCNN's last hidden layer and tags.
``index.json``
    For each clip its first frame and window, and the fingerprint of what the shards
    were made from; a mismatch refuses to load.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import joblib
import numpy as np

from genretagger import audio
from genretagger.errors import FatalError, GenreTaggerError, TrackError
from genretagger.features import FeatureConfig
from training.arrays import Floats, Halves, Integers
from training.data.clips import Clip
from training.features import mel
from training.features.teachers import SOUNDS_S, SOUNDS_SIZE, embed, musicnn_runner
from training.files import appending, check_room, read_jsonl, sha256, write_jsonl, write_text
from training.networks import musicnn

Extracted = tuple[Halves, Halves, Floats]
"""Of a clip: mel power, YAMNet's embeddings, MusiCNN's values."""

_BLOCK = 64  # clips that wait in memory at most: about 0.5 GB
_SAVE_S = 5.0  # after so long what waits is written: a killed run loses no more


@dataclass(frozen=True)
class Shards:
    """The cached features of a manifest.

    Attributes
    ----------
    mel : numpy.ndarray, shape (n_frames, n_mels), float16
        Power in dB, a memory map.
    frames : numpy.ndarray, shape (n_clips + 1,), int64
        Clip ``i`` has the frames ``frames[i]`` to ``frames[i + 1]``.
    sounds : numpy.ndarray, shape (n_windows, 1024), float16, or None
        YAMNet's embeddings; None if the shards were made without it.
    windows : numpy.ndarray, shape (n_clips + 1,), int64
        As `frames`, for `sounds`.
    tags : numpy.ndarray, shape (n_clips, 250), float32, or None
        MusiCNN's values; None if the shards were made without it.
    sha256 : str
        The fingerprint of what they were made from.
    teachers : mapping of str to str or None
        The hash of each teacher's file; None if the shards were made without it.
    """

    mel: Halves
    frames: Integers
    sounds: Halves | None
    windows: Integers
    tags: Floats | None
    sha256: str = ""
    teachers: Mapping[str, str | None] = field(default_factory=dict)

    def n_frames(self, clip: int) -> int:
        """Count the frames of a clip."""
        return int(self.frames[clip + 1] - self.frames[clip])

    def segment(self, clip: int, start: int, n_frames: int) -> Floats:
        """Read a segment of a clip; a clip that ends before it is repeated from its start.

        Never padded with silence, as in `genretagger.audio.fit_length`: the length of a clip
        tells which source it is from.

        Parameters
        ----------
        clip : int
            Index in the manifest.
        start : int
            First frame, counted from the clip's own first one.
        n_frames : int

        Returns
        -------
        numpy.ndarray, shape (n_frames, n_mels), float32
            Power in dB, relative to nothing.
        """
        index = (start + np.arange(n_frames)) % self.n_frames(clip)
        return np.asarray(self.mel[int(self.frames[clip]) + index], dtype=np.float32)


def _extract(
    path: Path,
    expected_sha256: str,
    config: FeatureConfig,
    bank: Floats,
    teachers: tuple[Path | None, Path | None],
) -> Extracted:
    """Decode a clip, and compute its mel power, sounds and tags."""
    yamnet, wheel = teachers
    again = "run the stage `manifest` again"
    try:
        # labels were given to other sound: the manifest's hash says to which
        if expected_sha256 and sha256(path) != expected_sha256:
            raise FatalError(f"{path} has changed since the manifest was made: {again}")
        y = audio.decode_whole(path, config.sr)
    except (OSError, TrackError) as error:
        raise FatalError(f"{path}: {error}; {again}, which leaves it out") from error
    db = mel.decibels(y, config, bank)
    sounds = np.empty((0, SOUNDS_SIZE), np.float16)
    tags = np.empty(0, np.float32)
    if yamnet is not None:
        sounds = embed(y, yamnet)
    if wheel is not None:
        by_patch = [musicnn_runner(wheel)(patch[None]) for patch in musicnn.patches(y)]
        tags = np.concatenate(by_patch).mean(axis=0)
    return np.ascontiguousarray(db.astype(np.float16)), sounds, tags


def fingerprint(
    manifest_sha256: str, config: FeatureConfig, teachers: dict[str, str | None]
) -> str:
    """Hash everything that shards depend on, in hex."""
    parts = [manifest_sha256, asdict(config), teachers]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _cut(path: Path, size: int) -> BinaryIO:
    """Open a file to append to, without what a killed run wrote beyond `size` bytes."""
    with path.open("ab") as file:
        file.truncate(size)
    return path.open("ab")


class _Unfinished:
    """Shards that are being made: their files, and a journal of the clips that are complete.

    Parameters
    ----------
    folder : pathlib.Path
        Where the shards will go.
    made_from : str
        Their fingerprint; what a killed run left is used only if it has the same.
    row_bytes : (int, int, int)
        Of a frame, of a window, of a clip's tags.
    """

    def __init__(self, folder: Path, made_from: str, row_bytes: tuple[int, int, int]) -> None:
        self._target, self._folder = folder, folder.with_name(folder.name + ".part")
        self._made_from, self._journal = made_from, self._folder / "journal.jsonl"
        self._row_bytes = row_bytes
        lines = read_jsonl(self._journal)
        if not lines or lines[0] != {"fingerprint": made_from}:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            lines = [{"fingerprint": made_from}]
            write_jsonl(self._journal, lines)
        sizes = [pair for line in lines[1:] for pair in line["clips"]]
        self.frames = [0, *accumulate(n_frames for n_frames, _ in sizes)]
        self.windows = [0, *accumulate(n_windows for _, n_windows in sizes)]

    @property
    def n_done(self) -> int:
        """Clips that are complete."""
        return len(self.frames) - 1

    @contextmanager
    def writing(self) -> Iterator[Callable[[Iterable[Extracted]], None]]:
        """Open the files; the function that is given appends a block of clips to them."""
        sizes = (self.frames[-1], self.windows[-1], self.n_done)
        with ExitStack() as stack:
            files = [
                stack.enter_context(_cut(self._folder / name, size * row))
                for name, size, row in zip(
                    ("mel.raw", "sounds.raw", "tags.raw"), sizes, self._row_bytes, strict=True
                )
            ]
            journal = stack.enter_context(appending(self._journal))

            def append(block: Iterable[Extracted]) -> None:
                lengths = []
                for power, sounds, tags in block:
                    parts = (power.tobytes(), sounds.tobytes(), tags.tobytes())
                    for file, part in zip(files, parts, strict=True):
                        file.write(part)
                    self.frames.append(self.frames[-1] + len(power))
                    self.windows.append(self.windows[-1] + len(sounds))
                    lengths.append([len(power), len(sounds)])
                # the journal's line last: what it does not count is cut off by the next run
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
                journal.write(json.dumps({"clips": lengths}) + "\n")
                journal.flush()

            yield append

    def finish(self, teachers: dict[str, str | None]) -> None:
        """Write the index, and put the shards in their place."""
        tags = np.fromfile(self._folder / "tags.raw", dtype=np.float32)
        np.save(self._folder / "tags.npy", tags.reshape(self.n_done, self._row_bytes[2] // 4))
        index = {
            "fingerprint": self._made_from,
            "teachers": teachers,
            "frames": self.frames,
            "windows": self.windows,
        }
        write_text(self._folder / "index.json", json.dumps(index))
        # only now: until here a disk that is full costs nothing that was done
        self._journal.unlink()
        (self._folder / "tags.raw").unlink()
        shutil.rmtree(self._target, ignore_errors=True)
        self._folder.rename(self._target)


def _blocks(
    results: Iterable[Extracted], append: Callable[[Iterable[Extracted]], None]
) -> Iterator[list[Extracted]]:
    """Put clips together until they are many or some seconds are over; an error loses none."""
    block: list[Extracted] = []
    began_s = time.monotonic()
    try:
        for extracted in results:
            block.append(extracted)
            if len(block) == _BLOCK or time.monotonic() - began_s > _SAVE_S:
                yield block
                block, began_s = [], time.monotonic()
    except GenreTaggerError:
        append(block)
        raise
    if block:
        yield block


@contextmanager
def _closing(results: Generator[Extracted]) -> Iterator[None]:
    """Close what joblib yields without its warning of work in vain: an error has said more."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* tasks .* not used", UserWarning)
            results.close()


def _is_made(folder: Path, made_from: str) -> bool:
    """Tell whether the shards are there, whole and made from the same."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(index["fingerprint"] == made_from)


def build(
    folder: Path,
    clips: Sequence[Clip],
    data: Path,
    config: FeatureConfig,
    *,
    manifest_sha256: str,
    yamnet: Path | None,
    musicnn_wheel: Path | None,
    n_jobs: int,
) -> Iterator[int]:
    """Extract and write the shards, in bounded memory; a killed run resumes, a whole one rests.

    Parameters
    ----------
    folder : pathlib.Path
        Where the shards go; replaced if it holds others.
    clips : sequence of Clip
    data : pathlib.Path
        The folder that `Clip.path` is relative to.
    config : FeatureConfig
    manifest_sha256 : str
        Of the manifest that `clips` come from.
    yamnet, musicnn_wheel : pathlib.Path or None
        The teachers; without them there is nothing to learn from but labels.
    n_jobs : int
        Processes.

    Yields
    ------
    int
        Clips done so far.

    Raises
    ------
    FatalError
        If a clip's file is no longer the one that the manifest's hash is of, or cannot be
        decoded any more, or the disk lacks the room.
    """
    teachers = {
        name: None if path is None else sha256(path)
        for name, path in (("yamnet", yamnet), ("musicnn", musicnn_wheel))
    }
    n_tags = 0 if musicnn_wheel is None else musicnn.SIZE
    row_bytes = (config.n_mels * 2, SOUNDS_SIZE * 2, n_tags * 4)
    made_from = fingerprint(manifest_sha256, config, teachers)
    if _is_made(folder, made_from):
        yield len(clips)
        return
    unfinished = _Unfinished(folder, made_from, row_bytes)
    bank = mel.filterbank(config)
    left_s = sum(clip.duration_s for clip in clips[unfinished.n_done :])
    per_s = config.sr / config.hop_length * row_bytes[0]
    per_s += 0 if yamnet is None else row_bytes[1] / SOUNDS_S
    check_room(folder, left_s * per_s, "free some, or choose another --run")
    tasks = (
        joblib.delayed(_extract)(
            data / clip.path, clip.sha256, config, bank, (yamnet, musicnn_wheel)
        )
        for clip in clips[unfinished.n_done :]
    )
    results = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    with unfinished.writing() as append, _closing(results):
        for block in _blocks(results, append):
            append(block)
            yield unfinished.n_done
    unfinished.finish(teachers)


def read(folder: Path, config: FeatureConfig, *, manifest_sha256: str) -> Shards:
    """Open shards.

    Raises
    ------
    FatalError
        If they are missing, or were made from another manifest or with other features.
    """
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{folder} holds no shards: run the stage `shards` first") from error
    teachers = index["teachers"]
    if index["fingerprint"] != fingerprint(manifest_sha256, config, teachers):
        raise FatalError(f"{folder} was made from other data: run the stage `shards` again")
    frames, windows = np.array(index["frames"]), np.array(index["windows"])
    shape = (int(frames[-1]), config.n_mels)
    power = np.memmap(folder / "mel.raw", dtype=np.float16, mode="r", shape=shape)
    sounds = tags = None
    if teachers["yamnet"] is not None:
        shape = (int(windows[-1]), SOUNDS_SIZE)
        sounds = np.memmap(folder / "sounds.raw", dtype=np.float16, mode="r", shape=shape)
    if teachers["musicnn"] is not None:
        tags = np.load(folder / "tags.npy")
    return Shards(power, frames, sounds, windows, tags, index["fingerprint"], teachers)
