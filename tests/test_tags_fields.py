"""Fields beside the genre: artist, album, compilation, comments, and custom ones."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import mutagen
import pytest
from make_audio import FORMS
from mutagen import asf, id3, mp4
from tag_files import (
    AudioFile,
    blocks_of,
    everything_else,
    genre_seen_by_ffprobe,
    id3_of,
    seen_by_mutagen,
    set_genres,
    texts_for,
)

from genretagger import tags
from genretagger.containers import BLOCKS
from genretagger.errors import TrackError
from genretagger.plan import TagPolicy, plan
from genretagger.records import BlockChange, Decision, State

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("form", FORMS)
def test_album_artist_and_album_artist_are_read(audio_file: AudioFile, form: str) -> None:
    if form == "MP3 ID3v1 only":
        track = tags.read(audio_file(form, title="ID3v1 has its own texts"))
        assert (track.artist, track.album, track.album_artist) == ("Künstler", "Album", "")
        return
    track = tags.read(audio_file(form, **texts_for(form)))
    expected = texts_for(form)
    assert (track.artist, track.album) == (expected["artist"], expected["album"])
    if form != "WAV INFO":
        assert track.album_artist == "Alle"
    assert not track.is_compilation


FLAG_FORMS = ["MP3", "MP3 ID3v2.3", "MP3 APEv2 only", "FLAC", "Opus", "M4A AAC", "WMA", "WavPack"]


@pytest.mark.parametrize("form", FLAG_FORMS)
def test_a_compilation_is_known_by_its_flag(audio_file: AudioFile, form: str) -> None:
    assert tags.read(audio_file(form, name="a", compilation="1")).is_compilation
    assert not tags.read(audio_file(form, name="b", compilation="0")).is_compilation


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


def _id3(path):
    tag = id3.ID3(path)
    tag.add(id3.COMM(encoding=3, lang="eng", desc="", text=["hands off"]))
    tag.save(path)


def _wave(path):
    file = mutagen.File(path)
    file.tags.add(id3.COMM(encoding=3, lang="eng", desc="x", text=["hands off"]))
    file.save()


def _keyed(key):
    def write(path):
        file = mutagen.File(path)
        file[key] = ["hands off"]
        file.save()

    return write


def _custom(path):
    tag = id3.ID3(path)
    tag.add(id3.TXXX(encoding=3, desc="comment", text=["hands off"]))
    tag.save(path, v1=0)


def _freeform_comment(path):
    tag = mp4.MP4(path)
    tag["----:com.apple.iTunes:Comment"] = [mp4.MP4FreeForm(b"hands off")]
    tag.save()


def _chunk(name, content):
    def write(path):
        data = path.read_bytes()
        order = "<I" if data[:4] == b"RIFF" else ">I"
        data += name + struct.pack(order, len(content)) + content + b"\0" * (len(content) % 2)
        path.write_bytes(data[:4] + struct.pack(order, len(data) - 8) + data[8:])

    return write


_COMT = struct.pack(">HIHH", 2, 0, 0, 3) + b"one\0" + struct.pack(">IHH", 0, 0, 9) + b"hands off\0"

COMMENTS = [
    ("MP3", _id3),
    ("MP3", _custom),
    ("MP3 ID3v2.3", _id3),
    ("WAV", _wave),
    ("WAV", _chunk(b"bext", b"hands off".ljust(602, b"\0"))),
    ("WAV", _chunk(b"LIST", b"INFOICMT\x0a\0\0\0hands off\0")),
    ("AIFF", _wave),
    ("AIFF", _chunk(b"ANNO", b"hands off")),
    ("AIFF", _chunk(b"COMT", _COMT)),
    ("M4A AAC", _keyed("©cmt")),
    ("M4A AAC", _keyed("desc")),
    ("M4A AAC", _freeform_comment),
    ("WMA", _keyed("Description")),
    ("WMA", _keyed("WM/Comments")),
    ("FLAC", _keyed("comment")),
    ("FLAC", _keyed("Comments")),
    ("Opus", _keyed("DESCRIPTION")),
    ("WavPack", _keyed("Comment")),
]


@pytest.mark.parametrize(("form", "write"), COMMENTS)
def test_a_comment_is_found_and_protects_wherever_it_stands(audio_file, form, write):
    path = audio_file(form, title="T", genre=("Rock",))
    write(path)
    found = tags.read(path)
    assert "hands off" in found.comments
    policy = TagPolicy("replace", protect_if=(("comment", re.compile("^hands off$")),))
    assert plan(path, found, policy, Decision(("Pop",), ("Pop 0.8",))).state is State.KEEP


@pytest.mark.parametrize("content", [b"", b"\0", b"\xff\xff", b"\0\2abc", _COMT[:-7]])
def test_comments_of_an_aiff_that_are_cut_short_are_no_failure(audio_file, content):
    path = audio_file("AIFF", title="T", genre=("Rock",))
    _chunk(b"COMT", content)(path)
    assert len(tags.read(path).comments) <= 2


# ---- The genre under another key -------------------------------------------------------------


def _txxx(path: Path) -> None:
    version = id3_of(path).version[1]
    tag = id3.ID3(path, translate=False)
    tag.add(id3.TXXX(encoding=3 if version == 4 else 1, desc="Genre", text=["Bossa Nova"]))
    tag.save(path, v2_version=version, v1=0)


def _freeform(path: Path) -> None:
    tag = mp4.MP4(path)
    tag["----:com.apple.iTunes:GENRE"] = [mp4.MP4FreeForm(b"Bossa Nova")]
    tag.save()


def _genre_of_asf(path: Path) -> None:
    tag = asf.ASF(path)
    tag["Genre"] = ["Bossa Nova"]
    tag.save()


ALSO = [
    ("MP3", _txxx),
    ("MP3 ID3v2.3", _txxx),
    ("M4A AAC", _freeform),
    ("M4A ALAC", _freeform),
    ("WMA", _genre_of_asf),
]


@pytest.mark.parametrize("genre", [(), ("Rock",)], ids=["alone", "beside another"])
@pytest.mark.parametrize(("form", "write"), ALSO)
def test_a_genre_under_another_key_counts_and_is_changed_too(
    audio_file: AudioFile, form: str, write: Callable[[Path], None], genre: tuple[str, ...]
) -> None:
    path = audio_file(form, title="T", genre=genre)
    write(path)
    before, other = path.read_bytes(), everything_else(path)
    (block,) = tags.read(path).blocks
    assert block.values == (*genre, "Bossa Nova")
    assert plan(path, tags.read(path), TagPolicy("skip"), None).state is State.KEEP
    tags.write(path, [BlockChange(block.kind, block.values, ("Jazz",))])
    assert blocks_of(path) == {block.kind: ("Jazz",)}
    assert b"Bossa" not in path.read_bytes()
    assert b"B\0o\0s\0s\0a\0" not in path.read_bytes()
    assert seen_by_mutagen(path, block.kind) == ("Jazz",)
    assert genre_seen_by_ffprobe(path) == "Jazz"
    assert len(everything_else(path)) == len(other)
    tags.write(path, [BlockChange(block.kind, ("Jazz",), ())])
    assert genre_seen_by_ffprobe(path) == ""
    assert before != path.read_bytes()


def test_the_same_genre_under_both_keys_is_one(audio_file: AudioFile) -> None:
    path = audio_file("M4A AAC", genre=("Bossa Nova", "Rock"))
    _freeform(path)
    assert blocks_of(path) == {"MP4": ("Bossa Nova", "Rock")}


@pytest.mark.parametrize("form", ["FLAC", "Opus", "WavPack", "M4A AAC", "WMA", "WAV INFO"])
@pytest.mark.parametrize(
    ("stored", "meaning"), [("17", "Rock"), ("(17)", "Rock"), ("80", "Folk"), ("255", "255")]
)
def test_a_genre_that_is_a_number_is_spelled_out_and_changed(
    audio_file: AudioFile, form: str, stored: str, meaning: str
) -> None:
    path = audio_file(form, genre=(stored,), title="T")
    (block,) = tags.read(path).blocks
    assert block.values == (meaning,)
    tags.write(path, [BlockChange(block.kind, (meaning,), ("Jazz",))])
    assert blocks_of(path) == {block.kind: ("Jazz",)}


def test_a_number_in_a_field_of_ones_own_is_a_number(audio_file: AudioFile) -> None:
    assert blocks_of(audio_file("FLAC", AUTOGENRE="17"), "AUTOGENRE") == {"Vorbis comment": ("17",)}


def test_an_id3v1_tag_of_nothing_has_no_genre(audio_file: AudioFile) -> None:
    path = audio_file("MP3")
    audio = path.read_bytes()
    path.write_bytes(audio + b"TAG" + bytes(125))
    assert blocks_of(path) == {"ID3v1": ()}
    tags.write(path, [BlockChange("ID3v1", (), ("Rock",))])
    assert path.read_bytes() == audio + b"TAG" + bytes(124) + b"\x11"
    path.write_bytes(audio + b"TAG" + b"Title".ljust(125, b"\0"))
    assert blocks_of(path) == {"ID3v1": ("Blues",)}


@pytest.mark.parametrize("key", ["comment", "Description"])
def test_a_comment_in_a_custom_frame_is_found(audio_file: AudioFile, key: str) -> None:
    assert "hands off" in tags.read(audio_file("MP3", **{key: "hands off"})).comments
    if key == "comment":
        assert "hands off" in tags.read(audio_file("M4A AAC", **{key: "hands off"})).comments
