"""A smaller MusiCNN that learns the large one by what it says of free music.

Nearly all of MusiCNN's arithmetic is in its first layer: 561 filters, compared with every
frame at every band. For music these filters are combinations of few, and neighbouring frames
and bands say nearly the same. The smaller one (`transfer.body`) computes the few, which follow
in closed form from the spectra of the corpus, at fewer frames and bands. The layers behind are
then trained to say what the large one says. Its input is varied and mixed, and the large one
hears the same (function matching: Beyer et al., "Knowledge distillation: a good teacher is
patient and consistent", CVPR 2022).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger.features import FeatureConfig
from training import augment, corpus, musicnn, networks, transfer
from training.config import CompactConfig, Config
from training.progress import Progress
from training.rows import write_text

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

FOLDER = "compact"
"""In the run folder."""

WEIGHTS = "compact.weights.h5"

_MADE = "made.json"
_HELD_OUT = 20  # every 20th patch is never learned from, and tells how close it came
_BLOCK = 250  # patches between two saves
_FITTED = 200  # patches that the filters are approximated on
_WINDOWS = 8000  # of the signal, to see how its bands and frames go together
_RIDGE = 1e-4  # of the mean variance: bands at the floor do not vary at all
_NEPER = np.float32(np.log(10) / 10)  # of power, in a decibel
_SOFTEST_DB = -12.0  # of the second of two pieces that are mixed


class Patches:
    """Draws varied patches of a corpus.

    Parameters
    ----------
    config : CompactConfig
    features : FeatureConfig
    segments : sequence of numpy.ndarray
        From `corpus.read`.
    """

    def __init__(
        self, config: CompactConfig, features: FeatureConfig, segments: Sequence[Any]
    ) -> None:
        self._config, self._features, self._segments = config, features, segments
        self._augmenter = augment.Augmenter(config, features)
        self._first = np.cumsum([0, *map(len, segments)])

    def _segment(self, rng: np.random.Generator) -> Floats:
        i = int(rng.integers(self._first[-1]))
        source = int(np.searchsorted(self._first, i, "right")) - 1
        found = self._segments[source][i - self._first[source]]
        return self._augmenter.vary(np.asarray(found, dtype=np.float32), rng)

    def draw(self, rng: np.random.Generator) -> Floats:
        """Draw a patch, often of two pieces at once.

        Returns
        -------
        numpy.ndarray, shape (N_FRAMES, n_mels), float32
            In dB under the peak of the segment that it was cut from.
        """
        x = self._segment(rng)
        if rng.random() < self._config.mixed_share:
            other = self._segment(rng) + np.float32(rng.uniform(_SOFTEST_DB, 0.0))
            other += x.max() - other.max()
            x = np.logaddexp(x * _NEPER, other * _NEPER) / _NEPER
        x = np.maximum(x - x.max(), -self._features.top_db)
        start = rng.integers(len(x) - musicnn.N_FRAMES + 1)
        return np.asarray(x[start : start + musicnn.N_FRAMES], dtype=np.float32)


def front(model: keras.Model) -> keras.Model:
    """Take the filters of a body: patches to (n, n_frames / time_stride, transfer.N_FRONT)."""
    import keras

    return keras.Model(model.inputs, model.get_layer("front").output)


def rest(model: keras.Model) -> keras.Model:
    """Take what follows the filters of a body: `front`'s outputs to (n, 250)."""
    import keras

    return keras.Model(model.get_layer("front").output, model.output)


