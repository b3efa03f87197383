"""What runs have written, which of it is in force, and what is removed on request alone."""

import os
import time
from pathlib import Path

import pytest
from test_journal import change, of_before, written

from genretagger.errors import FatalError
from genretagger.writing import history, journal
from genretagger.writing.journal import Journal

pytestmark = pytest.mark.quick

DAY_S = 86400


def reverse(path):
    """Write the journal of an undo, or of the redo of an undo."""
    record = Journal.reversing(path, journal.read(path)[0])
    written(record)
    record.finish()
    return record.path


def aged(path, days):
    then = time.time() - days * DAY_S
    os.utime(path, (then, then))
    return path


def in_force():
    return [run.head.number for run in history.past_runs(pytest.fail) if run.is_in_force]


def test_a_run_is_shown_with_its_number_its_files_and_their_folder():
    path = written(Journal("tag /music"), "/music/a/1.mp3", "/music/b/c/2.mp3")
    written(Journal("tag"), "/music/a/1.mp3")
    first, second = history.past_runs(pytest.fail)
    assert (first.path, first.head.number, first.n_files) == (path, 1, 2)
    assert (first.folder, first.size) == (Path("/music"), path.stat().st_size)
    assert (second.head.number, second.folder) == (2, Path("/music/a"))


def test_what_is_taken_back_is_not_in_force_until_it_is_done_again():
    first, second = written(Journal("tag")), written(Journal("tag"))
    assert in_force() == [1, 2]
    undone = reverse(second)
    assert in_force() == [1, 3]
    redone = reverse(undone)
    assert in_force() == [1, 2, 4]
    reverse(redone)
    assert in_force() == [1, 3, 5]
    reverse(first)
    assert in_force() == [3, 5, 6]


def test_a_run_is_known_by_what_took_it_back_and_did_it_again():
    first, other = written(Journal("tag")), written(Journal("tag"))
    undone = reverse(first)
    redone = reverse(undone)
    assert history.last_in_force(("run", "redo"), like=first) == redone
    assert history.last_in_force(("run", "redo"), like=other) == other
    again = reverse(redone)
    assert history.last_in_force(("run", "redo"), like=first) is None
    assert history.last_in_force(("undo",), like=redone) == again
    assert history.last_in_force(("run",), program="beets") is None


def test_an_undo_that_was_broken_off_has_taken_nothing_back():
    first = written(Journal("tag"))
    written(Journal.reversing(first, journal.read(first)[0]))
    assert history.last_in_force(("run", "redo")) == first
    assert history.last_in_force(("undo",), like=first) is not None  # redo takes it forward
    part = reverse(history.last_in_force(("undo",)))  # what it had taken back, done again
    assert history.last_in_force(("run", "redo"), like=first) == first
    reverse(part)
    undone = reverse(first)
    assert history.last_in_force(("run", "redo")) is None
    assert history.last_in_force(("undo",), like=first) == undone


def test_older_journals_that_do_not_say_what_they_take_back_are_matched_by_their_command():
    commands = ["tag a", "tag a", "tag b", "undo of: tag a", "redo of: tag a", "undo of: tag b"]
    for n, command in enumerate(commands):
        aged(of_before(f"{n}.jsonl", command), 10 - n)
    assert in_force() == [1, 2, 5, 6]


def test_a_damaged_journal_does_not_hide_the_others_and_is_told():
    written(Journal("tag"))
    (path,) = journal.history()
    bad = path.with_name("bad.jsonl")
    bad.write_bytes(path.read_bytes() + b"[]\n")
    warnings = []
    assert [run.path for run in history.past_runs(warnings.append)] == [path]
    assert (len(warnings), "damaged" in warnings[0]) == (1, True)


def test_only_old_journals_are_removed_and_never_unfinished_or_damaged_ones():
    old, recent = aged(written(Journal("tag")), 40), written(Journal("tag"))
    unfinished = Journal("tag")
    unfinished.begin(change())
    aged(unfinished.path, 40)
    damaged = aged(written(Journal("tag")), 40)
    damaged.write_bytes(damaged.read_bytes() + b"{}\n")
    aged(damaged, 40)
    assert history.prune(50 * DAY_S) == []
    assert history.prune(30 * DAY_S) == [old]
    assert set(journal.history()) == {recent, unfinished.path, damaged}
    assert journal.read(written(Journal("tag")))[0].number == 5  # the count goes on


def test_a_journal_that_cannot_be_removed_stops_with_a_message(monkeypatch):
    path = aged(written(Journal("tag")), 40)

    def forbidden(*_args, **_kwargs):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", forbidden)
    with pytest.raises(FatalError, match="Operation not permitted; it stays"):
        history.prune(DAY_S)
    assert path.exists()


def test_more_than_a_gigabyte_of_journals_is_worth_a_warning():
    path = written(Journal("tag"))
    assert history.warning() is None
    os.truncate(path, (1 << 30) + 1)  # sparse
    assert "take 1.1 GB; genretagger history --prune AGE" in history.warning()
