"""Trainings of the grid, by several protocols.

Every training leaves two files: ``PROTOCOL/VARIANT.json`` and, with the probabilities of the
validation and the test part, ``.npz``. What is there is not trained again: a killed study loses
the trainings that were under way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training.arrays import Bools, Floats, Integers
from training.data.clips import Clip, reference
from training.files import write_text
from training.networks import report
from training.study import variants
from training.study.config import StudyConfig, TrainConfig
from training.study.grid import N_COPIES, Variant, parse
from training.study.protocols import divide

_N_ADAPT = 400  # examples whose mean and variance standardise the input: a thousandth off


def _mix(x: Floats, y: Floats, train: TrainConfig, rng: np.random.Generator) -> None:
    """Apply mixup and masks to a batch, in place."""
    if train.mixup_share:
        share = rng.beta(train.mixup_alpha, train.mixup_alpha, len(x)).astype(np.float32)
        share = np.maximum(share, 1 - share)
        share[rng.random(len(x)) >= train.mixup_share] = 1.0
        other = rng.permutation(len(x))
        x[:] = share[:, None, None, None] * x + (1 - share)[:, None, None, None] * x[other]
        y[:] = share[:, None] * y + (1 - share)[:, None] * y[other]
    for example in x if train.n_masks else ():
        silence = example.min(axis=(0, 1))
        for axis, widest in ((0, train.mask_rows), (1, train.mask_frames)):
            n = example.shape[axis]
            for _ in range(train.n_masks):
                width = int(rng.integers(round(widest * n) + 1))
                start = int(rng.integers(n - width + 1))
                np.moveaxis(example, axis, 0)[start : start + width] = silence


def _loss(positive_weights: Floats) -> Callable[[Any, Any], Any]:
    from keras import ops

    def loss(y: Any, p: Any) -> Any:
        p = ops.clip(p, 1e-7, 1 - 1e-7)
        return -ops.mean(positive_weights * y * ops.log(p) + (1 - y) * ops.log(1 - p), axis=-1)

    return loss


def _moments(examples: variants.Examples, indices: Integers) -> tuple[Floats, Floats]:
    """Compute mean and variance by row and channel, one example in memory at a time."""
    each = []
    for i in indices:
        x = examples.read([i])[0].astype(np.float32)
        each.append((x.mean(axis=1), np.square(x).mean(axis=1)))
    mean, square = (np.mean(part, axis=0, dtype=np.float64) for part in zip(*each, strict=True))
    variance = np.maximum(square - mean**2, 0)
    return np.asarray(mean, dtype=np.float32), np.asarray(variance, dtype=np.float32)


def _use_threads(n: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(n)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _forget_peak() -> None:
    """Reset the peak of memory to the present size (Linux, proc_pid_clear_refs(5))."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mb() -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():  # no Linux
        return None
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def category_hits(labels: Bools, estimated: Floats) -> Bools:
    """Tell which examples Keras' ``accuracy`` counts as right, with several sigmoids.

    Categorical accuracy: the highest output against the highest label, ties to the first.
    Of a "Pop; Rock" example "Pop" alone is right.
    """
    return np.asarray(labels.argmax(axis=1) == estimated.argmax(axis=1))


def train_variant(
    folder: Path,
    store: Path,
    clips: Sequence[Clip],
    *,
    name: str,
    protocol: str,
    config: StudyConfig,
) -> dict[str, Any]:
    """Train one variant by one protocol and write its two files.

    Parameters
    ----------
    folder : pathlib.Path
        For the results.
    store : pathlib.Path
        See `training.study.variants`.
    clips : sequence of Clip
    name : str
        The variant's id.
    protocol : str
    config : StudyConfig

    Returns
    -------
    dict
        What the JSON holds.
    """
    import keras

    keras.backend.clear_session()
    _forget_peak()
    began = time.monotonic()
    keras.utils.set_random_seed(config.train.seed)
    training = _Training(
        variants.read(store, clips, parse(name), config.features), clips, config, protocol
    )
    log, test, train_seconds = training.run()
    examples, parts = training.examples, training.parts
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / f"{name}.npz",
        validation=training.estimate(parts.validation),
        validation_track=examples.track[parts.validation],
        test=test,
        test_track=examples.track[parts.test],
        test_copy=examples.copy[parts.test],
    )
    about = {
        "variant": name,
        "protocol": protocol,
        "config": _fingerprint(config, clips),
        "large_sets": config.split.large_sets,
        "log": log,
        "n_train": len(parts.train),
        "n_test": len(parts.test),
        "n_weights": training.model.count_params(),
        "train_seconds": train_seconds,
        "seconds": time.monotonic() - began,
        "peak_mb": _peak_mb(),
    }
    write_text(folder / f"{name}.json", json.dumps(about, indent=1) + "\n")
    return about


