"""What the plugin decides on tracks, stores in the library and writes to files."""

import json
import os
from pathlib import Path

import embedding_bundle
import mutagen.id3
import pytest

import genretagger
from genretagger import cli, pipeline

pytest.importorskip("beets")
from beets import ui
from beets.plugins import BeetsPlugin
from beets_library import Helper, contents, genres_in, heard, killed

from beetsplug.genrecnn import GenreCnnPlugin, tracks

UNDECIDED = "undecided: Rock 0.40 is the best guess, 0.50 would be needed"


class TestDeciding(Helper):
    def test_somebodys_own_genre_is_kept_and_not_even_heard(self):
        item = self.track("One", heard(Rock=0.9), genre=("Blues",))
        content = item.filepath.read_bytes()
        out = self.beet("genrecnn")
        assert self.asked == []
        assert self.again(item).genres == ["Blues"]
        assert item.filepath.read_bytes() == content
        assert 'One: Blues | kept: library has "Blues"' in out
        assert "1 kept" in out

    def test_force_replaces_it(self):
        item = self.track("One", heard(Rock=0.9), genre=("Blues",))
        out = self.beet("genrecnn", "--force")
        assert self.again(item).genres == genres_in(item.filepath) == ["Rock"]
        assert "One: Blues -> Rock | Rock 0.90" in out

    def test_an_undecided_track_keeps_its_genre_even_with_force(self):
        item = self.track("One", heard(Rock=0.4), genre=("Blues",))
        content = item.filepath.read_bytes()
        out = self.beet("genrecnn", "--force")
        assert self.again(item).genres == ["Blues"]
        assert item.filepath.read_bytes() == content
        assert f'One: Blues | {UNDECIDED} | kept: library has "Blues"' in out
        assert "1 undecided" in out

    def test_an_undecided_track_is_not_written_but_its_reason_is_kept(self):
        item = self.track("One", heard(Rock=0.4))
        content = item.filepath.read_bytes()
        self.beet("genrecnn")
        assert item.filepath.read_bytes() == content
        assert self.again(item).genres == []
        assert self.again(item).genrecnn_reason == UNDECIDED
        assert self.again(item).genrecnn_rock == 0.4

    def test_what_is_there_already_is_not_written_again(self):
        item = self.track("One", heard(Rock=0.9, Pop=0.8), genre=("Rock", "Pop"))
        content = item.filepath.read_bytes()
        out = self.beet("genrecnn", "--force")
        assert "kept: already there" in out
        assert self.again(item).genres == ["Rock", "Pop"]
        assert item.filepath.read_bytes() == content

    def test_a_genre_that_says_nothing_is_none(self):
        item = self.track("One", heard(Rock=0.9), genre=("Other",))
        out = self.beet("genrecnn")
        assert self.again(item).genres == genres_in(item.filepath) == ["Rock"]
        assert 'One: Other -> Rock | Rock 0.90 | "Other" says nothing' in out

    def test_names_that_say_nothing_are_the_users(self):
        items = [
            self.track(title, heard(Rock=0.9), genre=(genre,), album=title)
            for title, genre in (("One", "Other"), ("Two", "Webrip"), ("Three", "Various"))
        ]
        self.beet("genrecnn", "--junk", "webrip, various")
        assert [self.again(item).genres for item in items] == [["Other"], ["Rock"], ["Rock"]]
        self.config["genrecnn"]["junk"] = ["Other"]
        self.beet("genrecnn")
        assert self.again(items[0]).genres == ["Rock"]


