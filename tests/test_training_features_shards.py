"""Segments of clips, and decibels under their peak."""

import numpy as np

from genretagger.features import to_db
from training.features.mel import under_peak
from training.features.shards import Shards


def shards_of(*lengths):
    mel = np.concatenate(
        [np.full((n, 2), i) + np.arange(n)[:, None] / 64 for i, n in enumerate(lengths)]
    )
    frames = np.cumsum([0, *lengths])
    return Shards(mel.astype(np.float16), frames, None, np.zeros_like(frames), None)


def test_a_segment_is_read_from_its_own_clip():
    shards = shards_of(10, 20)
    assert [shards.n_frames(i) for i in range(2)] == [10, 20]
    segment = shards.segment(1, 4, 8)
    assert segment.dtype == np.float32
    assert np.array_equal(segment[:, 0], 1 + np.arange(4, 12) / 64)


def test_a_clip_shorter_than_a_segment_is_repeated():
    segment = shards_of(10, 20).segment(0, 2, 16)
    assert np.array_equal(segment[:, 1] * 64, [*range(2, 10), *range(8)])


def test_decibels_under_the_peak_are_the_products():
    power = np.random.default_rng(0).exponential(1.0, (3, 50, 8)).astype(np.float32) ** 4
    decibels = 10 * np.log10(np.maximum(power, np.float32(1e-10)))
    expected = np.stack([to_db(part, 30.0) for part in power])
    assert np.allclose(under_peak(decibels, 30.0), expected, atol=1e-4)
    assert np.array_equal(under_peak(decibels[1], 30.0), under_peak(decibels, 30.0)[1])
