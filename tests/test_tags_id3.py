"""ID3v2 and ID3v1: frames and bytes that no library knows stay as they are."""

from __future__ import annotations

import struct
from pathlib import Path

import make_audio
import pytest
from make_audio import id3v1_tag, id3v2_tag
from mutagen import id3
from tag_files import (
    LATIN,
    AudioFile,
    blocks_of,
    decoded,
    frame,
    genre_seen_by_ffprobe,
    id3_of,
    set_genres,
)

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


# ---- Conversions -----------------------------------------------------------------------------


def short_frame(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(3, "big") + content


def titled(path: Path) -> dict[str, str]:
    """List what mutagen shows of a tag but for the genre, as it stands in that version."""
    return {k: str(v) for k, v in id3_of(path).items() if k != "TCON"}


def test_a_tag_of_version_2_2_loses_no_frame_by_conversion(audio_file: AudioFile) -> None:
    path = audio_file("MP3")
    texts = {b"TT2": b"Song", b"TP1": b"The Band", b"TSP": b"Band, The", b"TSA": b"Album Sort"}
    texts |= {b"TST": b"Song Sort", b"TCO": b"(17)", b"TYE": b"1999", b"TDA": b"3112"}
    texts |= {b"TOR": b"1970", b"TXX": b"Mood\0calm", b"TCP": b"1", b"TSI": b"4711"}
    frames = b"".join(short_frame(name, b"\0" + text) for name, text in texts.items())
    picture = b"\0PNG\x03\0" + make_audio.PICTURE
    frames += short_frame(b"PIC", picture) + short_frame(b"IPL", b"\0producer\0Somebody\0")
    frames += short_frame(b"COM", b"\0eng\0one") + short_frame(b"COM", b"\0eng\0two")
    path.write_bytes(id3v2_tag(2, frames) + path.read_bytes())
    before = titled(path)
    assert before.pop("APIC:").startswith("APIC(encoding=<Encoding.LATIN1: 0>, mime='PNG'")
    for version in (3, 4):
        copy = path.with_name(f"{version}.mp3")
        copy.write_bytes(path.read_bytes())
        tags.write(copy, [BlockChange(f"ID3v2.{version}", ("Rock",), ("Jazz",))])
        now = titled(copy)
        assert "mime='image/png'" in now.pop("APIC:")
        if version == 3:
            assert now == before
        else:
            assert now.keys() - before.keys() == {"TDRC", "TDOR", "TIPL"}
            assert before.keys() - now.keys() == {"TYER", "TDAT", "TORY", "IPLS"}
            assert now["TDRC"] == "1999-12-31"
        assert copy.read_bytes().count(b"COMM") == 2
        assert id3_of(copy).getall("APIC")[0].data == make_audio.PICTURE


ONLY_2_4 = {
    "TSOP": "Band, The",
    "TSOA": "Album Sort",
    "TSOT": "Song Sort",
    "TMOO": "happy",
    "TDRL": "2001-02-03",
    "TDEN": "2002",
    "TDTG": "2003",
    "TPRO": "produced",
    "TSST": "side two",
    "TDRC": "1999-05",
    "TDOR": "1970-01-02",
}


def test_a_tag_of_version_2_4_loses_no_frame_by_conversion_and_back(audio_file: AudioFile) -> None:
    path = audio_file("MP3", genre=("Old",), title="Song")
    tag = id3.ID3(path, translate=False)
    for name, value in ONLY_2_4.items():
        tag.add(getattr(id3, name)(encoding=3, text=[value]))
    tag.add(id3.RVA2(desc="track", channel=1, gain=-3.0, peak=0.5))
    tag.add(id3.TIPL(encoding=3, people=[["producer", "Somebody"]]))
    tag.add(id3.TMCL(encoding=3, people=[["guitar", "Another"]]))
    tag.save(path, v1=0)
    with path.open("r+b") as file:  # and a frame that nobody knows
        data = file.read()
        file.seek(0)
        unknown = frame(b"XYZW", b"nobody knows this frame")
        size = id3_of(path).size + len(unknown) - 10
        file.write(b"ID3\4\0\0" + bytes(size >> n & 0x7F for n in (21, 14, 7, 0)))
        file.write(unknown + data[10:])
    before = titled(path)
    tags.write(path, [BlockChange("ID3v2.3", ("Old",), ("Jazz",))])
    now = titled(path)
    assert {k: v for k, v in now.items() if k in before} == {
        k: v for k, v in before.items() if k not in {"TIPL", "TMCL"}
    }
    assert id3_of(path)["IPLS"].people == [["producer", "Somebody"], ["guitar", "Another"]]
    assert now["TYER"] == "1999"
    assert "TORY" not in now  # TagLib would show two dates of first release
    assert b"nobody knows this frame" in path.read_bytes()
    tags.write(path, [BlockChange("ID3v2.4", ("Jazz",), ("Jazz",))])
    again = titled(path)
    assert {k: again[k] for k in ONLY_2_4} == {k: before[k] for k in ONLY_2_4}
    assert b"nobody knows this frame" in path.read_bytes()


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"TDOR": "1970-01-02"}, {"TDOR": "1970-01-02"}),
        ({"TDOR": "1970-01-02", "TORY": "1970"}, {"TDOR": "1970-01-02"}),
        ({"TDOR": "1970", "TORY": "1970"}, {"TORY": "1970"}),
        ({"TDOR": "1970"}, {"TORY": "1970"}),
        ({"TDOR": "1970-01-02", "TORY": "1969"}, {"TDOR": "1970-01-02", "TORY": "1969"}),
    ],
)
def test_a_date_of_first_release_is_not_doubled(
    audio_file: AudioFile, dates: dict[str, str], expected: dict[str, str]
) -> None:
    path = audio_file("MP3", genre=("Old",))
    tag = id3_of(path)
    for name, text in dates.items():
        tag.add(id3.Frames[name](encoding=3, text=[text]))
    tag.save(path, v1=0)
    tags.write(path, [BlockChange("ID3v2.3", ("Old",), ("Jazz",))])
    now = titled(path)
    assert {name: now[name] for name in ("TDOR", "TORY") if name in now} == expected


