"""Runs of the plugin that write: one at a time, repaired after a crash, and taken back."""

import os
import re
import signal
import subprocess
import sys

import make_audio
import mutagen.id3
import pytest

import genretagger

pytest.importorskip("beets")
from beets import ui
from beets.library import Item
from beets_library import Helper, contents, genres_in, heard, killed

UNDO = ("genrecnn", "--undo")


def add_comment(copy):
    file = mutagen.File(copy)
    file["comment"] = "more"
    file.save()


class TestTakingBack(Helper):
    def fail(self, *args):
        with pytest.raises(
            ui.UserError, match=r"1 of \d files? was not taken|[2-9] of \d files were not taken"
        ):
            self.beet(*args)
        return self.capsys.readouterr().out

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
        assert "1 track is as before, 0 failed" in out
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

    def test_undo_walks_back_and_an_undo_is_undone_by_its_number(self):
        item = self.track("One", heard(Rock=0.9))
        album = self.lib.add_album([item])
        before = contents(self.lib, item)
        self.beet("genrecnn")
        changed = item.filepath.read_bytes()
        again = re.search(r"to do it again: beet genrecnn --undo (.*)", self.beet(*UNDO))[1]
        assert again == "2"
        with pytest.raises(ui.UserError, match="no run of beet genrecnn to take back"):
            self.beet(*UNDO)
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
        self.beet("genrecnn", "--force", "--threshold", "0.1")
        assert self.again(item).genres == ["Pop", "Rock"]
        out = self.fail(*UNDO, str(first))
        assert "One: failed: changed since; it stays as it is" in out
        assert f"0 tracks are as before, 1 failed\nfailed:\n  {item.filepath}: changed" in out
        self.beet(*UNDO)
        assert self.again(item).genres == genres_in(item.filepath) == ["Pop"]
        self.beet(*UNDO, "1")
        assert contents(self.lib, item) == before

    def test_two_undos_go_back_two_runs_of_tracks_and_album(self):
        item = self.track("One", heard(Rock=0.4, Pop=0.9))
        self.lib.add_album([item])
        before = contents(self.lib, item)
        self.beet("genrecnn")
        first = contents(self.lib, item)[0]
        self.beet("genrecnn", "--force", "--threshold", "0.1")
        assert self.lib.albums().get().genres == ["Pop", "Rock"]
        self.beet(*UNDO)
        assert contents(self.lib, item)[0] == first
        assert self.lib.albums().get().genres == ["Pop"]
        self.beet(*UNDO)
        assert contents(self.lib, item) == before

    def test_files_that_beets_or_somebody_moved_are_found(self):
        titles = ("One", "Two", "Three")
        items = [self.track(title, heard(Rock=0.9)) for title in titles]
        content = [item.filepath.read_bytes() for item in items]
        self.beet("genrecnn", "title+")
        self.place("$genres/$title")
        self.beet("move", "title:One")
        gone, stray = items[1].filepath, items[2].filepath
        gone.rename(self.tmp / "gone.flac").unlink()
        aside = stray.rename(stray.with_name("aside.flac"))
        out = self.fail(*UNDO)
        assert "An Artist - An Album - One: Rock -> (none) | undone" in out
        assert f"{aside}: failed: no track of this library lies there" in out
        assert f"{titles[1]}: failed: it is not there, nor found elsewhere" in out
        assert "1 track is as before, 2 failed" in out
        one = self.again(items[0])
        assert (one.filepath.name, one.filepath.parent.name) == ("One.flac", "Rock")
        assert (one.filepath.read_bytes(), one.genres) == (content[0], [])
        assert genres_in(aside) == ["Rock"]

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
        out = self.fail(*UNDO)
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
        with pytest.raises(ui.UserError, match="name one, or none"):
            self.beet(*UNDO, "artist:Somebody", "title:One")
        with pytest.raises(ui.UserError, match="nowhere: No such file"):
            self.beet(*UNDO, str(self.tmp / "nowhere"))
        with pytest.raises(ui.UserError, match="there is no run 7"):
            self.beet(*UNDO, "7")

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


class TestOneRunAtATime(Helper):
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
        assert "stopped: 2 tracks left for the next run" in self.capsys.readouterr().out
        assert items[0].filepath.read_bytes() == content
        folder.unlink()
        out = self.beet("genrecnn", "title+")
        assert "One: (none) -> Rock | finishes what was broken off" in out
        assert [genres_in(item.filepath) for item in items] == [["Rock"]] * 2


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_a_killed_run_left_behind_the_next_repairs(tmp_path, moment):
    code = (
        "import os, signal, sys\n"
        "import genretagger\n"
        "from beets.ui import main\n"
        "from genretagger.writing import exchange\n"
        "rock = tuple(0.9 * (g == 'Rock') for g in genretagger.GENRES)\n"
        "genretagger.predict_tracks = lambda paths, *_, **__: [\n"
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
