"""The command ``beet genrecnn``, on a real library of real files; the tests say what is heard."""

import contextlib
import os
import signal
import subprocess
import sys

import make_audio
import pytest

import genretagger
from genretagger.writing import exchange

pytest.importorskip("beets")
from beets import plugins, ui
from beets_library import Helper, genres_in, heard

from beetsplug import genrecnn


class TestCommand(Helper):
    def test_genres_are_a_list_in_the_fixed_order_in_the_library_and_in_the_file(self):
        item = self.track("One", heard(Rock=0.9, Pop=0.8))
        out = self.beet("genrecnn")
        assert self.again(item).genres == ["Pop", "Rock"]
        assert genres_in(item.filepath) == ["Pop", "Rock"]
        assert "One: (none) -> Pop; Rock | Rock 0.90, Pop 0.80" in out
        assert "1 track: 1 changed, 0 kept, 0 undecided, 0 failed" in out

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

    def test_a_query_for_albums_means_all_their_tracks(self):
        albums = [
            self.lib.add_album([self.track(f"{year}-{n}", heard(Rock=0.9)) for n in range(2)])
            for year in (1999, 2001)
        ]
        self.beet("modify", "--yes", "-a", "--noinherit", f"id:{albums[1].id}", "year=2001")
        out = self.beet("genrecnn", "--album", "year:2001")
        assert sorted(self.asked) == ["2001-0.flac", "2001-1.flac"]
        assert [album.genres for album in self.lib.albums("id+")] == [[], ["Rock"]]
        assert "2 tracks: 2 changed" in out
        assert "beet genrecnn --album year:2001\n" in self.beet("genrecnn", "--undo")

    def test_pretend_shows_the_change_and_the_reason_and_makes_none(self):
        item = self.track("One", heard(Rock=0.9), genre=("Blues",))
        album = self.lib.add_album([item])
        before = dict(self.again(item)), dict(self.lib.get_album(album.id))
        content, mtime_ns = item.filepath.read_bytes(), item.filepath.stat().st_mtime_ns
        out = self.beet("genrecnn", "--pretend", "--force")
        assert "One: Blues -> Rock | Rock 0.90" in out
        assert "album An Artist - An Album: Blues -> Rock | Rock on 1 of 1 track" in out
        assert "1 track: 1 to change" in out
        assert (dict(self.again(item)), dict(self.lib.get_album(album.id))) == before
        assert (item.filepath.read_bytes(), item.filepath.stat().st_mtime_ns) == (content, mtime_ns)

    def test_a_model_that_breaks_in_the_middle_stops_the_run_with_a_summary(self):
        one = self.track("One", heard(Rock=0.9))
        self.track("Two", genretagger.FatalError("model bundle x: it was replaced"))
        self.capsys.readouterr()
        with pytest.raises(ui.UserError, match="it was replaced"):
            self.run_command("genrecnn", "title+")
        assert "stopped: 1 track left for the next run" in self.capsys.readouterr().out
        assert self.again(one).genres == ["Rock"]


@pytest.mark.parametrize("piped", [False, True])
def test_a_bar_below_the_lines_says_how_far_a_run_is_on_a_terminal(tmp_path, piped):
    pty = pytest.importorskip("pty")
    folder = tmp_path / "music"
    folder.mkdir()
    for title in ("One", "Two \x1b[31m", "Three"):
        make_audio.make("FLAC", folder / f"{len(title)}.flac", title=title, seconds=1.5)
    (tmp_path / "config.yaml").write_text(
        f"directory: {folder}\nlibrary: {tmp_path / 'library.db'}\nplugins: genrecnn\n"
        "genrecnn: {auto: no, threshold: 0.5}\nimport: {copy: no}\n"
    )
    code = (
        "import genretagger\n"
        "from beets.ui import main\n"
        "rock = tuple(0.9 * (g == 'Rock') for g in genretagger.GENRES)\n"
        "genretagger.predict_tracks = lambda paths, *_, **__: iter(\n"
        "    [(path, genretagger.Prediction(rock)) for path in paths])\n"
        "main()\n"
    )
    environ = {**os.environ, "BEETSDIR": str(tmp_path), "HOME": str(tmp_path), "TERM": "xterm"}
    beet = (sys.executable, "-c", code)
    subprocess.run([*beet, "import", "-qA", str(folder)], env=environ, check=True)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*beet, "genrecnn", "--pretend"],
        stdout=subprocess.PIPE if piped else theirs,
        stderr=theirs,
        env={**environ, "COLUMNS": "80"},
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # what Linux says at the end of a terminal
        while data := os.read(ours, 65536):
            shown += data
    os.close(ours)
    lines = process.communicate()[0] if piped else shown
    assert process.wait() == 0
    assert b"3/3" in shown
    assert b"tracks/s" in shown
    assert lines.count(b"(none) -> Rock | Rock 0.90") == 3
    assert b"3 tracks: 3 to change" in lines
    assert (b"3/3" in lines) == (not piped)
    assert (b"\x1b[31m" in lines) == piped


class TestFailures(Helper):
    def test_one_bad_file_never_stops_a_run_and_is_listed_with_its_reason(self):
        bad = self.track("Bad", genretagger.TrackError("truncated: get a whole copy"))
        good = self.track("Good", heard(Rock=0.9))
        out = self.beet("genrecnn", "title+")
        assert "2 tracks: 1 changed, 0 kept, 0 undecided, 1 failed" in out
        assert f"failed:\n  {bad.filepath}: truncated: get a whole copy\n" in out
        assert (self.again(bad).genres, self.again(good).genres) == ([], ["Rock"])
        assert "genrecnn_reason" not in self.again(bad)

    def test_ctrl_c_keeps_what_is_done_and_says_what_is_left(self):
        one = self.track("One", heard(Rock=0.9))
        two = self.track("Two", KeyboardInterrupt())
        album = self.lib.add_album([one, two])
        self.capsys.readouterr()
        with pytest.raises(KeyboardInterrupt):
            self.run_command("genrecnn", "title+")
        out = self.capsys.readouterr().out
        assert "stopped: 1 track left for the next run" in out
        assert "1 track: 1 changed" in out
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
        assert "stopped: 0 tracks left for the next run\n1 track: 1 changed" in out
        assert self.again(item).genres == genres_in(item.filepath) == ["Rock"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class TestIntentions(Helper):
    def test_beets_loads_the_plugin_and_not_the_one_that_it_brings_along(self):
        (loaded,) = plugins.find_plugins()
        assert type(loaded) is genrecnn.GenreCnnPlugin

    def test_loading_the_plugin_loads_nothing_heavy(self):
        heavy = "'numpy', 'joblib', 'soundfile', 'soxr', 'rich', 'ai_edge_litert', 'tensorflow'"
        code = (
            "import sys, beets.ui.commands\n"  # beets' own matching needs numpy
            "before = set(sys.modules)\n"
            "import beetsplug.genrecnn\n"
            "beetsplug.genrecnn.GenreCnnPlugin()\n"
            "new = set(sys.modules) - before\n"
            f"print(sorted(new & {{{heavy}}}), sorted(m for m in new if 'genretagger' in m))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        light = "['genretagger', 'genretagger.genres', 'genretagger.records']"
        assert done.stdout.strip() == f"[] {light}"
