import pytest

from genretagger.genres import (
    ALIASES,
    FUSIONS,
    GENRES,
    SEPARATORS,
    SHIPPED,
    Vocabulary,
    canonical,
    in_order,
    is_fusion,
    read_mapping,
    read_vocabulary,
    split_values,
)

pytestmark = pytest.mark.quick


def test_there_are_fourteen_genres_in_alphabetical_order_but_for_psychedelia():
    assert len(GENRES) == 14
    assert [g for g in GENRES if g != "Psychedelia"] == sorted(set(GENRES) - {"Psychedelia"})


def test_there_are_nineteen_fusions_of_known_genres_eight_of_them_with_pop():
    assert len(FUSIONS) == 19
    assert all(pair <= set(GENRES) and len(pair) == 2 for pair in FUSIONS)
    assert sum("Pop" in pair for pair in FUSIONS) == 8


@pytest.mark.parametrize(
    ("name", "genre"),
    [
        ("Rock", "Rock"),
        ("rock", "Rock"),
        ("hip-hop", "Hip Hop"),
        ("HipHop", "Hip Hop"),
        ("Rap", "Hip Hop"),
        ("R&B", "RNB"),
        ("R’n’B", "RNB"),
        ("Psychedelic", "Psychedelia"),
        ("Blues", None),
        ("Pop Rock", None),
        ("", None),
    ],
)
def test_a_name_is_recognised_however_it_is_spelled(name, genre):
    assert canonical(name) == genre


def test_no_alias_stands_for_two_genres():
    spellings = [a.casefold() for aliases in ALIASES.values() for a in aliases]
    assert len(spellings) == len(set(spellings))
    assert all(canonical(a) == genre for genre, aliases in ALIASES.items() for a in aliases)


def test_a_genre_of_that_very_name_comes_before_the_alias_of_another():
    own = Vocabulary(("Hip Hop", "Rap"), frozenset())
    assert [own.canonical(name) for name in ("hip-hop", "RAP", "HipHop", "Rock")] == [
        *("Hip Hop", "Rap", "Hip Hop", None)
    ]
    assert read_vocabulary(["Pop", "Lied", "Rock"]).fusions == {frozenset(("Pop", "Rock"))}
    assert read_vocabulary(list(GENRES)) == SHIPPED


def test_a_fusion_holds_in_either_order_and_no_genre_fuses_with_itself():
    assert is_fusion("Rock", "Pop")
    assert is_fusion("Pop", "Rock")
    assert not any(is_fusion(genre, genre) for genre in GENRES)


def test_genres_are_put_into_one_fixed_order():
    assert in_order(("Rock", "Ambient", "Pop")) == ("Ambient", "Pop", "Rock")


def test_no_genre_holds_a_character_at_which_players_split():
    assert not any(set(genre) & set(SEPARATORS + "\0") for genre in GENRES)
    assert [split_values(genre) for genre in GENRES] == [(genre,) for genre in GENRES]


def test_a_mapping_file_gives_genres_other_names():
    text = "# mine\n\nhip-hop = Rap  # short\nRNB=Soul & Funk\n"
    assert read_mapping(text) == {"Hip Hop": "Rap", "RNB": "Soul & Funk"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Hip Hop", "line 1: write it as"),
        ("\nRock =", "line 2: write it as"),
        ("Blues = Rock", "'Blues' is no genre of ours"),
        ("Rap = A\nHip Hop = B", "line 2: 'Hip Hop' is no genre of ours, or stands twice"),
        ("Rock = Rock/Metal", "players split"),
        ("Rock = a\x1bb", "write it as"),
    ],
)
def test_a_mapping_that_makes_no_sense_names_the_line(text, message):
    with pytest.raises(ValueError, match=message):
        read_mapping(text)
