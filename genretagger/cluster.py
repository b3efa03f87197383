"""Hear tracks on a Dask cluster, whose workers see the same files as this machine.

Each worker has so many batches of files under way as keep its threads busy, and no more. What it
had when it died is heard elsewhere. Dask is asked to run a batch on a worker that is named, not on
any, because a worker that hears otherwise than this machine is refused, and must get no more.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import operator
import os
import pkgutil
import queue
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import genretagger
from genretagger import bundle, pipeline
from genretagger.bundle import Bundle
from genretagger.errors import FatalError, TrackError
from genretagger.hearing import hearing_id
from genretagger.installation import command_for
from genretagger.records import Prediction

if TYPE_CHECKING:
    from dask.typing import Key
    from distributed import Client, Future

_Answer = Prediction | TrackError

_BATCH = 16  # files: some seconds of one thread, so that what Dask takes for a task is little
_AHEAD = 2  # batches for each thread of a worker: one is heard, one waits
_LOOK_S = 1.0  # between looks at which workers there are
_CONNECT_S = 20.0
_FETCH_S = 5.0  # for an answer of some kB; a worker that takes longer may be dead
_MOST_DEATHS = 3  # of workers that had a batch; then its files are heard one by one, each alone


class _Outcome(NamedTuple):
    """What a worker says of a batch.

    Attributes
    ----------
    ears : str
        How it hears; if not as it should, there are no answers.
    answers : list of Prediction or TrackError
        One for each file of the batch.
    unseen : list of int
        Which of them it does not see.
    """

    ears: str
    answers: list[_Answer]
    unseen: list[int]


def hear(
    paths: Iterable[Path],
    address: str,
    named: str | PathLike[str] = "default",
    *,
    embedding: bool = False,
    say: Callable[[str], object],
    remark: Callable[[str], object] = lambda _: None,
) -> Generator[tuple[Path, Prediction | TrackError], None, None]:
    """Hear tracks on a Dask cluster as `pipeline.predict` does on this machine.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        Absolute; taken as they are needed.
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.
    named : str or path-like
        The bundle, as in `bundle.read`; each worker reads its own.
    embedding : bool
        As in `pipeline.predict`.
    say, remark : callable
        Told of workers that are refused or missing, and of those that come and go.

    Yields
    ------
    tuple of pathlib.Path and Prediction or TrackError
        One for each path, as they arrive.

    Raises
    ------
    FatalError
        If Dask is not installed, no scheduler answers, or every worker is refused.
    """
    model = bundle.read(named)
    if embedding:
        bundle.require_embedding(model)
    task = _Task(_as_workers_find_it(named), _ears(model), embedding=embedding)
    with _connected(address) as client:
        yield from _Dispatch(client, task, paths, address, say=say, remark=remark).answers()


class _Task(NamedTuple):
    """What a worker is told beside the files.

    Attributes
    ----------
    named : str
        The bundle.
    ears : str
        How to hear.
    embedding : bool
    """

    named: str
    ears: str
    embedding: bool


def _as_workers_find_it(named: str | PathLike[str]) -> str:
    """Give a bundle that is known by its name that name, and any other its whole path."""
    path = bundle.locate(named)
    return str(named) if path in (*bundle.shipped(), *bundle.own()) else str(path.absolute())


def _ears(model: Bundle) -> str:
    """Say all that hearing depends on beside the file."""
    # as `audio` asks for it: files that soundfile does not read are heard only with it
    ffmpeg = "with" if shutil.which("ffmpeg") and shutil.which("ffprobe") else "without"
    return f"genretagger {genretagger.__version__}, model {hearing_id(model)}, {ffmpeg} ffmpeg"


_HEAR = f"{__name__}:hear_batch"
# A worker seeks it by its name: one without genretagger would die of a function of ours, as it
# would of any value of ours, and so gets none.


def hear_batch(paths: tuple[str, ...], named: str, ears: str, embedding: bool) -> _Outcome:
    """Hear files on a worker: as everywhere, in a process that may crash.

    Parameters
    ----------
    paths : tuple of str
    named, ears, embedding
        As in `_Task`.

    Returns
    -------
    _Outcome
    """
    # Dask marks its workers as daemons, which may have no children. They are ended with Dask's own
    # process all the same: loky's end when the other end of their pipe does.
    multiprocessing.current_process().daemon = False
    model = _read(named)
    own_ears = _ears(model)
    if own_ears != ears:
        return _Outcome(own_ears, [], [])
    heard = pipeline.predict(paths, model, jobs=1, embedding=embedding)
    answers = [answer for _, answer in heard]
    unseen = [
        i
        for i, answer in enumerate(answers)
        if isinstance(answer, TrackError) and not os.path.lexists(paths[i])
    ]
    return _Outcome(own_ears, answers, unseen)


_read = lru_cache(maxsize=2)(bundle.read)


def _connected(address: str) -> Client:
    try:
        from distributed import Client  # noqa: PLC0415 - one option of one command needs it
    except ImportError as error:
        raise FatalError(f"--cluster needs Dask: {command_for('cluster')}") from error
    for name in ("distributed", "distributed.client"):  # what it warns of is said in our words
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        return Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise FatalError(
            f"no Dask scheduler answers at {address}; start one there: dask scheduler"
        ) from error


@dataclass
class _Batch:
    """Files that are heard together, and how many workers died that had them."""

    paths: tuple[str, ...]
    n_deaths: int = 0

    @property
    def is_alone(self) -> bool:
        """Whether a worker may have nothing else, so that a death is certain to be its doing."""
        return self.n_deaths >= _MOST_DEATHS


@dataclass
class _Worker:
    """A worker, where it has `hear_batch`, and what is under way by the keys of the futures."""

    n_threads: int
    hear: Future[Any]
    under_way: dict[Key, tuple[Future[Any], _Batch]] = field(default_factory=dict)

    def has_room_for(self, batch: _Batch | None) -> bool:
        """Tell whether it can take a batch; None stands for a new one."""
        if batch is not None and batch.is_alone:
            return not self.under_way
        has_one_alone = any(batch.is_alone for _, batch in self.under_way.values())
        return not has_one_alone and len(self.under_way) < _AHEAD * self.n_threads


class _Dispatch:
    """Hands batches to workers, and takes their answers."""

    def __init__(
        self,
        client: Client,
        task: _Task,
        paths: Iterable[Path],
        address: str,
        *,
        say: Callable[[str], object],
        remark: Callable[[str], object],
    ) -> None:
        self._client, self._task, self._address = client, task, address
        self._say, self._remark = say, remark
        self._workers: dict[str, _Worker] = {}
        self._refused: dict[str, str] = {}
        self._arrived: queue.SimpleQueue[tuple[str, Future[Any]]] = queue.SimpleQueue()
        self._answers: deque[tuple[Path, _Answer]] = deque()
        self._look_at_s = 0.0
        self._is_waiting = False
        self._new = self._batches(map(str, paths))
        # a run with nothing to hear waits for no worker
        self._again = deque(itertools.islice(self._new, 1))
        self._is_at_end = not self._again

    def answers(self) -> Iterator[tuple[Path, _Answer]]:
        """Give the answers as they arrive."""
        while self._again or not self._is_at_end or self._is_under_way:
            self._look()
            self._hand_out()
            self._take()
            while self._answers:
                yield self._answers.popleft()

    @property
    def _is_under_way(self) -> bool:
        return any(worker.under_way for worker in self._workers.values())

    def _batches(self, paths: Iterator[str]) -> Iterator[_Batch]:
        """Batch files; the first ones singly, so that a short list, too, goes to all workers."""
        for n_made in itertools.count():
            n_threads = sum(worker.n_threads for worker in self._workers.values())
            size = min(_BATCH, 1 + n_made // max(1, _AHEAD * n_threads))
            files = tuple(itertools.islice(paths, size))
            if not files:
                return
            yield _Batch(files)

    def _look(self) -> None:
        """See which workers there are, now and then."""
        if time.monotonic() < self._look_at_s:
            return
        try:
            n_threads: dict[str, int] = self._client.nthreads()
        except (OSError, TimeoutError, ValueError) as error:
            raise self._is_gone() from error
        if self._client.status != "running":
            raise self._is_gone()
        for name in self._workers.keys() - n_threads.keys():
            self._remark(f"worker {name} is gone; what it had is heard elsewhere")
            for batch in self._without(name):
                self._hear_again(batch)
        self._refused = {name: why for name, why in self._refused.items() if name in n_threads}
        for name in n_threads.keys() - self._workers.keys() - self._refused.keys():
            self._remark(f"worker {name}: {n_threads[name]} at a time")
            hear = self._client.submit(pkgutil.resolve_name, _HEAR, workers=[name], pure=False)
            self._workers[name] = _Worker(n_threads[name], hear)
        if self._refused and not self._workers:
            raise FatalError(f"every worker at {self._address} is refused; nothing hears")
        if not n_threads and not self._is_waiting:
            self._say(f"waiting for a worker: dask worker {self._address}")
        self._is_waiting = not n_threads
        self._look_at_s = time.monotonic() + _LOOK_S

    def _is_gone(self) -> FatalError:
        return FatalError(
            f"the Dask scheduler at {self._address} is gone; start it, and the same command goes on"
        )

    def _hand_out(self) -> None:
        """Give each worker what it has room for, one batch after the other."""
        idle = list(self._workers.items())
        while idle:
            idle = [(name, worker) for name, worker in idle if self._give(name, worker)]

    def _give(self, name: str, worker: _Worker) -> bool:
        batch = next((batch for batch in self._again if worker.has_room_for(batch)), None)
        if batch is not None:
            self._again.remove(batch)
        elif self._is_at_end or not worker.has_room_for(None):
            return False
        else:
            batch = next(self._new, None)
            if batch is None:
                self._is_at_end = True
                return False
        call = operator.methodcaller("__call__", batch.paths, *self._task)
        future = self._client.submit(call, worker.hear, workers=[name], pure=False)
        worker.under_way[future.key] = (future, batch)
        future.add_done_callback(lambda done: self._arrived.put((name, done)))
        return True

    def _take(self) -> None:
        """Wait a while for one batch."""
        try:
            name, future = self._arrived.get(timeout=_LOOK_S)
        except queue.Empty:
            return
        worker = self._workers.get(name)
        if worker is None or future.key not in worker.under_way:
            return
        if future.status == "finished":
            try:
                outcome = future.result(timeout=_FETCH_S)
            except TimeoutError:  # the next look will show whether the worker is dead
                self._arrived.put((name, future))
                return
            _, batch = worker.under_way.pop(future.key)
            self._sort(name, batch, outcome)
        elif future.status == "error":
            self._fail(name, future)
        else:  # cancelled, or lost: the scheduler or the worker may be gone
            _, batch = worker.under_way.pop(future.key)
            self._again.append(batch)
            self._look_at_s = 0.0

    def _sort(self, name: str, batch: _Batch, outcome: _Outcome) -> None:
        """Keep the answers of a worker that hears and sees as this machine does."""
        if outcome.ears != self._task.ears:
            self._again.append(batch)
            self._refuse(name, f"it has {outcome.ears}, this machine {self._task.ears}")
            return
        # what is not seen there, but here, is to be heard by another one
        hidden = {i for i in outcome.unseen if os.path.lexists(batch.paths[i])}
        for i, (path, answer) in enumerate(zip(batch.paths, outcome.answers, strict=True)):
            if i not in hidden:
                self._answers.append((Path(path), answer))
        if hidden:
            left = tuple(batch.paths[i] for i in sorted(hidden))
            self._again.append(_Batch(left, batch.n_deaths))
            self._refuse(name, f"it does not see {left[0]}, which is there on this machine")

    def _fail(self, name: str, future: Future[Any]) -> None:
        """Take a batch that was not heard because the worker could not run it, or died of it."""
        from distributed import KilledWorker  # noqa: PLC0415 - as above

        _, batch = self._workers[name].under_way.pop(future.key)
        error = future.exception()
        if isinstance(error, KilledWorker):
            self._hear_again(batch)
            return
        self._again.append(batch)
        why = f"{error}" if isinstance(error, FatalError) else f"{type(error).__name__}: {error}"
        self._refuse(name, f"it cannot hear ({why}); this machine has {self._task.ears}")

    def _refuse(self, name: str, why: str) -> None:
        if name in self._refused:
            return
        self._again.extend(self._without(name))
        self._refused[name] = why
        self._say(f"worker {name} is refused: {why}")
        self._look_at_s = 0.0

    def _without(self, name: str) -> list[_Batch]:
        """Take a worker from the list, and give the batches that it had."""
        worker = self._workers.pop(name)
        self._client.cancel([future for future, _ in worker.under_way.values()] + [worker.hear])
        return [batch for _, batch in worker.under_way.values()]

    def _hear_again(self, batch: _Batch) -> None:
        """Have a batch heard again whose worker died."""
        if batch.is_alone:
            why = "the worker died that heard it, and nothing else; get another copy, or report it"
            self._answers.extend((Path(path), TrackError(why)) for path in batch.paths)
            return
        batch.n_deaths += 1
        if batch.is_alone:
            self._again.extend(_Batch((path,), batch.n_deaths) for path in batch.paths)
        else:
            self._again.appendleft(batch)
