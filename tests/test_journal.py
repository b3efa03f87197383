"""What was changed is written down, and what runs were is known, whoever wrote it down."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from genretagger import places
from genretagger.errors import FatalError
from genretagger.writing import journal
from genretagger.writing.delta import Delta, Stretch
from genretagger.writing.journal import Entry, Head, Journal

pytestmark = pytest.mark.quick

DELTA = Delta((Stretch(3, b"old", b"new!"),))


def change(path="/music/a.mp3"):
    return Entry(Path(path), DELTA, ("0" * 64, "1" * 64), ("Blues",), ("Rock",))


def written(record, *paths):
    for path in paths or ("/music/a.mp3",):
        record.begin(change(path))
        record.end(done=True)
    return record.path


def of_before(name, command, time="2025-01-01 12:00:00"):
    """Write a journal as versions without numbers and kinds did."""
    line = {"shown": "/music/a.mp3", "path": "L211c2ljL2EubXAz", "start": 3, "old_bytes": "b2xk"}
    line |= {"new_bytes": "bmV3IQ==", "sha256": ["0" * 64, "1" * 64], "old": [], "new": ["Rock"]}
    head = {"genretagger_journal": 1, "command": command, "time": time}
    places.journals_folder().mkdir(parents=True, exist_ok=True)
    path = places.journals_folder() / name
    path.write_text("".join(json.dumps(part) + "\n" for part in (head, line, {"done": True})))
    return path


def test_what_is_written_is_read():
    path = written(Journal("tag /music"), "/music/a.mp3", "/music/b.mp3")
    head, entries = journal.read(path)
    assert entries == [change("/music/a.mp3"), change("/music/b.mp3")]
    assert head == Head("tag /music", head.time, "run", "", "genretagger", 1)


def test_an_undo_says_what_it_takes_back_and_its_undo_is_a_redo():
    first = written(Journal("tag /music", program="beets"))
    head, _ = journal.read(first)
    second = written(Journal.reversing(first, head))
    head, _ = journal.read(second)
    assert (head.kind, head.reverses, head.command) == ("undo", first.name, "tag /music")
    assert (head.program, head.number, head.title) == ("beets", 2, "undo of: tag /music")
    head, _ = journal.read(written(Journal.reversing(second, head)))
    assert (head.kind, head.reverses, head.number) == ("redo", second.name, 3)


@pytest.mark.parametrize(
    ("command", "head"),
    [
        ("tag /music", ("tag /music", "run", "", "genretagger")),
        ("undo of: tag /music", ("tag /music", "undo", "", "genretagger")),
        ("redo of: tag /music", ("tag /music", "redo", "", "genretagger")),
        ("beet genrecnn title:x", ("beet genrecnn title:x", "run", "", "beets")),
        ("beet import with genrecnn", ("beet import with genrecnn", "run", "", "beets")),
        ("beet genrecnn --undo j-1.jsonl", ("beet genrecnn", "undo", "j-1.jsonl", "beets")),
        ("undo of: beet genrecnn", ("beet genrecnn", "undo", "", "beets")),
        ("tag --undo x", ("tag --undo x", "run", "", "genretagger")),
    ],
)
def test_the_head_of_an_older_journal_is_understood(command, head):
    read, entries = journal.read(of_before("j.jsonl", command))
    assert read == Head(head[0], "2025-01-01 12:00:00", *head[1:], None)
    assert entries[0].delta == DELTA


def test_journals_without_a_number_count_back_from_the_first_that_has_one():
    paths = [of_before(f"{n}.jsonl", "tag") for n in range(3)]
    assert [head.number for _, head in journal.heads()] == [1, 2, 3]
    written(Journal("tag"))
    paths[0].unlink()
    assert [head.number for _, head in journal.heads()] == [2, 3, 4]


@pytest.mark.parametrize("odd", [{"kind": "x"}, {"number": 0}, {"number": True}, {"reverses": 1}])
def test_a_head_that_makes_no_sense_is_refused(odd):
    path = written(Journal("tag"))
    first, rest = path.read_text().split("\n", 1)
    path.write_text(json.dumps(json.loads(first) | odd) + "\n" + rest)
    with pytest.raises(FatalError, match="damaged"):
        journal.read(path)
    assert list(journal.heads()) == []


def test_reading_and_undoing_load_no_decoder_and_no_model():
    code = (
        "import sys, genretagger\n"
        "genretagger.undo, genretagger.read_journal, genretagger.rewrite, genretagger.recover\n"
        "heavy = 'numpy', 'soundfile', 'soxr', 'joblib', 'ai_edge_litert', 'rich'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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


@pytest.mark.parametrize("name", ["/etc/passwd", "/music/a\0.mp3", "relative.mp3"])
def test_a_journal_that_names_what_is_no_audio_file_is_refused(tmp_path, name):
    line = {"path": base64.b64encode(name.encode()).decode(), "start": 0}
    line |= {"old_bytes": "", "new_bytes": "", "sha256": ["", ""], "old": [], "new": []}
    head = {"genretagger_journal": 1, "command": "tag", "time": "now"}
    (tmp_path / "j.jsonl").write_text(f"{json.dumps(head)}\n{json.dumps(line)}\n")
    with pytest.raises(FatalError, match="damaged"):
        journal.read(tmp_path / "j.jsonl")


def test_a_change_is_not_begun_without_room_for_its_end(monkeypatch):
    record = Journal("tag")
    written(record)
    before = record.path.read_bytes()
    usage = shutil._ntuple_diskusage(1 << 40, 0, 60_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FatalError, match="No space left on device; stopped before the next"):
        record.begin(change())
    assert record.path.read_bytes() == before
