"""ID3v2 and ID3v1: frames and bytes that no library knows stay as they are."""

from __future__ import annotations

import struct

import make_audio
import pytest
from make_audio import id3v1_tag, id3v2_tag
from mutagen import id3
from tag_files import LATIN, AudioFile, blocks_of, frame, id3_of, set_genres

from genretagger import tags
from genretagger.errors import TrackError
from genretagger.records import BlockChange
from genretagger.tags.blocks.id3 import parse_id3v2
from genretagger.tags.fields import KEYS, value_of


def odd_frames(version: int) -> list[bytes]:
    """Make frames that a library drops, merges or rewrites when it saves a tag."""

    def f(name: bytes, content: bytes, flags: int = 0) -> bytes:
        return frame(name, content, version=version, flags=flags)

    date = f(b"TDRC", b"\x03Spring 1999") if version == 4 else f(b"TYER", b"\0c. 1999")
    picture = f(b"APIC", b"\0image/png\0\x03\0" + make_audio.PICTURE)
    return [
        f(b"TIT2", b"\0One"),
        f(b"TIT2", b"\0Two titles"),
        date,
        f(b"XYZW", b"nobody knows this frame"),
        f(b"TCON", b"\0Rock"),
        f(b"PRIV", b"WM/MediaClassPrimaryID\0\xbc\x7d\x60\xd1\x23\xe3\xe2\x4b\x86\xa1"),
        f(b"TXXX", b"\0Mood\0one"),
        f(b"TXXX", b"\0Mood\0two"),
        f(b"TALB", b"\x01\xff\xfeW\0e\0r\0k\0"),
        f(b"TENC", b"\x09this encoding does not exist"),
        f(b"TPE1", b"\0tag alter preservation", flags=0x4000 if version == 4 else 0x8000),
        picture,
        picture,
        f(b"COMM", b"\0eng\0" + bytes(range(128, 256))),
    ]


@pytest.mark.parametrize("version", [3, 4])
def test_every_other_frame_stays_byte_for_byte(audio_file: AudioFile, version: int) -> None:
    path = audio_file("MP3")
    audio = path.read_bytes()
    frames = odd_frames(version)
    old = id3v2_tag(version, b"".join(frames))
    path.write_bytes(old + audio)
    set_genres(path, ("Psychedelia",))
    text = b"\x03Psychedelia" if version == 4 else b"\0Psychedelia"
    frames[4] = frame(b"TCON", text, version=version)
    body = b"".join(frames)
    assert path.read_bytes() == id3v2_tag(version, body, padding=len(old) - 10 - len(body)) + audio


@pytest.mark.parametrize("version", [3, 4])
def test_a_tag_that_must_grow_moves_the_audio_unharmed(audio_file: AudioFile, version: int) -> None:
    path = audio_file("MP3")  # and more of it than is moved at a time
    audio = path.read_bytes() * 200
    assert len(audio) > 2 << 20
    path.write_bytes(id3v2_tag(version, b"".join(odd_frames(version)), padding=0) + audio)
    set_genres(path, ("Psychedelia",))
    assert path.read_bytes().endswith(audio)
    assert path.stat().st_size == 10 + id3_of(path).size - 10 + len(audio)
    for piece in odd_frames(version)[:4] + odd_frames(version)[5:]:
        assert piece in path.read_bytes()[: -len(audio)]
    set_genres(path, ())
    assert path.read_bytes().endswith(audio)


def test_several_genre_frames_become_one(audio_file: AudioFile) -> None:
    path = audio_file("MP3")
    two = frame(b"TCON", b"\0Rock") + frame(b"TIT2", b"\0T") + frame(b"TCON", b"\0Pop")
    path.write_bytes(id3v2_tag(4, two) + path.read_bytes())
    set_genres(path, ("Jazz",))
    assert path.read_bytes().count(b"TCON") == 1
    assert blocks_of(path) == {"ID3v2.4": ("Jazz",)}


def test_an_unsynchronised_tag_with_an_extended_header_is_read_and_changed(
    audio_file: AudioFile,
) -> None:
    path = audio_file("MP3")
    audio = path.read_bytes()
    private = frame(b"PRIV", b"me\0" + b"\xff\xe0\xff\x00\xff\xff\x01", version=3)
    frames = frame(b"TCON", b"\0Rock", version=3) + private
    extended = struct.pack(">IHII", 10, 0x8000, 0, 0x12345678)
    unsynchronised = frames.replace(b"\xff", b"\xff\x00")
    path.write_bytes(id3v2_tag(3, extended + unsynchronised, flags=0xC0) + audio)
    assert blocks_of(path) == {"ID3v2.3": ("Rock",)}
    set_genres(path, ("Pop",))
    tag = id3_of(path)
    assert not tag.f_extended
    assert tag.getall("PRIV")[0].data == b"\xff\xe0\xff\x00\xff\xff\x01"
    assert private in path.read_bytes()
    assert path.read_bytes()[5] == 0
    assert path.read_bytes().endswith(audio)


