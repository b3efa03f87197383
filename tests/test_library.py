"""Used from other programs: one call, names, types, and lines of JSON by their schema."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import jsonschema
import make_audio
import pytest
import soundfile
from runs import LINES, line_validator, run

import genretagger
from genretagger.genres import GENRES
from genretagger.report.tables import SCHEMA

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = """
from pathlib import Path

import genretagger


def best(path: str) -> str:
    track = genretagger.predict(path, bundle="accurate", only=["Jazz"], always=True)
    first: str = track.genres[0]
    probability: float = track.probabilities[first]
    return f"{first} {probability:.2f} {track.reason} {genretagger.__version__}"


def all_below(folder: Path) -> None:
    with genretagger.opened_cache(print) as cache:
        for path, answer in genretagger.predict_tracks(
            folder.rglob("*.mp3"), "default", jobs=2, cache=cache
        ):
            if isinstance(answer, genretagger.TrackError):
                print(path.name, answer)
            elif answer.probabilities is not None:
                print(max(zip(answer.probabilities, genretagger.GENRES)))


bundle: genretagger.Bundle = genretagger.read_bundle("default")
decision = genretagger.decide_genres(
    genretagger.Prediction(None), genretagger.decision_policy(bundle.thresholds)
)
print(genretagger.reason_text(decision.reason))
"""


def test_a_track_is_heard_in_one_call_as_by_the_command_line(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    _, (row,), _ = run(capsys, "predict", path)
    for named in (str(path), path):
        track = genretagger.predict(named)
        assert track.path == path
        assert list(track.genres) == row["genres"]
        assert track.reason == row["reason"]
        assert list(track.probabilities) == list(GENRES)
        assert track.probabilities == pytest.approx(row["probabilities"], abs=1e-4)


def test_the_call_takes_the_words_of_the_command_line(audio_file):
    path = audio_file("FLAC", seconds=2.0)
    track = genretagger.predict(path, only=["hip-hop"], always=True)
    assert track.genres == ("Hip Hop",)
    assert genretagger.predict(path, threshold=1.0).genres == ()
    assert len(genretagger.predict(path, threshold=0.0, max_genres=1).genres) == 1
    accurate = genretagger.predict(path, bundle="accurate")
    assert accurate.probabilities != track.probabilities
    by_folder = genretagger.predict(path, bundle=str(genretagger.locate_bundle("accurate")))
    assert by_folder == accurate
    assert genretagger.predict(path, bundle=genretagger.read_bundle("accurate")) == accurate


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["Blues"]}, "Blues is not one of Ambient"),
        ({"only": "Rock"}, r"write \['Rock'\]"),
        ({"only": ["Rock"], "exclude": ["rock"]}, "leave no genre"),
        ({"threshold": 1.5}, "between 0 and 1"),
        ({"max_genres": 0}, "0 is not at least 1"),
        ({"max_genres": 15}, "15 is not at most 14"),
    ],
)
def test_words_that_make_no_sense_are_refused(audio_file, options, message):
    with pytest.raises(ValueError, match=message):
        genretagger.predict("x.mp3", **options)


def test_silence_has_no_probabilities_and_what_cannot_be_heard_is_an_error(tmp_path):
    soundfile.write(tmp_path / "silence.wav", [0.0] * 88200, 44100)
    track = genretagger.predict(tmp_path / "silence.wav")
    assert (track.genres, track.probabilities) == ((), {})
    assert track.reason.startswith("undecided: nothing to hear")
    with pytest.raises(genretagger.TrackError, match=r"gone\.mp3: cannot be examined"):
        genretagger.predict(tmp_path / "gone.mp3")


def test_paths_may_be_texts_and_models_names(audio_file):
    path = audio_file("FLAC", seconds=2.0)
    ((where, answer),) = genretagger.predict_tracks([str(path)], "accurate")
    ((_, same),) = genretagger.predict_tracks([path], genretagger.locate_bundle("accurate"))
    assert where == path
    assert answer == same
    assert genretagger.read_bundle(os.fspath(genretagger.DEFAULT_BUNDLE)).info["name"] == "default"


def test_the_version_is_that_of_the_package():
    assert genretagger.__version__ == version("genretagger")


def test_a_program_that_uses_the_library_passes_mypy_strict(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(
        "import genretagger\nx: int = genretagger.predict('a').genres\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache"]
    # as for somebody who installed it: silent about what is in the package itself
    options = {"cwd": tmp_path, "env": os.environ | {"MYPYPATH": str(ROOT)}}
    for program, code in (("program.py", 0), ("wrong.py", 1)):
        done = subprocess.run(
            [*command, "--follow-imports=silent", program],
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        assert done.returncode == code, done.stdout + done.stderr


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_of_json_is_as_its_schema_says(tmp_path, capsys):
    music = tmp_path / "Music"
    music.mkdir()
    for name in ("a", "b"):
        make_audio.make("FLAC", music / f"{name}.flac", seconds=2.0)
    (music / "broken.mp3").write_bytes(b"no music")
    soundfile.write(music / "silence.wav", [0.0] * 88200, 44100)
    make_audio.make("FLAC", music / "kept.flac", seconds=2.0, genre=("Blues",))
    jsonschema.Draft202012Validator.check_schema(LINES)
    states = set()
    for words in (
        ("predict", "--always"),
        ("tag", "--dry-run", "--always", "--plan", tmp_path / "plan"),
        ("tag", "--threshold", "1"),
        ("tag", "--always"),
        ("undo", "--yes", "--format", "json"),
        ("redo", "--yes", "--format", "json"),
        ("undo", "--yes", "--format", "json"),
        ("apply", tmp_path / "plan", "--format", "json"),
    ):
        places = () if words[0] in ("undo", "redo", "apply") else (music,)
        _, rows, _ = run(capsys, *words, *places)
        assert rows
        if words[0] in ("undo", "redo"):
            said = {row["reason"] for row in rows if row["state"] == "change"}
            assert said == {"undone" if words[0] == "undo" else "done again"}
        for row in rows:
            kind = "line_of_a_plan" if "new" in row else "prediction"
            assert list(row) == LINES["$defs"][kind]["required"]
            assert set(row) <= set(LINES["$defs"][kind]["properties"])
            states.add((kind, row["state"]))
    assert states == {
        *(("line_of_a_plan", state) for state in ("change", "keep", "undecided", "failed")),
        *(("prediction", state) for state in ("decided", "undecided", "failed")),
    }
    for wrong in ({"state": "burnt"}, {"schema": 0}, {"genres": [""]}, {"reason": None}):
        assert list(line_validator().iter_errors({**rows[0], **wrong}))


def test_the_schema_knows_its_own_version():
    for kind in LINES["oneOf"]:
        name = kind["$ref"].rpartition("/")[2]
        assert LINES["$defs"][name]["properties"]["schema"] == {"const": SCHEMA}
