"""What a name says of a recording, and what it only seems to say."""

import pytest

from training.collect import filters

pytestmark = pytest.mark.quick


def judged(title, version="", artist="Someone", album="Something", *, classical=False, live=True):
    found = filters.rejection(
        title=title, version=version, artist=artist, album=album, classical=classical, live=live
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


def test_words_that_are_usual_in_classical_music_count_elsewhere_only():
    fields = {"title": "Quartet No. 8", "artist": "Emerson String Quartet"}
    assert judged(**fields, classical=True) is None
    assert judged(**fields) == ("rendition", "artist")
    assert judged("Air (Arranged for Piano)", classical=True) is None


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
