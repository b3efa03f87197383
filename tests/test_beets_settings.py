"""The plugin's configuration and options."""

import re

import pytest

pytest.importorskip("beets")
import confuse
from beets import ui
from beets_library import ROOT, Helper, genres_in, heard

from beetsplug import genrecnn
from genretagger.cli.options import commands_of, parser


class TestSettings(Helper):
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

    def test_no_force_overrules_the_configuration(self):
        item = self.track("One", heard(Rock=0.9), genre=("Blues",))
        self.config["genrecnn"]["force"] = True
        self.beet("genrecnn", "--no-force")
        assert self.again(item).genres == ["Blues"]

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
            ("--threshold=1.5", "genrecnn: a threshold is between 0 and 1, not 1.5"),
            ("--max-genres=0", "genrecnn: max_genres: 0 is not at least 1"),
            ("--jobs=-1", "jobs: -1 is less than 0"),
            ("--by=folder", "by: must be one of"),
            ("--existing=keep", "existing: must be one of"),
            ("--only=Polka", "genrecnn: Polka is not one of Ambient, "),
            ("--protect-if=title is x", "protect_if: write 'genre matches REGEX' or"),
        ]:
            with pytest.raises(confuse.ConfigError, match=re.escape(message)):
                self.beet("genrecnn", option)
        with pytest.raises(ui.UserError, match=r"bundle.json cannot be read"):
            self.beet("genrecnn", "--bundle", str(self.tmp / "nowhere"))
        assert self.asked == []

    def test_every_option_has_a_configuration_key_and_every_key_is_documented(self):
        (command,) = genrecnn.GenreCnnPlugin().commands()
        options = {option.dest for option in command.parser.option_list if option.dest}
        assert options - {"undo", "audit", "report", "album"} == genrecnn.DEFAULTS.keys() - {
            "auto",
            "prefer",
            "force",
        }
        documented = dict(
            re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", (ROOT / "docs/beets.md").read_text(), re.M)
        )
        words = {"True": "yes", "False": "no", "None": "null"}
        assert documented == {
            key: words.get(str(value), str(value)) for key, value in genrecnn.DEFAULTS.items()
        }

    def test_what_tag_can_the_plugin_can_or_the_docs_say_why_not(self):
        def options(parser):
            return {
                name
                for action in (getattr(parser, "option_list", None) or parser._actions)
                for name in (getattr(action, "_long_opts", None) or action.option_strings)
                if name.startswith("--") and name != "--help"
            }

        (command,) = genrecnn.GenreCnnPlugin().commands()
        missing = options(commands_of(parser())["tag"]) - options(command.parser)
        text = (ROOT / "docs/beets.md").read_text()
        table = text.partition("no counterpart:")[2].partition("\n\n`auto`")[0]
        assert missing == set(re.findall(r"`(--[a-z0-9-]+)`(?=[,  ].*\|)", table)) - {"--pretend"}

    def test_every_option_is_documented(self):
        (command,) = genrecnn.GenreCnnPlugin().commands()
        text = (ROOT / "docs/beets.md").read_text()
        for option in command.parser.option_list:
            for name in option._long_opts + option._short_opts:
                assert f"`{name}`" in text or name in ("-h", "--help"), name
