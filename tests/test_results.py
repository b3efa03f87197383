"""Results that grow: what is there stays, what was begun is cut off, anything else is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from genretagger import results
from genretagger.decide import decision_policy
from genretagger.errors import FatalError
from genretagger.genres import GENRES
from genretagger.records import State, TagChange
from genretagger.rows import prediction_row

pytestmark = pytest.mark.quick

MADE = results.Made("0123-4", "abcd")


def opened(path, form="json", made=MADE, *, embedding=False):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    return results.opened(path, form, made, GENRES, embedding=embedding)


def row(name, **rest):
    return prediction_row(
        TagChange(Path(name), State.KEEP, ("Rock",), probabilities=(0.25,) * len(GENRES), **rest)
    )


def paths(path):
    if path.is_file():
        return [json.loads(line)["path"] for line in path.read_text().splitlines()]
    import pyarrow.dataset

    return pyarrow.dataset.dataset(path).to_table()["path"].to_pylist()


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_rows_are_added_to_those_that_are_there(tmp_path, form):
    path = tmp_path / "results"
    for names in ("abc", "bcd"):
        with opened(path, form) as known:
            for name in names:
                known.add(row(f"/{name}"))
            assert known.has(Path("/a")) == (names != "abc")
            assert not known.has(Path("/e"))
    assert paths(path) == ["/a", "/b", "/c", "/d"]


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_a_name_that_is_not_utf8_is_known_again(tmp_path, form):
    name = "/m\udcfc.mp3"
    for n_known in (0, 1):
        with opened(tmp_path / "r", form) as known:
            assert (len(known), known.has(Path(name))) == (n_known, bool(n_known))
            known.add(row(name))
    written = {"json": name, "parquet": "/m\\udcfc.mp3"}[form]
    assert paths(tmp_path / "r") == [written]


def test_a_line_that_was_begun_is_cut_off(tmp_path):
    path = tmp_path / "results.jsonl"
    with opened(path) as known:
        known.add(row("/a"))
        known.add(row("/b"))
    whole = path.read_bytes()
    first = len(whole.splitlines(keepends=True)[0])
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        with opened(path) as known:
            assert len(known) == 1
        assert path.read_bytes() == whole[:first]


@pytest.mark.parametrize(
    "content", [b"shopping list", b"a\nb\n", b'{"path": "x"}\n', b"[]\n", b"\0"]
)
def test_a_file_of_anything_else_is_refused_and_stays(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(FatalError, match=r"line 1 is none of 'predict --cluster'; delete"):
        opened(path).__enter__()
    assert path.read_bytes() == content


@pytest.mark.parametrize("form", ["json", "parquet"])
@pytest.mark.parametrize(
    ("made", "why"),
    [
        (MADE._replace(model="9876-4"), "was heard by model 0123-4, and this run hears by 9876-4"),
        (MADE._replace(decision="dcba"), "was made with other options of the decision"),
    ],
)
def test_results_that_were_made_otherwise_are_refused(tmp_path, form, made, why):
    with opened(tmp_path / "r", form) as known:
        known.add(row("/a"))
    with pytest.raises(FatalError, match=why):
        opened(tmp_path / "r", form, made).__enter__()
    assert paths(tmp_path / "r") == ["/a"]


def test_decisions_are_told_apart_by_every_option():
    given = [
        {},
        {"threshold": 0.5},
        {"max_genres": 1},
        {"always": True},
        {"only": ["Jazz", "Rock"]},
        {"exclude": ["Jazz"]},
    ]
    policies = [decision_policy((0.4,) * len(GENRES), **options) for options in given]
    ids = [results.decision_id(p, embedding=e) for p in policies for e in (False, True)]
    assert len(set(ids)) == len(ids)
    twice = decision_policy((0.4,) * len(GENRES), only=["Rock", "Jazz"])
    assert results.decision_id(twice, embedding=False) == ids[8]


def test_rows_become_parts_as_they_gather(tmp_path, monkeypatch):
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(results, "_ROWS_OF_A_PART", 4)
    monkeypatch.setattr(results, "_ROWS_AT_ONCE", 3)
    folder = tmp_path / "parts"
    with opened(folder, "parquet") as known:
        for number in range(9):
            known.add(row(f"/{number}"))
        assert [pq.read_metadata(p).num_rows for p in sorted(folder.glob("*.parquet"))] == [4, 4]
    assert sorted(p.name for p in folder.iterdir()) == [
        "_lock",
        *(f"part-0000{n}.parquet" for n in range(3)),
    ]
    assert paths(folder) == [f"/{number}" for number in range(9)]


_KILLED = """
import os, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
import test_results
from genretagger import results
stage = sys.argv[1]
if stage == "a part is begun":
    real = results._write_parquet
    def stopped(path, rows, schema):
        path.with_name(f"_{path.name}.new").write_bytes(b"PAR1")
        os._exit(0)
    results._write_parquet = stopped
elif stage == "a part is written":
    Path.unlink = lambda *_: os._exit(0)
with test_results.opened(Path("r"), "parquet") as known:
    for name in "abc":
        known.add(test_results.row(f"/{name}"))
    if stage == "rows have gathered":
        os._exit(0)
"""


@pytest.mark.parametrize("stage", ["rows have gathered", "a part is begun", "a part is written"])
def test_a_run_that_is_killed_loses_no_row_and_doubles_none(tmp_path, stage):
    pytest.importorskip("pyarrow")
    tests = Path(__file__).parent
    words = [sys.executable, "-c", _KILLED, stage, str(tests), str(tests.parent)]
    subprocess.run(words, cwd=tmp_path, check=True)
    left = {p.name for p in (tmp_path / "r").iterdir()}
    assert "_rows-00000.jsonl" in left
    with opened(tmp_path / "r", "parquet") as known:
        assert len(known) == 3
        known.add(row("/d"))
    assert paths(tmp_path / "r") == ["/a", "/b", "/c", "/d"]
    assert not list((tmp_path / "r").glob("_rows*"))


def test_a_damaged_part_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "part-00000.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(FatalError, match=r"part-00000\.parquet: cannot be read; move it away"):
        opened(tmp_path, "parquet").__enter__()


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_two_runs_do_not_write_the_same_results(tmp_path, form):
    with (
        opened(tmp_path / "r", form),
        pytest.raises(FatalError, match="another run is writing it; wait for it, or stop it"),
    ):
        opened(tmp_path / "r", form).__enter__()
    with opened(tmp_path / "r", form):
        pass


def test_a_place_that_cannot_be_is_named(tmp_path):
    with pytest.raises(FatalError, match=r"--output .*none/r: No such file or directory"):
        opened(tmp_path / "none" / "r").__enter__()
    (tmp_path / "file").touch()
    with pytest.raises(FatalError, match=r"--output .*file: File exists"):
        opened(tmp_path / "file", "parquet").__enter__()


def test_a_full_disk_ends_the_run_with_a_sentence(tmp_path):
    pytest.importorskip("resource")
    code = (
        "import resource, signal, sys; sys.path[:0] = sys.argv[1:]\n"
        "from pathlib import Path; import test_results\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with test_results.opened(Path('r')) as known:\n"
        "    for name in 'abcd':\n"
        "        known.add(test_results.row(f'/{name}'))\n"
    )
    tests = Path(__file__).parent
    words = [sys.executable, "-c", code, str(tests), str(tests.parent)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "FatalError: r: File too large; see to it, and the same command goes on" in done.stderr
    with opened(tmp_path / "r") as known:
        n_whole = len(known)
        known.add(row("/z"))
    assert 1 <= n_whole < 4
    assert paths(tmp_path / "r")[-1] == "/z"
