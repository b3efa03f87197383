"""What is written can be taken back, byte for byte, and a file is old or new in full."""

import base64
import errno
import json
import os
import shutil
import stat
from pathlib import Path

import make_audio
import mutagen
import numpy as np
import pytest

from genretagger import cli, tags
from genretagger.errors import FatalError, TrackError
from genretagger.plan import TagPolicy, plan
from genretagger.records import BlockChange, Decision, State
from genretagger.writing import exchange, journal
from genretagger.writing.change import apply, rewrite, undo
from genretagger.writing.delta import Delta, Stretch
from genretagger.writing.difference import difference

NOISE = {"title": "Ein Titel", "artist": "Jemand", "album": "Etwas", "MYFIELD": "mine"}


def write(path, *genres, to=None, preserve_mtime=False):
    """Plan and apply one genre as a run does; return what came of it."""
    line = plan(path, tags.read(path), TagPolicy("replace"), Decision(genres, ("because",)))
    assert line.state is State.CHANGE
    return apply(line, to or journal.Journal("test"), preserve_mtime=preserve_mtime)


def take_back(path=None):
    _, entries = journal.read(path or journal.history()[-1])
    return list(undo(entries, journal.Journal("undo")))


def genres_in(path):
    return [v for block in tags.read(path).blocks for v in block.values]


@pytest.mark.parametrize("had", [(), ("Blues",), ("Blues", "Soul")], ids=["none", "one", "two"])
@pytest.mark.parametrize("form", make_audio.FORMS)
def test_undo_gives_every_container_its_bytes_back(audio_file, form, had):
    path = audio_file(form, genre=had, **NOISE)
    before = path.read_bytes()
    done = write(path, "Rock", "Pop")
    assert done.state is State.CHANGE, done.reason
    changed = path.read_bytes()
    assert changed != before
    (line,) = take_back()
    assert line.state is State.CHANGE, line.reason
    assert path.read_bytes() == before
    (line,) = take_back()  # the last journal is the undo's own
    assert (line.state, path.read_bytes()) == (State.CHANGE, changed)
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name]


@pytest.mark.parametrize("form", ["MP3", "FLAC", "Ogg Vorbis", "M4A AAC"])
def test_a_file_without_any_tag_gets_its_bytes_back(audio_file, form):
    path = audio_file(form)
    before = path.read_bytes()
    write(path, "Jazz")
    take_back()
    assert path.read_bytes() == before


def test_two_runs_are_taken_back_one_after_the_other(audio_file):
    path = audio_file("MP3", genre=("Blues",))
    contents = [path.read_bytes()]
    for genre in ("Rock", "Jazz"):
        write(path, genre)
        contents.append(path.read_bytes())
    first, second = journal.history()
    assert take_back(second)[0].state is State.CHANGE
    assert path.read_bytes() == contents[1]
    assert take_back(first)[0].state is State.CHANGE
    assert path.read_bytes() == contents[0]


def test_a_file_that_something_else_changed_is_left_alone(audio_file):
    path = audio_file("FLAC", title="before")
    write(path, "Rock")
    other = mutagen.File(path)
    other["TITLE"] = "after!"  # the same length, inside the padding
    stamp = path.stat()
    other.save()
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    now = path.read_bytes()
    (line,) = take_back()
    assert (line.state, line.reason) == (State.FAILED, ("changed since; it stays as it is",))
    assert path.read_bytes() == now


def test_undo_of_many_goes_on_after_one_that_is_gone(audio_file):
    paths = [audio_file("FLAC", name=name) for name in "abc"]
    shared = journal.Journal("test")
    before = paths[0].read_bytes()
    for path in paths:
        write(path, "Rock", to=shared)
    paths[1].unlink()
    c, b, a = take_back()
    assert (c.state, b.state, a.state) == (State.CHANGE, State.FAILED, State.CHANGE)
    assert paths[0].read_bytes() == paths[2].read_bytes() == before


