"""Load: what a large collection costs in memory, open files and time. See docs/cache.md.

::

    python tests/benchmarks/bench_load.py tag --files 20000     # generated files, tagged twice
    python tests/benchmarks/bench_load.py warm --files 100000   # a second run, simulated
    python tests/benchmarks/bench_load.py walk --files 200000   # finding the files alone

Each prints Markdown, works in a temporary folder, and removes it. Linux only, for ``/proc``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from genretagger import bundle
from genretagger.cache import Cache, PredictionKey
from genretagger.genres import GENRES
from genretagger.hearing import hearing_id
from genretagger.identity import identify
from genretagger.places import cache_file
from genretagger.records import GenreBlock, Prediction, Seen, TrackTags

_IN_A_FOLDER = 400

_WATCHED = """
import sys
from genretagger.cli import main
folder, n_opened = sys.argv[1], 0
def watch(event, arguments):
    global n_opened
    if event == "open" and str(arguments[0]).startswith(folder):
        n_opened += 1
sys.addaudithook(watch)
code = main(sys.argv[2:])
print(f"watched: {n_opened} opened", file=sys.stderr)
sys.exit(code)
"""

_WALK = """
import sys, time
from pathlib import Path
from genretagger.scan import find_tracks
def memory():  # the peak: what is freed at the end counts, too
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
before, start = memory(), time.perf_counter()
tracks = find_tracks([Path(sys.argv[1])], on_error=print)
next(tracks)
first_s = time.perf_counter() - start
n = 1 + sum(1 for _ in tracks)
print(n, first_s, time.perf_counter() - start, memory() - before)
"""


@dataclass
class Sample:
    """What the command's first process held when so many tracks were done."""

    n_done: int
    seconds: float
    memory_mb: float
    n_open: int
    n_children: int


@dataclass
class Run:
    """One run of the command."""

    code: int
    seconds: float
    cpu_s: float = 0.0
    first_s: float = 0.0
    n_done: int = 0
    samples: list[Sample] = field(default_factory=list)
    n_opened: int = 0
    messages: str = ""


def folders(root: Path, n_files: int) -> Iterator[Path]:
    """Make folders of artists and albums, and name a file for each track."""
    for number in range(n_files):
        album = number // _IN_A_FOLDER
        folder = root / f"Artist {album // 10:03}" / f"Album {album:04}"
        if number % _IN_A_FOLDER == 0:
            folder.mkdir(parents=True)
        yield folder / f"{number:06} a title of usual length"


def make_music(root: Path, n_files: int) -> None:
    """Make short files that all sound different, in the formats that soundfile writes."""
    kinds = {".flac": "FLAC", ".wav": "WAV", ".mp3": "MP3", ".ogg": "OGG"}
    rng = np.random.default_rng(0)
    time_s = np.arange(round(1.2 * 22050)) / 22050
    for number, path in enumerate(folders(root, n_files)):
        tone = np.sin(2 * np.pi * (110 + number % 400) * time_s)
        y = (0.4 * tone + 0.1 * rng.standard_normal(len(time_s))).astype(np.float32)
        suffix = list(kinds)[number % len(kinds)]
        soundfile.write(f"{path}{suffix}", y, 22050, format=kinds[suffix])


def make_remembered(root: Path, n_files: int) -> None:
    """Make empty files, and a cache that remembers each; every second one has a genre."""
    prediction_id = hearing_id(bundle.read(bundle.DEFAULT))
    with contextlib.closing(Cache(cache_file(), warn=_refuse)) as cache:
        for number, name in enumerate(folders(root, n_files)):
            path = Path(f"{name}.flac")
            path.touch()
            file = Seen(path, identify(path))
            genre = ("Rock",) if number % 2 else ()
            block = GenreBlock("Vorbis comment", genre)
            found = TrackTags((block,), "Vorbis comment", f"Album {number // 12}", "", "Somebody")
            cache.keep_tags(file, None, found)
            cache.keep_audio_id(file, f"{number:032x}")
            key = PredictionKey(f"{number:032x}", file.identity, prediction_id, has_cuesheet=False)
            cache.keep_prediction(key, Prediction((0.01,) * len(GENRES)))


def _refuse(message: str) -> None:
    raise SystemExit(message)


