"""Metrics against values worked out by hand, and against scikit-learn."""

import numpy as np
import pytest

from genretagger.aggregate import aggregate, logit
from genretagger.genres import GENRES
from training.measure import calibrate, metrics


def bools(*rows):
    return np.array(rows, dtype=bool)


def test_average_precision_by_hand():
    # ranks of the positives: 1 and 3, so (1/1 + 2/3) / 2
    reference, estimated = np.array([1, 0, 1, 0], bool), np.array([0.9, 0.8, 0.7, 0.1])
    assert metrics.average_precision(reference, estimated) == pytest.approx(5 / 6)


def test_equal_scores_are_one_step_so_that_a_constant_scores_the_prevalence():
    reference = np.array([1, 0, 0, 0, 1, 0, 0, 0], bool)
    assert metrics.average_precision(reference, np.full(8, 0.3)) == pytest.approx(0.25)


def test_average_precision_without_positives_is_undefined():
    assert np.isnan(metrics.average_precision(np.zeros(3, bool), np.arange(3.0)))


@pytest.mark.parametrize("seed", range(5))
def test_ranking_metrics_equal_scikit_learns(seed):
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    reference = rng.random((80, 14)) < 0.15
    reference[:, 0] |= ~reference.any(axis=1)
    estimated = np.round(rng.random((80, 14)), 1)  # with ties
    for g in range(14):
        expected = sklearn.average_precision_score(reference[:, g], estimated[:, g])
        assert metrics.average_precision(reference[:, g], estimated[:, g]) == pytest.approx(
            expected
        )
    expected = sklearn.label_ranking_average_precision_score(reference, estimated)
    assert metrics.ranking_precision(reference, estimated).mean() == pytest.approx(expected)


def test_ranking_precision_by_hand_leaves_out_clips_without_a_label():
    reference = bools([1, 0, 1], [0, 0, 0], [0, 1, 0])
    estimated = np.array([[0.1, 0.5, 0.9], [0.5, 0.5, 0.5], [0.2, 0.7, 0.1]])
    found = metrics.ranking_precision(reference, estimated)
    # labels at ranks 1 and 3: (1/1 + 2/3) / 2; no label; the label at rank 1
    assert found[0] == pytest.approx(5 / 6)
    assert np.isnan(found[1])
    assert found[2] == 1.0


def test_top1_counts_any_label_and_leaves_out_clips_without_one():
    reference = bools([1, 0, 1], [1, 0, 0], [0, 0, 0])
    estimated = np.array([[0.1, 0.2, 0.9], [0.1, 0.2, 0.9], [0.1, 0.2, 0.9]])
    found = metrics.top1_hits(reference, estimated)
    assert found[:2].tolist() == [1.0, 0.0]
    assert np.isnan(found[2])


def test_macro_average_precision_is_over_the_given_genres_that_have_positives():
    reference = bools([1, 0, 0], [0, 1, 0])
    estimated = np.array([[0.9, 0.9, 0.9], [0.1, 0.1, 0.1]])
    assert metrics.macro_average_precision(reference, estimated, [0, 1, 2]) == pytest.approx(0.75)
    assert np.isnan(metrics.macro_average_precision(reference, estimated, [2]))


def test_calibration_error_by_hand():
    # one bin: ten at 0.25, of which five come true
    reference = np.array([1, 0] * 5, bool)
    assert metrics.calibration_error(reference, np.full(10, 0.25)) == pytest.approx(0.25)
    assert metrics.calibration_error(reference, reference.astype(float)) == 0.0
    none = np.zeros(10, dtype=bool)
    assert np.isnan(metrics.calibration_error(reference[none], np.ones(10)[none]))


def test_intervals_draw_whole_artists():
    # two artists, one always right and one always wrong: a draw is 0, 1/2 or 1
    values = np.array([1.0] * 50 + [0.0] * 50)
    groups = ["a"] * 50 + ["b"] * 50

    def measure(rows):
        return np.array([values[rows].mean()])

    low, high = metrics.intervals(groups, measure, n_resamples=400, interval=0.95, seed=0)
    assert (low[0], high[0]) == (0.0, 1.0)
    alone = [str(i) for i in range(100)]
    low, high = metrics.intervals(alone, measure, n_resamples=400, interval=0.95, seed=0)
    assert 0.38 < low[0] < 0.43
    assert 0.57 < high[0] < 0.62
    again = metrics.intervals(alone, measure, n_resamples=400, interval=0.95, seed=0)
    assert (low[0], high[0]) == (again[0][0], again[1][0])


