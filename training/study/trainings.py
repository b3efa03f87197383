"""Trainings of the study, each until its network is fitted.

A training ends when the loss on its validation part has not fallen for a number of passes, and
keeps the weights of the pass where that was lowest. It leaves two files: ``.json`` and, with the
probabilities of the validation and the test part, ``.npz``. What is there is not trained again.
Until then ``.state.npz`` holds all that the next pass needs, written after each: a killed study
goes on with the pass that was under way, to the same result as one that was not killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training.arrays import Bools, Floats, Integers
from training.data.clips import Clip, reference
from training.files import check_room, write_arrays, write_text
from training.networks import report, start_keras
from training.progress import say
from training.study import variants
from training.study.config import StudyConfig, TrainConfig
from training.study.grid import N_COPIES
from training.study.plan import Training
from training.study.protocols import divide

_N_ADAPT = 400  # examples whose mean and variance standardise the input: a thousandth off
_AT_A_TIME = 16  # examples predicted at a time; more take more memory and no less time


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


def cross_entropy(labels: Bools, estimated: Floats) -> float:
    """Average the binary cross-entropy over examples and genres, in nats."""
    p = np.clip(estimated.astype(np.float64), 1e-7, 1 - 1e-7)
    return float(-np.log(np.where(labels, p, 1 - p)).mean())


def _moments(examples: variants.Examples, indices: Integers) -> tuple[Floats, Floats]:
    """Compute mean and variance by row and channel, one example in memory at a time."""
    each = []
    for i in indices:
        x = examples.read([i])[0].astype(np.float32)
        each.append((x.mean(axis=1), np.square(x).mean(axis=1)))
    mean, square = (np.mean(part, axis=0, dtype=np.float64) for part in zip(*each, strict=True))
    variance = np.maximum(square - mean**2, 0)
    return np.asarray(mean, dtype=np.float32), np.asarray(variance, dtype=np.float32)


def _begin_worker(n_threads: int) -> None:
    end_with_parent()
    start_keras(n_threads)


def end_with_parent() -> None:
    """Let this process end when the one that started it does, even if that is killed.

    Else its training would go on, and be begun once more by the next `study`.
    """
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


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


def accuracy(labels: Bools, estimated: Floats) -> float:
    """Compute the report's figure: `category_hits` of the examples that have a label."""
    return float(category_hits(labels, estimated)[labels.any(axis=1)].mean())


def train(
    folder: Path,
    store: Path,
    clips: Sequence[Clip],
    training: Training,
    config: StudyConfig,
) -> dict[str, Any]:
    """Train a network, or go on with it, and write its two files; each pass is printed.

    Parameters
    ----------
    folder : pathlib.Path
        For the results.
    store : pathlib.Path
        See `training.study.variants`.
    clips : sequence of Clip
    training : Training
    config : StudyConfig

    Returns
    -------
    dict
        What the JSON holds.

    Raises
    ------
    FatalError
        If it was begun with other data or settings, or the disk lacks the room.
    """
    import keras

    keras.backend.clear_session()
    _forget_peak()
    keras.utils.set_random_seed(training.seed)
    examples = variants.read(store, clips, training.variant, config.features)
    path = training.path(folder)
    fit = _Fit(examples, clips, config, training, path.with_suffix(".state.npz"))
    fit.resume()
    fit.check_room()
    while not fit.is_over:
        fit.advance()
        fit.save()
        say(f"{training.id}: {fit.last}")
    fit.recall_best()
    parts = fit.parts
    results = {
        "validation": fit.estimate(parts.validation),
        "validation_track": examples.track[parts.validation],
        "test": fit.estimate(parts.test),
        "test_track": examples.track[parts.test],
    }
    write_arrays(path.with_suffix(".npz"), results)
    about = {
        "variant": training.variant.id,
        "protocol": training.protocol,
        "fold": training.fold,
        "seed": training.seed,
        "config": _origin(config, clips),
        "log": fit.log,
        "best_pass": fit.best["pass"],
        "converged": fit.is_converged,
        "n_train": len(parts.train),
        "n_test": len(parts.test),
        "n_weights": fit.model.count_params(),
        "prevalence": fit.prevalence.tolist(),
        "peak_mb": _peak_mb(),
    }
    write_text(path.with_suffix(".json"), json.dumps(about, indent=1) + "\n")
    fit.forget()
    return about


