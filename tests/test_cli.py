"""The commands as a person runs them: real files, the shipped model."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import make_audio
import make_tutorial
import mutagen
import numpy as np
import pytest
import soundfile

from genretagger import bundle, cli, tags
from genretagger.cli import commands
from genretagger.cli.options import COMMANDS, parse
from genretagger.genres import GENRES
from genretagger.writing.signals import uninterrupted

CONTAINERS = [
    *("MP3", "FLAC", "Ogg Vorbis", "Opus", "WAV", "AIFF", "M4A AAC", "M4A ALAC", "WMA"),
    *("Monkey's Audio", "Musepack", "WavPack", "DSF"),
]


def run(capsys, *arguments):
    """Run a command in this process, one job; return exit code, rows or text, and messages."""
    capsys.readouterr()
    words = [str(a) for a in arguments]
    if words[0] in ("tag", "predict") and "--jobs" not in words:
        words += ["--jobs", "1"]
    code = cli.main(words)
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()] if "json" in words else out
    return code, rows, err


def snapshot(folder):
    """Describe every file below a folder: content, mode and modification time."""
    return {
        path: (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def collection(encoded, tmp_path):
    """A folder with one short track in each of thirteen formats, without genres."""
    folder = tmp_path / "Music"
    folder.mkdir()
    for form in CONTAINERS:
        suffix = make_audio.FORMS[form].suffix
        path = folder / f"{form.replace(' ', '_')}{suffix}"
        shutil.copyfile(encoded(form, seconds=2.0), path)
        make_audio.FORMS[form].tag(path, (), {"title": "T", "artist": "A"})
    return folder


def genres_in(path):
    return [v for block in tags.read(path).blocks for v in block.values]


def test_a_collection_is_planned_tagged_and_found_done(collection, capsys):
    before = snapshot(collection)
    code, planned, _ = run(capsys, "tag", "--dry-run", "--always", "--format", "json", collection)
    assert code == 0
    assert len(planned) == len(CONTAINERS)
    assert {row["state"] for row in planned} == {"change"}
    assert snapshot(collection) == before

    code, done, _ = run(capsys, "tag", "--always", "--format", "json", collection)
    assert code == 0
    assert done == planned
    for row in done:
        assert genres_in(Path(row["path"])) == row["new"]

    after = snapshot(collection)
    code, again, err = run(capsys, "tag", "--always", "--format", "json", collection)
    assert code == 0
    assert {row["state"] for row in again} == {"keep"}
    assert "0 changed" in err
    assert snapshot(collection) == after


def test_replacing_with_the_same_touches_no_file(collection, capsys, monkeypatch):
    run(capsys, "tag", "--always", collection)

    def must_not_be_called(*args, **kwargs):
        raise AssertionError("a file was written")

    monkeypatch.setattr(tags, "write", must_not_be_called)
    arguments = ("tag", "--always", "--existing", "replace", "--format", "json", collection)
    code, rows, _ = run(capsys, *arguments)
    assert code == 0
    assert {row["state"] for row in rows} == {"keep"}


def test_predict_gives_one_object_a_line_for_each_track(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    code, (row,), _ = run(capsys, "predict", "--format", "json", path)
    assert code == 0
    assert list(row) == ["schema", "path", "state", "genres", "probabilities", "reason"]
    assert list(row["probabilities"]) == list(GENRES)
    assert all(0.0 <= p <= 1.0 for p in row["probabilities"].values())
    assert row["path"] == str(path)


@pytest.mark.parametrize("command", ["predict", "tag --dry-run"])
def test_looking_opens_no_file_of_the_collection_for_writing(collection, command):
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ctime_ns) for p in collection.iterdir()}
    code = f"""
import os, sys
from genretagger.cli import main
def watch(event, arguments):
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & writes:
        print("opened to write:", arguments[0])
