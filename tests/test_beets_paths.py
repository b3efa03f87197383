"""Genres in beets' ``paths:``: what moves a file, and what does not."""

import pytest

pytest.importorskip("beets")
from beets import plugins
from beets_library import Helper, heard


class TestGenresInPaths(Helper):
    def load_plugins(self, *_):
        self.config["plugins"] = ["inline", "genrecnn"]
        self.place("$genre_folder/$album/$title")
        self.config["album_fields"] = {"genre_folder": 'genres[0] if genres else "No genre"'}
        plugins.load_plugins()

    def run_import(self, *tracks, options=()):
        folder = self.tmp / "incoming"
        folder.mkdir()
        for title, prediction in tracks:
            self.track(title, prediction, folder=folder)
        self.beet("import", "--quiet", "--noautotag", *options, str(folder))
        return folder

    def places(self):
        items = list(self.lib.items())
        assert all(item.filepath.is_file() for item in items)
        return {item.title: "/".join(item.filepath.parts[-3:]) for item in items}

    def test_an_album_has_one_folder_by_its_own_first_genre(self):
        self.run_import(
            ("One", heard(Rock=0.9)), ("Two", heard(Rock=0.9, Pop=0.8)), ("Three", heard(Jazz=0.9))
        )
        assert self.places() == {
            title: f"Rock/An Album/{title}.flac" for title in ("One", "Two", "Three")
        }

    def test_what_is_not_copied_or_moved_at_import_stays(self):
        folder = self.run_import(("One", heard(Rock=0.9)), options=["--nocopy"])
        (item,) = self.lib.items()
        assert (item.genres, item.filepath) == (["Rock"], folder / "One.flac")

    def test_only_beets_own_commands_move_what_lies_elsewhere(self):
        self.run_import(("One", heard(Rock=0.4)), ("Two", heard(Rock=0.4)))
        undecided = {title: f"No genre/An Album/{title}.flac" for title in ("One", "Two")}
        rock = {title: f"Rock/An Album/{title}.flac" for title in ("One", "Two")}
        assert self.places() == undecided
        self.beet("genrecnn", "--threshold", "0.3")
        assert [item.genres for item in self.lib.items()] == [["Rock"], ["Rock"]]
        assert self.beet("update") == self.beet("write") == ""
        assert self.places() == undecided
        self.beet("move", "title:One")
        assert self.places() == {**undecided, "One": rock["One"]}
        self.beet("move")
        assert self.places() == rock
        self.beet("genrecnn", "--undo")
        assert [item.genres for item in self.lib.items()] == [[], []]
        assert self.places() == rock
        self.beet("move")
        assert self.places() == undecided
        self.beet("modify", "--yes", "--album", "genres=Soul")
        assert self.places() == {t: f"Soul/An Album/{t}.flac" for t in ("One", "Two")}
