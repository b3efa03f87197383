"""What moved the network is found by hiding parts of a segment from it."""

import numpy as np
import pytest

from genretagger.explain import N_BANDS, N_SPANS, occlude, turns

pytestmark = pytest.mark.quick

BANDS_HZ = np.geomspace(50.0, 8000.0, 96)


def test_hiding_finds_the_patch_that_the_answer_hangs_on():
    log_mel = np.random.default_rng(1).normal(-40, 10, (96, 501)).astype(np.float32)
    low, begin = 3 * 12, 7 * 25
    log_mel[low : low + 12, begin : begin + 26] = 0.0  # loud: fourth row, eighth column

    def log_odds(log_mels):
        return log_mels[:, low : low + 12, begin : begin + 25].mean(axis=(1, 2))

    patches, bands, spans = occlude(log_mel, log_odds, BANDS_HZ)
    assert patches.shape == (N_BANDS, N_SPANS)
    assert np.unravel_index(patches.argmax(), patches.shape) == (3, 7)
    assert bands.argmax() == 3
    assert spans.argmax() == 7
    elsewhere = np.delete(spans, [6, 7, 8])
    np.testing.assert_allclose(elsewhere, 0.0, atol=1e-4)


def test_a_patch_is_hidden_from_both_filterbanks():
    both_hz = np.concatenate([BANDS_HZ, np.linspace(50.0, 8000.0, 96)])
    log_mel = np.random.default_rng(1).normal(-40, 10, (192, 501)).astype(np.float32)
    inside = (both_hz >= BANDS_HZ[36]) & (both_hz < BANDS_HZ[48])  # the fourth of eight rows
    assert 0 < inside[96:].sum() < 12
    log_mel[inside, 175:201] = 0.0

    def log_odds(log_mels):
        return log_mels[:, inside, 175:201].mean(axis=(1, 2))

    patches, bands, _ = occlude(log_mel, log_odds, both_hz)
    assert np.unravel_index(patches.argmax(), patches.shape) == (3, 7)
    np.testing.assert_allclose(np.delete(bands, 3), 0.0, atol=1e-4)


def test_hiding_leaves_what_it_was_given_untouched():
    log_mel = np.random.default_rng(1).normal(-40, 10, (96, 501)).astype(np.float32)
    before = log_mel.copy()
    occlude(log_mel, lambda log_mels: log_mels.mean(axis=(1, 2)), BANDS_HZ)
    np.testing.assert_array_equal(log_mel, before)


def test_a_passage_is_no_turn():
    assert turns(["Pop"] * 5 + [None] + ["Pop"] * 5, 3) == [(0, "Pop")]
    assert turns(["Pop"] * 5 + ["Rock"] * 3, 3) == [(0, "Pop"), (5, "Rock")]
    assert turns([], 3) == []
