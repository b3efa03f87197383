"""A smaller MusiCNN that learns the large one by what it says of free music.

Nearly all of MusiCNN's arithmetic is in its first layer: 561 filters, compared with every
frame at every band. For music these filters are combinations of few, and neighbouring frames
and bands say nearly the same. The smaller one (`body.body`) computes the few, which follow
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
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.arrays import Floats, Integers
from training.config import CompactConfig, Config
from training.data.clips import Clip
from training.features import corpus
from training.features.shards import Shards
from training.files import write_text
from training.learn.lessons import Lesson, Pair, listen
from training.learn.patches import ClipSegments, CorpusSegments, Patches
from training.networks import body, musicnn
from training.networks.low_rank import approximate, rest

if TYPE_CHECKING:
    import keras


FOLDER = "compact"
"""In the run folder."""

_HELD_OUT = 20  # every 20th patch is never learned from, and tells how close it came
_FITTED = 200  # patches that the filters are approximated on
_LEAST_SPREAD = 0.5  # of the median over units


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

    def batch(index: Integers) -> tuple[Floats, Floats]:
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
        MusiCNN's, for `body.load_body`.
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
        small = body.body(compact)
        x = np.stack([patches.draw(rng) for _ in range(_FITTED)])
        approximate(small, body.load_body(wheel), x, compact)
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
        small = body.body(compact)
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
