"""What common names of genres mean among the 14."""

from pathlib import Path

import pytest

from genretagger import subgenres
from genretagger.genres import GENRES, Vocabulary, canonical
from genretagger.subgenres import Names, folded

pytestmark = pytest.mark.quick

LINES = [
    line.partition("=")
    for line in Path(subgenres.__file__)
    .with_name("names.txt")
    .read_text(encoding="utf-8")
    .splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize(
    ("name", "genres"),
    [
        ("Metal", ("Rock",)),
        ("House", ("Dance", "Electronic")),
        ("Soul", ("RNB",)),
        ("Alternative Rock", ("Rock",)),
        ("Lo-Fi", ("Rock",)),
        ("lofi", ("Rock",)),
        ("SynthPop", ("Electronic", "Pop")),
        ("synth-pop", ("Electronic", "Pop")),
        ("Schlager", ("Pop",)),
        ("R&B/Soul", ("RNB",)),
        ("Funk / Soul", ("RNB",)),
        ("Folk, World, & Country", ("Folk",)),
        ("Drum'n'Bass", ("Dance", "Electronic")),
        ("DnB", ("Dance", "Electronic")),
        ("Rock and Roll", ("Rock",)),
        ("Rock 'n' Roll", ("Rock",)),
        ("Musique concrete", ("Experimental",)),
        ("Soul Music", ("RNB",)),
        ("hip-hop", ("Hip Hop",)),
        ("Reggae", ()),
        ("Blues", ()),
        ("World Music", ()),
        ("Musica clasica", ("Classical",)),
        ("Rock psychédélique", ("Psychedelia", "Rock")),
        ("Électronique", ("Electronic",)),
        ("Deutscher Hip-Hop", ("Hip Hop",)),
        ("Música de baile", ("Dance",)),
        ("Sertanejo", ()),
        ("РОК", ("Rock",)),
        ("Filmmusik", None),
        ("Soundtrack", None),
        ("Christmas", None),
        ("80s", None),
        ("Music", None),
        ("", None),
        ("!!!", None),
    ],
)
def test_a_name_is_known_however_it_is_spelled(name, genres):
    assert Names()(name) == genres


def test_the_list_says_each_thing_once_and_nothing_that_our_own_names_say():
    names = [name.strip() for name, _, _ in LINES]
    assert len(names) == len({folded(name) for name in names}) > 400
    assert not [name for name in names if canonical(name)]


def test_the_list_means_our_genres_only_in_the_way_that_they_are_spelled():
    for name, equals, meaning in LINES:
        genres = [genre for genre in meaning.strip().split("; ") if genre]
        assert equals
        assert set(genres) <= set(GENRES), name
        assert len(genres) <= 3, name


def test_every_genre_has_names_that_mean_it():
    meant = {genre for _, _, meaning in LINES for genre in meaning.strip().split("; ")}
    assert meant == {"", *GENRES}


def test_ones_own_lines_come_before_the_list_and_before_our_names():
    names = Names("Metal = Experimental\nrap = Pop  # here\nCelestial =\n\n# no more\n")
    assert names("METAL") == ("Experimental",)
    assert names("Rap") == ("Pop",)
    assert names("celestial") == ()
    assert names("House") == ("Dance", "Electronic")


def test_own_lines_that_match_nothing_are_named_as_they_are_written():
    names = Names("Met-al = Rock\nGravel Wave = Punk\n")
    assert names("metal") == ("Rock",)
    assert names("gravel waves") is None
    assert names.unmatched() == ["Gravel Wave"]


@pytest.mark.parametrize("line", ["Metal", "= Rock", "Metal = Loud", "Blues = Rock; Loud"])
def test_a_line_that_makes_no_sense_is_named(line):
    with pytest.raises(ValueError, match=r"^line 2: write it as 'disco"):
        Names(f"House = Dance\n{line}\n")


def test_a_model_of_other_genres_has_its_own_names_first_and_of_the_list_what_it_has():
    names = Names("Kraut = Shoegaze", Vocabulary(("Shoegaze", "Rock"), frozenset()))
    assert names("shoe-gaze") == ("Shoegaze",)
    assert names("Kraut") == ("Shoegaze",)
    assert names("Dream Pop") == ("Rock",)
    assert names("House") is None  # it means genres that the model does not have
    assert names("Reggae") == ()
    with pytest.raises(ValueError, match="line 1"):
        Names("Kraut = Pop", Vocabulary(("Shoegaze",), frozenset()))


def test_spellings_of_a_models_own_genre_are_that_genre():
    names = Names(vocabulary=Vocabulary(("R&B", "Drum & Bass"), frozenset()))
    assert [names(name) for name in ("rnb", "drum 'n' bass", "DnB")] == [
        *(("R&B",), ("Drum & Bass",), ("Drum & Bass",))
    ]
