"""Stage 3, train: fit the network to the clips of all folds but one, or of all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.config import Config, TrainConfig, fingerprint
from training.data.clips import Clip
from training.features.shards import Shards
from training.learn import models
from training.learn.batches import Batches, ahead
from training.networks import cnn
from training.progress import Progress

_SAVE_EVERY = 3  # epochs: half a minute of work is lost at most when a run is killed


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


def fit(
    config: Config,
    clips: Sequence[Clip],
    shards: Shards,
    *,
    rows: Sequence[int],
    name: str,
    folder: Path,
    say: Callable[[str], None],
) -> Path:
    """Train one model, or go on where a killed training stopped.

    Parameters
    ----------
    config : Config
    clips : sequence of Clip
        The whole manifest.
    shards : Shards
    rows : sequence of int
        Indices of the clips to learn from.
    name : str
        Of the model; part of its seed.
    folder : pathlib.Path
        For checkpoints, the log and the weights.
    say : callable
        Takes one line of progress.

    Returns
    -------
    pathlib.Path
        The weights, in Keras' HDF5.

    Raises
    ------
    FatalError
        If the folder holds a model, whole or begun, of another configuration.
    """
    weights, description = folder / models.WEIGHTS, folder / models.DESCRIPTION
    if description.exists():
        models.check(config, folder, shards.sha256)
    if weights.exists():
        say(f"{name}: trained before")
        return weights

    import keras
    import tensorflow as tf

    train = config.train
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(train.seed)
    batches = Batches(config, clips, shards, rows)
    meta = {
        "n_sounds": batches.n_sounds,
        "n_tags": batches.n_tags,
        "n_clips": len(rows),
        "config": fingerprint(config),
        "shards": shards.sha256,
    }
    description.write_text(json.dumps(meta) + "\n", encoding="utf-8")
    model, _ = cnn.build(config.network, config.features, batches.n_sounds, batches.n_tags)
    optimizer = _optimizer(train, batches.n_batches)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(parts: dict[str, Any]) -> list[Any]:
        with tf.GradientTape() as tape:
            out = model(parts["x"], training=True)
            by_label = tf.reduce_mean(
                tf.nn.sigmoid_cross_entropy_with_logits(parts["logits"], out["logits"])
            )
            errors = {
                name: tf.reduce_mean(tf.square(out[name] - parts[name]))
                for name in ("sounds", "tags")
                if name in out
            }
            loss = by_label + sum(weight[name] * error for name, error in errors.items())
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return [by_label, *errors.values()]

    weight = {"sounds": train.sounds_weight, "tags": train.tags_weight}
    names = ["labels", *(n for n in ("sounds", "tags") if n in model.output)]
    done = tf.Variable(0, trainable=False, dtype=tf.int64)
    state = tf.train.Checkpoint(model=model, optimizer=optimizer, done=done)
    manager = tf.train.CheckpointManager(state, str(folder / "checkpoints"), max_to_keep=1)
    if manager.latest_checkpoint:
        state.restore(manager.latest_checkpoint)
    first = int(done.numpy())
    progress = Progress(max(1, train.epochs - first), say, every_s=0)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        for epoch in range(first, train.epochs):
            began = time.monotonic()
            losses = [
                [float(v) for v in step({k: tf.constant(v) for k, v in parts.items()})]
                for parts in ahead(batches.epoch(name, epoch))
            ]
            seconds = time.monotonic() - began
            means = np.round(np.mean(losses, axis=0), 4).tolist()
            line = {"epoch": epoch + 1, **dict(zip(names, means, strict=True))}
            log.write(json.dumps({**line, "seconds": round(seconds, 1)}) + "\n")
            log.flush()
            shown = "  ".join(f"{k} {v:.4f}" for k, v in zip(names, means, strict=True))
            what = f"{name}: epoch {epoch + 1}/{train.epochs}  {shown}  {seconds:.1f} s"
            progress.at(epoch + 1 - first, what)
            done.assign(epoch + 1)
            if (epoch + 1) % _SAVE_EVERY == 0:
                manager.save()
    model.save_weights(weights)
    return weights
