"""A smaller MusiCNN that learns the large one by what it says of free music.

Nearly all of MusiCNN's arithmetic is in its first layer: 561 filters, compared with every
frame at every band. For music these filters are combinations of few, and neighbouring frames
and bands say nearly the same. The smaller one (`transfer.body`) computes the few, which follow
in closed form from the spectra of the corpus, at fewer frames and bands. The layers behind are
then trained to say what the large one says. Its input is varied and mixed, and the large one
hears the same (function matching: Beyer et al., "Knowledge distillation: a good teacher is
patient and consistent", CVPR 2022). All models share what the corpus taught; each then goes
on with patches of the clips that it may learn from.
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np

from genretagger.features import FeatureConfig
from training import augment, corpus, musicnn, networks, transfer
from training.config import CompactConfig, Config
from training.manifest import Clip
from training.progress import Progress
from training.rows import write_text
from training.shards import Shards

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

FOLDER = "compact"
"""In the run folder."""

_HELD_OUT = 20  # every 20th patch is never learned from, and tells how close it came
_BLOCK = 250  # patches between two saves
_DRAWN_BY = ("mixed_share", "tilt_db", "bandlimit_share", "pitch_semitones", "seed")
_FITTED = 200  # patches that the filters are approximated on
_WINDOWS = 8000  # of the signal, to see how its bands and frames go together
_LEAST_SPREAD = 0.5  # of the median over units
_RIDGE = 1e-4  # of the mean variance: bands at the floor do not vary at all
_NEPER = np.float32(np.log(10) / 10)  # of power, in a decibel
_SOFTEST_DB = -12.0  # of the second of two pieces that are mixed


class CorpusSegments:
    """Draws segments of the corpus.

    Parameters
    ----------
    segments : sequence of numpy.ndarray
        From `corpus.read`.
    """

    def __init__(self, segments: Sequence[Any]) -> None:
        self._segments = segments
        self._first = np.cumsum([0, *map(len, segments)])

    def __call__(self, rng: np.random.Generator) -> Floats:
        """Draw one: shape (n_frames, n_mels), in dB."""
        i = int(rng.integers(self._first[-1]))
        source = int(np.searchsorted(self._first, i, "right")) - 1
        return np.asarray(self._segments[source][i - self._first[source]], dtype=np.float32)


class ClipSegments:
    """Draws segments of clips, from anywhere in them.

    Parameters
    ----------
    shards : Shards
    rows : sequence of int
        Indices of the clips.
    n_frames : int
        Of a segment; a shorter clip is repeated, as `audio.fit_length` does.
    """

    def __init__(self, shards: Shards, rows: Sequence[int], n_frames: int) -> None:
        self._mel, self._frames = shards.mel, shards.frames
        self._rows, self._n_frames = rows, n_frames

    def __call__(self, rng: np.random.Generator) -> Floats:
        """Draw one: shape (n_frames, n_mels), in dB."""
        i = self._rows[int(rng.integers(len(self._rows)))]
        first, n = int(self._frames[i]), int(self._frames[i + 1] - self._frames[i])
        start = int(rng.integers(max(1, n - self._n_frames + 1)))
        index = first + (start + np.arange(self._n_frames)) % n
        return np.asarray(self._mel[index], dtype=np.float32)


class Patches:
    """Draws varied patches.

    Parameters
    ----------
    config : CompactConfig
    features : FeatureConfig
    draw_segment : callable
        `CorpusSegments` or `ClipSegments`.
    """

    def __init__(
        self,
        config: CompactConfig,
        features: FeatureConfig,
        draw_segment: Callable[[np.random.Generator], Floats],
    ) -> None:
        self._config, self._features, self._draw_segment = config, features, draw_segment
        self._augmenter = augment.Augmenter(config, features)

    def _segment(self, rng: np.random.Generator) -> Floats:
        return self._augmenter.vary(self._draw_segment(rng), rng)

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
        MusiCNN's, for `transfer.load_body`.
    """

    config: CompactConfig
    weights: list[Floats]
    wheel: Path

    def small(self) -> keras.Model:
        """Build the smaller one."""
        small = transfer.body(self.config)
        small.set_weights(self.weights)
        return small


