"""Conditions on what is heard."""

import pytest

from genretagger.expression import parse
from genretagger.genres import GENRES, Vocabulary

pytestmark = pytest.mark.quick

HEARD = dict.fromkeys(GENRES, 0.1) | {"Rock": 0.7, "Folk": 0.4, "Hip Hop": 0.25, "RNB": 0.05}


@pytest.mark.parametrize(
    ("text", "holds", "margin"),
    [
        ("Rock > 0.6", True, 0.1),
        ("Rock>.6", True, 0.1),
        ("Rock > 0.7", False, 0.0),
        ("Rock >= 0.7", True, 0.0),
        ("Rock < 0.7", False, 0.0),
        ("Rock <= 0.7", True, 0.0),
        ("rock > 0.6 and folk > 0.3", True, 0.1),
        ("Rock > 0.6 AND Folk > 0.5", False, -0.1),
        ("Rock > 0.8 or Folk > 0.3", True, 0.1),
        ("not Rock > 0.6", False, -0.1),
        ("not not Rock > 0.6", True, 0.1),
        ("Hip Hop > 0.2", True, 0.05),
        ("\"hip-hop\" > 0.2 and 'R&B' < 1", True, 0.05),
        # "and" binds more closely: true or (false and false)
        ("Rock > 0.6 or Pop > 0.5 and Pop > 0.5", True, 0.1),
        ("(Rock > 0.6 or Pop > 0.5) and Pop > 0.5", False, -0.4),
        ("not (Pop > 0.5 or Jazz > 0.5)", True, 0.4),
    ],
)
def test_a_condition_says_whether_it_holds_and_by_how_much(text, holds, margin):
    fit = parse(text)(HEARD)
    assert fit.holds is holds
    assert fit.margin == pytest.approx(margin)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a genre is missing"),
        ("Rock", "'Rock' is compared with no number"),
        ("Rock >", "'Rock' is compared with no number"),
        ("Rock = 0.5", "'Rock = 0.5' is compared with no number"),
        ("Rock > high", "'Rock' is compared with no number"),
        ("Rock > 1.5", "1.5 is no probability"),
        ("Rock > -0.5", "'Rock' is compared with no number"),
        ("Rock > 0.5 Folk > 0.3", "'Folk' is not expected there"),
        ("Rock > 0.5 and", "a genre is missing"),
        ("(Rock > 0.5", "a bracket is not closed"),
        ("Rock > 0.5)", "'\\)' is not expected there"),
        ("Metal > 0.5", "'Metal' is no genre of the model; see 'genretagger genres'"),
        ("Jazz > 0.1 or rok > 0.2", "'rok' is no genre of the model; did you mean Rock\\?"),
        ('"Rock > 0.5', "a quotation mark is not closed"),
        ("__import__('os').system('true') > 0", "is compared with no number"),
        ("(" * 100 + "Rock > 0.5" + ")" * 100, "more than 50 brackets"),
        ("not " * 10000 + "Rock > 0.5", "more than 50 brackets"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(text, message):
    with pytest.raises(ValueError, match=message) as error:
        parse(text)
    assert "\n" not in str(error.value)


def test_a_bundle_may_bring_its_own_vocabulary():
    holds = parse("doom-metal > 0.5", Vocabulary(("Doom Metal", "Lied"), frozenset()))
    assert holds({"Doom Metal": 0.6}).holds
