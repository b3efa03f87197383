"""Measure genretagger's speed and memory, and print Markdown tables. See docs/performance.md.

::

    python tests/benchmarks/bench.py musicnn                  # once: sets MusiCNN up
    python tests/benchmarks/bench.py all --music FOLDER --write docs/performance.md
    python tests/benchmarks/bench.py --quick                  # does it still run?
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import platform
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench_command import Run
    from bench_inputs import Tracks
    from bench_musicnn import Musicnn

    from genretagger.bundle import Bundle

    Commands = dict[tuple[str, int], list[Run]]

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

JOBS = (1, 2)


@dataclass(frozen=True)
class Size:
    """How much is measured: files, repetitions, seconds."""

    n_tracks: int = 8
    shortest_s: float = 120.0
    repetitions: int = 5
    n_files: int = 48  # a command's run: long enough that its start does not dominate
    command_repetitions: int = 3
    musicnn_tracks: int = 3  # it takes seconds a track
    musicnn_repetitions: int = 3
    memory_files: int = 5000


QUICK = Size(2, 12.0, 1, 4, 1, 1, 1, 100)


@dataclass(frozen=True)
class Peer:
    """One form of MusiCNN that runs here."""

    name: str
    musicnn: Musicnn
    only_network: bool

    def rows(self, tracks: Tracks, i: int) -> list[tuple[str, str, Path]]:
        """Name what is measured on a track: the row, what to run, and on which file."""
        whole, excerpts = tracks.files["MP3"][i], tracks.excerpts[i]
        network = (f"network only, 30 s: {self.name}", "network", excerpts)
        if self.only_network:
            return [network]
        return [
            (f"{self.name}, as packaged, whole track", "packaged", whole),
            (f"{self.name}, network loaded before, whole track", "loaded", whole),
            (f"{self.name}, as packaged, our 30 s", "packaged", excerpts),
            (f"{self.name}, network loaded before, our 30 s", "loaded", excerpts),
            network,
        ]


class Samples:
    """Seconds by row and container, then by repetition and track."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], dict[tuple[int, int], float]] = defaultdict(dict)

    def add(self, row: str, container: str, repetition: int, track: int, seconds: float) -> None:
        """Keep one."""
        self._taken[row, container][repetition, track] = seconds

    def per_track(self, row: str, container: str) -> list[float]:
        """Give the mean seconds of a track in each repetition."""
        taken = self._taken.get((row, container), {})
        repetitions = sorted({repetition for repetition, _ in taken})
        return [
            statistics.fmean(s for (of, _), s in taken.items() if of == repetition)
            for repetition in repetitions
        ]

    def ratios(self, row: str, base: str, container: str) -> list[float]:
        """Give, for each repetition, a row's time over another's, on the tracks both have."""
        over, under = self._taken[row, container], self._taken[base, container]
        totals: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for key in over.keys() & under.keys():
            totals[key[0]][0] += over[key]
            totals[key[0]][1] += under[key]
        return [a / b for _, (a, b) in sorted(totals.items())]


def main() -> None:
    """Run the benchmark's command line."""
    options = _parse()
    options.load = _load()  # before the benchmark itself is the load
    environment = dict(os.environ)  # as the user's, for the whole command
    for name in _ONE_THREAD:  # before numpy is imported
        os.environ[name] = "1"
    size = QUICK if options.quick else Size()
    if options.what == "musicnn":
        import bench_musicnn

        bench_musicnn.set_up(bench_musicnn.default_folder(), options.python37)
        return
    with tempfile.TemporaryDirectory(prefix="genretagger-bench-") as name:
        folder = Path(name)
        environment["XDG_CACHE_HOME"] = str(folder / "cache")  # nothing is known beforehand
        if options.what in ("run", "all"):
            _publish(_speed(options, size, folder, environment), "bench", options.write)
        if options.what in ("memory", "all"):
            _publish(_memory(options, size, folder, environment), "bench-memory", options.write)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure genretagger's speed and memory, and print Markdown tables."
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=("run", "memory", "all", "musicnn"),
        default="run",
        help="run: speed; memory: over 5,000 files; all: both; musicnn: set MusiCNN up, for "
        "comparison, in an environment of its own (default: %(default)s)",
    )
    parser.add_argument("--music", type=Path, metavar="FOLDER", help="tracks (default: made up)")
    parser.add_argument("--quick", action="store_true", help="a minute: shows that it works")
    parser.add_argument("--without-peers", action="store_true", help="no librosa, no MusiCNN")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="the model (default: shipped)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables in this page")
    parser.add_argument("--python37", metavar="PATH", help="for musicnn (default: searched for)")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- speed -----------------------------------------------------------------------------


