"""The first two layers of a student, learned by gradients on small patches of music.

What a unit of the second layer hears depends on 14 frames and 8 bands alone; so patches of that
size, drawn from everywhere, are all that the two layers need, and a step of a thousand of them
costs what one segment costs the whole network.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.arrays import Floats, Integers
from training.config import StudentConfig
from training.learn.regression import Moments
from training.networks import student
from training.progress import Progress

if TYPE_CHECKING:
    import keras

_PLACE = 9  # values that a filter looks at, and places of the layer below that a unit looks at
_POOL = student.POOLS[0]
_FRAMES, _BANDS = (3 * n + 2 for n in _POOL)  # that a unit of the second layer looks at
_NOISE = 1e-3  # of the largest variance of a patch: directions below are hardly music
_ACTIVE = (0.2, 0.7)  # shares of the places at which filters of the first layer respond
_SPREAD_STEPS = 300  # in which directions move apart
_SPREAD_STEP = 0.05
_WARM_UP = 200  # steps
_QUIET = 0.05  # of the mean spread: units that hardly ever respond do not rule the loss
_STARTED_ON = 100_000  # patches
_BLOCK = 4096  # of them at a time


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
    directions = rng.normal(size=(_PLACE, n))
    directions /= np.linalg.norm(directions, axis=0)
    for _ in range(_SPREAD_STEPS):
        likeness = directions.T @ directions - np.eye(n)
        directions -= _SPREAD_STEP * directions @ likeness**3
        directions /= np.linalg.norm(directions, axis=0)
    filters = whitening @ directions
    responses = (patches - mean) @ filters
    active = rng.uniform(*_ACTIVE, n)
    bias = [-np.quantile(column, 1 - a) for column, a in zip(responses.T, active, strict=True)]
    return filters.astype(np.float32), np.float32(bias - mean @ filters)


def draw(looked_at: Floats, heard: Floats, n: int, rng: np.random.Generator) -> list[Floats]:
    """Draw patches, and what the second layer's units hear in their middle.

    Parameters
    ----------
    looked_at : numpy.ndarray, shape (n_segments, n_frames, n_mels, 1)
    heard : numpy.ndarray, shape (n_segments, n_frames // 4, n_mels // 2, n_units)
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    list of numpy.ndarray, float16
        Shapes (n, 112) and (n, n_units).
    """
    padded = np.pad(looked_at[..., 0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (_FRAMES, _BANDS), axis=(1, 2))
    segment = rng.integers(0, len(heard), n)
    frame, band = (rng.integers(1, size - 1, n) for size in heard.shape[1:3])  # whole patches
    patches = windows[segment, _POOL[0] * (frame - 1), _POOL[1] * (band - 1)].reshape(n, -1)
    return [patches.astype(np.float16), heard[segment, frame, band].astype(np.float16)]


def _offsets() -> Integers:
    """Say where in a patch each filter looks: (places in a pool, pools, 9)."""
    pools, within, seen = (
        np.add.outer(frames * _BANDS * np.arange(n_frames), bands * np.arange(n_bands)).ravel()
        for (frames, bands), (n_frames, n_bands) in (
            (_POOL, (3, 3)),
            ((1, 1), _POOL),
            ((1, 1), (3, 3)),
        )
    )
    return within[:, None, None] + pools[:, None] + seen


def _network(config: StudentConfig, filters: Floats, bias: Floats) -> keras.Model:
    """Build both layers, from patches to what the second one's units hear."""
    import keras
    from keras import layers, ops

    patches = keras.Input((_FRAMES * _BANDS,))
    first = layers.Dense(config.units[0], name="before_0")
    x = ops.max(first(ops.take(patches, _offsets(), axis=1)), axis=1)
    first.set_weights([filters, bias])
    x = layers.Flatten(name="after_0")(ops.relu(x))
    if config.ranks[1]:
        x = layers.Dense(config.ranks[1], use_bias=False, name="narrow_1")(x)
    return keras.Model(patches, layers.Dense(config.units[1], name="before_1")(x))


@dataclass(frozen=True)
class _Spread:
    """What the second layer's units hear, as their teacher does."""

    mean: Floats
    before: Floats  # standard deviation before they rectify
    behind: Floats

    @classmethod
    def of(cls, heard: Floats) -> _Spread:
        mean, before = heard.mean(axis=0), heard.std(axis=0)
        behind = np.maximum(heard, 0).std(axis=0)
        return cls(mean, before, np.maximum(behind, _QUIET * before.mean()))

    def loss(self, true: Any, given: Any) -> Any:
        """Square the errors of each unit in terms of its variance, before and behind."""
        from keras import ops

        true, given = ops.cast(true, "float32"), given * self.before + self.mean
        before = ops.square((given - true) / self.before)
        return before + ops.square((ops.relu(given) - ops.relu(true)) / self.behind)


def _start(small: keras.Model, rank: int, patches: Floats, heard: Floats, spread: _Spread) -> None:
    """Let the second layer begin where regression on the first one's filters leads."""
    import keras

    below = keras.Model(small.input, small.get_layer("after_0").output)
    moments = Moments()
    for i in range(0, min(len(patches), _STARTED_ON), _BLOCK):
        block = slice(i, i + _BLOCK)
        moments.add(np.asarray(below(patches[block].astype(np.float32))), heard[block])
    narrow, wide, bias, _ = moments.regression(rank)
    wide, bias = wide / spread.before, (bias - spread.mean) / spread.before
    if rank:
        small.get_layer("narrow_1").set_weights([narrow])
        narrow = np.eye(rank)
    small.get_layer("before_1").set_weights([narrow @ wide, bias])


def learn(
    network: keras.Model,
    drawn: Iterable[list[Floats]],
    config: StudentConfig,
    say: Callable[[str], None],
) -> None:
    """Let the first two layers of a network hear what their teacher's second layer hears.

    The first layer begins with filters that are spread evenly over what patches of music vary
    in, the second one with what regression makes of them. Adam, with a cosine schedule; the
    loss is the squared error of each unit in terms of its variance, before it rectifies and,
    since that is what it passes on, behind.

    Parameters
    ----------
    network : keras.Model
        See `networks.student.build`; takes the weights.
    drawn : iterable of list of numpy.ndarray
        From `draw`.
    config : StudentConfig
    say : callable
        Takes a line of progress.
    """
    import keras

    patches, heard = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    rng = np.random.default_rng(config.seed)
    looked_at = patches.reshape(-1, _FRAMES, _BANDS)[:_STARTED_ON, :3, :3].reshape(-1, _PLACE)
    filters, bias = spread_filters(looked_at.astype(np.float64), config.units[0], rng)
    spread = _Spread.of(heard.astype(np.float32))
    keras.utils.set_random_seed(config.seed)
    small = _network(config, filters, bias)
    _start(small, config.ranks[1], patches, heard, spread)
    steps = config.passes * -(-len(patches) // config.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - _WARM_UP, warmup_target=config.learning_rate, warmup_steps=_WARM_UP
    )
    small.compile(keras.optimizers.Adam(schedule), spread.loss, jit_compile=True)
    progress, done = Progress(steps, say), itertools.count(1)
    told = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: progress.at(
            next(done), f"student: layers 1 and 2, error {logs['loss']:.3f}"
        )
    )
    small.fit(patches, heard, config.batch_size, epochs=config.passes, verbose=0, callbacks=[told])
    _hand_over(small, network, spread)


def _hand_over(small: keras.Model, network: keras.Model, spread: _Spread) -> None:
    """Give a network the weights of its first two layers, as convolutions."""
    for layer in small.layers:
        weights = layer.get_weights()
        if layer.name == "before_1":
            weights = [weights[0] * spread.before, weights[1] * spread.before + spread.mean]
        if weights:
            target = network.get_layer(layer.name)
            shapes = [weight.shape for weight in target.get_weights()]
            target.set_weights([w.reshape(shape) for w, shape in zip(weights, shapes, strict=True)])
