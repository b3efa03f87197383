"""What both networks heard in the same patches."""

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
    """What both networks heard in the same patches.

    Attributes
    ----------
    heard : numpy.ndarray, shape (n_patches, n_frames / time_stride, transfer.N_FRONT), float16
        By the smaller one's filters; a memory map.
    said : numpy.ndarray, shape (n_patches, 250), float32
        By the large one; a memory map.
    """

    heard: Any
    said: Any


@dataclass(frozen=True)
class Pair:
    """Both networks, in a form that a process can be handed.

    Attributes
    ----------
    config : CompactConfig
    weights : list of numpy.ndarray
        The smaller one's, with the filters that it will have.
    wheel : pathlib.Path
        MusiCNN's, for `body.load_body`.
    """

    config: CompactConfig
    weights: list[Floats]
    wheel: Path

    def small(self) -> keras.Model:
        """Build the smaller one."""
        small = body.body(self.config)
        small.set_weights(self.weights)
        return small


_runners: dict[str, tuple[Any, Any]] = {}  # of this process, by stamp


def _hear(
    pair: Pair, stamp: str, patches: Patches, seed: Sequence[int], n: int
) -> tuple[Halves, Floats]:
    """Draw patches, and let both networks hear them."""
    rng = np.random.default_rng(seed)
    x = [patches.draw(rng)[None] for _ in range(n)]
    if stamp not in _runners:
        shape = x[0].shape
        large = body.load_body(pair.wheel)
        both = litert.runner(front(pair.small()), shape), litert.runner(large, shape)
        _runners.clear()
        _runners[stamp] = both
    hear, tell = _runners[stamp]
    heard = np.concatenate([hear(patch) for patch in x]).astype(np.float16)
    return heard, np.concatenate([tell(patch) for patch in x])


def listen(
    folder: Path,
    pair: Pair,
    patches: Patches,
    n_patches: int,
    *,
    made_from: str,
    n_jobs: int,
    say: Callable[[str], None],
) -> Lesson:
    """Draw patches, and let both networks hear them once; a killed run goes on.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps what was heard.
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
    # how it is learned afterwards is no part of what is heard
    drawn = [made_from, n_patches, *(getattr(pair.config, key) for key in _DRAWN_BY)]
    weights = b"".join(w.tobytes() for w in pair.weights)
    stamp = hashlib.sha256(json.dumps(drawn).encode() + weights).hexdigest()
    n_frames = -(-musicnn.N_FRAMES // pair.config.time_stride)
    shapes = {
        "heard": ((n_patches, n_frames, body.N_FRONT), np.float16),
        "said": ((n_patches, musicnn.SIZE), np.float32),
    }
    journal = folder / "journal.json"
    done = 0
    if journal.exists():
        before = json.loads(journal.read_text(encoding="utf-8"))
        done = before["done"] if before["stamp"] == stamp else 0
    folder.mkdir(parents=True, exist_ok=True)
    maps = {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", "r+" if done else "w+", dtype=kind, shape=shape
        )
        for name, (shape, kind) in shapes.items()
    }
    progress = Progress(max(1, n_patches - done), say)
    starts = range(done, n_patches, _BLOCK)
    with joblib.Parallel(n_jobs=n_jobs, return_as="generator") as parallel:
        blocks = parallel(
            joblib.delayed(_hear)(
                pair,
                stamp,
                patches,
                [pair.config.seed, int(stamp[:8], 16), start],
                min(_BLOCK, n_patches - start),
            )
            for start in starts
        )
        for start, (heard, said) in zip(starts, blocks, strict=True):
            end = start + len(heard)
            maps["heard"][start:end], maps["said"][start:end] = heard, said
            for each in maps.values():
                each.flush()
            write_text(journal, json.dumps({"stamp": stamp, "done": end}))
            progress.at(end - done, f"{end}/{n_patches} patches heard")
    return Lesson(maps["heard"], maps["said"])
