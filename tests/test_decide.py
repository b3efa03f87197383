import numpy as np
import pytest

from genretagger.aggregate import aggregate
from genretagger.decide import DecisionPolicy, decide
from genretagger.genres import GENRES
from genretagger.records import Prediction

pytestmark = pytest.mark.quick

HALF = (0.5,) * len(GENRES)


def heard(*notes, **probabilities):
    named = {name.replace("_", " "): p for name, p in probabilities.items()}
    assert set(named) <= set(GENRES)
    return Prediction(tuple(named.get(genre, 0.01) for genre in GENRES), notes)


def genres(prediction, **policy):
    return decide(prediction, DecisionPolicy(HALF, **policy)).genres


def test_the_best_genre_comes_first_and_a_fusion_joins_it():
    assert genres(heard(Pop=0.65, Rock=0.7)) == ("Rock", "Pop")


def test_a_fusion_joins_only_if_it_is_a_quarter_of_the_way_to_certainty():
    assert genres(heard(Pop=0.625, Rock=0.9)) == ("Rock", "Pop")
    decision = decide(heard(Pop=0.62, Rock=0.9), DecisionPolicy(HALF))
    assert decision.genres == ("Rock",)
    assert decision.reason[1] == "Pop 0.62 left out: not sure enough beside Rock"


def test_two_genres_that_are_no_fusion_leave_the_best_alone():
    prediction = heard(Classical=0.6, Punk=0.7)
    decision = decide(prediction, DecisionPolicy(HALF))
    assert decision.genres == ("Punk",)
    assert "Classical 0.60 left out" in decision.reason[1]


def test_two_genres_that_are_no_fusion_join_if_both_are_far_above():
    assert genres(heard(Classical=0.8, Jazz=0.9)) == ("Jazz", "Classical")
    assert genres(heard(Classical=0.7, Jazz=0.9)) == ("Jazz",)


def test_a_refused_genre_makes_room_for_the_next_that_fits():
    assert genres(heard(Rock=0.9, Classical=0.7, Pop=0.65)) == ("Rock", "Pop")


def test_nothing_above_threshold_is_undecided_and_says_how_far_it_fell_short():
    decision = decide(heard(Pop=0.31), DecisionPolicy((0.42,) * len(GENRES)))
    assert decision.genres == ()
    assert decision.reason == ("undecided: Pop 0.31 is the best guess, 0.42 would be needed",)


@pytest.mark.parametrize(
    ("probability", "threshold", "shown"),
    [
        (0.31, 0.42, ("0.31", "0.42")),
        (0.507, 0.512, ("0.507", "0.512")),
        (0.4999, 0.5, ("0.4999", "0.5000")),
        (np.nextafter(0.5, 0.0), 0.5, ("0.4999999999999999", "0.5000000000000000")),
    ],
)
def test_as_many_digits_are_shown_as_tell_a_probability_from_its_threshold(
    probability, threshold, shown
):
    guess = "Pop {} is the best guess, {}{} would be needed"
    thresholds = (threshold,) * len(GENRES)
    for always, words in (False, ""), (True, "taken though "):
        reason = decide(heard(Pop=probability), DecisionPolicy(thresholds, always=always)).reason
        assert reason[0].removeprefix("undecided: ") == guess.format(shown[0], words, shown[1])


def test_always_takes_the_best_anyway_and_says_so():
    decision = decide(heard(Pop=0.31), DecisionPolicy(HALF, always=True))
    assert decision.genres == ("Pop",)
    assert decision.reason == ("Pop 0.31 is the best guess, taken though 0.50 would be needed",)


def test_a_genre_that_no_probability_reaches_is_not_even_a_guess():
    thresholds = tuple(1.0 if genre == "Folk" else 0.5 for genre in GENRES)
    for always, genres in (False, ()), (True, ("Rock",)):
        policy = DecisionPolicy(thresholds, always=always)
        decision = decide(heard(Folk=0.8, Rock=0.3), policy)
        assert decision.genres == genres
        assert "Rock 0.30 is the best guess" in decision.reason[0]


def test_each_genre_has_its_own_threshold():
    thresholds = tuple(0.2 if genre == "Folk" else 0.5 for genre in GENRES)
    decision = decide(heard(Rock=0.45, Folk=0.25), DecisionPolicy(thresholds))
    assert decision.genres == ("Folk",)


def test_a_probability_equal_to_its_threshold_passes():
    assert genres(heard(Jazz=0.5)) == ("Jazz",)


@pytest.mark.parametrize(("most", "expected"), [(1, 1), (2, 2), (3, 3)])
def test_no_more_genres_than_asked_for(most, expected):
    prediction = heard(Pop=0.9, Rock=0.8, Folk=0.7)
    assert len(genres(prediction, max_genres=most)) == expected


def test_with_three_genres_every_pair_must_pass():
    # Country-Pop and Folk-Pop are fusions, Country-Folk is not and Folk is not far above
    assert genres(heard(Pop=0.95, Country=0.9, Folk=0.6), max_genres=3) == ("Pop", "Country")


def test_silence_is_undecided_even_if_asked_to_always_decide():
    decision = decide(Prediction(None, ("silent",)), DecisionPolicy(HALF, always=True))
    assert decision.genres == ()
    assert decision.reason == ("undecided: nothing to hear", "silent")


def test_the_notes_of_a_prediction_stand_in_the_reason():
    assert "short: 3.0 s" in decide(heard("short: 3.0 s", Pop=0.9), DecisionPolicy(HALF)).reason


def test_segments_are_averaged_as_logits():
    p = np.array([[0.9], [0.5]], dtype=np.float32).repeat(len(GENRES), axis=1)
    # logits 2.197 and 0: mean 1.0986, whose sigmoid is 0.75
    assert aggregate(p) == pytest.approx([0.75] * len(GENRES), abs=1e-5)


def test_calibration_scales_and_shifts_the_mean_logit():
    p = np.full((2, len(GENRES)), 0.5, dtype=np.float32)
    calibration = [(2.0, np.log(3.0))] * len(GENRES)
    assert aggregate(p, calibration) == pytest.approx([0.75] * len(GENRES), abs=1e-6)


def test_saturated_probabilities_stay_finite():
    p = np.array([[0.0] * 7 + [1.0] * 7], dtype=np.float32)
    result = aggregate(p)
    assert all(0.0 < value < 1.0 for value in result)


def test_only_allowed_genres_are_decided():
    prediction = heard(Rock=0.9, Pop=0.6)
    assert genres(prediction, allowed=frozenset(GENRES) - {"Rock"}) == ("Pop",)
    assert genres(prediction, allowed=frozenset({"Jazz"}), always=True) == ("Jazz",)


def test_the_reason_names_the_genre_that_clashes():
    # Electronic would go with Pop, but not with Rock
    prediction = heard(Pop=0.72, Rock=0.70, Electronic=0.65)
    decision = decide(prediction, DecisionPolicy(HALF, max_genres=3))
    assert decision.genres == ("Pop", "Rock")
    assert decision.reason[-1] == "Electronic 0.65 left out: seldom goes with Rock"
