"""What a killed run left is finished by the next one, or left alone; one thing at a time."""

import errno
import json
import os

import pytest

from genretagger import cli, places, tags
from genretagger.errors import FatalError
from genretagger.plan import TagPolicy, plan
from genretagger.records import BlockChange, Decision, State
from genretagger.writing import exchange, journal
from genretagger.writing.change import apply, rewrite, undo
from genretagger.writing.recovery import recover

pytestmark = pytest.mark.quick


@pytest.fixture(params=["MP3", "AIFF", "Ogg Vorbis"])
def linked(request, audio_file):
    """A file with two names that has to grow, tagged; with what it was and what it is."""
    path = audio_file(request.param)
    os.link(path, path.with_name("other" + path.suffix))
    old = path.read_bytes()
    if request.param == "Ogg Vorbis":  # by more than a page, so that all get other numbers
        long = BlockChange("Vorbis comment", (), ("x" * 20_000,))
        to = journal.Journal("test")
        rewrite(path, lambda copy: tags.write(copy, [long], field="MORE"), to, old=(), new=())
    else:
        line = plan(path, tags.read(path), TagPolicy(), Decision(("Rock",), ("because",)))
        done = apply(line, journal.Journal("test"))
        assert done.state is State.CHANGE, done.reason
    new = path.read_bytes()
    (record,) = journal.history()
    _cut_last_line(record)
    return path, old, new


def _cut_last_line(record):
    record.write_bytes(record.read_bytes().rpartition(b"{")[0] + b'{"do')


def tear(path, old, new, at):
    """Leave a file as a kill does that comes when `at` bytes are overwritten."""
    grown = old + bytes(len(new) - len(old))
    with path.open("r+b") as file:
        file.write(new[:at] + grown[at:])
    exchange.copy_of(path).write_bytes(new)


@pytest.mark.parametrize("at", [0, 1, 700, 4096, 9999])
def test_a_half_overwritten_file_is_finished_and_can_be_undone(linked, at):
    path, old, new = linked
    tear(path, old, new, at)
    (message,) = recover()
    assert message == f"{path}: was being changed by a killed run; finished"
    assert path.read_bytes() == new
    assert path.samefile(path.with_name("other" + path.suffix))
    assert not list(path.parent.glob(".genretagger-*"))
    assert not list(recover())
    _, entries = journal.read(journal.history()[0])
    (line,) = undo(entries, journal.Journal("undo"))
    assert (line.state, path.read_bytes()) == (State.CHANGE, old)


def test_a_half_overwritten_file_that_something_else_changed_is_left_alone(linked):
    path, old, new = linked
    tear(path, old, new, 700)
    with path.open("r+b") as file:
        file.seek(2000)
        file.write(b"by somebody else")
    now = path.read_bytes()
    (message,) = recover()
    assert "something else has changed it since; not finished" in message
    assert path.read_bytes() == now
    assert not list(recover())
    _, entries = journal.read(journal.history()[0])
    (line,) = undo(entries, journal.Journal("undo"))
    assert (line.state, path.read_bytes()) == (State.FAILED, now)


def test_without_its_copy_a_half_overwritten_file_is_left_alone(linked):
    path, old, new = linked
    tear(path, old, new, 700)
    exchange.copy_of(path).unlink()
    now = path.read_bytes()
    assert "not finished" in next(iter(recover()))
    assert path.read_bytes() == now


def test_a_page_that_a_power_failure_tore_is_finished_from_the_journal_alone(audio_file):
    path = audio_file("FLAC", genre=("Blues",))
    line = plan(path, tags.read(path), TagPolicy("replace"), Decision(("Rock",), ("because",)))
    apply(line, journal.Journal("test"))
    new = path.read_bytes()
    (record,) = journal.history()
    ((entry,),) = [journal.read(record)[1]]
    _cut_last_line(record)
    with path.open("r+b") as file:
        (stretch,) = entry.delta.stretches
        file.seek(stretch.start)
        file.write(stretch.old[:2])
    assert path.read_bytes() != new
    list(recover())
    assert path.read_bytes() == new


@pytest.mark.parametrize("start", [1 << 40, 1 << 62, 10**30])
def test_a_damaged_journal_neither_stops_the_next_run_nor_fills_the_disk(linked, start):
    path, _, new = linked
    path.write_bytes(now := new[:-1] + b"x")
    (record,) = journal.history()
    head, line = record.read_text().splitlines()[:2]
    odd = {"stretches": [{"start": start, "old": "eA==", "new": "eQ=="}]}
    record.write_text(f"{head}\n{json.dumps(json.loads(line) | odd)}\n")
    list(recover())
    assert path.read_bytes() == now
    assert not list(path.parent.glob(".genretagger-*"))


def test_a_disk_that_is_away_keeps_the_unfinished_change_for_later(linked):
    path, old, new = linked
    tear(path, old, new, 700)
    path.rename(path.with_name("away" + path.suffix))
    assert not list(recover())
    path.with_name("away" + path.suffix).rename(path)
    assert "finished" in next(iter(recover()))
    assert path.read_bytes() == new


def test_no_room_to_finish_stops_the_run_and_keeps_the_copy(linked, monkeypatch):
    path, old, new = linked
    tear(path, old, new, 700)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(FatalError, match="cannot be finished: No space left on device"):
        list(recover())
    monkeypatch.undo()
    assert exchange.copy_of(path).read_bytes() == new


