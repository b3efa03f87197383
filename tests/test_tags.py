"""Genres in every block of every container, and nothing else touched.

What the blocks hold is checked with mutagen or with bytes built here, and the audio with
ffmpeg, so that genretagger does not vouch for itself.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import make_audio
import mutagen
import pytest
from make_audio import FORMS, chunk, id3v1_tag, id3v2_tag
from mutagen import aiff, apev2, asf, dsf, flac, id3, mp4, oggflac, oggopus, oggvorbis, wave
from mutagen.ogg import OggPage

from genretagger import tags
from genretagger.containers import BLOCKS, CONTAINERS, stored_values
from genretagger.errors import TrackError
from genretagger.identity import check_writable
from genretagger.records import BlockChange, GenreBlock, State, TagChange
from genretagger.tags.blocks.id3 import parse_id3v2
from genretagger.tags.fields import KEYS, value_of
from genretagger.tags.layouts import LAYOUTS
from genretagger.writing.change import apply
from genretagger.writing.journal import Journal

AudioFile = Callable[..., Path]

TEXTS = {
    "title": "Lied Ⅸ",
    "artist": "Jemand",
    "album": "Werk",
    "albumartist": "Alle",
    "Mood": "ja",
}
LATIN = {"title": "Titel", "artist": "Künstler", "album": "Werk", "albumartist": "Alle"}
"""ID3v2.2 files are made with Latin-1 texts."""


def texts_for(form: str) -> dict[str, str]:
    return LATIN if form == "MP3 ID3v2.2" else TEXTS


def writable(kind: str) -> str:
    """Say which kind a plan asks for where a file has this one."""
    return "ID3v2.3" if kind == "ID3v2.2" else kind


def blocks_of(path: Path, field: str | None = None) -> dict[str, tuple[str, ...]]:
    return {b.kind: b.values for b in tags.read(path, field=field).blocks}


def changes_to(
    path: Path, genres: Sequence[str], *, style: str = "multi", field: str | None = None
) -> list[BlockChange]:
    """Plan these genres for every block that a file has, or for its native one."""
    found = tags.read(path, field=field)
    blocks = found.blocks or (GenreBlock(found.native),)
    return [
        BlockChange(kind, b.values, stored_values(kind, tuple(genres), style=style))
        for b in blocks
        for kind in [writable(b.kind)]
    ]


def set_genres(path: Path, genres: Sequence[str], **options: str) -> None:
    tags.write(path, changes_to(path, genres, **options), field=options.get("field"))


def audio_md5(path: Path) -> bytes:
    """Hash the encoded audio; decoded where ffmpeg takes a tag for the last packet's end."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed (Debian package ffmpeg)")
    copy = [] if path.suffix in {".flac", ".ape"} else ["-c", "copy"]
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", "0:a", *copy, "-f", "md5", "-"]
    done = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert done.stdout.startswith(b"MD5=")
    return done.stdout


def opened_by_mutagen(path: Path) -> mutagen.FileType:
    kinds = {
        ".flac": flac.FLAC,
        ".ogg": oggvorbis.OggVorbis,
        ".oga": oggflac.OggFLAC,
        ".opus": oggopus.OggOpus,
        ".wav": wave.WAVE,
        ".aiff": aiff.AIFF,
        ".dsf": dsf.DSF,
        ".m4a": mp4.MP4,
        ".wma": asf.ASF,
    }
    return kinds[path.suffix](path)


def id3_of(path: Path) -> id3.ID3:
    if path.suffix in {".wav", ".aiff", ".dsf"}:
        return opened_by_mutagen(path).tags
    return id3.ID3(path, translate=False, load_v1=False)


def info_of(path: Path) -> dict[bytes, bytes]:
    """Read LIST/INFO without help: fields in file order."""
    data = path.read_bytes()
    at = data.index(b"LIST")
    assert data[at + 8 : at + 12] == b"INFO"
    end = at + 8 + struct.unpack_from("<I", data, at + 4)[0]
    fields, at = {}, at + 12
    while at < end:
        (size,) = struct.unpack_from("<I", data, at + 4)
        fields[data[at : at + 4]] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return fields


def seen_by_mutagen(path: Path, kind: str) -> tuple[str, ...]:
    """Read a block's genre with mutagen, or by hand where it knows none."""
    if kind.startswith("ID3v2"):
        found = id3_of(path)
        assert found.version[1] == int(kind[-1])
        return tuple(found["TCON"].text) if "TCON" in found else ()
    if kind == "APEv2":
        found = apev2.APEv2(path)
        return tuple(found["Genre"]) if "Genre" in found else ()
    if kind == "ID3v1":
        return tuple(id3.TCON.GENRES[n : n + 1]) if (n := path.read_bytes()[-1]) < 192 else ()
    if kind == "RIFF INFO":
        return tuple(v.rstrip(b"\0").decode() for k, v in info_of(path).items() if k == b"IGNR")
    key = {"Vorbis comment": "genre", "MP4": "©gen", "ASF": "WM/Genre"}[kind]
    return tuple(str(value) for value in opened_by_mutagen(path).get(key, ()))


def everything_else(path: Path) -> dict[str, object]:
    """Dump what each block of a file holds beside the genre."""
    rest: dict[str, object] = {}
    for kind in blocks_of(path):
        if kind.startswith("ID3v2"):
            found = id3_of(path)
            rest["ID3v2"] = {k: repr(v) for k, v in found.items() if k != "TCON"}
        elif kind == "APEv2":
            items = apev2.APEv2(path).items()
            rest[kind] = {
                k: (v.kind, bytes(v.value, "utf-8") if isinstance(v.value, str) else v.value)
                for k, v in items
                if k != "Genre"
            }
        elif kind == "ID3v1":
            rest[kind] = path.read_bytes()[-128:-1]
        elif kind == "RIFF INFO":
            rest[kind] = [(k, v) for k, v in info_of(path).items() if k != b"IGNR"]
        else:
            found = opened_by_mutagen(path)
            pairs = found.tags if isinstance(found.tags, list) else found.tags.items()
            skipped = {"genre", "©gen", "WM/Genre"}
            rest[kind] = sorted(repr(p) for p in pairs if p[0] not in skipped and p[0] != "GENRE")
            if isinstance(found, flac.FLAC):
                others = [b for b in found.metadata_blocks if b.code not in {1, 4}]
                rest["blocks"] = [(b.code, b.write()) for b in others]
    return rest


