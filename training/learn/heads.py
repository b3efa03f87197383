"""The network of the `accurate` bundle: MusiCNN, as published, under heads of our own.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio
tagging", ISMIR late-breaking 2019; ``MSD_musicnn``, learned from the Million Song
Dataset; ISC licence, which allows its weights to ship. It stays as it is: training its
middle and last layers on our clips, too, was tried and made it no better.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.arrays import Floats, Integers, Numbers
from training.config import Config, HeadConfig, fingerprint
from training.data.clips import Clip, reference
from training.learn.embed import Heard
from training.learn.models import DESCRIPTION, WEIGHTS, check
from training.learn.sampling import draw_weights
from training.networks import body

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Examples:
    """What heads learn from.

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


def fit(
    config: Config,
    clips: Sequence[Clip],
    heard: Heard,
    *,
    rows: Sequence[int],
    name: str,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Train the heads of one model, and save them with the body.

    Parameters
    ----------
    config : Config
        With a `HeadConfig`.
    clips : sequence of Clip
        The whole manifest.
    heard : Heard
        From `embed`.
    rows : sequence of int
        Indices of the clips to learn from.
    name : str
        Of the model; part of its seed.
    folder : pathlib.Path
        For the log and the weights.
    say : callable
        Takes one line of progress.

    Raises
    ------
    FatalError
        If the folder holds a model of another configuration.
    """
    import keras

    head = config.train
    assert isinstance(head, HeadConfig)
    if (folder / DESCRIPTION).exists():
        check(config, folder, heard.sha256)
    if (folder / WEIGHTS).exists():
        say(f"{name}: trained before")
        return
    folder.mkdir(parents=True, exist_ok=True)
    meta = {"n_sounds": 0, "n_tags": 0, "n_clips": len(rows), "config": fingerprint(config)}
    meta["shards"] = heard.sha256
    (folder / DESCRIPTION).write_text(json.dumps(meta) + "\n", encoding="utf-8")
    keras.utils.set_random_seed(head.seed)
    inner, heads, inference = body.build(config)
    inner.set_weights(heard.trunk.get_weights())
    mine = heard.embeddings[np.isin(heard.owner, rows)]
    heads.get_layer("standard").set_weights([mine.mean(axis=0), mine.var(axis=0)])
    first = np.searchsorted(heard.owner, np.arange(len(clips) + 1))
    weights = draw_weights([clips[i] for i in rows], head)
    # negatives are so many more clips, of one segment each
    n_more = len(heard.negatives)
    examples = Examples(
        np.concatenate([heard.embeddings, heard.negatives]),
        np.concatenate([first, first[-1] + 1 + np.arange(n_more)]),
        np.pad(reference(clips).astype(np.float32), ((0, n_more), (0, 0))),
    )
    if n_more:
        assert config.negatives is not None
        share = config.negatives.share
        weights = np.concatenate([weights * (1 - share), np.full(n_more, share / n_more)])
    learned = [*rows, *range(len(clips), len(clips) + n_more)]
    seed = [head.seed, *name.encode()]
    began = time.monotonic()
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        losses = fit_heads(heads, head, examples, learned, weights, seed=seed)
        for epoch, loss in enumerate(losses, 1):
            line = {"epoch": epoch, "labels": round(loss, 4)}
            line["seconds"] = round(time.monotonic() - began, 1)
            began = time.monotonic()
            log.write(json.dumps(line) + "\n")
    say(f"{name}: {head.epochs} epochs, loss {line['labels']}")
    inference.save_weights(folder / WEIGHTS)


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
        From `build_heads`.
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
    import tensorflow as tf

    n_batches = max(1, len(rows) // head.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(head.learning_rate, n_batches * head.epochs)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=head.weight_decay)
    optimizer.build(heads.trainable_variables)

    @tf.function
    def step(x: Any, wanted: Any) -> Any:
        with tf.GradientTape() as tape:
            given = heads(x, training=True)
            wanted = tf.broadcast_to(wanted[:, None], tf.shape(given))
            each = tf.nn.sigmoid_cross_entropy_with_logits(wanted, given)
            loss = tf.reduce_mean(each) * head.n_heads  # each head as if it were alone
        gradients = tape.gradient(loss, heads.trainable_variables)
        optimizer.apply(gradients, heads.trainable_variables)
        return loss / head.n_heads

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
            wanted = share * labels[drawn] + (1 - share) * labels[drawn[other]]
            losses.append(float(step(share * x + (1 - share) * x[other], wanted)))
        yield float(np.mean(losses))
