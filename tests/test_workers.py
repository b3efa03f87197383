"""Tracks are heard in other processes: in order, and a crash costs one of them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import make_audio
import pytest
from runs import run

from genretagger import bundle, workers
from genretagger.identity import identify
from genretagger.records import Prediction, Seen


def test_two_jobs_say_the_same_as_one_in_the_same_order(music, capsys):
    _, one, _ = run(capsys, "predict", "--no-cache", music)
    _, two, _ = run(capsys, "predict", "--no-cache", "--jobs", "2", music)
    assert one == two


def test_without_a_number_there_is_a_worker_for_each_core_but_not_more_than_tracks(
    encoded, monkeypatch
):
    numbers = []
    start = workers._workers
    monkeypatch.setattr(workers, "_workers", lambda jobs: numbers.append(jobs) or start(jobs))
    monkeypatch.setattr(workers, "cpu_count", lambda: 2)
    model, path = bundle.read(bundle.DEFAULT), encoded("FLAC", seconds=2.0)
    for n_files in (1, 3):
        files = [Seen(path, identify(path))] * n_files
        answers = list(workers.hear_tracks(files, model, 0))
        assert [type(answer) for answer in answers] == [Prediction] * n_files
    assert numbers == [1, 2, 2, 2]
    assert list(workers.hear_tracks([], model, 0)) == []


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("command", ["predict", "tag"])
def test_a_decoder_that_crashes_costs_one_track(tmp_path, crashing_decoder, command, jobs):
    music = tmp_path / "Music"
    music.mkdir()
    names = ["0", "1", "crash", *map(str, range(3, 9))]
    make_audio.make("FLAC", tmp_path / "one.flac", seconds=1.0)
    for name in names:
        shutil.copyfile(tmp_path / "one.flac", music / f"{name}.flac")
    always = ["--always", "--jobs", jobs, "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "genretagger", command, *always, music],
        capture_output=True,
        text=True,
        env=crashing_decoder,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    rows = {Path(row["path"]).stem: row for row in map(json.loads, done.stdout.splitlines())}
    failed = {name for name, row in rows.items() if row["probabilities"] is None}
    assert (sorted(rows), failed) == (sorted(names), {"crash"})
    assert "the decoder crashed on it; get another copy, or report it" in rows["crash"]["reason"]
    assert "Traceback" not in done.stderr
    assert "Fatal Python error" not in done.stderr


_LEFT_OFF = """
import sys
from pathlib import Path
from genretagger import bundle, workers
from genretagger.identity import identify
from genretagger.records import Seen
files = [Seen(path, identify(path)) for path in map(Path, sys.argv[1:])]
next(workers.hear_tracks(files, bundle.read(bundle.DEFAULT), 1))
"""


def test_a_run_that_is_left_off_needs_no_program_that_lists_processes(music, tmp_path):
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _LEFT_OFF, *sorted(music.iterdir())],
        capture_output=True,
        env={**os.environ, "PATH": str(tmp_path / "empty")},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs Unix permissions")
def test_an_unreadable_file_fails_with_its_reason(tmp_path):
    paths = [tmp_path / "a.flac", tmp_path / "b.flac"]
    for path in paths:
        make_audio.make("FLAC", path, seconds=2.0)
    shipped = bundle.read(bundle.DEFAULT)

    def answers():  # in this process: its workers stay root
        return [workers._hear_in_worker(p, False, shipped.path, shipped.bundle_id) for p in paths]

    assert all(answer.probabilities for answer in answers())
    paths[0].chmod(0)
    is_root = os.geteuid() == 0
    if is_root:  # root reads everything, so be somebody else for a while
        for folder in (tmp_path, *tmp_path.parents[:-2]):
            folder.chmod(0o755)
        os.seteuid(65534)
    try:
        first, second = answers()
    finally:
        if is_root:
            os.seteuid(0)
    assert str(first) == "cannot be read: Permission denied"
    assert second.probabilities
