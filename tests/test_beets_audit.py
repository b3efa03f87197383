"""``beet genrecnn --audit``: what the command of files says of them, said of the library."""

import json
import re

import pytest

import genretagger
from genretagger import cli, pipeline

pytest.importorskip("beets")
from beets import ui
from beets_library import Helper, contents, heard


class TestAudit(Helper):
    @pytest.fixture(autouse=True)
    def ears(self, monkeypatch):
        def hear_tracks(files, with_bundle, jobs):
            self.asked += [file.path.stem for file in files]
            return iter([self.heard[file.path.stem] for file in files])

        monkeypatch.setattr(pipeline, "hear_tracks", hear_tracks)

    def collection(self):
        """Put tracks into the library that deserve a look, each for a reason of its own."""
        self.items = [
            self.track(title, prediction, form=form, genre=genre, album=album)
            for title, prediction, form, genre, album in (
                ("A", heard(Jazz=0.9, Rock=0.01), "FLAC", ("Doom Metal",), "One"),
                ("B", heard(Rock=0.9), "MP3", ("Hip-Hop", "Rock"), "One"),
                ("C", heard(Rock=0.9), "Ogg Vorbis", ("hip hop", "Rock"), "Two"),
                ("D", heard(Rock=0.9), "WavPack", ("Other",), "Three"),
                ("E", genretagger.TrackError("nothing in it"), "FLAC", ("Zouglou",), "Four"),
            )
        ]
        return contents(self.lib, *self.items)

    def by_command(self, *options):
        self.capsys.readouterr()
        cli.main(["audit", "--jobs", "1", *options, *(str(i.filepath) for i in self.items)])
        return self.capsys.readouterr()

    def test_it_says_of_a_library_what_the_command_says_of_its_files(self):
        before = self.collection()
        out = self.beet("genrecnn", "--audit", "title+")
        assert '"Doom Metal": Rock 0.01, but Jazz 0.90 is likelier' in out
        for heading in ("Albums whose", "Spellings of", "on one track", "say nothing", "twice"):
            assert heading in out
        assert "5 tracks: 3 not contradicted, 1 contradicted, 1 failed\n" in out
        assert f"failed:\n  {self.items[-1].filepath}: nothing in it\n" in out
        command = self.by_command()
        assert out.startswith(command.out)
        (not_compared,) = [li for li in command.err.splitlines() if li.startswith("not compared")]
        assert "Zouglou 1" in not_compared
        assert not_compared in out
        assert self.asked == list("ABCDE")  # by the first alone
        assert contents(self.lib, *self.items) == before
        assert genretagger.list_journals() == []

    def test_the_librarys_genres_count_and_what_the_query_finds(self):
        self.collection()
        self.beet("modify", "--yes", "--nowrite", "title:A", "genres=Jazz")
        assert "is likelier" not in self.beet("genrecnn", "--audit")
        assert "is likelier" in self.by_command().out
        self.beet("modify", "--yes", "--nowrite", "title:B", "genres=Jazz; Folk")
        assert "1 track: 0 not contradicted, 1 contradicted" in self.beet(
            "genrecnn", "--audit", "title:B"
        )
        album = self.lib.add_album(self.items[:2])
        assert "2 tracks: " in self.beet("genrecnn", "-a", "--audit", f"id:{album.id}")

    def test_what_names_mean_is_the_users(self):
        self.collection()
        mapping = self.tmp / "mapping.txt"
        mapping.write_text("Doom Metal = Jazz\nZouglou =\nNowhere = Pop\n")
        self.config["genrecnn"]["mapping"] = str(mapping)
        out = self.beet("genrecnn", "--audit")
        assert "is likelier" not in out
        assert "--mapping: 'Nowhere' is in no genre; is it spelled so?" in out
        mapping.write_text("Doom Metal = Nonsense\n")
        with pytest.raises(ui.UserError, match=r"mapping: .*mapping.txt, line 1: write it as"):
            self.beet("genrecnn", "--audit")

    def test_the_page_has_the_audit_first(self):
        self.collection()
        path = self.tmp / "audit.html"
        with genretagger.only_writer(genretagger.state_folder(), "another run"):
            self.beet("genrecnn", "--audit", "title+", "--report", str(path))
        text = path.read_text(encoding="utf-8")
        page = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
        assert "beet genrecnn --audit" in text
        assert [page["states"][row[2]] for row in page["rows"]] == [
            *("undecided", "keep", "keep", "keep", "failed")
        ]
        assert text.index("but Jazz 0.90 is likelier") < text.index('id="data"')

    def test_ctrl_c_shows_what_was_found_by_then(self, monkeypatch):
        self.collection()

        def interrupted(files, **_):
            yield self.heard["A"]
            raise KeyboardInterrupt

        monkeypatch.setattr(pipeline, "hear_tracks", interrupted)
        self.capsys.readouterr()
        with pytest.raises(KeyboardInterrupt):
            self.run_command("genrecnn", "--audit", "title+")
        out = self.capsys.readouterr().out
        assert "but Jazz 0.90 is likelier" in out
        assert "1 track: 0 not contradicted, 1 contradicted, 0 failed" in out

    def test_it_takes_nothing_back(self):
        with pytest.raises(ui.UserError, match="--undo takes back a whole run"):
            self.beet("genrecnn", "--audit", "--undo")
