"""Fuzz everything that reads what others made, and print a table.

``python tests/fuzz/run.py --inputs 100000 --seed 1``.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import targets  # noqa: E402
import workers  # noqa: E402


def main() -> int:
    """Fuzz what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="targets whose name contains this")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary one)")
    options = parser.parse_args()
    n_failures = 0
    print(f"{platform.system()} {platform.release()}, Python {platform.python_version()}, ", end="")
    print(f"seed {options.seed}\n\n| what | inputs | outcome | failures | slowest | most memory |")
    print("|---|---:|---|---:|---:|---:|", flush=True)
    for name, (make, share) in targets.TARGETS.items():
        if options.only not in name:
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            n = max(1, round(options.inputs * share))
            found = workers.fuzz(make, n, options.seed, Path(folder))
        words = ", ".join(f"{count} {word}" for word, count in sorted(found.words.items()))
        print(
            f"| {name} | {n} | {words} | {len(found.failures)} | {found.slowest_s:.1f} s | "
            f"{found.memory / 1e6:.0f} MB |",
            flush=True,
        )
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
        for failure in found.failures[:50]:
            print(f"  {name}, {failure}", file=sys.stderr, flush=True)
        n_failures += len(found.failures)
    return int(n_failures > 0)


if __name__ == "__main__":
    sys.exit(main())
