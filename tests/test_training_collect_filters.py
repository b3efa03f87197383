"""What a name says of a recording, and what it only seems to say."""

import csv
from pathlib import Path

import pytest

from training.collect import filters

pytestmark = pytest.mark.quick


def judged(title, version="", artist="Someone", album="Something", *, genre="Rock", live=True):
    found = filters.rejection(
        title=title, version=version, artist=artist, album=album, genres=[genre], live=live
    )
    return found and found[:2]


@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        (("karaoke", "title"), {"title": "Hello (Karaoke Version)"}),
        (("karaoke", "title_version"), {"title": "Hello", "version": "(Karaoke)"}),
        (("karaoke", "title"), {"title": "Hello (In the Style of Adele) [Karaoke Version]"}),
        (("karaoke", "title"), {"title": "Hello - Backing Track"}),
        (("karaoke", "album"), {"title": "Hello", "album": "Karaoke Hits Vol. 3"}),
        (("karaoke", "artist"), {"title": "Hello", "artist": "The Karaoke Channel"}),
        (("cover", "title"), {"title": "Creep (Radiohead Cover)"}),
        (("cover", "title"), {"title": "Creep - Cover"}),
        (("cover", "title_version"), {"title": "Creep", "version": "(Cover Version)"}),
        (("cover", "title"), {"title": "Creep (Originally Performed By Radiohead)"}),
        (("cover", "title"), {"title": "Creep (Made Famous by Radiohead)"}),
        (("cover", "artist"), {"title": "Creep", "artist": "Cover Nation"}),
        (("cover", "album"), {"title": "Creep", "album": "Acoustic Covers"}),
        (("cover", "album"), {"title": "Creep", "album": "The Covers EP"}),
        (("tribute", "title"), {"title": "Creep (Tribute to Radiohead)"}),
        (("tribute", "artist"), {"title": "Creep", "artist": "Piano Tribute Players"}),
        (("tribute", "artist"), {"title": "Creep", "artist": "Radiohead Tribute Band"}),
        (("tribute", "album"), {"title": "Creep", "album": "A Tribute to Radiohead"}),
        (("rendition", "title"), {"title": "Creep (Piano Version)"}),
        (("rendition", "title"), {"title": "Creep (Violin Cover)"}),
        (("rendition", "title"), {"title": "Creep - Arranged for Solo Piano"}),
        (("rendition", "title_version"), {"title": "Creep", "version": "(String Quartet Version)"}),
        (("rendition", "artist"), {"title": "Creep", "artist": "Vitamin String Quartet"}),
        (("rendition", "artist"), {"title": "Creep", "artist": "Rockabye Baby!"}),
        (("rendition", "album"), {"title": "Creep", "album": "Lullaby Renditions of Radiohead"}),
        (("instrumental", "title"), {"title": "Creep (Instrumental)"}),
        (("instrumental", "title"), {"title": "Creep - Instrumental Version"}),
        (("instrumental", "album"), {"title": "Creep", "album": "Hits (Instrumentals)"}),
        (("live", "title"), {"title": "Creep (Live)"}),
        (("live", "title"), {"title": "Creep - Live at Wembley"}),
        (("live", "title_version"), {"title": "Creep", "version": "(Live 1995)"}),
        (("live", "title"), {"title": "Creep (Acoustic Live)"}),
        (("live", "album"), {"title": "Creep", "album": "Live in Paris"}),
        (("live", "album"), {"title": "Creep", "album": "MTV Unplugged"}),
        (("altered", "title"), {"title": "Creep - Sped Up"}),
        (("altered", "title"), {"title": "Creep (Sped-Up Version)"}),
        (("altered", "title"), {"title": "Creep (slowed + reverb)"}),
        (("altered", "title"), {"title": "Creep [Nightcore]"}),
        (("altered", "title"), {"title": "Nightcore - Creep"}),
        (("karaoke", "title"), {"title": "Karaoke: Creep"}),
        (("altered", "title"), {"title": "Creep (8D Audio)"}),
        (("altered", "artist"), {"title": "Creep", "artist": "sped up nightcore"}),
        (("altered", "album"), {"title": "Creep", "album": "Nightcore Hits"}),
    ],
    ids=lambda value: " / ".join(value.values()) if isinstance(value, dict) else "",
)
def test_what_is_no_example_is_rejected_with_its_rule_and_field(expected, fields):
    assert judged(**fields) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "Lightning Crashes", "artist": "Live", "album": "Throwing Copper"},
        {"title": "Night", "artist": "Karaoke Dreams", "album": "Karaoke Dreams"},
        {"title": "Karaoke", "artist": "Drake", "album": "Thank Me Later"},
        {"title": "Cover Me", "artist": "Bruce Springsteen", "album": "Born in the U.S.A."},
        {"title": "Alive", "artist": "Pearl Jam", "album": "Ten"},
        {"title": "Under Cover of Darkness", "artist": "The Strokes", "album": "Angles"},
        {"title": "Shelter (Under Cover)"},
        {"title": "Show Me Love", "artist": "The Cover Girls", "album": "We Can't Go Wrong"},
        {"title": "Lovesick", "artist": "Cover Drive", "album": "Bajan Style"},
        {"title": "Live and Let Die", "artist": "Wings", "album": "Wings Greatest"},
        {"title": "Live Forever", "artist": "Oasis", "album": "Definitely Maybe"},
        {"title": "Live Forever (Remastered)", "artist": "Oasis", "album": "Definitely Maybe"},
        {"title": "Violet", "artist": "Hole", "album": "Live Through This"},
        {"title": "I Want to Live (Where I Live)"},
        {"title": "Viva la Vida (Long Live)"},
        {"title": "Tribute", "artist": "Tenacious D", "album": "Tenacious D"},
        {"title": "Piano Man", "artist": "Billy Joel", "album": "Piano Man"},
        {"title": "String Quartet No. 8"},
        {"title": "Violin", "artist": "Amos Lee"},
        {"title": "Slowed Down", "artist": "Slowdive"},
        {"title": "Instrumental Break", "artist": "X"},
        {"title": "Speed of Sound", "artist": "Coldplay"},
        {"title": "Undercover Martyn", "album": "Undercover"},
        {"title": "Bed", "album": "Under Cover"},
        {"title": "Fallout", "album": "Duck and Cover"},
        {"title": "Live - Remastered", "artist": "Someone"},
        {"title": "Lullaby", "artist": "The Cure", "album": "Disintegration"},
    ],
    ids=lambda fields: " / ".join(fields.values()),
)
def test_what_only_sounds_like_it_is_kept(fields):
    assert judged(**fields) is None


