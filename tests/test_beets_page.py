"""The plugin's report page."""

import json
import re

import pytest

import genretagger

pytest.importorskip("beets")
from beets import ui
from beets_library import Helper, heard


class TestPage(Helper):
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
