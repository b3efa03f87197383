"""What was read and heard once is not read and heard again; and one run writes at a time."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import make_audio
import mutagen
import pytest
import soundfile

from genretagger import bundle, cache, cli, pipeline, places, tags, workers
from genretagger.cache import Cache, PredictionKey
from genretagger.errors import DamagedError, FatalError, TrackError
from genretagger.genres import GENRES
from genretagger.identity import identify
from genretagger.records import BlockChange, GenreBlock, Identity, Prediction, Seen, TrackTags
from genretagger.writing import journal, lock

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


def run(capsys, *arguments):
    """Run a command in this process; return exit code, rows or text, and messages."""
    capsys.readouterr()
    words = [str(a) for a in arguments]
    if words[0] in ("tag", "predict"):
        words += ["--jobs", "1", "--format", "json"]
    code = cli.main(words)
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()] if "json" in words else out
    return code, rows, err


@pytest.fixture
def heard(monkeypatch):
    """The names of the files that are heard rather than recalled, to be cleared at will."""
    names = []
    hear = pipeline.hear_tracks

    def watched(files, **rest):
        names.extend(file.path.name for file in files)
        return hear(files, **rest)

    monkeypatch.setattr(pipeline, "hear_tracks", watched)
    return names


def opened(path=None, warn=pytest.fail):
    """Open a cache; a warning fails the test."""
    return contextlib.closing(Cache(path or places.cache_file(), warn=warn))


def encode(path, *, seconds=2.0, seed=0, gain=1.0):
    soundfile.write(path, gain * make_audio.music(seconds, 44100, 2, seed), 44100)


# ---- The identity of audio ---------------------------------------------------------------------


@pytest.mark.parametrize("form", make_audio.FORMS)
def test_tags_do_not_change_what_audio_is(encoded, audio_file, form):
    plain = tags.audio_id(encoded(form, seconds=8.0))
    # a comment so long that an Ogg stream gets new pages, and all later ones other numbers
    path = audio_file(form, genre=("Blues",), seconds=8.0, title="T", comment="long " * 30_000)
    assert tags.audio_id(path) == plain
    for block in tags.read(path).blocks:
        if block.values and block.kind != "ID3v2.2":
            tags.write(path, [BlockChange(block.kind, block.values, ())])
            assert tags.audio_id(path) == plain


@pytest.mark.parametrize("form", make_audio.FORMS)
def test_trimming_and_encoding_anew_change_what_audio_is(encoded, tmp_path, form):
    path = encoded(form, seconds=8.0)
    others = {tags.audio_id(path), tags.audio_id(encoded(form, seconds=7.9))}
    assert len(others) == 2
    cut = tmp_path / f"cut{path.suffix}"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    with contextlib.suppress(TrackError):  # the header may say that something is missing
        assert tags.audio_id(cut) not in others


@pytest.mark.parametrize("change", [{"seed": 1}, {"gain": 0.5}])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
def test_another_recording_of_the_same_length_is_another(tmp_path, suffix, change):
    one, other = tmp_path / f"1{suffix}", tmp_path / f"2{suffix}"
    encode(one, seconds=10.0)
    encode(other, seconds=10.0, **change)
    assert tags.audio_id(one) != tags.audio_id(other)


def test_a_change_of_the_sampling_rate_alone_is_seen(tmp_path):
    y = make_audio.music(2.0)
    soundfile.write(tmp_path / "1.wav", y, 44100)
    soundfile.write(tmp_path / "2.wav", y, 22050)
    assert tags.audio_id(tmp_path / "1.wav") != tags.audio_id(tmp_path / "2.wav")


def test_an_edit_list_that_cuts_an_mp4_is_seen(audio_file):
    path = audio_file("M4A AAC", seconds=4.0)
    before = tags.audio_id(path)
    data = path.read_bytes()
    at = data.index(b"elst") + 12  # the duration of the first edit
    path.write_bytes(data[:at] + (1000).to_bytes(4, "big") + data[at + 4 :])
    assert tags.audio_id(path) != before


# ---- What the cache believes -------------------------------------------------------------------


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
        ],
    )


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
    (line,) = [line for line in err.splitlines() if "cache" in line]
    assert line.startswith("genretagger: the cache ")
    assert line.endswith("and a new one is begun")
    aside = where.with_name("cache.sqlite.damaged")
    assert str(aside) in line
    assert aside.read_bytes() == damaged
    code, rows, err = run(capsys, "tag", "-n", "--always", path)  # the new one is sound
    assert (code, rows, "cache" in err) == (0, before, False)


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
        (line,) = [line for line in err.splitlines() if "cache" in line]
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

    monkeypatch.setattr(cache, "_write", full)
    code, (row,), err = run(capsys, "tag", "-n", "--always", path)
    assert (code, row["state"]) == (0, "change")
    assert err.count("(database or disk is full); going on without it") == 1
    code, _, err = run(capsys, "cache", "--clear")
    assert (code, "try again later" in err) == (3, True)


def test_while_another_holds_the_database_a_run_goes_on(audio_file, capsys, monkeypatch):
    monkeypatch.setattr(cache, "_PATIENCE_S", 0.1)
    path = audio_file("FLAC", seconds=2.0)
    with opened():
        pass
    with contextlib.closing(sqlite3.connect(places.cache_file())) as other:
        other.execute("BEGIN EXCLUSIVE")
        code, (row,), err = run(capsys, "predict", path)
    assert (code, bool(row["probabilities"])) == (0, True)
    assert "database is locked" in err
    assert not places.cache_file().with_name("cache.sqlite.damaged").exists()


# ---- Runs --------------------------------------------------------------------------------------


@pytest.fixture
def music(tmp_path):
    """Three tracks in a folder, all different."""
    folder = tmp_path / "Music"
    folder.mkdir()
    for number, suffix in enumerate((".flac", ".mp3", ".ogg")):
        encode(folder / f"{number}{suffix}", seed=number)
    return folder


def test_what_was_heard_is_not_heard_again(music, capsys, heard):
    _, first, _ = run(capsys, "predict", music)
    assert len(heard) == 3
    heard.clear()
    _, second, _ = run(capsys, "predict", music)
    assert (second, heard) == (first, [])
    _, planned, _ = run(capsys, "tag", "--dry-run", "--by", "album", music)
    assert (len(planned), heard) == (3, [])
    _, third, _ = run(capsys, "predict", "--no-cache", music)
    assert (third, len(heard)) == (first, 3)


def test_what_apply_and_undo_write_is_not_read_again(music, capsys, heard, monkeypatch, tmp_path):
    saved = tmp_path / "plan.jsonl"
    run(capsys, "tag", "-n", "--always", "--plan", saved, music)
    read = []
    real = tags.read
    monkeypatch.setattr(tags, "read", lambda path, **how: read.append(path) or real(path, **how))
    for command in (("apply", saved), ("undo",)):
        assert run(capsys, *command)[0] == 0
        assert read
        read.clear()
        heard.clear()
        assert run(capsys, "tag", "-n", "--always", music)[0] == 0
        assert read == heard == []


def test_without_the_cache_nothing_is_remembered(music, capsys):
    run(capsys, "predict", "--no-cache", music)
    assert not places.cache_file().exists()


def test_editing_tags_renaming_and_moving_do_not_make_it_heard_again(music, capsys, heard):
    run(capsys, "predict", music)
    heard.clear()
    for path in sorted(music.iterdir()):
        file = mutagen.File(path, easy=True)
        file["title"] = "Another title"
        file.save()
    (music / "0.flac").rename(music / "renamed.flac")
    music.rename(music.with_name("Moved"))
    code, rows, _ = run(capsys, "predict", music.with_name("Moved"))
    assert (code, len(rows), heard) == (0, 3, [])


def test_another_encoding_and_another_bundle_are_heard(music, capsys, heard, tmp_path):
    run(capsys, "predict", music)
    heard.clear()
    encode(music / "0.flac", seed=0, gain=0.9)
    encode(music / "1.mp3", seed=1, seconds=1.9)
    run(capsys, "predict", music)
    assert heard == ["0.flac", "1.mp3"]
    heard.clear()
    other = tmp_path / "bundle"
    shutil.copytree(bundle.DEFAULT, other)
    text = (other / "bundle.json").read_text(encoding="utf-8")
    (other / "bundle.json").write_text(text + "\n", encoding="utf-8")
    run(capsys, "predict", "--bundle", other, music)
    assert len(heard) == 3


def test_a_cue_sheet_that_appears_beside_a_file_is_noticed(tmp_path, capsys, heard):
    path = tmp_path / "album.flac"
    encode(path, seconds=250.0)
    _, (row,), _ = run(capsys, "predict", path)
    assert "cue sheet" not in row["reason"]
    (tmp_path / "album.cue").write_text("FILE album.flac WAVE")
    heard.clear()
    run(capsys, "predict", path)
    assert heard == ["album.flac"]


def test_after_writing_a_second_run_opens_no_file_starts_no_process_and_loads_no_network(music):
    code = f"""
