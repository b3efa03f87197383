"""Lessons for distillation: outputs of two networks for the same patches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np

from training.arrays import Floats, Halves
from training.config import CompactConfig
from training.files import write_text
from training.learn.patches import Patches
from training.networks import body, litert, musicnn
from training.networks.low_rank import front
from training.progress import Progress

if TYPE_CHECKING:
    import keras

_BLOCK = 250  # patches between two saves
_DRAWN_BY = ("mixed_share", "tilt_db", "bandlimit_share", "pitch_semitones", "seed")


@dataclass(frozen=True)
class Lesson:
    """Inputs and targets of distillation, from the same patches.

    Attributes
    ----------
    inputs : numpy.ndarray, shape (n_patches, n_frames / time_stride, body.N_FRONT), float16
        Outputs of the smaller network's filters; a memory map.
    targets : numpy.ndarray, shape (n_patches, 250), float32
        Outputs of the large network; a memory map.
    """

    inputs: np.memmap[Any, np.dtype[np.float16]]
    targets: np.memmap[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Pair:
    """Both networks, in a form that can be pickled.

    Attributes
    ----------
    config : CompactConfig
    weights : list of numpy.ndarray
        The smaller one's, with the filters that it will have.
    wheel : pathlib.Path
        MusiCNN's, for `body.load`.
    """

    config: CompactConfig
    weights: list[Floats]
    wheel: Path

    def small(self) -> keras.Model:
        """Build the smaller one."""
        small = body.build(self.config)
        small.set_weights(self.weights)
        return small


_runners: dict[str, tuple[Any, Any]] = {}  # of this process, by stamp


def _predict(
    pair: Pair, stamp: str, patches: Patches, seed: Sequence[int], n: int
) -> tuple[Halves, Floats]:
    """Draw patches, and run the smaller network's filters and the large network on them."""
    rng = np.random.default_rng(seed)
    x = [patches.draw(rng)[None] for _ in range(n)]
    if stamp not in _runners:
        shape = x[0].shape
        large = body.load(pair.wheel)
        both = litert.runner(front(pair.small()), shape), litert.runner(large, shape)
        _runners.clear()
        _runners[stamp] = both
    run_front, run_large = _runners[stamp]
    inputs = np.concatenate([run_front(patch) for patch in x]).astype(np.float16)
    return inputs, np.concatenate([run_large(patch) for patch in x])


def prepare(
    folder: Path,
    pair: Pair,
    patches: Patches,
    n_patches: int,
    *,
    made_from: str,
    n_jobs: int,
    say: Callable[[str], None],
) -> Lesson:
    """Draw patches and run both networks on them, once; a killed run resumes.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps the lesson.
    pair : Pair
    patches : Patches
    n_patches : int
    made_from : str
        Names what the patches are drawn from; part of their seed.
    n_jobs : int
        Processes.
    say : callable
        Takes a line of progress.

    Returns
    -------
    Lesson
    """
    # how it is learned afterwards is no part of a lesson
    drawn = [made_from, n_patches, *(getattr(pair.config, key) for key in _DRAWN_BY)]
    weights = b"".join(w.tobytes() for w in pair.weights)
    stamp = hashlib.sha256(json.dumps(drawn).encode() + weights).hexdigest()
    journal = folder / "journal.json"
    done = _n_done(journal, stamp)
    folder.mkdir(parents=True, exist_ok=True)
    n_frames = -(-musicnn.N_FRAMES // pair.config.time_stride)
    lesson = Lesson(
        _map(
            folder / "heard.npy", (n_patches, n_frames, body.N_FRONT), np.float16, resume=done > 0
        ),
        _map(folder / "said.npy", (n_patches, musicnn.SIZE), np.float32, resume=done > 0),
    )
    progress = Progress(max(1, n_patches - done), say)
    starts = range(done, n_patches, _BLOCK)
    with joblib.Parallel(n_jobs=n_jobs, return_as="generator") as parallel:
        blocks = parallel(
            joblib.delayed(_predict)(
                pair,
                stamp,
                patches,
                [pair.config.seed, int(stamp[:8], 16), start],
                min(_BLOCK, n_patches - start),
            )
            for start in starts
        )
        for start, (inputs, targets) in zip(starts, blocks, strict=True):
            end = start + len(inputs)
            lesson.inputs[start:end], lesson.targets[start:end] = inputs, targets
            lesson.inputs.flush()
            lesson.targets.flush()
            write_text(journal, json.dumps({"stamp": stamp, "done": end}))
            progress.at(end - done, f"{end}/{n_patches} patches predicted")
    return lesson


def _n_done(journal: Path, stamp: str) -> int:
    """Count the patches that a killed run left, unless they are of another lesson."""
    if not journal.exists():
        return 0
    before = json.loads(journal.read_text(encoding="utf-8"))
    return int(before["done"]) if before["stamp"] == stamp else 0


def _map(path: Path, shape: tuple[int, ...], kind: type, *, resume: bool) -> Any:
    return np.lib.format.open_memmap(path, "r+" if resume else "w+", dtype=kind, shape=shape)
