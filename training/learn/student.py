"""Fitting a student to its teacher, layer by layer, in closed form, on free music.

Function matching (Beyer et al., "Knowledge distillation: a good teacher is patient and
consistent", CVPR 2022) of hidden layers (Romero et al., "FitNets", ICLR 2015): what a unit of
the teacher hears before it rectifies it is linear in what it looks at, and so the student's
units follow by ridge regression from what the student's layer below passes on. A layer with a
bottleneck is a reduced-rank regression (Izenman, "Reduced-rank regression for the multivariate
linear model", Journal of Multivariate Analysis, 1975). No label plays a part, no gradient, and
no clip that is measured; the whole takes minutes.

The first layer copies nobody: its filters lie evenly spread over the 3 by 3 patches of music,
after these are made uncorrelated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger.errors import FatalError
from genretagger.features import FeatureConfig
from training.arrays import Floats, Halves, Integers, Numbers
from training.config import StudentConfig
from training.features import corpus
from training.features.mel import under_peak
from training.files import write_text
from training.networks import fcn, student
from training.networks.student import Shape

if TYPE_CHECKING:
    import keras

EXPLAINED = "explained.json"
_BATCH = 8  # segments at a time
_HELD_OUT = 20  # every 20th segment is never learned from
_PATCH = 9  # places that a unit looks at
_REGULARISED = 1e-5  # of the mean variance of what units look at
_NOISE = 1e-3  # of the largest variance of a patch: directions below are hardly music
_ACTIVE = (0.2, 0.7)  # shares of the places at which filters of the first layer respond
_STEPS = 300  # in which directions move apart
_STEP = 0.05


def weights(folder: Path) -> Path:
    """Name the file of a student's weights."""
    return folder / "student.weights.h5"


