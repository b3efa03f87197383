"""A change is made in full and written down, or the file stays as it was."""

import errno
import os

import changes
import make_audio
import pytest

from genretagger import tags
from genretagger.errors import FatalError, TrackError
from genretagger.plan import TagPolicy, plan
from genretagger.records import Decision, State
from genretagger.writing import journal
from genretagger.writing.change import apply, rewrite
from genretagger.writing.delta import Delta

pytestmark = pytest.mark.quick


def test_what_changes_during_the_write_is_not_overwritten(audio_file, monkeypatch):
    path = audio_file("MP3")
    real = tags.write

    def meanwhile(copy, *args, **kwargs):
        real(copy, *args, **kwargs)
        with path.open("ab") as file:
            file.write(b"appended by somebody else")

    monkeypatch.setattr(tags, "write", meanwhile)
    done = changes.write(path, "Rock")
    assert done.state is State.FAILED
    assert done.reason == ("changed while it was being tagged; it stays as it is",)
    assert path.read_bytes().endswith(b"somebody else")


def _full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["shutil.copyfile", "os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_costs_the_change_not_the_file(audio_file, monkeypatch, call):
    path = audio_file("MP3")
    before = path.read_bytes()
    line = plan(path, tags.read(path), TagPolicy(), Decision(("Rock",), ("because",)))
    to = journal.Journal("test")
    to.begin(journal.Entry(path, Delta(()), ("", ""), (), ()))
    to.end(done=False)
    monkeypatch.setattr(call, _full)
    if call == "os.fsync":  # the journal is synced first, so nothing may follow
        with pytest.raises(FatalError, match="stopped before the next change"):
            apply(line, to)
    else:
        done = apply(line, to)
        assert done.state is State.FAILED
        assert "No space left on device; it stays as it was" in done.reason[0]
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert not list(path.parent.glob(".genretagger-*"))


@pytest.mark.parametrize("form", make_audio.FORMS)
def test_whoever_writes_the_tags_must_leave_the_audio(audio_file, form):
    path = audio_file(form, genre=("Blues",), **changes.NOISE)
    before = path.read_bytes()

    def cut(copy):
        copy.write_bytes(before[: len(before) * 2 // 3])

    with pytest.raises(TrackError):
        rewrite(path, cut, journal.Journal("test"), old=(), new=())
    assert path.read_bytes() == before
    assert not journal.history()


def test_a_rewrite_that_changes_nothing_leaves_no_trace(audio_file):
    path = audio_file("FLAC")
    stat_before = path.stat()
    assert not rewrite(path, lambda _: None, journal.Journal("test"), old=(), new=())
    assert (path.stat(), journal.history()) == (stat_before, [])


def test_without_a_place_for_the_journal_nothing_is_changed(audio_file, monkeypatch, tmp_path):
    path = audio_file("MP3")
    before = path.read_bytes()
    (tmp_path / "blocked").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "blocked"))
    with pytest.raises(FatalError, match="cannot be written"):
        changes.write(path, "Rock")
    assert path.read_bytes() == before
