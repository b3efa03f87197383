"""Shards of the grid at the founding report's largest sizes: memory, disk, speed.

::

    python tests/benchmarks/bench_shards.py full                  # 9,600 and 86,400 examples
    python tests/benchmarks/bench_shards.py real --tracks 48      # the features themselves
    python tests/benchmarks/bench_shards.py peers                 # against PNG and np.load

``full`` takes 3,200 tracks with two copies each through `training.study.variants.build` and streams
all examples in random order. Only the arithmetic of the features is left out, which
would take hours: records of noise of the right size stand in, and come through the same
processes, files and journal. ``real`` leaves nothing out, for fewer tracks; its memory must not
grow with their number. Each prints Markdown, works in a temporary folder (``TMPDIR``; 20 GB for
``full``) and removes it. Memory is read from outside, five times a second, as the sum of the
resident memory of all processes. Linux only, for ``/proc``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from genretagger.genres import GENRES  # noqa: E402
from training.data.clips import Clip  # noqa: E402
from training.study import extract, variants  # noqa: E402
from training.study.config import DEFAULT, load  # noqa: E402
from training.study.grid import Variant, parse  # noqa: E402

CONFIG = replace(load(DEFAULT).features, sr=44100)
N_TRACKS = 3200
SETS = ("mel-deltas-30s-augmented", "mel-deltas-3s-augmented")
BATCH = 16


def clips_of(n: int, name: str = "t{}.flac") -> list[Clip]:
    """Name some tracks; nothing is read here."""
    return [Clip(f"t{i}", f"a{i}", "bench", name.format(i), (), 3, 31.0) for i in range(n)]


def stand_in(
    path: Path, track_id: str, n_copies: int, files: Sequence[Variant], config: object
) -> list[bytes]:
    """Make records of the right size in place of `extract.extract_track`."""
    rng = np.random.default_rng(int(track_id[1:]))
    values = np.float16(-80) + rng.random(4096, dtype=np.float32).astype(np.float16)
    found = []
    for file in files:
        n = n_copies * file.n_parts * int(np.prod(file.shape_in(CONFIG)))
        found.append(np.resize(values, n).tobytes())
    return found


# ---- What is measured: run in a process of its own ----------------------------------------------


def generate(folder: Path, name: str, n_tracks: int, data: Path | None) -> None:
    """Build a store; without data, of stand-ins."""
    if data is None:
        extract.extract_track = stand_in
    clips = clips_of(n_tracks, "t{}.flac" if data is None else "{}.flac")
    if data is not None:
        clips = [replace(clip, path=f"{i % 8}.flac") for i, clip in enumerate(clips)]
    for _ in variants.build(
        folder,
        clips,
        data or folder,
        [parse(name)],
        CONFIG,
        copied=[True] * n_tracks,
        n_jobs=2,
    ):
        pass


def stream(folder: Path, name: str, n_tracks: int) -> None:
    """Read all examples, as a training does, and say how fast."""
    examples = variants.read(folder, clips_of(n_tracks), parse(name), CONFIG)
    targets = np.zeros((n_tracks, len(GENRES)), np.float32)
    rng = np.random.default_rng(0)
    everything = np.arange(len(examples))
    began, n = time.perf_counter(), 0
    for x, _ in examples.batches(targets, everything, BATCH, rng=rng):
        n += len(x)
    print(len(examples), examples.shape, n / (time.perf_counter() - began), flush=True)


# ---- Measuring from outside ---------------------------------------------------------------------


def tree(pid: int) -> list[int]:
    """List a process and all below it."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                todo += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def resident_mb(pid: int) -> float:
    """Read the resident memory of a process; 0 if it is gone."""
    try:
        return (
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
        )
    except (OSError, IndexError):
        return 0.0


def watched(*arguments: object) -> tuple[float, float, list[str]]:
    """Run a part of this program; return seconds, peak MB of all its processes, its lines."""
    command = [sys.executable, __file__, *map(str, arguments)]
    began, peak = time.perf_counter(), 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, sum(resident_mb(pid) for pid in tree(process.pid)))
            time.sleep(0.2)
        lines = process.stdout.read().splitlines()
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - began, peak, lines


