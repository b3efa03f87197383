"""A Dask scheduler and workers as real processes, each in a session of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

_PATIENCE_S = 300.0  # much: the machine may be busy


class Cluster:
    """A scheduler, and the workers that were started at it.

    Parameters
    ----------
    folder : pathlib.Path
        For logs and Dask's own files.
    host : str
        The scheduler's, as workers see it.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            "scheduler", ["--host", host, "--port", "0", "--no-dashboard"], (), {}
        )
        self.address = until(self._address, "the scheduler has no address")

    def _address(self) -> str | None:
        for line in self.log(self.scheduler).splitlines():
            if "Scheduler at:" in line:
                return line.split("Scheduler at:")[1].strip()
        return None

    def worker(
        self,
        *options: str,
        within: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a worker of one thread below a nanny, which restarts it; wait until it is known."""
        words = [self.address, "--nthreads", "1", "--no-dashboard"]
        process = self._start("worker", [*words, *options], within, env or {})
        until(
            lambda: "Registered to:" in self.log(process) or process.poll() is not None,
            "the worker does not register",
        )
        return process

    def _start(
        self, kind: str, words: Sequence[str], within: Sequence[str], env: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        log = self._folder / f"{len(self._started)}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [*within, sys.executable, "-m", f"distributed.cli.dask_{kind}", *words],
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                env={**os.environ, **env},
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def log(self, process: subprocess.Popen[bytes]) -> str:
        """Give what a scheduler or worker has said."""
        log = self._folder / f"{self._started.index(process)}.log"
        return log.read_text(encoding="utf-8", errors="replace")

    def n_workers(self) -> int:
        """Count the workers that the scheduler knows."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            return len(client.nthreads())

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill all of a scheduler's or worker's session at once, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Stop the workers for a while, so that nothing is heard however slow the caller is."""
        self._signal_workers(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal_workers(signal.SIGCONT)

    def _signal_workers(self, number: int) -> None:
        for process in self._started:
            if process is not self.scheduler and process.poll() is None:
                os.killpg(process.pid, number)

    def stop(self) -> None:
        """Kill what is left."""
        for process in reversed(self._started):
            self.kill(process)


def until(find: Callable[[], object], otherwise: str) -> object:
    """Wait for something."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        if value := find():
            return value
        time.sleep(0.05)
    pytest.fail(otherwise)


def children(pid: int) -> list[int]:
    """List the processes that a process has started, and theirs."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    own = [int(child) for task in tasks for child in task.read_text().split()]
    return own + [grandchild for child in own for grandchild in children(child)]


@contextlib.contextmanager
def running(folder: Path, host: str = "127.0.0.1") -> Iterator[Cluster]:
    """Start a scheduler, and stop it and its workers at the end."""
    cluster = Cluster(folder, host)
    try:
        yield cluster
    finally:
        cluster.stop()