class TestPolicies(Helper):
    """What `tag` can do with genres that are there, and with those that are heard."""

    @pytest.mark.parametrize(
        ("existing", "expected"),
        [
            ("skip", ["Blues", "pop"]),
            ("replace", ["Pop", "Rock"]),
            ("append", ["Blues", "pop", "Rock"]),
            ("prepend", ["pop", "Rock", "Blues"]),
        ],
    )
    def test_genres_that_are_there_stay_go_or_stand_before_or_behind(self, existing, expected):
        item = self.track("One", heard(Rock=0.9, Pop=0.8), genre=("Blues", "pop"))
        album = self.lib.add_album([item])
        album.genres = ["Soul"]
        album.store(inherit=False)
        before = contents(self.lib, item)
        self.beet("genrecnn", "--existing", existing)
        assert self.again(item).genres == genres_in(item.filepath) == expected
        if existing in ("append", "prepend"):
            assert set(self.lib.albums().get().genres) == {"Soul", *expected[:2]}
        content = item.filepath.read_bytes()
        self.beet("genrecnn", "--existing", existing)
        assert item.filepath.read_bytes() == content
        if existing != "skip":
            self.beet("genrecnn", "--undo")
        assert contents(self.lib, item)[0] == before[0]
        assert self.again(item).genres == ["Blues", "pop"]
        assert self.lib.albums().get().genres == ["Soul"]

    def test_the_command_overrules_the_configuration_and_force_is_to_replace(self):
        item = self.track("One", heard(Rock=0.9), genre=("Blues",))
        self.config["genrecnn"]["existing"] = "append"
        assert "Blues -> Rock |" in self.beet("genrecnn", "--pretend", "--force")
        assert "Blues -> Rock; Blues |" in self.beet("genrecnn", "-p", "--existing", "prepend")
        assert 'Blues | kept: library has "Blues"' in self.beet("genrecnn", "-p", "--no-force")
        self.beet("genrecnn")
        assert self.again(item).genres == ["Blues", "Rock"]

    def test_what_is_protected_stays_whatever_becomes_of_the_others(self):
        items = [
            self.track(title, heard(Rock=0.9), genre=(genre,), comment=comment, album=title)
            for title, genre, comment in (
                ("One", "Hip-Hop", ""),
                ("Two", "Blues", "Do not touch"),
                ("Three", "Delta Blues", ""),
                ("Four", "Soul", ""),
            )
        ]
        self.config["genrecnn"]["protect"] = ["hip hop"]
        self.config["genrecnn"]["protect_if"] = ["genre matches ^delta", "comment matches touch"]
        out = self.beet("genrecnn", "--force", "title+")
        assert [self.again(item).genres for item in items] == [
            *(["Hip-Hop"], ["Blues"], ["Delta Blues"], ["Rock"])
        ]
        assert self.asked == ["Four.flac"]
        assert 'One: Hip-Hop | kept: "Hip-Hop" is protected' in out
        assert "Two: Blues | kept: its comment matches 'touch'" in out
        assert "--protect-if" not in out
        out = self.beet("genrecnn", "-pf", "--protect", "", "--protect-if", "genre matches soul")
        assert "Hip-Hop -> Rock |" in out
        assert "Blues -> Rock |" in out

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--only", "jazz,POP"], ["Pop"]),
            (["--exclude", "Rock"], ["Pop"]),
            (["--threshold", "0.95"], []),
            (["--threshold", "0.95", "--always"], ["Rock"]),
        ],
    )
    def test_genres_to_decide_among_are_the_users(self, options, expected):
        item = self.track("One", heard(Rock=0.9, Pop=0.8))
        self.beet("genrecnn", *options)
        assert self.again(item).genres == genres_in(item.filepath) == expected

    @pytest.mark.parametrize(
        "options",
        [
            ["--existing", "skip"],
            ["--existing", "prepend", "--map", "MAP"],
            ["--existing", "append", "--map", "MAP", "--max-genres", "1"],
            ["--existing", "replace", "--protect", "blues", "--exclude", "Pop"],
            ["--existing", "replace", "--threshold", "0.95", "--always"],
            ["--junk", "blues", "--only", "Pop", "--by", "artist"],
        ],
    )
    def test_library_and_files_get_the_same_genres(self, options, monkeypatch, capsys):
        names = self.tmp / "names.txt"
        names.write_text("Pop = Schlager")
        options = [str(names) if option == "MAP" else option for option in options]
        items = [
            self.track(f"T{n}", prediction, genre=genre, artist="AB"[n % 2])
            for n, (prediction, genre) in enumerate(
                (prediction, genre)
                for prediction in (heard(Rock=0.9, Pop=0.8), heard(Folk=0.3))
                for genre in ((), ("Blues", "pop"), ("Schlager", "Rock"), ("Unknown",))
            )
        ]
        monkeypatch.setattr(
            pipeline,
            "hear_tracks",
            lambda files, **_: iter([self.heard[file.path.stem] for file in files]),
        )
        threshold = [] if "--threshold" in options else ["--threshold", "0.5"]
        more = ["--genre-style", "multi", "--dry-run", "--no-cache", "--format", "json"]
        cli.main(["tag", *options, *threshold, *more, *(str(i.filepath) for i in items)])
        rows = {Path(r["path"]): r for r in map(json.loads, capsys.readouterr().out.splitlines())}
        out = self.beet("genrecnn", "title+", *options)
        for item in items:
            row = rows[item.filepath]
            assert self.again(item).genres == row["new"]
            assert genres_in(item.filepath) == row["new"]
            if row["state"] != "keep":  # in a dry run also what is kept is heard
                reason = row["reason"].replace("file has", "library has")
                assert f"{item.title}: " in out
                assert f" | {reason}\n" in out
        states = [row["state"] for row in rows.values()]
        counts = "{} changed, {} kept, {} undecided".format(
            *map(states.count, ("change", "keep", "undecided"))
        )
        assert f"8 tracks: {counts}, 0 failed" in out

    def test_genres_are_set_under_the_names_of_a_mapping_and_known_by_them(self):
        names = self.tmp / "names.txt"
        names.write_text("Hip Hop = Beats  # as I call it\nPop = Schlager\n")
        item = self.track("One", heard(Hip_Hop=0.9, Pop=0.8))
        album = self.lib.add_album([item])
        self.beet("genrecnn", "--map", str(names))
        assert self.again(item).genres == genres_in(item.filepath) == ["Beats", "Schlager"]
        assert self.lib.get_album(album.id).genres == ["Beats", "Schlager"]
        content = item.filepath.read_bytes()
        self.config["genrecnn"]["map"] = str(names)
        assert "kept: already there" in self.beet("genrecnn", "--existing", "append")
        assert item.filepath.read_bytes() == content
        names.write_text("Hip Hop > Rap\n")
        with pytest.raises(ui.UserError, match=r"map: .*names.txt, line 1: write it as"):
            self.beet("genrecnn")
        with pytest.raises(ui.UserError, match=r"map: .*nowhere: No such file"):
            self.beet("genrecnn", "--map", str(self.tmp / "nowhere"))


