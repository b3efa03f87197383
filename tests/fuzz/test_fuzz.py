"""Nothing that comes from outside crashes, hangs, or fills the memory, whatever it holds.

The quick variants give each reader some inputs, others in each run; ``tests/fuzz/run.py`` gives
them 100,000.
"""

import faulthandler
import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genretagger import cache, scan, tags
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import TrackError
from genretagger.genres import GENRES
from genretagger.plan import TagPolicy, plan
from genretagger.records import BlockChange, GenreBlock, Prediction, State, TrackTags
from genretagger.text import printable

if sys.platform == "win32":
    pytest.skip("the workers are forked, which Windows cannot", allow_module_level=True)

import targets
import workers

QUICK = {"decoding by ffmpeg": 4, "caches": 30, "writing tags and undo": 120, "bundles": 80}


def fuzz(name, n, seed, tmp_path):
    try:
        found = workers.fuzz(targets.TARGETS[name][0], n, seed, tmp_path)
    except RuntimeError as error:
        if "MissingToolError" not in str(error) and "no file could be made" not in str(error):
            raise
        pytest.skip("no file of this kind can be made here")
    assert not found.failures, f"seed {seed}: {found.failures}"
    assert found.words.total() == n
    return found


@pytest.mark.parametrize("name", targets.TARGETS)
def test_damaged_input_is_read_or_refused(name, tmp_path):
    fuzz(name, QUICK.get(name, 200), os.getpid(), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", targets.TARGETS)
def test_a_hundred_thousand_damaged_inputs_are_read_or_refused(name, tmp_path):
    found = fuzz(name, round(100_000 * targets.TARGETS[name][1]), 1, tmp_path)
    assert found.slowest_s < workers.HANG_S
    assert found.memory < workers.MOST_MEMORY


def test_a_crash_costs_one_input_and_a_hang_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "HANG_S", 0.3)

    def make(_):
        def once(chance):
            kind = chance.randrange(6)
            if kind == 0:
                faulthandler.disable()  # this crash is meant
                os.abort()
            if kind == 1:
                while True:
                    pass
            return "fine"

        return once

    found = workers.fuzz(make, 20, 3, tmp_path)
    assert found.words.total() + len(found.failures) == 20
    assert any("crash (SIGABRT)" in failure for failure in found.failures)
    assert any(failure.endswith("hang") for failure in found.failures)


def test_an_entry_of_a_playlist_with_a_nul_is_reported():
    reported = []
    (path,) = scan.read_list(scan.Path("list.m3u"), b"file:///a%00b.mp3\n")
    assert not list(scan.find_tracks([path], on_error=lambda *about: reported.append(about)))
    assert reported == [(path, "cannot be read: no file has a NUL in its name")]


def test_a_cache_whose_damage_sqlite_cannot_put_in_words_is_set_aside(tmp_path):
    path = tmp_path / "cache.sqlite"
    cache.Cache(path, warn=print).close()
    path.write_bytes(
        path.read_bytes().replace(b"PRIMARY KEY (heard_id", b"PRIMARY KEY (\xfeeard_id")
    )
    warnings = []
    cache.Cache(path, warn=warnings.append).close()
    assert "is damaged: its tables are not ours" in warnings[0]


def test_what_stands_behind_a_frame_with_a_damaged_name_is_not_taken_for_padding(audio_file):
    path = audio_file("MP3", title="Titel", genre=("Blues",))
    data = path.read_bytes()
    for damaged in (data.replace(b"TIT2", b"\0IT2", 1), data.replace(b"TIT2", b"\0\0\0002", 1)):
        path.write_bytes(damaged)
        with pytest.raises(TrackError, match="do not add up"):
            tags.write(path, [BlockChange("ID3v2.4", ("Blues",), ("Rock",))])
        assert path.read_bytes() == damaged


@pytest.mark.parametrize(
    "packets",
    [b"XX\x00" * 9, b"XX\x03" * 999, b"XX" + b"\x80" * 10**6],
    ids=["back", "many", "long"],
)
def test_musepack_packets_that_lead_nowhere_are_refused_at_once(tmp_path, packets):
    path = tmp_path / "circle.mpc"
    path.write_bytes(b"MPCK" + packets)
    began = time.monotonic()
    with pytest.raises(TrackError, match="as Musepack"):
        tags.read(path)
    assert time.monotonic() - began < 1.0


# ---- What has no input and no output: properties ----------------------------------------------

probabilities = st.lists(st.floats(0.0, 1.0), min_size=len(GENRES), max_size=len(GENRES)).map(tuple)
policies = st.builds(
    TagPolicy,
    st.sampled_from(["skip", "replace", "append", "prepend"]),
    st.sampled_from(["combined", "multi"]),
)
values = st.lists(st.text(min_size=1, max_size=20), max_size=3).map(tuple)


@given(st.text())
def test_what_is_printed_holds_no_character_that_a_terminal_obeys(text):
    assert printable(text).isprintable()


@given(probabilities, st.integers(1, 14), st.booleans(), st.floats(0.0, 1.0))
def test_a_decision_keeps_to_its_policy(heard, most, always, threshold):
    decision = decide(Prediction(heard), DecisionPolicy((threshold,) * len(GENRES), most, always))
    assert len(decision.genres) <= most
    assert set(decision.genres) <= set(GENRES)
    assert bool(decision.genres) >= always
    assert all(printable(part) == part for part in decision.reason)


@given(
    probabilities,
    policies,
    st.lists(
        st.tuples(st.sampled_from(["ID3v2.4", "APEv2", "ID3v1"]), values),
        max_size=3,
        unique_by=lambda block: block[0],
    ),
)
def test_what_a_plan_has_made_is_never_changed_again(heard, policy, blocks):
    prediction = Prediction(heard)
    decision = decide(prediction, DecisionPolicy((0.5,) * len(GENRES), 2, always=True))
    had = TrackTags(tuple(GenreBlock(*block) for block in blocks), "ID3v2.4")
    line = plan(Path("a.mp3"), had, policy, decision, prediction)
    if line.state is not State.CHANGE:
        return
    made = {block.kind: block.values for block in had.blocks}
    made |= {block.kind: block.new for block in line.blocks}
    now = TrackTags(tuple(GenreBlock(*block) for block in made.items()), "ID3v2.4")
    again = plan(Path("a.mp3"), now, policy, decision, prediction)
    assert again.state is State.KEEP, (line, again)
