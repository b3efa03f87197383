"""Several genres in ID3v2.3 tags that beets writes."""

import os

import mutagen.id3
import pytest

pytest.importorskip("beets")
from beets.library import Item
from beets_library import Helper, genres_in, heard


class TestId3v23(Helper):
    def test_beets_alone_tears_two_genres(self):
        """The reason for the rest; when this fails, `Id3v23` can go."""
        self.config["id3v23"] = True
        item = self.track("One", form="MP3", genre=("Blues", "Soul"))
        item.write()
        assert genres_in(item.filepath) == ["Blues/Soul"]

    @pytest.mark.parametrize("form", ["MP3", "MP3 ID3v2.3"])
    def test_two_genres_survive_the_file(self, form):
        self.config["id3v23"] = True
        item = self.track("One", heard(Rock=0.9, Pop=0.8), form=form)
        self.beet("genrecnn")
        assert mutagen.File(item.filepath).tags.version == (2, 3, 0)
        assert genres_in(item.filepath) == ["Pop; Rock"]
        assert Item.from_path(os.fsencode(item.filepath)).genres == ["Pop", "Rock"]
        self.beet("write", "--force")
        file = mutagen.File(item.filepath)
        file.tags.add(mutagen.id3.TIT2(encoding=1, text="Another"))
        file.save(v2_version=3)
        os.utime(item.filepath, (2e9, 2e9))
        assert "title: One -> Another" in self.beet("update")
        assert self.again(item).genres == ["Pop", "Rock"]
        assert genres_in(item.filepath) == ["Pop; Rock"]

    def test_two_genres_survive_an_import(self):
        self.config["id3v23"] = True
        folder = self.tmp / "incoming"
        folder.mkdir()
        self.track("One", heard(Rock=0.9, Pop=0.8), form="MP3", folder=folder)
        self.beet("import", "--quiet", "--noautotag", str(folder))
        (item,) = self.lib.items()
        assert item.genres == ["Pop", "Rock"]
        assert genres_in(item.filepath) == ["Pop; Rock"]

    def test_other_tags_stay_native(self):
        item = self.track("One", heard(Rock=0.9, Pop=0.8), form="MP3")
        self.beet("genrecnn")
        assert mutagen.File(item.filepath).tags.version == (2, 4, 0)
        assert genres_in(item.filepath) == ["Pop", "Rock"]
        self.config["id3v23"] = True
        flac = self.track("Two", heard(Rock=0.9, Pop=0.8))
        self.beet("genrecnn")
        assert genres_in(flac.filepath) == ["Pop", "Rock"]
