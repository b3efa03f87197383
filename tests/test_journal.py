"""What was changed is written down, and what runs were is known, whoever wrote it down."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from genretagger.errors import FatalError
from genretagger.writing import journal
from genretagger.writing.delta import Delta, Stretch
from genretagger.writing.journal import Entry, Head, Journal

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
    journal.folder().mkdir(parents=True, exist_ok=True)
    path = journal.folder() / name
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
