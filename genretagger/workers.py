"""Hear tracks in worker processes, so that a decoder that crashes kills a worker, not the run."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from genretagger.bundle import Bundle
from genretagger.errors import TrackError
from genretagger.hearing import hear, load_classifier
from genretagger.records import Prediction, Seen

_Task = tuple[Path, bool, Path, str]
_WAITING = 2  # tracks for each worker that it has or can take at once; loky queues no more
_AHEAD = 16  # tracks for each worker that are heard while the one before them takes long
_IDLE_S = 60.0  # a worker that had nothing to do for so long ends, as do those of a killed run

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""A worker is to keep one core busy, also where it multiplies matrices."""


def hear_tracks(
    files: Sequence[Seen], with_bundle: Bundle, jobs: int
) -> Iterator[Prediction | TrackError]:
    """Hear tracks in worker processes, so that a decoder that crashes kills a worker, not the run.

    Parameters
    ----------
    files : sequence of Seen
    with_bundle : Bundle
    jobs : int
        Worker processes; 0 is one for each core.

    Yields
    ------
    Prediction or TrackError
        One for each file, in their order.

    Raises
    ------
    FatalError
        If the bundle was replaced during the run.
    """
    tasks = (
        # workers stay in the folder in which they were started
        (file.path.absolute(), file.has_cuesheet, with_bundle.path, with_bundle.bundle_id)
        for file in files
    )
    jobs = max(1, min(jobs or cpu_count(), len(files)))
    begun: deque[tuple[_Task, Future[Prediction | TrackError]]] = deque()
    try:
        while True:
            running = [future for _, future in begun if not future.done()]
            n_more = min(_WAITING * jobs - len(running), _AHEAD * jobs - len(begun))
            for task in itertools.islice(tasks, max(0, n_more)):
                begun.append((task, _submit(task, jobs)))
            if not begun:
                break
            if not begun[0][1].done():
                wait([f for _, f in begun if not f.done()], return_when=FIRST_COMPLETED)
                continue
            task, future = begun.popleft()
            try:
                answer = future.result()
            except BrokenProcessPool:  # by this track, or by another that was under way
                answer = _hear_alone(task)
            yield answer
    finally:
        under_way = [future for _, future in begun if not future.done()]
        if under_way:  # Ctrl-C, or nobody wants the rest: do not wait for it
            # loky stumbles if it is told to drop what it has not yet put before its workers
            while any(not (future.running() or future.done()) for future in under_way):
                time.sleep(0.001)
            _dismiss_workers()


def _submit(task: _Task, jobs: int) -> Future[Prediction | TrackError]:
    while True:
        try:
            future: Future[Prediction | TrackError] = _workers(jobs).submit(_hear_in_worker, *task)
        except BrokenProcessPool:  # a worker has crashed meanwhile
            _dismiss_workers()
        else:
            return future


def _hear_in_worker(
    path: Path, has_cuesheet: bool, bundle_path: Path, bundle_id: str
) -> Prediction | TrackError:
    """Hear one track in this process; of what it gives, send back the prediction alone."""
    classifier = load_classifier(bundle_path, bundle_id)
    try:
        return hear(path, classifier, has_cuesheet=has_cuesheet).prediction
    except TrackError as error:
        return error


class _Pools(threading.local):
    """The pool of this thread, if there is one, by its number of workers.

    Not loky's reusable executor: joblib shares it, and shutting it down would break other users of
    joblib in this process. Nor is it shared by threads, which would shut down one another's.
    """

    def __init__(self) -> None:
        self.by_size: dict[int, Any] = {}


_pools = _Pools()


def _workers(jobs: int) -> Any:
    """Give the worker processes, which are started once and serve the whole run."""
    for n_workers, pool in _pools.by_size.items():
        if n_workers >= jobs:  # the last tracks of a run need fewer
            return pool
    _dismiss_workers()
    pool = ProcessPoolExecutor(jobs, timeout=_IDLE_S, initializer=_begin_worker, env=_ONE_THREAD)
    _pools.by_size[jobs] = pool
    return pool


def _dismiss_workers() -> None:
    while _pools.by_size:
        _, pool = _pools.by_size.popitem()
        pool.shutdown(kill_workers=True)


def _hear_alone(task: _Task) -> Prediction | TrackError:
    """Hear a track in a process of its own, so that a crash is certain to be its own."""
    executor = ProcessPoolExecutor(1, initializer=_begin_worker, env=_ONE_THREAD)
    try:
        answer: Prediction | TrackError = executor.submit(_hear_in_worker, *task).result()
    except BrokenProcessPool:
        return TrackError("the decoder crashed on it; get another copy, or report it")
    finally:
        executor.shutdown(kill_workers=True)
    return answer


def _begin_worker() -> None:
    """Leave Ctrl-C to the main process, and keep what C libraries remark off the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
