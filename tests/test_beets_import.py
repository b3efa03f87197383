"""The plugin at import."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import make_audio
import mutagen.id3
import pytest

import genretagger

pytest.importorskip("beets")
from beets import ui
from beets.library import Item
from beets_library import Helper, genres_in, heard, helper


class TestImport(Helper):
    def prepare(self, *tracks):
        folder = self.tmp / "incoming"
        folder.mkdir()
        return [self.track(*track, folder=folder) for track in tracks]

    def run_import(self, *options):
        return self.beet("import", "--quiet", *options, str(self.tmp / "incoming"))

    @pytest.mark.parametrize("copy", ["--copy", "--nocopy"])
    def test_an_import_as_is_tags_library_and_file_but_no_original(self, copy):
        (original,) = self.prepare(("One", heard(Rock=0.9, Pop=0.8)))
        content = original.read_bytes()
        self.run_import("--noautotag", copy)
        (item,) = self.lib.items()
        assert item.genres == genres_in(item.filepath) == ["Pop", "Rock"]
        assert item.genrecnn_rock == 0.9
        assert item.mtime == int(item.filepath.stat().st_mtime)
        assert (item.filepath == original) == (copy == "--nocopy")
        assert (original.read_bytes() == content) == (copy == "--copy")
        assert self.lib.albums().get().genres == ["Pop", "Rock"]

    def test_what_has_a_genre_is_imported_untouched(self):
        (original,) = self.prepare(("One", heard(Rock=0.9)))
        file = mutagen.File(original)
        file["genre"] = ["Blues"]
        file.save()
        content = original.read_bytes()
        self.run_import("--noautotag")
        (item,) = self.lib.items()
        assert self.asked == []
        assert item.genres == ["Blues"]
        assert item.filepath.read_bytes() == content

    def test_what_has_a_genre_gets_another_as_the_configuration_says(self):
        (original,) = self.prepare(("One", heard(Rock=0.9)))
        file = mutagen.File(original)
        file["genre"] = ["Blues"]
        file.save()
        self.config["genrecnn"]["existing"] = "append"
        self.run_import("--noautotag")
        (item,) = self.lib.items()
        assert item.genres == genres_in(item.filepath) == ["Blues", "Rock"]
        assert self.lib.albums().get().genres == ["Blues", "Rock"]
        self.beet("genrecnn", "--undo")
        (item,) = self.lib.items()
        assert item.genres == genres_in(item.filepath) == ["Blues"]
        assert self.lib.albums().get().genres == ["Blues"]

    def test_nothing_is_written_if_beets_is_not_to_write(self):
        self.prepare(("One", heard(Rock=0.9)))
        self.run_import("--noautotag", "--nowrite")
        (item,) = self.lib.items()
        assert (item.genres, genres_in(item.filepath)) == (["Rock"], [])

    def test_with_a_match_beets_writes_the_genres_with_its_own_tags_and_once(self, monkeypatch):
        (original,) = self.prepare(("One", heard(Rock=0.9)))
        content = original.read_bytes()
        written = []
        write = Item.write
        monkeypatch.setattr(
            Item, "write", lambda item, *a, **k: written.append(item.title) or write(item, *a, **k)
        )
        self.config["match"]["strong_rec_thresh"] = 1.0  # take any match
        matcher = helper.AutotagStub(helper.AutotagStub.IDENT).install()
        try:
            self.run_import("--autotag")
        finally:
            matcher.restore()
        (item,) = self.lib.items()
        assert item.title == "Applied Track 1"
        assert item.genres == genres_in(item.filepath) == ["Rock"]
        assert len(written) == 1
        assert original.read_bytes() == content

    def test_a_single_track_is_tagged_too(self):
        self.prepare(("One", heard(Rock=0.9)))
        self.run_import("--noautotag", "--singletons")
        (item,) = self.lib.items()
        assert item.genres == genres_in(item.filepath) == ["Rock"]
        assert item.album_id is None

    def test_a_bad_file_is_imported_without_a_genre_and_stops_nothing(self, caplog):
        self.prepare(
            ("Bad", genretagger.TrackError("truncated: get a whole copy")),
            ("Good", heard(Rock=0.9)),
        )
        self.run_import("--noautotag")
        found = {item.title: item.genres for item in self.lib.items()}
        assert found == {"Bad": [], "Good": ["Rock"]}
        warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert any("failed: truncated: get a whole copy" in message for message in warnings)
        assert any("2 tracks: 1 changed" in record.getMessage() for record in caplog.records)

    def test_a_copy_that_cannot_be_written_stops_nothing_and_is_reported(self, caplog, monkeypatch):
        self.prepare(("One", heard(Rock=0.9)))
        move = Item.move

        def move_and_wreck(item, *args, **kwargs):
            move(item, *args, **kwargs)
            item.filepath.write_bytes(b"no longer audio")

        monkeypatch.setattr(Item, "move", move_and_wreck)
        self.run_import("--noautotag")
        messages = [r.getMessage() for r in caplog.records]
        assert any("the library has the genres, the file has not: " in m for m in messages)
        assert any("1 track: 0 changed, 0 kept, 0 undecided, 1 failed" in m for m in messages)

    @pytest.mark.parametrize("link", ["hardlink", "link"])
    def test_an_import_by_links_leaves_the_original_alone_unless_asked(self, link):
        (original,) = self.prepare(("One", heard(Rock=0.9)))
        content = original.read_bytes()
        self.config["import"]["copy"] = False
        self.config["import"][link] = True
        self.run_import("--noautotag")
        (item,) = self.lib.items()
        assert item.genres == ["Rock"]
        assert item.filepath.samefile(original)
        out = self.beet("genrecnn", "--force", "--threshold", "0.8")
        assert "kept: already there" in out
        for pretend in ("--pretend", "--nopretend"):
            self.heard["One"] = heard(Jazz=0.9)
            self.beet("modify", "--yes", "--nowrite", "title:One", "genrecnn_bundle!")
            out = self.beet("genrecnn", "--force", *[pretend] * (pretend == "--pretend"))
            assert "Rock -> Jazz | Jazz 0.90 | the file has other names (links), and stays" in out
        assert self.again(item).genres == ["Jazz"]
        assert original.read_bytes() == content
        assert "Rock -> Jazz | finishes what was broken off" in self.beet(
            "genrecnn", "--write-links"
        )
        assert genres_in(original) == ["Jazz"]
        assert item.filepath.samefile(original)
        self.beet("genrecnn", "--undo")
        assert original.read_bytes() == content

    @pytest.mark.parametrize("write", [True, False])
    @pytest.mark.parametrize("link", ["hardlink", "link"])
    def test_a_match_is_written_through_links_by_beets_itself_if_it_may_write(self, link, write):
        """The limit that docs/beets.md names, and its way out."""
        (original,) = self.prepare(("One", heard(Rock=0.9)))
        content = original.read_bytes()
        self.config["import"]["copy"] = False
        self.config["import"][link] = True
        self.config["match"]["strong_rec_thresh"] = 1.0  # take any match
        matcher = helper.AutotagStub(helper.AutotagStub.IDENT).install()
        try:
            self.run_import("--autotag", *(["--nowrite"] if not write else []))
        finally:
            matcher.restore()
        (item,) = self.lib.items()
        assert item.filepath.samefile(original)
        assert item.genres == ["Rock"]
        assert genres_in(original) == (["Rock"] if write else [])
        assert (original.read_bytes() == content) == (not write)

    def test_what_an_import_could_not_write_the_next_run_does(self):
        self.prepare(("One", heard(Rock=0.9)))
        with genretagger.only_writer(genretagger.state_folder(), "another"):
            self.run_import("--noautotag")
        (item,) = self.lib.items()
        assert (item.genres, genres_in(item.filepath)) == (["Rock"], [])
        assert "(none) -> Rock | finishes what was broken off" in self.beet("genrecnn")
        assert genres_in(item.filepath) == ["Rock"]
        assert "1 kept" in self.beet("genrecnn")

    def test_what_an_import_as_is_wrote_can_be_taken_back(self):
        (original,) = self.prepare(("One", heard(Rock=0.9)))
        self.run_import("--noautotag")
        assert "beet import with genrecnn" in self.beet("genrecnn", "--undo")
        (item,) = self.lib.items()
        assert (item.genres, self.lib.albums().get().genres) == ([], [])
        assert item.filepath.read_bytes() == original.read_bytes()

    def test_a_folder_by_genre_is_right_at_import(self):
        self.prepare(("One", heard(Rock=0.9)))
        self.place("$genres/$title")
        self.run_import("--noautotag")
        (item,) = self.lib.items()
        assert item.filepath.parent.name == "Rock"

    def test_a_track_without_a_title_is_named_by_its_path(self, caplog):
        (original,) = self.prepare(("One", None))
        file = mutagen.File(original)
        del file["title"]
        file.save()
        self.heard[None] = heard(Rock=0.9)
        self.run_import("--noautotag")
        (item,) = self.lib.items()
        assert f"{original}: (none) -> Rock" in caplog.text
        assert f"{item.filepath}: Rock -> (none) | undone" in self.beet("genrecnn", "--undo")

    def test_pretend_shows_and_changes_nothing(self, caplog):
        self.prepare(("One", heard(Rock=0.9)))
        self.config["genrecnn"]["pretend"] = True
        self.run_import("--noautotag")
        (item,) = self.lib.items()
        assert (item.genres, genres_in(item.filepath)) == ([], [])
        assert "genrecnn_rock" not in item
        assert any("One: (none) -> Rock" in r.getMessage() for r in caplog.records)

    def test_a_bad_model_stops_the_import_before_it_begins(self):
        self.prepare(("One", heard(Rock=0.9)))
        self.config["genrecnn"]["bundle"] = str(self.tmp / "nowhere")
        with pytest.raises(ui.UserError, match=r"bundle.json cannot be read"):
            self.run_import("--noautotag")
        assert len(self.lib.items()) == 0


class TestImportWithoutAuto(Helper):
    def setup_beets(self):
        self.config["genrecnn"]["auto"] = False
        super().setup_beets()

    def test_nothing_is_heard(self):
        folder = self.tmp / "incoming"
        folder.mkdir()
        self.track("One", heard(Rock=0.9), folder=folder)
        self.beet("import", "--quiet", "--noautotag", str(folder))
        (item,) = self.lib.items()
        assert (item.genres, self.asked) == ([], [])


def run_beet(folder, environ, *args):
    done = subprocess.run(
        [sys.executable, "-m", "beets", *args],
        capture_output=True,
        text=True,
        env={**environ, "BEETSDIR": str(folder), "HOME": str(folder)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_real_beet_imports_hears_and_tags_a_real_library(tmp_path):
    beet = partial(run_beet, tmp_path, os.environ)
    (tmp_path / "config.yaml").write_text(
        f"directory: {tmp_path / 'music'}\n"
        f"library: {tmp_path / 'library.db'}\n"
        "plugins: genrecnn\n"
        "genrecnn:\n"
        "  auto: yes\n"
        "  threshold: 0.0\n"  # so that something is decided, whatever the model is
        "  max_genres: 1\n"
    )
    source = tmp_path / "incoming"
    source.mkdir()
    common = {"artist": "An Artist", "album": "An Album", "seconds": 2.0}
    make_audio.make("FLAC", source / "one.flac", title="One", **common)
    make_audio.make("MP3", source / "two.mp3", title="Two", **common)
    make_audio.make("FLAC", source / "own.flac", title="Own", genre=("Blues",), **common)
    make_audio.make("FLAC", source / "bad.flac", title="Bad", **{**common, "seconds": 0.5})
    before = {path: path.read_bytes() for path in source.iterdir()}

    out = beet("import", "--quiet", "--noautotag", str(source))
    assert "Bad: failed: too short: 0.5 s of audio" in out
    assert {path: path.read_bytes() for path in source.iterdir()} == before
    rows = beet("ls", "-f", "$title\t$genres\t$path").splitlines()
    library = {title: (genres, Path(path)) for title, genres, path in (r.split("\t") for r in rows)}
    assert library["Own"][0] == "Blues"
    assert library["Bad"][0] == ""
    for title in ("One", "Two"):
        genres, path = library[title]
        assert genres in genretagger.GENRES
        assert genres_in(path) == [genres]
    assert beet("update") == ""
    probabilities = beet("ls", "-f", "$genrecnn_rock", "genrecnn_rock:0.0..").split()
    assert len(probabilities) == 2
    assert all(0.0 <= float(p) <= 1.0 for p in probabilities)

    out = beet("genrecnn", "--pretend", "--force", "--jobs", "2")
    assert "4 tracks: " in out
    assert f"failed:\n  {library['Bad'][1]}: too short" in out
    assert "Own: Blues -> " in out
    assert genres_in(library["Own"][1]) == ["Blues"]
    beet("genrecnn", "--force")
    assert genres_in(library["Own"][1])[0] in genretagger.GENRES
    for path in [path for _, path in library.values()]:
        assert b"genrecnn" not in path.read_bytes()


def test_a_decoder_that_crashes_costs_one_track_of_an_import(tmp_path, crashing_decoder):
    (tmp_path / "config.yaml").write_text(
        f"directory: {tmp_path / 'music'}\n"
        f"library: {tmp_path / 'library.db'}\n"
        "plugins: genrecnn\n"
        "genrecnn: {threshold: 0.0, jobs: 1}\n"
    )
    source = tmp_path / "incoming"
    source.mkdir()
    for title in ("One", "Crash", "Two"):
        path = source / f"{title}.flac"
        # audio that was heard before is not decoded again, so each has its own
        seconds = 1.5 + len(title) / 10
        make_audio.make("FLAC", path, title=title, artist="A", album="B", seconds=seconds)

    beet = partial(run_beet, tmp_path, crashing_decoder)
    out = beet("import", "--quiet", "--noautotag", str(source))
    assert "Crash: failed: the decoder crashed on it" in out
    assert "Fatal Python error" not in out
    rows = dict(row.split("\t") for row in beet("ls", "-f", "$title\t$genres").splitlines())
    assert rows.pop("Crash") == ""
    assert sorted(rows) == ["One", "Two"]
    assert all(rows.values())
    assert "1 failed" in beet("genrecnn", "--force")
