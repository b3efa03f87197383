"""What was read and heard once is not read and heard again."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import make_audio
import mutagen
import pytest
import soundfile
from runs import encode, opened, run

from genretagger import bundle, pipeline, places, tags, workers
from genretagger.errors import TrackError
from genretagger.recall import recall_or_hear
from genretagger.records import Identity, Prediction, Seen


def test_what_was_heard_is_not_heard_again(music, capsys, heard):
    _, first, _ = run(capsys, "predict", music)
    assert len(heard) == 3
    heard.clear()
    _, second, _ = run(capsys, "predict", music)
    assert (second, heard) == (first, [])
    _, planned, _ = run(capsys, "tag", "--dry-run", "--by", "album", music)
    assert (len(planned), heard) == (3, [])
    _, third, _ = run(capsys, "predict", "--no-cache", music)
    assert (third, len(heard)) == (first, 3)


@pytest.mark.parametrize("command", [("predict",), ("tag", "-n")])
def test_all_batches_of_a_run_are_heard_by_the_same_workers(music, capsys, monkeypatch, command):
    workers._dismiss_workers()
    started = []
    executor = workers.ProcessPoolExecutor
    monkeypatch.setattr(
        workers, "ProcessPoolExecutor", lambda *a, **k: started.append(a) or executor(*a, **k)
    )
    monkeypatch.setattr(pipeline, "_BATCH", 1)
    assert len(run(capsys, *command, music)[1]) == 3
    assert len(started) == 1


def test_what_apply_and_undo_write_is_not_read_again(music, capsys, heard, monkeypatch, tmp_path):
    saved = tmp_path / "plan.jsonl"
    run(capsys, "tag", "-n", "--always", "--plan", saved, music)
    read = []
    real = tags.read
    monkeypatch.setattr(tags, "read", lambda path, **how: read.append(path) or real(path, **how))
    for command in (("apply", saved), ("undo", "--yes")):
        assert run(capsys, *command)[0] == 0
        assert read
        read.clear()
        heard.clear()
        assert run(capsys, "tag", "-n", "--always", music)[0] == 0
        assert read == heard == []


def test_without_the_cache_nothing_is_remembered(music, capsys):
    run(capsys, "predict", "--no-cache", music)
    assert not places.cache_file().exists()


def test_editing_tags_renaming_and_moving_do_not_make_it_heard_again(music, capsys, heard):
    run(capsys, "predict", music)
    heard.clear()
    for path in sorted(music.iterdir()):
        file = mutagen.File(path, easy=True)
        file["title"] = "Another title"
        file.save()
    (music / "0.flac").rename(music / "renamed.flac")
    music.rename(music.with_name("Moved"))
    code, rows, _ = run(capsys, "predict", music.with_name("Moved"))
    assert (code, len(rows), heard) == (0, 3, [])


def test_another_encoding_and_another_bundle_are_heard(music, capsys, heard, tmp_path):
    run(capsys, "predict", music)
    heard.clear()
    encode(music / "0.flac", seed=0, gain=0.9)
    encode(music / "1.mp3", seed=1, seconds=1.9)
    run(capsys, "predict", music)
    assert heard == ["0.flac", "1.mp3"]
    heard.clear()
    other = tmp_path / "bundle"
    shutil.copytree(bundle.DEFAULT, other)
    text = (other / "bundle.json").read_text(encoding="utf-8")
    (other / "bundle.json").write_text(text + "\n", encoding="utf-8")
    run(capsys, "predict", "--bundle", other, music)
    assert len(heard) == 3


def test_a_cue_sheet_that_appears_beside_a_file_is_noticed(tmp_path, capsys, heard):
    path = tmp_path / "album.flac"
    soundfile.write(path, make_audio.music(250.0, 8000, 1), 8000)
    _, (row,), _ = run(capsys, "predict", path)
    assert "cue sheet" not in row["reason"]
    (tmp_path / "album.cue").write_text("FILE album.flac WAVE")
    heard.clear()
    run(capsys, "predict", path)
    assert heard == ["album.flac"]


def test_after_writing_a_second_run_opens_no_file_starts_no_process_and_loads_no_network(music):
    code = f"""
import os, sys
folder, events = {str(music)!r}, []
def watch(event, arguments):
    if event == "open" and str(arguments[0]).startswith(folder):
        events.append(str(arguments[0]))
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
        events.append(event)
sys.addaudithook(watch)
from genretagger.cli import main
code = main(["tag", "--threshold", "0.9", "--jobs", "2", folder])
print("ai_edge_litert" in sys.modules, events)
sys.exit(code)
"""
    first = [sys.executable, "-m", "genretagger", "tag", "--jobs", "1"]
    subprocess.run([*first, "--always", music / "0.flac", music / "1.mp3"], check=True)
    subprocess.run([*first, "--threshold", "1", music], check=True)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "2 kept, 1 undecided" in done.stderr
    assert done.stdout.splitlines()[-1] == "False []"


def test_a_second_dry_run_opens_no_file_although_there_is_something_to_change(music):
    code = f"""
