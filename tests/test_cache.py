"""What the cache believes, and what becomes of it when it is damaged."""

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
from runs import opened, run

from genretagger import audio, bundle, cache, database, hearing, places
from genretagger.cache import PredictionKey
from genretagger.errors import DamagedError, FatalError, TrackError
from genretagger.genres import GENRES
from genretagger.records import BlockChange, GenreBlock, Identity, Prediction, Seen, TrackTags

IDENTITY = Identity(1, 2, 3, 4_000_000_001, 5_000_000_001)
TAGS = TrackTags(
    (GenreBlock("ID3v2.4", ("Pop", "Röck")), GenreBlock("APEv2")),
    "ID3v2.4",
    "Ä",
    comments=("c", "d"),
)
HEARD = Prediction(tuple(i / 20 for i in range(len(GENRES))), ("short: 2.0 s",))
KEY = PredictionKey("an id", IDENTITY, "a bundle", has_cuesheet=False)
PATH = Path("/music/a.mp3")


def tags_in(opened_cache, path, field, identity, *, cue_beside):
    (found,) = opened_cache.tags([Seen(path, identity, cue_beside)], field)
    return found


def test_what_is_kept_is_recalled_by_the_next_run_to_the_last_digit(tmp_path):
    silent = Prediction(None, ("silent where it was heard",))
    with opened(tmp_path / "c") as first:
        first.keep_tags(Seen(PATH, IDENTITY), None, TAGS)
        first.keep_tags(Seen(PATH, IDENTITY), "HEARD", replace(TAGS, blocks=()))
        first.keep_audio_id(Seen(PATH, IDENTITY), KEY.audio_id)
        first.keep_prediction(KEY, HEARD)
        first.keep_prediction(replace(KEY, has_cuesheet=True), silent)
    with opened(tmp_path / "c") as second:
        assert tags_in(second, PATH, None, IDENTITY, cue_beside=False) == TAGS
        assert tags_in(second, PATH, "HEARD", IDENTITY, cue_beside=False).blocks == ()
        assert second.audio_id(Seen(PATH, IDENTITY)) == KEY.audio_id
        assert second.prediction(KEY) == HEARD
        assert second.prediction(replace(KEY, has_cuesheet=True)) == silent
        seen = Seen(PATH, IDENTITY)
        asked = [seen, seen._replace(path=Path("other")), seen._replace(has_cuesheet=True)]
        assert second.predictions(asked, KEY.bundle_id) == [HEARD, None, silent]
        assert second.predictions(asked, "another") == [None, None, None]
        touched = seen._replace(identity=replace(IDENTITY, ctime_ns=IDENTITY.ctime_ns + 1))
        assert second.predictions([touched], KEY.bundle_id) == [None]


def test_more_files_than_one_question_holds_are_each_recalled(tmp_path):
    paths = [Path(f"/music/{number}.mp3") for number in range(700)]
    with opened(tmp_path / "c") as first:
        for path in paths[::2]:
            found = replace(TAGS, album=path.stem)
            first.keep_tags(Seen(path, IDENTITY), None, found)
    with opened(tmp_path / "c") as second:
        found = second.tags([Seen(path, IDENTITY) for path in paths], None)
    assert [tags and tags.album for tags in found] == [
        None if number % 2 else str(number) for number in range(700)
    ]


@pytest.mark.parametrize("field", ["inode", "size", "mtime_ns", "ctime_ns"])
def test_a_file_that_was_touched_is_not_recalled(tmp_path, field):
    now = replace(IDENTITY, **{field: getattr(IDENTITY, field) + 1})
    with opened(tmp_path / "c") as first:
        first.keep_tags(Seen(PATH, IDENTITY), None, TAGS)
        first.keep_audio_id(Seen(PATH, IDENTITY), "an id")
    with opened(tmp_path / "c") as second:
        assert tags_in(second, PATH, None, now, cue_beside=False) is None
        assert second.audio_id(Seen(PATH, now)) is None
        assert tags_in(second, PATH, None, IDENTITY, cue_beside=True) is None  # a sheet has come
        assert tags_in(second, PATH, "HEARD", IDENTITY, cue_beside=False) is None


