"""MP4: atoms, offsets, fragments."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from mutagen import mp4
from tag_files import (
    TEXTS,
    AudioFile,
    audio_md5,
    blocks_of,
    everything_else,
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
