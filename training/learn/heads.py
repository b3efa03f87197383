"""Heads, fitted to embeddings.

The body below them stays as it is: training its middle and last layers on our clips, too,
was tried and made it no better (docs/experiments.md).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.arrays import Floats, Integers, Numbers
from training.config import Config, HeadConfig, MusicnnHeads
from training.data.clips import Clip, reference
from training.files import write_weights
from training.folders import ModelFolder
from training.learn import models
from training.learn.embed import Embedded
from training.learn.sampling import draw_weights
from training.learn.validation import check_loss, cross_entropy
from training.progress import Progress

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Examples:
    """Embeddings and labels that heads learn from.

    Attributes
    ----------
    embeddings : numpy.ndarray, shape (n_segments, size), float32
    first : numpy.ndarray, shape (n_clips + 1,), int64
        Clip ``i`` has the segments ``first[i]`` to ``first[i + 1]``.
    labels : numpy.ndarray, shape (n_clips, n_genres), float32
    """

    embeddings: Floats
    first: Integers
    labels: Floats

    @classmethod
    def of(cls, embedded: Embedded, clips: Sequence[Clip]) -> Examples:
        """Put negatives behind a manifest's clips, as more clips of one segment each."""
        first = np.searchsorted(embedded.owner, np.arange(len(clips) + 1))
        n_more = len(embedded.negatives)
        return cls(
            np.concatenate([embedded.embeddings, embedded.negatives]),
            np.concatenate([first, first[-1] + 1 + np.arange(n_more)]),
            np.pad(reference(clips).astype(np.float32), ((0, n_more), (0, 0))),
        )


def train_heads(
    config: Config[MusicnnHeads],
    clips: Sequence[Clip],
    embedded: Embedded,
    build: Callable[[], tuple[keras.Model, keras.Model, keras.Model]],
    *,
    rows: Sequence[int],
    validated: Sequence[int],
    name: str,
    folder: ModelFolder,
    say: Callable[[str], None],
) -> None:
    """Train the heads of one model, and save them with the body.

    Parameters
    ----------
    config : Config
    clips : sequence of Clip
        The whole manifest.
    embedded : Embedded
        From `embed`.
    build : callable
        Gives embedder, heads and both as one, as a recipe does.
    rows : sequence of int
        Indices of the clips to learn from.
    validated : sequence of int
        Indices of clips whose loss the log tells; nothing is chosen by it.
    name : str
        Of the model; part of its seed.
    folder : ModelFolder
        For the log and the weights.
    say : callable
        Takes one line of progress.

    Raises
    ------
    FatalError
        If the folder holds a model of another configuration.
    """
    import keras

    learned_from = models.LearnedFrom(models.stamp(clips[i] for i in rows), embedded.sha256)
    if models.is_trained(config, folder, learned_from, say):
        say(f"{name}: trained before")
        return
    models.describe(folder, config, learned_from, n_clips=len(rows))
    head = config.model.train
    keras.utils.set_random_seed(head.seed)
    embedder, heads, inference = build()
    embedder.set_weights(embedded.embedder.get_weights())
    embedded = embedded.first(heads.input.shape[1])
    seen = embedded.embeddings[np.isin(embedded.owner, rows)]
    heads.get_layer("standard").set_weights([seen.mean(axis=0), seen.var(axis=0)])
    examples = Examples.of(embedded, clips)
    n_negatives = len(embedded.negatives)
    weights = draw_weights([clips[i] for i in rows], head, config.split.large_sets)
    if n_negatives:
        share = config.model.negatives.share
        each = np.full(n_negatives, share / n_negatives)
        weights = np.concatenate([weights * (1 - share), each])
    learned = [*rows, *range(len(clips), len(clips) + n_negatives)]
    held_out = np.isin(embedded.owner, validated)
    seed = [head.seed, *name.encode()]
    began = time.monotonic()
    progress = Progress(head.epochs, say)
    with folder.log.open("w", encoding="utf-8") as log:
        losses = fit_heads(heads, head, examples, learned, weights, seed=seed)
        for epoch, loss in enumerate(losses, 1):
            check_loss(loss, name, head.learning_rate)
            line = {"epoch": epoch, "labels": round(loss, 4)}
            told = f"{name}: epoch {epoch}/{head.epochs}, loss {loss:.4f}"
            if held_out.any():
                logits = np.asarray(heads(embedded.embeddings[held_out], training=False))
                y = examples.labels[embedded.owner[held_out]]
                line["validation"] = round(cross_entropy(logits, y), 4)
                told += f", validation {line['validation']:.4f}"
            line["seconds"] = round(time.monotonic() - began, 1)
            began = time.monotonic()
            log.write(json.dumps(line) + "\n")
            progress.at(epoch, told)
    write_weights(folder.weights, inference)


def fit_heads(
    heads: keras.Model,
    head: HeadConfig,
    examples: Examples,
    rows: Sequence[int] | Integers,
    weights: Numbers,
    *,
    seed: Sequence[int],
) -> Iterator[float]:
    """Fit heads to embeddings, with mixup.

    Parameters
    ----------
    heads : keras.Model
        From `training.networks.heads.build`.
    head : HeadConfig
    examples : Examples
    rows : sequence of int
        Clips to learn from.
    weights : numpy.ndarray, shape (len(rows),)
        How often each is drawn; they sum to 1.
    seed : sequence of int

    Yields
    ------
    float
        The mean loss of an epoch.
    """
    import keras

    n_batches = max(1, len(rows) // head.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(head.learning_rate, n_batches * head.epochs)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=head.weight_decay)
    optimizer.build(heads.trainable_variables)
    step = _training_step(heads, optimizer, head.n_heads)
    embeddings, first, labels = examples.embeddings, examples.first, examples.labels
    rng = np.random.default_rng(seed)
    for _ in range(head.epochs):
        losses = []
        for _ in range(n_batches):
            drawn = rng.choice(rows, head.batch_size, p=weights)
            x = embeddings[rng.integers(first[drawn], first[drawn + 1])]
            other = rng.permutation(len(drawn))
            share = rng.beta(head.mixup_alpha, head.mixup_alpha, (len(drawn), 1))
            share = share.astype(np.float32)
            y = share * labels[drawn] + (1 - share) * labels[drawn[other]]
            losses.append(float(step(share * x + (1 - share) * x[other], y)))
        yield float(np.mean(losses))


def _training_step(heads: keras.Model, optimizer: Any, n_heads: int) -> Any:
    """Make the step that fits heads to a batch and gives their mean loss."""
    import tensorflow as tf

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = heads(x, training=True)
            y = tf.broadcast_to(y[:, None], tf.shape(logits))
            each = tf.nn.sigmoid_cross_entropy_with_logits(y, logits)
            loss = tf.reduce_mean(each) * n_heads  # each head as if it were alone
        gradients = tape.gradient(loss, heads.trainable_variables)
        optimizer.apply(gradients, heads.trainable_variables)
        return loss / n_heads

    return tf.function(step)