def test_another_bundle_or_a_cue_sheet_is_another_question(tmp_path):
    with opened(tmp_path / "c") as first:
        first.keep_prediction(KEY, HEARD)
    with opened(tmp_path / "c") as second:
        assert second.prediction(replace(KEY, bundle_id="another")) is None
        assert second.prediction(replace(KEY, has_cuesheet=True)) is None
        assert second.prediction(replace(KEY, audio_id="another")) is None


def test_a_failure_is_believed_of_the_very_file_only_and_only_if_its_bytes_are_why(tmp_path):
    with opened(tmp_path / "c") as first:
        first.keep_prediction(KEY, DamagedError("truncated"))
        first.keep_prediction(replace(KEY, bundle_id="b"), TrackError("install ffmpeg"))
    with opened(tmp_path / "c") as second:
        found = second.prediction(KEY)
        assert (type(found), str(found)) == (DamagedError, "truncated")
        assert second.prediction(replace(KEY, identity=replace(IDENTITY, ctime_ns=1))) is None
        assert second.prediction(replace(KEY, bundle_id="b")) is None


CHANGES = [BlockChange("ID3v2.4", (), ("Röck",)), BlockChange("APEv2", ("Pop",), ("Röck",))]


def test_whether_a_change_can_be_written_is_known_of_that_file_and_change_only(tmp_path):
    file = Seen(PATH, IDENTITY)
    with opened(tmp_path / "c") as first:
        first.keep_rehearsal(file, None, CHANGES, "")
        first.keep_rehearsal(file, "HEARD", CHANGES, "it cannot hold that")
    with opened(tmp_path / "c") as second:
        assert second.rehearsal(file, None, CHANGES) == ""
        assert second.rehearsal(file, "HEARD", CHANGES) == "it cannot hold that"
        assert second.rehearsal(file, "OTHER", CHANGES) is None
        assert second.rehearsal(file, None, CHANGES[:1]) is None
        touched = file._replace(identity=replace(IDENTITY, ctime_ns=IDENTITY.ctime_ns + 1))
        assert second.rehearsal(touched, None, CHANGES) is None
        assert second.rehearsal(Seen(Path("other"), IDENTITY), None, CHANGES) is None


def test_another_version_of_the_writer_is_asked_again(tmp_path, monkeypatch):
    file = Seen(PATH, IDENTITY)
    with opened(tmp_path / "c") as first:
        first.keep_rehearsal(file, None, CHANGES, "it cannot hold that")
    monkeypatch.setattr(cache, "_WRITER", cache._WRITER + 1)
    with opened(tmp_path / "c") as second:
        assert second.rehearsal(file, None, CHANGES) is None


def test_on_a_coarse_clock_a_file_that_has_just_changed_is_not_kept(tmp_path):
    second_ns = 10**9
    now_ns = time.time_ns() // second_ns * second_ns
    with opened(tmp_path / "c") as first:
        for age_s in (0, 10):
            at = now_ns - age_s * second_ns
            first.keep_tags(Seen(PATH, Identity(1, 2, 3, at, at)), str(age_s), TAGS)
    with opened(tmp_path / "c") as second:
        identities = [
            Identity(1, 2, 3, now_ns - s * second_ns, now_ns - s * second_ns) for s in (0, 10)
        ]
        assert tags_in(second, PATH, "0", identities[0], cue_beside=False) is None
        assert tags_in(second, PATH, "10", identities[1], cue_beside=False) == TAGS


def test_the_schema_is_raised_with_what_is_kept():
    # changed? Then raise cache.SCHEMA, and this list after it
    kept = [
        f.name for kind in (TrackTags, GenreBlock, Prediction) for f in dataclasses.fields(kind)
    ]
    assert (cache.SCHEMA, kept) == (
        1,
        [
            *("blocks", "native", "album", "album_artist", "artist", "is_compilation"),
            *("has_cuesheet", "comments", "kind", "values", "probabilities", "notes"),
            "embedding",  # which has a table of its own
        ],
    )


def test_tags_that_an_earlier_version_read_are_read_anew(tmp_path):
    with opened(tmp_path / "c") as first:
        first.keep_tags(Seen(PATH, IDENTITY), None, TAGS)
        first.keep_prediction(KEY, HEARD)
    as_before = "UPDATE tags SET tags = json_remove(tags, '$[0]')"
    _sql(as_before)(tmp_path / "c")  # it found a genre and a comment in fewer places
    with opened(tmp_path / "c") as later:
        assert tags_in(later, PATH, None, IDENTITY, cue_beside=False) is None
        assert later.prediction(KEY) == HEARD
        later.keep_tags(Seen(PATH, IDENTITY), None, TAGS)
    with opened(tmp_path / "c") as last:
        assert tags_in(last, PATH, None, IDENTITY, cue_beside=False) == TAGS