sys.addaudithook(watch)
sys.exit(main({[*command.split(), "--always", "--jobs", "1", str(collection)]!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len([line for line in lines if str(collection) in line]) == len(CONTAINERS)
    assert not [li for li in lines if "opened to write" in li and str(collection) in li]
    assert before == {p: (p.stat().st_mtime_ns, p.stat().st_ctime_ns) for p in before}


def test_predict_lists_genres_best_first(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    arguments = ("predict", "--threshold", "0", "--max-genres", "3", "--format", "json", path)
    _, (row,), _ = run(capsys, *arguments)
    assert row["genres"][0] == max(row["probabilities"], key=row["probabilities"].get)
    probabilities = [row["probabilities"][genre] for genre in row["genres"]]
    assert probabilities == sorted(probabilities, reverse=True)


@pytest.mark.parametrize(("existing", "kept"), [("skip", True), ("replace", False)])
def test_somebodys_own_genre_survives_unless_asked(audio_file, capsys, existing, kept):
    path = audio_file("MP3", genre=("Blues",), seconds=2.0)
    run(capsys, "tag", "--always", "--existing", existing, path)
    assert (genres_in(path) == ["Blues"]) is kept


@pytest.mark.parametrize("style", ["combined", "multi"])
@pytest.mark.parametrize("existing", ["append", "prepend"])
def test_append_appends_and_prepend_prepends_in_the_dry_run_the_plan_and_the_run(
    audio_file, capsys, tmp_path, existing, style
):
    path = audio_file("FLAC", seconds=2.0)
    _, (row,), _ = run(
        capsys, "predict", "--max-genres", "1", "--threshold", "0", "--format", "json", path
    )
    (decided,) = row["genres"]
    # of ours, too, and on the wrong side by our own order
    first, *_, last = (genre for genre in GENRES if genre != decided)
    held = last if existing == "append" else first
    new = [held, decided] if existing == "append" else [decided, held]
    new = new if style == "multi" else ["; ".join(new)]
    ours, planned = (audio_file("FLAC", name=n, genre=(held,), seconds=2.0) for n in "ab")
    arguments = ("--always", "--max-genres", "1", "--existing", existing, "--genre-style", style)
    tag = ("tag", *arguments, "--format", "json")
    saved = ("--dry-run", "--plan", tmp_path / "plan")
    for extra, track in (((), ours), (saved, planned)):
        _, (row,), _ = run(capsys, *tag, *extra, track)
        assert row["new"] == new
    run(capsys, "apply", tmp_path / "plan")
    assert genres_in(ours) == genres_in(planned) == new
    _, (row,), _ = run(capsys, *tag, ours)
    assert row["state"] == "keep"


def test_another_field_leaves_the_genre_alone(audio_file, capsys):
    path = audio_file("FLAC", genre=("Blues",), seconds=2.0)
    code, (row,), _ = run(capsys, "tag", "--always", "--field", "HEARD", "--format", "json", path)
    assert (code, row["state"]) == (0, "change")
    found = mutagen.File(path)
    assert found["GENRE"] == ["Blues"]
    assert found["HEARD"] == row["new"]
    _, (row,), _ = run(capsys, "tag", "--always", "--field", "HEARD", "--format", "json", path)
    assert row["state"] == "keep"


def test_genres_are_mapped_protected_and_left_out(audio_file, capsys, tmp_path):
    mapping = tmp_path / "names.txt"
    mapping.write_text("".join(f"{genre} = My {genre}\n" for genre in GENRES if genre != "Rock"))
    path = audio_file("FLAC", seconds=2.0, comment="hands off")
    tag = ("tag", "--always", "--format", "json", "--existing", "replace", path)
    _, (row,), _ = run(capsys, *tag, "--protect-if", "comment matches ^hands")
    assert row["state"] == "keep"
    _, (row,), _ = run(capsys, *tag, "--map", mapping, "--exclude", "Rock", "--max-genres", "1")
    (new,) = row["new"]
    assert new == f"My {row['genres'][0]}"
    assert genres_in(path) == [new]
    _, (row,), _ = run(capsys, *tag, "--protect", new)
    assert row["reason"].endswith(f'kept: "{new}" is protected')
    _, (row,), _ = run(capsys, *tag, "--only", "jazz")
    assert row["new"] == ["Jazz"]


def test_undecided_tracks_are_never_written(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    before = snapshot(path.parent)
    code, (row,), err = run(capsys, "tag", "--threshold", "1", "--format", "json", path)
    assert (code, row["state"], row["new"]) == (0, "undecided", [])
    assert re.match(r"undecided: .+ is the best guess, 1\.0+ would be needed", row["reason"])
    assert "1 undecided" in err
    assert snapshot(path.parent) == before


def test_mtime_is_preserved_when_asked(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    os.utime(path, ns=(10**18, 10**18))
    run(capsys, "tag", "--always", "--preserve-mtime", path)
    assert genres_in(path)
    assert path.stat().st_mtime_ns == 10**18


def test_a_playlist_and_standard_input_name_files(audio_file, capsys, monkeypatch):
    path = audio_file("FLAC", name="a b", seconds=2.0)
    playlist = path.with_name("list.m3u")
    playlist.write_text("#EXTM3U\na b.flac\n")
    _, rows, _ = run(capsys, "predict", "--files-from", playlist, "--format", "json")
    assert [row["path"] for row in rows] == [str(path)]

    stdin = io.TextIOWrapper(io.BytesIO(os.fsencode(path) + b"\0"))
    monkeypatch.setattr(sys, "stdin", stdin)
    _, rows, _ = run(capsys, "predict", "--files-from", "-", "--format", "json")
    assert [row["path"] for row in rows] == [str(path)]


@pytest.mark.parametrize("n", [1, 2])
def test_kinds_that_can_only_be_heard_are_counted_by_tag(tmp_path, capsys, n):
    kinds = ["aac", "ac3", "mka", "tta"]
    for kind in kinds:
        (tmp_path / f"a.{kind}").touch()
    if n == 2:
        (tmp_path / "b.aac").touch()
    code, rows, message = run(capsys, "tag", "-n", "--format", "json", tmp_path)
    listed = "aac, ac3, mka, tta" if n == 1 else "aac 2, ac3 1, mka 1, tta 1"
    assert (code, rows) == (0, [])
    assert message.splitlines() == [
        f"passed over {3 + n} audio files of kinds that can be heard, but not tagged ({listed})",
        "nothing was written, and there is nothing to write",
    ]


def test_kinds_that_can_only_be_heard_are_heard_by_predict_and_beside_others_passed_over_by_tag(
    audio_file, capsys
):
    path = audio_file("FLAC", seconds=2.0)
    other = path.with_name("b.aac")
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg (Debian package ffmpeg)")
    subprocess.run(["ffmpeg", "-v", "error", "-i", path, other], check=True)
    code, rows, _ = run(capsys, "predict", "--format", "json", path.parent)
    assert (code, [row["path"] for row in rows]) == (0, [str(other), str(path)])
    assert all(row["probabilities"] for row in rows)
    code, rows, message = run(capsys, "tag", "-n", "--format", "json", path.parent)
    assert (code, [row["path"] for row in rows]) == (0, [str(path)])
    assert "passed over 1 audio file of a kind that can be heard, but not tagged (aac)" in message
    assert "1 track:" in message


def test_a_report_is_not_written_over_audio_that_can_only_be_heard(tmp_path, capsys):
    (tmp_path / "a.aac").write_bytes(b"sound")
    code, _, message = run(capsys, "tag", "-n", "-o", tmp_path / "a.aac", tmp_path)
    assert code == 3
    assert "is an audio file, and stays" in message
    assert (tmp_path / "a.aac").read_bytes() == b"sound"


def test_what_a_playlist_names_in_vain_is_a_line_each_and_nothing_else_is_heard(audio_file, capsys):
    path = audio_file("FLAC", name="one", seconds=2.0)
    audio_file("FLAC", name="two", seconds=2.0)
    playlist = path.with_name("list.m3u")
    playlist.write_bytes(
        "#EXTM3U\r\nhttp://radio/x\r\n.\r\ngone.mp3\r\none.flac\r\n".encode("utf-16")
    )
    code, rows, message = run(capsys, "tag", "--files-from", playlist, "--format", "json")
    assert code == 1
    assert [(row["path"], row["reason"].partition(";")[0]) for row in rows[:-1]] == [
        (str(playlist), "http://radio/x is not a file on this machine"),
        (str(path.parent), "it is a folder, and a list names files"),
        (str(path.with_name("gone.mp3")), "cannot be read: No such file or directory"),
    ]
    assert rows[-1]["path"] == str(path)
    assert "4 tracks" in message


@pytest.mark.parametrize("command", [("tag", "--dry-run"), ("tag",), ("predict",)])
def test_a_name_that_no_file_can_have_is_a_line_like_a_missing_file(audio_file, capsys, command):
    path = audio_file("FLAC", name="one", seconds=2.0)
    long, below = path.with_name("a" * 300 + ".mp3"), path.with_name("b" * 300) / "c.mp3"
    playlist = path.with_name("list.m3u")
    playlist.write_text(f"{long.name}\n{below.parent.name}/c.mp3\none.flac\n")
    for named in ((long, below, path), ("--files-from", playlist)):
        code, rows, message = run(capsys, *command, *named, "--format", "json")
        assert code == 1
        assert [row["path"] for row in rows] == [str(long), str(below), str(path)]
        for row in rows[:2]:
            assert row["reason"].endswith("cannot be read: File name too long")
        assert f"{long}: cannot be read: File name too long" in message


def test_a_review_of_a_name_that_no_file_can_have_has_nothing_to_show(tmp_path, capsys):
    pytest.importorskip("starlette")
    code, _, message = run(capsys, "review", tmp_path / ("a" * 300 + ".mp3"))
    assert code != 0
    assert "File name too long" in message


def test_csv_has_a_heading_and_a_column_for_each_genre(audio_file, capsys, tmp_path):
    path = audio_file("FLAC", name='quote " and, comma', seconds=2.0)
    report = tmp_path / "report.csv"
    code, out, _ = run(capsys, "tag", "-n", "--always", "--format", "csv", "-o", report, path)
    assert (code, out) == (0, "")
    with report.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert list(row) == ["path", "state", "old", "new", "genres", "reason", *GENRES]
    assert row["path"] == str(path)
    assert row["state"] == "change"
    assert 0.0 <= float(row["Rock"]) <= 1.0


def test_a_table_in_a_pipe_has_one_line_for_each_track(audio_file, capsys):
    path = audio_file("FLAC", name="new\nline \x1b[2J", seconds=2.0)
    _, out, _ = run(capsys, "tag", "-n", "--always", path)
    (line,) = out.splitlines()
    state, shown, change, reason = line.split("\t")
    assert state == "change"
    assert shown.endswith(r"new\nline \x1b[2J.flac")
    assert change.startswith("(none) -> ")
    assert reason


def test_the_genres_their_aliases_and_the_fusions_are_listed(capsys):
    code, out, _ = run(capsys, "genres")
    assert code == 0
    assert "19 pairs of genres that often go together" in out
    assert "  Pop; Rock" in out
    assert all(f"  {genre}" in out for genre in GENRES)


@pytest.mark.parametrize("name", ["default", "accurate"])
def test_the_model_says_in_fifteen_lines_what_each_genres_word_is_worth(capsys, name):
    code, out, _ = run(capsys, "model", "--bundle", name)
    assert code == 0
    lines = out.splitlines()
    assert len(lines) == 15
    assert max(map(len, lines[1:])) <= 80  # behind the folder, which has what length it has
    model = bundle.read(name)
    metrics = model.info["metrics"]
    rock = metrics.get("unseen", metrics)["decisions_by_genre"]["Rock"]
    share = round(100 * rock["right"] / rock["written"])
    assert f"Rock         {share:>3} right" in out
    for genre, threshold in zip(GENRES, model.thresholds, strict=True):
        worth = "unheard +" if genre in metrics.get("unheard", ()) else ".*?"
        assert re.search(rf"{genre} +{worth}from {threshold:.2f}", out)


def test_a_model_without_measurements_is_shown_all_the_same(capsys, tmp_path):
    copied = tmp_path / "bundle"
    shutil.copytree(bundle.DEFAULT, copied)
    info = json.loads((copied / "bundle.json").read_text())
    (copied / "bundle.json").write_text(json.dumps({**info, "metrics": {}, "data": {}}))
    code, out, _ = run(capsys, "model", "--bundle", copied)
    assert code == 0
    assert out.count("too rare") == len(GENRES)


def test_the_model_shows_all_as_json_and_verifies(capsys):
    assert cli.main(["model", "--json", "--verify"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert {"thresholds", "metrics", "sha256", "features", "licence", "id"} <= set(card)
    assert list(card["thresholds"]) == list(GENRES)
    code, out, _ = run(capsys, "model", "--verify")
    assert code == 0
    assert out.splitlines()[-1].startswith("verified: ")


def test_a_damaged_model_refuses_to_run_and_nothing_is_written(audio_file, capsys, tmp_path):
    path = audio_file("FLAC", seconds=2.0)
    before = snapshot(path.parent)
    damaged = tmp_path / "bundle"
    shutil.copytree(bundle.DEFAULT, damaged)
    model = bytearray((damaged / "model.tflite").read_bytes())
    model[len(model) // 2] ^= 1
    (damaged / "model.tflite").write_bytes(model)
    shutil.copyfile(path, tmp_path / "x.flac")
    code, _, err = run(capsys, "tag", "--always", "--bundle", damaged, path)
    assert code == 3
    assert "model.tflite is damaged" in err
    assert snapshot(path.parent).items() >= before.items()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag"], "name at least one file or folder"),
        (["tag", "x", "--threshold", "1.5"], "1.5 is not between 0 and 1"),
        (["tag", "x", "--max-genres", "0"], "0 is not at least 1"),
        (["tag", "x", "--jobs", "0"], "0 is not at least 1"),
        (["tag", "x", "--separator", ""], "at least one printable character"),
        (["tag", "x", "--field", "a=b"], "ASCII, without ="),
        (["tag", "x", "--field", "Album Artist"], "means something else already"),
        (["tag", "x", "--field", "genre"], "means something else already"),
        (["tag", "x", "--jobs", "many"], "many is not a whole number"),
        (["tag", "x", "--threshold", "high"], "high is not a number"),
        (["tag", "x", "--existing", "burn"], "'burn' is none of skip, replace, append, prepend"),
        (["tag", "x", "--existing", "preprend"], "did you mean prepend?"),
        (["tag", "x", "--dry-rum"], "there is no option --dry-rum; did you mean --dry-run?"),
        (["tag", "x", "--zzz=1"], "genretagger tag: there is no option --zzz (see"),
        (["model", "x"], "'x' is one word too many"),
        (["apply"], "required: PLAN (see genretagger apply --help)"),
        (["undi"], "there is no command 'undi'; did you mean undo?"),
        (["--verison"], "there is no option --verison; did you mean --version?"),
        (["--dry-run", "tag", "x"], "--dry-run goes behind the command: genretagger tag --dry-run"),
        (["/"], "'/'; name one before a file or folder: genretagger tag --dry-run /"),
        (["tag", "x", "--only", "Blues"], "Blues is not one of Ambient"),
        (["tag", "x", "--only", "Rock", "--exclude", "rock"], "leave no genre"),
        (["tag", "x", "--protect-if", "genre is Rock"], "write 'genre matches REGEX'"),
        (["tag", "x", "--protect-if", "genre matches ("], "missing )"),
        (["tag", "x", "--map", "/nowhere"], "/nowhere: No such file"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_says_why_in_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert err.endswith("--help)\n")


def test_alone_it_shows_help_with_three_examples(capsys):
    assert cli.main([]) == 0
    out = capsys.readouterr().out
    _, _, examples = out.partition("examples:\n")
    words = [line.split("  ")[1].split() for line in examples.splitlines()]
    assert [line[:2] for line in words] == [["genretagger", c] for c in ("tag", "tag", "undo")]
    for line in words:
        assert parse(line[1:]).command == line[1]


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_breaks_no_word_at_80_columns(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"] if name is None else [name, "--help"])
    narrow = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"] if name is None else [name, "--help"])
    assert narrow.split() == capsys.readouterr().out.split()
    assert max(map(len, narrow.splitlines())) <= 80


_MANY_LINES = """
genretagger tag --always --existing append x.flac
genretagger history; genretagger audit -q x.flac; genretagger model; genretagger cache
genretagger show x.flac
genretagger tag --threshold many x.flac
genretagger predict --bundle nowhere x.flac
genretagger apply "a plan with a name of many words that is not there"
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix terminal")
def test_no_line_on_a_terminal_is_longer_than_it_is_wide(audio_file, tmp_path):
    genre = ", ".join(["A genre of many a word"] * 6)
    audio_file("FLAC", name="x", genre=(genre,), seconds=12.0)
    shown = make_tutorial.said(_MANY_LINES, tmp_path, columns=80)
    assert shown.count("genretagger") > 3
    # what is one word, such as a path, stays whole
    assert [line for line in shown.splitlines() if len(line) > 80 and " " in line.strip()] == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix terminal")
def test_what_goes_into_a_file_does_not_go_to_the_terminal_beside_it(audio_file, tmp_path):
    audio_file("FLAC", name="x", seconds=2.0)
    words = "genretagger predict --jobs 1 --format json x.flac"
    shown = make_tutorial.said(f"{words} > rows.json; {words} | cat > piped.json", tmp_path)
    assert "1/" in shown  # the bar
    assert "probabilities" not in shown
    for name in ("rows.json", "piped.json"):
        (row,) = map(json.loads, (tmp_path / name).read_text().splitlines())
        assert row["path"] == "x.flac"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix terminal")
@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_lines_on_a_terminal_stay_whole_while_a_bar_runs_below_them(
    audio_file, tmp_path, monkeypatch, terminal
):
    monkeypatch.setitem(make_tutorial.TERMINAL, "TERM", terminal)
    name = "a name of many words " * 6 + "with_a_long_one_at_the_end_" * 3
    audio_file("FLAC", name=name, seconds=2.0)
    for form, read in (("json", json.loads), ("csv", lambda line: next(csv.reader([line])))):
        words = f"genretagger predict --jobs 1 --format {form} *.flac"
        shown = make_tutorial.said(words, tmp_path, columns=60)
        plain = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "\n", shown)
        assert "1/" in plain  # the bar
        (line,) = (line.strip() for line in plain.splitlines() if f"{name}.flac" in line)
        row = read(line)
        assert (row["path"] if form == "json" else row[0]) == f"{name}.flac"


def test_a_history_of_nothing_says_so(capsys):
    assert cli.main(["history"]) == 0
    assert capsys.readouterr() == ("", "no run has changed a file yet\n")


def test_the_summary_names_hidden_music(collection, capsys):
    (collection / ".hack").mkdir()
    (collection / ".hack" / "1.mp3").write_bytes(b"")
    cli.main(["tag", "--dry-run", str(collection)])
    hidden = f"a name with a dot in front is hidden: {collection}/.hack; name it to hear it"
    assert hidden in capsys.readouterr().err
    cli.main(["tag", "--dry-run", "--ignore", ".hack", str(collection)])
    assert "is hidden" not in capsys.readouterr().err


def test_the_report_is_not_written_over_an_audio_file(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    before = snapshot(path.parent)
    code, _, err = run(capsys, "predict", "-o", path, path)
    assert code == 3
    assert "is an audio file" in err
    assert snapshot(path.parent) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["tag", "--dry-run", "--plan", "/dev/full"], "--plan /dev/full"),
        (["predict", "--format", "json", "--output", "/dev/full"], "--output /dev/full"),
        (["playlist", "Rock > 0.001", "--m3u", "/dev/full", "--from"], "--m3u /dev/full"),
        (["predict", "--format", "csv"], "standard output"),
        (["tag", "--dry-run"], "standard output"),
    ],
)
def test_a_disk_that_is_full_is_said_in_a_line(collection, words, named):
    with Path(os.devnull if "/dev/full" in words else "/dev/full").open("w") as output:
        ended = subprocess.run(
            [sys.executable, "-m", "genretagger", *words, collection],
            check=False,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 3
    assert f"genretagger: {named}: No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_plan_is_not_written_over_an_audio_file(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    before = snapshot(path.parent)
    code, _, err = run(capsys, "tag", "--dry-run", "--plan", path, path)
    assert code == 3
    assert "is an audio file, and stays" in err
    assert snapshot(path.parent) == before


@pytest.mark.parametrize("command", [("tag", "--dry-run"), ("predict",)])
def test_what_is_missing_stands_in_the_report_too(audio_file, capsys, command):
    path = audio_file("FLAC", seconds=2.0)
    missing = path.with_name("gone.flac")
    code, rows, err = run(capsys, *command, "--format", "json", missing, path)
    assert code == 1
    assert sorted(row["path"] for row in rows) == sorted([str(missing), str(path)])
    assert "2 tracks" in err
    assert f"{missing}: cannot be read: No such file" in err


def test_a_flag_may_stand_before_or_after_the_path(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    _, first, _ = run(capsys, "tag", "--dry-run", "--format", "json", path)
    _, second, _ = run(capsys, "tag", path, "--dry-run", "--format", "json")
    assert first == second


def test_ctrl_c_leaves_every_file_whole_and_says_what_was_done(tmp_path):
    music = tmp_path / "Music"
    music.mkdir()
    make_audio.make("FLAC", tmp_path / "one.flac", seconds=20.0)
    n_files = 80  # seconds of work, of which the signal comes after a moment
    for number in range(n_files):
        shutil.copyfile(tmp_path / "one.flac", music / f"{number:03}.flac")
    report = tmp_path / "report.jsonl"
    command = [sys.executable, "-m", "genretagger", "tag", "--always", "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "--format", "json", "-o", report, music],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not report.exists() or report.read_text().count("\n") < 3:
        assert process.poll() is None
        time.sleep(0.01)
    for _ in range(3):  # as impatient people do
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
        time.sleep(0.05)
    _, err = process.communicate(timeout=60)
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted: every file is whole" in err
    assert f"{len(rows)} changed" in err
    assert 3 <= len(rows) < n_files
    changed = {Path(row["path"]).name for row in rows}
    for path in music.iterdir():
        assert bool(genres_in(path)) is (path.name in changed)
        assert len(soundfile.read(path)[0]) == 20 * 44100


def test_a_write_in_progress_is_finished_before_ctrl_c_takes_effect():
    steps = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        steps.append("begun")
        signal.raise_signal(signal.SIGINT)
        steps.append("finished")
    assert steps == ["begun", "finished"]


def test_a_reader_that_goes_away_ends_the_run_quietly(collection):
    command = (
        f"{sys.executable} -m genretagger predict --jobs 1 --format json {collection} | head -1"
    )
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_every_command_has_a_module_that_runs_it():
    folder = Path(commands.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert set(COMMANDS) == modules
    for name in COMMANDS:
        assert callable(import_module(f"genretagger.cli.commands.{name}").run)


def test_help_answers_at_once(capsys):
    started = time.process_time()
    subprocess.run([sys.executable, "-m", "genretagger", "--help"], check=True, capture_output=True)
    assert time.process_time() - started < 5  # a hang, not a speed test: see tests/benchmarks
    for command in ("tag", "predict", "genres", "model"):
        with pytest.raises(SystemExit, match="0"):
            cli.main([command, "--help"])
        assert "usage: genretagger" in capsys.readouterr().out


# --- bad input: one clear line for each, the run goes on, and no file is altered ------------


def _text(path):
    path.write_text("Dear diary, " * 500)


def _nan(path):
    y = np.zeros(88200, dtype=np.float32)
    y[44100] = np.nan
    soundfile.write(path, y, 44100, subtype="FLOAT")


def _cover_only(path):
    path.write_bytes(make_audio.id3v2_tag(4, b"APIC" + bytes(2000)))


def _truncated(form):
    def write(path):
        make_audio.make(form, path, seconds=40.0)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 5])

    return write


BAD = {
    "zero bytes.mp3": Path.touch,
    "zero bytes.flac": Path.touch,
    "zero bytes.m4a": Path.touch,
    "text.mp3": _text,
    "text.flac": _text,
    "text.ogg": _text,
    "text.wma": _text,
    "cover art only.mp3": _cover_only,
    "0.2 seconds.wav": lambda path: make_audio.make("WAV", path, seconds=0.2),
    "0.2 seconds.m4a": lambda path: make_audio.make("M4A AAC", path, seconds=0.2),
    "not a number.wav": _nan,
    "truncated.mp3": _truncated("MP3"),
    "truncated.flac": _truncated("FLAC"),
    "truncated.wav": _truncated("WAV"),
    "truncated.m4a": _truncated("M4A AAC"),
    "truncated.wv": _truncated("WavPack"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gives_one_clear_line_stops_nothing_and_is_not_altered(tmp_path, capsys, name):
    try:
        BAD[name](tmp_path / name)
    except make_audio.MissingToolError as error:
        pytest.skip(str(error))
    make_audio.make("FLAC", tmp_path / "good.flac", seconds=2.0)
    before = snapshot(tmp_path)
    code, rows, err = run(capsys, "tag", "--always", "--format", "json", tmp_path)
    states = {Path(row["path"]).name: row["state"] for row in rows}
    assert states == {name: "failed", "good.flac": "change"}
    assert code == 1
    (line,) = [line for line in err.splitlines() if name in line]
    assert len(line.partition(": ")[2]) > 10
    assert (tmp_path / name).read_bytes() == before[tmp_path / name][0]


@pytest.mark.parametrize("name", [b"new\nline", "emoji 🎸".encode(), b"caf\xe9", b"-dash"])
@pytest.mark.parametrize("form", ["FLAC", "MP3", "M4A AAC"])
def test_any_name_is_tagged_and_reported(audio_file, capsys, monkeypatch, name, form):
    plain = audio_file(form, seconds=2.0)
    monkeypatch.chdir(plain.parent)
    path = Path(os.fsdecode(name) + plain.suffix)
    plain.rename(path)
    for format_ in ("table", "csv", "json"):
        report = plain.parent / f"report.{format_}"
        arguments = ("tag", "-n", "--always", "--format", format_, "-o", report, ".")
        code, _, err = run(capsys, *arguments)
        assert (code, "1 to change" in err) == (0, True)
    assert name in (plain.parent / "report.csv").read_bytes()  # byte for byte
    code, (row,), _ = run(capsys, "tag", "--always", "--format", "json", ".")
    assert (code, row["state"]) == (0, "change")
    assert os.fsencode(row["path"]) == os.fsencode(path)
    assert genres_in(path) == row["new"]


def test_a_genre_in_a_tag_cannot_write_to_the_terminal(audio_file, capsys):
    path = audio_file("FLAC", genre=("Evil\x1b]0;title\x07",), seconds=2.0)
    _, out, _ = run(capsys, "tag", "-n", path)
    assert "\x1b" not in out
    assert r"Evil\x1b]0;title\x07" in out


def test_what_libraries_remark_stays_off_the_terminal(audio_file):
    path = audio_file("MP3", seconds=20.0)
    data = path.read_bytes()
    path.write_bytes(data[:-1000])  # the decoder has something to say of its Xing header
    for jobs in ("1", "2"):
        command = [sys.executable, "-m", "genretagger", "predict", "--jobs", jobs, path]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert re.fullmatch(r"1 track: \d decided, \d undecided, 0 failed\n", done.stderr)
    command = [sys.executable, "-m", "genretagger", "show", path]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert re.fullmatch(r"genretagger \d+\.\d+\.\d+\n", capsys.readouterr().out)