def _speed(
    options: argparse.Namespace, size: Size, folder: Path, environment: dict[str, str]
) -> str:
    import bench_command
    import bench_inputs
    import bench_stages

    from genretagger import bundle

    _say("preparing tracks")
    tracks = bench_inputs.gather(
        options.music, folder, n_tracks=size.n_tracks, shortest_s=size.shortest_s
    )
    folders = {
        container: bench_inputs.copies(files, size.n_files, folder / container)
        for container, files in tracks.files.items()
    }
    model = bundle.read(options.bundle or bundle.DEFAULT)
    stages = bench_stages.Stages(model)
    rows = list(stages.rows)
    if options.without_peers:
        rows = [row for row in rows if row != bench_stages.LIBROSA]
        stages.without_librosa = "left out"
    samples = Samples()
    commands: Commands = defaultdict(list)
    with bench_command.on_cores(1) as core:
        for row in rows:  # what happens once in a process: imports, compilation, page cache
            for files in tracks.files.values():
                stages.time_row(row, files[0])
    with _peers(options, core) as (peers, notes):
        for peer in peers:
            peer.musicnn.measure("loaded", tracks.excerpts[0])
        for repetition in range(size.repetitions):
            _say(f"repetition {repetition + 1} of {size.repetitions}")
            for i in range(len(tracks.excerpts)):
                with bench_command.on_cores(1):
                    for container, files in tracks.files.items():
                        # there and back, so that no row always follows the same one
                        for row in rows[::-1] if repetition % 2 else rows:
                            seconds = stages.time_row(row, files[i])
                            samples.add(row, container, repetition, i, seconds)
                    seconds = stages.time_network(tracks.files["MP3"][i])
                    samples.add(bench_stages.OUR_NETWORK, "MP3", repetition, i, seconds)
                if i < size.musicnn_tracks and repetition < size.musicnn_repetitions:
                    for peer in peers:
                        for row, what, path in peer.rows(tracks, i):
                            seconds, _ = peer.musicnn.measure(what, path)
                            samples.add(row, "MP3", repetition, i, seconds)
            if repetition < size.command_repetitions:
                for jobs in JOBS:
                    for container, of in folders.items():
                        done = bench_command.run(of, jobs, environment, bundle=options.bundle)
                        commands[container, jobs].append(done)
                        seconds = done.seconds / size.n_files
                        for i in range(len(tracks.excerpts)):
                            samples.add(_command(jobs), container, repetition, i, seconds)
    if stages.without_librosa:
        notes.insert(0, f"{bench_stages.LIBROSA}: not measured: {stages.without_librosa}.")
    peer_rows = [row for peer in peers for row, _, _ in peer.rows(tracks, 0)]
    networks = [row for row in peer_rows if row.startswith("network only")]
    others = [row for row in peer_rows if row not in networks]
    return "\n".join(
        [
            _machine(model, options.load),
            f"Input: {tracks.description}. {size.repetitions} repetitions; "
            f"of the whole command {size.command_repetitions}, with {size.n_files} files each.",
            "",
            _rows_table(samples, [*rows, *others], bench_stages.DECODE),
            "",
            _networks_table(samples, [bench_stages.OUR_NETWORK, *networks]),
            "",
            _commands_table(samples, commands, size.n_files, bench_stages.DECODE),
            "",
            _aims_table(samples, commands),
            "",
            *(f"- {note}" for note in notes),
        ]
    ).rstrip()