def test_a_cache_of_before_rehearsals_still_serves(tmp_path):
    with opened(tmp_path / "c") as first:
        first.keep_tags(Seen(PATH, IDENTITY), None, TAGS)
        first.keep_prediction(KEY, HEARD)
    _sql("DROP TABLE rehearsals")(tmp_path / "c")  # as version 0.1.0 left it
    for _ in range(2):
        with opened(tmp_path / "c") as later:
            assert tags_in(later, PATH, None, IDENTITY, cue_beside=False) == TAGS
            assert later.prediction(KEY) == HEARD
            later.keep_rehearsal(Seen(PATH, IDENTITY), None, CHANGES, "")
    with opened(tmp_path / "c") as last:
        assert last.rehearsal(Seen(PATH, IDENTITY), None, CHANGES) == ""


# ---- Damage ------------------------------------------------------------------------------------


def _garbage(path):
    path.write_bytes(b"this was a database once" * 1000)


def _cut(path):
    path.write_bytes(path.read_bytes()[:4096])


def _sql(statement):
    def change(path):
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(statement)
            db.commit()

    return change


DAMAGE = {
    "garbage": _garbage,
    "cut short": _cut,
    "another version": _sql("PRAGMA user_version = 99"),
    "a table is gone": _sql("DROP TABLE audio"),
    "another table": _sql("ALTER TABLE predictions ADD COLUMN more TEXT"),
    "nonsense in a row": _sql("UPDATE tags SET tags = '[1, 2'"),
    "too little in a row": _sql("UPDATE tags SET tags = '[[]]'"),
    "too few probabilities": _sql("UPDATE predictions SET probabilities = x'0000'"),
    "a table of another version": _sql("ALTER TABLE rehearsals RENAME COLUMN writer TO version"),
    "a number for text": _sql("UPDATE predictions SET notes = 7"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_set_aside_with_one_line_and_nothing_else_happens(
    audio_file, capsys, damage
):
    path = audio_file("FLAC", seconds=2.0)
    _, before, _ = run(capsys, "tag", "-n", "--always", path)
    where = places.cache_file()
    DAMAGE[damage](where)
    damaged = where.read_bytes()
    code, rows, err = run(capsys, "tag", "-n", "--always", path)
    assert (code, rows) == (0, before)
    (line,) = [line for line in err.splitlines() if line.startswith("genretagger: ")]
    assert line.startswith("genretagger: the cache ")
    assert line.endswith("and a new one is begun")
    aside = where.with_name("cache.sqlite.damaged")
    assert str(aside) in line
    assert aside.read_bytes() == damaged
    code, rows, err = run(capsys, "tag", "-n", "--always", path)  # the new one is sound
    assert (code, rows, "genretagger: " in err) == (0, before, False)


def test_damage_that_shows_in_the_middle_of_a_run_costs_no_answer(tmp_path):
    said = []
    paths = [Path(f"/music/{number:05}.mp3") for number in range(3000)]
    with opened(tmp_path / "c") as first:
        for path in paths:
            first.keep_tags(Seen(path, IDENTITY), None, TAGS)
    data = bytearray((tmp_path / "c").read_bytes())
    data[len(data) // 2 :] = os.urandom(len(data) - len(data) // 2)
    (tmp_path / "c").write_bytes(data)
    with opened(tmp_path / "c", said.append) as second:
        found = []
        for path in paths:
            found.append(tags_in(second, path, None, IDENTITY, cue_beside=False))
            if found[-1] is None:
                second.keep_tags(Seen(path, IDENTITY), None, TAGS)
    assert len(said) == 1
    (tmp_path / "d").write_bytes(data)
    with opened(tmp_path / "d") as asked, pytest.raises(FatalError, match=r"d: .*or delete it"):
        asked.contents()
    assert {TAGS, None} == set(found)
    with opened(tmp_path / "c") as third:
        assert third.contents().n_tracks >= found.count(None) > 0


@pytest.mark.parametrize("obstacle", ["a file in the way", "a folder in its place"])
def test_without_a_usable_cache_a_run_goes_on(audio_file, capsys, obstacle):
    path = audio_file("FLAC", seconds=2.0)
    where = places.cache_file()
    if obstacle == "a file in the way":
        where.parent.write_text("not a folder")
    else:
        where.mkdir(parents=True)
    for _ in range(2):
        code, (row,), err = run(capsys, "tag", "-n", "--always", path)
        assert (code, row["state"]) == (0, "change")
        (line,) = [line for line in err.splitlines() if line.startswith("genretagger: ")]
        assert line.endswith("going on without it")
    code, _, err = run(capsys, "cache")
    assert (code, "cannot be used" in err) == (3, True)


def test_a_full_disk_costs_what_would_be_remembered_and_nothing_else(
    audio_file, capsys, monkeypatch
):
    path = audio_file("FLAC", seconds=2.0)
    with opened():
        pass

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(database, "_write", full)
    code, (row,), err = run(capsys, "tag", "-n", "--always", path)
    assert (code, row["state"]) == (0, "change")
    assert err.count("(database or disk is full); going on without it") == 1
    code, _, err = run(capsys, "cache", "--clear")
    assert (code, "try again later" in err) == (3, True)


def test_while_another_holds_the_database_a_run_goes_on(audio_file, capsys, monkeypatch):
    monkeypatch.setattr(database, "_PATIENCE_S", 0.1)
    path = audio_file("FLAC", seconds=2.0)
    with opened():
        pass
    with contextlib.closing(sqlite3.connect(places.cache_file())) as other:
        other.execute("BEGIN EXCLUSIVE")
        code, (row,), err = run(capsys, "predict", path)
    assert (code, bool(row["probabilities"])) == (0, True)
    assert "database is locked" in err
    assert not places.cache_file().with_name("cache.sqlite.damaged").exists()


def test_what_was_heard_in_another_way_is_heard_anew(music, capsys, heard, monkeypatch):
    run(capsys, "predict", music)
    first = sorted(heard)
    heard.clear()
    run(capsys, "predict", music)
    assert heard == []
    monkeypatch.setattr(audio, "HEARING_VERSION", audio.HEARING_VERSION + 1)
    run(capsys, "predict", music)
    assert sorted(heard) == first
    monkeypatch.undo()


def test_what_was_kept_before_there_were_versions_is_heard_anew(music, capsys, heard):
    run(capsys, "predict", music)
    first = sorted(heard)
    heard.clear()
    shipped = bundle.read(bundle.DEFAULT).bundle_id
    with contextlib.closing(sqlite3.connect(places.cache_file())) as db, db:
        db.execute("UPDATE predictions SET bundle_id = ?", (shipped,))
    run(capsys, "predict", music)
    assert sorted(heard) == first


# ---- The command -------------------------------------------------------------------------------


def test_the_cache_is_shown_pruned_and_cleared(music, capsys, heard, tmp_path):
    other = tmp_path / "bundle"
    shutil.copytree(bundle.DEFAULT, other)
    text = (other / "bundle.json").read_text(encoding="utf-8")
    (other / "bundle.json").write_text(text + "\n", encoding="utf-8")
    run(capsys, "predict", music)
    run(capsys, "predict", "--bundle", other, music / "0.flac")
    ids = [hearing.hearing_id(bundle.read(path)) for path in (bundle.DEFAULT, other)]

    code, out, _ = run(capsys, "cache")
    assert code == 0
    assert str(places.cache_file()) in out
    assert "tracks: 3" in out
    assert f"  {ids[0]}: 3 (the one in use)\n" in out
    assert f"  {ids[1]}: 1\n" in out

    (music / "0.flac").unlink()
    os.utime(music / "2.ogg")  # its row no longer serves, what was heard does
    code, out, _ = run(capsys, "cache", "--prune")
    assert "tracks: 1\n" in out
    assert f"  {ids[0]}: 1 (the one in use)\n" in out
    assert ids[1] not in out
    heard.clear()
    run(capsys, "predict", music)
    assert heard == ["2.ogg"]

    code, out, _ = run(capsys, "cache", "--clear")
    assert (code, "tracks: 0\n" in out, f"  {ids[0]}: 0 " in out) == (0, True, True)
    heard.clear()
    run(capsys, "predict", music)
    assert heard == ["1.mp3", "2.ogg"]
