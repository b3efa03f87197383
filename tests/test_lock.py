"""One run writes at a time."""

import os
import subprocess
import sys

import changes
import pytest
from runs import run

from genretagger import cli, places, tags
from genretagger.errors import FatalError
from genretagger.writing import journal, lock

TAG = [sys.executable, "-m", "genretagger", "tag", "--always", "--jobs", "1"]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_writing_run_is_refused_and_told_who_writes(music, capsys):
    changes.write(music / "0.flac", "Rock")
    before = contents(music)
    with lock.only_writer(places.state_folder(), "genretagger tag 'Meine\nMusik'"):
        for command in (["tag", music], ["undo", "--yes"], ["apply", music / "plan"]):
            capsys.readouterr()
            assert cli.main([str(word) for word in command]) == 3
            line = capsys.readouterr().err.splitlines()[-1]
            assert f"another run is writing (PID {os.getpid()}, since " in line
            assert "genretagger tag 'Meine Musik'" in line
            assert "wait for it, or stop it" in line
        code, rows, _ = run(capsys, "tag", "--dry-run", "--always", music)  # looking is free
        assert (code, len(rows)) == (0, 3)
        assert run(capsys, "predict", music)[0] == 0
    assert contents(music) == before
    assert run(capsys, "tag", "--always", music)[0] == 0


def test_a_lock_dies_with_its_run_and_its_workers_do_not_inherit_it(music, capsys):
    code = """
import sys, time
from joblib import Parallel, delayed
from genretagger import places
from genretagger.writing import lock
with lock.only_writer(places.state_folder(), "tag"):
    print(*Parallel(n_jobs=2)([delayed(int)(n) for n in range(4)]), flush=True)
    time.sleep(600)
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "0 1 2 3\n"
    assert run(capsys, "tag", "--always", music)[0] == 3
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert run(capsys, "tag", "--always", music)[0] == 0


def test_of_two_runs_at_once_one_writes_and_every_file_is_written_once(music):
    both = [
        subprocess.Popen([*TAG, music], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 3], [0, 0])  # the second may begin when the first is done
    changed = sum(out.count("change\t") for out, _ in outputs)
    assert changed == 3
    (entries,) = (journal.read(path)[1] for path in journal.history())
    assert len(entries) == 3
    for path in music.iterdir():
        assert len([b for b in tags.read(path).blocks if b.values]) == 1


def test_a_lock_that_cannot_be_had_stops_the_run(tmp_path):
    (tmp_path / "blocked").write_text("a file where a folder should be")
    with (
        pytest.raises(FatalError, match=r"the lock .*writing\.lock cannot be used: .*nothing was"),
        lock.only_writer(tmp_path / "blocked", "tag"),
    ):
        raise AssertionError("it must not be reached")


def test_errors_inside_of_the_lock_are_left_alone(tmp_path):
    for error in (OSError("something else"), BrokenPipeError(), KeyboardInterrupt()):
        with pytest.raises(type(error)), lock.only_writer(tmp_path, "tag"):
            raise error
    with lock.only_writer(tmp_path, "tag"):
        pass
