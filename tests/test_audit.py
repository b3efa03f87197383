"""What in a collection deserves a look, and that nothing is changed by looking."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from runs import LINES, encode, run

from genretagger.audit import LEAST_MARGIN, Audit, contradiction
from genretagger.genres import GENRES, Vocabulary
from genretagger.records import GenreBlock, Identity, Prediction, Seen, Track, TrackTags
from genretagger.subgenres import Names

pytestmark = pytest.mark.quick


def track(path, *genres, **tags):
    blocks = (GenreBlock("Vorbis", genres),)
    return Track(Seen(Path(path), Identity(1, 2, 3, 4, 5)), TrackTags(blocks, "Vorbis", **tags))


def sounding(**likely):
    """Give a prediction with these probabilities, and 0.01 for the others."""
    by_genre = {name.replace("_", " "): p for name, p in likely.items()}
    return Prediction(tuple(by_genre.get(genre, 0.01) for genre in GENRES))


def audited(*tracks, kind):
    """Audit tracks without a prediction, and give the remarks of one kind."""
    audit = Audit(Names())
    for each in tracks:
        audit.add(each, None)
    return [remark for remark in audit.remarks() if remark.kind == kind]


def test_a_genre_that_is_heard_as_another_is_contradicted_by_its_log_odds():
    found = contradiction(("Rock",), sounding(Rock=0.1, Jazz=0.9))
    assert (found.own, found.heard) == ("Rock", "Jazz")
    # by hand: ln(0.9 / 0.1) - ln(0.1 / 0.9)
    assert found.margin == pytest.approx(2 * np.log(9), abs=0.01)


@pytest.mark.parametrize(
    ("own", "likely"),
    [
        (("Rock",), {"Rock": 0.5, "Jazz": 0.99}),  # likelier than not: both may be right
        (("Rock",), {"Rock": 0.3, "Jazz": 0.5}),  # e**2 times the odds are not reached
        (("Jazz", "Rock"), {"Rock": 0.01, "Jazz": 0.9}),  # one of its genres is heard
        ((), {"Jazz": 0.9}),
        (GENRES, {"Jazz": 0.9}),
    ],
)
def test_a_genre_that_may_be_right_is_not_contradicted(own, likely):
    assert contradiction(own, sounding(**likely)) is None


def test_silence_contradicts_nothing():
    assert contradiction(("Rock",), Prediction(None)) is None


def test_sub_genres_are_compared_by_what_they_mean_and_the_surest_come_first():
    audit = Audit(Names("Gravelwave = Punk"))
    audit.add(track("a", "Deep House"), sounding(Rock=0.6))
    audit.add(track("b", "Gravelwave"), sounding(Classical=0.9))
    audit.add(track("c", "Doom Metal"), sounding(Rock=0.9))
    audit.add(track("d", "Reggae"), sounding(Rock=0.9))
    audit.add(track("e", "Cosmogony"), sounding(Rock=0.9))
    audit.add(track("f"), sounding(Rock=0.9))
    found = [remark for remark in audit.remarks() if remark.kind == "contradicted"]
    assert [remark.paths for remark in found] == [(Path("b"),), (Path("a"),)]
    assert found[1].text == '"Deep House": Dance 0.01, but Rock 0.60 is likelier'
    assert found[0].margin > found[1].margin >= LEAST_MARGIN
    assert audit.not_compared == {"Reggae": 1, "Cosmogony": 1}


def test_a_model_of_other_genres_contradicts_by_its_own():
    own = Vocabulary(("Lied", "Shoegaze"), frozenset())
    audit = Audit(Names(vocabulary=own), vocabulary=own)
    assert audit.add(track("a", "shoegaze"), Prediction((0.2, 0.9))) is None
    assert audit.add(track("b", "Shoegaze"), Prediction((0.9, 0.1))).text == (
        '"Shoegaze": Shoegaze 0.10, but Lied 0.90 is likelier'
    )


@pytest.mark.parametrize(
    ("value", "own"),
    [
        ("Pop; Jazz", ("Pop", "Jazz")),
        ("Hip Hop/Rap", ("Hip Hop", "Rap")),
        ("Folk, World, & Country", ("Folk, World, & Country",)),
        ("Cosmogony, Jazz", ("Cosmogony", "Jazz")),
    ],
)
def test_a_value_is_split_unless_only_the_whole_is_known(value, own):
    remark = Audit(Names()).add(track("a", value), sounding(Classical=0.9))
    assert remark.text.startswith(", ".join(f'"{name}"' for name in own) + ": ")


def test_an_album_disagrees_where_a_track_has_nothing_in_common_with_most():
    album = {"album": "Debut", "album_artist": "Ann"}
    (found,) = audited(
        track("a", "Rock", **album),
        track("b", "rock", **album),
        track("c", "Rock; Pop", **album),
        track("d", "Jazz", **album),
        track("e", **album),
        track("x", "Rock", album="Second", album_artist="Ann"),
        track("y", "Pop; Rock", album="Second", album_artist="Ann"),
        kind="album",
    )
    assert found.text.startswith("Debut: ")
    assert "Jazz 1" in found.text
    assert "no genre 1" in found.text
    assert set(found.paths) == {Path("d"), Path("e")}


def test_spellings_of_one_genre_are_counted_and_the_rare_ones_lead_to_their_tracks():
    (found,) = audited(
        track("a", "Hip-Hop"),
        track("b", "Hip-Hop"),
        track("c", "hip hop"),
        track("d", "HipHop; Soul"),
        track("e", "Soul"),
        kind="spelling",
    )
    assert found.text == '"Hip-Hop" on 2 tracks, "HipHop" on 1 track, "hip hop" on 1 track'
    assert set(found.paths) == {Path("c"), Path("d")}


def test_genres_on_one_track_only_are_counted_over_their_spellings():
    found = audited(
        track("a", "Hip-Hop"),
        track("b", "hip hop"),
        track("c", "Cosmogony", "Cosmogony; Other"),
        kind="single",
    )
    assert [(remark.text, remark.paths) for remark in found] == [('"Cosmogony"', (Path("c"),))]


def test_junk_is_found_alone_and_beside_a_genre():
    found = audited(track("a", "Other"), track("b", "Rock; Other"), track("c", "255"), kind="junk")
    assert [(remark.text, remark.paths) for remark in found] == [
        ('"Other" on 2 tracks', (Path("a"), Path("b"))),
        ('"255" on 1 track', (Path("c"),)),
    ]


@pytest.fixture
def collection(tmp_path, audio_file):
    """Four tracks: two are the same audio, one has a junk genre, two spell a genre otherwise."""
    folder = tmp_path / "Music"
    folder.mkdir()
    for name, genre in (("a", "Hip-Hop"), ("b", "hip hop"), ("c", "Other")):
        path = audio_file("FLAC", name=name, genre=(genre,), seconds=2.0 + ord(name) / 100)
        shutil.move(path, folder / path.name)
    path = audio_file("FLAC", name="copy", genre=("Hip-Hop",), seconds=2.0 + ord("a") / 100)
    shutil.move(path, folder / path.name)
    return folder


def states(folder):
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ctime_ns)
        for path in folder.iterdir()
    }


def test_it_tells_what_there_is_and_changes_nothing_and_hears_nothing_twice(
    collection, capsys, heard
):
    before = states(collection)
    run(capsys, "predict", collection)
    assert len(heard) == 4
    code, out, err = run(capsys, "audit", "--jobs", "1", "--format", "json", collection)
    assert len(heard) == 4
    assert code == 0
    kinds = {}
    for remark in out:
        assert set(remark) == set(LINES["$defs"]["remark"]["properties"])
        kinds.setdefault(remark["kind"], []).append([Path(p).name for p in remark["paths"]])
    assert kinds["twice"] == [["a.flac", "copy.flac"]]
    assert kinds["junk"] == [["c.flac"]]
    assert kinds["spelling"] == [["b.flac"]]
    assert "4 tracks: " in err
    assert states(collection) == before


def test_check_fails_a_script_if_there_is_something_and_else_does_not(collection, capsys):
    assert run(capsys, "audit", "--check", "--jobs", "1", collection)[0] == 1
    for name in ("b", "c", "copy"):
        (collection / f"{name}.flac").unlink()
    shutil.copy(collection / "a.flac", collection / "d.flac")
    code, out, _ = run(capsys, "audit", "--check", "--jobs", "1", collection)
    assert (code, out.splitlines()[-4]) == (1, "The same audio twice: 1")
    encode(collection / "d.flac", seconds=1.5)
    (collection / "a.flac").unlink()
    assert run(capsys, "audit", "--check", "--jobs", "1", collection)[:2] == (0, "")


def test_a_damaged_file_is_a_line_and_stops_nothing(collection, capsys):
    (collection / "bad.flac").write_bytes(b"no music")
    code, out, err = run(capsys, "audit", "--jobs", "1", collection)
    assert code == 1
    assert "The same audio twice: 1" in out
    assert "bad.flac: this is text" in err


def test_lines_of_a_mapping_that_match_nothing_are_named(collection, capsys, tmp_path):
    mapping = tmp_path / "mapping"
    mapping.write_text("hiphop = Jazz\nGravelwave = Rock\n")
    _, _, err = run(capsys, "audit", "--jobs", "1", "--mapping", mapping, collection)
    assert "--mapping: 'Gravelwave' is in no tag; is it spelled so?" in err
    assert "'hiphop'" not in err
    mapping.write_text("Gravelwave\n")
    with pytest.raises(SystemExit):
        run(capsys, "audit", "--mapping", mapping, collection)
    assert "line 1: write it as 'disco" in capsys.readouterr().err


def test_the_page_has_the_remarks_before_the_tracks(collection, capsys, tmp_path):
    page = tmp_path / "audit.html"
    run(capsys, "audit", "--jobs", "1", "--report", page, collection)
    text = page.read_text(encoding="utf-8")
    assert text.index("The same audio twice") < text.index("<summary>Charts")
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    assert len(data["rows"]) == 4
    assert "1 more" not in text


def test_the_benchmark_finds_swapped_tags_where_the_prediction_is_right():
    sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
    import bench_audit

    rng = np.random.default_rng(0)
    labels = [(GENRES[n % len(GENRES)],) for n in range(400)]
    right = [tuple(0.9 if genre in own else 0.02 for genre in GENRES) for own in labels]
    figures = bench_audit.measure(labels, right, rng)
    assert figures == (1.0, 1.0, 1.0, 0.0)
    blind = [tuple(rng.uniform(0.01, 0.99, len(GENRES)).tolist()) for _ in labels]
    draws = [bench_audit.measure(labels, blind, rng).in_first for _ in range(20)]
    assert 0.02 < np.mean(draws) < 0.2