PODCAST = {"PCS": "PCST", "TCT": "TCAT", "TDR": "TDRL", "TDS": "TDES", "TID": "TGID"}
PODCAST |= {"TKW": "TKWD", "WFD": "WFED"}


@pytest.mark.parametrize("version", [3, 4])
def test_the_frames_of_a_podcast_are_converted(audio_file: AudioFile, version: int) -> None:
    path = audio_file("MP3")
    contents = {name: b"\0\0\0\0" if name == "PCS" else b"\0text" for name in PODCAST}
    frames = [short_frame(b"TCO", b"\0Rock")]
    frames += [short_frame(name.encode(), content) for name, content in contents.items()]
    path.write_bytes(id3v2_tag(2, b"".join(frames)) + path.read_bytes())
    tags.write(path, [BlockChange(f"ID3v2.{version}", ("Rock",), ("Jazz",))])
    for name, content in contents.items():
        assert frame(PODCAST[name].encode(), content, version=version) in path.read_bytes()
    tag = id3_of(path)
    assert (tag["TCON"].text, tag["TDES"].text, tag["TCAT"].text) == (["Jazz"], ["text"], ["text"])
    assert "PCST" in tag


def test_a_frame_that_a_conversion_would_lose_is_named(audio_file: AudioFile) -> None:
    path = audio_file("MP3")
    frames = short_frame(b"TCO", b"\0Rock") + short_frame(b"QQQ", b"unknown")
    path.write_bytes(id3v2_tag(2, frames) + path.read_bytes())
    before = path.read_bytes()
    with pytest.raises(TrackError, match="would lose QQQ"):
        tags.write(path, [BlockChange("ID3v2.3", ("Rock",), ("Jazz",))])
    assert path.read_bytes() == before


