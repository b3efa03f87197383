"""Which tracks are heard at more places, and why."""

import numpy as np
import pytest

from genretagger.doubt import Doubt, why_in_doubt
from genretagger.genres import GENRES

pytestmark = pytest.mark.quick

IDENTITY = ((1.0, 0.0),) * len(GENRES)
DOUBT = Doubt(margin=0.1, spread=0.4, excerpts=4)


def why(*segments, calibration=IDENTITY, doubt=DOUBT):
    rows = np.full((len(segments), len(GENRES)), 0.01, dtype=np.float32)
    for row, by_genre in zip(rows, segments, strict=True):
        for genre, probability in by_genre.items():
            row[GENRES.index(genre)] = probability
    return why_in_doubt(rows, calibration, doubt, GENRES)


def test_one_clear_genre_in_every_excerpt_is_in_no_doubt():
    assert why({"Rock": 0.9, "Pop": 0.3}, {"Rock": 0.8}, {"Rock": 0.7}) == ""


@pytest.mark.parametrize(("second", "expected"), [(0.85, "Rock and Pop are close"), (0.75, "")])
def test_two_genres_are_close_within_the_margin(second, expected):
    assert why({"Rock": 0.9, "Pop": second}) == expected


def test_excerpts_that_disagree_on_the_best_genre_are_in_doubt():
    assert why({"Rock": 0.99}, {"Rock": 0.55}) == "they disagree on Rock"
    assert why({"Rock": 0.99}, {"Rock": 0.65}) == ""


def test_probabilities_are_compared_as_the_decision_sees_them():
    # one genre's slope takes it away from the other
    calibration = list(IDENTITY)
    calibration[GENRES.index("Pop")] = (1.0, -2.0)
    assert why({"Rock": 0.9, "Pop": 0.89}) == "Rock and Pop are close"
    assert why({"Rock": 0.9, "Pop": 0.89}, calibration=calibration) == ""


def test_one_excerpt_disagrees_with_none():
    assert why({"Rock": 0.9}, doubt=Doubt(0.0, 0.01, 3)) == ""