import sys
folder, opened = {str(music)!r}, []
def watch(event, arguments):
    if event == "open" and str(arguments[0]).startswith(folder):
        opened.append(str(arguments[0]))
sys.addaudithook(watch)
from genretagger.cli import main
main(["tag", "--dry-run", "--always", "--jobs", "1", *sys.argv[1:], folder])
print(len(set(opened)))
"""
    command = [sys.executable, "-c", code]

    def n_opened(*options):
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
        assert "3 to change" in done.stderr
        return int(done.stdout.splitlines()[-1])

    assert n_opened() == 3
    assert n_opened() == 0
    assert n_opened("--only", "Experimental") == 3  # another change is another question
    assert n_opened("--only", "Experimental") == 0


def test_what_was_written_is_remembered_without_a_decoder():
    code = (
        "import sys, genretagger.recall, genretagger.writing.change\n"
        "heavy = 'soundfile', 'soxr', 'joblib', 'ai_edge_litert'\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_no_file_to_hear_comes_back_as_it_is(tmp_path):
    files = [Seen(tmp_path / name, Identity(1, 2, 3, 4, 5)) for name in "ab"]

    def hear(new):
        return iter([Prediction((0.5,), (file.path.name,)) for file in new])

    answers = list(recall_or_hear([None, files[0], None, files[1]], hear, "a bundle", None))
    assert [a and a.notes for a in answers] == [None, ("a",), None, ("b",)]
    error = TrackError("gone")
    assert list(recall_or_hear([error], hear, "a bundle", None)) == [error]


def test_a_broken_file_is_not_decoded_again_until_it_is_another(music, capsys, heard):
    whole = music / "0.mp3"
    encode(whole, seconds=40.0)
    sound = whole.read_bytes()
    whole.write_bytes(sound[: len(sound) * 2 // 5])
    encode(music / "short.wav", seconds=0.2)
    code, first, _ = run(capsys, "tag", "-n", music)
    assert code == 1
    assert sorted(r["reason"][:5] for r in first if r["state"] == "failed") == ["too s", "trunc"]
    heard.clear()
    code, second, _ = run(capsys, "tag", "-n", music)
    assert (code, second, heard) == (1, first, [])
    whole.write_bytes(sound)
    code, third, _ = run(capsys, "tag", "-n", "--always", music)
    assert heard == ["0.mp3"]
    assert third[1]["state"] == "change"


def test_that_ffmpeg_is_missing_is_forgotten(audio_file, capsys, monkeypatch):
    path = audio_file("M4A AAC", seconds=2.0)
    workers._dismiss_workers()  # they have the environment in which they were started
    with monkeypatch.context() as without:
        without.setenv("PATH", "")
        code, (row,), _ = run(capsys, "predict", path)
        assert (code, "install ffmpeg" in row["reason"]) == (1, True)
    workers._dismiss_workers()
    code, (row,), _ = run(capsys, "predict", path)
    assert (code, bool(row["probabilities"])) == (0, True)


def test_what_replaces_a_file_while_it_is_heard_is_not_taken_for_it(music, capsys, monkeypatch):
    path = music / "0.flac"
    hear = workers._hear_in_worker

    def replaced(heard_path, *rest):
        encode(heard_path, seed=9)
        return hear(heard_path, *rest)

    with monkeypatch.context() as during:
        during.setattr(workers, "_hear_in_worker", replaced)
        run(capsys, "predict", path)
    with opened() as found:
        assert found.contents().n_predictions == {}


def test_a_killed_run_continues_where_it_was(tmp_path, capsys, heard):
    folder = tmp_path / "Music"
    folder.mkdir()
    n_files = 200
    for number in range(n_files):
        encode(folder / f"{number:03}.wav", seconds=1.2, seed=number)
    command = [sys.executable, "-m", "genretagger", "predict", "--jobs", "1", folder]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    n_kept = 0
    while not n_kept:  # what a second hears is written together
        assert process.poll() is None
        time.sleep(0.02)
        with (
            contextlib.suppress(sqlite3.OperationalError),  # no file yet, or no table
            contextlib.closing(sqlite3.connect(places.cache_file())) as db,
        ):
            (n_kept,) = db.execute("SELECT count(*) FROM predictions").fetchone()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    code, rows, _ = run(capsys, "predict", folder)
    assert (code, len(rows)) == (0, n_files)
    assert 0 < len(heard) <= n_files - n_kept


def test_two_runs_may_hear_at_once_and_both_remember(music, capsys, heard):
    command = [sys.executable, "-m", "genretagger", "predict", "--jobs", "1", "--format", "json"]
    both = [
        subprocess.Popen([*command, music], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    (one, err_one), (two, err_two) = (process.communicate(timeout=120) for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert one == two
    assert b"cache" not in err_one + err_two
    with contextlib.closing(sqlite3.connect(places.cache_file())) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    run(capsys, "predict", music)
    assert heard == []
