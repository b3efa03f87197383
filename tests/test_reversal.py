"""The commands undo, redo and history: which run is meant, what is said, and who is asked."""

import io
import json
import os
import re
import sys
import time

import changes
import pytest

from genretagger import cli
from genretagger.writing import journal
from genretagger.writing.journal import Journal

GENRES = ("Rock", "Jazz", "Pop")


@pytest.fixture
def runs(audio_file):
    """One file, and what each of three runs left of it; the first is what it was."""
    path = audio_file("FLAC", genre=("Blues",))
    contents = [path.read_bytes()]
    for genre in GENRES:
        changes.write(path, genre, to=Journal(f"tag {genre}", roots=[path]))
        contents.append(path.read_bytes())
    return path, contents


@pytest.fixture
def do(capsys):
    def do(*words):
        capsys.readouterr()
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err

    return do


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_undo_walks_back_run_by_run_and_redo_forward(runs, do):
    path, contents = runs
    for step in ("undo", 2), ("undo", 1), ("redo", 2), ("undo", 1), ("undo", 0):
        assert do(step[0], "--yes")[0] == 0
        assert path.read_bytes() == contents[step[1]]
    code, _, err = do("undo", "--yes")
    assert (code, "there is nothing to undo" in err) == (3, True)
    for n in (1, 2, 3):
        assert do("redo", "--yes")[0] == 0
        assert path.read_bytes() == contents[n]
    code, _, err = do("redo", "--yes")
    assert (code, "there is nothing to do again" in err) == (3, True)
    for n in (2, 1, 0):
        assert do("undo", "--yes")[0] == 0
        assert path.read_bytes() == contents[n]


def test_a_run_is_named_by_its_stored_number_or_its_path(runs, do):
    path, contents = runs
    first, *_ = journal.history()
    code, _, err = do("undo", 1)  # not what the last run left
    assert (code, "changed since; it stays as it is" in err) == (1, True)
    assert do("undo", 3)[0] == 0
    assert do("undo", 2)[0] == 0
    first.unlink()
    assert do("redo", 2)[0] == 0  # by the run that the undo took back
    assert path.read_bytes() == contents[2]
    assert do("undo", journal.history()[-1])[0] == 0
    assert path.read_bytes() == contents[1]
    assert do("undo", 1)[0] == do("redo", 99)[0] == 3
    code, _, err = do("redo", 7)  # an undo, of a redo
    assert (code, path.read_bytes()) == (0, contents[2])
    code, _, err = do("redo", 6)
    assert (code, "run 6 is in force; there is nothing to do again" in err) == (3, True)


def test_a_run_that_was_done_again_is_taken_back_as_one(runs, do):
    path, contents = runs
    assert [do(*words)[0] for words in (("undo", 3), ("redo", 3), ("undo", 3))] == [0, 0, 0]
    assert path.read_bytes() == contents[2]
    assert do("undo", "--yes")[0] == 0
    assert path.read_bytes() == contents[1]


def test_in_a_pipe_undo_needs_to_be_told_and_says_so(runs, do):
    path, contents = runs
    code, _, err = do("undo")
    assert (code, path.read_bytes()) == (2, contents[3])
    assert "give --yes, or name a RUN by its number" in err


@pytest.mark.parametrize(("command", "what"), [("undo", "to undo"), ("redo", "to do again")])
def test_where_there_is_nothing_to_undo_it_says_so_in_a_pipe_too(do, command, what):
    code, _, err = do(command)
    assert code == 3
    assert f"there is nothing {what} in " in err


@pytest.mark.parametrize(
    ("answer", "n"), [("y\n", 2), ("Yes\n", 2), ("n\n", 3), ("\n", 3), ("", 3)]
)
def test_on_a_terminal_undo_says_what_it_takes_back_and_asks(runs, do, monkeypatch, answer, n):
    path, contents = runs
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    code, _, err = do("undo")
    assert (code, path.read_bytes()) == (0 if n == 2 else 1, contents[n])
    today = time.strftime("%Y-%m-%d")
    assert re.search(rf"run 3 of {today} [\d:]+, 1 file in {path.parent}: tag Pop\n", err)
    assert "take it back? [y/N]" in err
    assert ("nothing was done" in err) == (n == 3)
    code, _, err = do("undo", "--yes")
    assert "[y/N]" not in err