class TestTogether(Helper):
    def two_albums(self):
        """Three tracks by one artist on two albums, and one by another on the first."""
        return [
            self.track(title, heard(Rock=rock, Pop=0.1), album=album, artist=artist, albumartist="")
            for title, album, artist, rock in (
                ("One", "A", "Ann", 0.9),
                ("Two", "A", "Bob", 0.4),
                ("Three", "B", "Ann", 0.4),
                ("Four", "B", "Ann", 0.7),
            )
        ]

    @pytest.mark.parametrize(
        ("by", "rock"),
        [
            ("track", [True, False, False, True]),
            ("artist", [True, False, True, True]),
        ],
    )
    def test_the_tracks_of_an_artist_are_decided_together_if_asked(self, by, rock):
        items = self.two_albums()
        out = self.beet("genrecnn", "--by", by)
        assert [self.again(item).genres == ["Rock"] for item in items] == rock
        assert ("artist: 3 tracks heard together" in out) == (by == "artist")
        # what is kept is what was heard in each
        assert [round(self.again(item).genrecnn_rock, 2) for item in items] == [0.9, 0.4, 0.4, 0.7]

    def test_a_track_that_keeps_its_genre_has_a_say_and_is_not_written(self):
        loud = self.track("One", heard(Rock=0.95), genre=("Blues",), album="A", artist="Ann")
        soft = self.track("Two", heard(Rock=0.45), album="B", artist="Ann")
        content = loud.filepath.read_bytes()
        self.config["genrecnn"]["by"] = "artist"
        self.beet("genrecnn")
        assert self.again(loud).genres == ["Blues"]
        assert loud.filepath.read_bytes() == content
        assert self.again(soft).genres == genres_in(soft.filepath) == ["Rock"]

    def test_by_album_means_what_it_means_for_files(self):
        one = self.track("One", heard(Rock=0.95), album="A", artist="Ann")
        two = self.track("Two", heard(Rock=0.45), album="A", artist="Ann")
        self.beet("genrecnn", "--by", "album")
        assert self.again(one).genres == self.again(two).genres == ["Rock"]


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
        fields = tracks.fields_of(genretagger.GENRES)
        assert found == {*fields, "genrecnn_reason", "genrecnn_bundle"}
        assert len(set(fields)) == len(genretagger.GENRES)

    def test_a_model_of_other_genres_has_fields_of_its_own(self):
        genres = (*(f"Kind {n}" for n in range(12)), "Deep House", "R&B")
        model = embedding_bundle.write(
            self.tmp / "own", vocabulary=genretagger.Vocabulary(genres, frozenset())
        )
        item = self.track("One", heard(Rock=0.9))
        self.beet("genrecnn")
        self.heard["One"] = genretagger.Prediction((*(0.01,) * 12, 0.3, 0.91))
        self.config["genrecnn"]["bundle"] = str(model.path)
        assert "One: Rock -> R&B | R&B 0.91" in self.beet("genrecnn", "--force")
        found = self.again(item)
        assert float(found["genrecnn_r_b"]) == 0.91
        assert "genrecnn_rock" not in found
        out = self.beet("genrecnn", "--force", "--threshold", "0.2", "--max-genres", "2")
        assert "One: R&B | R&B 0.91 | Deep House 0.30 left out: seldom goes with R&B" in out
        assert self.asked == ["One.flac"] * 2  # the fields told the rest
        types = GenreCnnPlugin().item_types
        assert {"genrecnn_deep_house", "genrecnn_r_b"} <= types.keys()
        assert "genrecnn_rock" not in types

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

    @pytest.mark.parametrize("other", ["0123456789ab", ""])  # or of before hearing had a version
    def test_another_model_hears_it_again(self, other):
        item = self.track("One", heard(Rock=0.4))
        self.beet("genrecnn")
        shipped = genretagger.read_bundle(genretagger.DEFAULT_BUNDLE)
        assert self.again(item)["genrecnn_bundle"] == genretagger.hearing_id(shipped)
        self.beet("modify", "--yes", "--nowrite", f"genrecnn_bundle={other or shipped.bundle_id}")
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
        assert "One: failed: cannot be examined: No such file" in self.beet("genrecnn", "-t", "0.3")


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
        for options in (["--pretend"], []):
            out = self.beet("genrecnn", "title+", *options)
            assert "Bad: failed: the file is read-only; make it writable, or leave it out" in out
            assert "Good: (none) -> Rock" in out
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

    def test_what_was_broken_off_waits_for_a_run_that_may_write(self, monkeypatch):
        item = self.track("One", heard(Rock=0.4, Pop=0.9), genre=("Blues",))
        content = item.filepath.read_bytes()
        with monkeypatch.context() as patched, pytest.raises(SystemExit):
            patched.setattr(genretagger, "rewrite", lambda *_, **__: killed())
            self.beet("genrecnn", "--force")
        assert (self.again(item).genres, item.filepath.read_bytes()) == (["Pop"], content)
        assert 'Pop | kept: library has "Pop"' in self.beet("genrecnn", "--nowrite")
        expected = "One: Blues -> Pop | finishes what was broken off"
        assert expected in self.beet("genrecnn", "--pretend")
        assert item.filepath.read_bytes() == content
        out = self.beet("genrecnn", "--force", "--threshold", "0.1")  # both, and in this order
        assert "One: Pop -> Pop; Rock | " in out
        assert genres_in(item.filepath) == ["Pop", "Rock"]
        self.beet("genrecnn", "--undo")
        assert item.filepath.read_bytes() == content

    def test_a_file_that_cannot_be_written_leaves_the_librarys_genres_as_they_were(
        self, monkeypatch
    ):
        item, other = self.track("Bad", heard(Rock=0.9)), self.track("Good", heard(Rock=0.9))

        def wreck(paths, bundle, jobs, cache):
            for path, answer in self.predict(paths, bundle):
                if path == item.filepath:
                    path.write_bytes(b"no longer audio")
                yield path, answer

        monkeypatch.setattr(genretagger, "predict_tracks", wreck)
        out = self.beet("genrecnn", "title+")
        assert f"  {item.filepath}: this is text, not audio; " in out
        assert "1 changed, 0 kept, 0 undecided, 1 failed" in out
        found = self.again(item)
        assert (found.genres, found.mtime) == ([], item.mtime)
        assert found.genrecnn_reason.startswith("failed: this is text, not audio")
        assert "genrecnn_unwritten" not in found
        assert self.again(other).genres == ["Rock"]
