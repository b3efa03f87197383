"""Native FLAC: metadata blocks, the Vorbis comment, padding."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from make_audio import id3v1_tag, id3v2_tag
from mutagen import flac
from tag_files import AudioFile, frame, vorbis_comment

from genretagger import tags
from genretagger.errors import TrackError
from genretagger.records import BlockChange

pytestmark = pytest.mark.quick


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
        now, rest = flac_blocks(path.read_bytes())
        assert rest == audio
        assert [b for b in now if b[0] not in {1, 4}] == blocks[:1]
        assert flac.FLAC(path)["genre"] == list(new)
        assert sum(kind == 1 for kind, _ in now) <= 1
        room = size - len(flac_file([b for b in now if b[0] != 1], audio))
        if room == 0 or room >= 4:  # 4: the smallest padding block
            assert path.stat().st_size == size
    (left,) = [len(content) for kind, content in now if kind == 1]
    tags.write(path, [BlockChange("Vorbis comment", old, ("x" * (1 + left + 4),))])
    assert [kind for kind, _ in flac_blocks(path.read_bytes())[0]] == [0, 4]
    assert path.stat().st_size == size


def test_a_flac_cue_sheet_block_is_seen(audio_file: AudioFile) -> None:
    path = audio_file("FLAC")
    blocks, audio = flac_blocks(path.read_bytes())
    path.write_bytes(flac_file(odd_blocks(blocks[0]), audio))
    assert tags.read(path).has_cuesheet


def test_a_genre_in_a_second_comment_block_counts_and_is_not_doubled(audio_file: AudioFile) -> None:
    path = audio_file("FLAC")
    blocks, audio = flac_blocks(path.read_bytes())
    comments = [(4, vorbis_comment([b"GENRE=" + genre])) for genre in (b"Rock", b"Polka")]
    path.write_bytes(flac_file([blocks[0], *comments], audio))
    before = path.read_bytes()
    assert tags.read(path).blocks[0].values == ("Rock", "Polka")
    with pytest.raises(TrackError, match="two Vorbis comment blocks hold it"):
        tags.write(path, [BlockChange("Vorbis comment", ("Rock", "Polka"), ("Jazz",))])
    assert path.read_bytes() == before