def approximate(small: keras.Model, large: keras.Model, x: Floats, config: CompactConfig) -> None:
    """Give the smaller network the large one's weights, its filters at low rank.

    For filters K and windows w of the signal with covariance C, the combination AB of rank r
    that comes closest in what they give, E |(K - AB)'w|^2, follows from the singular value
    decomposition of C^(1/2) K. What the mean window loses goes into the biases. Maxima over
    fewer bands are lower: each output is then scaled and shifted to the large one's.

    Parameters
    ----------
    small, large : keras.Model
        From `transfer.body`.
    x : numpy.ndarray, shape (n, N_FRAMES, n_mels), float32
        Patches in dB.
    config : CompactConfig
    """
    import keras

    hears = keras.Model(large.inputs, large.get_layer("norm_0").output)
    signal = np.asarray(hears.predict_on_batch(x))[..., 0]
    rng = np.random.default_rng(config.seed)
    for layer in large.layers:
        if layer.name.startswith(("norm_", "dense_")):
            small.get_layer(layer.name).set_weights(layer.get_weights())
    for i, (size, _) in enumerate(transfer.FILTERS):
        kernel, bias = large.get_layer(f"conv_{i}").get_weights()
        views = np.lib.stride_tricks.sliding_window_view(signal, size, axis=(1, 2))
        at = [rng.integers(n, size=_WINDOWS) for n in views.shape[:3]]
        windows = views[at[0], at[1], at[2]].reshape(_WINDOWS, -1).astype(np.float64)
        mean = windows.mean(axis=0)
        covariance = np.cov(windows.T)
        covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(values) @ vectors.T
        inverse = vectors / np.sqrt(values) @ vectors.T
        flat = kernel.reshape(-1, kernel.shape[-1])
        gamma, _, _, variance = large.get_layer(f"norm_{i + 1}").get_weights()
        scale = np.abs(gamma) / np.sqrt(variance + 1e-3)  # what its outputs weigh later
        left, singular, right = np.linalg.svd(root @ flat * scale, full_matrices=False)
        basis = inverse @ left[:, : config.rank] * singular[: config.rank]
        mixing = right[: config.rank] / scale
        lost = mean @ (flat - basis @ mixing)
        small.get_layer(f"basis_{i}").set_weights([basis.reshape(*size, 1, -1)])
        small.get_layer(f"conv_{i}").set_weights([mixing[None, None], bias + lost])
    for i in (5, 6, 7):
        kernel, bias = large.get_layer(f"conv_{i}").get_weights()
        wanted = small.get_layer(f"conv_{i}").get_weights()[0].shape
        thinned = np.zeros(wanted)
        for tap, values in enumerate(kernel):
            # a tap between two frames that are heard is shared by them
            place = (tap - 3) / config.time_stride + wanted[0] // 2
            low, share = int(np.floor(place)), place - np.floor(place)
            thinned[low] += (1 - share) * values
            if share:
                thinned[low + 1] += share * values
        small.get_layer(f"conv_{i}").set_weights([thinned, bias])

    run_small, run_large = (
        networks.runner(front(model), (1, *x.shape[1:])) for model in (small, large)
    )
    given = np.concatenate([run_small(patch[None]) for patch in x]).reshape(-1, transfer.N_FRONT)
    wanted_all = [run_large(patch[None])[:, :: config.time_stride] for patch in x]
    goal = np.concatenate(wanted_all).reshape(-1, transfer.N_FRONT)
    mean_given, mean_goal = given.mean(axis=0), goal.mean(axis=0)
    centred = given - mean_given
    slope = (centred * (goal - mean_goal)).mean(axis=0) / ((centred**2).mean(axis=0) + 1e-9)
    shift = mean_goal - slope * mean_given
    first = 0
    for i in range(1, 1 + len(transfer.FILTERS)):
        layer = small.get_layer(f"norm_{i}")
        gamma, beta, *moving = layer.get_weights()
        mine = slice(first, first + len(gamma))
        layer.set_weights([gamma * slope[mine], beta * slope[mine] + shift[mine], *moving])
        first += len(gamma)


def _made_from(found: tuple[Sequence[Any], str], config: CompactConfig) -> str:
    return hashlib.sha256(json.dumps([found[1], asdict(config)]).encode()).hexdigest()