@dataclass
class _Moments:
    """Sums over patches `x`, with a one behind their values, and what units hear there, `y`."""

    xx: Numbers = field(default_factory=lambda: np.zeros(()))
    xy: Numbers = field(default_factory=lambda: np.zeros(()))
    yy: Numbers = field(default_factory=lambda: np.zeros(()))
    n: int = 0

    def add(self, x: Floats, y: Floats) -> None:
        wide = np.pad(x, ((0, 0), (0, 1)), constant_values=1).astype(np.float64)
        deep = y.astype(np.float64)
        self.xx = self.xx + wide.T @ wide
        self.xy = self.xy + wide.T @ deep
        self.yy = self.yy + (deep**2).sum(axis=0)
        self.n += len(x)

    def regression(self, rank: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Regress what units hear on patches, by way of `rank` values if it is not 0.

        Regression says too little of what is rare, and units are silent where they hear
        little; so each unit's variance is brought back to its teacher's.

        Returns
        -------
        narrow : numpy.ndarray, shape (n_values, rank or n_units)
        wide : numpy.ndarray, shape (rank or n_units, n_units)
        bias : numpy.ndarray, shape (n_units,)
        explained : numpy.ndarray, shape (n_units,)
            Share of each unit's variance.
        """
        mean_x, mean_y = self.xx[-1, :-1] / self.n, self.xy[-1] / self.n
        variance = np.maximum(self.yy / self.n - mean_y**2, 1e-12)
        covariance = self.xx[:-1, :-1] / self.n - np.outer(mean_x, mean_x)
        shared = self.xy[:-1] / self.n - np.outer(mean_x, mean_y)
        ridge = _REGULARISED * np.trace(covariance) / len(covariance)
        full = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), shared)
        narrow, wide = full, np.eye(full.shape[1])
        if rank:
            standard = full / np.sqrt(variance)
            _, directions = np.linalg.eigh(standard.T @ covariance @ standard)
            kept = directions[:, -rank:]
            narrow, wide = standard @ kept, kept.T * np.sqrt(variance)
        product = narrow @ wide
        told = np.einsum("iu,ij,ju->u", product, covariance, product)
        wide = wide * np.sqrt(variance / np.maximum(told, 1e-12))
        return narrow, wide, mean_y - mean_x @ narrow @ wide, told / variance


def _patches(
    looked_at: Floats, heard: Floats, n: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw 3 by 3 patches, and what units hear in their middle."""
    padded = np.pad(looked_at, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    places = tuple(rng.integers(0, size, n) for size in heard.shape[:3])
    patches = windows[places]  # (n, channels, 3, 3)
    return np.moveaxis(patches, 1, -1).reshape(n, -1), heard[places]


def spread_filters(patches: Floats, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Make filters that are spread evenly over the directions in which patches vary.

    Parameters
    ----------
    patches : numpy.ndarray, shape (n_patches, 9)
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    filters : numpy.ndarray, shape (9, n)
    bias : numpy.ndarray, shape (n,)
        So that they respond in 20 to 70 % of the places.
    """
    mean = patches.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(patches.T))
    whitening = axes / np.sqrt(variances + _NOISE * variances[-1])
    directions = rng.normal(size=(_PATCH, n))
    directions /= np.linalg.norm(directions, axis=0)
    for _ in range(_STEPS):
        likeness = directions.T @ directions - np.eye(n)
        directions -= _STEP * directions @ likeness**3
        directions /= np.linalg.norm(directions, axis=0)
    filters = whitening @ directions
    responses = (patches - mean) @ filters
    active = rng.uniform(*_ACTIVE, n)
    bias = [-np.quantile(column, 1 - a) for column, a in zip(responses.T, active, strict=True)]
    return filters.astype(np.float32), np.float32(bias - mean @ filters)


class _Music:
    """Segments to learn from, and others to measure on."""

    def __init__(self, segments: Sequence[Halves], features: FeatureConfig, seed: int) -> None:
        self._segments, self._features = np.concatenate(segments), features
        held_out = np.arange(len(self._segments)) % _HELD_OUT == 0
        self.measured = np.flatnonzero(held_out)
        self._rng = np.random.default_rng(seed)
        self._learned = np.flatnonzero(~held_out)

    def read(self, index: Integers) -> Floats:
        decibels = self._segments[np.sort(index)].astype(np.float32)
        return under_peak(decibels, self._features.top_db)

    def draw(self, n: int) -> list[Floats]:
        """Draw segments to learn from, a batch after the other."""
        n = min(n, len(self._learned))
        drawn = self._rng.choice(self._learned, n, replace=False)
        return [self.read(drawn[i : i + _BATCH]) for i in range(0, n, _BATCH)]


def _fit_first(network: keras.Model, config: StudentConfig, music: _Music) -> None:
    rng = np.random.default_rng(config.seed)
    below = student.looks_at(network, 0)
    looked_at = [np.asarray(below(b, training=False)) for b in music.draw(config.n_first)]
    patches = np.concatenate([_patches(x, x, config.n_patches, rng)[0] for x in looked_at])
    filters, bias = spread_filters(patches.astype(np.float64), config.units[0], rng)
    network.get_layer("before_0").set_weights([filters.reshape(3, 3, 1, -1), bias])


def _fit_layer(
    network: keras.Model,
    teacher: keras.Model,
    i: int,
    batches: Sequence[Floats],
    config: StudentConfig,
) -> float:
    """Fit a layer, when those below it are fitted; give the share that is explained."""
    rng = np.random.default_rng(i)
    below, told = student.looks_at(network, i), student.hears(teacher, i)
    moments = _Moments()
    for batch in batches:
        looked_at, heard = below(batch, training=False), told(batch, training=False)
        moments.add(*_patches(np.asarray(looked_at), np.asarray(heard), config.n_patches, rng))
    layer, rank = network.get_layer(f"before_{i}"), config.ranks[i]
    narrow, wide, bias, explained = moments.regression(rank)
    if rank:
        network.get_layer(f"narrow_{i}").set_weights([narrow.reshape(3, 3, -1, rank)])
        layer.set_weights([wide[None, None], bias])
    else:
        layer.set_weights([(narrow @ wide).reshape(3, 3, -1, len(bias)), bias])
    return float(explained.mean())


def shape(config: StudentConfig) -> Shape:
    """Give the student's shape."""
    return Shape(config.units, config.ranks)


def fit(
    folder: Path,
    config: StudentConfig,
    features: FeatureConfig,
    *,
    teacher: Path,
    music: Path,
    say: Callable[[str], None],
) -> keras.Model:
    """Fit a student to its teacher, unless that was done before.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps the weights.
    config : StudentConfig
    features : FeatureConfig
    teacher : pathlib.Path
        See `fcn.load`.
    music : pathlib.Path
        Free music; see `features.corpus`.
    say : callable
        Takes a line of progress.

    Returns
    -------
    keras.Model
        See `networks.student.build`.
    """
    network = student.build(shape(config), features)
    if weights(folder).exists():
        network.load_weights(weights(folder))
        return network
    large = fcn.load(teacher, features)
    units = tuple(large.get_layer(f"before_{i}").filters for i in range(len(student.POOLS)))
    if units[1:] != config.units[1:]:
        raise FatalError(f"[student] units = {list(units)} are {teacher}'s; the first may differ")
    segments = _Music(corpus.read(music)[0], features, config.seed)
    _fit_first(network, config, segments)
    for i in range(1, len(student.POOLS)):
        batches = segments.draw(config.n_segments)
        explained = _fit_layer(network, large, i, batches, config)
        say(f"student: layer {i + 1} of {len(student.POOLS)}, explains {explained:.2f}")
    shares = _explained(network, large, segments, units)
    say("student: of its teacher's layers it explains " + ", ".join(map(str, shares.values())))
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / EXPLAINED, json.dumps(shares) + "\n")
    part = folder / "part.weights.h5"
    network.save_weights(part)
    part.replace(weights(folder))
    return network


def _explained(
    network: keras.Model, teacher: keras.Model, music: _Music, units: Sequence[int]
) -> dict[str, float]:
    """Compute how much of the teacher's embedding is explained, on segments held out."""
    if len(music.measured) < 2:
        raise FatalError(f"the corpus has {len(music.measured)} segments to measure on: add music")
    batches = [
        music.read(music.measured[i : i + _BATCH]) for i in range(0, len(music.measured), _BATCH)
    ]
    told, given = (
        np.concatenate([np.asarray(model(batch, training=False)) for batch in batches])
        for model in (network, teacher)
    )
    likeness = [
        np.corrcoef(a, b)[0, 1] ** 2 if a.std() and b.std() else 0.0
        for a, b in zip(told.T, given.T, strict=True)
    ]
    parts = np.split(np.array(likeness), np.cumsum(units[2:])[:-1])
    return {f"layer {i}": round(float(part.mean()), 3) for i, part in enumerate(parts, 3)}


def summary(folder: Path, config: StudentConfig, music: Path) -> dict[str, Any]:
    """Describe a fitted student for ``bundle.json``."""
    segments, sha256 = corpus.read(music)
    return asdict(config) | {
        "corpus_files": len(segments),
        "corpus_segments": sum(len(part) for part in segments),
        "corpus_sha256": sha256,
        "explained": json.loads((folder / EXPLAINED).read_text(encoding="utf-8")),
    }