def test_frames_of_version_2_3_with_names_of_2_2_are_read_and_changed(
    audio_file: AudioFile,
) -> None:
    path = audio_file("MP3")
    frames = [
        frame(name, content, version=3)
        for name, content in [
            (b"TT2\0", b"\0Title"),
            (b"TCO\0", b"\0(17)"),
            (b"TXX\0", b"\0Mood\0calm"),
            (b"TALB", b"\0Album"),
        ]
    ]
    path.write_bytes(id3v2_tag(3, b"".join(frames)) + path.read_bytes())
    tags.write(path, [BlockChange("ID3v2.3", ("Rock",), ("Pop",))])
    assert blocks_of(path) == {"ID3v2.3": ("Pop",)}
    tags.write(path, [BlockChange("ID3v2.3", ("calm",), ("wild",))], field="MOOD")
    assert titled(path) == {"TIT2": "Title", "TXXX:Mood": "wild", "TALB": "Album"}
    assert frames[0] in path.read_bytes()


# ---- What stands around the tag --------------------------------------------------------------


STRAY = [b"\0\r\n", b"\n", b"\xef\xbb\xbf", b"\0\1" * 1500, b"junk ID3 junk", b"abcdefg" * 100]


@pytest.mark.parametrize("seconds", [1, 12])
@pytest.mark.parametrize("stray", STRAY)
def test_a_tag_behind_stray_bytes_is_put_before_them_and_the_audio_stays(
    audio_file: AudioFile, stray: bytes, seconds: float
) -> None:
    path = audio_file("MP3", genre=("Polka",), title="Song", seconds=seconds)
    path.write_bytes(stray + path.read_bytes())
    sound, samples = tags.audio_id(path), decoded(path)
    assert blocks_of(path) == {"ID3v2.4": ("Polka",)}
    for old, new in [("Polka", "Jazz"), ("Jazz", "x" * 5000), ("x" * 5000, "Folk")]:
        tags.write(path, [BlockChange("ID3v2.4", (old,), (new,))])
        assert (id3_of(path)["TCON"].text, id3_of(path)["TIT2"].text) == ([new], ["Song"])
        assert (tags.audio_id(path), decoded(path)) == (sound, samples)
    assert path.read_bytes()[id3_of(path).size :].startswith(stray)
    assert path.read_bytes().count(b"TIT2") == 1
    assert genre_seen_by_ffprobe(path) == "Folk"


def test_a_patch_of_the_audio_behind_stray_bytes_is_seen(audio_file: AudioFile) -> None:
    path = audio_file("MP3", genre=("Polka",))
    path.write_bytes(b"\0\r\n" + path.read_bytes())
    sound, data = tags.audio_id(path), path.read_bytes()
    for at in (1, len(data) - 1):
        path.write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
        assert tags.audio_id(path) != sound


def test_what_looks_like_a_tag_within_the_audio_is_none(audio_file: AudioFile) -> None:
    path = audio_file("MP3")
    audio = bytearray(path.read_bytes())
    audio[200:300] = id3v2_tag(3, frame(b"TCON", b"\0Rock", version=3), padding=0).ljust(100)
    path.write_bytes(audio)
    assert blocks_of(path) == {}


def test_two_tags_one_behind_the_other_are_refused(audio_file: AudioFile) -> None:
    path = audio_file("MP3", genre=("Polka",))
    path.write_bytes(id3v2_tag(3, frame(b"TCON", b"\0Rock", version=3)) + path.read_bytes())
    before = path.read_bytes()
    with pytest.raises(TrackError, match="two ID3v2 blocks hold it"):
        tags.write(path, [BlockChange("ID3v2.3", ("Rock", "Polka"), ("Jazz",))])
    assert path.read_bytes() == before
