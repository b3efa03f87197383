"""Subsets whose figures are quoted apart."""

from training.config import Subset
from training.data.clips import Clip
from training.measure import figures

CLIPS = [
    Clip(f"t{i}", f"a{i}", source, "", ("Pop",), 3, 30.0)
    for i, source in enumerate(["public", "list", "public", "toy"])
]


def test_subsets_are_selected_by_source_beside_all_clips():
    subsets = {"public": Subset(only=("public",)), "others": Subset(without=("public", "toy"))}
    chosen = figures.select(CLIPS, subsets)
    assert list(chosen) == ["all", "public", "others"]
    assert {name: rows.tolist() for name, rows in chosen.items()} == {
        "all": [True] * 4,
        "public": [True, False, True, False],
        "others": [False, True, False, False],
    }


def test_empty_subsets_are_left_out():
    assert list(figures.select(CLIPS, {"none": Subset(only=("no such source",))})) == ["all"]


def test_without_a_choice_each_source_that_was_used_is_a_subset():
    assert list(figures.select(CLIPS, {})) == ["all", "list", "public", "toy"]
    assert list(figures.select(CLIPS[:1], {})) == ["all"]