class _Training:
    """A network, the examples that it is fitted to and measured on, and the state of both."""

    def __init__(
        self,
        examples: variants.Examples,
        clips: Sequence[Clip],
        config: StudyConfig,
        protocol: str,
    ) -> None:
        self.examples, self._train = examples, config.train
        self.parts = divide(examples, clips, config, protocol)
        self._labels = reference(clips)
        self._targets = self._labels.astype(np.float32)
        self._rng = np.random.default_rng(config.train.seed)
        self.model = self._build()

    def _build(self) -> Any:
        import keras

        learned = self.parts.train
        seen = self._rng.choice(learned, min(_N_ADAPT, len(learned)), replace=False)
        mean, variance = _moments(self.examples, seen)
        model = report.build(
            self.examples.shape, pooling=self._train.pooling, mean=mean, variance=variance
        )
        counts = self._targets[self.examples.track[learned]].sum(axis=0)
        weights = (counts.max() / np.maximum(counts, 1.0)) ** self._train.positive_power
        optimizer = keras.optimizers.Adam(self._train.learning_rate)
        model.compile(optimizer, _loss(weights.astype(np.float32)))
        return model

    def _batches(self) -> Iterator[tuple[Floats, Floats]]:
        """Draw a pass: as many examples as there are tracks, whatever parts and copies."""
        for x, y in self.examples.batches(
            self._targets, self.parts.train, self._train.batch_size, rng=self._rng, n=self._n_pass
        ):
            _mix(x, y, self._train, self._rng)
            yield x, y

    @property
    def _n_pass(self) -> int:
        variant = self.examples.variant
        n_copies = N_COPIES if variant.augmented else 1
        return len(self.parts.train) // (variant.n_parts * n_copies)

    def run(self) -> tuple[list[dict[str, float]], Floats, float]:
        """Run all passes.

        Returns
        -------
        log : list of dict
            ``passes``, ``loss`` and ``accuracy``, each time it is measured.
        test : numpy.ndarray, shape (n_test, n_genres)
            Predictions after the last pass.
        train_seconds : float
            Without measuring.
        """
        train = self._train
        n_batches = -(-self._n_pass // train.batch_size)
        dataset = variants.stream(self._batches, self.examples.shape, len(GENRES), n_batches)
        log: list[dict[str, float]] = []
        train_seconds = 0.0
        for done in range(1, train.passes + 1):
            started = time.monotonic()
            loss = float(self.model.fit(dataset, shuffle=False, verbose=0).history["loss"][0])
            train_seconds += time.monotonic() - started
            if done % train.measure_every == 0 or done == train.passes:
                test = self.estimate(self.parts.test)
                log.append({"passes": done, "loss": loss, "accuracy": self._accuracy(test)})
        return log, test, train_seconds

    def estimate(self, indices: Integers) -> Floats:
        """Predict examples, shape (n, n_genres)."""
        batches = self.examples.batches(self._targets, indices, self._train.batch_size)
        return np.concatenate([self.model.predict_on_batch(x) for x, _ in batches])

    def _accuracy(self, test: Floats) -> float:
        labels = self._labels[self.examples.track[self.parts.test]]
        hits = category_hits(labels, test)
        return float(hits[labels.any(axis=1)].mean())


def _fingerprint(config: StudyConfig, clips: Sequence[Clip]) -> str:
    about = [[c.track_id, c.artist_id, c.genres] for c in clips]
    folds = asdict(config.split)
    del folds["large_sets"]  # beside the fingerprint, because it was no setting once
    parts = [asdict(config.features), folds, asdict(config.train), about]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def run(
    folder: Path,
    store: Path,
    clips: Sequence[Clip],
    chosen: Sequence[Variant],
    *,
    protocols: Sequence[str],
    config: StudyConfig,
    n_jobs: int,
    n_threads: int,
) -> Iterator[dict[str, Any]]:
    """Train the variants that are not trained yet.

    Parameters
    ----------
    folder : pathlib.Path
        For the results.
    store : pathlib.Path
    clips : sequence of Clip
    chosen : sequence of Variant
    protocols : sequence of str
    config : StudyConfig
    n_jobs : int
        Trainings at a time.
    n_threads : int
        Of each.

    Yields
    ------
    dict
        Of each training that is done, in the order of protocols and variants.

    Raises
    ------
    FatalError
        If a result is there that comes from other data or settings, or a training dies.
    """

    def there(protocol: str, variant: Variant) -> dict[str, Any] | None:
        path = folder / protocol / f"{variant.id}.json"
        if not path.exists():
            return None
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        large_sets = list(config.split.large_sets)
        if (
            about["config"] != _fingerprint(config, clips)
            or about.get("large_sets", large_sets) != large_sets
        ):
            raise FatalError(f"{path} comes from other data or settings: remove {folder}")
        return about

    jobs = [(protocol, variant) for protocol in protocols for variant in chosen]
    known = {job: there(*job) for job in jobs}
    for (protocol, variant), about in known.items():
        if about is None:  # what is missing is told now, not after an hour
            examples = variants.read(store, clips, variant, config.features)
            divide(examples, clips, config, protocol)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        n_jobs, mp_context=spawn, initializer=_use_threads, initargs=(n_threads,)
    ) as processes:
        futures = {
            (protocol, variant): processes.submit(
                train_variant,
                folder / protocol,
                store,
                clips,
                name=variant.id,
                protocol=protocol,
                config=config,
            )
            for (protocol, variant), about in known.items()
            if about is None
        }
        try:
            for job in jobs:
                yield known[job] or futures[job].result()
        except BrokenProcessPool as error:
            raise FatalError(
                "a training was killed: start `study` again, it resumes with the next one; if "
                "memory was short, with --jobs 1"
            ) from error
        finally:
            for future in futures.values():
                future.cancel()
