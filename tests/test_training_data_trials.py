"""Which model learns from which clips, and is measured on which."""

from dataclasses import replace

import numpy as np
import pytest

from training.config import SplitConfig, Subset
from training.data.clips import Clip, with_splits
from training.data.trials import trials
from training.folders import FINAL
from training.learn.models import stamp

FOLDS = SplitConfig(n_folds=2, seed=0, n_validation=0, n_test=0)


def clip(i, source, artist, split):
    return Clip(str(i), artist, source, f"{i}.mp3", ("Rock",), 3, 30.0, split=split)


@pytest.fixture
def clips():
    rows = [("panda", "a", "0"), ("panda", "b", "1"), ("quiz", "b", "1"), ("quiz", "c", "0")]
    return [clip(i, *row) for i, row in enumerate(rows)]


def told(trial):
    return np.flatnonzero(trial.learns).tolist(), np.flatnonzero(trial.measured).tolist()


def test_a_set_is_held_out_with_all_that_its_artists_have_elsewhere(clips):
    laid_out = {t.name: t for t in trials(clips, FOLDS, {"panda": Subset(only=("panda",))})}
    assert list(laid_out) == ["0", "1", "unseen-panda", FINAL]
    assert told(laid_out["0"]) == ([1, 2], [0, 3])
    assert told(laid_out["unseen-panda"]) == ([3], [0, 1])
    assert laid_out["unseen-panda"].is_unseen
    assert not laid_out["0"].is_unseen
    assert told(laid_out[FINAL]) == ([0, 1, 2, 3], [])


def test_a_set_without_clips_has_no_model(clips):
    laid_out = trials(clips, FOLDS, {"none": Subset(only=("none",))})
    assert [t.name for t in laid_out] == ["0", "1", FINAL]


def test_a_holdout_split_has_one_model_that_is_measured_on_the_rest(clips):
    settings = SplitConfig(n_folds=3, seed=0, n_validation=1, n_test=1)
    names = ["train", "test", "train", "validation"]
    (final,) = trials(with_splits(clips, names), settings, {"panda": Subset(only=("panda",))})
    assert told(final) == ([0, 2], [1, 3])
    assert final.validated(with_splits(clips, names)) == [3]  # the test is left alone


@pytest.mark.parametrize("change", [{"genres": ("Jazz",)}, {"sha256": "other"}, {"source": "new"}])
def test_what_changes_in_a_clip_is_in_the_stamp_of_the_models_that_learn_from_it_alone(
    clips, change
):
    changed = [replace(clips[0], **change), *clips[1:]]
    for trial in trials(clips, FOLDS, {}):
        rows = np.flatnonzero(trial.learns).tolist()
        before, after = (stamp(version[i] for i in rows) for version in (clips, changed))
        assert (before == after) == (trial.name == clips[0].split)
