"""Which tracks get one decision together, and what it rests on."""

import json
from pathlib import Path

import make_audio
import numpy as np
import pytest
from runs import run

from genretagger.aggregate import aggregate
from genretagger.albums import combine, group_by_album
from genretagger.genres import GENRES
from genretagger.records import Identity, Prediction, Seen, State, TagChange, Track, TrackTags

pytestmark = pytest.mark.quick

IDENTITY = Identity(1, 2, 3, 4, 5)
PLAIN = tuple(i / 20 for i in range(len(GENRES)))
OTHER = PLAIN[::-1]


def track(path, **tags):
    return Track(Seen(Path(path), IDENTITY), TrackTags((), "ID3v2.4", **tags))


def grouped(*tracks):
    """Group tracks, and give their names for short."""
    return [
        "".join(t.path.stem if isinstance(t, TagChange) else t.file.path.stem for t in group)
        for group in group_by_album(tracks)
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


def test_a_line_that_is_made_already_stays_alone_and_in_its_place():
    failed = TagChange(Path("x/b.mp3"), State.FAILED)
    assert grouped(track("x/a.mp3"), failed, track("x/c.mp3"), track("y/d.mp3")) == ["ac", "b", "d"]


def test_tracks_of_an_album_are_aggregated_and_the_reason_says_how_many():
    together = combine([Prediction(PLAIN, ("short",)), Prediction(None), Prediction(OTHER)])
    assert together == Prediction(
        aggregate(np.array([PLAIN, OTHER], dtype=np.float32)),
        ("album: 2 tracks heard together",),
    )


@pytest.mark.parametrize(
    "predictions", [[], [Prediction(PLAIN)], [Prediction(PLAIN)] + [Prediction(None)] * 2]
)
def test_a_track_that_alone_was_heard_speaks_for_itself(predictions):
    assert combine(predictions) is None


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
