"""Which tracks get one decision together, and what it rests on."""

import json
from pathlib import Path

import make_audio
import numpy as np
import pytest
from runs import run

from genretagger.aggregate import aggregate, logit
from genretagger.albums import Named, combine, combine_each, group
from genretagger.genres import GENRES
from genretagger.records import Prediction, TrackTags

pytestmark = pytest.mark.quick

PLAIN = tuple(i / 20 for i in range(len(GENRES)))
OTHER = PLAIN[::-1]


def track(path, **tags):
    return Named(Path(path), TrackTags((), "ID3v2.4", **tags))


def grouped(*tracks, by="album"):
    """Group tracks, and give their names for short."""
    return [
        "".join(tracks[n].path.stem if tracks[n] else "-" for n in members)
        for members in group(tracks, by)
    ]


def test_an_album_is_a_title_and_an_album_artist_wherever_its_tracks_lie():
    assert grouped(
        track("one/a.mp3", album="Debut", album_artist="Ann"),
        track("two/b.mp3", album="Debut", album_artist="Bob"),
        track("two/c.mp3", album="DEBUT", album_artist="ann"),
        track("two/d.mp3", album="Second", album_artist="Ann"),
    ) == ["ac", "b", "d"]


def test_without_an_album_artist_it_is_a_title_and_a_folder():
    assert grouped(
        track("one/a.mp3", album="Debut", artist="Ann"),
        track("one/b.mp3", album="Debut", artist="Ann with Bob"),
        track("two/c.mp3", album="Debut", artist="Ann"),
    ) == ["ab", "c"]


def test_a_folder_without_albums_is_one_unless_many_artists_are_in_it():
    assert grouped(track("x/a.mp3", artist="A"), track("x/b.mp3", artist="B")) == ["ab"]
    mixed = [track(f"x/{name}.mp3", artist=name) for name in "abc"]
    assert grouped(*mixed) == ["a", "b", "c"]
    assert grouped(*(track(f"x/{n}.mp3", artist="Same") for n in "abc")) == ["abc"]


def test_an_album_artist_makes_many_artists_one_album():
    tracks = [track(f"x/{n}.mp3", album="Duets", album_artist="Ann", artist=n) for n in "abc"]
    assert grouped(*tracks) == ["abc"]


def test_each_track_of_a_compilation_stays_alone():
    tracks = [track(f"x/{n}.mp3", album="Best of", is_compilation=True) for n in "ab"]
    assert grouped(*tracks) == ["a", "b"]


@pytest.mark.parametrize(
    ("by", "expected"), [("album", ["ac", "-", "d"]), ("artist", ["acd", "-"])]
)
def test_what_cannot_be_read_stays_alone_and_in_its_place(by, expected):
    named = [track(path, artist="Ann") for path in ("x/a.mp3", "x/c.mp3", "y/d.mp3")]
    assert grouped(named[0], None, *named[1:], by=by) == expected


def test_each_track_is_decided_alone_unless_asked_otherwise():
    assert grouped(track("a.mp3", artist="Ann"), track("b.mp3", artist="Ann"), by="track") == [
        *("a", "b")
    ]


def test_an_artist_is_the_albums_or_the_tracks_wherever_they_lie():
    assert grouped(
        track("one/a.mp3", artist="Ann", album="Debut"),
        track("two/b.mp3", artist="ANN feat. Bob", album_artist="ann ", album="Second"),
        track("two/c.mp3", artist="Bob"),
        track("mix/d.mp3", artist="Ann", album_artist="Some DJ", is_compilation=True),
        by="artist",
    ) == ["abd", "c"]


@pytest.mark.parametrize("nobody", ["", "  ", "Various Artists", "Unknown Artist", "[unknown]"])
def test_who_has_no_name_is_no_artist(nobody):
    tracks = [track(f"x/{n}.mp3", artist=nobody, album="Debut") for n in "ab"]
    assert grouped(*tracks, by="artist") == ["a", "b"]


def test_each_track_gets_what_its_group_sounds_like():
    tracks = [track(f"{n}.mp3", artist=artist) for n, artist in enumerate(["Ann", "Bob", "Ann"])]
    predictions = [Prediction(PLAIN), Prediction(OTHER), Prediction(OTHER)]
    expected = combine([predictions[0], predictions[2]], "artist")
    assert expected.notes == ("artist: 2 tracks heard together",)
    assert combine_each(tracks, predictions, "artist") == [expected, None, expected]
    assert combine_each(tracks, [predictions[0], None, None], "artist") == [None] * 3


def test_tracks_of_an_album_are_aggregated_and_the_reason_says_how_many():
    together = combine(
        [Prediction(PLAIN, ("short",)), Prediction(None), Prediction(OTHER)], "album"
    )
    assert together.notes == ("album: 2 tracks heard together",)
    mean = logit(np.array(aggregate(np.array([PLAIN, OTHER], dtype=np.float32))))
    # as fitted to pairs of tracks, each of which has doubts of its own
    assert logit(np.array(together.probabilities)) == pytest.approx(1.15 * mean + 0.4, abs=1e-4)


@pytest.mark.parametrize(
    "predictions", [[], [Prediction(PLAIN)], [Prediction(PLAIN)] + [Prediction(None)] * 2]
)
def test_a_track_that_alone_was_heard_speaks_for_itself(predictions):
    assert combine(predictions, "album") is None


def test_an_album_gets_one_decision_and_a_compilation_one_for_each_track(tmp_path, capsys):
    for folder, album_artist in (("Album", "A"), ("Sampler", "Various Artists")):
        (tmp_path / folder).mkdir()
        for number in range(3):
            make_audio.make(
                "FLAC",
                tmp_path / folder / f"{number}.flac",
                seconds=2.0 + number,
                album=folder,
                albumartist=album_artist,
                artist=f"Artist {number}",
            )
    arguments = ("tag", "--by", "album", "-n", "--always", tmp_path)
    code, rows, _ = run(capsys, *arguments)
    assert code == 0
    album, sampler = rows[:3], rows[3:]
    assert len({json.dumps(row["probabilities"]) for row in album}) == 1
    assert all("album: 3 tracks heard together" in row["reason"] for row in album)
    assert not any("heard together" in row["reason"] for row in sampler)


def test_a_folder_of_many_artists_without_an_album_is_no_album(tmp_path, capsys):
    for number in range(3):
        path = tmp_path / f"{number}.flac"
        make_audio.make("FLAC", path, seconds=2.0, artist=f"Artist {number}")
    _, rows, _ = run(capsys, "tag", "--by", "album", "-n", tmp_path)
    assert not any("heard together" in row["reason"] for row in rows)


def test_the_tracks_of_an_artist_get_one_decision_on_all_albums(tmp_path, capsys):
    for number, (artist, album) in enumerate((("Ann", "A"), ("Bob", "A"), ("Ann", "B"))):
        path = tmp_path / f"{number}.flac"
        make_audio.make("FLAC", path, seconds=2.0 + number, artist=artist, album=album)
    _, rows, _ = run(capsys, "tag", "--by", "artist", "-n", tmp_path)
    assert [Path(row["path"]).stem for row in rows] == ["0", "2", "1"]
    assert rows[0]["probabilities"] == rows[1]["probabilities"] != rows[2]["probabilities"]
    assert ["artist: 2 tracks heard together" in row["reason"] for row in rows] == [
        True,
        True,
        False,
    ]
