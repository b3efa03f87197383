"""Which tracks sound alike."""

import numpy as np
import pytest

from genretagger.similarity import ENOUGH, SAME
from genretagger.similarity import nearest as nearest_of

pytestmark = pytest.mark.quick


def nearest(track, others, *, by_its_artist=False):
    return nearest_of(track, others, [by_its_artist] * len(others))


def half(*values):
    return np.array(values, dtype=np.float16)


def test_of_few_tracks_embeddings_are_compared_by_their_angle_whatever_their_length():
    found = nearest(half(1, 0), [half(5, 0), half(0, 3), half(-2, 0), half(1, 1)])
    assert [i for i, _ in found] == [0, 3, 1, 2]
    assert [value for _, value in found] == pytest.approx([1, np.sqrt(0.5), 0, -1], abs=1e-3)


def test_of_many_tracks_what_all_have_in_common_does_not_count():
    rng = np.random.default_rng(0)
    own = rng.normal(size=(200, 20))
    own[1] = own[0] + 0.9 * rng.normal(size=20)  # a neighbour
    common = 50 + 10 * np.arange(20)
    tracks = list((common + own).astype(np.float16))
    found = nearest(tracks[0], tracks[1:])
    assert len(tracks) > ENOUGH
    assert found[0][0] == 0
    assert 0.5 < found[0][1] < SAME
    assert abs(np.mean([value for _, value in found])) < 0.1
    few = nearest(tracks[0], tracks[1:10])
    assert min(value for _, value in few) > 0.99  # where what they have in common still counts


def test_another_encoding_is_left_out_if_it_may_be_by_the_same_artist():
    rng = np.random.default_rng(0)
    own = rng.normal(size=(200, 20))
    own[1] = own[0] + 0.05 * rng.normal(size=20)
    tracks = list(own.astype(np.float16))
    ((first, value), *_) = nearest(tracks[0], tracks[1:])
    assert first == 0
    assert value > SAME
    assert 0 not in [i for i, _ in nearest(tracks[0], tracks[1:], by_its_artist=True)]
    few = nearest(tracks[0], tracks[1:10], by_its_artist=True)
    assert few[0][0] == 0  # of few tracks nobody can tell


def test_an_embedding_of_zeros_and_values_that_never_change_are_no_trouble():
    assert nearest(half(1, 0), [half(0, 0)]) == [(0, 0.0)]
    assert nearest(half(0, 0), [half(1, 0)]) == [(0, 0.0)]
    same = nearest(half(1, 1), [half(1, 1)] * ENOUGH)
    assert same == [(i, 0.0) for i in range(ENOUGH)]


def test_large_values_do_not_overflow():
    large = np.full(480, 65504, dtype=np.float16)
    ((_, value),) = nearest(large, [large])
    assert value == pytest.approx(1.0, abs=1e-3)


def test_there_may_be_nothing_to_compare_with():
    assert nearest(half(1, 0), []) == []
