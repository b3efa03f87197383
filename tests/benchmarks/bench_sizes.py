"""Time and memory of `similar` and `learn` at the sizes of large collections, simulated.

``python tests/benchmarks/bench_sizes.py [similar] [learn]``

Nothing is heard: embeddings are drawn at random around a centre for each genre. Each part runs in a
process of its own, so that its peak memory is its own. Prints Markdown. Linux only, for ``/proc``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from genretagger.learn import fit, labels
from genretagger.similarity import nearest

_N_VALUES = 480  # the most that an embedding may have
_N_OTHERS = 100_000
_N_TRACKS, _N_GENRES, _N_ARTISTS = 50_000, 120, 5_000
_REPETITIONS = 5


def similar() -> str:
    """Compare a track with many others."""
    rng = np.random.default_rng(0)
    track, *others = rng.normal(size=(_N_OTHERS + 1, _N_VALUES)).astype(np.float16)
    before_mb = _memory_mb("VmRSS")
    seconds = [
        _seconds(lambda: nearest(track, others, [False] * _N_OTHERS)) for _ in range(_REPETITIONS)
    ]
    spread = f"{np.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
    what = f"`similar`: one track with {_N_OTHERS:,} others, {_N_VALUES} values each"
    return f"| {what} | {spread} | {_memory_mb('VmHWM') - before_mb:.0f} |"


def learn() -> str:
    """Learn genres of which a few are common and most are rare, as in collections."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, _N_GENRES + 1)
    genre = rng.choice(_N_GENRES, _N_TRACKS, p=shares / shares.sum())
    centres = rng.normal(size=(_N_GENRES, _N_VALUES))
    x = (centres[genre] + rng.normal(scale=6.0, size=(_N_TRACKS, _N_VALUES))).astype("f4")
    artists = rng.integers(_N_ARTISTS, size=_N_TRACKS)
    tagged = [
        labels.Tagged((f"Genre {g:03}",), f"Artist {a}")
        for g, a in zip(genre.tolist(), artists.tolist(), strict=True)
    ]
    before_mb = _memory_mb("VmRSS")
    labelled = labels.label(tagged, {})
    seconds = _seconds(lambda: fit.learn(x, labelled))
    n_genres = len(labelled.vocabulary.genres)
    what = f"`learn`: {_N_TRACKS:,} tracks, {n_genres} genres, {_N_VALUES} values each"
    return f"| {what} | {seconds:.0f} | {_memory_mb('VmHWM') - before_mb:.0f} |"


def _seconds(do: Callable[[], object]) -> float:
    began = time.process_time()  # what else runs on the machine is not in it
    do()
    return time.process_time() - began


def _memory_mb(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024 / 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts, each in a process of its own."""
    parts = {"similar": similar, "learn": learn}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=" or ".join(parts))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.here:
        print(parts[options.parts[0]]())
        return
    print(f"{os.cpu_count()} cores; load average before {os.getloadavg()[0]:.1f}.\n")
    print("| simulated | processor, s | memory beside the embeddings, MB |\n|---|--:|--:|")
    for part in options.parts or parts:
        words = [sys.executable, __file__, "--here", part]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        print(done.stdout, end="", flush=True)


if __name__ == "__main__":
    main()
