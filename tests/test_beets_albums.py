"""Genres of albums in a library."""

from collections import Counter

import pytest

pytest.importorskip("beets")

from beets_library import Helper, genres_in, heard

from beetsplug.genrecnn import albums


class TestAlbums(Helper):
    def album(self, *tracks, genres=()):
        items = [
            self.track(f"T{n}", prediction, genre=own) for n, (prediction, own) in enumerate(tracks)
        ]
        album = self.lib.add_album(items)
        album.genres = list(genres)
        album.store(inherit=False)
        return album, items

    def test_an_album_gets_its_tracks_genres_and_they_keep_theirs(self):
        album, items = self.album(
            (heard(Rock=0.9), ()), (heard(Rock=0.9, Pop=0.8), ()), (None, ("Blues",))
        )
        out = self.beet("genrecnn")
        assert self.lib.get_album(album.id).genres == ["Rock"]
        assert [self.again(item).genres for item in items] == [["Rock"], ["Pop", "Rock"], ["Blues"]]
        assert [genres_in(item.filepath) for item in items] == [
            *(["Rock"], ["Pop", "Rock"], ["Blues"])
        ]
        assert "album An Artist - An Album: (none) -> Rock | Rock on 2 of 3 tracks" in out
        assert "albums: 1 changed" in out

    def test_tracks_outside_the_query_count_for_their_album(self):
        album, _ = self.album((heard(Rock=0.9), ()), (None, ("Blues",)), (None, ("Blues",)))
        self.beet("genrecnn", "title:T0")
        assert self.lib.get_album(album.id).genres == ["Blues"]

    def test_an_album_keeps_its_own_genres_unless_forced(self):
        album, _ = self.album((heard(Rock=0.9), ()), genres=["Blues"])
        self.beet("genrecnn")
        assert self.lib.get_album(album.id).genres == ["Blues"]
        self.beet("genrecnn", "--force")
        assert self.lib.get_album(album.id).genres == ["Rock"]

    def test_tracks_with_little_in_common_leave_their_album_undecided(self):
        album, _ = self.album(*((heard(**{g: 0.9}), ()) for g in ("Rock", "Jazz", "Folk")))
        out = self.beet("genrecnn")
        assert self.lib.get_album(album.id).genres == []
        assert "(none) | undecided: no genre on half of 3 tracks" in out

    @pytest.mark.parametrize(
        ("tracks", "expected"),
        [
            ([["Rock"], ["Pop"]], ["Pop", "Rock"]),
            ([["Rock"], [], []], ["Rock"]),
            ([["Rock", "Pop"], ["Jazz", "Pop"], ["Jazz", "Rock", "Pop"]], ["Pop", "Rock"]),
            ([["Soul", "Blues"], ["Blues"]], ["Blues", "Soul"]),
            ([], []),
        ],
    )
    def test_an_album_has_what_half_of_its_tracks_have(self, tracks, expected):
        counts = Counter(genre for track in tracks for genre in track)
        genres, reason = albums.album_genres(tracks, 2)
        assert genres == expected
        assert all(f"{genre} on {counts[genre]}" in reason for genre in genres)