def drawn(slope, intercept, n=4000, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, n)
    return logits, rng.random(n) < 1 / (1 + np.exp(-(slope * logits + intercept)))


def test_platt_finds_the_curve_that_the_labels_came_from():
    slope, intercept = calibrate.platt(*drawn(0.5, -1.0), strength=1.0)
    assert slope == pytest.approx(0.5, abs=0.05)
    assert intercept == pytest.approx(-1.0, abs=0.1)


def test_platt_leaves_a_genre_without_evidence_as_it_is():
    slope, intercept = calibrate.platt(np.zeros(0), np.zeros(0, bool), strength=1.0)
    assert (slope, intercept) == (1.0, 0.0)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_platt_never_turns_a_genre_around(strength):
    logits, reference = drawn(-1.0, 0.0)
    assert calibrate.platt(logits, reference, strength)[0] == 0.0


def test_platt_of_separable_labels_stays_within_what_a_bundle_may_hold():
    logits = np.array([-1.0, -0.5, 0.5, 1.0] * 10)
    slope, _ = calibrate.platt(logits, logits > 0, strength=1e-9)
    assert 1.0 < slope <= calibrate.MAX_SLOPE


def test_calibration_here_is_the_products():
    rng = np.random.default_rng(0)
    probabilities = rng.random((3, len(GENRES))).astype(np.float32)
    calibration = [(0.5 + g / 10, g / 5 - 1) for g in range(len(GENRES))]
    mean = logit(probabilities).mean(axis=0)
    expected = aggregate(probabilities, calibration)
    assert calibrate.apply(mean[np.newaxis], calibration)[0] == pytest.approx(expected, abs=1e-6)


ONE_SET = np.zeros(1000, dtype=int)


def calibrated(n=1000, seed=0):
    """Probabilities of two genres that mean what they say, of one that boasts."""
    rng = np.random.default_rng(seed)
    p = np.full((n, len(GENRES)), 0.01)
    p[:, :3] = rng.random((n, 3))
    truth = p.copy()
    truth[:, 2] /= 4
    return p, rng.random(p.shape) < truth


def test_the_threshold_reaches_the_wanted_precision_on_the_worst_set():
    p, reference = calibrated()
    p[:, 2] = 0.01
    sets = np.arange(len(p)) % 2
    reference[sets == 1, :2] &= np.random.default_rng(1).random((500, 2)) < 0.9
    settings = {"wanted": 0.75, "lowest": 0.15}
    together = calibrate.choose_threshold(p, reference, ONE_SET, **settings)
    apart = calibrate.choose_threshold(p, reference, sets, **settings)
    worst = sets == 1
    for chosen, enough in ((together, False), (apart, True)):
        out = calibrate.written(p, np.full(len(GENRES), chosen))
        assert calibrate.precision(out, reference) >= 0.75
        assert (calibrate.precision(out[worst], reference[worst]) >= 0.75) == enough


def test_a_genre_that_boasts_and_one_that_is_never_written_are_unheard():
    p, reference = calibrated()
    out = calibrate.written(p, np.full(len(GENRES), 0.6))
    unheard = calibrate.unheard(out, reference, 4.0)
    assert not out[:, 3:].any()
    assert unheard.tolist() == [False, False] + [True] * 12


def test_lower_precision_gives_more_decisions():
    p, reference = calibrated()
    p[:, 2] = 0.01
    chosen = [
        calibrate.choose_threshold(p, reference, ONE_SET, wanted=wanted, lowest=0.15)
        for wanted in (0.6, 0.75, 0.9)
    ]
    covered = [calibrate.coverage(calibrate.written(p, np.full(len(GENRES), t))) for t in chosen]
    assert covered == sorted(covered, reverse=True)
    assert covered[0] > covered[2]


def test_what_is_written_is_what_the_product_decides():
    p = np.full((2, len(GENRES)), 0.01)
    p[0, [GENRES.index("Pop"), GENRES.index("Rock")]] = 0.7, 0.65
    written = calibrate.written(p, np.full(len(GENRES), 0.5))
    assert [GENRES[g] for g in np.flatnonzero(written[0])] == ["Pop", "Rock"]
    assert not written[1].any()
    assert calibrate.coverage(written) == 0.5
    assert np.isnan(calibrate.precision(written[1:], np.zeros((1, len(GENRES)), bool)))
