"""Lines as rows: the keys of every format, and what is saved is read back."""

import json
from pathlib import Path

import pytest

from genretagger.genres import GENRES
from genretagger.records import BlockChange, Identity, State, TagChange
from genretagger.rows import plan_row, prediction_row, read_change, saved_row

pytestmark = pytest.mark.quick

CHANGE = TagChange(
    path=Path("/music/a.flac"),
    state=State.CHANGE,
    old=("Blues",),
    new=("Pop; Rock",),
    blocks=(BlockChange("Vorbis comment", ("Blues",), ("Pop; Rock",)),),
    genres=("Rock", "Pop"),
    probabilities=tuple(n / 100 for n in range(len(GENRES))),
    reason=("Rock 0.81", "in all blocks"),
    identity=Identity(1, 2, 3, 4, 5),
)


def test_a_row_has_these_keys_in_this_order():
    keys = ("path", "state", "old", "new", "blocks", "genres", "probabilities", "reason")
    assert tuple(plan_row(CHANGE)) == keys
    assert plan_row(CHANGE)["reason"] == "Rock 0.81 | in all blocks"


def test_probabilities_have_four_digits():
    line = TagChange(Path("a"), State.KEEP, probabilities=(0.123456,) * len(GENRES))
    assert set(plan_row(line)["probabilities"].values()) == {0.1235}


def test_what_is_saved_reads_back_as_the_same_change():
    read = read_change(json.dumps(saved_row(CHANGE)), "line 2")
    assert plan_row(read) == plan_row(CHANGE)
    assert (read.identity, read.blocks) == (CHANGE.identity, CHANGE.blocks)


def test_a_saved_line_without_a_reason_has_none():
    line = TagChange(Path("/music/a.flac"), State.KEEP, old=("Blues",), new=("Blues",))
    assert read_change(json.dumps(saved_row(line)), "line 2") == line


@pytest.mark.parametrize(
    ("state", "word", "reason"),
    [
        (State.KEEP, "decided", "because"),
        (State.UNDECIDED, "undecided", "because"),
        (State.FAILED, "failed", "failed: because"),
    ],
)
def test_a_prediction_has_a_state_of_its_own(state, word, reason):
    row = prediction_row(TagChange(Path("a.mp3"), state, reason=("because",)))
    assert tuple(row) == ("path", "state", "genres", "probabilities", "reason")
    assert (row["state"], row["reason"]) == (word, reason)