def test_a_dry_run_shows_what_would_be_taken_back_and_changes_nothing(runs, do):
    path, contents = runs
    code, out, err = do("undo", "--dry-run", "--format", "json")
    row = json.loads(out)
    assert (code, row["state"], row["old"], row["new"]) == (0, "change", ["Pop"], ["Jazz"])
    assert "1 to undo" in err
    assert "genretagger redo" not in err
    assert (path.read_bytes(), len(journal.history())) == (contents[3], 3)
    changes.write(path, "Folk")
    dry = do("undo", 3, "--dry-run", "--format", "json")
    done = do("undo", 3, "--format", "json")
    assert dry[:2] == done[:2]
    assert dry[0] == 1


def test_a_run_of_another_folder_or_of_beets_is_named_as_such(
    audio_file, do, tmp_path, monkeypatch
):
    (tmp_path / "Music").mkdir()
    path = audio_file("MP3").rename(tmp_path / "Music/a.mp3")
    changes.write(path, "Rock", to=Journal("beet genrecnn", program="beets"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    err = do("undo", "--dry-run")[2]
    assert "this is a run of beets: " in err
    assert "'beet genrecnn --undo 1' takes back the library, too" in err
    assert "another folder" not in err
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert f"a run of another folder than {tmp_path / 'elsewhere'}" in do("undo", "--dry-run")[2]


def test_history_shows_runs_and_what_is_in_force(runs, do):
    path, _ = runs
    do("undo", "--yes")
    lines = do("history")[1].splitlines()
    assert len(lines) == 4 * 3
    folder = re.escape(str(path.parent))
    for n, state in enumerate(["in force", "in force", "taken back", "in force"], start=1):
        pattern = rf" +{n}  [\d-]+ [\d:]+ +1 file +\d+ kB  {state} +{folder}"
        assert re.fullmatch(pattern, lines[3 * n - 3])
    assert lines[1].strip() == "tag Rock"
    assert lines[10].strip() == "undo of: tag Pop"


def test_old_journals_are_removed_on_request_and_numbers_stay(runs, do):
    first, *rest = journal.history()
    then = time.time() - 100 * 86400
    os.utime(first, (then, then))
    for age in ("90", "d", "-1d", "1h", ""):
        assert do("history", "--prune", age)[0] == 2
    assert "0 journals removed" in do("history", "--prune", "15w")[1]
    code, out, _ = do("history", "--prune", "90d")
    assert (code, f"removed {first}" in out) == (0, True)
    assert journal.history() == rest
    assert [head.number for _, head in journal.heads()] == [2, 3]


def test_a_run_warns_of_journals_of_more_than_a_gigabyte(runs, do):
    os.truncate(journal.history()[0], (1 << 30) + 1)  # sparse; damaged
    code, _, err = do("undo", 3)
    assert (code, "take 1.1 GB; genretagger history --prune AGE" in err) == (0, True)


@pytest.mark.skipif(os.name == "nt", reason="a script stands in for beet")
def test_files_that_were_moved_are_sought_in_the_cache_and_in_beets_library(
    audio_file, do, tmp_path, monkeypatch
):
    (tmp_path / "Music").mkdir()
    paths = [audio_file("FLAC", name=name, title=name) for name in ("cached", "beets", "nowhere")]
    paths = [path.rename(tmp_path / "Music" / path.name) for path in paths]
    before = [path.read_bytes() for path in paths]
    record = Journal("tag", roots=[tmp_path / "Music"])
    for path in paths:
        changes.write(path, "Rock", to=record)
    moved = []
    for path in paths:
        (tmp_path / path.stem).mkdir()
        moved.append(path.rename(tmp_path / path.stem / "other name.flac"))
    assert do("tag", "--dry-run", "--existing", "skip", moved[0])[0] == 0  # reads it, and remembers
    beet = tmp_path / "bin/beet"
    beet.parent.mkdir()
    beet.write_text(f"#!/bin/sh\ntest \"$*\" = 'list --path' && echo '{moved[1]}'\n")
    beet.chmod(0o755)
    monkeypatch.setenv("PATH", f"{beet.parent}{os.pathsep}{os.environ['PATH']}")
    code, _, err = do("undo", "--yes")
    assert code == 1
    assert "2 undone, 0 unchanged, 1 failed" in err
    assert f"{paths[2]}: it is not there, nor found elsewhere" in err
    assert [path.read_bytes() for path in moved[:2]] == before[:2]