_runners: dict[str, tuple[Any, Any]] = {}  # of this process, by stamp


def _hear(
    pair: Pair, stamp: str, patches: Patches, seed: Sequence[int], n: int
) -> tuple[NDArray[np.float16], Floats]:
    """Draw patches, and let both networks hear them."""
    rng = np.random.default_rng(seed)
    x = [patches.draw(rng)[None] for _ in range(n)]
    if stamp not in _runners:
        shape = x[0].shape
        large = transfer.load_body(pair.wheel)
        both = networks.runner(front(pair.small()), shape), networks.runner(large, shape)
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
        "heard": ((n_patches, n_frames, transfer.N_FRONT), np.float16),
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


def learn(
    folder: Path,
    config: CompactConfig,
    small: keras.Model,
    lessons: Sequence[Lesson],
    *,
    epochs: int,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Fit what follows the filters to what the large network said; a killed run goes on.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps a checkpoint of each epoch.
    config : CompactConfig
    small : keras.Model
        Is changed.
    lessons : sequence of Lesson
        If there are others behind the first, an epoch is all of those, and as many patches of
        the first.
    epochs : int
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

    first = np.cumsum([0, *(len(lesson.heard) for lesson in lessons)])
    everything = np.arange(first[-1])
    kept = everything % _HELD_OUT > 0
    old, new = np.split(everything, [first[1]])
    old_rows, new_rows = old[kept[old]], new[kept[new]]
    n_old = min(len(old_rows), len(new_rows)) if len(new) else len(old_rows)
    mine = new if len(new) else old  # what is learned now
    test = mine[~kept[mine]]

    def batch(index: NDArray[np.int64]) -> tuple[Floats, Floats]:
        places = [
            (lesson, index[(a <= index) & (index < b)] - a)
            for lesson, a, b in zip(lessons, first[:-1], first[1:], strict=True)
        ]
        return (
            np.concatenate([lesson.heard[np.sort(at)] for lesson, at in places]).astype(np.float32),
            np.concatenate([lesson.said[np.sort(at)] for lesson, at in places]),
        )

    said = np.concatenate([lesson.said for lesson in lessons])
    spread = said[mine[kept[mine]]].std(axis=0)
    # what hardly ever speaks in this music must not count most
    spread = np.maximum(spread, _LEAST_SPREAD * np.median(spread))
    model = rest(small)
    n_steps = (n_old + len(new_rows)) // config.batch_size
    total = n_steps * epochs
    warm = max(1, round(config.warmup_share * total))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, total - warm, warmup_target=config.learning_rate, warmup_steps=warm
    )
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def left(x: Any, wanted: Any) -> Any:
        each = tf.reduce_mean(tf.square((model(x, training=False) - wanted) / spread), axis=0)
        n = musicnn.N_HIDDEN
        return tf.stack([tf.reduce_mean(each[:n]), tf.reduce_mean(each[n:])])

    @tf.function(reduce_retracing=True)
    def step(x: Any, wanted: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(left(x, wanted))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

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
    for epoch in range(int(state.epoch.numpy()), epochs):
        began = time.monotonic()
        rng = np.random.default_rng([config.seed, epoch])
        order = rng.permutation(np.concatenate([rng.permutation(old_rows)[:n_old], new_rows]))
        for i in range(n_steps):
            step(*batch(order[i * config.batch_size : (i + 1) * config.batch_size]))
        state.epoch.assign(epoch + 1)
        keeper.save()
        left_s = (time.monotonic() - began) * (epochs - epoch - 1)
        say(f"epoch {epoch + 1}: explained {measure()}; about {left_s / 60:.0f} min left")
    return measure()


def _is_made(made: Path, made_from: str) -> bool:
    return made.exists() and json.loads(made.read_text(encoding="utf-8"))["made_from"] == made_from


def load(
    folder: Path,
    config: Config,
    clips: Sequence[Clip],
    shards: Shards,
    *,
    wheel: Path,
    music: tuple[Sequence[Any], str],
    learns: Mapping[str, Sequence[int]],
    n_jobs: int,
    say: Callable[[str], None],
) -> Iterator[tuple[str, keras.Model]]:
    """Make the smaller network of each model, or read what was made before.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps all of it.
    config : Config
        With a `CompactConfig`.
    clips : sequence of Clip
        The whole manifest.
    shards : Shards
    wheel : pathlib.Path
        MusiCNN's, for `transfer.load_body`.
    music : tuple
        From `corpus.read`.
    learns : mapping of str to sequence of int
        The clips that each model may learn from.
    n_jobs : int
        Processes.
    say : callable
        Takes a line of progress.

    Yields
    ------
    name : str
    keras.Model
    """
    compact, features = config.compact, config.features
    assert compact is not None
    segments, corpus_sha256 = music
    made_from = hashlib.sha256(
        json.dumps([corpus_sha256, shards.sha256, asdict(compact)]).encode()
    ).hexdigest()

    @functools.cache
    def start() -> tuple[Pair, Lesson, keras.Model]:
        """Learn from the corpus, which all models share."""
        patches = Patches(compact, features, CorpusSegments(segments))
        rng = np.random.default_rng(compact.seed)
        small = transfer.body(compact)
        x = np.stack([patches.draw(rng) for _ in range(_FITTED)])
        approximate(small, transfer.load_body(wheel), x, compact)
        pair = Pair(compact, small.get_weights(), wheel)
        lesson = listen(
            folder / "corpus",
            pair,
            patches,
            compact.n_patches,
            made_from=corpus_sha256,
            n_jobs=n_jobs,
            say=say,
        )
        mine = folder / f"start-{made_from[:12]}"
        learn(mine, compact, small, [lesson], epochs=compact.epochs, say=say)
        return pair, lesson, small

    @functools.cache
    def of_split(name: str) -> Lesson:
        """Hear the clips of one split, for the models that may learn from it."""
        rows = sorted({i for rows in learns.values() for i in rows if clips[i].split == name})
        return listen(
            folder / f"clips-{name}",
            start()[0],
            Patches(compact, features, ClipSegments(shards, rows, features.n_frames)),
            compact.patches_per_clip * len(rows),
            made_from=f"{shards.sha256} {name}",
            n_jobs=n_jobs,
            say=say,
        )

    for name, rows in learns.items():
        weights, made = folder / f"{name}.weights.h5", folder / f"{name}.json"
        small = transfer.body(compact)
        if _is_made(made, made_from):
            small.load_weights(weights)
        else:
            small.set_weights(start()[2].get_weights())
            lessons = [start()[1], *map(of_split, sorted({clips[i].split for i in rows}))]
            say(f"{name}: goes on with its clips")
            mine = folder / f"{name}-{made_from[:12]}"
            explained = learn(mine, compact, small, lessons, epochs=compact.clip_epochs, say=say)
            small.save_weights(weights)
            write_text(made, json.dumps({"made_from": made_from, "explained": explained}) + "\n")
        yield name, small


def summary(folder: Path, config: Config, name: str) -> dict[str, Any]:
    """Say for ``bundle.json`` how the smaller network was made.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run.
    config : Config
    name : str
        Of the model.

    Returns
    -------
    dict
    """
    segments, digest = corpus.read(folder)
    made = json.loads((folder / FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert config.compact is not None
    return asdict(config.compact) | {
        "corpus_hours": round(sum(map(len, segments)) * config.features.segment_s / 3600, 1),
        "corpus_files": len(segments),
        "corpus_sha256": digest,
        "explained": made["explained"],
    }