def listen(
    folder: Path,
    config: CompactConfig,
    features: FeatureConfig,
    found: tuple[Sequence[Any], str],
    large: keras.Model,
    *,
    say: Callable[[str], None],
) -> tuple[keras.Model, Any, Any]:
    """Draw the patches, and let both networks hear them once; a killed run goes on.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps what was heard.
    config : CompactConfig
    features : FeatureConfig
    found : tuple
        From `corpus.read`.
    large : keras.Model
        From `transfer.load_body`.
    say : callable
        Takes a line of progress.

    Returns
    -------
    small : keras.Model
        With the filters that it will have.
    heard : numpy.ndarray, shape (n_patches, n_frames / time_stride, transfer.N_FRONT), float16
        By the smaller one's filters; a memory map.
    said : numpy.ndarray, shape (n_patches, 250), float32
        By the large one; a memory map.
    """
    patches = Patches(config, features, found[0])
    small = transfer.body(config)
    rng = np.random.default_rng(config.seed)
    x = np.stack([patches.draw(rng) for _ in range(_FITTED)])
    approximate(small, large, x, config)

    # how it is learned afterwards is no part of what is heard
    heard_by = replace(config, epochs=0, batch_size=0, learning_rate=0.0, warmup_share=0.0)
    stamp = _made_from(found, heard_by)
    n_frames = -(-musicnn.N_FRAMES // config.time_stride)
    shapes = {
        "heard": ((config.n_patches, n_frames, transfer.N_FRONT), np.float16),
        "said": ((config.n_patches, musicnn.SIZE), np.float32),
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
    shape_in = (1, musicnn.N_FRAMES, features.n_mels)
    hear, tell = networks.runner(front(small), shape_in), networks.runner(large, shape_in)
    progress = Progress(config.n_patches - done, say)
    for start in range(done, config.n_patches, _BLOCK):
        end = min(start + _BLOCK, config.n_patches)
        rng = np.random.default_rng([config.seed, start])
        for i in range(start, end):
            patch = patches.draw(rng)[None]
            maps["heard"][i] = hear(patch)[0]
            maps["said"][i] = tell(patch)[0]
        for each in maps.values():
            each.flush()
        write_text(journal, json.dumps({"stamp": stamp, "done": end}))
        progress.at(end - done, f"{end}/{config.n_patches} patches heard")
    return small, maps["heard"], maps["said"]


def learn(
    folder: Path,
    config: CompactConfig,
    small: keras.Model,
    heard: Any,
    said: Any,
    *,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Fit what follows the filters to what the large network said; a killed run goes on.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps a checkpoint of each epoch.
    config, small, heard, said
        As `listen` returns them.
    say : callable
        Takes a line of progress.

    Returns
    -------
    dict of str to float
        Share of the variance that is explained on patches it has not learned from, of the
        last hidden layer and of the tags' logits.
    """
    import keras
    import tensorflow as tf

    everything = np.arange(len(heard))
    rows = everything[everything % _HELD_OUT > 0]
    test = everything[everything % _HELD_OUT == 0]
    spread = said[rows].std(axis=0) + 1e-6
    model = rest(small)
    n_steps = len(rows) // config.batch_size
    total = n_steps * config.epochs
    warm = max(1, round(config.warmup_share * total))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, total - warm, warmup_target=config.learning_rate, warmup_steps=warm
    )
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)

    @tf.function
    def left(x: Any, wanted: Any) -> Any:
        each = tf.reduce_mean(tf.square((model(x, training=False) - wanted) / spread), axis=0)
        n = musicnn.N_HIDDEN
        return tf.stack([tf.reduce_mean(each[:n]), tf.reduce_mean(each[n:])])

    @tf.function
    def step(x: Any, wanted: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(left(x, wanted))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

    def batch(index: NDArray[np.int64]) -> tuple[Floats, Floats]:
        index = np.sort(index)
        return heard[index].astype(np.float32), said[index]

    def measure() -> dict[str, float]:
        parts = np.array_split(test, max(1, len(test) // config.batch_size))
        found = 1 - np.mean([left(*batch(part)).numpy() for part in parts], axis=0)
        return {"hidden": round(float(found[0]), 4), "tags": round(float(found[1]), 4)}

    state = tf.train.Checkpoint(model=model, optimizer=optimizer, epoch=tf.Variable(0))
    keeper = tf.train.CheckpointManager(state, str(folder / "checkpoints"), max_to_keep=1)
    say(f"explained before learning: {measure()}")
    if keeper.latest_checkpoint:
        state.restore(keeper.latest_checkpoint)
        say(f"goes on after epoch {int(state.epoch.numpy())}")
    for epoch in range(int(state.epoch.numpy()), config.epochs):
        began = time.monotonic()
        order = np.random.default_rng([config.seed, epoch]).permutation(rows)
        for i in range(n_steps):
            step(*batch(order[i * config.batch_size : (i + 1) * config.batch_size]))
        state.epoch.assign(epoch + 1)
        keeper.save()
        left_s = (time.monotonic() - began) * (config.epochs - epoch - 1)
        say(f"epoch {epoch + 1}: explained {measure()}; about {left_s / 60:.0f} min left")
    return measure()


def load(
    folder: Path,
    config: Config,
    wheel: Path,
    found: tuple[Sequence[Any], str],
    *,
    say: Callable[[str], None],
) -> keras.Model:
    """Make the smaller network, or read what was made before.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps all of it.
    config : Config
        With a `CompactConfig`.
    wheel : pathlib.Path
        MusiCNN's, for `transfer.load_body`.
    found : tuple
        From `corpus.read`.
    say : callable
        Takes a line of progress.

    Returns
    -------
    keras.Model
    """
    compact = config.compact
    assert compact is not None
    made_from = _made_from(found, compact)
    weights, made = folder / WEIGHTS, folder / _MADE
    if made.exists():
        before = json.loads(made.read_text(encoding="utf-8"))
        if before["made_from"] == made_from:
            small = transfer.body(compact)
            small.load_weights(weights)
            return small
    large = transfer.load_body(wheel)
    small, heard, said = listen(folder, compact, config.features, found, large, say=say)
    explained = learn(folder / made_from[:12], compact, small, heard, said, say=say)
    small.save_weights(weights)
    write_text(made, json.dumps({"made_from": made_from, "explained": explained}) + "\n")
    return small


def summary(folder: Path, config: Config) -> dict[str, Any]:
    """Say for ``bundle.json`` how the smaller network was made.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run.
    config : Config

    Returns
    -------
    dict
    """
    segments, digest = corpus.read(folder)
    made = json.loads((folder / FOLDER / _MADE).read_text(encoding="utf-8"))
    assert config.compact is not None
    return asdict(config.compact) | {
        "corpus_hours": round(sum(map(len, segments)) * config.features.segment_s / 3600, 1),
        "corpus_packages": len(segments),
        "corpus_sha256": digest,
        "explained": made["explained"],
    }