@contextlib.contextmanager
def _peers(options: argparse.Namespace, core: int | None) -> Iterator[tuple[list[Peer], list[str]]]:
    """Start MusiCNN: its package where there is one, and its weights on today's TensorFlow."""
    import bench_musicnn

    folder = bench_musicnn.default_folder()
    # name, its package, network only; without the package its weights stand in every row
    forms = [("MusiCNN (its weights, no package)", False, False)]
    if bench_musicnn.is_packaged(folder):
        forms = [("MusiCNN", True, False), ("MusiCNN on today's TensorFlow", False, True)]
    started = []
    notes = []
    if options.without_peers:
        forms = []
        notes.append("MusiCNN: not measured: left out.")
    for name, packaged, only_network in forms:
        try:
            musicnn = bench_musicnn.Musicnn(folder, core, packaged=packaged)
        except bench_musicnn.MusicnnError as error:
            notes.append(f"{name}: not measured: {error}.")
        else:
            started.append(Peer(name, musicnn, only_network))
            notes.append(f"{name}: {musicnn.description}.")
    try:
        yield started, notes
    finally:
        for peer in started:
            peer.musicnn.close()


def _command(jobs: int) -> str:
    return f"the whole command, {jobs} job{'s' if jobs > 1 else ''}"


def _rows_table(samples: Samples, rows: list[str], base: str) -> str:
    lines = [
        "| one core, a track | MP3, ms | x decoding | FLAC, ms | x decoding |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        cells = []
        for container in ("MP3", "FLAC"):
            cells.append(_spread(samples.per_track(row, container), 1000.0, ".0f"))
            cells.append(_spread(samples.ratios(row, base, container), 1.0, ".2f"))
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _networks_table(samples: Samples, rows: list[str]) -> str:
    lines = ["| one core | ms | x ours |", "|---|--:|--:|"]
    for row in rows:
        ms = _spread(samples.per_track(row, "MP3"), 1000.0, ".0f")
        ratio = _spread(samples.ratios(row, rows[0], "MP3"), 1.0, ".1f")
        lines.append(f"| {row} | {ms} | {ratio} |")
    return "\n".join(lines)


def _commands_table(samples: Samples, commands: Commands, n_files: int, base: str) -> str:
    lines = [
        "| `genretagger predict` | ms a track | x decoding | tracks/s | tracks/s a core "
        "| first track, s | parent, MB | largest worker, MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for (container, jobs), runs in commands.items():
        speeds = [n_files / run.seconds for run in runs]
        cells = [
            _spread([run.seconds / n_files for run in runs], 1000.0, ".0f"),
            _spread(samples.ratios(_command(jobs), base, container), 1.0, ".2f"),
            _spread(speeds, 1.0, ".1f"),
            _spread(speeds, 1.0 / jobs, ".1f"),
            _spread([run.first_s for run in runs], 1.0, ".2f"),
            _most([run.parent_mb for run in runs]),
            _most([run.worker_mb for run in runs]) if jobs > 1 else "none",
        ]
        name = f"{container}, {jobs} job{'s' if jobs > 1 else ''}"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _aims_table(samples: Samples, commands: Commands) -> str:
    from bench_stages import DECODE, MODEL, WHOLE

    lines = ["| aim | measured | met |", "|---|---|---|"]

    def judge(aim: str, values: dict[str, float], unit: str, passes: Callable[[float], bool]):
        shown = ", ".join(f"{name} {value:.2f}{unit}" for name, value in values.items())
        met = "yes" if all(map(passes, values.values())) else "no"
        lines.append(f"| {aim} | {shown} | {met if all(values.values()) else 'unknown'} |")

    def ratios(base: str) -> dict[str, float]:
        of = {c: samples.ratios(MODEL, base, c) for c in ("MP3", "FLAC")}
        return {container: statistics.median(found) for container, found in of.items()}

    judge("all steps at most 4 x decoding alone", ratios(DECODE), "", lambda x: x <= 4.0)
    judge("all steps less than decoding the whole track", ratios(WHOLE), "", lambda x: x < 1.0)
    firsts = {
        f"{container} {jobs}j": statistics.median(run.first_s for run in runs)
        for (container, jobs), runs in commands.items()
    }
    judge("first track in under 2 s", firsts, " s", lambda x: x < 2.0)
    memory = {"largest": max(run.worker_mb for runs in commands.values() for run in runs)}
    judge("under 400 MB a worker", memory, " MB", lambda x: x < 400.0)
    return "\n".join(lines)


def _spread(values: list[float], scale: float, style: str) -> str:
    if not values:
        return "-"
    low, middle, high = (format(f(values) * scale, style) for f in (min, statistics.median, max))
    return middle if len(values) == 1 else f"{middle} ({low}-{high})"


def _most(values: list[float]) -> str:
    return f"{max(values):.0f}" if max(values) else "unknown"


# --- memory ----------------------------------------------------------------------------


def _memory(
    options: argparse.Namespace, size: Size, folder: Path, environment: dict[str, str]
) -> str:
    import bench_command
    import bench_inputs

    from genretagger import bundle

    n = size.memory_files
    _say(f"{n} files of 2 s")
    short = bench_inputs.short_tracks(folder, 20, 2.0)
    many = bench_inputs.copies(short, n, folder / "many")
    done = bench_command.run(
        many, 2, environment, bundle=options.bundle, sample_every=max(1, n // 10)
    )
    lines = [
        _machine(bundle.read(options.bundle or bundle.DEFAULT), options.load),
        f"Input: {n} files of 2 s, MP3 and FLAC in turn, 2 jobs; {done.seconds:.0f} s in all.",
        "",
        "| tracks done | parent, MB | largest worker, MB |",
        "|--:|--:|--:|",
        *(f"| {tracks} | {parent:.0f} | {worker:.0f} |" for tracks, parent, worker in done.curve),
        f"| peak | {done.parent_mb:.0f} | {done.worker_mb:.0f} |",
        "",
    ]
    (_, parent, worker), (_, last_parent, last_worker) = done.curve[1], done.curve[-1]
    # a tenth is what allocators and the report's own rows may take
    flat = last_parent <= 1.1 * parent and last_worker <= 1.1 * worker
    lines.append(
        f"From {done.curve[1][0]} to {done.curve[-1][0]} tracks: parent "
        f"{last_parent - parent:+.1f} MB, largest worker {last_worker - worker:+.1f} MB: "
        f"{'flat' if flat else 'not flat'} (at most a tenth more)."
    )
    return "\n".join(lines)


# --- the machine, and the page ---------------------------------------------------------


def _load() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _machine(model: Bundle, load: float | None) -> str:
    import soundfile

    names = ("numpy", "soundfile", "soxr", "ai-edge-litert", "joblib", "librosa")
    versions = [f"libsndfile {soundfile.__libsndfile_version__}"]
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    memory = _field("/proc/meminfo", "MemTotal")
    gib = f", {int(memory.split()[0]) / 2**20:.0f} GiB" if memory else ""
    cpu = _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    cores = os.cpu_count() or 1
    busy = ""
    if load is not None:
        busy = f"; load average before {load:.1f}"
        busy += ": **disturbed, these are not final figures**" if load > 0.3 * cores else ""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return (
        f"Machine: {cpu}, {cores} cores{gib}, {platform.system()} {platform.release()}; "
        f"{today}{busy}.\n"
        f"Versions: genretagger {version('genretagger')}, model {model.bundle_id}, "
        f"Python {platform.python_version()}, {', '.join(versions)}.\n"
    )


def _field(path: str, key: str) -> str:
    with contextlib.suppress(OSError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip()
    return ""


def _publish(text: str, marker: str, page: Path | None) -> None:
    print(text + "\n", flush=True)
    if page is None:
        return
    begin, end = f"<!-- {marker}:begin -->", f"<!-- {marker}:end -->"
    old = page.read_text(encoding="utf-8")
    before, found, rest = old.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise SystemExit(f"{page}: no {begin} ... {end} to put the tables between")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
    _say(f"written to {page}")


if __name__ == "__main__":
    main()