import os, sys
folder, events = {str(music)!r}, []
def watch(event, arguments):
    if event == "open" and str(arguments[0]).startswith(folder):
        events.append(str(arguments[0]))
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
        events.append(event)
sys.addaudithook(watch)
from genretagger.cli import main
code = main(["tag", "--threshold", "0.9", "--jobs", "2", folder])
print("ai_edge_litert" in sys.modules, events)
sys.exit(code)
"""
    first = [sys.executable, "-m", "genretagger", "tag", "--jobs", "1"]
    subprocess.run([*first, "--always", music / "0.flac", music / "1.mp3"], check=True)
    subprocess.run([*first, "--threshold", "1", music], check=True)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "2 kept, 1 undecided" in done.stderr
    assert done.stdout.splitlines()[-1] == "False []"


def test_a_broken_file_is_not_decoded_again_until_it_is_another(music, capsys, heard):
    whole = music / "0.mp3"
    encode(whole, seconds=40.0)
    sound = whole.read_bytes()
    whole.write_bytes(sound[: len(sound) * 2 // 5])
    encode(music / "short.wav", seconds=0.2)
    code, first, _ = run(capsys, "tag", "-n", music)
    assert code == 1
    assert sorted(r["reason"][:5] for r in first if r["state"] == "failed") == ["too s", "trunc"]
    heard.clear()
    code, second, _ = run(capsys, "tag", "-n", music)
    assert (code, second, heard) == (1, first, [])
    whole.write_bytes(sound)
    code, third, _ = run(capsys, "tag", "-n", "--always", music)
    assert heard == ["0.mp3"]
    assert third[1]["state"] == "change"


def test_that_ffmpeg_is_missing_is_forgotten(audio_file, capsys, monkeypatch):
    path = audio_file("M4A AAC", seconds=2.0)
    with monkeypatch.context() as without:
        without.setenv("PATH", "")
        code, (row,), _ = run(capsys, "predict", path)
        assert (code, "install ffmpeg" in row["reason"]) == (1, True)
    code, (row,), _ = run(capsys, "predict", path)
    assert (code, bool(row["probabilities"])) == (0, True)


def test_what_replaces_a_file_while_it_is_heard_is_not_taken_for_it(music, capsys, monkeypatch):
    path = music / "0.flac"
    hear = workers._hear_in_worker

    def replaced(heard_path, *rest):
        encode(heard_path, seed=9)
        return hear(heard_path, *rest)

    with monkeypatch.context() as during:
        during.setattr(workers, "_hear_in_worker", replaced)
        run(capsys, "predict", path)
    with opened() as found:
        assert found.contents().n_predictions == {}


def test_a_killed_run_continues_where_it_was(tmp_path, capsys, heard):
    folder = tmp_path / "Music"
    folder.mkdir()
    for number in range(400):
        encode(folder / f"{number:03}.wav", seconds=1.2, seed=number)
    command = [sys.executable, "-m", "genretagger", "predict", "--jobs", "1", folder]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    n_kept = 0
    while not n_kept:  # what a second hears is written together
        assert process.poll() is None
        time.sleep(0.02)
        with (
            contextlib.suppress(sqlite3.OperationalError),  # no file yet, or no table
            contextlib.closing(sqlite3.connect(places.cache_file())) as db,
        ):
            (n_kept,) = db.execute("SELECT count(*) FROM predictions").fetchone()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    code, rows, _ = run(capsys, "predict", folder)
    assert (code, len(rows)) == (0, 400)
    assert 0 < len(heard) <= 400 - n_kept


def test_two_runs_may_hear_at_once_and_both_remember(music, capsys, heard):
    command = [sys.executable, "-m", "genretagger", "predict", "--jobs", "1", "--format", "json"]
    both = [
        subprocess.Popen([*command, music], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    (one, err_one), (two, err_two) = (process.communicate(timeout=120) for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert one == two
    assert b"cache" not in err_one + err_two
    with contextlib.closing(sqlite3.connect(places.cache_file())) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    run(capsys, "predict", music)
    assert heard == []


# ---- The command -------------------------------------------------------------------------------


def test_the_cache_is_shown_pruned_and_cleared(music, capsys, heard, tmp_path):
    other = tmp_path / "bundle"
    shutil.copytree(bundle.DEFAULT, other)
    text = (other / "bundle.json").read_text(encoding="utf-8")
    (other / "bundle.json").write_text(text + "\n", encoding="utf-8")
    run(capsys, "predict", music)
    run(capsys, "predict", "--bundle", other, music / "0.flac")
    ids = [bundle.read(path).bundle_id for path in (bundle.DEFAULT, other)]

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


# ---- One writer --------------------------------------------------------------------------------

TAG = [sys.executable, "-m", "genretagger", "tag", "--always", "--jobs", "1"]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_writing_run_is_refused_and_told_who_writes(music, capsys):
    before = contents(music)
    with lock.only_writer(places.state_folder(), "genretagger tag 'Meine\nMusik'"):
        for command in (["tag", music], ["undo"], ["apply", music / "plan"]):
            capsys.readouterr()
            assert cli.main([str(word) for word in command]) == 3
            (line,) = capsys.readouterr().err.splitlines()
            assert f"another run is writing (PID {os.getpid()}, since " in line
            assert "genretagger tag 'Meine Musik'" in line
            assert "wait for it, or stop it" in line
        code, rows, _ = run(capsys, "tag", "--dry-run", "--always", music)  # looking is free
        assert (code, len(rows)) == (0, 3)
        assert run(capsys, "predict", music)[0] == 0
    assert contents(music) == before
    assert run(capsys, "tag", "--always", music)[0] == 0


def test_a_lock_dies_with_its_run_and_its_workers_do_not_inherit_it(music, capsys):
    code = """
