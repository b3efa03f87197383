"""Tags as mutagen and the bytes themselves show them, and pieces of files to build odd ones of.

What the blocks hold is checked with mutagen or with bytes built here, and the audio with
ffmpeg, so that genretagger does not vouch for itself.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import mutagen
import pytest
from mutagen import aiff, apev2, asf, dsf, flac, id3, mp4, oggflac, oggopus, oggvorbis, wave

from genretagger import tags
from genretagger.containers import stored_values
from genretagger.records import BlockChange, GenreBlock

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
    track = tags.read(path, field=field)
    blocks = track.blocks or (GenreBlock(track.native),)
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


def decoded(path: Path) -> bytes:
    """Hash the samples, as ffmpeg decodes them."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed (Debian package ffmpeg)")
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-f", "md5", "-"]
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
        tag = id3_of(path)
        assert tag.version[1] == int(kind[-1])
        return tuple(tag["TCON"].text) if "TCON" in tag else ()
    if kind == "APEv2":
        tag = apev2.APEv2(path)
        return tuple(tag["Genre"]) if "Genre" in tag else ()
    if kind == "ID3v1":
        return tuple(id3.TCON.GENRES[n : n + 1]) if (n := path.read_bytes()[-1]) < 192 else ()
    if kind == "RIFF INFO":
        return tuple(v.rstrip(b"\0").decode() for k, v in info_of(path).items() if k == b"IGNR")
    key = {"Vorbis comment": "genre", "MP4": "©gen", "ASF": "WM/Genre"}[kind]
    return tuple(str(value) for value in opened_by_mutagen(path).get(key, ()))


def genre_seen_by_ffprobe(path: Path) -> str:
    """Read the genre as ffmpeg shows it; empty if there is none."""
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed (Debian package ffmpeg)")
    command = ["ffprobe", "-v", "error", "-show_entries", "format_tags=genre:stream_tags=genre"]
    done = subprocess.run([*command, "-of", "csv=p=0", path], check=True, capture_output=True)
    return done.stdout.decode().strip()


def everything_else(path: Path) -> dict[str, object]:
    """Dump what each block of a file holds beside the genre."""
    rest: dict[str, object] = {}
    for kind in blocks_of(path):
        if kind.startswith("ID3v2"):
            tag = id3_of(path)
            rest["ID3v2"] = {k: repr(v) for k, v in tag.items() if k != "TCON"}
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
            tag = opened_by_mutagen(path)
            pairs = tag.tags if isinstance(tag.tags, list) else tag.tags.items()
            skipped = {"genre", "©gen", "WM/Genre"}
            rest[kind] = sorted(repr(p) for p in pairs if p[0] not in skipped and p[0] != "GENRE")
            if isinstance(tag, flac.FLAC):
                others = [b for b in tag.metadata_blocks if b.code not in {1, 4}]
                rest["blocks"] = [(b.code, b.write()) for b in others]
    return rest


def frame(name: bytes, content: bytes, *, version: int = 4, flags: int = 0) -> bytes:
    size = len(content)
    packed = struct.pack(">I", size)
    if version == 4:
        packed = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return name + packed + struct.pack(">H", flags) + content


def ape_item(key: bytes, value: bytes, flags: int = 0) -> bytes:
    return struct.pack("<II", len(value), flags) + key + b"\0" + value


def ape_tag(items: Sequence[bytes], *, version: int = 2000, header: bool = True) -> bytes:
    body = b"".join(items)

    def end(is_header: bool) -> bytes:
        flags = (0x80000000 if header else 0) | (0x20000000 if is_header else 0)
        fields = struct.pack("<IIII", version, len(body) + 32, len(items), flags)
        return b"APETAGEX" + fields + bytes(8)

    return (end(True) if header else b"") + body + end(False)


def vorbis_comment(comments: Sequence[bytes], vendor: bytes = b"somebody") -> bytes:
    counted = b"".join(struct.pack("<I", len(c)) + c for c in comments)
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(comments)) + counted
