"""The whole command, as a user runs it: its speed, its first answer, its memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_POLL_S = 0.1


@contextlib.contextmanager
def on_cores(n: int) -> Iterator[int | None]:
    """Keep this process, and those it starts, to n cores; gives one, or None if it cannot."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    allowed = os.sched_getaffinity(0)
    chosen = sorted(allowed)[-n:]
    os.sched_setaffinity(0, chosen)
    try:
        yield chosen[-1]
    finally:
        os.sched_setaffinity(0, allowed)


@dataclass
class Run:
    """What a run of the command took.

    Attributes
    ----------
    seconds : float
        From Enter to its end.
    first_s : float
        From Enter to the first track's line.
    parent_mb, worker_mb : float
        Peak resident memory of the command's first process, and of its largest other one;
        0 where the system does not tell.
    curve : list of (int, float, float)
        Tracks done, memory then resident in the parent and in the largest worker, MB.
    """

    seconds: float = 0.0
    first_s: float = 0.0
    parent_mb: float = 0.0
    worker_mb: float = 0.0
    curve: list[tuple[int, float, float]] = field(default_factory=list)


def run(
    folder: Path,
    jobs: int,
    environment: dict[str, str],
    *,
    bundle: Path | None = None,
    sample_every: int = 0,
) -> Run:
    """Run ``genretagger predict`` on a folder, on as many cores as jobs.

    Parameters
    ----------
    folder : pathlib.Path
    jobs : int
    environment : dict of str to str
        For the command; the benchmark's own has one thread for everything.
    bundle : pathlib.Path or None
        None takes the default one.
    sample_every : int
        Sample the resident memory after every so many tracks; 0 does not.

    Returns
    -------
    Run
    """
    command = [sys.executable, "-m", "genretagger", "predict", "--no-cache", "--format", "json"]
    command += ["--jobs", str(jobs), *(["--bundle", str(bundle)] if bundle else []), str(folder)]
    found = Run()
    n_files = sum(1 for _ in folder.iterdir())
    n_done = 0
    with on_cores(jobs):
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
    with process, _watching(process.pid, found):
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in process.stdout:
            if n_done == 0:
                found.first_s = time.perf_counter() - start
            n_done += 1
            if sample_every and n_done % sample_every == 0:
                parent, worker = _largest(process.pid, "VmRSS")
                found.curve.append((n_done, parent, worker))
        messages = process.stderr.read().decode()
        code = process.wait()
        found.seconds = time.perf_counter() - start
    if code or n_done != n_files:
        raise SystemExit(f"exit code {code}, {n_done} of {n_files} tracks\n{messages}")
    return found


@contextlib.contextmanager
def _watching(pid: int, found: Run) -> Iterator[None]:
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_POLL_S):  # the kernel keeps the peak: none between is missed
            parent, worker = _largest(pid, "VmHWM")
            found.parent_mb = max(found.parent_mb, parent)
            found.worker_mb = max(found.worker_mb, worker)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _largest(pid: int, key: str) -> tuple[float, float]:
    """Read the memory of a process, and of the largest process below it; in MB."""
    below = []
    fresh = _children(pid)
    while fresh:
        below += fresh
        fresh = [grandchild for child in fresh for grandchild in _children(child)]
    return _memory_mb(pid, key), max((_memory_mb(p, key) for p in below), default=0.0)


def _children(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in path.read_text().split()]
    return found


def _memory_mb(pid: int, key: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0
