"""What is written can be taken back, byte for byte, and a file is old or new in full."""

import base64
import json
import os
import shutil
from pathlib import Path

import changes
import make_audio
import mutagen
import pytest

from genretagger import cli, places, tags
from genretagger.records import BlockChange, State
from genretagger.writing import journal
from genretagger.writing.change import rewrite

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("had", [(), ("Blues",), ("Blues", "Soul")], ids=["none", "one", "two"])
@pytest.mark.parametrize("form", make_audio.FORMS)
def test_undo_gives_every_container_its_bytes_back(audio_file, form, had):
    path = audio_file(form, genre=had, **changes.NOISE)
    before = path.read_bytes()
    done = changes.write(path, "Rock", "Pop")
    assert done.state is State.CHANGE, done.reason
    changed = path.read_bytes()
    assert changed != before
    (record,) = journal.history()
    assert record.stat().st_size < 12_000  # one page at most, old and new
    (line,) = changes.take_back()
    assert line.state is State.CHANGE, line.reason
    assert path.read_bytes() == before
    (line,) = changes.take_back()  # the last journal is the undo's own
    assert (line.state, path.read_bytes()) == (State.CHANGE, changed)
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name]


@pytest.mark.parametrize("form", ["MP3", "FLAC", "Ogg Vorbis", "M4A AAC"])
def test_a_file_without_any_tag_gets_its_bytes_back(audio_file, form):
    path = audio_file(form)
    before = path.read_bytes()
    changes.write(path, "Jazz")
    changes.take_back()
    assert path.read_bytes() == before


def test_two_runs_are_taken_back_one_after_the_other(audio_file):
    path = audio_file("MP3", genre=("Blues",))
    contents = [path.read_bytes()]
    for genre in ("Rock", "Jazz"):
        changes.write(path, genre)
        contents.append(path.read_bytes())
    first, second = journal.history()
    assert changes.take_back(second)[0].state is State.CHANGE
    assert path.read_bytes() == contents[1]
    assert changes.take_back(first)[0].state is State.CHANGE
    assert path.read_bytes() == contents[0]


def test_a_journal_of_version_1_is_taken_back(tmp_path):
    # written by genretagger 0.1.0 at commit e1bc909: a WAV with all of its bytes, old and new
    lines = (Path(__file__).parent / "journal_of_version_1.jsonl").read_text().splitlines()
    head, line, end = map(json.loads, lines)
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + base64.b64decode(line["new_bytes"]))
    line["path"] = base64.b64encode(os.fsencode(path)).decode()
    places.journals_folder().mkdir(parents=True)
    record = places.journals_folder() / "2025-01-01T12-00-00-1.jsonl"
    record.write_text("".join(json.dumps(part) + "\n" for part in (head, line, end)))
    assert changes.genres_in(path) == ["Rock"]
    (done,) = changes.take_back(record)
    assert done.state is State.CHANGE, done.reason
    assert path.read_bytes() == b"RIFF" + base64.b64decode(line["old_bytes"])
    assert changes.genres_in(path) == []


def test_a_file_that_something_else_changed_is_left_alone(audio_file):
    path = audio_file("FLAC", title="before")
    changes.write(path, "Rock")
    other = mutagen.File(path)
    other["TITLE"] = "after!"  # the same length, inside the padding
    stamp = path.stat()
    other.save()
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    now = path.read_bytes()
    (line,) = changes.take_back()
    assert (line.state, line.reason) == (State.FAILED, ("changed since; it stays as it is",))
    assert path.read_bytes() == now


def test_undo_of_many_goes_on_after_one_that_is_gone(audio_file):
    paths = [audio_file("FLAC", name=name) for name in "abc"]
    shared = journal.Journal("test")
    before = paths[0].read_bytes()
    for path in paths:
        changes.write(path, "Rock", to=shared)
    paths[1].unlink()
    c, b, a = changes.take_back()
    assert (c.state, b.state, a.state) == (State.CHANGE, State.FAILED, State.CHANGE)
    assert paths[0].read_bytes() == paths[2].read_bytes() == before


def test_a_run_killed_before_or_after_the_exchange_can_be_undone(audio_file):
    path = audio_file("MP3")
    before = path.read_bytes()
    changes.write(path, "Rock")
    (record,) = journal.history()
    lines = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(b"".join(lines[:2]) + b'{"do')  # killed before the last line was whole
    assert changes.take_back(record)[0].state is State.CHANGE
    assert path.read_bytes() == before
    (line,) = changes.take_back(record)  # as if killed before the exchange: nothing was changed
    assert (line.state, line.reason) == (State.KEEP, ("it is as it was before",))
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["MP3", "FLAC", "Ogg Vorbis", "WAV", "AIFF", "M4A AAC", "DSF"])
def test_tags_may_outgrow_their_padding(audio_file, form):
    path = audio_file(form, genre=("Blues",), **changes.NOISE)
    before = path.read_bytes()
    (block,) = tags.read(path).blocks
    long = BlockChange(block.kind, (), ("x" * 20000,))
    to = journal.Journal("test")
    assert rewrite(path, lambda copy: tags.write(copy, [long], field="MORE"), to, old=(), new=())
    changes.take_back()
    assert path.read_bytes() == before


def test_the_commands_tag_undo_and_history(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0, genre=("Blues",))
    before = path.read_bytes()
    code = cli.main(["undo", "--yes"])
    assert (code, "nothing to undo" in capsys.readouterr().err) == (3, True)

    tag = ["tag", "--always", "--existing", "replace", "--jobs", "1", str(path)]
    assert cli.main([*tag, "--dry-run"]) == 0
    assert not journal.history()
    assert "genretagger undo" not in capsys.readouterr().err
    assert cli.main(tag) == 0
    assert "to take it back: genretagger undo" in capsys.readouterr().err
    assert cli.main(["history"]) == 0
    assert f"in force    {path.parent}\n      {' '.join(tag)}\n" in capsys.readouterr().out
    assert cli.main(["undo", "--yes", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    row = json.loads(out)
    assert (row["path"], row["new"]) == (str(path), ["Blues"])
    assert "1 undone" in err
    assert "to do it again: genretagger redo" in err
    assert path.read_bytes() == before
    assert cli.main(["redo", "--yes"]) == 0
    assert "1 done again" in capsys.readouterr().err
    assert path.read_bytes() != before
    shutil.rmtree(places.journals_folder())


def test_a_journal_from_elsewhere_is_not_believed(audio_file, tmp_path, capsys):
    path = audio_file("MP3")
    changes.write(path, "Rock")
    changed = path.read_bytes()
    (record,) = journal.history()
    elsewhere = tmp_path / "elsewhere.jsonl"
    shutil.copyfile(record, elsewhere)
    assert cli.main(["undo", str(elsewhere)]) == 3
    assert "is not a journal in" in capsys.readouterr().err
    assert path.read_bytes() == changed


def test_what_a_journal_says_is_printed_without_terminal_escapes(audio_file, capsys):
    changes.write(audio_file("MP3"), "Rock")
    (record,) = journal.history()
    head, *rest = record.read_text().splitlines(keepends=True)
    evil = json.dumps(json.loads(head) | {"time": "\x1b[2J", "command": "\x1b]0;x\x07"})
    record.write_text("".join([evil, "\n", *rest]))
    assert cli.main(["history"]) == 0
    assert "\x1b" not in capsys.readouterr().out