def test_the_live_rule_can_be_turned_off_and_takes_no_other_with_it():
    assert judged("Creep (Live)", live=False) is None
    assert judged("Creep (Live) [Karaoke]", live=False) == ("karaoke", "title")


@pytest.mark.parametrize("genre", ["Classical", "Jazz", "Ambient"])
def test_a_piano_a_dedication_or_no_singer_is_usual_on_some_lists_and_a_copyist_on_none(genre):
    for title in ("Air (Piano)", "Air - Arranged for Solo Piano", "Air (Violin Version)"):
        assert judged(title, genre=genre) is None
        assert judged(title) == ("rendition", "title")
    assert judged("Air (Instrumental)", genre=genre) is None
    assert judged("Air", album="A Tribute to Bach", genre=genre) is None
    for artist in ("Vitamin String Quartet", "Piano Tribute Players", "Bach Karaoke"):
        assert judged("Air", artist=artist, genre=genre)
    assert judged("Air (Karaoke)", genre=genre) == ("karaoke", "title")


def test_what_matched_is_quoted_as_it_is_written():
    name = {"version": "", "artist": "X", "album": "", "genres": ["Pop"], "live": True}
    found = filters.rejection(title="La vie en rose (Version Karaoké)", **name)
    assert found == ("karaoke", "title", "Karaoké")
    found = filters.rejection(title="Ojalá (Versión Piano)", **name)
    assert found == ("rendition", "title", "Versión Piano")


def recordings():
    """Read the names of our own: the rule that should reject each, or ``keep``."""
    path = Path(__file__).with_name("recordings.tsv")
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_rates_in_the_docs_are_those_of_our_list_of_names():
    right = {"kept": 0, "rejected": 0}
    total = dict.fromkeys(right, 0)
    wrong = []
    for row in recordings():
        side = "kept" if row["rule"] == "keep" else "rejected"
        total[side] += 1
        found = judged(row["title"], "", row["artist"], row["album"], genre=row["list"])
        if (found is None) == (side == "kept"):
            right[side] += 1
        else:
            wrong.append((row, found))
    assert min(total.values()) >= 150
    text = (Path(filters.__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    rates = f"{right['rejected']} of {total['rejected']} that are no examples were rejected"
    assert rates in text, wrong
    assert f"{right['kept']} of {total['kept']} that are were kept" in text, wrong


def test_a_name_is_rejected_by_the_rule_that_it_breaks():
    for row in recordings():
        found = judged(row["title"], "", row["artist"], row["album"], genre=row["list"])
        if found and row["rule"] != "keep":
            assert found[0] == row["rule"], row


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("The Beatles", "Help!"), ("Beatles", "Help")),
        (("Simon & Garfunkel", "The Boxer"), ("Simon and Garfunkel", "The Boxer (Mono)")),
        (("Björk", "Jóga"), ("Bjork", "Joga - 2011 Remaster")),
        (("Jay-Z", "Umbrella feat. Rihanna"), ("JAY Z", "Umbrella (feat. Rihanna)")),
        (("A", "Song - Remastered 2009"), ("A", "Song (Radio Edit)")),
    ],
)
def test_spellings_of_one_recording_meet(one, other):
    assert filters.same_recording(*one) == filters.same_recording(*other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("A", "Song"), ("A", "Song (Other Remix)")),
        (("A", "Song"), ("B", "Song")),
        (("A", "Song, Pt. 1"), ("A", "Song, Pt. 2")),
        (
            ("きゃりーぱみゅぱみゅ", "つけまつける"),
            ("きゃりーぱみゅぱみゅ", "ファッションモンスター"),
        ),
        (("Sigur Rós", "( )"), ("Sigur Rós", "!!!")),
    ],
)
def test_other_recordings_stay_apart(one, other):
    assert filters.same_recording(*one) != filters.same_recording(*other)
