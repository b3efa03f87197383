"""Protocols: which examples are for training, for choosing thresholds, and for measuring.

Protocols
---------
shuffled
    The report's: all examples, copies too, are shuffled and then split. Parts and copies of
    one track are on both sides.
tracks
    Tracks are shuffled: parts and copies of a track stay together; an artist's other tracks
    may be on the other side.
artists
    Ours: artist groups stay together (`training.data.split`).

Under "tracks" and "artists" copies are for training alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from genretagger.errors import FatalError
from training.arrays import Integers
from training.data import split
from training.data.clips import Clip, with_splits
from training.study import variants
from training.study.config import StudyConfig
from training.study.grid import N_COPIES

PROTOCOLS = ("shuffled", "tracks", "artists")


def eligible(clips: Sequence[Clip], config: StudyConfig) -> list[Clip]:
    """Choose the clips that are long enough: nothing is padded or repeated."""
    chosen = [clip for clip in clips if clip.duration_s >= config.features.least_s]
    if not chosen:
        raise FatalError(
            f"no track of the manifest is {config.features.least_s:.1f} s long: see "
            "least_s in the grid's TOML"
        )
    return chosen


def training_part(clips: Sequence[Clip], config: StudyConfig) -> list[bool]:
    """Tell which clips are for training by artist: those that get copies."""
    held_out = [*config.split.test, *config.split.validation]
    return [fold not in held_out for fold in _folds(clips, config).tolist()]


def check(clips: Sequence[Clip], config: StudyConfig) -> None:
    """Refuse folds by artist of which the figures would mean nothing; see `split.check`.

    A genre with fewer than `least_positives` tracks in the test part is not measured there, and
    so need not be on both sides: that of few artists cannot be in every fold.
    """
    parts = dict.fromkeys(config.split.test, split.TEST)
    parts |= dict.fromkeys(config.split.validation, split.VALIDATION)
    names = [parts.get(fold, split.TRAIN) for fold in _folds(clips, config).tolist()]
    parted = with_splits(clips, names)
    n_test = Counter(g for clip in parted if clip.split == split.TEST for g in clip.genres)
    measured = {g for g, n in n_test.items() if n >= config.evaluate.least_positives}
    if not measured:
        raise FatalError(
            f"no genre has {config.evaluate.least_positives} tracks in the test part: get more "
            f"tracks, or see least_positives in the grid's TOML\n\n{split.counts(parted)}"
        )
    split.check(
        [replace(clip, genres=tuple(g for g in clip.genres if g in measured)) for clip in parted]
    )


def _folds(clips: Sequence[Clip], config: StudyConfig) -> Integers:
    large_sets = config.split.large_sets
    return split.fold_of(clips, split.assign(clips, config.split.n_folds, large_sets=large_sets))


@dataclass(frozen=True)
class Parts:
    """Indices of the examples to train on, to choose thresholds on, and to measure."""

    train: Integers
    validation: Integers
    test: Integers


def divide(
    examples: variants.Examples,
    clips: Sequence[Clip],
    config: StudyConfig,
    protocol: str,
    fold: int = 0,
) -> Parts:
    """Split the examples of a variant by a protocol.

    Parameters
    ----------
    examples : Examples
    clips : sequence of Clip
    config : StudyConfig
    protocol : str
    fold : int
        By "artists", how often test and validation are moved on to other folds.

    Returns
    -------
    Parts
        The same shares of tracks by every protocol.
    """
    shares = np.array(
        [len(config.split.test), len(config.split.test) + len(config.split.validation)]
    )
    shares = shares / config.split.n_folds
    rng = np.random.default_rng(config.train.seed)
    tracks = np.unique(examples.track)
    n_copies = N_COPIES if examples.variant.augmented else 1
    if protocol != "artists" and len(examples) < n_copies * len(tracks) * examples.variant.n_parts:
        raise FatalError(
            f"{protocol} needs copies of every track: run `shards` again with --copy-all "
            "and another --run"
        )
    if protocol == "shuffled":
        order = rng.permutation(len(examples))
        first, second = np.round(shares * len(order)).astype(int)
        return Parts(order[second:], order[first:second], order[:first])
    part = np.full(len(clips), 2)  # 0 test, 1 validation, 2 training
    if protocol == "tracks":
        order = rng.permutation(tracks)
        first, second = np.round(shares * len(order)).astype(int)
        part[order[:first]], part[order[first:second]] = 0, 1
    elif protocol == "artists":
        folds, split_config = _folds([clips[i] for i in tracks], config), config.split.rotated(fold)
        part[tracks[np.isin(folds, split_config.test)]] = 0
        part[tracks[np.isin(folds, split_config.validation)]] = 1
    else:
        raise FatalError(f"no protocol {protocol!r}: there are {', '.join(PROTOCOLS)}")
    part_of, original = part[examples.track], examples.copy == 0
    return Parts(
        np.flatnonzero(part_of == 2),
        np.flatnonzero((part_of == 1) & original),
        np.flatnonzero((part_of == 0) & original),
    )
