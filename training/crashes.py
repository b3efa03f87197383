"""Work in processes, such that a crash of a decoder costs just the file that caused it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import joblib
from joblib.externals.loky.process_executor import (
    BrokenProcessPool,
    ProcessPoolExecutor,
    TerminatedWorkerError,
)

T = TypeVar("T")


def outlive(parallel: joblib.Parallel, tasks: Sequence[Any], crashed: T) -> list[T]:
    """Run tasks at once, or one at a time if one of them kills its worker.

    Parameters
    ----------
    parallel : joblib.Parallel
        Not entered, so that its workers are replaced if they die.
    tasks : sequence
        From `joblib.delayed`.
    crashed : object
        Stands for the result of a task that kills its worker, in either case.

    Returns
    -------
    list
        Results, in the order of the tasks.
    """
    try:
        return list(parallel(tasks))
    except TerminatedWorkerError:
        return list(_one_at_a_time(tasks, crashed))


def _one_at_a_time(tasks: Sequence[Any], crashed: T) -> Iterator[T]:
    executor = None
    for function, args, options in tasks:
        executor = executor or ProcessPoolExecutor(max_workers=1)
        try:
            yield executor.submit(function, *args, **options).result()
        except BrokenProcessPool:
            executor = None
            yield crashed