# ---- Round trips -----------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["combined", "multi"])
@pytest.mark.parametrize(
    "start", [None, (), ("Rock",), ("Pop", "Rock")], ids=["bare", "none", "one", "several"]
)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_is_read_back_by_us_and_by_mutagen(
    audio_file: AudioFile, form: str, start: tuple[str, ...] | None, style: str
) -> None:
    path = audio_file(form) if start is None else audio_file(form, genre=start, title="T")
    kinds = [writable(b.kind) for b in tags.read(path).blocks] or [tags.read(path).native]
    for genres in [("Jazz",), ("Pop", "Electronic", "Hip Hop"), (), ("Ambient", "Rock")]:
        set_genres(path, genres, style=style)
        for kind in kinds:
            expected = stored_values(kind, genres, style=style)
            assert blocks_of(path).get(kind, ()) == expected
            if kind in blocks_of(path):
                assert seen_by_mutagen(path, kind) == expected


@pytest.mark.parametrize("form", FORMS)
def test_the_genres_of_a_file_made_by_another_program_are_read(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Pop", "Rock"), **texts_for(form))
    for kind, values in blocks_of(path).items():
        expected = {"ID3v1": ("Pop",), "RIFF INFO": ("Pop; Rock",)}
        assert values == expected.get(kind, ("Pop", "Rock"))
    assert blocks_of(path)


def test_every_container_of_the_table_is_made_by_these_tests() -> None:
    made = {form.suffix for form in FORMS.values()}
    assert all(made & set(container.suffixes) for container in CONTAINERS)


def test_every_layout_belongs_to_a_container() -> None:
    assert {container.layout for container in CONTAINERS} == set(LAYOUTS)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_but_the_genre_changes_and_the_audio_least_of_all(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",), **texts_for(form))
    if form == "MP3 ID3v2.2":
        set_genres(path, ("Rock",))  # the conversion has a test of its own
    before, md5 = everything_else(path), audio_md5(path)
    long = tuple(f"Genre {i} {'x' * 60}" for i in range(60))  # more than any padding holds
    old = tags.read(path).blocks
    tags.write(
        path,
        [
            BlockChange(b.kind, b.values, long[:1] if b.kind == "RIFF INFO" else long)
            for b in old
            if b.kind != "ID3v1"
        ],
    )
    assert everything_else(path) == before
    assert audio_md5(path) == md5
    set_genres(path, ("Folk",))
    assert everything_else(path) == before
    set_genres(path, ())
    assert everything_else(path) == before
    assert audio_md5(path) == md5


@pytest.mark.parametrize("form", FORMS)
def test_changing_the_genre_and_back_restores_every_byte(audio_file: AudioFile, form: str) -> None:
    path = audio_file(form, **texts_for(form))
    set_genres(path, ("Rock", "Pop"))
    before = path.read_bytes()
    set_genres(path, ("Jazz",))
    assert path.read_bytes() != before
    set_genres(path, ("Rock", "Pop"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["MP3", "FLAC", "WAV", "WAV INFO", "AIFF", "WavPack", "DSF"])
def test_taking_back_a_genre_in_a_file_without_tags_restores_every_byte(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form)
    before = path.read_bytes()
    had = tags.read(path).blocks
    set_genres(path, ("Rock",))
    tags.write(path, [BlockChange(b.kind, b.values, ()) for b in tags.read(path).blocks])
    if had:  # a FLAC keeps its Vorbis comment
        assert [b.values for b in tags.read(path).blocks] == [()]
    assert len(path.read_bytes()) == len(before)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "form", ["MP3", "MP3 ID3v2.3", "FLAC", "Opus", "WAV", "AIFF", "DSF", "WMA"]
)
def test_a_tag_that_fits_its_padding_leaves_the_length_of_the_file(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",), title="A")
    set_genres(path, ("Rock",))
    before = path.stat().st_size
    for genres in [("Psychedelia", "Experimental", "Electronic"), ("Pop",), ()]:
        set_genres(path, genres)
        assert path.stat().st_size == before


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


def test_a_name_that_is_not_text_or_has_a_line_break_is_no_obstacle(
    audio_file: AudioFile, tmp_path: Path
) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe\nx.flac"))
    try:
        audio_file("FLAC", genre=("Rock",)).rename(strange)
    except OSError:
        pytest.skip("this file system wants names in UTF-8")
    set_genres(strange, ("Pop",))
    assert blocks_of(strange) == {"Vorbis comment": ("Pop",)}
    strange.write_bytes(b"")
    with pytest.raises(TrackError) as caught:
        tags.read(strange)
    assert str(caught.value).isprintable()


# ---- ID3 -------------------------------------------------------------------------------------


def frame(name: bytes, content: bytes, *, version: int = 4, flags: int = 0) -> bytes:
    size = len(content)
    packed = struct.pack(">I", size)
    if version == 4:
        packed = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return name + packed + struct.pack(">H", flags) + content


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
    found = id3_of(path)
    assert not found.f_extended
    assert found.getall("PRIV")[0].data == b"\xff\xe0\xff\x00\xff\xff\x01"
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
    found = id3_of(path)
    assert (found["TCON"].text, found["TIT2"].text) == (["Experimental"], ["T"])
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
    found = id3_of(path)
    assert [found[k].text for k in ("TIT2", "TPE1", "TALB", "TPE2")] == [
        [v] for v in LATIN.values()
    ]


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
    found = id3_of(path)
    assert (found["TYER"].text, found["TDAT"].text) == (["1999"], ["3112"])
    assert found["TPE1"].text == ["Erste", "Zweite"]
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


# ---- ID3v1, APEv2, and what else lies at the end of a stream ---------------------------------


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


def ape_item(key: bytes, value: bytes, flags: int = 0) -> bytes:
    return struct.pack("<II", len(value), flags) + key + b"\0" + value


def ape_tag(items: Sequence[bytes], *, version: int = 2000, header: bool = True) -> bytes:
    body = b"".join(items)

    def end(is_header: bool) -> bytes:
        flags = (0x80000000 if header else 0) | (0x20000000 if is_header else 0)
        fields = struct.pack("<IIII", version, len(body) + 32, len(items), flags)
        return b"APETAGEX" + fields + bytes(8)

    return (end(True) if header else b"") + body + end(False)


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


# ---- FLAC and Ogg ----------------------------------------------------------------------------


def vorbis_comment(comments: Sequence[bytes], vendor: bytes = b"somebody") -> bytes:
    counted = b"".join(struct.pack("<I", len(c)) + c for c in comments)
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(comments)) + counted


def flac_blocks(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    assert data[:4] == b"fLaC"
    blocks, at, last = [], 4, False
    while not last:
        last, size = bool(data[at] & 0x80), int.from_bytes(data[at + 1 : at + 4], "big")
        blocks.append((data[at] & 0x7F, data[at + 4 : at + 4 + size]))
        at += 4 + size
    return blocks, data[at:]


def flac_file(blocks: Sequence[tuple[int, bytes]], audio: bytes) -> bytes:
    out = b"fLaC"
    for i, (kind, content) in enumerate(blocks):
        out += bytes((kind | (0x80 if i == len(blocks) - 1 else 0),))
        out += len(content).to_bytes(3, "big") + content
    return out + audio


COMMENTS = [
    b"title=Eins",
    b"TITLE=Zwei",
    b"Genre=Rock",
    b"no equals sign",
    b"ARTIST=\xff\xfe not UTF-8",
    b"EMPTY=",
    b"genre=Pop",
    b"METADATA_BLOCK_PICTURE=" + b"A" * 300,
]


def odd_blocks(streaminfo: tuple[int, bytes]) -> list[tuple[int, bytes]]:
    return [
        streaminfo,
        (3, struct.pack(">QQH", 0, 0, 4096)),
        (1, bytes(7)),
        (5, b"cue sheet with a nonstandard length \xff"),
        (4, vorbis_comment(COMMENTS)),
        (2, b"appl" + bytes(range(256))),
        (6, b"a picture block that does not parse"),
        (6, b"a picture block that does not parse"),
        (77, b"a reserved kind of block"),
        (1, bytes(300)),
        (2, b"behind the padding"),
    ]


@pytest.mark.parametrize(
    "genres", [("Jazz",), ("Psychedelia", "Experimental"), ("x" * 280,), ("x" * 2000,), ()]
)
@pytest.mark.parametrize("around", [False, True])
def test_every_other_flac_block_and_comment_stays_byte_for_byte(
    audio_file: AudioFile, genres: tuple[str, ...], around: bool
) -> None:
    path = audio_file("FLAC")
    blocks, audio = flac_blocks(path.read_bytes())
    blocks = odd_blocks(blocks[0])
    front, behind = (
        (id3v2_tag(3, frame(b"TIT2", b"\0T", version=3)), id3v1_tag()) if around else (b"", b"")
    )
    path.write_bytes(front + flac_file(blocks, audio) + behind)
    size = path.stat().st_size
    tags.write(path, [BlockChange("Vorbis comment", ("Rock", "Pop"), genres)])
    data = path.read_bytes()
    assert data.startswith(front)
    assert data.endswith(behind)
    new_blocks, new_audio = flac_blocks(data[len(front) : len(data) - len(behind)])
    assert new_audio == audio
    comments = [
        *COMMENTS[:2],
        *(b"Genre=" + g.encode() for g in genres),
        *COMMENTS[3:6],
        COMMENTS[7],
    ]
    expected = [(4, vorbis_comment(comments)) if kind == 4 else (kind, c) for kind, c in blocks]
    assert [b for b in new_blocks if b[0] != 1] == [b for b in expected if b[0] != 1]
    assert [kind for kind, _ in new_blocks] == [kind for kind, _ in blocks]
    assert (len(data) == size) == (genres != ("x" * 2000,))


@pytest.mark.parametrize("padding", [None, 0, 1, 3, 4, 5, 200])
def test_the_last_flac_padding_takes_up_any_difference(
    audio_file: AudioFile, padding: int | None
) -> None:
    path = audio_file("FLAC")
    blocks, audio = flac_blocks(path.read_bytes())
    blocks = [blocks[0], *([(1, bytes(padding))] if padding is not None else [])]
    path.write_bytes(flac_file(blocks, audio))
    assert tags.read(path).blocks == ()
    old: tuple[str, ...] = ()
    for length in [1, 2, 5, 6, 7, 8, 9, 12, 300, 299, 298, 297, 296, 295, 1400, 1]:
        new = ("x" * length,)
        size = path.stat().st_size
        tags.write(path, [BlockChange("Vorbis comment", old, new)])
        old = new
        found, rest = flac_blocks(path.read_bytes())
        assert rest == audio
        assert [b for b in found if b[0] not in {1, 4}] == blocks[:1]
        assert flac.FLAC(path)["genre"] == list(new)
        assert sum(kind == 1 for kind, _ in found) <= 1
        room = size - len(flac_file([b for b in found if b[0] != 1], audio))
        if room == 0 or room >= 4:  # 4: the smallest padding block
            assert path.stat().st_size == size
    (left,) = [len(content) for kind, content in found if kind == 1]
    tags.write(path, [BlockChange("Vorbis comment", old, ("x" * (1 + left + 4),))])
    assert [kind for kind, _ in flac_blocks(path.read_bytes())[0]] == [0, 4]
    assert path.stat().st_size == size


@pytest.mark.parametrize("form", ["Ogg Vorbis", "Ogg FLAC", "Opus"])
def test_ogg_pages_are_numbered_on_and_every_comment_stays(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, seconds=3, genre=("Rock",), **TEXTS)
    other, md5 = everything_else(path), audio_md5(path)
    old: tuple[str, ...] = ("Rock",)
    for length in [20, 200_000, 199_999, 70_000, 1000, 5]:
        new = ("x" * length,)
        tags.write(path, [BlockChange("Vorbis comment", old, new)])
        old = new
        pages = []
        with path.open("rb") as file:
            while file.tell() < path.stat().st_size:
                pages.append(OggPage(file))
        assert [page.sequence for page in pages] == list(range(len(pages)))
        if form == "Ogg FLAC":  # which repeats the length in a block header
            packet = OggPage.to_packets(pages)[1]
            assert int.from_bytes(packet[1:4], "big") == len(packet) - 4
        assert everything_else(path) == other
        assert audio_md5(path) == md5


def test_a_comment_of_the_same_length_keeps_the_pages_as_they_are(audio_file: AudioFile) -> None:
    path = audio_file("Opus", genre=("Rock",), title="x" * 3000)
    with path.open("r+b") as file:
        OggPage(file)
        page = OggPage(file)
        small = OggPage.from_packets(page.packets, 1, default_size=510, wiggle_room=0)
        OggPage.replace(file, [page], small)
    before = path.read_bytes()
    assert len(small) > 5
    set_genres(path, ("Jazz",))
    set_genres(path, ("Rock",))
    assert path.read_bytes() == before


def test_what_follows_the_opus_comments_stays_if_it_means_something(audio_file: AudioFile) -> None:
    path = audio_file("Opus", genre=("Rock",))
    with path.open("r+b") as file:
        OggPage(file)
        page = OggPage(file)
        page.packets = [b"OpusTags" + vorbis_comment([b"GENRE=Rock"]) + b"\x01precious"]
        start = page.offset
        rest = file.read()
        file.seek(start)
        file.write(page.write() + rest)
        file.truncate()
    for old, new in [(("Rock",), ("Pop",)), (("Pop",), ("Experimental", "Jazz"))]:
        tags.write(path, [BlockChange("Vorbis comment", old, new)])
        with path.open("rb") as file:
            OggPage(file)
            expected = vorbis_comment([b"GENRE=" + g.encode() for g in new])
            assert OggPage(file).packets == [b"OpusTags" + expected + b"\x01precious"]


def test_an_ogg_file_with_a_broken_page_is_refused_before_anything_is_moved(
    audio_file: AudioFile,
) -> None:
    path = audio_file("Ogg Vorbis", seconds=3, genre=("Rock",))
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    before = path.read_bytes()
    with pytest.raises(TrackError, match="cannot be written as Ogg Vorbis"):
        tags.write(path, [BlockChange("Vorbis comment", ("Rock",), ("x" * 100_000,))])
    assert path.read_bytes() == before


def test_an_ogg_stream_beside_another_one_is_found(audio_file: AudioFile) -> None:
    path = audio_file("Ogg Vorbis", genre=("Rock",))
    stranger = OggPage()
    stranger.serial, stranger.first, stranger.packets = 4711, True, [b"fishead\0" + bytes(56)]
    path.write_bytes(stranger.write() + path.read_bytes())
    assert blocks_of(path) == {"Vorbis comment": ("Rock",)}
    set_genres(path, ("Pop",))
    assert blocks_of(path) == {"Vorbis comment": ("Pop",)}
    assert path.read_bytes().startswith(stranger.write())


# ---- WAV, AIFF, DSF --------------------------------------------------------------------------


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wav_parts(path: Path) -> tuple[bytes, bytes]:
    data = path.read_bytes()
    assert data[12:16] == b"fmt "
    end = 20 + struct.unpack_from("<I", data, 16)[0]
    return data[12:end], data[end:]


def test_every_other_chunk_and_info_field_stays_byte_for_byte(audio_file: AudioFile) -> None:
    path = audio_file("WAV")
    fmt, data = wav_parts(path)
    data = data[: 8 + struct.unpack_from("<I", data, 4)[0]]
    before = [
        chunk(b"bext", b"odd length."),
        fmt,
        chunk(b"LIST", b"adtl" + chunk(b"labl", b"\0\0\0\0cue\0")),
    ]
    after = [data, chunk(b"cue ", bytes(28)), chunk(b"XYZW", b"\xff\xfe\xfd")]

    def info(*genre: bytes) -> bytes:
        fields = [
            (b"INAM", "Süß\0".encode("latin-1")),
            *((b"IGNR", g) for g in genre),
            (b"ICMT", b"odd"),
        ]
        return chunk(b"LIST", b"INFO" + b"".join(chunk(*field) for field in fields))

    path.write_bytes(riff(*before, info(b"Rock"), *after) + b"behind the end")
    assert blocks_of(path) == {"RIFF INFO": ("Rock",)}
    for old, new in [(("Rock",), ("Pop; Folk",)), (("Pop; Folk",), ("Ελλάδα",)), (("Ελλάδα",), ())]:
        tags.write(path, [BlockChange("RIFF INFO", old, new)])
        middle = info(*(g.encode() + b"\0" for g in new))
        assert path.read_bytes() == riff(*before, middle, *after) + b"behind the end"


def test_info_text_in_latin_1_is_read(audio_file: AudioFile) -> None:
    path = audio_file("WAV")
    fmt, data = wav_parts(path)
    field = chunk(b"IGNR", "Müsik\0\0".encode("latin-1"))
    path.write_bytes(riff(fmt, data, chunk(b"LIST", b"INFO" + field)))
    assert blocks_of(path) == {"RIFF INFO": ("Müsik",)}


def test_info_holds_one_genre_only(audio_file: AudioFile) -> None:
    path = audio_file("WAV INFO", genre=("Rock",))
    before = path.read_bytes()
    with pytest.raises(TrackError, match="one genre only"):
        tags.write(path, [BlockChange("RIFF INFO", ("Rock",), ("Pop", "Folk"))])
    assert path.read_bytes() == before


def test_a_wav_without_its_last_padding_byte_gets_it_back(audio_file: AudioFile) -> None:
    path = audio_file("WAV")
    fmt, data = wav_parts(path)
    path.write_bytes(riff(fmt, data, b"XYZW\x03\0\0\0abc"))
    tags.write(path, [BlockChange("ID3v2.4", (), ("Pop",))])
    assert path.read_bytes()[12:].startswith(fmt + data + b"XYZW\x03\0\0\0abc\0id3 ")
    assert wave.WAVE(path).tags["TCON"].text == ["Pop"]
    assert struct.unpack("<I", path.read_bytes()[4:8])[0] == path.stat().st_size - 8


def test_both_blocks_of_a_wav_are_changed_at_once(audio_file: AudioFile) -> None:
    path = audio_file("WAV INFO + ID3", genre=("Rock",), **TEXTS)
    md5 = audio_md5(path)
    new = {"ID3v2.4": ("Pop", "x" * 5000), "RIFF INFO": ("Pop; Jazz and more",)}
    tags.write(path, [BlockChange(k, v, new[k]) for k, v in blocks_of(path).items()])
    assert blocks_of(path) == new
    assert struct.unpack("<I", path.read_bytes()[4:8])[0] == path.stat().st_size - 8
    assert audio_md5(path) == md5


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_a_64_bit_wav_is_refused(audio_file: AudioFile, name: bytes) -> None:
    path = audio_file("WAV INFO", genre=("Rock",))
    path.write_bytes(name + path.read_bytes()[4:])
    before = path.read_bytes()
    with pytest.raises(TrackError, match="64-bit WAV"):
        tags.read(path)
    with pytest.raises(TrackError, match="64-bit WAV"):
        tags.write(path, [BlockChange("RIFF INFO", ("Rock",), ("Pop",))])
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 10_000_000])
@pytest.mark.parametrize("at", [4, 40])
def test_a_wav_with_a_wrong_size_is_refused(audio_file: AudioFile, size: int, at: int) -> None:
    path = audio_file("WAV INFO", genre=("Rock",))
    data = bytearray(path.read_bytes())
    if size == 0 and at == 40:
        size = 3  # then what follows is no chunk
    data[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(data)
    with pytest.raises(TrackError, match="cannot be read as WAV"):
        tags.read(path)
    with pytest.raises(TrackError, match="cannot be written as WAV"):
        tags.write(path, [BlockChange("RIFF INFO", ("Rock",), ("Pop",))])
    assert path.read_bytes() == data


def test_the_pointer_of_a_dsf_file_follows_its_tag(audio_file: AudioFile) -> None:
    path = audio_file("DSF")
    bare = path.read_bytes()
    for old, new in [((), ("Rock",)), (("Rock",), ("x" * 5000,)), (("x" * 5000,), ())]:
        tags.write(path, [BlockChange("ID3v2.4", old, new)])
        data = path.read_bytes()
        size, pointer = struct.unpack_from("<QQ", data, 12)
        assert (size, pointer) == (len(data), len(bare) if new else 0)
        assert data[28 : len(bare)] == bare[28:]
    assert data == bare


# ---- MP4 and ASF -----------------------------------------------------------------------------


def test_an_old_numbered_genre_of_an_mp4_is_spelled_out(audio_file: AudioFile) -> None:
    path = audio_file("M4A AAC", genre=("Rock",))
    data = path.read_bytes()
    old = struct.pack(">I4sI4sII", 28, b"\xa9gen", 20, b"data", 1, 0) + b"Rock"
    new = struct.pack(">I4sI4sII", 26, b"gnre", 18, b"data", 0, 0) + b"\0\x12"
    changed = bytearray(data)
    for parent in [b"moov", b"udta", b"meta", b"ilst"]:
        at = data.index(parent) - 4
        struct.pack_into(">I", changed, at, struct.unpack_from(">I", data, at)[0] - 2)
    path.write_bytes(changed.replace(old, new))
    assert data.index(b"mdat") < data.index(b"moov")  # so no offset has to follow
    assert blocks_of(path) == {"MP4": ("Rock",)}
    set_genres(path, ("Pop",))
    assert seen_by_mutagen(path, "MP4") == ("Pop",)
    assert b"gnre" not in path.read_bytes()


def test_atoms_that_nobody_knows_and_chapters_survive(audio_file: AudioFile) -> None:
    path = audio_file("M4A ALAC", genre=("Rock",), **TEXTS)
    tag = mp4.MP4(path)
    tag.tags["\xa9xyz"] = ["an unusual text"]
    tag.tags["----:org.example:THING"] = [
        mp4.MP4FreeForm(b"\0\xff", mp4.AtomDataType.IMPLICIT),
        mp4.MP4FreeForm(b"two", mp4.AtomDataType.UTF8),
    ]
    tag.save()
    data = path.read_bytes()
    # a Nero chapter list in place of as many bytes of the padding that mutagen left
    udta = data.index(b"udta") - 4
    chapters = b"chpl\x01\0\0\0\0\0\0\0\x01" + bytes(8) + b"\x07Kapitel"
    chapters = struct.pack(">I", 4 + len(chapters)) + chapters
    free = data.rindex(b"free", udta) - 4
    room = struct.unpack_from(">I", data, free)[0]
    meta = data.index(b"meta", udta) - 4
    shrink = len(chapters)
    sizes = {meta: -shrink, free: -shrink}
    patched = bytearray(data)
    for at, delta in sizes.items():
        struct.pack_into(">I", patched, at, struct.unpack_from(">I", data, at)[0] + delta)
    del patched[free + 8 : free + 8 + shrink]
    patched[udta + 8 : udta + 8] = chapters
    assert room > shrink + 8
    path.write_bytes(patched)
    before, md5 = everything_else(path), audio_md5(path)
    tags.write(path, [BlockChange("MP4", ("Rock",), ("Pop", "x" * 5000))])
    assert everything_else(path) == before
    assert audio_md5(path) == md5
    assert chapters in path.read_bytes()


def test_an_mp4_whose_header_stands_first_keeps_its_offsets_right(
    audio_file: AudioFile, tmp_path: Path
) -> None:
    source = audio_file("M4A AAC", seconds=2)
    path = tmp_path / "fast.m4a"
    command = ["ffmpeg", "-v", "error", "-i", source, "-c", "copy", "-movflags", "faststart", path]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat")
    md5 = audio_md5(path)
    set_genres(path, ("x" * 5000, "Rock"))
    assert audio_md5(path) == md5
    set_genres(path, ())
    assert audio_md5(path) == md5


def test_a_fragmented_mp4_is_refused(audio_file: AudioFile, tmp_path: Path) -> None:
    source = audio_file("M4A AAC", seconds=3)
    path = tmp_path / "fragments.m4a"
    options = ["-c", "copy", "-frag_duration", "500000", "-movflags", "empty_moov"]
    command = ["ffmpeg", "-v", "error", "-i", source, *options, path]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    before = path.read_bytes()
    assert before.count(b"moof") > 2
    with pytest.raises(TrackError, match="fragmented MP4"):
        set_genres(path, ("Rock",))
    assert path.read_bytes() == before


def test_every_kind_of_asf_attribute_survives(audio_file: AudioFile) -> None:
    path = audio_file("WMA", genre=("Rock",), **TEXTS)
    tag = asf.ASF(path)
    tag["Flag"] = [asf.ASFBoolAttribute(True)]
    tag["Long"] = [asf.ASFQWordAttribute(1 << 40)]
    tag["Id"] = [asf.ASFGUIDAttribute(bytes(range(16)))]
    tag["Foreign"] = [asf.ASFUnicodeAttribute("ja", language=1, stream=1)]
    tag["Twice"] = ["one", "two"]
    tag["Large"] = [asf.ASFByteArrayAttribute(bytes(100_000))]
    tag.save()
    before, md5 = everything_else(path), audio_md5(path)
    set_genres(path, ("Pop", "x" * 5000))
    assert everything_else(path) == before
    assert audio_md5(path) == md5


# ---- What else read() tells ------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_album_artist_and_album_artist_are_read(audio_file: AudioFile, form: str) -> None:
    if form == "MP3 ID3v1 only":
        found = tags.read(audio_file(form, title="ID3v1 has its own texts"))
        assert (found.artist, found.album, found.album_artist) == ("Künstler", "Album", "")
        return
    found = tags.read(audio_file(form, **texts_for(form)))
    expected = texts_for(form)
    assert (found.artist, found.album) == (expected["artist"], expected["album"])
    if form != "WAV INFO":
        assert found.album_artist == "Alle"
    assert not found.is_compilation


FLAG_FORMS = ["MP3", "MP3 ID3v2.3", "MP3 APEv2 only", "FLAC", "Opus", "M4A AAC", "WMA", "WavPack"]


@pytest.mark.parametrize("form", FLAG_FORMS)
def test_a_compilation_is_known_by_its_flag(audio_file: AudioFile, form: str) -> None:
    assert tags.read(audio_file(form, name="a", compilation="1")).is_compilation
    assert not tags.read(audio_file(form, name="b", compilation="0")).is_compilation


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


@pytest.mark.parametrize("name", ["Various Artists", "VARIOUS", "va"])
def test_a_compilation_is_known_by_its_album_artist(audio_file: AudioFile, name: str) -> None:
    assert tags.read(audio_file("FLAC", albumartist=name)).is_compilation
    assert not tags.read(audio_file("MP3", albumartist=f"The {name} Band")).is_compilation


def test_a_flag_of_windows_media_as_a_truth_value_is_understood(audio_file: AudioFile) -> None:
    path = audio_file("WMA")
    tag = asf.ASF(path)
    tag["WM/IsCompilation"] = [asf.ASFBoolAttribute(True)]
    tag.save()
    assert tags.read(path).is_compilation


@pytest.mark.parametrize("form", ["FLAC", "Ogg Vorbis", "WavPack", "Monkey's Audio"])
def test_an_embedded_cue_sheet_is_seen(audio_file: AudioFile, form: str) -> None:
    assert not tags.read(audio_file(form, name="a")).has_cuesheet
    assert tags.read(audio_file(form, name="b", cuesheet='FILE "x" WAVE')).has_cuesheet


def test_a_flac_cue_sheet_block_is_seen(audio_file: AudioFile) -> None:
    path = audio_file("FLAC")
    blocks, audio = flac_blocks(path.read_bytes())
    path.write_bytes(flac_file(odd_blocks(blocks[0]), audio))
    assert tags.read(path).has_cuesheet


@pytest.mark.parametrize("name", ["track.cue", "track.CUE", "Track.mp3.Cue"])
def test_a_cue_sheet_beside_the_file_is_seen(
    audio_file: AudioFile, tmp_path: Path, name: str
) -> None:
    path = audio_file("MP3")
    other = tmp_path / "another.cue"
    other.touch()
    assert not tags.read(path).has_cuesheet
    (tmp_path / name).touch()
    assert tags.read(path).has_cuesheet
    (tmp_path / name).unlink()
    assert not tags.read(path).has_cuesheet


def test_a_folder_that_has_settled_is_listed_again_once_it_changes(
    audio_file: AudioFile, tmp_path: Path
) -> None:
    path = audio_file("MP3")
    os.utime(tmp_path, (1_000_000_000, 1_000_000_000))
    assert not tags.read(path).has_cuesheet
    (tmp_path / "track.cue").touch()
    assert tags.read(path).has_cuesheet


def test_a_folder_that_changes_twice_within_one_tick_of_its_clock_is_listed_again(
    audio_file: AudioFile, tmp_path: Path
) -> None:
    path = audio_file("MP3")
    now_ns = time.time_ns()
    os.utime(tmp_path, ns=(now_ns, now_ns))
    assert not tags.read(path).has_cuesheet
    (tmp_path / "track.cue").touch()
    os.utime(tmp_path, ns=(now_ns, now_ns))
    assert tags.read(path).has_cuesheet


def test_the_native_block_comes_first_and_all_are_listed(audio_file: AudioFile) -> None:
    kinds = {
        "MP3 ID3v2.3 + APEv2": ["ID3v2.3", "APEv2"],
        "MP3 ID3v2.4 + ID3v1": ["ID3v2.4", "ID3v1"],
        "FLAC amid ID3": ["Vorbis comment", "ID3v2.3", "ID3v1"],
        "WAV INFO + ID3": ["ID3v2.4", "RIFF INFO"],
        "WavPack + ID3v1": ["APEv2", "ID3v1"],
    }
    for i, (form, expected) in enumerate(kinds.items()):
        path = audio_file(form, name=str(i), genre=("Rock",), title="T")
        assert [b.kind for b in tags.read(path).blocks] == expected


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda c: c.name)
def test_a_file_without_tags_says_which_block_to_make(audio_file: AudioFile, container) -> None:
    form = next(name for name, f in FORMS.items() if f.suffix in container.suffixes)
    found = tags.read(audio_file(form))
    assert found.native == container.native
    assert all(b.values == () for b in found.blocks)


# ---- Custom fields ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_custom_field_is_written_and_the_genre_left_alone(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",), title="T")
    if form == "MP3 ID3v2.2":
        set_genres(path, ("Rock",))
    genres, other = blocks_of(path), everything_else(path)
    free = [b.kind for b in tags.read(path, field="AUTOGENRE").blocks]
    assert free == [kind for kind in genres if BLOCKS[kind].custom]
    for new in [("Pop",), ("Jazz", "日本"), ()]:
        blocks = tags.read(path, field="AUTOGENRE").blocks
        tags.write(path, [BlockChange(b.kind, b.values, new) for b in blocks], field="AUTOGENRE")
        assert blocks_of(path, "autogenre") == dict.fromkeys(free, new)
        assert blocks_of(path) == genres
    assert everything_else(path) == other


@pytest.mark.parametrize(
    "form", ["MP3", "MP3 ID3v2.3", "FLAC", "M4A AAC", "WMA", "WavPack", "Opus"]
)
def test_a_custom_field_keeps_its_own_spelling(audio_file: AudioFile, form: str) -> None:
    path = audio_file(form, title="T", **{"My Mood": "calm"})
    (block,) = tags.read(path, field="MY MOOD").blocks
    assert block.values == ("calm",)
    before = path.read_bytes()
    tags.write(path, [BlockChange(block.kind, ("calm",), ("wild",))], field="mY mOOD")
    spelling = {"FLAC": b"MY MOOD", "Opus": b"MY MOOD", "WavPack": b"My mood"}.get(form, b"My Mood")
    if form in {"WMA", "MP3 ID3v2.3"}:
        spelling = "My Mood".encode("utf-16-le")
    if form == "MP3 ID3v2.3":
        spelling = b"TXXX\0\0\0\x0d\0\0\0My Mood\0wild"
    assert spelling in path.read_bytes()
    if form in {"FLAC", "M4A AAC", "WavPack"}:  # no checksum, no length that differs
        assert path.read_bytes() == before.replace(b"calm", b"wild")


def test_a_field_called_genre_is_the_genre(audio_file: AudioFile) -> None:
    path = audio_file("MP3", genre=("Rock",))
    assert blocks_of(path, "Genre") == {"ID3v2.4": ("Rock",)}
    tags.write(path, [BlockChange("ID3v2.4", ("Rock",), ("Pop",))], field="GENRE")
    assert id3_of(path)["TCON"].text == ["Pop"]
    assert not id3_of(path).getall("TXXX")


@pytest.mark.parametrize(
    "field", ["", "X", "A=B", "Straße", "line\nbreak", "a" * 256, "Title", "OggS", "id3"]
)
def test_a_field_name_that_not_all_formats_allow_is_refused(
    audio_file: AudioFile, field: str
) -> None:
    path = audio_file("FLAC")
    with pytest.raises(TrackError, match="choose another --field"):
        tags.write(path, [BlockChange("Vorbis comment", (), ("Pop",))], field=field)


def test_a_block_without_custom_fields_refuses_one(audio_file: AudioFile) -> None:
    path = audio_file("WAV INFO", genre=("Rock",))
    with pytest.raises(TrackError, match="RIFF INFO cannot hold a field"):
        tags.write(path, [BlockChange("RIFF INFO", (), ("Pop",))], field="AUTOGENRE")
    path = audio_file("WavPack")
    with pytest.raises(TrackError, match="APEv2 forbids"):
        tags.write(path, [BlockChange("APEv2", (), ("Pop",))], field="tag")


# ---- Refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_genre_that_changed_since_the_plan_was_made_is_left_alone(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",), title="T")
    planned = changes_to(path, ("Jazz",))
    set_genres(path, ("Pop",))
    before = path.read_bytes()
    with pytest.raises(TrackError, match="the genre changed since the plan was made"):
        tags.write(path, planned)
    assert path.read_bytes() == before


def test_one_changed_block_keeps_all_from_being_written(audio_file: AudioFile) -> None:
    path = audio_file("MP3 ID3v2.3 + APEv2", genre=("Rock",))
    before = path.read_bytes()
    changes = [BlockChange("ID3v2.3", ("Rock",), ("Pop",)), BlockChange("APEv2", ("X",), ("Pop",))]
    with pytest.raises(TrackError, match=r'APEv2 holds "Rock", not "X"\); make a new plan'):
        tags.write(path, changes)
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["MP3", "FLAC", "Opus", "WAV", "M4A AAC", "WMA", "WavPack"])
def test_a_write_that_does_not_arrive_is_noticed(
    audio_file: AudioFile, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = audio_file(form, genre=("Rock",))
    monkeypatch.setattr(tags, "apply_splices", lambda file, splices: None)
    with pytest.raises(TrackError, match='reads back "Rock" instead of "Pop"'):
        set_genres(path, ("Pop",))


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("MP3", "17"),
        ("MP3", "(17)"),
        ("MP3 ID3v2.3", "CR"),
        ("FLAC", ""),
        ("WMA", "a\0b"),
        ("Opus", "\udcff"),
    ],
)
def test_a_value_that_would_read_back_as_another_is_refused(
    audio_file: AudioFile, form: str, value: str
) -> None:
    path = audio_file(form, genre=("Rock",))
    before = path.read_bytes()
    (block,) = tags.read(path).blocks
    if value == "(17)":  # written as ((17), which is what the format prescribes
        tags.write(path, [BlockChange(block.kind, ("Rock",), (value,))])
        assert blocks_of(path) == {block.kind: ("(17)",)}
        return
    with pytest.raises(TrackError):
        tags.write(path, [BlockChange(block.kind, ("Rock",), (value,))])
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["MP3", "FLAC", "WAV INFO", "M4A AAC"])
def test_a_file_without_write_permission_is_refused_also_to_root(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",))
    before = path.read_bytes()
    path.chmod(0o444)
    with pytest.raises(TrackError, match="the file is read-only"):
        check_writable(path)
    with pytest.raises(TrackError, match="the file is read-only"):
        tags.write(path, changes_to(path, ("Pop",)))
    assert path.read_bytes() == before
    path.chmod(0o644)
    check_writable(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.skipif(os.name == "nt", reason="Windows marks folders for purposes of its own")
def test_a_file_in_a_read_only_folder_is_refused(audio_file: AudioFile, tmp_path: Path) -> None:
    path = audio_file("MP3", genre=("Rock",))
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(TrackError, match="its folder is read-only"):
            tags.write(path, changes_to(path, ("Pop",)))
    finally:
        tmp_path.chmod(0o755)
    assert blocks_of(path) == {"ID3v2.4": ("Rock",)}


def test_a_link_is_followed_and_stays_a_link(audio_file: AudioFile, tmp_path: Path) -> None:
    path = audio_file("MP3", genre=("Rock",))
    symbolic, hard = tmp_path / "symbolic.mp3", tmp_path / "hard.mp3"
    symbolic.symlink_to(path)
    hard.hardlink_to(path)
    set_genres(symbolic, ("Pop",))
    assert symbolic.is_symlink()
    assert blocks_of(hard) == blocks_of(path) == {"ID3v2.4": ("Pop",)}
    assert path.stat().st_ino == hard.stat().st_ino


def test_what_is_no_file_at_all_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.mp3"
    folder.mkdir()
    for path in [folder, tmp_path / "missing.mp3", tmp_path / "missing" / "x.flac"]:
        with pytest.raises(TrackError):
            tags.read(path)
        with pytest.raises(TrackError):
            check_writable(path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp3")
        with pytest.raises(TrackError, match="not a regular file"):
            tags.read(tmp_path / "pipe.mp3")


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cover.jpg"
    path.write_bytes(make_audio.PICTURE)
    with pytest.raises(TrackError, match="not a kind of audio file"):
        tags.read(path)


def test_the_time_of_modification_is_kept_only_on_request(audio_file: AudioFile) -> None:
    for i, form in enumerate(["MP3", "FLAC", "Ogg Vorbis", "M4A AAC", "WMA", "WavPack"]):
        path = audio_file(form, name=str(i), genre=("Rock",))
        line = TagChange(path, State.CHANGE, blocks=tuple(changes_to(path, ("Pop",))))
        os.utime(path, ns=(1_000_000_000_987_654_300,) * 2)
        assert apply(line, Journal("test"), preserve_mtime=True) == line
        assert path.stat().st_mtime_ns == 1_000_000_000_987_654_300
        tags.write(path, changes_to(path, ("Jazz",)))
        assert path.stat().st_mtime_ns > 1_500_000_000_000_000_000


# ---- Files that are not what they seem -------------------------------------------------------

SUFFIXES = [suffix for container in CONTAINERS for suffix in container.suffixes]
IMPOSTORS = {
    "nothing": b"",
    "one byte": b"I",
    "text": b"Dear diary, today I renamed a text file.\n" * 50,
    "a picture": make_audio.PICTURE,
    "zeros": bytes(5000),
    "noise": random.Random(1).randbytes(200),
    "tags without audio": id3v2_tag(4, frame(b"TCON", b"\x03Rock")) + id3v1_tag(17),
    "an ID3 tag cut off": id3v2_tag(4, frame(b"TCON", b"\x03Rock"))[:100],
}


@pytest.mark.parametrize("impostor", IMPOSTORS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_not_what_its_name_says_is_refused_and_left_alone(
    tmp_path: Path, suffix: str, impostor: str
) -> None:
    path = tmp_path / f"fake{suffix}"
    path.write_bytes(IMPOSTORS[impostor])
    container = next(c for c in CONTAINERS if suffix in c.suffixes)
    with pytest.raises(TrackError) as caught:
        tags.read(path)
    message = str(caught.value)
    assert message.isprintable()
    assert str(path) not in message
    assert container.name in message or message == "the file is empty"
    for new in [("Pop",), ()]:
        with pytest.raises(TrackError):
            tags.write(path, [BlockChange(container.native, (), new)])
    assert path.read_bytes() == IMPOSTORS[impostor]


@pytest.mark.parametrize("form", ["FLAC", "Opus", "WAV", "M4A AAC", "WMA", "WavPack", "DSF"])
def test_a_file_with_another_containers_suffix_is_refused(
    audio_file: AudioFile, tmp_path: Path, form: str
) -> None:
    original = audio_file(form, genre=("Rock",)).read_bytes()
    suffix = FORMS[form].suffix
    family = next(c for c in CONTAINERS if suffix in c.suffixes)
    same = {"Opus": "Ogg Vorbis", "WAV": "AIFF"}.get(family.name)  # told apart by their contents
    for container in CONTAINERS:
        if container.name in {family.name, same, "MP3"}:
            continue  # an MP3 stream may begin after any junk
        path = tmp_path / f"wrong{container.suffixes[0]}"
        path.write_bytes(original)
        with pytest.raises(TrackError, match="cannot be read as"):
            tags.read(path)
        assert path.read_bytes() == original


@pytest.mark.parametrize("form", FORMS)
def test_no_damaged_file_is_damaged_further(audio_file: AudioFile, form: str) -> None:
    """Cut files off and change bytes, mostly where tags are; seeds are fixed."""
    good = audio_file(form, genre=("Rock",), seconds=0.3, **texts_for(form))
    data = good.read_bytes()
    rng = random.Random(form)
    refused = 0
    for i in range(60):
        if i % 4 == 0:
            bad = data[: rng.randrange(len(data))]
        else:
            changed = bytearray(data)
            for _ in range(rng.choice([1, 2, 5, 50])):
                edge = rng.randrange(min(1500, len(data)))
                at = rng.choice([edge, len(data) - 1 - edge, rng.randrange(len(data))])
                changed[at] = rng.choice([0, 255, rng.randrange(256)])
            bad = bytes(changed)
        good.write_bytes(bad)
        try:
            changes = changes_to(good, ("x" * rng.choice([3, 5000]),))
            changes = [c for c in changes if c.kind != "ID3v1"]
        except TrackError as error:
            assert str(error).isprintable()
            refused += 1
            changes = []
        assert good.read_bytes() == bad
        try:
            tags.write(good, changes)
        except TrackError as error:
            assert str(error).isprintable()
            refused += 1
            assert good.read_bytes() == bad
    assert refused > 0