def test_mode_attributes_links_and_mtime_survive(audio_file):
    path = audio_file("MP3")  # without a tag: the file must grow, so it is replaced
    path.chmod(0o640)
    os.utime(path, ns=(10**18, 10**18))
    try:
        os.setxattr(path, "user.colour", b"blue")
        has_attributes = True
    except OSError:  # not every file system has them
        has_attributes = False
    link = path.with_name("link.mp3")
    link.symlink_to(path.name)
    write(link, "Rock", preserve_mtime=True)
    assert link.is_symlink()
    assert genres_in(path) == ["Rock"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_mtime_ns == 10**18
    assert not has_attributes or os.getxattr(path, "user.colour") == b"blue"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_the_owner_survives(audio_file):
    path = audio_file("MP3")
    os.chown(path, 12345, 54321)
    write(path, "Rock")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


@pytest.mark.parametrize("form", ["MP3", "FLAC"])
def test_hard_links_stay_one_file(audio_file, form):
    path = audio_file(form)
    other = path.with_name("other" + path.suffix)
    os.link(path, other)
    before = path.read_bytes()
    write(path, "Rock", "Pop")
    assert path.samefile(other)
    assert genres_in(other) == ["Pop; Rock"]
    take_back()
    assert path.samefile(other)
    assert other.read_bytes() == before


def test_a_small_change_keeps_the_inode(audio_file):
    path = audio_file("FLAC", genre=("Rock",))
    inode = path.stat().st_ino
    write(path, "Jazz")
    assert path.stat().st_ino == inode


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


def test_what_changes_during_the_write_is_not_overwritten(audio_file, monkeypatch):
    path = audio_file("MP3")
    real = tags.write

    def meanwhile(copy, *args, **kwargs):
        real(copy, *args, **kwargs)
        with path.open("ab") as file:
            file.write(b"appended by somebody else")

    monkeypatch.setattr(tags, "write", meanwhile)
    done = write(path, "Rock")
    assert done.state is State.FAILED
    assert done.reason == ("changed while it was being tagged; it stays as it is",)
    assert path.read_bytes().endswith(b"somebody else")


def test_a_run_killed_before_or_after_the_exchange_can_be_undone(audio_file):
    path = audio_file("MP3")
    before = path.read_bytes()
    write(path, "Rock")
    (record,) = journal.history()
    lines = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(b"".join(lines[:2]) + b'{"do')  # killed before the last line was whole
    assert take_back(record)[0].state is State.CHANGE
    assert path.read_bytes() == before
    (line,) = take_back(record)  # as if killed before the exchange: nothing was changed
    assert (line.state, line.reason) == (State.KEEP, ("it is as it was before",))
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", make_audio.FORMS)
def test_whoever_writes_the_tags_must_leave_the_audio(audio_file, form):
    path = audio_file(form, genre=("Blues",), **NOISE)
    before = path.read_bytes()

    def cut(copy):
        copy.write_bytes(before[: len(before) * 2 // 3])

    with pytest.raises(TrackError):
        rewrite(path, cut, journal.Journal("test"), old=(), new=())
    assert path.read_bytes() == before
    assert not journal.history()


@pytest.mark.parametrize("form", ["MP3", "FLAC", "Ogg Vorbis", "WAV", "AIFF", "M4A AAC", "DSF"])
def test_tags_may_outgrow_their_padding(audio_file, form):
    path = audio_file(form, genre=("Blues",), **NOISE)
    before = path.read_bytes()
    (block,) = tags.read(path).blocks
    long = BlockChange(block.kind, (), ("x" * 20000,))
    to = journal.Journal("test")
    assert rewrite(path, lambda copy: tags.write(copy, [long], field="MORE"), to, old=(), new=())
    take_back()
    assert path.read_bytes() == before


def test_a_rewrite_that_changes_nothing_leaves_no_trace(audio_file):
    path = audio_file("FLAC")
    stat_before = path.stat()
    assert not rewrite(path, lambda _: None, journal.Journal("test"), old=(), new=())
    assert (path.stat(), journal.history()) == (stat_before, [])


def test_what_a_killed_run_left_beside_a_file_is_cleared_by_the_next(audio_file):
    path = audio_file("MP3")
    exchange.copy_of(path).write_bytes(b"half a copy")
    write(path, "Rock")
    assert genres_in(path) == ["Rock"]
    assert not list(path.parent.glob(".genretagger-*"))


@pytest.mark.parametrize("size", [0, 1, 5, (1 << 20) + 3, 3 << 20])
@pytest.mark.parametrize("change", ["none", "first", "last", "inside", "grow", "shrink", "all"])
def test_the_difference_of_two_files_is_the_shortest_and_leads_both_ways(tmp_path, size, change):
    rng = np.random.default_rng(size)
    old = rng.integers(0, 255, size, dtype=np.uint8).tobytes()
    at = size // 2
    new = {
        "none": old,
        "first": b"\xff" + old[1:],
        "last": old[:-1] + b"\xff",
        "inside": old[:at] + b"\xff\xff" + old[at + 2 :],
        "grow": old[:at] + b"\xff\xff\xff" + old[at:],
        "shrink": old[:at] + old[at + 3 :],
        "all": bytes(b ^ 255 for b in old),
    }[change]
    a, b, c = (tmp_path / name for name in "abc")
    a.write_bytes(old)
    b.write_bytes(new)
    delta = difference(a, b)
    assert old[: delta.start] == new[: delta.start]
    for stretch in delta.stretches:
        if stretch.old and stretch.new:
            assert stretch.old[0] != stretch.new[0]
            assert stretch.old[-1] != stretch.new[-1]
    exchange.patch(a, c, delta)
    assert c.read_bytes() == new
    exchange.patch(b, c, delta.reversed())
    assert c.read_bytes() == old


def test_a_delta_that_does_not_fit_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"abcdef")
    for stretch in (Stretch(1, b"x", b"y"), Stretch(100, b"", b"y")):
        with pytest.raises(TrackError, match="changed since"):
            exchange.patch(tmp_path / "a", tmp_path / "b", Delta((stretch,)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json\n",
        b"{}\n",
        b'{"genretagger_journal": 3}\n',
        b'{"genretagger_journal": 1}\n{"path": "!"}\n',
        b'{"genretagger_journal": 1}\n{"done": false}\n',
        b'{"genretagger_journal": 1}\n[]\n{"x": 1}\n',
    ],
)
def test_what_is_no_journal_is_refused(tmp_path, content):
    (tmp_path / "j.jsonl").write_bytes(content)
    with pytest.raises(FatalError, match=r"journal .*j\.jsonl: (damaged|written by another)"):
        journal.read(tmp_path / "j.jsonl")


def test_without_a_place_for_the_journal_nothing_is_changed(audio_file, monkeypatch, tmp_path):
    path = audio_file("MP3")
    before = path.read_bytes()
    (tmp_path / "blocked").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "blocked"))
    with pytest.raises(FatalError, match="cannot be written"):
        write(path, "Rock")
    assert path.read_bytes() == before


