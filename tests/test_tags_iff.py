"""WAV and AIFF: chunks, and LIST/INFO."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from make_audio import chunk
from mutagen import aiff, wave
from tag_files import TEXTS, AudioFile, audio_md5, blocks_of, genre_seen_by_ffprobe

from genretagger import tags
from genretagger.errors import TrackError
from genretagger.plan import TagPolicy, plan
from genretagger.records import BlockChange, Decision, State, TagChange

pytestmark = pytest.mark.quick


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
    reason = {
        (40, 10_000_000): ("truncated: its header says 57 s", "truncated"),
        (40, 0xFFFFFFFF): ("does not say how long it is", "does not say how long it is"),
    }.get((at, size), ("cannot be read as WAV", "cannot be written as WAV"))
    with pytest.raises(TrackError, match=reason[0]):
        tags.read(path)
    with pytest.raises(TrackError, match=reason[1]):
        tags.write(path, [BlockChange("RIFF INFO", ("Rock",), ("Pop",))])
    assert path.read_bytes() == data


def test_a_genre_in_a_second_info_counts_and_is_not_doubled(audio_file: AudioFile) -> None:
    path = audio_file("WAV INFO", genre=("Rock",))
    fmt, data = wav_parts(path)
    second = chunk(b"LIST", b"INFO" + chunk(b"IGNR", b"Polka\0"))
    path.write_bytes(riff(fmt, data, second))
    before = path.read_bytes()
    assert blocks_of(path) == {"RIFF INFO": ("Rock", "Polka")}
    with pytest.raises(TrackError, match="two RIFF INFO blocks hold it"):
        tags.write(path, [BlockChange("RIFF INFO", ("Rock", "Polka"), ("Jazz",))])
    assert path.read_bytes() == before


def test_a_genre_under_small_letters_is_changed_and_gets_the_name_that_programs_seek(
    audio_file: AudioFile,
) -> None:
    path = audio_file("WAV INFO", genre=("Rock",))
    fmt, data = wav_parts(path)
    small = chunk(b"LIST", b"INFO" + chunk(b"ignr", b"Rock\0") + chunk(b"ISFT", b"Lavf\0"))
    path.write_bytes(riff(fmt, data[: data.index(b"LIST")], small))
    assert blocks_of(path) == {"RIFF INFO": ("Rock",)}
    tags.write(path, [BlockChange("RIFF INFO", ("Rock",), ("Jazz",))])
    assert blocks_of(path) == {"RIFF INFO": ("Jazz",)}
    assert chunk(b"IGNR", b"Jazz\0") in path.read_bytes()
    assert b"ignr" not in path.read_bytes()


def test_a_second_info_without_a_genre_is_no_obstacle(audio_file: AudioFile) -> None:
    path = audio_file("WAV INFO", genre=("Rock",))
    fmt, data = wav_parts(path)
    second = chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"Program\0"))
    path.write_bytes(riff(fmt, data, second))
    tags.write(path, [BlockChange("RIFF INFO", ("Rock",), ("Jazz",))])
    assert blocks_of(path) == {"RIFF INFO": ("Jazz",)}
    assert second in path.read_bytes()


def plan_of(path: Path, genre: str = "Jazz") -> TagChange:
    return plan(path, tags.read(path), TagPolicy("replace"), Decision((genre,), ()))


def info(*fields: tuple[bytes, bytes]) -> bytes:
    return chunk(b"LIST", b"INFO" + b"".join(chunk(*field) for field in fields))


NO_GENRE = {
    "INFO": info((b"INAM", b"Titel\0"), (b"ISFT", b"Lavf\0")),
    "INFO without its padding byte": b"LIST\x11\0\0\0INFOINAM\5\0\0\0Titel",
    "bext": chunk(b"bext", b"Description".ljust(602, b"\0")),
    "bext and an odd chunk": chunk(b"bext", b"x".ljust(602, b"\0")) + b"XYZW\x03\0\0\0abc",
    "bext and INFO": chunk(b"bext", bytes(602)) + info((b"INAM", b"Titel\0")),
}


@pytest.mark.parametrize("chunks", NO_GENRE.values(), ids=NO_GENRE)
def test_a_wav_of_which_ffmpeg_reads_no_id3_tag_gets_both_blocks_in_one_run(
    audio_file: AudioFile, chunks: bytes
) -> None:
    path = audio_file("WAV")
    path.write_bytes(riff(*wav_parts(path), chunks))
    tags.write(path, plan_of(path).blocks)
    assert blocks_of(path) == {"ID3v2.4": ("Jazz",), "RIFF INFO": ("Jazz",)}
    assert wave.WAVE(path).tags["TCON"].text == ["Jazz"]
    assert genre_seen_by_ffprobe(path) == "Jazz"
    assert plan_of(path).state is State.KEEP
    title = wave.WAVE(path).tags.get("TIT2", "")
    assert str(title) == ("Titel" if b"INAM" in chunks else "")


def test_an_aiff_whose_tag_is_named_in_small_letters_gets_the_name_that_programs_seek(
    audio_file: AudioFile,
) -> None:
    path = audio_file("AIFF", genre=("Rock",), **TEXTS)
    path.write_bytes(path.read_bytes().replace(b"ID3 ", b"id3 "))
    assert aiff.AIFF(path).tags is None
    tags.write(path, plan_of(path).blocks)
    tag = aiff.AIFF(path).tags
    assert (tag["TCON"].text, tag["TIT2"].text) == (["Jazz"], [TEXTS["title"]])
    assert genre_seen_by_ffprobe(path) == "Jazz"
    assert plan_of(path).state is State.KEEP
