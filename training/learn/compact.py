"""A smaller MusiCNN, distilled from the large one on free music.

Nearly all of MusiCNN's arithmetic is in its first layer: 561 filters, compared with every
frame at every band. For music these filters are combinations of few, and neighbouring frames
and bands say nearly the same. The smaller one (`body.build`) computes the few, which follow
in closed form from the spectra of the corpus (`low_rank`), at fewer frames and bands. The
layers behind them are then trained to give the large network's outputs. Inputs are varied and
mixed, and both networks get the same (function matching: Beyer et al., "Knowledge
distillation: a good teacher is patient and consistent", CVPR 2022). All models share what was
learned from the corpus; each is then trained further on patches of the clips that it may learn
from.
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.arrays import Bools, Floats, Halves, Integers
from training.config import CompactConfig, CompactHeads, Config
from training.data.clips import Clip
from training.features import corpus
from training.features.shards import Shards
from training.files import write_text
from training.folders import RunFolder
from training.learn.lessons import Lesson, Pair, prepare
from training.learn.patches import ClipSegments, CorpusSegments, Patches
from training.networks import body, musicnn
from training.networks.low_rank import approximate, rest

if TYPE_CHECKING:
    import keras

_HELD_OUT = 20  # every 20th patch is never learned from, and tells how close it came
_FITTED = 200  # patches that the filters are approximated on
_LEAST_SPREAD = 0.5  # of the median over units


class Course:
    """A sequence of lessons: the patches of an epoch, and those that are held out.

    If there are others behind the first lesson, an epoch is all of those, and as many patches
    of the first.

    Parameters
    ----------
    lessons : sequence of Lesson

    Attributes
    ----------
    test : numpy.ndarray, shape (n,), int64
        Patches that are never learned from.
    n_in_epoch : int
    """

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        self._lessons = lessons
        self._first = np.cumsum([0, *(len(lesson.inputs) for lesson in lessons)])
        everything = np.arange(self._first[-1])
        self._kept: Bools = everything % _HELD_OUT > 0
        old, new = np.split(everything, [self._first[1]])
        self._old_rows, self._new_rows = old[self._kept[old]], new[self._kept[new]]
        self._n_old = len(self._old_rows)
        if len(new):
            self._n_old = min(self._n_old, len(self._new_rows))
        self._latest = new if len(new) else old
        self.test = self._latest[~self._kept[self._latest]]
        self.n_in_epoch = self._n_old + len(self._new_rows)

    def epoch(self, seed: int, epoch: int) -> Integers:
        """Order the patches of an epoch, shape (n_in_epoch,)."""
        rng = np.random.default_rng([seed, epoch])
        old = rng.permutation(self._old_rows)[: self._n_old]
        return rng.permutation(np.concatenate([old, self._new_rows]))

    def batch(self, index: Integers) -> tuple[Floats, Floats]:
        """Read patches; they come lesson by lesson.

        Returns
        -------
        inputs : numpy.ndarray, shape (n, n_frames / time_stride, body.N_FRONT), float32
        targets : numpy.ndarray, shape (n, 250), float32
        """
        places = [
            (lesson, np.sort(index[(a <= index) & (index < b)] - a))
            for lesson, a, b in zip(self._lessons, self._first[:-1], self._first[1:], strict=True)
        ]
        return (
            np.concatenate([lesson.inputs[at] for lesson, at in places]).astype(np.float32),
            np.concatenate([lesson.targets[at] for lesson, at in places]),
        )

    def spread(self) -> Floats:
        """Compute the standard deviation of each target over the latest patches, floored.

        Otherwise units that hardly vary in this music would count most.
        """
        targets = np.concatenate([lesson.targets for lesson in self._lessons])
        spread = targets[self._latest[self._kept[self._latest]]].std(axis=0)
        return np.asarray(np.maximum(spread, _LEAST_SPREAD * np.median(spread)))


def _optimizer(config: CompactConfig, n_steps: int) -> Any:
    import keras

    n_warmup = max(1, round(config.warmup_share * n_steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, n_steps - n_warmup, warmup_target=config.learning_rate, warmup_steps=n_warmup
    )
    return keras.optimizers.Adam(schedule, global_clipnorm=1.0)


def _steps(model: keras.Model, optimizer: Any, spread: Floats) -> tuple[Any, Any]:
    """Make the function that measures a batch and the one that fits the model to it.

    Returns
    -------
    unexplained : callable
        Share of the variance that is left, of the last hidden layer and of the tags' logits.
    step : callable
    """
    import tensorflow as tf

    def unexplained(x: Any, y: Any) -> Any:
        each = tf.reduce_mean(tf.square((model(x, training=False) - y) / spread), axis=0)
        n = musicnn.N_HIDDEN
        return tf.stack([tf.reduce_mean(each[:n]), tf.reduce_mean(each[n:])])

    measure = tf.function(unexplained, reduce_retracing=True)

    def step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(measure(x, y))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

    return measure, tf.function(step, reduce_retracing=True)


def learn(
    folder: Path,
    config: CompactConfig,
    small: keras.Model,
    course: Course,
    *,
    epochs: int,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Fit the layers behind the filters to the large network's outputs; a killed run resumes.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps a checkpoint of each epoch.
    config : CompactConfig
    small : keras.Model
        Is changed.
    course : Course
    epochs : int
    say : callable
        Takes a line of progress.

    Returns
    -------
    dict of str to float
        Share of the variance that is explained on patches it has not learned from, of the
        last hidden layer and of the tags' logits.
    """
    import tensorflow as tf

    model = rest(small)
    n_steps = course.n_in_epoch // config.batch_size
    optimizer = _optimizer(config, n_steps * epochs)
    optimizer.build(model.trainable_variables)
    unexplained, step = _steps(model, optimizer, course.spread())

    def explained() -> dict[str, float]:
        parts = np.array_split(course.test, max(1, len(course.test) // config.batch_size))
        shares = 1 - np.mean([unexplained(*course.batch(part)).numpy() for part in parts], axis=0)
        return {"hidden": round(float(shares[0]), 4), "tags": round(float(shares[1]), 4)}

    state = tf.train.Checkpoint(model=model, optimizer=optimizer, epoch=tf.Variable(0))
    keeper = tf.train.CheckpointManager(state, str(folder / "checkpoints"), max_to_keep=1)
    say(f"explained before learning: {explained()}")
    if keeper.latest_checkpoint:
        state.restore(keeper.latest_checkpoint)
        say(f"resumes after epoch {int(state.epoch.numpy())}")
    for epoch in range(int(state.epoch.numpy()), epochs):
        began = time.monotonic()
        order = course.epoch(config.seed, epoch)
        for i in range(n_steps):
            step(*course.batch(order[i * config.batch_size : (i + 1) * config.batch_size]))
        state.epoch.assign(epoch + 1)
        keeper.save()
        left_s = (time.monotonic() - began) * (epochs - epoch - 1)
        say(f"epoch {epoch + 1}: explained {explained()}; about {left_s / 60:.0f} min left")
    return explained()


class Distillation:
    """Distils the smaller network of each model; work that models share is done once.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps all of it.
    config : Config
    clips : sequence of Clip
        The whole manifest.
    shards : Shards
    wheel : pathlib.Path
        MusiCNN's, for `body.load`.
    music : tuple
        From `corpus.read`.
    learns : mapping of str to sequence of int
        The clips that each model may learn from.
    n_jobs : int
        Processes.
    say : callable
        Takes a line of progress.
    """

    def __init__(
        self,
        folder: Path,
        config: Config[CompactHeads],
        clips: Sequence[Clip],
        shards: Shards,
        *,
        wheel: Path,
        music: tuple[Sequence[Halves], str],
        learns: Mapping[str, Sequence[int]],
        n_jobs: int,
        say: Callable[[str], None],
    ) -> None:
        self._folder, self._compact, self._features = folder, config.model.compact, config.features
        self._clips, self._shards, self._wheel = clips, shards, wheel
        self._segments, self._corpus_sha256 = music
        self._learns, self._n_jobs, self._say = learns, n_jobs, say
        origin = [self._corpus_sha256, shards.sha256, asdict(self._compact)]
        self._made_from = hashlib.sha256(json.dumps(origin).encode()).hexdigest()
        self._clip_lessons: dict[str, Lesson] = {}

    def networks(self) -> Iterator[tuple[str, keras.Model]]:
        """Distil the network of each model, or read it.

        Yields
        ------
        name : str
        keras.Model
        """
        for name, rows in self._learns.items():
            weights, made = self._folder / f"{name}.weights.h5", self._folder / f"{name}.json"
            small = body.build(self._compact)
            if self._is_made(made):
                small.load_weights(weights)
            else:
                explained = self._train(name, small, rows)
                small.save_weights(weights)
                about = {"made_from": self._made_from, "explained": explained}
                write_text(made, json.dumps(about) + "\n")
            yield name, small

    def _is_made(self, made: Path) -> bool:
        if not made.exists():
            return False
        about = json.loads(made.read_text(encoding="utf-8"))
        return bool(about["made_from"] == self._made_from)

    def _train(self, name: str, small: keras.Model, rows: Sequence[int]) -> dict[str, float]:
        """Train a model on its clips, beginning with what was learned from the corpus."""
        _, corpus_lesson, start = self._start
        small.set_weights(start.get_weights())
        splits = sorted({self._clips[i].split for i in rows})
        course = Course([corpus_lesson, *map(self._clip_lesson, splits)])
        self._say(f"{name}: trained further on its clips")
        return self._learn(name, small, course, self._compact.clip_epochs)

    def _learn(
        self, name: str, small: keras.Model, course: Course, epochs: int
    ) -> dict[str, float]:
        folder = self._folder / f"{name}-{self._made_from[:12]}"
        return learn(folder, self._compact, small, course, epochs=epochs, say=self._say)

    @functools.cached_property
    def _start(self) -> tuple[Pair, Lesson, keras.Model]:
        """Learn from the corpus, which all models share."""
        compact = self._compact
        patches = Patches(compact, self._features, CorpusSegments(self._segments))
        rng = np.random.default_rng(compact.seed)
        small = body.build(compact)
        x = np.stack([patches.draw(rng) for _ in range(_FITTED)])
        approximate(small, body.load(self._wheel), x, compact)
        pair = Pair(compact, small.get_weights(), self._wheel)
        lesson = self._prepare("corpus", pair, patches, compact.n_patches, self._corpus_sha256)
        self._learn("start", small, Course([lesson]), compact.epochs)
        return pair, lesson, small

    def _clip_lesson(self, split: str) -> Lesson:
        """Prepare the clips of one split, for the models that may learn from it."""
        if split not in self._clip_lessons:
            learned = {i for rows in self._learns.values() for i in rows}
            rows = sorted(i for i in learned if self._clips[i].split == split)
            draw = ClipSegments(self._shards, rows, self._features.n_frames)
            self._clip_lessons[split] = self._prepare(
                f"clips-{split}",
                self._start[0],
                Patches(self._compact, self._features, draw),
                self._compact.patches_per_clip * len(rows),
                f"{self._shards.sha256} {split}",
            )
        return self._clip_lessons[split]

    def _prepare(
        self, name: str, pair: Pair, patches: Patches, n_patches: int, made_from: str
    ) -> Lesson:
        return prepare(
            self._folder / name,
            pair,
            patches,
            n_patches,
            made_from=made_from,
            n_jobs=self._n_jobs,
            say=self._say,
        )


def summary(folder: RunFolder, config: Config[CompactHeads], name: str) -> dict[str, Any]:
    """Describe the distillation for ``bundle.json``.

    Parameters
    ----------
    folder : RunFolder
    config : Config
    name : str
        Of the model.

    Returns
    -------
    dict
    """
    segments, digest = corpus.read(folder.corpus)
    made = json.loads((folder.compact / f"{name}.json").read_text(encoding="utf-8"))
    return asdict(config.model.compact) | {
        "corpus_hours": round(sum(map(len, segments)) * config.features.segment_s / 3600, 1),
        "corpus_files": len(segments),
        "corpus_sha256": digest,
        "explained": made["explained"],
    }