def test_the_commands_tag_undo_and_history(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0, genre=("Blues",))
    before = path.read_bytes()
    code = cli.main(["undo"])
    assert (code, "nothing to undo" in capsys.readouterr().err) == (3, True)

    tag = ["tag", "--always", "--existing", "replace", "--jobs", "1", str(path)]
    assert cli.main([*tag, "--dry-run"]) == 0
    assert not journal.history()
    assert "genretagger undo" not in capsys.readouterr().err
    assert cli.main(tag) == 0
    assert "to take it back: genretagger undo" in capsys.readouterr().err
    assert cli.main(["history"]) == 0
    assert f"1 files  {' '.join(tag)}" in capsys.readouterr().out
    assert cli.main(["undo", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    row = json.loads(out)
    assert (row["path"], row["new"]) == (str(path), ["Blues"])
    assert "1 undone" in err
    assert "to do it again: genretagger undo" in err
    assert path.read_bytes() == before
    assert cli.main(["undo"]) == 0
    assert "1 done again" in capsys.readouterr().err
    assert path.read_bytes() != before
    shutil.rmtree(Path(journal.folder()))


def test_a_journal_from_elsewhere_is_not_believed(audio_file, tmp_path, capsys):
    path = audio_file("MP3")
    write(path, "Rock")
    changed = path.read_bytes()
    (record,) = journal.history()
    elsewhere = tmp_path / "elsewhere.jsonl"
    shutil.copyfile(record, elsewhere)
    assert cli.main(["undo", str(elsewhere)]) == 3
    assert "is not a journal in" in capsys.readouterr().err
    assert path.read_bytes() == changed


@pytest.mark.parametrize("name", ["/etc/passwd", "/music/a\0.mp3", "relative.mp3"])
def test_a_journal_that_names_what_is_no_audio_file_is_refused(tmp_path, name):
    line = {"path": base64.b64encode(name.encode()).decode(), "start": 0}
    line |= {"old_bytes": "", "new_bytes": "", "sha256": ["", ""], "old": [], "new": []}
    head = {"genretagger_journal": 1, "command": "tag", "time": "now"}
    (tmp_path / "j.jsonl").write_text(f"{json.dumps(head)}\n{json.dumps(line)}\n")
    with pytest.raises(FatalError, match="damaged"):
        journal.read(tmp_path / "j.jsonl")


def test_what_a_journal_says_is_printed_without_terminal_escapes(audio_file, capsys):
    write(audio_file("MP3"), "Rock")
    (record,) = journal.history()
    head, *rest = record.read_text().splitlines(keepends=True)
    evil = json.dumps(json.loads(head) | {"time": "\x1b[2J", "command": "\x1b]0;x\x07"})
    record.write_text("".join([evil, "\n", *rest]))
    assert cli.main(["history"]) == 0
    assert "\x1b" not in capsys.readouterr().out