def test_the_flag_of_an_extended_header_that_is_not_there_is_no_obstacle(
    audio_file: AudioFile,
) -> None:
    path = audio_file("MP3")
    frames = frame(b"TIT2", b"\0T", version=3) + frame(b"TCON", b"\0Rock", version=3)
    path.write_bytes(id3v2_tag(3, frames, flags=0x40) + path.read_bytes())
    assert blocks_of(path) == {"ID3v2.3": ("Rock",)}
    set_genres(path, ("Pop",))
    assert (id3_of(path)["TIT2"].text, id3_of(path)["TCON"].text) == (["T"], ["Pop"])


def test_the_extended_header_and_the_footer_of_version_2_4_are_no_obstacle(
    audio_file: AudioFile,
) -> None:
    path = audio_file("MP3")
    audio = path.read_bytes()
    frames = frame(b"TCON", b"\x03Rock") + frame(b"TIT2", b"\x03T")
    tag = id3v2_tag(4, b"\0\0\0\x06\x01\0" + frames, flags=0x50, padding=0)
    path.write_bytes(tag + b"3DI" + tag[3:10] + audio)
    set_genres(path, ("Experimental",))
    now = id3_of(path)
    assert (now["TCON"].text, now["TIT2"].text) == (["Experimental"], ["T"])
    assert path.read_bytes().endswith(audio)
    assert b"3DI" not in path.read_bytes()[:2000]


def test_plain_frame_sizes_as_itunes_wrote_them_are_kept(audio_file: AudioFile) -> None:
    path = audio_file("MP3")
    picture = frame(b"APIC", b"\0image/png\0\x03\0" + make_audio.PICTURE, version=3)
    frames = frame(b"TIT2", b"\x03T") + picture + frame(b"TCON", b"\x03Rock")
    path.write_bytes(id3v2_tag(4, frames) + path.read_bytes())
    assert blocks_of(path) == {"ID3v2.4": ("Rock",)}
    set_genres(path, ("Pop",))
    assert picture in path.read_bytes()
    assert id3_of(path).getall("APIC")[0].data == make_audio.PICTURE


def test_frames_that_do_not_add_up_are_refused_and_left_alone(audio_file: AudioFile) -> None:
    path = audio_file("MP3")
    broken = frame(b"TCON", b"\0Rock", version=3) + b"??garbage, not padding"
    path.write_bytes(id3v2_tag(3, broken) + path.read_bytes())
    before = path.read_bytes()
    with pytest.raises(TrackError, match="do not add up"):
        tags.write(path, [BlockChange("ID3v2.3", ("Rock",), ("Pop",))])
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "form", ["MP3", "MP3 ID3v2.3", "MP3 ID3v2.2", "WAV", "WAV ID3v2.3", "AIFF"]
)
def test_the_version_of_a_tag_changes_only_when_asked(audio_file: AudioFile, form: str) -> None:
    path = audio_file(form, genre=("Rock",), **LATIN)
    (block,) = tags.read(path).blocks
    other = "ID3v2.4" if block.kind == "ID3v2.3" else "ID3v2.3"
    if block.kind != "ID3v2.2":
        set_genres(path, ("Pop",))
        assert blocks_of(path) == {block.kind: ("Pop",)}
        set_genres(path, ("Rock",))
    tags.write(path, [BlockChange(other, ("Rock",), ("Jazz",))])
    assert blocks_of(path) == {other: ("Jazz",)}
    tag = id3_of(path)
    assert [tag[k].text for k in ("TIT2", "TPE1", "TALB", "TPE2")] == [[v] for v in LATIN.values()]


def test_converting_a_tag_converts_its_date_and_keeps_several_artists(
    audio_file: AudioFile,
) -> None:
    path = audio_file("MP3 ID3v2.4 + ID3v1", genre=("Rock",), title="T")
    tag = id3.ID3(path, load_v1=False)
    tag.add(id3.TDRC(encoding=3, text=["1999-12-31"]))
    tag.add(id3.TPE1(encoding=3, text=["Erste", "Zweite"]))
    tag.save(path, v1=1)
    last = path.read_bytes()[-128:]
    tags.write(path, [BlockChange("ID3v2.3", ("Rock",), ("Pop",))])
    now = id3_of(path)
    assert (now["TYER"].text, now["TDAT"].text) == (["1999"], ["3112"])
    assert now["TPE1"].text == ["Erste", "Zweite"]
    assert path.read_bytes()[-128:] == last
    tags.write(path, [BlockChange("ID3v2.4", ("Pop",), ("Pop",))])
    assert [str(t) for t in id3_of(path)["TDRC"].text] == ["1999-12-31"]


