"""The beets plugin, on real libraries of real files; most tests say themselves what is heard."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import make_audio
import mutagen.id3
import pytest

import genretagger
from genretagger import pipeline
from genretagger.writing import exchange

pytest.importorskip("beets")
import confuse
from beets import ui
from beets.library import Item
from beets.plugins import BeetsPlugin
from beets.util import cached_classproperty
from mediafile import MediaFile

from beetsplug import genrecnn
from beetsplug.genrecnn import albums, tracks

# last: with beets 2.9 it hides plugins that are installed elsewhere
helper = pytest.importorskip("beets.test.helper")

ROOT = Path(__file__).resolve().parent.parent


def heard(*notes, **probabilities):
    """Build a prediction: ``heard(Rock=0.9)``; an underscore is a space, the rest is 0.1."""
    known = {name.replace("_", " "): p for name, p in probabilities.items()}
    assert known.keys() <= set(genretagger.GENRES)
    return genretagger.Prediction(tuple(known.get(g, 0.1) for g in genretagger.GENRES), notes)


def genres_in(path):
    tags = mutagen.File(path).tags
    return list(tags["TCON"].text if "TCON" in tags else tags.get("genre", []))


def contents(library, *items):
    """All that is to be as before: files, tracks and albums, but for the times of change."""
    changes = ("mtime", "genrecnn_replaced")
    found = [library.get_item(item.id) for item in items]
    return [
        [item.filepath.read_bytes() for item in found],
        *(
            [{k: v for k, v in dict(m).items() if k not in changes} for m in models]
            for models in (found, library.albums())
        ),
    ]


UNDO = ("genrecnn", "--undo")


def add_comment(copy):
    file = mutagen.File(copy)
    file["comment"] = "more"
    file.save()


def killed():
    raise SystemExit("as a killed process: nothing after this is done")


class Helper(helper.PluginMixin, helper.TestHelper):
    plugin = "genrecnn"

    @pytest.fixture(autouse=True)
    def setup(self, request, tmp_path, audio_file, capsys, monkeypatch):
        cached_classproperty.cache.clear()  # field types, as they were without the plugin
        self.request, self.tmp, self.audio, self.capsys = request, tmp_path, audio_file, capsys
        self.heard, self.asked = {}, []
        monkeypatch.setattr(genretagger, "predict_tracks", self.predict)
        # beets' handler holds the standard error of the test that imported beets
        monkeypatch.setattr(logging.getLogger("beets"), "handlers", [])
        self.setup_beets()
        try:
            yield
        finally:
            self.teardown_beets()
            cached_classproperty.cache.clear()

    def setup_beets(self):
        self.config["genrecnn"]["threshold"] = 0.5
        super().setup_beets()

    def predict(self, paths, bundle, jobs=1):
        """Stand in for the network: by title, what `self.heard` says."""
        self.jobs = jobs
        for path in paths:
            answer = self.heard[MediaFile(str(path)).title]
            self.asked.append(path.name)
            if isinstance(answer, BaseException) and not isinstance(answer, genretagger.TrackError):
                raise answer
            yield path, answer

    def track(self, title, prediction=None, *, form="FLAC", genre=(), folder=None, **more):
        """Put a real file into the library, and say what is to be heard in it."""
        self.heard[title] = prediction
        tags = {"title": title, "artist": "An Artist", "album": "An Album"}
        tags["albumartist"] = tags["artist"]
        path = self.audio(form, name=title, genre=genre, seconds=1.5, **{**tags, **more})
        if folder is not None:
            return path.rename(folder / path.name)
        item = Item.from_path(os.fsencode(path))
        item.add(self.lib)
        return item

    def beet(self, *args):
        self.capsys.readouterr()
        sources = list(self.config.sources)
        try:
            self.run_command(*args)
        finally:
            self.config.sources[:] = sources  # options last as long as their process
        return self.capsys.readouterr().out

    def again(self, item):
        return self.lib.get_item(item.id)


class TestCommand(Helper):
    def test_genres_are_a_list_in_the_fixed_order_in_the_library_and_in_the_file(self):
        item = self.track("One", heard(Rock=0.9, Pop=0.8))
        out = self.beet("genrecnn")
        assert self.again(item).genres == ["Pop", "Rock"]
        assert genres_in(item.filepath) == ["Pop", "Rock"]
        assert "One: (none) -> Pop; Rock | Rock 0.90, Pop 0.80" in out
        assert "1 tracks: 1 changed, 0 kept, 0 undecided, 0 failed" in out

    def test_beets_agrees_with_the_file_afterwards(self):
        item = self.track("One", heard(Rock=0.9))
        self.beet("genrecnn")
        assert self.beet("update") == ""
        assert self.beet("write") == ""
        assert self.again(item).mtime == int(item.filepath.stat().st_mtime)

    def test_only_what_the_query_finds_is_changed(self):
        one, two = self.track("One", heard(Rock=0.9)), self.track("Two", heard(Jazz=0.9))
        self.beet("genrecnn", "title:Two")
        assert (self.again(one).genres, self.again(two).genres) == ([], ["Jazz"])
        assert self.asked == ["Two.flac"]

    def test_pretend_shows_the_change_and_the_reason_and_makes_none(self):
        item = self.track("One", heard(Rock=0.9), genre=("Blues",))
        album = self.lib.add_album([item])
        before = dict(self.again(item)), dict(self.lib.get_album(album.id))
        content, mtime_ns = item.filepath.read_bytes(), item.filepath.stat().st_mtime_ns
        out = self.beet("genrecnn", "--pretend", "--force")
        assert "One: Blues -> Rock | Rock 0.90" in out
        assert "album An Artist - An Album: Blues -> Rock | Rock on 1 of 1 tracks" in out
        assert "1 tracks: 1 to change" in out
        assert (dict(self.again(item)), dict(self.lib.get_album(album.id))) == before
        assert (item.filepath.read_bytes(), item.filepath.stat().st_mtime_ns) == (content, mtime_ns)

    def test_a_report_shows_what_was_heard_and_what_would_be_set(self):
        self.track("One", heard(Rock=0.9))
        self.track("Two", genretagger.TrackError("nothing in it"))
        path = self.tmp / "report.html"
        for pretend, word in ((["--pretend"], "to change"), ([], "changed")):
            self.beet("genrecnn", *pretend, "--report", str(path))
            found = re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"))
            page = json.loads(found[1])
            states = [page["states"][row[2]] for row in page["rows"]]
            assert states == ["change", "failed"]
            assert page["words"][0] == word
            assert page["rows"][0][6][page["genres"].index("Rock")] == 900
            assert page["values"][page["rows"][0][4]] == ["Rock"]

    def test_a_report_that_cannot_be_written_stops_before_anything_is_done(self):
        item = self.track("One", heard(Rock=0.9))
        with pytest.raises(ui.UserError, match="--report"):
            self.beet("genrecnn", "--report", str(self.tmp / "nowhere/report.html"))
        assert (self.again(item).genres, self.asked) == ([], [])

    def test_somebodys_own_genre_is_kept_and_not_even_heard(self):
        item = self.track("One", heard(Rock=0.9), genre=("Blues",))
        content = item.filepath.read_bytes()
        out = self.beet("genrecnn")
        assert self.asked == []
        assert self.again(item).genres == ["Blues"]
        assert item.filepath.read_bytes() == content
        assert 'One: Blues | kept: has "Blues"' in out
        assert "1 kept" in out

    def test_force_replaces_it(self):
        item = self.track("One", heard(Rock=0.9), genre=("Blues",))
        out = self.beet("genrecnn", "--force")
        assert self.again(item).genres == genres_in(item.filepath) == ["Rock"]
        assert "One: Blues -> Rock | Rock 0.90" in out

    def test_no_force_overrules_the_configuration(self):
        item = self.track("One", heard(Rock=0.9), genre=("Blues",))
        self.config["genrecnn"]["force"] = True
        self.beet("genrecnn", "--no-force")
        assert self.again(item).genres == ["Blues"]

    def test_an_undecided_track_keeps_its_genre_even_with_force(self):
        item = self.track("One", heard(Rock=0.4), genre=("Blues",))
        content = item.filepath.read_bytes()
        out = self.beet("genrecnn", "--force")
        assert self.again(item).genres == ["Blues"]
        assert item.filepath.read_bytes() == content
        assert 'One: Blues | undecided: best Rock 0.40 < 0.50 | kept: has "Blues"' in out
        assert "1 undecided" in out

    def test_an_undecided_track_is_not_written_but_its_reason_is_kept(self):
        item = self.track("One", heard(Rock=0.4))
        content = item.filepath.read_bytes()
        self.beet("genrecnn")
        assert item.filepath.read_bytes() == content
        assert self.again(item).genres == []
        assert self.again(item).genrecnn_reason == "undecided: best Rock 0.40 < 0.50"
        assert self.again(item).genrecnn_rock == 0.4

    def test_what_is_there_already_is_not_written_again(self):
        item = self.track("One", heard(Rock=0.9, Pop=0.8), genre=("Rock", "Pop"))
        content = item.filepath.read_bytes()
        out = self.beet("genrecnn", "--force")
        assert "kept: already there" in out
        assert self.again(item).genres == ["Rock", "Pop"]
        assert item.filepath.read_bytes() == content

    @pytest.mark.parametrize(
        ("options", "write", "import_write", "expected"),
        [
            (["--nowrite"], None, True, []),
            ([], False, True, []),
            ([], None, False, []),
            ([], None, True, ["Rock"]),
            ([], True, False, ["Rock"]),
            (["--write"], False, False, ["Rock"]),
        ],
    )
    def test_files_are_written_if_the_option_else_the_plugin_else_beets_says_so(
        self, options, write, import_write, expected
    ):
        item = self.track("One", heard(Rock=0.9))
        self.config["genrecnn"]["write"] = write
        self.config["import"]["write"] = import_write
        self.beet("genrecnn", *options)
        assert self.again(item).genres == ["Rock"]
        assert genres_in(item.filepath) == expected

    def test_threshold_max_genres_and_jobs_are_obeyed(self):
        item = self.track("One", heard(Rock=0.4, Pop=0.35))
        assert "1 undecided" in self.beet("genrecnn", "--pretend")
        assert "-> Rock |" in self.beet("genrecnn", "-p", "--threshold", "0.3", "--max-genres=1")
        self.beet("genrecnn", "--threshold", "0", "--max-genres", "2", "--jobs", "3")
        assert self.again(item).genres == ["Pop", "Rock"]
        assert self.jobs == 3

    def test_a_bad_option_stops_before_anything_is_done(self):
        self.track("One", heard(Rock=0.9))
        for option, message in [
            ("--threshold=1.5", "threshold: 1.5 is not within 0 to 1"),
            ("--max-genres=0", "max_genres: 0 is less than 1"),
            ("--jobs=-1", "jobs: -1 is less than 0"),
        ]:
            with pytest.raises(confuse.ConfigError, match=re.escape(message)):
                self.beet("genrecnn", option)
        with pytest.raises(ui.UserError, match=r"bundle.json cannot be read"):
            self.beet("genrecnn", "--bundle", str(self.tmp / "nowhere"))
        assert self.asked == []

    def test_a_model_that_breaks_in_the_middle_stops_the_run_with_a_summary(self):
        one = self.track("One", heard(Rock=0.9))
        self.track("Two", genretagger.FatalError("model bundle x: it was replaced"))
        self.capsys.readouterr()
        with pytest.raises(ui.UserError, match="it was replaced"):
            self.run_command("genrecnn", "title+")
        assert "stopped: 1 tracks are left for the next run" in self.capsys.readouterr().out
        assert self.again(one).genres == ["Rock"]


class TestFailures(Helper):
    def test_one_bad_file_never_stops_a_run_and_is_listed_with_its_reason(self):
        bad = self.track("Bad", genretagger.TrackError("truncated: get a whole copy"))
        good = self.track("Good", heard(Rock=0.9))
        out = self.beet("genrecnn", "title+")
        assert "2 tracks: 1 changed, 0 kept, 0 undecided, 1 failed" in out
        assert f"failed:\n  {bad.filepath}: truncated: get a whole copy\n" in out
        assert (self.again(bad).genres, self.again(good).genres) == ([], ["Rock"])
        assert "genrecnn_reason" not in self.again(bad)

    def test_a_file_that_cannot_be_written_leaves_the_librarys_genres_as_they_were(
        self, monkeypatch
    ):
        item, other = self.track("Bad", heard(Rock=0.9)), self.track("Good", heard(Rock=0.9))

        def wreck(paths, bundle, jobs):
            for path, answer in self.predict(paths, bundle):
                if path == item.filepath:
                    path.write_bytes(b"no longer audio")
                yield path, answer

        monkeypatch.setattr(genretagger, "predict_tracks", wreck)
        out = self.beet("genrecnn", "title+")
        assert f"  {item.filepath}: cannot be read as FLAC (no FLAC stream); " in out
        assert "1 changed, 0 kept, 0 undecided, 1 failed" in out
        found = self.again(item)
        assert (found.genres, found.mtime) == ([], item.mtime)
        assert found.genrecnn_reason.startswith("failed: cannot be read as FLAC (")
        assert "genrecnn_unwritten" not in found
        assert self.again(other).genres == ["Rock"]

    def test_ctrl_c_keeps_what_is_done_and_says_what_is_left(self):
        one = self.track("One", heard(Rock=0.9))
        two = self.track("Two", KeyboardInterrupt())
        album = self.lib.add_album([one, two])
        self.capsys.readouterr()
        with pytest.raises(KeyboardInterrupt):
            self.run_command("genrecnn", "title+")
        out = self.capsys.readouterr().out
        assert "stopped: 1 tracks are left for the next run" in out
        assert "1 tracks: 1 changed" in out
        assert self.again(one).genres == genres_in(one.filepath) == ["Rock"]
        assert self.again(two).genres == []
        assert self.lib.get_album(album.id).genres == ["Rock"]

    def test_ctrl_c_waits_until_file_and_library_agree(self, monkeypatch):
        item = self.track("One", heard(Rock=0.9))
        real = exchange.exchange

        def interrupted(*args, **kwargs):
            signal.raise_signal(signal.SIGINT)
            real(*args, **kwargs)

        monkeypatch.setattr(exchange, "exchange", interrupted)
        with pytest.raises(KeyboardInterrupt):
            self.beet("genrecnn")
        out = self.capsys.readouterr().out
        assert "stopped: 0 tracks are left for the next run\n1 tracks: 1 changed" in out
        assert self.again(item).genres == genres_in(item.filepath) == ["Rock"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class TestFields(Helper):
    def test_probabilities_are_numbers_to_search_by(self):
        self.track("Loud", heard(Rock=0.9, Hip_Hop=0.81234))
        self.track("Soft", heard(Folk=0.7))
        self.track("Own", genre=("Blues",))
        self.beet("genrecnn")
        assert self.beet("ls", "-f", "$title", "genrecnn_rock:0.8..") == "Loud\n"
        assert self.beet("ls", "-f", "$title", "genrecnn_rock:..0.8") == "Soft\n"
        assert self.beet("ls", "-f", "$genrecnn_hip_hop", "title:Loud") == "0.8123\n"
        assert self.beet("ls", "-f", "$title", "genrecnn_rock:0..", "genrecnn_folk-") == (
            "Soft\nLoud\n"
        )

    def test_every_genre_has_a_field(self):
        item = self.track("One", heard(Rock=0.9))
        self.beet("genrecnn")
        found = {key for key in self.again(item).keys(with_album=False) if "genrecnn" in key}
        assert found == {*tracks.FIELDS.values(), "genrecnn_reason", "genrecnn_bundle"}
        assert len(tracks.FIELDS) == len(genretagger.GENRES)

    @pytest.mark.parametrize("form", ["FLAC", "MP3"])
    def test_fields_never_reach_a_file(self, form):
        item = self.track("One", heard(Rock=0.9), form=form)
        self.beet("genrecnn")
        self.beet("write", "--force")
        content = item.filepath.read_bytes().lower().replace(b"\0", b"")
        assert genres_in(item.filepath) == ["Rock"]
        assert b"genrecnn" not in content

    def test_a_track_is_heard_once_and_decided_on_again(self):
        item = self.track("One", heard(Rock=0.4))
        self.beet("genrecnn")
        out = self.beet("genrecnn", "--threshold", "0.3")
        assert self.asked == ["One.flac"]
        assert "One: (none) -> Rock | Rock 0.40 | heard before" in out
        assert self.again(item).genres == ["Rock"]

    def test_another_model_hears_it_again(self):
        item = self.track("One", heard(Rock=0.4))
        self.beet("genrecnn")
        self.beet("modify", "--yes", "--nowrite", "genrecnn_bundle=0123456789ab")
        self.heard["One"] = genretagger.Prediction(None, ("silent where it was heard",))
        self.beet("genrecnn")
        found = self.again(item)
        assert self.asked == ["One.flac"] * 2
        assert found.genrecnn_reason == "undecided: nothing to hear | silent where it was heard"
        assert "genrecnn_rock" not in found  # nothing is left of what the other model said
        assert "nothing to hear | heard before" in self.beet("genrecnn")

    def test_a_file_that_is_gone_fails_though_it_was_heard_before(self, monkeypatch):
        item = self.track("One", heard(Rock=0.4))
        self.beet("genrecnn")
        item.filepath.unlink()
        monkeypatch.setattr(genretagger, "predict_tracks", pipeline.predict)
        assert "One: failed: cannot be read: No such file" in self.beet("genrecnn", "-t", "0.3")


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


class TestId3v23(Helper):
    def test_beets_alone_tears_two_genres(self):
        """The reason for the rest; when this fails, `_Id3v23` can go."""
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
        assert any("1 tracks: 0 changed, 0 kept, 0 undecided, 1 failed" in m for m in messages)

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


class TestTakingBack(Helper):
    @pytest.mark.parametrize(
        "form", ["FLAC", "MP3", "Ogg Vorbis", "Opus", "M4A AAC", "WAV", "AIFF", "WMA", "WavPack"]
    )
    def test_undo_gives_every_container_its_bytes_back(self, form):
        item = self.track("One", heard(Rock=0.9, Pop=0.8), form=form, genre=("Blues",))
        before = contents(self.lib, item)
        out = self.beet("genrecnn", "--force")
        assert "1 changed" in out
        assert "to take it back: beet genrecnn --undo" in out
        assert item.filepath.read_bytes() != before[0][0]
        out = self.beet("genrecnn", "--undo")
        assert "One: Pop; Rock -> Blues | undone" in out
        assert "1 tracks are as before, 0 failed" in out
        assert contents(self.lib, item) == before
        assert self.beet("update") == ""
        assert not [p.name for p in item.filepath.parent.iterdir() if "genretagger" in p.name]

    def test_undo_gives_the_library_its_own_genres_back_and_the_album_its(self):
        one = self.track("One", heard(Rock=0.9), genre=("Blues",))
        two = self.track("Two", heard(Rock=0.9))
        album = self.lib.add_album([one, two])
        self.beet("modify", "--yes", "--nowrite", "title:One", "genres=Soul; Funk")
        before = contents(self.lib, one, two)
        self.beet("genrecnn", "--force")
        assert self.lib.get_album(album.id).genres == ["Rock"]
        self.beet("genrecnn")  # changes nothing, and so is not what is taken back
        self.beet("genrecnn", "--undo")
        assert self.again(one).genres == ["Soul", "Funk"]
        assert genres_in(one.filepath) == ["Blues"]
        assert contents(self.lib, one, two) == before

    def test_undo_twice_is_undo_once_and_an_undo_is_undone_by_its_name(self):
        item = self.track("One", heard(Rock=0.9))
        album = self.lib.add_album([item])
        before = contents(self.lib, item)
        self.beet("genrecnn")
        changed = item.filepath.read_bytes()
        again = re.search(r"to do it again: beet genrecnn --undo (.*)", self.beet(*UNDO))[1]
        assert "it is as it was before" in self.beet(*UNDO)
        assert contents(self.lib, item) == before
        self.beet(*UNDO, again)
        assert item.filepath.read_bytes() == changed
        assert self.again(item).genres == self.lib.get_album(album.id).genres == ["Rock"]
        self.beet(*UNDO)
        assert item.filepath.read_bytes() == before[0][0]
        assert self.again(item).genres == []

    def test_an_earlier_run_is_taken_back_by_name_after_the_later_one(self):
        item = self.track("One", heard(Rock=0.4, Pop=0.9))
        before = contents(self.lib, item)
        self.beet("genrecnn")
        (first,) = genretagger.list_journals()
        self.beet("genrecnn", "--force", "--threshold", "0.3")
        assert self.again(item).genres == ["Pop", "Rock"]
        out = self.beet(*UNDO, str(first))
        assert "One: failed: changed since; it stays as it is" in out
        assert f"0 tracks are as before, 1 failed\nfailed:\n  {item.filepath}: changed" in out
        self.beet(*UNDO)
        assert self.again(item).genres == genres_in(item.filepath) == ["Pop"]
        self.beet(*UNDO, str(first))
        assert contents(self.lib, item) == before

    def test_genres_that_somebody_has_given_since_stay_in_the_library(self):
        item = self.track("One", heard(Rock=0.9))
        self.beet("genrecnn")
        self.beet("modify", "--yes", "--nowrite", "title:One", "genres=Soul")
        self.beet(*UNDO)
        assert (self.again(item).genres, genres_in(item.filepath)) == (["Soul"], [])

    def test_a_track_that_is_no_longer_in_the_library_stops_nothing(self):
        gone, item = self.track("Gone", heard(Rock=0.9)), self.track("One", heard(Rock=0.9))
        self.beet("genrecnn", "title+")
        self.beet("remove", "--force", "title:Gone")
        out = self.beet(*UNDO)
        assert f"{gone.filepath}: failed: no track of this library lies there" in out
        assert (genres_in(gone.filepath), genres_in(item.filepath)) == (["Rock"], [])

    def test_pretend_shows_what_would_be_taken_back(self):
        item = self.track("One", heard(Rock=0.9))
        self.beet("genrecnn")
        before = contents(self.lib, item)
        assert f"{item.filepath}: Rock -> (none)" in self.beet(*UNDO, "--pretend")
        assert contents(self.lib, item) == before

    def test_other_programs_runs_are_not_taken_back(self):
        with pytest.raises(ui.UserError, match="no run of beet genrecnn to take back"):
            self.beet(*UNDO)
        other = genretagger.Journal("tag somewhere")
        genretagger.rewrite(self.audio("FLAC"), add_comment, other, old=(), new=())
        with pytest.raises(ui.UserError, match="no run of beet genrecnn to take back"):
            self.beet(*UNDO)
        with pytest.raises(ui.UserError, match="name one journal, or none"):
            self.beet(*UNDO, "artist:Somebody", "title:One")
        with pytest.raises(ui.UserError, match="nowhere: No such file"):
            self.beet(*UNDO, str(self.tmp / "nowhere"))

    def test_an_undo_that_was_broken_off_goes_on(self, monkeypatch):
        items = [self.track(title, heard(Rock=0.9)) for title in ("One", "Two")]
        before = contents(self.lib, *items)
        self.beet("genrecnn", "title+")
        with monkeypatch.context() as patched, pytest.raises(SystemExit):
            patched.setattr(Item, "store", lambda *_, **__: killed())
            self.beet(*UNDO)
        assert [genres_in(item.filepath) for item in items] == [["Rock"], []]
        assert self.again(items[1]).genres == ["Rock"]
        self.beet(*UNDO)
        assert contents(self.lib, *items) == before


class TestWriting(Helper):
    def test_listeners_hear_of_the_file_itself_before_and_after_it_is_written(self):
        item = self.track("One", heard(Rock=0.9))
        told = []

        class Listener(BeetsPlugin):
            def __init__(self):
                super().__init__("listener")
                self.register_listener("write", self.before)
                self.register_listener("after_write", self.after)

            def before(self, item, path, tags):
                told.append(("write", path, genres_in(item.filepath), tags["genres"]))
                tags["comments"] = "from a listener"

            def after(self, item, path):
                os.utime(path, (10**9, 10**9))  # as importadded does
                item.mtime = 10**9
                told.append(("after_write", path, genres_in(item.filepath)))

        Listener()
        self.beet("genrecnn")
        assert told == [
            ("write", item.path, [], ["Rock"]),
            ("after_write", item.path, ["Rock"]),
        ]
        assert mutagen.File(item.filepath)["comment"] == ["from a listener"]
        assert self.again(item).mtime == item.filepath.stat().st_mtime == 10**9

    def test_a_read_only_file_fails_and_says_so(self):
        item, other = self.track("Bad", heard(Rock=0.9)), self.track("Good", heard(Rock=0.9))
        content = item.filepath.read_bytes()
        item.filepath.chmod(0o444)
        out = self.beet("genrecnn", "title+")
        assert "Bad: failed: the file is read-only; make it writable, or leave it out" in out
        assert (self.again(item).genres, item.filepath.read_bytes()) == ([], content)
        item.filepath.chmod(0o644)
        assert "Bad: (none) -> Rock | Rock 0.90 | heard before" in self.beet("genrecnn")
        assert genres_in(item.filepath) == genres_in(other.filepath) == ["Rock"]

    def test_a_write_that_would_change_the_audio_is_refused(self, monkeypatch):
        item = self.track("One", heard(Rock=0.9))
        content = item.filepath.read_bytes()
        monkeypatch.setattr(
            tracks.MediaFile, "save", lambda file: Path(file.path).write_bytes(content[:-9])
        )
        out = self.beet("genrecnn")
        assert "to write its tags would change its audio; it stays as it was" in out
        assert (self.again(item).genres, item.filepath.read_bytes()) == ([], content)

    def test_without_a_place_for_the_journal_the_command_stops_and_the_next_goes_on(
        self, monkeypatch
    ):
        items = [self.track(title, heard(Rock=0.9)) for title in ("One", "Two")]
        content = items[0].filepath.read_bytes()
        genretagger.state_folder().mkdir(parents=True, exist_ok=True)
        folder = genretagger.state_folder() / "journals"
        folder.write_text("a file where a folder should be")
        with pytest.raises(ui.UserError, match="cannot be written: File exists; stopped before"):
            self.beet("genrecnn", "title+")
        assert "stopped: 2 tracks are left for the next run" in self.capsys.readouterr().out
        assert items[0].filepath.read_bytes() == content
        folder.unlink()
        out = self.beet("genrecnn", "title+")
        assert "One: (none) -> Rock | finishes what was broken off" in out
        assert [genres_in(item.filepath) for item in items] == [["Rock"]] * 2

    def test_two_writing_runs_at_a_time_are_refused_and_others_are_not(self):
        self.track("Zero", heard(Rock=0.9))
        self.beet("genrecnn")
        item = self.track("One", heard(Rock=0.9))
        with genretagger.only_writer(genretagger.state_folder(), "another run"):
            with pytest.raises(ui.UserError, match=r"another run is writing \(PID \d+, since"):
                self.beet("genrecnn", "--write")
            with pytest.raises(ui.UserError, match=r"another run is writing"):
                self.beet(*UNDO)
            assert "to change" in self.beet("genrecnn", "--pretend")
            assert "changed" in self.beet("genrecnn", "--nowrite")
        assert (self.again(item).genres, genres_in(item.filepath)) == (["Rock"], [])

    def test_a_half_written_file_is_finished_before_anything_else_is_written(self, monkeypatch):
        self.track("One", heard(Rock=0.9))
        monkeypatch.setattr(
            genretagger, "recover", lambda: iter(["x.mp3: finished"]), raising=False
        )
        assert "finished" not in self.beet("genrecnn", "--pretend")
        out = self.beet("genrecnn")
        assert out.index("x.mp3: finished") < out.index("One: (none) -> Rock")

    def test_what_was_broken_off_waits_for_a_run_that_may_write(self, monkeypatch):
        item = self.track("One", heard(Rock=0.4, Pop=0.9), genre=("Blues",))
        content = item.filepath.read_bytes()
        with monkeypatch.context() as patched, pytest.raises(SystemExit):
            patched.setattr(genretagger, "rewrite", lambda *_, **__: killed())
            self.beet("genrecnn", "--force")
        assert (self.again(item).genres, item.filepath.read_bytes()) == (["Pop"], content)
        assert 'Pop | kept: has "Pop"' in self.beet("genrecnn", "--nowrite")
        expected = "One: Blues -> Pop | finishes what was broken off"
        assert expected in self.beet("genrecnn", "--pretend")
        assert item.filepath.read_bytes() == content
        out = self.beet("genrecnn", "--force", "--threshold", "0.3")  # both, and in this order
        assert "One: Pop -> Pop; Rock | " in out
        assert genres_in(item.filepath) == ["Pop", "Rock"]
        self.beet(*UNDO)
        assert item.filepath.read_bytes() == content


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_a_killed_run_left_behind_the_next_repairs(tmp_path, moment):
    code = (
        "import os, signal, sys\n"
        "import genretagger\n"
        "from beets.ui import main\n"
        "from genretagger.writing import exchange\n"
        "rock = tuple(0.9 * (g == 'Rock') for g in genretagger.GENRES)\n"
        "genretagger.predict_tracks = lambda paths, *_: [\n"
        "    (path, genretagger.Prediction(rock, ())) for path in paths].__iter__()\n"
        "real = exchange.exchange\n"
        "def die(*args, **options):\n"
        "    if moment == 'after': real(*args, **options)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "moment = sys.argv.pop(1)\n"
        "if moment != 'never': exchange.exchange = die\n"
        "main()\n"
    )

    def beet(moment, *args):
        done = subprocess.run(
            [sys.executable, "-c", code, moment, *args],
            capture_output=True,
            text=True,
            env={**os.environ, "BEETSDIR": str(tmp_path), "HOME": str(tmp_path)},
            check=False,
        )
        assert done.returncode == (0 if moment == "never" else -signal.SIGKILL), done.stderr
        return done.stdout

    (tmp_path / "config.yaml").write_text(
        f"directory: {tmp_path}\nlibrary: {tmp_path / 'library.db'}\nplugins: genrecnn\n"
        "genrecnn: {auto: no, threshold: 0.5}\nimport: {copy: no}\n"
    )
    folder = tmp_path / "album"
    folder.mkdir()
    path = folder / "one.mp3"
    make_audio.make("MP3", path, title="One", genre=("Blues",), seconds=1.5)
    content = path.read_bytes()
    beet("never", "import", "--quiet", "--noautotag", str(folder))

    beet(moment, "genrecnn", "--force")
    assert genres_in(path) == (["Rock"] if moment == "after" else ["Blues"])
    assert beet("never", "ls", "-f", "$genres $genrecnn_unwritten") == 'Rock ["Blues"]\n'
    assert "Blues -> Rock | finishes what was broken off" in beet("never", "genrecnn")
    assert genres_in(path) == ["Rock"]
    assert [p.name for p in folder.iterdir()] == ["one.mp3"]
    assert beet("never", "update") == ""
    assert "1 kept" in beet("never", "genrecnn")

    beet("never", "genrecnn", "--undo")
    assert path.read_bytes() == content
    assert beet("never", "ls", "-f", "$genres") == "Blues\n"


class TestIntentions(Helper):
    def test_every_option_has_a_configuration_key_and_every_key_is_documented(self):
        (command,) = genrecnn.GenreCnnPlugin().commands()
        options = {option.dest for option in command.parser.option_list if option.dest}
        assert options - {"undo", "report"} == genrecnn.DEFAULTS.keys() - {"auto"}
        documented = dict(
            re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", (ROOT / "docs/beets.md").read_text(), re.M)
        )
        words = {"True": "yes", "False": "no", "None": "null"}
        assert documented == {
            key: words.get(str(value), str(value)) for key, value in genrecnn.DEFAULTS.items()
        }

    def test_every_option_is_documented(self):
        (command,) = genrecnn.GenreCnnPlugin().commands()
        text = (ROOT / "docs/beets.md").read_text()
        for option in command.parser.option_list:
            for name in option._long_opts + option._short_opts:
                assert f"`{name}`" in text or name in ("-h", "--help"), name

    def test_loading_the_plugin_loads_nothing_heavy(self):
        heavy = "'numpy', 'joblib', 'soundfile', 'soxr', 'rich', 'ai_edge_litert', 'tensorflow'"
        code = (
            "import sys, beets.ui.commands\n"  # beets' own matching needs numpy
            "before = set(sys.modules)\n"
            "import beetsplug.genrecnn\n"
            "new = set(sys.modules) - before\n"
            f"print(sorted(new & {{{heavy}}}), sorted(m for m in new if 'genretagger' in m))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        light = "['genretagger', 'genretagger.genres', 'genretagger.records']"
        assert done.stdout.strip() == f"[] {light}"


def test_a_real_beet_imports_hears_and_tags_a_real_library(tmp_path):
    def beet(*args):
        done = subprocess.run(
            [sys.executable, "-m", "beets", *args],
            capture_output=True,
            text=True,
            env={**os.environ, "BEETSDIR": str(tmp_path), "HOME": str(tmp_path)},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

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
        make_audio.make("FLAC", path, title=title, artist="A", album="B", seconds=1.5)

    def beet(*args):
        done = subprocess.run(
            [sys.executable, "-m", "beets", *args],
            capture_output=True,
            text=True,
            env={**crashing_decoder, "BEETSDIR": str(tmp_path), "HOME": str(tmp_path)},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    out = beet("import", "--quiet", "--noautotag", str(source))
    assert "Crash: failed: the decoder crashed on it" in out
    assert "Fatal Python error" not in out
    rows = dict(row.split("\t") for row in beet("ls", "-f", "$title\t$genres").splitlines())
    assert rows.pop("Crash") == ""
    assert sorted(rows) == ["One", "Two"]
    assert all(rows.values())
    assert "1 failed" in beet("genrecnn", "--force")
