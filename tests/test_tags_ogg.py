"""Ogg: the pages of the comment, and those behind it."""

from __future__ import annotations

import pytest
from mutagen.ogg import OggPage
from tag_files import (
    TEXTS,
    AudioFile,
    audio_md5,
    blocks_of,
    everything_else,
    set_genres,
    vorbis_comment,
)

from genretagger import tags
from genretagger.errors import TrackError
from genretagger.records import BlockChange


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


@pytest.mark.parametrize("is_first", [True, False])
def test_a_video_is_read_and_not_written(audio_file: AudioFile, is_first: bool) -> None:
    path = audio_file("Ogg Vorbis", genre=("Rock",))
    data = path.read_bytes()
    video = OggPage()
    video.serial, video.first, video.packets = 4711, True, [b"\x80theora\3\2\1" + bytes(32)]
    at = 0 if is_first else data.index(b"OggS", 4)
    path.write_bytes(before := data[:at] + video.write() + data[at:])
    assert blocks_of(path) == {"Vorbis comment": ("Rock",)}
    changes = [BlockChange("Vorbis comment", ("Rock",), ("Pop",))]
    for change in (tags.rehearse, tags.write):
        with pytest.raises(TrackError, match=r"^a video .* leave it out$"):
            change(path, changes)
    assert path.read_bytes() == before