class _Fit:
    """A network, the examples that it is fitted to and measured on, and how far it is.

    Attributes
    ----------
    parts : Parts
    prevalence : numpy.ndarray, shape (n_genres,)
        Share of the training examples that have a genre.
    model : keras.Model
    log : list of dict
        Of each pass: ``pass``, ``loss``, ``validation_loss``, ``validation_accuracy``,
        ``seconds``, ``cpu_seconds``.
    """

    def __init__(
        self,
        examples: variants.Examples,
        clips: Sequence[Clip],
        config: StudyConfig,
        training: Training,
        state: Path,
    ) -> None:
        self._examples, self._train, self._seed = examples, config.train, training.seed
        self._state, self._origin = state, _origin(config, clips)
        self.parts = divide(examples, clips, config, training.protocol, training.fold)
        self._labels = reference(clips)
        self._targets = self._labels.astype(np.float32)
        self.prevalence = self._targets[examples.track[self.parts.train]].mean(axis=0)
        self._watched = self._draw(self.parts.validation, config.train.most_validated)
        self.model = self._build()
        self.log: list[dict[str, float]] = []
        self._best_weights: list[Any] = []

    def _draw(self, indices: Integers, most: int) -> Integers:
        rng = np.random.default_rng(self._train.seed)  # the same for all seeds of a training
        return np.sort(rng.choice(indices, min(most, len(indices)), replace=False))

    def _build(self) -> Any:
        import keras

        mean, variance = _moments(self._examples, self._draw(self.parts.train, _N_ADAPT))
        model = report.build(
            self._examples.shape, pooling=self._train.pooling, mean=mean, variance=variance
        )
        counts = self.prevalence * len(self.parts.train)
        weights = (counts.max() / np.maximum(counts, 1.0)) ** self._train.positive_power
        model.compile(
            keras.optimizers.Adam(self._train.learning_rate), _loss(weights.astype(np.float32))
        )
        model.optimizer.build(model.trainable_variables)
        return model

    # ---- Passes ------------------------------------------------------------------------------

    @property
    def best(self) -> dict[str, float]:
        """The line of `log` with the lowest loss on the validation part."""
        return min(self.log, key=lambda line: line["validation_loss"])

    @property
    def is_converged(self) -> bool:
        """Whether the loss on the validation part has stopped to fall."""
        return bool(self.log) and len(self.log) - self.best["pass"] >= self._train.patience

    @property
    def is_over(self) -> bool:
        """Whether no further pass is to come."""
        return self.is_converged or len(self.log) >= self._train.most_passes

    @property
    def last(self) -> str:
        """The last pass in words."""
        line, best = self.log[-1], self.best
        return (
            f"pass {line['pass']}  loss {line['loss']:.4f}  validation "
            f"{line['validation_loss']:.4f}, lowest {best['validation_loss']:.4f} in pass "
            f"{best['pass']}  {line['seconds']:.0f} s"
        )

    def _batches(self) -> Iterator[tuple[Floats, Floats]]:
        """Draw a pass: as many examples as there are tracks, whatever parts and copies.

        What is drawn follows from the seed and the pass, so that it is the same after a kill.
        """
        rng = np.random.default_rng([self._seed, len(self.log)])
        for x, y in self._examples.batches(
            self._targets, self.parts.train, self._train.batch_size, rng=rng, n=self._n_pass
        ):
            _mix(x, y, self._train, rng)
            yield x, y

    @property
    def _n_pass(self) -> int:
        variant = self._examples.variant
        n_copies = N_COPIES if variant.augmented else 1
        return len(self.parts.train) // (variant.n_parts * n_copies)

    def advance(self) -> None:
        """Run one pass, and measure the validation part."""
        began, cpu_began = time.monotonic(), time.process_time()
        n_batches = -(-self._n_pass // self._train.batch_size)
        history = self.model.fit(
            self._batches(), steps_per_epoch=n_batches, shuffle=False, verbose=0
        ).history
        estimated = self.estimate(self._watched)
        labels = self._labels[self._examples.track[self._watched]]
        line: dict[str, float] = {
            "pass": len(self.log) + 1,
            "loss": float(history["loss"][0]),
            "validation_loss": cross_entropy(labels, estimated),
            "validation_accuracy": accuracy(labels, estimated),
            "seconds": round(time.monotonic() - began, 2),
            "cpu_seconds": round(time.process_time() - cpu_began, 2),
        }
        self.log.append(line)
        if self.best is line:
            self._best_weights = self.model.get_weights()

    def estimate(self, indices: Integers) -> Floats:
        """Predict examples, shape (n, n_genres)."""
        batches = self._examples.batches(self._targets, indices, _AT_A_TIME)
        return np.concatenate([self.model.predict_on_batch(x) for x, _ in batches])

    def recall_best(self) -> None:
        """Go back to the weights of the best pass."""
        self.model.set_weights(self._best_weights)

    # ---- State -------------------------------------------------------------------------------

    def resume(self) -> None:
        """Go on where a killed training stopped, if one did.

        Raises
        ------
        FatalError
            If that was of other data or settings.
        """
        if not self._state.exists():
            return
        with np.load(self._state) as state:
            if str(state["origin"]) != self._origin:
                raise FatalError(f"{self._state} comes from other data or settings: remove it")
            self.log = json.loads(str(state["log"]))
            for name, variables in self._variables().items():
                for i, variable in enumerate(variables):
                    variable.assign(state[f"{name}-{i}"])
            self._best_weights = [state[f"best-{i}"] for i in range(len(self.model.weights))]

    def check_room(self) -> None:
        """Refuse to begin if the disk cannot hold what `save` writes, twice, and the results."""
        n_state = sum(np.prod(v.shape) for group in self._variables().values() for v in group)
        n_state += self.model.count_params()
        n_results = len(GENRES) * (len(self.parts.validation) + len(self.parts.test))
        n_bytes = 4 * (2 * n_state + n_results)
        check_room(self._state.parent, n_bytes, "free some, or choose another --out")

    def save(self) -> None:
        """Write all that the next pass needs."""
        arrays: dict[str, Any] = {"origin": self._origin, "log": json.dumps(self.log)}
        for name, variables in self._variables().items():
            arrays |= {f"{name}-{i}": np.asarray(v) for i, v in enumerate(variables)}
        arrays |= {f"best-{i}": weights for i, weights in enumerate(self._best_weights)}
        write_arrays(self._state, arrays)

    def forget(self) -> None:
        """Remove what `save` wrote."""
        self._state.unlink(missing_ok=True)

    def _variables(self) -> dict[str, Sequence[Any]]:
        """Weights, the dropout's state among them, and what the optimizer remembers."""
        return {"model": self.model.variables, "optimizer": self.model.optimizer.variables}


def _origin(config: StudyConfig, clips: Sequence[Clip]) -> str:
    """Hash what a result depends on; the plan is no part, so that it can grow."""
    about = [[c.track_id, c.artist_id, c.genres] for c in clips]
    parts = [asdict(config.features), asdict(config.split), asdict(config.train), about]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def read_json(
    folder: Path, training: Training, config: StudyConfig, clips: Sequence[Clip]
) -> dict[str, Any] | None:
    """Read what a training left, or nothing if it is not done.

    Raises
    ------
    FatalError
        If it comes from other data or settings.
    """
    path = training.path(folder).with_suffix(".json")
    if not path.exists():
        return None
    about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if about["config"] != _origin(config, clips):
        raise FatalError(f"{path} comes from other data or settings: remove {folder}")
    return about


def missing(
    folder: Path,
    store: Path,
    clips: Sequence[Clip],
    planned: Sequence[Training],
    config: StudyConfig,
) -> list[Training]:
    """List the trainings that are not done, and check that what they need is there.

    Raises
    ------
    FatalError
        If a result comes from other data or settings, or the store lacks a variant.
    """
    left = [one for one in planned if read_json(folder, one, config, clips) is None]
    for variant, protocol in dict.fromkeys((one.variant, one.protocol) for one in left):
        examples = variants.read(store, clips, variant, config.features)
        divide(examples, clips, config, protocol)
    return left


def run(
    folder: Path,
    store: Path,
    clips: Sequence[Clip],
    left: Sequence[Training],
    config: StudyConfig,
    *,
    n_jobs: int,
    n_threads: int,
) -> Iterator[tuple[Training, dict[str, Any]]]:
    """Run trainings, several at a time, begun in their order.

    Parameters
    ----------
    folder : pathlib.Path
        For the results.
    store : pathlib.Path
    clips : sequence of Clip
    left : sequence of Training
    config : StudyConfig
    n_jobs : int
        Trainings at a time.
    n_threads : int
        Of each.

    Yields
    ------
    Training, dict
        Each as it is done, with what its JSON holds.

    Raises
    ------
    FatalError
        If a training dies.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        n_jobs, mp_context=spawn, initializer=_begin_worker, initargs=(n_threads,)
    ) as processes:
        futures = {
            processes.submit(train, folder, store, clips, training, config): training
            for training in left
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise FatalError(
                "a training was killed: start `study` again, it goes on at the last pass; if "
                "memory was short, with --jobs 1"
            ) from error
        finally:
            for future in futures:
                future.cancel()
