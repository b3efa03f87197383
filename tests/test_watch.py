"""``genretagger watch``: files that arrive are tagged as `tag` would tag them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import changes
import mutagen
import pytest
from runs import encode, run

pytest.importorskip("watchdog")

from genretagger import cli, places, tags
from genretagger.errors import FatalError
from genretagger.writing import history, journal, lock


@pytest.fixture
def tracks(tmp_path):
    """Three tracks that are yet to come."""
    folder = tmp_path / "coming"
    folder.mkdir()
    for number, suffix in enumerate((".flac", ".mp3", ".ogg")):
        encode(folder / f"{number}{suffix}", seed=number)
    return folder


@pytest.fixture
def watch(capsys):
    """Run the command in this process while a function runs, and end it by SIGTERM."""

    def watching(meanwhile, *words):
        errors = []

        def act():
            before = signal.getsignal(signal.SIGTERM)
            try:
                until(lambda: signal.getsignal(signal.SIGTERM) is not before)
                meanwhile()
            except BaseException as error:
                errors.append(error)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        ctrl_c = signal.getsignal(signal.SIGINT)  # a stopped watch is deaf to it, as it is to end
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            thread = threading.Thread(target=act)
            thread.start()
            answer = run(capsys, "watch", *words, *SOON)
            thread.join()
        finally:
            signal.signal(signal.SIGTERM, before)
            signal.signal(signal.SIGINT, ctrl_c)
        if errors:
            raise errors[0]
        return answer

    return watching


SOON = ["--settle", "1", "--jobs", "1", "--format", "json"]


def until(predicate, limit_s=60.0):
    end_s = time.monotonic() + limit_s
    while not predicate():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.05)


def has_genre(path):
    try:
        return bool(changes.genres_in(path))
    except Exception:  # not there, or not whole
        return False


def arrive_slowly(source, path, pieces=4):
    data = source.read_bytes()
    step = len(data) // pieces + 1
    for n in range(pieces):
        with path.open("ab") as file:
            file.write(data[n * step : (n + 1) * step])
        time.sleep(0.3)


def states(rows):
    return {Path(row["path"]).name: row["state"] for row in rows}


def test_what_arrives_slowly_is_tagged_when_whole_and_as_tag_would(
    tracks, folder, tmp_path, watch, capsys
):
    shutil.copy(tracks / "0.flac", folder)
    untouched = (tracks / "1.mp3").read_bytes()

    def meanwhile():
        until(lambda: has_genre(folder / "0.flac"))  # it lay there before
        (folder / "bad.mp3").write_bytes(b"no music at all")
        arrive_slowly(tracks / "1.mp3", folder / "1.mp3")
        shutil.copy(tracks / "2.ogg", folder / "2.ogg.part")
        (folder / "2.ogg.part").rename(folder / "2.ogg")
        until(lambda: has_genre(folder / "1.mp3") and has_genre(folder / "2.ogg"))

    code, rows, err = watch(meanwhile, "--always", folder)
    assert code == 0
    assert states(rows) == {
        "0.flac": "change",
        "bad.mp3": "failed",
        "1.mp3": "change",
        "2.ogg": "change",
    }
    assert f"failed: {folder / 'bad.mp3'}: this is text, not audio" in err
    assert "4 tracks: 3 changed, 0 kept, 0 undecided, 1 failed" in err
    assert err.splitlines()[-1] == "3 files were changed; to take it back: genretagger undo"
    written = {Path(row["path"]).name: (row["new"], row["reason"]) for row in rows}
    _, same, _ = run(capsys, "tag", "--dry-run", "--always", tracks)
    for row in same:
        assert written[Path(row["path"]).name] == (row["new"], row["reason"])
    assert len(journal.history()) == 1  # one for all three, though each was a turn of its own
    assert run(capsys, "undo", "--yes")[0] == 0
    assert (folder / "1.mp3").read_bytes() == untouched


def test_with_changes_only_a_restart_is_silent_of_the_failures_of_before(tracks, folder, watch):
    bad = folder / "0bad.mp3"
    bad.write_bytes(b"no music at all")

    def tagged(name):
        shutil.copy(tracks / name, folder)
        until(lambda: has_genre(folder / name))

    words = ("--always", "--changes-only", folder)
    _, rows, err = watch(lambda: tagged("0.flac"), *words)
    assert states(rows) == {"0bad.mp3": "failed", "0.flac": "change"}
    assert str(bad) in err
    _, rows, err = watch(lambda: tagged("1.mp3"), *words)
    assert states(rows) == {"1.mp3": "change"}
    assert str(bad) not in err


def test_what_undo_gave_back_stays_so_now_and_after_a_restart(tracks, folder, watch, capsys):
    shutil.copy(tracks / "0.flac", folder)

    def taken_back():
        until(lambda: has_genre(folder / "0.flac"))
        subprocess.run([*GENRETAGGER, "undo", "--yes", "--quiet"], check=True)
        assert not has_genre(folder / "0.flac")
        shutil.copy(tracks / "1.mp3", folder)
        until(lambda: has_genre(folder / "1.mp3"))

    _, rows, err = watch(taken_back, "--always", folder)
    assert states(rows) == {"0.flac": "change", "1.mp3": "change"}
    assert "left 1 file alone, as undo gave the old bytes back" in err
    assert not has_genre(folder / "0.flac")
    kinds = [head.kind for _, head in journal.heads()]
    assert kinds == ["run", "undo", "run"]  # what was taken back is not gone on with

    def restarted():
        shutil.copy(tracks / "2.ogg", folder)
        until(lambda: has_genre(folder / "2.ogg"))

    _, rows, err = watch(restarted, "--always", folder)
    assert states(rows) == {"2.ogg": "change"}  # nor is what was there and stays worth a line
    assert not has_genre(folder / "0.flac")
    assert [head.kind for _, head in journal.heads()] == kinds  # the same day, the same journal
    assert len(journal.read(journal.history()[-1])[1]) == 2
    encode(folder / "0.flac", seed=9, seconds=3.0)  # another file under its name
    _, rows, _ = watch(lambda: until(lambda: has_genre(folder / "0.flac")), "--always", folder)
    assert states(rows) == {"0.flac": "change"}


GENRETAGGER = [sys.executable, "-m", "genretagger"]


def is_free():
    """Tell whether another run could write now."""
    try:
        with lock.only_writer(places.state_folder(), "between two files"):
            return True
    except FatalError:
        return False


def test_it_waits_for_another_run_and_lets_others_write_in_between(tracks, folder, watch):
    def meanwhile():
        with lock.only_writer(places.state_folder(), "genretagger tag elsewhere"):
            shutil.copy(tracks / "0.flac", folder)
            time.sleep(4.0)
            assert not has_genre(folder / "0.flac")
        until(lambda: has_genre(folder / "0.flac"))
        until(is_free)  # the file is whole a moment before its run is done

    _, rows, err = watch(meanwhile, "--always", folder)
    assert states(rows) == {"0.flac": "change"}
    (line,) = [line for line in err.splitlines() if "another run is writing" in line]
    assert line.endswith("genretagger tag elsewhere); waiting for its end")


def test_what_another_run_tagged_while_it_waited_is_kept(tracks, folder, watch):
    def meanwhile():
        with lock.only_writer(places.state_folder(), "genretagger tag"):
            shutil.copy(tracks / "0.flac", folder)
            time.sleep(4.0)
            changes.write(folder / "0.flac", "Jazz")
        time.sleep(4.0)

    _, rows, _ = watch(meanwhile, "--always", folder)
    assert states(rows) == {"0.flac": "keep"}
    assert changes.genres_in(folder / "0.flac") == ["Jazz"]


def test_the_settings_of_tag_hold_unless_its_own_say_otherwise(tracks, folder, watch):
    path = places.config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "names.txt").write_text(
        "".join(f"{genre} = Our {genre}\n" for genre in ("Electronic", "Rock", "Pop", "Ambient"))
    )
    path.write_text(
        "[tag]\nalways = true\nmax-genres = 1\nmap = 'names.txt'\nprotect = ['Folk']\n"
        "existing = 'append'\n[watch]\nexisting = 'replace'\n"
    )
    for source in tracks.iterdir():
        shutil.copy(source, folder)
    changes.write(folder / "0.flac", "Folk")
    changes.write(folder / "1.mp3", "Jazz")

    _, rows, err = watch(lambda: until(lambda: has_genre(folder / "2.ogg")), folder)
    assert states(rows) == {"1.mp3": "change", "2.ogg": "change"}
    assert changes.genres_in(folder / "0.flac") == ["Folk"]
    (genre,) = changes.genres_in(folder / "1.mp3")  # replaced, not appended to
    assert genre.startswith("Our ")
    assert 'existing = "replace"' in err
    assert 'protect = ["Folk"]' in err


def test_an_album_that_arrives_track_by_track_gets_one_decision(tracks, folder, watch, capsys):
    for source in sorted(tracks.iterdir()):
        file = mutagen.File(source, easy=True)
        file["album"], file["albumartist"] = "One", "Somebody"
        file.save()

    def meanwhile():
        album = folder / "One"
        album.mkdir()
        for source in sorted(tracks.iterdir()):
            arrive_slowly(source, album / source.name, pieces=2)
        until(lambda: all(has_genre(album / source.name) for source in tracks.iterdir()))

    _, rows, _ = watch(meanwhile, "--always", "--by", "album", folder)
    _, same, _ = run(capsys, "tag", "--dry-run", "--always", "--by", "album", tracks)
    assert {tuple(row["new"]) for row in rows} == {tuple(row["new"]) for row in same}
    assert {row["reason"] for row in rows} == {row["reason"] for row in same}
    assert len(rows) == 3


def test_a_dry_run_writes_nothing_and_says_so(tracks, folder, watch):
    before = (tracks / "0.flac").read_bytes()

    def meanwhile():
        shutil.copy(tracks / "0.flac", folder)
        time.sleep(4.0)

    code, rows, err = watch(meanwhile, "--dry-run", "--always", folder)
    assert (code, states(rows)) == (0, {"0.flac": "change"})
    assert "1 track: 1 to change" in err
    assert err.splitlines()[-1] == "nothing was written"
    assert (folder / "0.flac").read_bytes() == before
    assert journal.history() == []


def test_a_journal_of_another_day_or_folder_is_not_gone_on_with(audio_file, monkeypatch):
    paths = [audio_file("FLAC", name=str(n), seconds=2.0) for n in range(4)]

    def write(path, command="watch Music"):
        changes.write(path, "Rock", to=history.journal_of_today(command, [path.parent]))
        return len(journal.history())

    assert [write(paths[0]), write(paths[1])] == [1, 1]
    assert write(paths[2], "watch --always Music") == 2
    tomorrow = time.localtime(time.time() + 24 * 3600)
    strftime = time.strftime
    monkeypatch.setattr(time, "strftime", lambda form, when=tomorrow: strftime(form, when))
    assert write(paths[3]) == 3


def test_half_a_line_of_a_killed_run_is_not_gone_on_with(audio_file):
    first, second = (audio_file("FLAC", name=name, seconds=2.0) for name in "ab")
    changes.write(first, "Rock", to=history.journal_of_today("watch", [first.parent]))
    (path,) = journal.history()
    with path.open("a") as file:
        file.write('{"shown": "b.fl')
    changes.write(second, "Rock", to=history.journal_of_today("watch", [first.parent]))
    assert len(journal.history()) == 2
    assert [len(journal.read(path)[1]) for path in journal.history()] == [1, 1]


def test_the_program_stops_cleanly_on_sigterm_and_on_ctrl_c(tracks, folder):
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(
            [*GENRETAGGER, "watch", "--always", *SOON, folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr.readline() == f"watching {folder}; Ctrl-C ends it\n"
            for source in tracks.iterdir():
                shutil.copy(source, folder)
            assert json.loads(process.stdout.readline())["state"] in ("change", "keep")
        finally:
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        for path in folder.iterdir():
            assert tags.read(path)  # whole, and no working copy lies beside it
            path.unlink()
        history.prune(-1)


def test_what_it_cannot_do_it_says_in_one_line(folder, capsys, tmp_path, monkeypatch):
    def refused(*words):
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        return code, capsys.readouterr().err

    missing = tmp_path / "Musik"
    assert refused("watch", missing) == (
        3,
        f"genretagger: {missing} is no folder; name folders that are there\n",
    )
    with pytest.raises(SystemExit, match="2"):
        cli.main(["watch", "--by", "album", "--no-cache", str(folder)])
    assert "would hear all again for each file" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "watchdog", None)
    monkeypatch.delitem(sys.modules, "genretagger.cli.commands.watch", raising=False)
    for name in [name for name in sys.modules if name.startswith(("watchdog.", "genretagger.arr"))]:
        monkeypatch.delitem(sys.modules, name)
    code, err = refused("watch", folder)
    assert code == 3
    assert err.startswith("genretagger: watch needs: ")
    assert " install " in err
    assert "[watch]" in err
