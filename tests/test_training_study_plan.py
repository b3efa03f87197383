"""The plan of the study: what is trained how often, and what comes first."""

import re
from collections import Counter

import pytest

from genretagger.errors import FatalError
from training.study import plan
from training.study.config import DEFAULT, load
from training.study.grid import VARIANTS, parse

pytestmark = pytest.mark.quick
CONFIG = load(DEFAULT)


def test_pairs_that_decide_are_trained_on_five_folds_and_with_three_seeds_and_others_once():
    trainings = plan.trainings(CONFIG)
    assert len(trainings) == len(set(trainings)) == 8 * (2 + 5 + 2) + 16 * 2
    deciding = plan.decisive(CONFIG)
    assert {(v.seconds, v.augmented) for v in deciding} == {
        *((s, a) for s in (30, 10, 3) for a in (False, True))
    }
    for variant in VARIANTS:
        own = [one for one in trainings if one.variant == variant]
        each = Counter(one.protocol for one in own)
        if variant not in deciding:
            assert each == {"artists": 1, "shuffled": 1}
            continue
        assert each == {"artists": 7, "shuffled": 1, "tracks": 1}
        artists = [(one.fold, one.seed) for one in own if one.protocol == "artists"]
        assert sorted(artists) == [*((0, s) for s in range(3)), *((f, 0) for f in range(1, 5))]


def test_all_pairs_have_been_through_every_protocol_before_anything_else():
    first = plan.trainings(CONFIG)[:24]
    assert {(one.variant, one.protocol) for one in first} == {
        (variant, protocol)
        for variant in plan.decisive(CONFIG)
        for protocol in ("shuffled", "tracks", "artists")
    }
    assert {(one.fold, one.seed) for one in first} == {(0, 0)}


def test_a_choice_of_variants_and_protocols_keeps_the_order():
    chosen = plan.trainings(CONFIG, [parse("mel-3s"), parse("mel-deltas-3s")], ["artists"])
    assert [one.variant.id for one in chosen] == ["mel-deltas-3s"] * 5 + ["mel-3s"] + [
        "mel-deltas-3s"
    ] * 2


def test_a_pair_is_named_by_the_variant_without_copies(tmp_path):
    path = tmp_path / "study.toml"
    text = DEFAULT.read_text(encoding="utf-8")
    path.write_text(re.sub(r"decisive = \[.*?\]", 'decisive = ["mel-3s-augmented"]', text))
    with pytest.raises(FatalError, match=r"decisive has mel-3s-augmented, but there are mel-30s"):
        load(path)
