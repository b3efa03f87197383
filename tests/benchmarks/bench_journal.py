"""How much is written down of a change, and how much memory it takes: ``bench_journal.py``.

::

    python tests/benchmarks/bench_journal.py                   # both tables, 10 minutes, 12 GB
    python tests/benchmarks/bench_journal.py --huge 0          # without the files of 3.9 GB
    python tests/benchmarks/bench_journal.py --only Opus WAV --seconds 600 --huge 0

First table: a WAV and an AIFF of 3.9 GB (sparse files; the copies take room on the disk) are
tagged and taken back in processes of their own, whose peak memory is printed.
Second table: files of every form (``tests/make_audio.py``) get genres, other genres, and a
field of 20 kB, which outgrows every padding; printed is the size of each journal in bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

CHANGES = {"genres": "Rock", "other genres": "Jazz", "a field of 20 kB": "x" * 20_000}

ONE_CHANGE = """
import json, resource, sys, time
from pathlib import Path
import genretagger
from genretagger import tags
from genretagger.containers import container_of
from genretagger.records import BlockChange

path, what, value = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
began = time.monotonic()
journal = genretagger.Journal("benchmark")
if what == "undo":
    _, entries = genretagger.read_journal(genretagger.list_journals()[-1])
    done = list(genretagger.undo(entries, journal))
    assert [line.state.value for line in done] == ["change"], done
else:
    field = "MORE" if len(value) > 1000 else None
    blocks = tags.read(path, field=field).blocks
    kind = blocks[0].kind if blocks else container_of(path).native
    kind = "ID3v2.3" if kind == "ID3v2.2" else kind  # which is only read
    change = BlockChange(kind, blocks[0].values if blocks else (), (value,))
    write = lambda copy: tags.write(copy, [change], field=field)
    assert genretagger.rewrite(path, write, journal, old=(), new=())
print(json.dumps({
    "journal": journal.path.stat().st_size,
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    "seconds": time.monotonic() - began,
}))
"""


def change(path: Path, what: str, value: str = "") -> dict:
    """Change a file, or take its last change back, in a process of its own."""
    state = {"XDG_STATE_HOME": str(path.parent / "state")}
    done = subprocess.run(
        [sys.executable, "-c", ONE_CHANGE, path, what, value],
        env=os.environ | state,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout)


def wav(path: Path, size: int) -> None:
    """Make a sparse WAV of so many bytes of silence."""
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 44100, 176400, 4, 16)
    head = b"WAVE" + head + struct.pack("<4sI", b"data", size)
    path.write_bytes(struct.pack("<4sI", b"RIFF", len(head) + size) + head)
    os.truncate(path, 8 + len(head) + size)


def aiff(path: Path, size: int) -> None:
    """Make a sparse AIFF of so many bytes of silence."""
    rate = struct.pack(">HQ", 16383 + 15, 44100 << 48)  # 80-bit float
    head = b"AIFF" + struct.pack(">4sIhIh", b"COMM", 18, 2, size // 4, 16) + rate
    head += struct.pack(">4sIII", b"SSND", 8 + size, 0, 0)
    path.write_bytes(struct.pack(">4sI", b"FORM", len(head) + size) + head)
    os.truncate(path, 8 + len(head) + size)


def huge_files(folder: Path, size: int) -> None:
    """Print the first table."""
    print("| file | step | journal, bytes | peak memory, MB | seconds |\n|---|---|--:|--:|--:|")
    for make in (wav, aiff):
        path = folder / f"huge.{make.__name__}"
        make(path, size)
        for what in ("tag", "undo"):
            done = change(path, what, "Rock")
            cells = (done["journal"], done["megabytes"], f"{done['seconds']:.1f}")
            print(f"| {path.name}, {size} B | {what} | {' | '.join(map(str, cells))} |", flush=True)
        path.unlink()


def every_form(folder: Path, only: list[str], seconds: float) -> None:
    """Print the second table."""
    import make_audio  # with numpy and soundfile, which the first table does without

    print(
        f"\n| {'form':22} | {'file':>12} | " + " | ".join(f"{name:>16}" for name in CHANGES) + " |"
    )
    print("|---|--:|" + "--:|" * len(CHANGES))
    for form, kind in make_audio.FORMS.items():
        if only and form not in only:
            continue
        path = folder / f"track{kind.suffix}"
        make_audio.make(form, path, seconds=seconds, title="Title", artist="Artist")
        size = path.stat().st_size
        cells = []
        for value in CHANGES.values():
            done = change(path, "tag", value)
            cells.append(f"{done.get('journal', done.get('error', ''))!s:>16}")
        print(f"| {form:22} | {size:>12} | " + " | ".join(cells) + " |", flush=True)
        path.unlink()


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=[], metavar="FORM", help="these forms")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of their files")
    parser.add_argument("--huge", type=int, default=3_900_000_000, metavar="BYTES")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.huge:  # first: the peak of a child is its parent's, too, if that was larger
            huge_files(Path(folder), options.huge)
        every_form(Path(folder), options.only, options.seconds)


if __name__ == "__main__":
    main()
