"""Large collections: memory stays flat, nothing leaks, nothing is read in advance.

The same as `benchmarks/bench_load.py` measures, with few files; how fast it is, is no test.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import make_audio
import pytest

from genretagger import scan

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import bench_load

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux' /proc")


def levels(samples):
    """Say by how much memory and open files grew from the first sample to the last."""
    memory_mb = [s.memory_mb for s in samples]
    n_open = [s.n_open for s in samples]
    return memory_mb[-1] - memory_mb[0], n_open[-1] - n_open[0]


@needs_proc
def test_a_run_over_many_files_leaks_neither_memory_nor_handles(tmp_path):
    first, second = bench_load.tag(tmp_path / "Music", 320)
    assert (first.code, first.n_done) == (0, 320)
    assert "320 changed" in first.messages
    grown_mb, more_open = levels(first.samples)
    assert grown_mb < 40
    assert more_open <= 8  # the pipes of two workers and a journal come and go

    assert (second.code, second.n_done, second.n_opened) == (0, 320, 0)
    assert "320 kept" in second.messages
    assert not any(s.n_children for s in second.samples)


@needs_proc
def test_a_second_run_opens_no_file_and_starts_no_process(tmp_path):
    for run in bench_load.warm(tmp_path / "Music", 3000):
        assert (run.code, run.n_done, run.n_opened) == (0, 3000, 0)
        assert not any(s.n_children for s in run.samples)
        grown_mb, more_open = levels(run.samples)
        assert grown_mb < 20
        assert more_open <= 2


@needs_proc
def test_a_walk_holds_little_more_than_a_number_for_each_file(tmp_path):
    n, _, _, memory_mb = bench_load.walk(tmp_path / "Music", 5000)
    assert n == 5000
    assert memory_mb < 10


def test_the_first_track_is_found_before_the_second_folder_is_read(tmp_path, monkeypatch):
    for folder in "abc":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.flac").touch()
    read = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: read.append(Path(path).name) or scandir(path))
    tracks = scan.find_tracks([tmp_path], on_error=pytest.fail)
    assert next(tracks) == tmp_path / "a/1.flac"
    assert read == [tmp_path.name, "a"]
    assert len(list(tracks)) == 2


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "Music"
    folder.mkdir()
    make_audio.make("FLAC", tmp_path / "one.flac", seconds=5.0)
    for number in range(120):
        # a byte behind the stream makes each another to the cache
        shutil.copyfile(tmp_path / "one.flac", folder / f"{number:03}.flac")
        with (folder / f"{number:03}.flac").open("ab") as file:
            file.write(bytes([number]))
    return folder


def on_terminal(*arguments, interrupt_after=None, report=None):
    """Run a command whose messages go to a terminal; return its exit code and what it shows."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "genretagger", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # what Linux says at the end of a terminal
            break
        shown += data
        if not data:
            break
        if interrupt_after and report.exists():
            if report.read_text().count("\n") >= interrupt_after:
                os.killpg(process.pid, signal.SIGINT)
                interrupt_after = None
            time.sleep(0.01)
    os.close(ours)
    return process.wait(), re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.decode())


def test_progress_ends_at_the_number_of_tracks_found(music):
    (music / "text.txt").touch()
    code, shown = on_terminal("predict", "--jobs", "2", music)
    assert code == 0
    counts = re.findall(r"(\d+)/(\d+|\?)", shown)
    assert counts[-1] == ("120", "120")
    done = [int(n) for n, _ in counts]
    # rich draws from two threads: a frame may come late on a busy machine, but not two in a row
    late = [i for i in range(1, len(done)) if done[i] < max(done[:i])]
    assert all(done[i + 1] >= max(done[:i]) for i in late)
    assert len(late) <= len(done) // 10
    assert {total for _, total in counts} <= {"120", "?"}


def test_an_interrupted_run_says_how_many_tracks_are_left(music, tmp_path):
    report = tmp_path / "report.jsonl"
    code, shown = on_terminal(
        *("tag", "--always", "--jobs", "1", "--format", "json", "-o", report, music),
        interrupt_after=3,
        report=report,
    )
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert code == 130
    assert 3 <= len(rows) < 120
    assert f"every file is whole, {120 - len(rows)} tracks are left" in shown
