"""The table and the bar on a terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from genretagger.records import State, TagChange
from genretagger.report.terminal import TerminalTable, _Time
from genretagger.rows import plan_row
from genretagger.words import PLANNED, UNDONE, WRITTEN

pytestmark = pytest.mark.quick

LINES = (
    TagChange(Path("M/a.mp3"), State.CHANGE, new=("Pop; Rock",), reason=("Pop 0.81, Rock 0.64",)),
    TagChange(
        Path("M/A_long_name_without_any_blank_in_it_(live_1999).flac"),
        State.KEEP,
        old=("Progressive Avantgarde-Instrumentalmusik",),
        reason=(
            "undecided: Experimental 0.31 is the best guess, 0.42 would be needed",
            "kept: file has a genre",
        ),
    ),
    TagChange(Path("M/c.mp3"), State.FAILED, reason=("truncated: get a whole copy of it",)),
)


def shown(width, words):
    stream = io.StringIO()
    table = TerminalTable(Console(file=stream, width=width), words)
    for line in LINES:
        table.add(plan_row(line))
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_word_is_broken_however_narrow_the_terminal(width):
    words = shown(width, PLANNED).split()
    for line in LINES:
        for text in (line.path.name, *line.old, *line.new, *line.reason):
            assert set(text.split()) <= set(words)


def test_a_state_has_the_word_of_the_summary():
    for words in (PLANNED, WRITTEN, UNDONE):
        out = shown(200, words)
        for line in LINES:
            row = next(r for r in out.splitlines() if line.path.name in r)
            assert row.startswith(f" {words[line.state]} ")


def test_the_bar_says_what_its_time_is():
    bar = Progress()
    task = bar.add_task("", total=100)
    said = _Time().render(bar.tasks[0])
    assert said == ""
    bar.start_task(task)
    for _ in range(3):
        bar.advance(task, 30)
    assert _Time().render(bar.tasks[0]).endswith(" left")
    bar.advance(task, 10)
    assert _Time().render(bar.tasks[0]) == "took 0:00:00"
