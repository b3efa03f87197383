"""Fitting a student to its teacher, layer by layer, on free music.

Function matching (Beyer et al., "Knowledge distillation: a good teacher is patient and
consistent", CVPR 2022) of hidden layers (Romero et al., "FitNets", ICLR 2015). The first two
layers learn by gradients, on patches (`training.learn.front`). From there on, what a unit of
the teacher hears before it rectifies it is linear in what it looks at, and so the student's
units follow by ridge regression from what the student's layer below passes on. A layer with a
bottleneck is a reduced-rank regression (Izenman, "Reduced-rank regression for the multivariate
linear model", Journal of Multivariate Analysis, 1975). No label plays a part, and no clip that
is measured; the whole takes minutes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger.errors import FatalError
from genretagger.features import FeatureConfig
from training import config as configuration
from training.arrays import Floats, Halves, Integers
from training.config import StudentConfig
from training.features import corpus
from training.features.mel import under_peak
from training.files import sha256, write_text, write_weights
from training.learn import front
from training.learn.regression import Moments
from training.networks import fcn, student
from training.networks.student import Shape

if TYPE_CHECKING:
    import keras

_BATCH = 8  # segments at a time
_HELD_OUT = 20  # every 20th segment is never learned from


def _weights(folder: Path) -> Path:
    return folder / "student.weights.h5"


def _made_file(folder: Path) -> Path:
    return folder / "made.json"


def _made(folder: Path) -> dict[str, Any]:
    """Read what the weights in a folder were made from, and what they explain."""
    if not _made_file(folder).exists():
        return {}
    made: dict[str, Any] = json.loads(_made_file(folder).read_text(encoding="utf-8"))
    return made


def _patches(looked_at: Floats) -> Floats:
    """Give the 3 by 3 patch around every place, (n_places, 9 * channels)."""
    padded = np.pad(looked_at, ((0, 0), (1, 1), (1, 1), (0, 0)))
    n, frames, bands, _ = looked_at.shape
    shifted = [padded[:, t : t + frames, b : b + bands] for t in range(3) for b in range(3)]
    return np.concatenate(shifted, axis=-1).reshape(n * frames * bands, -1)


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


def _front_patches(
    network: keras.Model, teacher: keras.Model, music: _Music, config: StudentConfig
) -> Iterator[list[Floats]]:
    rng = np.random.default_rng(config.seed)
    seen, told = student.cut(network, None, "heard"), student.cut(teacher, None, "before_1")
    for batch in music.draw(config.n_segments):
        looked_at, heard = (np.asarray(model(batch, training=False)) for model in (seen, told))
        yield front.draw(looked_at, heard, config.n_patches, rng)


def _fit_rest(
    network: keras.Model,
    teacher: keras.Model,
    music: _Music,
    config: StudentConfig,
    say: Callable[[str], None],
) -> None:
    """Fit the layers behind the first two, one on the other."""
    lower = [student.cut(model, None, "after_1") for model in (network, teacher)]
    passed = [
        [np.asarray(model(batch, training=False)) for model in lower]
        for batch in music.draw(config.n_segments)
    ]
    for i in range(2, len(student.POOLS)):
        below, here, above = f"after_{i - 1}", f"before_{i}", f"after_{i}"
        told = student.cut(teacher, below, here)
        moments = Moments()
        for looked_at, taught in passed:
            heard = np.asarray(told(taught, training=False))
            moments.add(_patches(looked_at), heard.reshape(-1, heard.shape[-1]))
        explained = _set_layer(network, i, config.ranks[i], moments)
        say(f"student: layer {i + 1} of {len(student.POOLS)}, explains {explained:.2f}")
        upper = [student.cut(model, below, above) for model in (network, teacher)]
        passed = [
            [np.asarray(model(x, training=False)) for model, x in zip(upper, each, strict=True)]
            for each in passed
        ]
    _fit_tags(network, teacher, passed)


def _fit_tags(
    network: keras.Model, teacher: keras.Model, passed: Sequence[Sequence[Floats]]
) -> None:
    """Fit the tags to what the last layers pass on."""
    told = student.cut(teacher, "after_4", "tags")
    moments = Moments()
    for given, taught in passed:
        tags = np.asarray(told(taught, training=False))
        moments.add(given.reshape(len(given), -1), tags)
    narrow, wide, bias, _ = moments.regression(0)
    network.get_layer("tags").set_weights([narrow @ wide, bias])


def _set_layer(network: keras.Model, i: int, rank: int, moments: Moments) -> float:
    """Give a layer the weights that regression finds, and tell the share that it explains."""
    narrow, wide, bias, explained = moments.regression(rank)
    if rank:
        network.get_layer(f"narrow_{i}").set_weights([narrow.reshape(3, 3, -1, rank)])
        network.get_layer(f"before_{i}").set_weights([wide[None, None], bias])
    else:
        kernel = (narrow @ wide).reshape(3, 3, -1, len(bias))
        network.get_layer(f"before_{i}").set_weights([kernel, bias])
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
    """Fit a student to its teacher, unless that was done before with the same of all.

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
    segments, corpus_sha256 = corpus.read(music)
    made_from = ["tags", asdict(config), asdict(features), corpus_sha256, sha256(teacher)]
    stamp = configuration.digest(made_from)
    if _made(folder).get("stamp") == stamp:
        network.load_weights(_weights(folder))
        return network
    large = fcn.load(teacher, features)
    units = tuple(large.get_layer(f"before_{i}").filters for i in range(len(student.POOLS)))
    if units[1:] != config.units[1:]:
        raise FatalError(f"[student] units = {list(units)} are {teacher}'s; the first may differ")
    heard = _Music(segments, features, config.seed)
    folder.mkdir(parents=True, exist_ok=True)
    begun = folder / f"front-{stamp[:12]}.weights.h5"
    if begun.exists():
        network.load_weights(begun)
    else:
        front.learn(network, _front_patches(network, large, heard, config), config, say)
        write_weights(begun, network)
    _fit_rest(network, large, heard, config, say)
    shares = _explained(network, large, heard, units)
    say("student: of its teacher's layers it explains " + ", ".join(map(str, shares.values())))
    _made_file(folder).unlink(missing_ok=True)
    write_weights(_weights(folder), network)
    made = {"stamp": stamp, "explained": shares}
    write_text(_made_file(folder), json.dumps(made) + "\n")  # last: it vouches for the weights
    return network


def _explained(
    network: keras.Model, teacher: keras.Model, music: _Music, units: Sequence[int]
) -> dict[str, float]:
    """Compute how much of what the teacher says is explained, on segments held out."""
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
    names = [f"layer {i}" for i in range(3, len(units) + 1)] + ["tags"]
    parts = np.split(np.array(likeness), np.cumsum(units[2:]))
    return {name: round(float(part.mean()), 3) for name, part in zip(names, parts, strict=True)}


def summary(folder: Path, config: StudentConfig, music: Path) -> dict[str, Any]:
    """Describe a fitted student for ``bundle.json``."""
    segments, corpus_sha256 = corpus.read(music)
    return asdict(config) | {
        "corpus_files": len(segments),
        "corpus_segments": sum(len(part) for part in segments),
        "corpus_sha256": corpus_sha256,
        "explained": _made(folder)["explained"],
    }