@pytest.mark.parametrize("form", ["MP3", "AIFF", "M4A AAC"])
def test_a_failed_write_in_place_gives_the_old_bytes_back(audio_file, monkeypatch, form):
    path = audio_file(form)
    os.link(path, path.with_name("other" + path.suffix))
    old = path.read_bytes()
    real = os.fsync
    calls = []

    def fails_fourth(descriptor):  # head, entry, copy, then the file itself
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fails_fourth)
    line = plan(path, tags.read(path), TagPolicy(), Decision(("Rock",), ("because",)))
    done = apply(line, journal.Journal("test"))
    assert len(calls) > 4
    assert (done.state, path.read_bytes()) == (State.FAILED, old)
    assert "it stays as it was" in done.reason[0]
    assert path.samefile(path.with_name("other" + path.suffix))


@pytest.fixture(params=["one page", "several names"])
def in_place(request, audio_file):
    """A file that is written in place, its bytes, and the plan for it."""
    is_page = request.param == "one page"
    path = audio_file("FLAC" if is_page else "MP3", **({"genre": ("Blues",)} if is_page else {}))
    os.link(path, path.parent / "other")
    line = plan(path, tags.read(path), TagPolicy("replace"), Decision(("Rock",), ("because",)))
    return path, path.read_bytes(), line


def test_a_file_removed_just_before_it_is_written_costs_that_file_alone(in_place, monkeypatch):
    path, old, line = in_place
    identify = exchange.identify

    def removes(target):  # after the last look before it is written
        identity = identify(target)
        path.unlink()
        return identity

    monkeypatch.setattr(exchange, "identify", removes)
    done = apply(line, journal.Journal("test"))
    assert (done.state, done.reason) == (
        State.FAILED,
        ("cannot be rewritten: No such file or directory; it stays as it was",),
    )
    assert (path.parent / "other").read_bytes() == old
    assert not list(path.parent.glob(".genretagger-*"))
    assert not list(journal.unfinished())


@pytest.mark.parametrize("fails", [False, True])
def test_a_file_removed_while_it_is_written_is_whole_under_its_other_name(
    in_place, monkeypatch, fails
):
    path, old, line = in_place
    write = exchange._write
    written = []

    def removes(file, start, data, **how):
        if not written:
            path.unlink()
            exchange.copy_of(path.parent / "other").with_suffix(path.suffix).unlink()
        written.append(data)
        if fails and len(written) == 1:
            write(file, start, data[: len(data) // 2])
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        write(file, start, data, **how)

    monkeypatch.setattr(exchange, "_write", removes)
    done = apply(line, journal.Journal("test"))
    assert written
    assert done.state is (State.FAILED if fails else State.CHANGE)
    found = (path.parent / "other").read_bytes()
    assert (found == old) == fails
    found_tags = path.parent / f"found{path.suffix}"
    found_tags.write_bytes(found)
    assert ("Rock" in str(tags.read(found_tags))) != fails
    assert not list(path.parent.glob(".genretagger-*"))
    assert not list(journal.unfinished())


def test_a_folder_that_cannot_be_synced_does_not_make_a_change_undone(audio_file, monkeypatch):
    path = audio_file("MP3")
    real = exchange._sync

    def no_folders(target):
        if target.is_dir():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(target)

    monkeypatch.setattr(exchange, "_sync", no_folders)
    line = plan(path, tags.read(path), TagPolicy(), Decision(("Rock",), ("because",)))
    assert apply(line, journal.Journal("test")).state is State.CHANGE
    assert len(journal.read(journal.history()[0])[1]) == 1


def test_a_copy_that_a_killed_run_left_is_removed_though_its_file_is_not_written_again(
    audio_file,
):
    path = audio_file("MP3", seconds=2.0, genre=("Rock",))
    copy = exchange.copy_of(path)
    journal.Journal("killed").note_copy(copy)
    copy.write_bytes(b"half a copy")
    assert cli.main(["tag", "--jobs", "1", str(path)]) == 0
    assert not copy.exists()


def test_only_a_working_copy_is_ever_removed(audio_file):
    path = audio_file("MP3")
    journal.Journal("killed").note_copy(path)
    list(recover())
    assert path.exists()


def test_a_journal_killed_before_its_first_change_does_not_hide_the_others(linked, capsys):
    for number, content in enumerate((b"", b'{"genretagger', b'{"genretagger_journal": 1}\n{"a')):
        (places.journals_folder() / f"9999-{number}.jsonl").write_bytes(content)
    assert len(journal.history()) == 1
    (places.journals_folder() / "9999-9.jsonl").write_bytes(b"[]\n[]\n")  # damaged
    assert cli.main(["history"]) == 0
    out, err = capsys.readouterr()
    assert "1 file " in out
    assert "damaged" in err


def test_a_full_disk_under_the_lock_stops_the_run_with_a_message(audio_file, monkeypatch, capsys):
    path = audio_file("MP3", seconds=2.0)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "ftruncate", full)
    assert cli.main(["tag", "--jobs", "1", str(path)]) == 3
    assert "cannot be used: No space left on device; nothing was done" in capsys.readouterr().err
    assert path.read_bytes() == before
