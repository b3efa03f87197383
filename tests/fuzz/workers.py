"""Give inputs to targets in forked workers, so that a crash costs one input."""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HANG_S = 10.0
"""An input that takes longer is a finding."""

MOST_MEMORY = 1 << 30
"""Bytes of resident memory; more is a finding."""


@dataclass
class Findings:
    """What became of the inputs of one target.

    Attributes
    ----------
    words : collections.Counter
        How many ended in which way.
    failures : list of str
        Exceptions that should not be, crashes, hangs, memory: each with its input's number.
    slowest_s : float
    memory : int
        The most that a worker, or a child of it, held resident, in bytes.
    """

    words: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    memory: int = 0


_UNPREPARED = 99  # the exit code of a worker that failed outside of an input


class _Shared(ctypes.Structure):
    _fields_ = (("at", ctypes.c_long), ("slowest", ctypes.c_double), ("memory", ctypes.c_long))


class _HangError(BaseException):
    """The alarm went off."""


def fuzz(
    make: Callable[[Path], Callable[[random.Random], str]], n: int, seed: int, folder: Path
) -> Findings:
    """Give `n` inputs to a target.

    Parameters
    ----------
    make : callable
        Of `targets.TARGETS`.
    n, seed : int
    folder : pathlib.Path
        To work in; shared by the workers.
    """
    findings = Findings()
    shared = _Shared.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
    first = 0
    while first < n:
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if not child:
                _work(make, range(first, n), seed, folder, shared, output.fileno())
            status = _watch(child, shared)
            output.seek(0)
            lines = output.read().decode(errors="replace").splitlines()
        for line in lines:
            kind, _, rest = line.partition("\t")
            if kind == "word":
                findings.words[rest] += 1
            else:
                findings.failures.append(rest)
        if status == 0:
            break
        if status == _UNPREPARED:
            raise RuntimeError("\n".join(findings.failures))
        name = signal.Signals(-status).name if status < 0 else f"exit {status}"
        what = "hang" if name == "SIGKILL" else "crash"
        findings.failures.append(f"input {shared.at}: {what} ({name})")
        first = shared.at + 1
    findings.slowest_s, findings.memory = shared.slowest, shared.memory
    return findings


def _watch(child: int, shared: _Shared) -> int:
    """Wait for a worker's end; kill it where not even the alarm ends an input."""
    at, since = shared.at, time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if shared.at != at:
            at, since = shared.at, time.monotonic()
        # the first input also waits for what the target prepares
        if time.monotonic() - since > (3 * HANG_S if at else 300):
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)


def _work(
    make: Callable[[Path], Callable[[random.Random], str]],
    numbers: range,
    seed: int,
    folder: Path,
    shared: _Shared,
    output: int,
) -> None:
    """Be the worker; never return."""

    def alarm(*_: object) -> None:
        raise _HangError

    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what C libraries say of damaged files
        faulthandler.disable()  # a crash is counted, and not told at length
        signal.signal(signal.SIGALRM, alarm)
        target = make(folder)
        with os.fdopen(os.dup(output), "w", buffering=1, errors="backslashreplace") as report:
            for number in numbers:
                shared.at = number
                report.write(_one(target, number, seed, shared))
        os._exit(0)
    except BaseException:
        text = traceback.format_exc().replace("\n", " | ")
        os.write(output, f"failure\tthe worker: {text}\n".encode(errors="replace"))
        os._exit(_UNPREPARED)


def _one(target: Callable[[random.Random], str], number: int, seed: int, shared: _Shared) -> str:
    line, took_s = _timed(target, number, seed)
    if took_s > HANG_S / 2:  # again, for the whole machine may have stood still
        line, took_s = _timed(target, number, seed)
    shared.slowest = max(shared.slowest, took_s)
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    memory = 1024 * max(resource.getrusage(who).ru_maxrss for who in whose)
    if memory > MOST_MEMORY >= shared.memory:
        line += f"failure\tinput {number}: {memory / 1e9:.1f} GB\n"
    shared.memory = max(shared.memory, memory)
    return line


def _timed(target: Callable[[random.Random], str], number: int, seed: int) -> tuple[str, float]:
    began = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        line = f"word\t{target(random.Random(f'{seed} {number}'))}\n"
    except _HangError:
        line = f"failure\tinput {number}: hang\n"
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[:-6:-1])
        what = repr(error)[:300]
        line = f"failure\tinput {number}: {what} at {where}\n"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return line, time.monotonic() - began


if sys.platform == "win32":
    raise ImportError("the workers are forked, which Windows cannot")
