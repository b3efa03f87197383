"""MP4: atoms, offsets, fragments."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutagen import mp4
from tag_files import (
    TEXTS,
    AudioFile,
    audio_md5,
    blocks_of,
    everything_else,
    genre_seen_by_ffprobe,
    seen_by_mutagen,
    set_genres,
)

from genretagger import tags
from genretagger.errors import TrackError
from genretagger.records import BlockChange


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


# ---- Every form of meta ----------------------------------------------------------------------


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        yield name, start, start + size
        start += size


def text(value: bytes) -> bytes:
    return box(b"data", struct.pack(">II", 1, 0) + value)


ITUNES = box(b"ilst", box(b"\xa9nam", text(b"Name")) + box(b"\xa9gen", text(b"Rock")))
ANDROID = box(b"ilst", box(b"\0\0\0\1", text(b"12")))


def meta(
    handler: bytes, ilst: bytes, *, version: bool, key: bytes = b"com.android.version"
) -> bytes:
    keys = bytes(4) + struct.pack(">I", 1) + box(b"mdta", key) if handler == b"mdta" else b""
    inside = box(b"hdlr", bytes(8) + handler + bytes(13)) + (box(b"keys", keys) if keys else b"")
    return box(b"meta", (bytes(4) if version else b"") + inside + ilst)


def put(path: Path, new: bytes, *, parent: bytes, first: bool) -> None:
    """Put an atom first or last into ``moov`` or the track, and correct the offsets by hand."""
    data = bytearray(path.read_bytes())
    moov, end = next((s, e) for name, s, e in boxes(data, 0, len(data)) if name == b"moov")
    sizes = [moov]
    inside = list(boxes(data, moov + 8, end))
    if parent == b"trak":
        trak, end = next((s, e) for name, s, e in inside if name == b"trak")
        sizes.append(trak)
        inside = list(boxes(data, trak + 8, end))
    at = inside[0][2] if first else end
    for start in sizes:
        struct.pack_into(">I", data, start, struct.unpack_from(">I", data, start)[0] + len(new))
    table = data.index(b"stco") + 8
    (n,) = struct.unpack_from(">I", data, table)
    for entry in range(table + 4, table + 4 + 4 * n, 4):
        (offset,) = struct.unpack_from(">I", data, entry)
        struct.pack_into(">I", data, entry, offset + (len(new) if offset >= at else 0))
    path.write_bytes(data[:at] + new + data[at:])


def without_udta(path: Path, source: Path, *, fast: bool) -> None:
    """Copy the audio into a file without tags, whose ``moov`` stands before it or behind."""
    options = ["-c", "copy", "-map_metadata", "-1", "-fflags", "+bitexact"]
    options += ["-movflags", "+faststart"] if fast else []
    command = ["ffmpeg", "-v", "error", "-i", source, *options, path]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    data = path.read_bytes()
    at = data.index(b"udta")
    (size,) = struct.unpack_from(">I", data, at - 4)
    path.write_bytes(data[:at] + b"free" + bytes(size - 8) + data[at + size - 4 :])


@pytest.mark.parametrize("fast", [True, False], ids=["moov first", "moov last"])
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("version", [True, False], ids=["ISO", "QuickTime"])
@pytest.mark.parametrize("place", ["moov", "trak", "moov/udta", "trak/udta"])
@pytest.mark.parametrize("handler", [b"mdir", b"mdta"])
def test_every_form_of_meta_is_changed_or_refused_and_the_audio_stays(
    audio_file: AudioFile,
    tmp_path: Path,
    handler: bytes,
    place: str,
    version: bool,
    first: bool,
    fast: bool,
) -> None:
    path = tmp_path / "odd.m4a"
    without_udta(path, audio_file("M4A AAC", seconds=2), fast=fast)
    new = meta(handler, ITUNES if handler == b"mdir" else ANDROID, version=version)
    parent, _, udta = place.partition("/")
    put(path, box(b"udta", new) if udta else new, parent=parent.encode(), first=first)
    before, md5, sound = path.read_bytes(), audio_md5(path), tags.audio_id(path)
    held = ("Rock",) if handler == b"mdir" else ()
    assert blocks_of(path) == ({"MP4": held} if held else {})
    try:
        tags.write(path, [BlockChange("MP4", held, ("Pop", "x" * 5000))])
    except TrackError as error:
        assert "tags of another kind" in str(error)
        assert (handler, place) == (b"mdta", "moov/udta")
        assert path.read_bytes() == before
        return
    assert blocks_of(path) == {"MP4": ("Pop", "x" * 5000)}
    assert (audio_md5(path), tags.audio_id(path)) == (md5, sound)
    assert path.read_bytes().count(b"\xa9gen") == 1
    assert path.read_bytes().count(b"ilst") == 1 + (handler == b"mdta")
    if place != "trak/udta":  # which ffprobe does not look into
        assert "Pop" in genre_seen_by_ffprobe(path) or place == "trak"


def test_a_write_that_loses_the_offsets_is_seen(audio_file: AudioFile) -> None:
    path = audio_file("M4A AAC")
    sound = tags.audio_id(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"stco") + 12
    struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + 300)
    path.write_bytes(data)
    assert tags.audio_id(path) != sound


def test_two_lists_of_tags_are_read_and_neither_is_changed(audio_file: AudioFile) -> None:
    path = audio_file("M4A AAC", genre=("Pop",))
    put(path, meta(b"mdir", ITUNES, version=True), parent=b"moov", first=True)
    before = path.read_bytes()
    (block,) = tags.read(path).blocks
    assert set(block.values) == {"Pop", "Rock"}
    with pytest.raises(TrackError, match="two MP4 blocks hold it"):
        tags.write(path, [BlockChange("MP4", block.values, ("Jazz",))])
    assert path.read_bytes() == before


def test_a_genre_among_quicktimes_tags_is_read_and_not_doubled(audio_file: AudioFile) -> None:
    path = audio_file("M4A AAC", title="T")
    genre = box(b"ilst", box(b"\0\0\0\1", text(b"Bolero")))
    key = b"com.apple.quicktime.genre"
    put(path, meta(b"mdta", genre, version=False, key=key), parent=b"moov", first=True)
    before = path.read_bytes()
    assert blocks_of(path) == {"MP4": ("Bolero",)}
    with pytest.raises(TrackError, match="among QuickTime's tags"):
        tags.write(path, [BlockChange("MP4", ("Bolero",), ("Jazz",))])
    assert path.read_bytes() == before


@pytest.mark.parametrize("wide", [False, True])
def test_chunk_offsets_of_32_and_64_bits_are_corrected(
    audio_file: AudioFile, tmp_path: Path, wide: bool
) -> None:
    path = tmp_path / "odd.m4a"
    without_udta(path, audio_file("M4A ALAC", seconds=2), fast=True)
    if wide:
        data = path.read_bytes()
        at = data.index(b"stco") - 4
        (n,) = struct.unpack_from(">I", data, at + 12)
        entries = struct.unpack_from(f">{n}I", data, at + 16)
        growth = 4 * n
        table = struct.pack(f">II{n}Q", 0, n, *(e + growth for e in entries))
        changed = bytearray(data[:at] + box(b"co64", table) + data[at + 16 + 4 * n :])
        for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            start = data.index(name) - 4
            struct.pack_into(
                ">I", changed, start, struct.unpack_from(">I", data, start)[0] + growth
            )
        path.write_bytes(changed)
    md5 = audio_md5(path)
    for old, new in [((), ("Rock",)), (("Rock",), ("x" * 9000,)), (("x" * 9000,), ())]:
        tags.write(path, [BlockChange("MP4", old, new)])
        assert audio_md5(path) == md5


IN_USER_DATA = {
    "QuickTime": (b"\xa9gen", b"\0\5\x15\xc7Polka", ("Polka",)),
    "QuickTime, two languages": (
        b"\xa9gen",
        b"\0\4\0\0M\x9fsi\0\5\x15\xc7Polka",
        ("Müsi", "Polka"),
    ),
    "QuickTime, UTF-16": (b"\xa9gen", b"\0\6\x55\xc4\xfe\xff\0R\0B", ("RB",)),
    "3GPP": (b"gnre", b"\0\0\0\0\x15\xc7Polka\0", ("Polka",)),
    "3GPP, UTF-16": (b"gnre", b"\0\0\0\0\x15\xc7\xfe\xff\0R\0B\0\0", ("RB",)),
}


@pytest.mark.parametrize("parent", [b"moov", b"trak"])
@pytest.mark.parametrize("name", IN_USER_DATA)
def test_a_genre_in_user_data_counts_and_is_not_doubled(
    audio_file: AudioFile, name: str, parent: bytes
) -> None:
    path = audio_file("M4A AAC", genre=("Pop",))
    atom, content, genres = IN_USER_DATA[name]
    put(path, box(b"udta", box(atom, content) + bytes(4)), parent=parent, first=True)
    before = path.read_bytes()
    assert blocks_of(path) == {"MP4": ("Pop", *genres)}
    with pytest.raises(TrackError, match="QuickTime's tags, which cannot be changed"):
        tags.write(path, [BlockChange("MP4", ("Pop", *genres), ("Jazz",))])
    assert path.read_bytes() == before


def test_an_empty_genre_in_user_data_is_none(audio_file: AudioFile) -> None:
    path = audio_file("M4A AAC", genre=("Pop",))
    empty = box(b"\xa9gen", b"\0\0\x15\xc7") + box(b"gnre", bytes(7)) + box(b"\xa9gen", b"")
    put(path, box(b"udta", empty), parent=b"moov", first=True)
    set_genres(path, ("Jazz",))
    assert blocks_of(path) == {"MP4": ("Jazz",)}
