"""APEv2, and what else lies at the end of a stream: ID3v1, Lyrics3, enhanced ID3v1."""

from __future__ import annotations

import make_audio
import mutagen
import pytest
from make_audio import id3v1_tag
from mutagen import id3
from tag_files import AudioFile, ape_item, ape_tag, blocks_of, set_genres

from genretagger import tags
from genretagger.errors import TrackError
from genretagger.records import BlockChange

pytestmark = pytest.mark.quick

LYRICS = b"LYRICSBEGININD0000200LYR00005Lalal000043LYRICS200"[:-15] + b"000034LYRICS200"


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("behind", [b"", id3v1_tag(17), LYRICS + id3v1_tag(17)])
def test_every_other_apev2_item_and_what_follows_stay_byte_for_byte(
    audio_file: AudioFile, header: bool, behind: bytes
) -> None:
    path = audio_file("MP3")
    audio = path.read_bytes()
    version = 2000 if header else 1000
    items = [
        ape_item(b"Title", "Lied Ⅸ".encode()),
        ape_item(b"zebra", b"last in the alphabet, but not in the file"),
        ape_item(b"GENRE", b"Rock\0Pop"),
        ape_item(b"Cover Art (Front)", b"x.png\0" + make_audio.PICTURE, flags=2),
        ape_item(b"Related", b"https://example.org", flags=4 | 1),
        ape_item(b"Broken", b"\xff\xfe not UTF-8"),
    ]
    path.write_bytes(audio + ape_tag(items, version=version, header=header) + behind)
    assert blocks_of(path)["APEv2"] == ("Rock", "Pop")
    tags.write(path, [BlockChange("APEv2", ("Rock", "Pop"), ("Jazz", "Folk", "Ambient"))])
    items[2] = ape_item(b"GENRE", b"Jazz\0Folk\0Ambient")
    assert path.read_bytes() == audio + ape_tag(items, version=version, header=header) + behind
    tags.write(path, [BlockChange("APEv2", ("Jazz", "Folk", "Ambient"), ())])
    del items[2]
    assert path.read_bytes() == audio + ape_tag(items, version=version, header=header) + behind


def test_an_mp3_with_apev2_only_gets_no_id3(audio_file: AudioFile) -> None:
    path = audio_file("MP3 APEv2 only", genre=("Rock",), title="T")
    assert mutagen.File(path).tags is None  # what the usual view of the file misses
    set_genres(path, ("Pop",))
    assert blocks_of(path) == {"APEv2": ("Pop",)}
    assert not path.read_bytes().startswith(b"ID3")


def test_a_new_apev2_tag_stands_before_the_id3v1_tag(audio_file: AudioFile) -> None:
    path = audio_file("WavPack")
    audio = path.read_bytes()
    path.write_bytes(audio + id3v1_tag(17))
    tags.write(path, [BlockChange("APEv2", (), ("Pop",))])
    assert path.read_bytes() == audio + ape_tag([ape_item(b"Genre", b"Pop")]) + id3v1_tag(17)


def test_an_apev2_header_is_not_taken_for_id3v1(audio_file: AudioFile) -> None:
    path = audio_file("WavPack")
    filler = 131 - 64 - len(ape_item(b"Genre", b"Rock")) - len(ape_item(b"Title", b""))
    tag = ape_tag([ape_item(b"Genre", b"Rock"), ape_item(b"Title", b"x" * filler)])
    assert (len(tag), tag[-128:-125]) == (131, b"TAG")
    path.write_bytes(path.read_bytes() + tag)
    assert blocks_of(path) == {"APEv2": ("Rock",)}


def test_enhanced_id3v1_is_left_alone(audio_file: AudioFile) -> None:
    path = audio_file("MP3")
    audio = path.read_bytes()
    plus = (
        b"TAG+" + b"A very long title".ljust(180, b"\0") + b"\x02" + b"Free genre".ljust(42, b"\0")
    )
    assert len(plus) == 227
    ape = ape_tag([ape_item(b"Genre", b"Rock")])
    path.write_bytes(audio + ape + plus + id3v1_tag(17))
    assert blocks_of(path) == {"APEv2": ("Rock",), "ID3v1": ("Rock",)}
    set_genres(path, ("Jazz",))
    ape = ape_tag([ape_item(b"Genre", b"Jazz")])
    assert path.read_bytes() == audio + ape + plus + id3v1_tag(8)


@pytest.mark.parametrize("behind_id3", [False, True])
@pytest.mark.parametrize("form", ["MP3", "MP3 APEv2 only", "MP3 ID3v2.3 + APEv2"])
def test_a_tag_at_the_beginning_counts_and_the_file_is_refused(
    audio_file: AudioFile, form: str, behind_id3: bool
) -> None:
    path = audio_file(form, title="Song")
    front = ape_tag([ape_item(b"Genre", b"Polka"), ape_item(b"Title", b"Song")])
    data = path.read_bytes()
    at = id3.ID3(path).size if behind_id3 and data[:3] == b"ID3" else 0
    path.write_bytes(data[:at] + front + data[at:])
    before, held = path.read_bytes(), blocks_of(path)
    assert held["APEv2"] == ("Polka",)
    changes = [BlockChange(kind, values, ("Jazz",)) for kind, values in held.items()]
    with pytest.raises(TrackError, match="APEv2"):
        tags.write(path, changes)
    assert path.read_bytes() == before
