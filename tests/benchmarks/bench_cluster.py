"""What a Dask cluster adds to hearing, and what 50 million tracks would cost. See docs/cluster.md.

::

    python tests/benchmarks/bench_cluster.py [--music FOLDER] [--tracks N] [--unheard N]

Tracks are heard on this machine, with one and two jobs, and by one and two workers of one thread
each, which are real processes here; then many files are handed to workers that answer at once.
Prints Markdown, works in a temporary folder, and removes it. Linux only, for ``/proc``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import bench_inputs
import dask_cluster

from genretagger.scan import find_tracks
from genretagger.text import counted

_ROOT = Path(__file__).resolve().parents[2]

_MANY = 50_000_000

_UNHEARD = """
import genretagger.pipeline as pipeline
from pathlib import Path
from genretagger.records import Prediction
answer = Prediction((0.5,) * 14)
pipeline.predict = lambda paths, *_, **__: [(Path(path), answer) for path in paths]
"""
"""Python in a worker that hears nothing: what is left is what the cluster itself takes."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Took:
    """What a run took.

    Attributes
    ----------
    rate : float
        Tracks a second, from the first line to the last.
    seconds : float
        From Enter to its end.
    client_s, scheduler_s : float
        Processor time.
    n_bytes : int
        Of the output.
    """

    rate: float
    seconds: float
    client_s: float
    scheduler_s: float
    n_bytes: int


def take(folder: Path, n: int, output: Path, *options: str, scheduler: int | None = None) -> Took:
    """Run ``predict`` over a folder of n files, and watch its output grow."""
    words = [sys.executable, "-m", "genretagger", "predict", "--format", "json", "-o", str(output)]
    before = _cpu_s(scheduler) if scheduler else 0.0
    began = time.perf_counter()
    process = subprocess.Popen([*words, *options, str(folder)], stderr=subprocess.PIPE)
    first = last = (0, 0.0)
    while last[0] < n and process.poll() is None:
        n_lines = output.read_bytes().count(b"\n") if output.exists() else 0
        if n_lines > last[0]:
            last = (n_lines, time.perf_counter())
            first = first if first[0] else last
        time.sleep(0.05)
    _, _, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if last[0] < n:
        raise SystemExit(f"{last[0]} of {n} tracks: {process.stderr.read().decode()}")
    return Took(
        (last[0] - first[0]) / (last[1] - first[1]),
        seconds,
        used.ru_utime + used.ru_stime,
        _cpu_s(scheduler) - before if scheduler else 0.0,
        output.stat().st_size,
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _files(music: Path | None) -> list[Path]:
    return [] if music is None else list(find_tracks([music], on_error=print))


def measure(work: Path, options: argparse.Namespace) -> dict[str, Took]:
    """Hear the tracks in four ways, in turns."""
    files = _files(options.music) or bench_inputs.short_tracks(work, 4, 40.0)
    whose = f"copies of {len(files)} files"
    print(f"Input: {options.tracks} tracks, {whose}{'' if options.music else ', made up'}.\n")
    music = bench_inputs.copies(files, options.tracks, work / "Music")
    took: dict[str, Took] = {}
    for jobs in (1, 2):
        local = ("--no-cache", "--jobs", str(jobs))
        took[f"this machine, {counted(jobs, 'job')}"] = take(
            music, options.tracks, work / f"{jobs}.local", *local
        )
    with dask_cluster.running(work) as cluster:
        for workers in (1, 2):
            cluster.worker()
            took[f"cluster, {counted(workers, 'worker')}"] = take(
                music,
                options.tracks,
                work / f"{workers}.cluster",
                *("--cluster", cluster.address),
                scheduler=cluster.scheduler.pid,
            )
    return took


def hand_out(work: Path, n: int) -> Took:
    """Let two workers answer at once, so that what is left is what the cluster takes."""
    (work / "sitecustomize.py").write_text(_UNHEARD)
    folder = work / "unheard"
    folder.mkdir()
    for number in range(n):
        (folder / f"{number:06}.mp3").touch()
    path = os.pathsep.join([str(work), str(_ROOT)])
    with dask_cluster.running(work) as cluster:
        for _ in range(2):
            cluster.worker(env={"PYTHONPATH": path})
        return take(
            folder,
            n,
            work / "unheard.jsonl",
            *("--cluster", cluster.address),
            scheduler=cluster.scheduler.pid,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--music", type=Path)
    parser.add_argument("--tracks", type=int, default=240)
    parser.add_argument("--unheard", type=int, default=20_000)
    options = parser.parse_args(arguments)
    n_cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    is_busy = ": **disturbed, these are not final figures**" if load > 0.3 * n_cores else ""
    print(f"{n_cores} cores; load average before {load:.1f}{is_busy}.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            os.environ[name] = str(Path(folder) / name)
        os.environ["PYTHONPATH"] = str(_ROOT)
        took = measure(Path(folder), options)
        unheard = hand_out(Path(folder), options.unheard)
    _print(took, options.tracks)
    _print_overhead(took, unheard, options)
    _print_many(took, unheard, options)


def _print(took: dict[str, Took], n: int) -> None:
    print("| | tracks/s | ms a track | from Enter to the end, s |\n|---|--:|--:|--:|")
    for name, run in took.items():
        print(f"| {name} | {run.rate:.1f} | {1e3 / run.rate:.0f} | {run.seconds:.1f} |", flush=True)
    print(f"\n{n} tracks each; tracks/s from the first line to the last.")


def _print_overhead(took: dict[str, Took], unheard: Took, options: argparse.Namespace) -> None:
    print("\n| processor time a track, ms | the command | the scheduler |\n|---|--:|--:|")
    rows = {
        **{name: (run, options.tracks) for name, run in took.items() if "cluster" in name},
        "handed out, not heard": (unheard, options.unheard),
    }
    for name, (run, n) in rows.items():
        each = (f"{1e3 * s / n:.2f}" for s in (run.client_s, run.scheduler_s))
        print(f"| {name} | {' | '.join(each)} |")
    print(
        f"\n{options.unheard:,} files that are handed out to two workers and not heard: "
        f"{unheard.rate:.0f} a second, {1e3 / unheard.rate:.2f} ms each."
    )


def _print_many(took: dict[str, Took], unheard: Took, options: argparse.Namespace) -> None:
    rate = took["cluster, 1 worker"].rate
    busiest_s = max(unheard.client_s, unheard.scheduler_s) / options.unheard
    core_hours = _MANY / rate / 3600
    lines_gb = _MANY * took["cluster, 1 worker"].n_bytes / options.tracks / 1e9
    print(
        f"\n{_MANY:,} tracks at {rate:.1f} a second and core: {core_hours:,.0f} core hours, on 100 "
        f"cores {core_hours / 100:.0f} hours. One command feeds about {1 / busiest_s / rate:,.0f} "
        f"cores: what takes it or the scheduler {1e3 * busiest_s:.2f} ms a track takes "
        f"{_MANY * busiest_s / 3600:.0f} hours in all. The lines: {lines_gb:.0f} GB."
    )


if __name__ == "__main__":
    main()