import sys, time
from joblib import Parallel, delayed
from genretagger import places
from genretagger.writing import lock
with lock.only_writer(places.state_folder(), "tag"):
    print(*Parallel(n_jobs=2)([delayed(int)(n) for n in range(4)]), flush=True)
    time.sleep(600)
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "0 1 2 3\n"
    assert run(capsys, "tag", "--always", music)[0] == 3
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert run(capsys, "tag", "--always", music)[0] == 0


def test_of_two_runs_at_once_one_writes_and_every_file_is_written_once(music):
    both = [
        subprocess.Popen([*TAG, music], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 3], [0, 0])  # the second may begin when the first is done
    changed = sum(out.count("change\t") for out, _ in outputs)
    assert changed == 3
    (entries,) = (journal.read(path)[1] for path in journal.history())
    assert len(entries) == 3
    for path in music.iterdir():
        assert len([b for b in tags.read(path).blocks if b.values]) == 1


def test_a_lock_that_cannot_be_had_stops_the_run(tmp_path):
    (tmp_path / "blocked").write_text("a file where a folder should be")
    with (
        pytest.raises(FatalError, match=r"the lock .*writing\.lock cannot be used: .*nothing was"),
        lock.only_writer(tmp_path / "blocked", "tag"),
    ):
        raise AssertionError("it must not be reached")


def test_errors_inside_of_the_lock_are_left_alone(tmp_path):
    for error in (OSError("something else"), BrokenPipeError(), KeyboardInterrupt()):
        with pytest.raises(type(error)), lock.only_writer(tmp_path, "tag"):
            raise error
    with lock.only_writer(tmp_path, "tag"):
        pass


def test_the_identity_of_a_file_that_is_gone_cannot_be_told(tmp_path):
    with pytest.raises(TrackError, match="cannot be examined"):
        identify(tmp_path / "gone")