def full(folder: Path) -> None:
    """Measure the report's two largest sets, one after the other."""
    print(
        "| examples | disk, GB | making: peak MB | min | streaming: peak MB | examples/s | MB/s |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in SETS:
        store = folder / name
        seconds, peak, _ = watched("_generate", store, name, N_TRACKS)
        disk = sum(path.stat().st_size for path in store.iterdir())
        _, stream_peak, lines = watched("_stream", store, name, N_TRACKS)
        line = lines[-1]
        n, shape = int(line.split()[0]), line[line.index("(") : line.index(")") + 1]
        rate = float(line.split()[-1])
        cells = [f"{n:,} of {shape}", f"{disk / 1e9:.1f}", f"{peak:.0f}", f"{seconds / 60:.1f}"]
        cells += [f"{stream_peak:.0f}", f"{rate:.0f}", f"{rate * disk / n / 1e6:.0f}"]
        print(f"| {' | '.join(cells)} |", flush=True)
        for path in store.iterdir():
            path.unlink()


def real(folder: Path, n_tracks: int) -> None:
    """Measure all of it on synthetic music, for some tracks and for a quarter of them."""
    import make_audio
    import soundfile

    for i in range(8):
        y = make_audio.music(200.0, 44100, 2, seed=i)
        soundfile.write(folder / f"{i}.flac", y, 44100)
    print("| tracks | examples | peak MB | seconds a track |")
    print("|---|---|---|---|")
    for n in (n_tracks // 4, n_tracks):
        name = SETS[0]
        seconds, peak, _ = watched("_generate", folder / f"store{n}", name, n, folder)
        print(f"| {n} | {3 * n} | {peak:.0f} | {seconds / n:.1f} |", flush=True)


def peers(folder: Path) -> None:
    """Compare reading batches with what others do for the same examples, in random order."""
    print("| example | ours | PNG, ImageDataGenerator | np.load | ours / PNG | ours / np.load |")
    print("|---|---|---|---|---|---|")
    for name in SETS:
        print(peers_line(folder, name), flush=True)


def peers_line(folder: Path, name: str) -> str:
    """Measure one shape; the files are in memory already, so that the disk does not count."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    n_tracks, n = 64, 192
    generate(folder / name, name, n_tracks, None)
    clips = clips_of(n_tracks)
    examples = variants.read(folder / name, clips, parse(name), CONFIG)
    pictures, arrays = folder / f"{name}-png", folder / f"{name}-npy"
    arrays.mkdir()
    for done in pictures.export_png(pictures / "all", examples, clips):
        if done >= n:
            break
    for i in range(n):
        np.save(arrays / f"{i}.npy", examples.read([i])[0])
    order = np.random.default_rng(0).permutation(n)
    targets = np.zeros((n_tracks, len(GENRES)), np.float32)
    flow = ImageDataGenerator(rescale=1 / 255.0).flow_from_directory(
        str(pictures), target_size=examples.shape[:2], batch_size=BATCH, class_mode=None
    )

    def ours() -> None:
        for _ in examples.batches(targets, order, BATCH):
            pass

    def by_png() -> None:
        for i in range(len(flow)):
            flow[i]

    def by_np_load() -> None:
        for start in range(0, n, BATCH):
            part = order[start : start + BATCH]
            np.stack([np.load(arrays / f"{i}.npy") for i in part]).astype(np.float32)

    rates = [n / best_of(3, ours), len(flow.filenames) / best_of(3, by_png)]
    rates.append(n / best_of(3, by_np_load))
    cells = [f"{examples.shape}", *(f"{rate:.0f}/s" for rate in rates)]
    cells += [f"{rates[0] / rate:.1f}" for rate in rates[1:]]
    return f"| {' | '.join(cells)} |"


def best_of(n: int, call: Callable[[], None]) -> float:
    """Time a call; the shortest of n, because others work on the machine, too."""
    found = []
    for _ in range(n):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    """Run what is asked for."""
    if sys.argv[1:2] == ["_generate"]:
        folder, name, n, *data = sys.argv[2:]
        generate(Path(folder), name, int(n), Path(data[0]) if data else None)
    elif sys.argv[1:2] == ["_stream"]:
        folder, name, n = sys.argv[2:]
        stream(Path(folder), name, int(n))
    else:
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
        parser.add_argument("what", choices=["full", "real", "peers"])
        parser.add_argument("--tracks", type=int, default=48)
        options = parser.parse_args()
        with tempfile.TemporaryDirectory() as folder:
            if options.what == "real":
                real(Path(folder), options.tracks)
            else:
                {"full": full, "peers": peers}[options.what](Path(folder))


if __name__ == "__main__":
    main()
