"""Which tracks go into a playlist, and that it leads to them."""

from pathlib import Path

import pytest

from genretagger.playlist import Candidate, choose, m3u
from genretagger.scan import read_list

pytestmark = pytest.mark.quick


def chosen(*tracks, n=None, per_artist=2):
    ranked = [
        Candidate(Path(name), 1.0, artist, recording)
        for name, artist, *rest in tracks
        for recording in [rest[0] if rest else None]
    ]
    return "".join(track.path.name for track in choose(ranked, n, per_artist))


def test_an_artist_comes_twice_however_spelled_and_guests_do_not_count():
    tracks = [("a", "Céline"), ("b", "CELINE feat. X"), ("c", "Celine (ft. Y)"), ("d", "Z")]
    assert chosen(*tracks) == "abd"
    assert chosen(*tracks, per_artist=1) == "ad"
    assert chosen(*tracks, per_artist=3) == "abcd"


def test_artists_that_are_not_known_have_no_limit():
    assert chosen(*[(name, "") for name in "abcd"]) == "abcd"


def test_a_recording_comes_once_and_does_not_count_for_its_artist_again():
    tracks = [("a", "X", 1), ("b", "X", 1), ("c", "X", 2), ("d", "Y"), ("e", "Z")]
    assert chosen(*tracks) == "acde"


def test_the_number_is_a_limit():
    assert chosen(*[(name, "") for name in "abcd"], n=2) == "ab"


NAMES = [
    "plain.mp3",
    "sub/a, b; c.mp3",
    "#1 hit.mp3",
    "sub/#2.mp3",
    " leading blank.mp3",
    "100%25 sure.mp3",
    "http:/no address.mp3",
    "Größe 'quoted' \"twice\".mp3",
    "日本語.mp3",
    "two\nlines.mp3",
    "carriage\rreturn.mp3",
]


@pytest.mark.parametrize("place", ["list.m3u", "lists/deep/list.m3u8", "sub/list.m3u"])
def test_every_name_is_found_again_from_the_playlist(tmp_path, place, monkeypatch):
    paths = [tmp_path / name for name in NAMES]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    playlist = tmp_path / place
    playlist.parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path)
    # as a user names them: relative to the working directory
    playlist.write_bytes(m3u([Path(name) for name in NAMES], Path(place)))
    found = read_list(playlist, playlist.read_bytes())
    assert [path.resolve() for path in found] == [path.resolve() for path in paths]


def test_paths_are_relative_to_the_playlist_so_that_both_can_move(tmp_path):
    text = m3u([tmp_path / "music/a.mp3"], tmp_path / "lists/x.m3u").decode()
    assert text.splitlines() == ["#EXTM3U", "../music/a.mp3"]


def test_a_name_that_is_not_utf_8_stands_as_it_is_on_the_disk(tmp_path):
    name = b"caf\xe9.mp3"
    path = tmp_path / name.decode("utf-8", "surrogateescape")
    assert m3u([path], tmp_path / "x.m3u").splitlines()[1] == name
