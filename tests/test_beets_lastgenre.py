"""The plugin beside beets' lastgenre: its own code, with local answers in place of Last.fm's."""

import pytest

pytest.importorskip("beets")
pytest.importorskip("pylast", reason="lastgenre needs: pip install 'beets[lastgenre]'")
import pylast
from beets import plugins, ui
from beets_library import Helper, genres_in, heard, helper

BOTH = ("lastgenre", "genrecnn")


class TestBesideLastgenre(Helper):
    @pytest.fixture(autouse=True)
    def last_fm(self, monkeypatch):
        """Answer as Last.fm does, from `self.known`; the key is an album's, track's or artist's."""
        self.known, self.questions = {}, []

        def answer(request):
            params = request.params
            assert params["method"].endswith(".getTopTags")
            name = params.get("album") or params.get("track") or params["artist"]
            self.questions.append(name)
            tags = "".join(
                f"<tag><name>{tag}</name><count>100</count><url/></tag>"
                for tag in self.known.get(name, ())
            )
            return f'<?xml version="1.0"?><lfm status="ok"><toptags>{tags}</toptags></lfm>'

        monkeypatch.setattr(pylast._Request, "_download_response", answer)

    def load_plugins(self, *names):
        """Load none at first, then those that a test names, in its order."""
        self.config["plugins"] = names
        plugins.load_plugins()

    def prepare(self, prefer="lastgenre", order=BOTH, source="album", **more):
        self.config["genrecnn"]["prefer"] = prefer
        self.config["lastgenre"].set({"source": source, **more})
        self.load_plugins(*order)

    def run_import(self, *tracks, options=()):
        """Import an album of tracks: a title, what is heard, and what the file has."""
        folder = self.tmp / "incoming"
        folder.mkdir()
        for title, prediction, *genre in tracks:
            self.track(title, prediction, folder=folder, genre=genre)
        self.beet("import", "--quiet", "--noautotag", *options, str(folder))
        return {item.title: item.genres for item in self.lib.items()}

    def album_genres(self):
        return self.lib.albums().get().genres

    # Last.fm where it knows, the ears where it does not

    def test_what_last_fm_knows_stays_and_is_not_even_heard(self):
        self.prepare()
        self.known["An Album"] = ["shoegaze"]
        found = self.run_import(("One", heard(Rock=0.9)), ("Two", heard(Jazz=0.9)))
        assert found == {"One": ["Shoegaze"], "Two": ["Shoegaze"]}
        assert self.album_genres() == ["Shoegaze"]
        assert self.asked == []

    def test_what_last_fm_does_not_know_is_heard(self):
        self.prepare()
        found = self.run_import(("One", heard(Rock=0.9)), ("Two", heard(Rock=0.4)))
        assert found == {"One": ["Rock"], "Two": []}
        assert self.album_genres() == ["Rock"]
        assert {"An Album", "An Artist"} <= set(self.questions)
        (one, _) = self.lib.items("title+")
        assert genres_in(one.filepath) == ["Rock"]

    def test_by_tracks_only_those_are_heard_that_last_fm_does_not_know(self):
        self.prepare(source="track")
        self.known["One"] = ["shoegaze"]
        found = self.run_import(("One", heard(Rock=0.9)), ("Two", heard(Rock=0.9)))
        assert found == {"One": ["Shoegaze"], "Two": ["Rock"]}
        assert self.asked == ["Two.flac"]

    def test_lastgenre_alone_empties_tracks_of_an_album_that_last_fm_does_not_know(self):
        """The reason for the next; when this fails, what the plugin does against it can go."""
        self.prepare(order=("lastgenre",))
        found = self.run_import(("One", None), ("Two", None, "Blues"))
        assert found == {"One": [], "Two": []}

    @pytest.mark.parametrize("prefer", ["lastgenre", "genrecnn"])
    def test_a_genre_that_a_file_had_is_not_lost_where_last_fm_knows_nothing(self, prefer):
        self.prepare(prefer)
        found = self.run_import(("One", heard(Rock=0.9)), ("Two", heard(Jazz=0.9), "Blues"))
        assert found == {"One": ["Rock"], "Two": ["Blues"]}
        assert self.asked == ["One.flac"]
        (_, two) = self.lib.items("title+")
        assert genres_in(two.filepath) == ["Blues"]

    # the ears where they know, Last.fm where they do not

    def test_what_is_heard_takes_the_place_of_what_last_fm_has_just_given(self):
        self.prepare("genrecnn")
        self.known["An Album"] = ["shoegaze"]
        found = self.run_import(
            ("One", heard(Rock=0.9)), ("Two", heard(Rock=0.4)), ("Three", heard(Rock=0.8))
        )
        assert found == {"One": ["Rock"], "Two": ["Shoegaze"], "Three": ["Rock"]}
        assert self.album_genres() == ["Rock"]
        assert {i.title: genres_in(i.filepath) for i in self.lib.items()} == {
            "One": ["Rock"],
            "Three": ["Rock"],
            "Two": [],  # as lastgenre leaves it at an import as is
        }

    def test_a_genre_that_a_file_had_is_neither_heard_nor_replaced(self):
        self.prepare("genrecnn", source="track")
        self.known["Two"] = ["shoegaze"]
        found = self.run_import(
            ("One", heard(Rock=0.9), "Blues"), ("Two", heard(Jazz=0.9)), ("Three", heard(Rock=0.1))
        )
        assert found == {"One": ["Blues"], "Two": ["Jazz"], "Three": []}
        assert sorted(self.asked) == ["Three.flac", "Two.flac"]

    def test_a_genre_that_a_file_had_comes_before_what_last_fm_says_of_its_album(self):
        self.prepare("genrecnn")
        self.known["An Album"] = ["shoegaze"]
        found = self.run_import(
            ("One", heard(Rock=0.1)), ("Two", heard(Jazz=0.9), "Blues"), ("Three", heard(Rock=0.1))
        )
        assert found == {"One": ["Shoegaze"], "Two": ["Blues"], "Three": ["Shoegaze"]}
        assert sorted(self.asked) == ["One.flac", "Three.flac"]

    def test_a_genre_that_says_nothing_is_as_none(self):
        self.prepare("genrecnn")
        self.known["An Album"] = ["shoegaze"]
        found = self.run_import(("One", heard(Rock=0.9)), ("Two", heard(Rock=0.1), "Other"))
        assert found == {"One": ["Rock"], "Two": ["Shoegaze"]}

    def test_pretend_leaves_all_to_lastgenre(self):
        self.prepare("genrecnn")
        self.config["genrecnn"]["pretend"] = True
        self.known["An Album"] = ["shoegaze"]
        found = self.run_import(("One", heard(Rock=0.9)), ("Two", heard(Rock=0.1), "Blues"))
        assert found == {"One": ["Shoegaze"], "Two": ["Shoegaze"]}

    def test_a_single_track_is_as_one_of_an_album(self):
        self.prepare("genrecnn", source="track")
        self.known["One"] = self.known["Two"] = ["shoegaze"]
        found = self.run_import(
            ("One", heard(Rock=0.9)), ("Two", heard(Rock=0.1)), options=["--singletons"]
        )
        assert found == {"One": ["Rock"], "Two": ["Shoegaze"]}

    @pytest.mark.parametrize(
        ("prefer", "expected"), [("lastgenre", "Shoegaze"), ("genrecnn", "Rock")]
    )
    def test_with_a_match_the_file_gets_the_genre_that_is_preferred(self, prefer, expected):
        self.prepare(prefer)
        self.config["match"]["strong_rec_thresh"] = 1.0  # take any match
        matcher = helper.AutotagStub(helper.AutotagStub.IDENT).install()
        folder = self.tmp / "incoming"
        folder.mkdir()
        self.track("One", heard(Rock=0.9), folder=folder)
        self.known["An Album"] = ["shoegaze"]
        try:
            self.beet("import", "--quiet", "--autotag", str(folder))
        finally:
            matcher.restore()
        (item,) = self.lib.items()
        assert item.title == "Applied Track 1"
        assert item.genres == genres_in(item.filepath) == [expected]
        assert self.album_genres() == [expected]

    # which goes first

    def test_the_order_in_which_genres_would_be_lost_is_refused(self):
        self.prepare(order=BOTH[::-1])
        with pytest.raises(ui.UserError, match="name genrecnn after lastgenre in 'plugins:'"):
            self.run_import(("One", heard(Rock=0.9)))
        assert len(self.lib.items()) == 0

    @pytest.mark.parametrize("prefer", ["lastgenre", "genrecnn"])
    def test_the_order_does_not_matter_where_lastgenre_is_not_asked_at_import(self, prefer):
        self.prepare(prefer, order=BOTH[::-1], auto=False)
        assert self.run_import(("One", heard(Rock=0.9))) == {"One": ["Rock"]}
        assert self.questions == []

    # later, by their commands

    def test_lastgenre_by_albums_empties_files_and_by_tracks_does_not(self):
        """The reason for ``--items`` in docs/beets.md."""
        self.prepare(auto=False)
        item = self.track("One", None, genre=("Blues",))
        album = self.lib.add_album([item])
        album.genres = []
        album.store(inherit=False)
        self.beet("lastgenre", "--items")
        assert genres_in(item.filepath) == ["Blues"]
        self.beet("lastgenre")
        assert genres_in(item.filepath) == []

    def test_the_commands_one_after_the_other_do_the_same(self):
        self.prepare(auto=False)
        one, two, three = (
            self.track(title, heard(Rock=rock), artist=title, album=title)
            for title, rock in (("One", 0.9), ("Two", 0.9), ("Three", 0.1))
        )
        self.known["One"] = self.known["Three"] = ["shoegaze"]
        self.beet("lastgenre", "--items", "title:One")
        self.beet("genrecnn", "title+")
        assert [self.again(i).genres for i in (one, two, three)] == [["Shoegaze"], ["Rock"], []]
        self.beet("lastgenre", "--items", "--source", "track")
        assert [self.again(i).genres for i in (one, two, three)] == [
            *(["Shoegaze"], ["Rock"], ["Shoegaze"])
        ]
        assert self.beet("genrecnn", "--undo").count("undone") == 1
        assert genres_in(two.filepath) == []
        assert genres_in(three.filepath) == ["Shoegaze"]
