"""Harm runs by the thousand, and print what was found.

``python tests/faults/run.py --kills 500 --seed 1``. Everything that is claimed in
``docs/reliability.md`` is counted here.
"""

from __future__ import annotations

import argparse
import errno
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import campaigns  # noqa: E402
import harness  # noqa: E402
import make_audio  # noqa: E402


def main() -> int:
    """Run the campaigns that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="at random moments")
    parser.add_argument("--tags", type=int, default=40, help="kills of the whole program")
    parser.add_argument("--disks", type=int, default=50, help="of each fault of a real disk")
    parser.add_argument("--step", type=int, default=1, help="fault every STEP-th call")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="campaigns whose name contains this")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary one)")
    options = parser.parse_args()

    failures = 0
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "own state")
        (folder / "encoded").mkdir()
        encoded = partial(make_audio.encoded, folder=folder / "encoded")
        server = harness.Server(harness.build_shim(folder))
        every = harness.build(encoded, folder / "reference", server)
        few = harness.build(encoded, folder / "reference", server, harness.FEW)
        print(
            f"{platform.system()} {platform.release()}, Python {platform.python_version()}, seed "
            f"{options.seed}; {len(every.old)} files in {every.seconds:.2f} s and {every.calls} "
            f"calls, the few in {few.calls}\n",
            flush=True,
        )
        of_few, of_every = (folder, few, server), (folder, every, server)
        calls = range(1, few.calls + 1, options.step)
        all_calls = range(1, every.calls + 1, options.step)
        n, seed = options.disks, options.seed
        plans = {
            "kill before every call": partial(campaigns.kill_at_calls, *of_every, all_calls),
            "kill half-way through every call": partial(
                campaigns.kill_at_calls, *of_every, all_calls, "h"
            ),
            "kill at random moments": partial(
                campaigns.kill_at_random, *of_every, options.kills, seed
            ),
            "kill undo before every call": partial(
                campaigns.kill_undo_at_calls, *of_few, range(1, 9999, options.step)
            ),
            "kill undo half-way through calls": partial(
                campaigns.kill_undo_at_calls, *of_few, range(1, 9999, options.step), "h"
            ),
            "kill tag, decoding and all": partial(campaigns.kill_tag, *of_few, options.tags, seed),
        }
        for error in (errno.ENOSPC, errno.EIO):
            for kind, word in (("o", "once"), ("s", "from then on")):
                plans[f"{errno.errorcode[error]} {word} at every call"] = partial(
                    campaigns.fail_at_calls, *of_few, calls, error=error, kind=kind
                )
        for of in ("music", "state"):
            plans[f"full disk under the {of}"] = partial(
                campaigns.full_disk, *of_every, n, seed, of=of
            )
        for what in ("remove", "chmod", "unmount", "readonly"):
            plans[f"{what} meanwhile"] = partial(campaigns.meanwhile, *of_every, n, seed, what=what)
        print("| fault | runs | files old | new | torn until the next run | gone | copies left |")
        print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
        for title, campaign in plans.items():
            if options.only in title:
                failures += not report(title, campaign, folder)
        server.close()
    return int(failures > 0)


def report(title: str, campaign: Callable[[], campaigns.Outcomes], folder: Path) -> bool:
    """Run one campaign and print its line of the table."""
    total, n, began = harness.Outcome(), 0, time.monotonic()
    last = "nothing"
    try:
        for label, outcome in campaign():
            total += outcome
            n, last = n + 1, label
    except AssertionError as error:
        print(f"{title}: after {last}: {error}", flush=True)
        shutil.rmtree(folder / "case", ignore_errors=True)
        shutil.rmtree(folder / "s", ignore_errors=True)
        return False
    numbers = " | ".join(map(str, total.counts()))
    print(f"| {title} | {n} | {numbers} |", flush=True)
    print(f"{title}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