def command(root: Path, *arguments: str, sample_every: int) -> Run:
    """Run the command, and look at its first process on the way."""
    words = [sys.executable, "-c", _WATCHED, str(root), *arguments, "--format", "json", str(root)]
    before = os.times()
    start = time.perf_counter()
    found = Run(0, 0.0)
    # into a file: a run that fails on every track fills a pipe that nobody reads, and stands still
    with (
        tempfile.TemporaryFile() as messages,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=messages) as process,
    ):
        assert process.stdout is not None
        for _ in process.stdout:
            found.n_done += 1
            seconds = time.perf_counter() - start
            found.first_s = found.first_s or seconds
            if found.n_done % sample_every == 0:
                found.samples.append(_sample(process.pid, found.n_done, seconds))
        found.code = process.wait()
        messages.seek(0)
        found.messages = messages.read().decode()
    found.seconds = time.perf_counter() - start
    after = os.times()  # of children that have ended, and of theirs
    found.cpu_s = sum(after[2:4]) - sum(before[2:4])
    watched = found.messages.rpartition("watched: ")[2]
    found.n_opened = int(watched.split()[0]) if watched[:1].isdigit() else -1
    return found


def _sample(pid: int, n_done: int, seconds: float) -> Sample:
    of = Path(f"/proc/{pid}")
    pages = int((of / "statm").read_text().split()[1])
    memory_mb = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    children = [c for task in (of / "task").glob("*/children") for c in task.read_text().split()]
    return Sample(n_done, seconds, memory_mb, len(list((of / "fd").iterdir())), len(children))


def _print(run: Run) -> None:
    print("\n| tracks done | seconds | memory, MB | open files | child processes |")
    print("|---|---|---|---|---|")
    for s in run.samples:
        cells = (s.n_done, f"{s.seconds:.1f}", f"{s.memory_mb:.0f}", s.n_open, s.n_children)
        print(f"| {' | '.join(map(str, cells))} |")
    print(
        f"\n{run.n_done} tracks in {run.seconds:.1f} s ({run.cpu_s:.1f} s of CPU), the first after "
        f"{run.first_s:.2f} s; files of the collection opened by the first process: "
        f"{run.n_opened}; exit code {run.code}"
    )


def tag(root: Path, n_files: int) -> list[Run]:
    """Tag generated files in one run, then once more."""
    make_music(root, n_files)
    arguments = ("tag", "--always", "--jobs", "2")
    runs = [command(root, *arguments, sample_every=max(1, n_files // 10)) for _ in range(2)]
    for title, run in zip(("first run", "second run"), runs, strict=True):
        print(f"\n### {n_files} generated files: {title}")
        _print(run)
    return runs


def warm(root: Path, n_files: int) -> list[Run]:
    """Run on files that the cache remembers, for one that is never reached in a test."""
    make_remembered(root, n_files)
    runs = [
        command(root, *arguments, sample_every=max(1, n_files // 5))
        for arguments in (("tag",), ("tag", "--dry-run"), ("predict",))
    ]
    for title, run in zip(("tag", "tag --dry-run", "predict"), runs, strict=True):
        print(f"\n### {n_files} remembered entries: {title}")
        _print(run)
    return runs


def walk(root: Path, n_files: int) -> tuple[int, float, float, float]:
    """Find files: how many, seconds to the first and to the last, and memory in MB."""
    for path in folders(root, n_files):
        Path(f"{path}.flac").touch()
    words = [sys.executable, "-c", _WALK, str(root)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    n, first_s, seconds, memory_mb = map(float, done.stdout.split())
    print(f"\n### {n_files} files walked")
    print(f"\n{n:.0f} found in {seconds:.1f} s, the first after {first_s * 1000:.1f} ms, ", end="")
    print(f"with {memory_mb:.0f} MB")
    return int(n), first_s, seconds, memory_mb


def main(arguments: list[str] | None = None) -> object:
    """Run one part."""
    parts: dict[str, tuple[Callable[[Path, int], object], int]] = {
        "tag": (tag, 20_000),
        "warm": (warm, 100_000),
        "walk": (walk, 200_000),
    }
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=parts)
    parser.add_argument("--files", type=int, metavar="N")
    options = parser.parse_args(arguments)
    function, usual = parts[options.part]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
            os.environ[name] = str(Path(folder) / name)
        return function(Path(folder) / "Music", options.files or usual)


if __name__ == "__main__":
    main()
