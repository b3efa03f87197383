"""The line: what a dry run promises, the run does."""

import shutil
import subprocess
from pathlib import Path

import make_audio
import numpy as np
import pytest
import soundfile
from make_audio import FORMS, id3v1_tag, id3v2_tag
from runs import run

from genretagger import bundle, pipeline
from genretagger.decide import DecisionPolicy
from genretagger.errors import TrackError
from genretagger.genres import GENRES
from genretagger.pipeline import Options, make_plan
from genretagger.plan import TagPolicy
from genretagger.records import Prediction, State

PREDICTION = Prediction(tuple(i / 20 for i in range(len(GENRES))))  # Rock 0.65 comes first

CONTENT = b"\0Old"
FRAME = b"TCON" + len(CONTENT).to_bytes(4, "big") + bytes(2) + CONTENT


def _fragment(path: Path) -> None:
    whole = path.rename(path.with_name("whole.m4a"))
    options = ["-c", "copy", "-movflags", "+frag_keyframe+empty_moov"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", whole, *options, path], check=True)
    whole.unlink()


ODD = {
    "fragmented": ("M4A AAC", _fragment),
    "stray": ("MP3", lambda p: p.write_bytes(id3v2_tag(3, FRAME + b"junk" * 4) + p.read_bytes())),
    "id3v1": ("MP3", lambda p: p.write_bytes(p.read_bytes() + id3v1_tag(17))),
    "cut": ("Ogg Vorbis", lambda p: p.write_bytes(p.read_bytes()[:-100])),
    "empty": ("FLAC", lambda p: p.write_bytes(b"")),
    "text": ("WAV", lambda p: p.write_text("not audio")),
    "read-only": ("FLAC", lambda p: p.chmod(0o444)),
}


@pytest.fixture
def heard_as(monkeypatch):
    """What hearing gives, by the name of a file; `PREDICTION` unless a test says otherwise."""
    answers = {}

    def hear(files, **_):
        for file in files:
            answers.setdefault(file.path.stem, PREDICTION)
            yield answers[file.path.stem]

    monkeypatch.setattr(pipeline, "hear_tracks", hear)
    return answers


def options(**settings):
    model = bundle.read(bundle.DEFAULT)
    policy = DecisionPolicy((0.5,) * len(GENRES), max_genres=1)
    return Options(model, policy, settings.pop("tags", TagPolicy()), **settings)


@pytest.fixture(scope="module")
def odd_music(encoded, tmp_path_factory):
    """A folder with a track of every form, with and without a genre, and with odd ones."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed (Debian package ffmpeg)")
    folder = tmp_path_factory.mktemp("odd") / "Music"
    folder.mkdir()
    for form, kind in FORMS.items():
        for genre in ((), ("Blues",)):
            path = folder / f"{form.replace(' ', '_')}-{len(genre)}{kind.suffix}"
            shutil.copyfile(encoded(form, seconds=2.0), path)
            kind.tag(path, genre, {"title": "T", "album": path.stem})
    for name, (form, change) in ODD.items():
        path = folder / f"{name}{FORMS[form].suffix}"
        shutil.copyfile(encoded(form, seconds=2.0), path)
        change(path)
    return folder


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--existing", "replace"),
        ("--existing", "append", "--genre-style", "multi", "--id3", "2.3"),
        ("--existing", "replace", "--id3", "2.4", "--by", "album"),
        ("--field", "AUTOGENRE"),
        ("--field", "My Mood"),
    ],
    ids=" ".join,
)
def test_a_dry_run_gives_the_states_the_reasons_and_the_exit_code_of_the_run(
    odd_music, heard_as, tmp_path, capsys, words
):
    folder = tmp_path / "Music"
    shutil.copytree(odd_music, folder)
    tag = ("tag", *words, folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    promised_code, promised, _ = run(capsys, *tag, "--dry-run")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    code, done, _ = run(capsys, *tag)
    assert code == promised_code

    def outcome(row):
        why = row["reason"] if row["state"] == "failed" else ""
        return row["path"], row["state"], row["old"], row["new"], row["blocks"], why

    assert list(map(outcome, done)) == list(map(outcome, promised))
    states = {row["state"] for row in done}
    assert {"change", "failed"} <= states
    for row in done:
        path = Path(row["path"])
        assert (path.read_bytes() == before[path]) == (row["state"] != "change")


def test_lines_come_in_the_order_of_their_paths_and_say_what_each_track_is(audio_file, heard_as):
    paths = [audio_file("FLAC", name=n, genre=g) for n, g in (("b", ()), ("a", ("Blues",)))]
    paths.insert(1, paths[0].with_name("missing.flac"))
    heard_as["b"] = Prediction(PREDICTION.probabilities, ("short",))
    first, missing, kept = make_plan(paths, options())
    assert [line.path for line in (first, missing, kept)] == paths
    assert (first.state, first.new) == (State.CHANGE, ("Rock",))
    assert first.reason == ("Rock 0.65", "short")
    assert missing.state is State.FAILED
    assert missing.reason[0].startswith("cannot be examined")
    assert (kept.state, kept.reason) == (State.KEEP, ("Rock 0.65", 'kept: file has "Blues"'))


def test_what_stays_anyway_is_heard_only_if_asked(audio_file, heard_as):
    paths = [audio_file("FLAC", name=n, genre=g) for n, g in (("a", ()), ("b", ("Blues",)))]
    change, kept = make_plan(paths, options(analyse_all=False))
    assert set(heard_as) == {"a"}
    assert (kept.probabilities, kept.genres) == (None, ())
    again, shown = make_plan(paths, options(analyse_all=True))
    assert set(heard_as) == {"a", "b"}
    assert (again, shown.state, shown.genres) == (change, kept.state, ("Rock",))


@pytest.mark.parametrize(("genre", "state"), [((), State.FAILED), (("Blues",), State.KEEP)])
def test_a_track_that_cannot_be_heard_fails_unless_its_genre_stays(
    audio_file, heard_as, genre, state
):
    path = audio_file("FLAC", name="a", genre=genre)
    heard_as["a"] = TrackError("truncated")
    (line,) = make_plan([path], options())
    assert (line.state, line.old, line.new) == (state, genre, genre)
    assert "truncated" in line.reason[0]


def test_the_tracks_of_an_album_get_one_decision(audio_file, heard_as):
    texts = {"album": "Debut", "artist": "Ann"}
    paths = [audio_file("FLAC", name=name, **texts) for name in "abc"]
    paths.insert(1, audio_file("FLAC", name="x", album="Other"))
    sure_of_folk = tuple(0.99 if genre == "Folk" else 0.01 for genre in GENRES)
    heard_as |= {"a": Prediction(sure_of_folk), "b": Prediction(None), "c": TrackError("broken")}
    heard_as["x"] = PREDICTION
    a, b, c, x = make_plan(paths, options(by="album"))
    assert [line.path.stem for line in (a, b, c, x)] == ["a", "b", "c", "x"]
    assert (a.new, b.new, c.state, x.new) == (("Folk",), (), State.FAILED, ("Rock",))
    heard_as["b"] = Prediction(sure_of_folk, ("short",))
    a, b, *_ = make_plan(paths, options(by="album"))
    assert a.new == b.new == ("Folk",)
    assert b.reason[1:] == ("album: 2 tracks heard together",)


def test_audio_is_predicted_although_the_tags_cannot_be_read(audio_file, heard_as):
    path, missing = audio_file("FLAC", name="a"), Path("missing.flac")
    (path.parent / "b.flac").write_bytes(b"no tags that anybody could read")
    paths = [missing, path.parent / "b.flac", path]
    answers = list(pipeline.predict(paths, bundle.read(bundle.DEFAULT)))
    assert [p for p, _ in answers] == paths
    assert isinstance(answers[0][1], TrackError)
    assert [answer for _, answer in answers[1:]] == [PREDICTION, PREDICTION]


def test_a_broken_file_whose_genre_stays_is_kept_in_the_plan_as_in_the_run(tmp_path, capsys):
    make_audio.make("MP3", tmp_path / "a.mp3", seconds=40.0, genre=("Blues",))
    data = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(data[: len(data) * 2 // 5])
    code, (row,), _ = run(capsys, "tag", "--dry-run", tmp_path)
    assert (code, row["state"], row["new"]) == (0, "keep", ["Blues"])
    assert row["reason"].startswith("not heard: truncated")
    code, (row,), _ = run(capsys, "tag", tmp_path)
    assert (code, row["state"]) == (0, "keep")
    arguments = ("tag", "--existing", "replace", tmp_path)
    code, (row,), _ = run(capsys, *arguments)
    assert (code, row["state"], row["old"]) == (1, "failed", ["Blues"])


def test_silence_is_undecided_not_a_failure(tmp_path, capsys):
    path = tmp_path / "silence.flac"
    soundfile.write(path, np.zeros(441000), 44100)
    code, (row,), _ = run(capsys, "tag", "--always", path)
    assert (code, row["state"], row["probabilities"]) == (0, "undecided", None)
    assert "silent where it was heard" in row["reason"]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_read_only_fails_in_the_plan_already_and_stays(audio_file, capsys, what):
    path = audio_file("FLAC", seconds=2.0)
    locked = path if what == "file" else path.parent
    locked.chmod(0o555)
    before = path.read_bytes(), path.stat().st_mtime_ns, list(path.parent.iterdir())
    try:
        for more in (["--dry-run"], []):
            code, (row,), err = run(capsys, "tag", "--always", *more, path)
            assert (code, row["state"]) == (1, "failed")
            assert "read-only" in row["reason"]
            assert row["reason"] in err
        now = path.read_bytes(), path.stat().st_mtime_ns, list(path.parent.iterdir())
        assert now == before
    finally:
        locked.chmod(0o755)