def test_version_2_2_cannot_be_asked_for(audio_file: AudioFile) -> None:
    path = audio_file("MP3 ID3v2.2", genre=("Rock",))
    with pytest.raises(TrackError, match=r"plan for ID3v2\.3"):
        tags.write(path, [BlockChange("ID3v2.2", ("Rock",), ("Pop",))])


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (["17"], ("Rock",)),
        (["(17)(13)"], ("Rock", "Pop")),
        (["(17)Rock"], ("Rock",)),
        (["(13)Synthpop"], ("Pop", "Synthpop")),
        (["80", "Rock"], ("Folk", "Rock")),
        (["Pop; Rock"], ("Pop; Rock",)),
        (["Rock/Pop", ""], ("Rock/Pop",)),
        (["((odd) name"], ("(odd) name",)),
    ],
)
@pytest.mark.parametrize("version", [3, 4])
def test_numbers_are_spelled_out_and_nothing_is_split(
    audio_file: AudioFile, stored: list[str], expected: tuple[str, ...], version: int
) -> None:
    path = audio_file("MP3")
    text = b"\0" + "\0".join(stored).encode()
    path.write_bytes(id3v2_tag(version, frame(b"TCON", text, version=version)) + path.read_bytes())
    assert blocks_of(path) == {f"ID3v2.{version}": expected}


def test_a_name_that_begins_with_a_parenthesis_is_escaped(audio_file: AudioFile) -> None:
    path = audio_file("MP3")
    for old, new in [((), ("(17) seconds",)), (("(17) seconds",), ("(odd) name",))]:
        tags.write(path, [BlockChange("ID3v2.3", old, new)])
        assert blocks_of(path) == {"ID3v2.3": new}


@pytest.mark.parametrize("form", ["MP3", "FLAC", "WavPack", "Musepack", "Monkey's Audio"])
def test_only_one_byte_of_an_id3v1_tag_changes(audio_file: AudioFile, form: str) -> None:
    path = audio_file(form)
    body = path.read_bytes()
    path.write_bytes(body + id3v1_tag(17))
    assert blocks_of(path)["ID3v1"] == ("Rock",)
    tags.write(path, [BlockChange("ID3v1", ("Rock",), ("R&B",))])
    assert path.read_bytes() == body + id3v1_tag(14)
    tags.write(path, [BlockChange("ID3v1", ("R&B",), ())])
    assert path.read_bytes() == body + id3v1_tag(255)
    assert blocks_of(path)["ID3v1"] == ()


def test_id3v1_is_neither_made_nor_removed_nor_brought_up_to_date(audio_file: AudioFile) -> None:
    path = audio_file("MP3 ID3v2.4 + ID3v1", genre=("Rock",), title="Another title")
    tags.write(path, [BlockChange("ID3v2.4", ("Rock",), ("Pop",))])
    assert path.read_bytes()[-128:] == id3v1_tag(17)
    path = audio_file("MP3", name="other", genre=("Rock",))
    set_genres(path, ("Pop",))
    assert b"TAG" not in path.read_bytes()[-128:]
    with pytest.raises(TrackError, match="never made"):
        tags.write(path, [BlockChange("ID3v1", (), ("Pop",))])


@pytest.mark.parametrize("number", [192, 200, 254, 255])
def test_an_unknown_id3v1_number_is_no_genre(audio_file: AudioFile, number: int) -> None:
    path = audio_file("MP3")
    path.write_bytes(path.read_bytes() + id3v1_tag(number))
    assert blocks_of(path) == {"ID3v1": ()}


def test_a_genre_without_an_id3v1_number_is_refused(audio_file: AudioFile) -> None:
    path = audio_file("MP3 ID3v1 only", genre=("Rock",))
    before = path.read_bytes()
    for new in [("Our own",), ("Rock", "Pop")]:
        with pytest.raises(TrackError, match="has no number for"):
            tags.write(path, [BlockChange("ID3v1", ("Rock",), new)])
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["ID3v2.3", "ID3v2.4"])
def test_genres_in_any_script_are_written(audio_file: AudioFile, kind: str) -> None:
    path = audio_file("MP3")
    for old, new in [((), ("Ελληνικά",)), (("Ελληνικά",), ("日本 🎵", "Krautrock ü"))]:
        tags.write(path, [BlockChange(kind, old, new)])
        assert blocks_of(path) == {kind: new}
        assert id3_of(path)["TCON"].text == list(new)
    assert id3_of(path)["TCON"].encoding == (3 if kind == "ID3v2.4" else 1)


def test_a_latin_genre_in_version_2_3_is_stored_as_latin_1(audio_file: AudioFile) -> None:
    path = audio_file("MP3 ID3v2.3", genre=("Rock",), title="Ⅸ")
    set_genres(path, ("Chanson française",))
    assert id3_of(path)["TCON"].encoding == 0
    assert id3_of(path)["TIT2"].encoding == 1
    assert b"TCON\0\0\0\x12\0\0\0Chanson fran\xe7aise" in path.read_bytes()


@pytest.mark.parametrize(
    ("name", "key"), [(n, k) for n, keys in KEYS.items() for k in keys if k in id3.Frames]
)
@pytest.mark.parametrize("version", [3, 4])
def test_every_field_of_the_table_is_read_from_its_id3_frame(
    audio_file: AudioFile, name: str, key: str, version: int
) -> None:
    path = audio_file("MP3")
    content = b"\0eng\0Told" if key == "COMM" else b"\0Told"
    tag = id3v2_tag(version, frame(key.encode(), content, version=version))
    assert value_of([parse_id3v2(tag)], name) == "Told"
    path.write_bytes(tag + path.read_bytes())
    assert tags.read(path).blocks
