"""Training of a CNN of our own on labels and on its teachers' outputs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training.arrays import Floats
from training.config import Config, OwnCnn, TrainConfig, digest
from training.data.clips import Clip, reference
from training.features.shards import Shards
from training.files import write_weights
from training.folders import ModelFolder
from training.learn import models
from training.learn.batches import Batches, ahead
from training.learn.embed import segments
from training.learn.validation import check_loss, cross_entropy
from training.networks import cnn
from training.progress import Progress

_SAVE_EVERY = 3  # epochs: half a minute of work is lost at most when a run is killed
_VALIDATED = 200  # clips at most, evenly spaced: a twentieth of the time of an epoch


def _optimizer(train: TrainConfig, n_batches: int) -> Any:
    import keras

    n_steps = n_batches * train.epochs
    n_warmup = min(n_steps - 1, round(train.warmup_epochs * n_batches))
    schedule = keras.optimizers.schedules.CosineDecay(
        train.learning_rate / 20,
        n_steps - n_warmup,
        warmup_target=train.learning_rate,
        warmup_steps=n_warmup,
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=train.weight_decay, global_clipnorm=train.clip_norm
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _training_step(model: Any, optimizer: Any, weight: dict[str, float]) -> Any:
    """Make the step that fits a model to a batch and gives its losses, unweighted.

    Parameters
    ----------
    model : keras.Model
    optimizer : keras.optimizers.Optimizer
    weight : dict of str to float
        Of the loss for each teacher, beside 1 for the labels.
    """
    import tensorflow as tf

    def step(parts: dict[str, Any]) -> list[Any]:
        with tf.GradientTape() as tape:
            out = model(parts["x"], training=True)
            by_label = tf.reduce_mean(
                tf.nn.sigmoid_cross_entropy_with_logits(parts["logits"], out["logits"])
            )
            errors = {
                name: tf.reduce_mean(tf.square(out[name] - parts[name]))
                for name in weight
                if name in out
            }
            loss = by_label + sum(weight[name] * error for name, error in errors.items())
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return [by_label, *errors.values()]

    return tf.function(step, reduce_retracing=True)


def train_cnn(
    config: Config[OwnCnn],
    clips: Sequence[Clip],
    shards: Shards,
    *,
    rows: Sequence[int],
    validated: Sequence[int],
    name: str,
    folder: ModelFolder,
    say: Callable[[str], None],
) -> None:
    """Train one model, or resume a killed training at its last checkpoint.

    Parameters
    ----------
    config : Config
    clips : sequence of Clip
        The whole manifest.
    shards : Shards
    rows : sequence of int
        Indices of the clips to learn from.
    validated : sequence of int
        Indices of clips some of whose losses the log tells; nothing is chosen by them.
    name : str
        Of the model; part of its seed.
    folder : ModelFolder
        For checkpoints, the log and the weights.
    say : callable
        Takes one line of progress.

    Raises
    ------
    FatalError
        If the folder holds a model, whole or begun, of another configuration.
    """
    learned_from = models.LearnedFrom(
        models.stamp(clips[i] for i in rows), digest(dict(shards.teachers))
    )
    if models.is_trained(config, folder, learned_from, say):
        say(f"{name}: trained before")
        return
    import keras

    train = config.model.train
    keras.utils.set_random_seed(train.seed)
    batches = Batches(config, clips, shards, rows)
    sizes = {"n_sounds": batches.n_sounds, "n_tags": batches.n_tags}
    models.describe(folder, config, learned_from, n_clips=len(rows), **sizes)
    model, _ = cnn.build(config.model.network, config.features, **sizes)
    held_out = _held_out(config, clips, shards, validated)
    _run_epochs(model, batches, train, held_out, name=name, folder=folder, say=say)
    write_weights(folder.weights, model)


def _held_out(
    config: Config[OwnCnn], clips: Sequence[Clip], shards: Shards, rows: Sequence[int]
) -> list[tuple[Floats, Floats]]:
    """Cut a segment from the middle of some clips, as the product hears it: batches with labels."""
    some = list(rows)[:: max(1, -(-len(rows) // _VALIDATED))]
    size = config.model.train.batch_size
    batches = []
    for part in (some[i : i + size] for i in range(0, len(some), size)):
        cut = [segments(shards, i, clips[i].duration_s, config.features) for i in part]
        x = np.stack([each[len(each) // 2].T for each in cut])[..., None]
        batches.append((x, reference([clips[i] for i in part]).astype(np.float32)))
    return batches


def _validation_loss(model: Any, held_out: Sequence[tuple[Floats, Floats]]) -> float:
    logits = [np.asarray(model(x, training=False)["logits"]) for x, _ in held_out]
    return cross_entropy(np.concatenate(logits), np.concatenate([y for _, y in held_out]))


def _run_epochs(
    model: Any,
    batches: Batches,
    train: TrainConfig,
    held_out: Sequence[tuple[Floats, Floats]],
    *,
    name: str,
    folder: ModelFolder,
    say: Callable[[str], None],
) -> None:
    """Run the epochs that the last checkpoint lacks."""
    import tensorflow as tf

    optimizer = _optimizer(train, batches.n_batches)
    optimizer.build(model.trainable_variables)
    weight = {"sounds": train.sounds_weight, "tags": train.tags_weight}
    step = _training_step(model, optimizer, weight)
    names = ["labels", *(key for key in weight if key in model.output)]
    done = tf.Variable(0, trainable=False, dtype=tf.int64)
    state = tf.train.Checkpoint(model=model, optimizer=optimizer, done=done)
    manager = tf.train.CheckpointManager(state, str(folder.checkpoints), max_to_keep=1)
    if manager.latest_checkpoint:
        state.restore(manager.latest_checkpoint)
    first = int(done.numpy())
    progress = Progress(max(1, train.epochs - first), say, every_s=0)
    with folder.log.open("a", encoding="utf-8") as log:
        for epoch in range(first, train.epochs):
            began = time.monotonic()
            losses = [
                [float(v) for v in step({k: tf.constant(v) for k, v in parts.items()})]
                for parts in ahead(batches.epoch(name, epoch))
            ]
            seconds = time.monotonic() - began
            averages = np.asarray(np.mean(losses, axis=0)).round(4).tolist()
            means = dict(zip(names, averages, strict=True))
            check_loss(sum(means.values()), name, train.learning_rate)
            if held_out:
                means["validation"] = round(_validation_loss(model, held_out), 4)
            line: dict[str, float] = {"epoch": epoch + 1, **means, "seconds": round(seconds, 1)}
            log.write(json.dumps(line) + "\n")
            log.flush()
            shown = "  ".join(f"{key} {mean:.4f}" for key, mean in means.items())
            what = f"{name}: epoch {epoch + 1}/{train.epochs}  {shown}  {seconds:.1f} s"
            progress.at(epoch + 1 - first, what)
            done.assign(epoch + 1)
            if (epoch + 1) % _SAVE_EVERY == 0:
                manager.save()
