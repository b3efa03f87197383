"""Probabilities of segments become those of a track."""

import numpy as np
import pytest

from genretagger.aggregate import aggregate, logit
from genretagger.genres import GENRES

pytestmark = pytest.mark.quick

ONE = np.linspace(0.05, 0.95, len(GENRES), dtype=np.float32)


def test_segments_that_agree_say_together_what_each_says():
    assert aggregate(np.stack([ONE] * 3)) == pytest.approx(ONE, abs=1e-6)


def test_one_segment_that_rules_a_genre_out_weighs_more_than_in_a_mean_of_probabilities():
    probabilities = np.full((3, len(GENRES)), 0.7, dtype=np.float32)
    probabilities[1, 0] = 0.001
    first, *others = aggregate(probabilities)
    assert first < probabilities[:, 0].mean() / 2
    assert others == pytest.approx([0.7] * (len(GENRES) - 1), abs=1e-6)


def test_the_order_of_segments_does_not_matter():
    segments = np.random.default_rng(0).random((4, len(GENRES)), dtype=np.float32)
    assert aggregate(segments) == pytest.approx(aggregate(segments[::-1]), abs=1e-6)


def test_calibration_is_a_line_through_the_mean_logits():
    calibration = [(0.5, -1.0)] * len(GENRES)
    expected = 1 / (1 + np.exp(-(0.5 * logit(ONE) - 1.0)))
    assert aggregate(ONE[np.newaxis], calibration) == pytest.approx(expected, abs=1e-6)


def test_saturated_probabilities_stay_finite_and_in_range():
    extremes = np.tile(np.array([0.0, 1.0], dtype=np.float32), len(GENRES) // 2)[np.newaxis]
    assert np.isfinite(logit(extremes)).all()
    assert all(0 < p < 1 for p in aggregate(extremes))
