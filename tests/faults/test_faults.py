"""Whatever happens during a run, every file is old or new in full, and the next run finishes.

The quick variants fault some calls; ``python -m pytest -m long tests/faults`` and
``tests/faults/run.py`` fault every one.
"""

import errno
import os
import re
from pathlib import Path

import campaigns
import harness
import pytest


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shim")
    try:
        shim = harness.build_shim(folder)
    except RuntimeError as error:
        pytest.skip(str(error))
    running = harness.Server(shim)
    yield running
    running.close()


@pytest.fixture(scope="module")
def reference(encoded, tmp_path_factory, server):
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        return harness.build(encoded, folder / "case", server, harness.FEW)


def some(reference, n):
    """Choose about so many calls, others in each run of the tests' process."""
    step = max(1, reference.calls // n)
    return range(1 + os.getpid() % step, reference.calls + 1, step)


def count(outcomes):
    """Go through a campaign; add up how the files were found."""
    found = list(outcomes)
    assert found
    return sum((outcome for _, outcome in found), harness.Outcome())


@pytest.mark.parametrize("kind", ["k", "h"], ids=["before", "half-way through"])
def test_a_run_killed_at_a_call_loses_nothing_and_is_finished_by_the_next(
    reference, server, tmp_path, kind
):
    count(campaigns.kill_at_calls(tmp_path, reference, server, some(reference, 6), kind))


def test_a_run_killed_at_any_moment_loses_nothing(reference, server, tmp_path):
    count(campaigns.kill_at_random(tmp_path, reference, server, 4, seed=os.getpid()))


def test_an_undo_that_is_killed_loses_nothing(reference, server, tmp_path):
    calls = range(7 + os.getpid() % 40, 9999, 40)
    count(campaigns.kill_undo_at_calls(tmp_path, reference, server, calls, "h"))


@pytest.mark.parametrize("kind", ["o", "s"], ids=["once", "from then on"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_what_a_failing_disk_interrupts_is_as_it_was_or_done_and_said_to_be(
    reference, server, tmp_path, error, kind
):
    calls = some(reference, 4)
    count(campaigns.fail_at_calls(tmp_path, reference, server, calls, error=error, kind=kind))


@pytest.mark.parametrize("of", ["music", "state"])
def test_a_full_disk_stops_a_run_without_a_loss(reference, server, tmp_path, of):
    try:
        count(campaigns.full_disk(tmp_path, reference, server, 2, seed=os.getpid(), of=of))
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("what", ["remove", "chmod", "unmount", "readonly"])
def test_what_is_taken_away_during_a_run_costs_those_files_and_no_more(
    reference, server, tmp_path, what
):
    if what == "chmod" and os.geteuid() != 0:
        pytest.skip("turning into another user needs root")
    try:
        count(campaigns.meanwhile(tmp_path, reference, server, 2, seed=os.getpid(), what=what))
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["k", "h"], ids=["before", "half-way through"])
def test_a_run_killed_at_every_call_loses_nothing(reference, server, tmp_path, kind):
    calls = range(1, reference.calls + 1)
    outcome = count(campaigns.kill_at_calls(tmp_path, reference, server, calls, kind))
    assert outcome.torn  # the one way of writing that is not atomic was met, and finished


@pytest.mark.long
def test_a_run_killed_five_hundred_times_loses_nothing(reference, server, tmp_path):
    count(campaigns.kill_at_random(tmp_path, reference, server, 500, seed=1))


@pytest.mark.long
def test_a_run_that_is_killed_while_it_hears_loses_nothing(reference, server, tmp_path):
    count(campaigns.kill_tag(tmp_path, reference, server, 20, seed=1))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["o", "s"], ids=["once", "from then on"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_every_call_may_fail_without_a_loss(reference, server, tmp_path, error, kind):
    calls = range(1, reference.calls + 1)
    count(campaigns.fail_at_calls(tmp_path, reference, server, calls, error=error, kind=kind))


# ---- What a killed run left, one thing at a time ---------------------------------------------


def test_the_page_on_reliability_names_tests_that_there_are():
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs/reliability.md").read_text(encoding="utf-8")
    there = "\n".join(p.read_text(encoding="utf-8") for p in (root / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 20
    assert not {name for name in named if f"def {name}(" not in there}
