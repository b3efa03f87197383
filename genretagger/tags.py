"""Step 8: the genre of one file, read from and written to every block that can hold it.

Reading lists every metadata block of a file, also those that mutagen's own view of a
format leaves out: APEv2 and ID3v1 at the end of an MP3, ID3 around a FLAC stream, LIST/INFO
in a WAV. Writing replaces the genre's own bytes and copies every other one as it stands, so
frames that no library knows, odd dates and the other tags survive. Only the two formats
whose offsets run through the whole file, MP4 and ASF, are saved by mutagen, and Ogg pages are
laid out by it. This is the only module that imports mutagen.

References
----------
ID3v1 and ID3v2: https://id3.org (id3v2.3.0, id3v2.4.0-structure, id3v2.4.0-frames).
APEv2: https://wiki.hydrogenaud.io/index.php?title=APEv2_specification.
FLAC metadata: RFC 9639 section 8. Vorbis comment: https://xiph.org/vorbis/doc/v-comment.html.
Opus tags: RFC 7845 section 5.2. RIFF and INFO: Microsoft and IBM, "Multimedia Programming
Interface and Data Specifications 1.0" (1991), chapter 2. AIFF: Apple, "Audio Interchange
File Format 1.3" (1989). DSF: Sony, "DSF File Format Specification 1.01" (2005).
"""

# mypy: allow-untyped-calls
# (mutagen says that it is typed, and leaves most of its functions without types)

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from mutagen.asf import ASF, BYTEARRAY
from mutagen.id3 import ID3, TCON
from mutagen.monkeysaudio import MonkeysAudioInfo
from mutagen.mp3 import MPEGInfo
from mutagen.mp4 import MP4, AtomDataType, MP4FreeForm
from mutagen.musepack import MusepackInfo
from mutagen.ogg import OggPage
from mutagen.wavpack import WavPackInfo

from genretagger.containers import BLOCKS, Container, container_of
from genretagger.errors import DamagedError, TrackError
from genretagger.records import BlockChange, GenreBlock, TrackTags

_PADDING = 1024
"""Bytes left free where a tag has to grow: mutagen's own lower bound (`PaddingInfo`)."""

_CHUNK = 1 << 20
"""Bytes moved at a time where a file has to grow or shrink."""

_STRETCH = 16384
"""Bytes hashed at a time to know audio again: 0.1 s of a CD, 0.4 s of the largest MP3."""

_COMMON = {
    "album": ("TALB", "ALBUM", "©ALB", "WM/ALBUMTITLE", "IPRD"),
    "album_artist": ("TPE2", "ALBUMARTIST", "ALBUM ARTIST", "AART", "WM/ALBUMARTIST"),
    "artist": ("TPE1", "ARTIST", "©ART", "AUTHOR", "IART"),
    "compilation": ("TCMP", "COMPILATION", "CPIL", "WM/ISCOMPILATION"),
    "cuesheet": ("CUESHEET",),
}
"""Where the blocks keep what an album needs; no key means two things in two blocks."""

_NAMES = {
    "artist": _COMMON["artist"],
    "title": ("TIT2", "TITLE", "©NAM", "INAM"),
    "album": _COMMON["album"],
    "isrc": ("TSRC", "ISRC", "----:COM.APPLE.ITUNES:ISRC", "WM/ISRC"),
}
"""Where the blocks keep what tells one recording from another."""

_COMMENTS = ("COMM", "COMMENT", "©CMT", "DESCRIPTION", "ICMT")
"""Where comments stand; ASF and some Vorbis comments call them a description."""

_VARIOUS = {"various artists", "various", "va"}


def read(path: Path, *, field: str | None = None, cue_sheet: bool | None = None) -> TrackTags:
    """Read what a genre tagger needs to know of one file's tags.

    Parameters
    ----------
    path : pathlib.Path
        The file; its suffix says which container it is.
    field : str, optional
        Read this custom field instead of the genre. Blocks that have no custom fields
        are then left out. ``"genre"`` means the genre itself.
    cue_sheet : bool, optional
        What `cue_beside` says, where it was asked already: it lists the folder.

    Returns
    -------
    TrackTags
        Values stand as stored, several where the block holds several; ID3 numbers are
        spelled out and empty values are left out.

    Raises
    ------
    TrackError
        If the file cannot be opened, or is not what its suffix says.
    """
    container = _container(path)
    with _one_error(path, f"cannot be read as {container.name}"):
        if not stat.S_ISREG(path.stat().st_mode):
            raise TrackError("not a regular file; leave it out")
        if not path.stat().st_size:
            raise DamagedError("the file is empty")
        with path.open("rb") as file:
            layout = _LAYOUTS[container.name](file)
            blocks = layout.blocks()
    if cue_sheet is None:
        cue_sheet = cue_beside(path)
    first = _family(container.native)
    order = list(BLOCKS)
    blocks.sort(key=lambda b: (_family(b.kind) != first, order.index(b.kind)))
    common = {
        name: next((v for b in blocks for k in keys for v in b.items.get(k, ())), "")
        for name, keys in _COMMON.items()
    }
    return TrackTags(
        blocks=tuple(
            GenreBlock(b.kind, b.items.get(key.upper(), ()))
            for b in blocks
            if (key := _key(b.kind, field))
        ),
        native=container.native,
        album=common["album"],
        album_artist=common["album_artist"],
        artist=common["artist"],
        is_compilation=common["compilation"].strip().lower() in {"1", "true", "yes"}
        or common["album_artist"].strip().casefold() in _VARIOUS,
        has_cuesheet=layout.has_cuesheet or bool(common["cuesheet"]) or cue_sheet,
        comments=tuple(v for b in blocks for key in _COMMENTS for v in b.items.get(key, ())),
    )


def names(path: Path) -> dict[str, str]:
    """Read what tells one recording from another by its tags.

    Parameters
    ----------
    path : pathlib.Path
        The file; its suffix says which container it is.

    Returns
    -------
    dict
        ``artist``, ``title``, ``album`` and ``isrc`` (ISO 3901): the first value that a
        block holds, the container's own block first, or empty.

    Raises
    ------
    TrackError
        If the file cannot be opened, or is not what its suffix says.
    """
    container = _container(path)
    with _one_error(path, f"cannot be read as {container.name}"), path.open("rb") as file:
        blocks = _LAYOUTS[container.name](file).blocks()
    blocks.sort(key=lambda b: _family(b.kind) != _family(container.native))
    return {
        name: next((v for b in blocks for k in keys for v in b.items.get(k, ())), "")
        for name, keys in _NAMES.items()
    }


def audio_id(path: Path) -> str:
    """Tell one encoded stream of audio from another, whatever tags stand around it.

    A hash of the length of the encoded audio, of what the container's header says about it
    (rate, channels, FLAC's MD5 of the samples, MP4's edit list and packet sizes), and of five
    stretches of it: the beginning, around the quarter, half and three-quarter point, where it
    is listened to, and the end. Encoding anew and trimming change the length, and nearly
    always the stretches, too; a change of volume or a resampling changes them everywhere. What
    stays unseen is a patch between the stretches of the same length to the byte, which does
    not change where it is listened to either. The whole would have to be read to see it, which
    for a hundred thousand tracks takes hours rather than a minute.

    Parameters
    ----------
    path : pathlib.Path
        The file; its suffix says which container it is.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    TrackError
        If the file cannot be opened, or is not what its suffix says.
    """
    container = _container(path)
    with _one_error(path, f"cannot be read as {container.name}"):
        if not stat.S_ISREG(path.stat().st_mode):
            raise TrackError("not a regular file; leave it out")
        with path.open("rb") as file:
            layout = _LAYOUTS[container.name](file)
            sound = layout.sound()
            digest = hashlib.blake2b(f"{container.name} {sound.size} ".encode(), digest_size=16)
            digest.update(sound.about)
            for at in sound.stretches():
                digest.update(layout.encoded(at, min(_STRETCH, sound.start + sound.size - at)))
    return digest.hexdigest()


def check_writable(path: Path) -> None:
    """Make sure that a file may be changed, by its mode bits as much as by our rights.

    A file or folder without a single write bit is somebody's wish, also for root, whom
    the system would let pass.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    TrackError
        If the file is missing, not a regular file, or read-only, or its folder is.
    """
    with _one_error(path, "cannot be examined"):
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
        if not stat.S_ISREG(mode):
            raise TrackError("not a regular file; leave it out")
        if not (mode & 0o222 and os.access(real, os.W_OK)):
            raise TrackError("the file is read-only; make it writable, or leave it out")
        # Windows sets the read-only bit of folders for purposes of its own
        folder_ok = os.name == "nt" or real.parent.stat().st_mode & 0o222
        if not (folder_ok and os.access(real.parent, os.W_OK)):
            raise TrackError("its folder is read-only; make it writable, or leave the file out")


def write(
    path: Path,
    changes: Sequence[BlockChange],
    *,
    field: str | None = None,
    preserve_mtime: bool = False,
) -> None:
    """Do to one file exactly what a plan says, and make sure that it was done.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    changes : sequence of BlockChange
        What each block holds now and is to hold; an empty `new` removes the genre there.
        A block that is missing is made. The kind ``"ID3v2.3"`` on a tag of version 2.4, or
        the reverse, converts the tag; ID3v2.2 can only be converted. A conversion is
        mutagen's, which drops what the other version has no frame for.
    field : str, optional
        Write this custom field instead of the genre, as in `read`.
    preserve_mtime : bool, optional
        Put the times of access and modification back afterwards.

    Raises
    ------
    TrackError
        If the file is read-only, has changed since the plan was made, or cannot hold the
        values, all of which leave it as it was; or if reading it back shows something else.
    """
    check_writable(path)
    container = _container(path)
    before = path.stat()
    what = f"cannot be written as {container.name}"
    with _one_error(path, what), path.open("r+b") as file:
        layout = _LAYOUTS[container.name](file)
        blocks = layout.blocks()
        edits = [_edit_of(change, blocks, field) for change in changes]
        layout.store([edit for edit in edits if edit is not None])
    stored = {_family(b.kind): b for b in read(path, field=field, cue_sheet=False).blocks}
    for change in changes:
        block = stored.get(_family(change.kind), GenreBlock(change.kind))
        if (block.kind, block.values) != (change.kind, change.new):
            raise TrackError(
                f"written, but {block.kind} reads back {_words(block.values)} instead of "
                f"{_words(change.new)}; look at the file with another tag editor"
            )
    if preserve_mtime:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# ---- Small parts that reading and writing share ---------------------------------------------


class _Block(NamedTuple):
    """One block as found: its kind, and its text values by upper-case key."""

    kind: str
    items: dict[str, tuple[str, ...]]


class _Edit(NamedTuple):
    """One change in a block's own terms: the key, and the values it is to hold."""

    kind: str
    key: str
    values: tuple[str, ...]


def _container(path: Path) -> Container:
    container = container_of(path)
    if container is None:
        raise TrackError("not a kind of audio file that genretagger knows; leave it out")
    return container


def _family(kind: str) -> str:
    """Say which place in a file a kind of block takes: the ID3v2 versions share one."""
    return "ID3v2" if kind.startswith("ID3v2") else kind


def _key(kind: str, field: str | None) -> str:
    """Say under which key a block holds the genre or the field; empty if it cannot."""
    if field is None or field.casefold() == "genre":
        return BLOCKS[kind].key
    return BLOCKS[kind].custom.replace("NAME", field)


def _words(values: tuple[str, ...]) -> str:
    short = (value if len(value) <= 60 else f"{value[:57]}..." for value in values)
    return ", ".join(json.dumps(value, ensure_ascii=False) for value in short) or "nothing"


def _edit_of(change: BlockChange, blocks: list[_Block], field: str | None) -> _Edit | None:
    """Turn a change into an edit, or refuse it while nothing has been touched."""
    key = _key(change.kind, field)
    if not key or (field is not None and not re.fullmatch(r"[ -<>-}]{2,255}", field)):
        raise TrackError(f"{change.kind} cannot hold a field {field!r}; choose another --field")
    if change.kind == "ID3v2.2":
        raise TrackError("ID3v2.2 cannot be written; plan for ID3v2.3")
    if any(not value or "\0" in value for value in change.new):
        raise TrackError("a genre is empty or contains a NUL character; correct the mapping")
    family = _family(change.kind)
    block = next((b for b in blocks if _family(b.kind) == family), None)
    now = block.items.get(_key(block.kind, field).upper(), ()) if block else ()
    if now != change.old:
        raise TrackError(
            f"the genre changed since the plan was made ({change.kind} holds {_words(now)}, "
            f"not {_words(change.old)}); make a new plan"
        )
    if block is None and not change.new:
        return None
    return _Edit(change.kind, key, change.new)


@contextmanager
def _one_error(path: Path, what: str) -> Iterator[None]:
    """Turn whatever opening, parsing or writing a file raises into one `TrackError`."""
    try:
        yield
    except TrackError:
        raise
    except OSError as error:
        raise TrackError(f"{error.strerror or error}; check the file and its folder") from error
    # A parser that meets arbitrary bytes raises anything: mutagen's own errors, struct.error,
    # IndexError, MemoryError for absurd sizes, RecursionError for nested atoms ...
    except Exception as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        if path.name in detail:
            detail = type(error).__name__
        raise TrackError(
            f"{what} ({detail}); play it, and if it plays, copy it with ffmpeg -c copy"
        ) from error


def cue_beside(path: Path) -> bool:
    """Tell whether ``stem.cue`` or ``name.cue`` lies beside a file, in any case."""
    # asked for every track of a second run, where a path made anew would cost the most
    folder = os.path.dirname(path) or os.curdir  # noqa: PTH120
    try:
        changed_ns = os.stat(folder).st_mtime_ns  # noqa: PTH116
    except OSError:
        return False
    # the clock of a file system ticks in up to 2 s (FAT): a listing younger than that may be
    # followed by another with the same time, so it is not kept
    settled = time.time_ns() - changed_ns > 2_000_000_000
    stems = (_cue_stems if settled else _cue_stems.__wrapped__)(folder, changed_ns)
    if not stems:
        return False
    return path.stem.casefold() in stems or path.name.casefold() in stems


@lru_cache(maxsize=16)
def _cue_stems(folder: str, changed_ns: int) -> frozenset[str]:  # noqa: ARG001 (cache key)
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return frozenset()
    return frozenset(n[:-4].casefold() for n in names if n[-4:].casefold() == ".cue")


# ---- ID3v2 ----------------------------------------------------------------------------------

_FRAME_ID = re.compile(rb"[A-Z][A-Z0-9]{2}[A-Z0-9 \0]")


def _synchsafe(data: bytes) -> int:
    """Read a 28-bit number kept in the lower seven bits of four bytes."""
    if len(data) != 4 or max(data) > 0x7F:
        raise ValueError("a size in the ID3v2 tag is not synchsafe")
    return data[0] << 21 | data[1] << 14 | data[2] << 7 | data[3]


def _to_synchsafe(number: int) -> bytes:
    if number >= 1 << 28:
        raise TrackError("the ID3v2 tag would exceed 256 MB; remove pictures from it first")
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _plain(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _id3v2_size(head: bytes) -> int:
    """Tell the length in bytes of the ID3v2 tag that begins with these 10 bytes, or 0."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    footer = 10 if head[3] == 4 and head[5] & 0x10 else 0
    return 10 + _synchsafe(head[6:10]) + footer


def _without_extended(raw: bytes) -> bytes:
    """Drop the extended header, whose checksum and padding size a change would make wrong.

    mutagen before 1.48 fails on one in a tag of version 2.3.
    """
    if raw[3] == 2 or not raw[5] & 0x40:
        return raw
    body = raw[10 : 10 + _synchsafe(raw[6:10])]
    if not _FRAME_ID.match(body):  # some taggers set the flag without writing the header
        body = body[_synchsafe(body[:4]) if raw[3] == 4 else 4 + _plain(body[:4]) :]
    return raw[:5] + bytes((raw[5] & ~0x40,)) + _to_synchsafe(len(body)) + body


def _parse_id3v2(raw: bytes) -> _Block:
    tag = ID3(BytesIO(_without_extended(raw)), translate=False, load_v1=False)
    version = tag.version[1]
    items: dict[str, tuple[str, ...]] = {}
    for frame in tag.values():
        name = frame.FrameID
        if name == "TXXX":
            name = f"TXXX:{frame.desc.upper()}"
        elif name not in {"TCON", "TALB", "TPE1", "TPE2", "TCMP", "COMM", "TIT2", "TSRC"}:
            continue
        # mutagen shows the frames of version 2.2 under their later names
        name = "TCO" if name == "TCON" and version == 2 else name
        texts = frame.genres if isinstance(frame, TCON) else frame.text
        items[name] = items.get(name, ()) + tuple(str(text) for text in texts if str(text))
    return _Block(f"ID3v2.{version}", items)


def _walk_frames(body: bytes, size_of: Callable[[bytes], int]) -> list[bytes]:
    """Cut the frames of an ID3v2.3 or 2.4 tag apart, up to the padding."""
    frames = []
    at = 0
    # padding begins with four NULs, as mutagen has it: with fewer, it is a frame whose name is
    # damaged, and what stands behind it must not be taken for padding
    while body[at : at + 4].strip(b"\0"):
        end = at + 10 + size_of(body[at + 4 : at + 8])
        if not _FRAME_ID.match(body, at) or end > len(body):
            raise ValueError("the frames of the ID3v2 tag do not add up")
        frames.append(body[at:end])
        at = end
    return frames


def _split_id3v2(raw: bytes) -> tuple[int, list[bytes], Callable[[int], bytes]]:
    """Take an ID3v2.3 or 2.4 tag apart: its flags, its frames, how it writes their sizes.

    The unsynchronisation of version 2.3, which runs over the whole tag, is undone.
    """
    raw = _without_extended(raw)
    version, flags = raw[3], raw[5]
    body = raw[10 : 10 + _synchsafe(raw[6:10])]
    if version == 3:
        if flags & 0x80:
            body = body.replace(b"\xff\x00", b"\xff")
        return flags & 0x20, _walk_frames(body, _plain), lambda size: size.to_bytes(4, "big")
    try:
        return flags & 0xA0, _walk_frames(body, _synchsafe), _to_synchsafe
    except ValueError:  # iTunes used to write plain sizes (mutagen, determine_bpi)
        return flags & 0xA0, _walk_frames(body, _plain), lambda size: size.to_bytes(4, "big")


def _convert_id3v2(raw: bytes, version: int) -> bytes:
    tag = ID3(BytesIO(_without_extended(raw)), translate=True, v2_version=version, load_v1=False)
    out = BytesIO()
    tag.save(out, v1=0, v2_version=version, v23_sep=None, padding=lambda _: 0)
    return out.getvalue()


def _id3v2_text(version: int, texts: Sequence[str]) -> bytes:
    """Encode strings for a text frame: UTF-8 in version 2.4, Latin-1 or UTF-16 in 2.3."""
    if version == 4:
        return b"\x03" + "\0".join(texts).encode()
    try:
        return b"\x00" + "\0".join(texts).encode("latin-1")
    except UnicodeEncodeError:
        return b"\x01" + b"\0\0".join(f"\ufeff{text}".encode("utf-16-le") for text in texts)


def _escaped(value: str) -> str:
    """Write a genre so that it is not read as numbers in parentheses (ID3v2.3, TCON)."""
    return value if TCON(text=[value]).genres == [value] else f"({value}"


def _edit_id3v2(raw: bytes, edit: _Edit) -> bytes:
    version, room = int(edit.kind[-1]), len(raw)
    if raw and raw[3] != version:
        raw = _convert_id3v2(raw, version)
    raw = raw or b"ID3" + bytes((version, 0, 0, 0, 0, 0, 0))
    flags, frames, size_of = _split_id3v2(raw)
    name, _, description = edit.key.partition(":")

    def is_ours(frame: bytes) -> bool:
        nonlocal description
        if frame[:4] != name.encode() or name != "TXXX":
            return frame[:4] == name.encode()
        alone = b"ID3" + bytes((version, 0, flags)) + _to_synchsafe(len(frame)) + frame
        found = ID3(BytesIO(alone), translate=False, load_v1=False).getall("TXXX")
        if not found or found[0].desc.upper() != description.upper():
            return False
        description = found[0].desc
        return True

    ours = [is_ours(frame) for frame in frames]
    others = [frame for frame, mine in zip(frames, ours, strict=True) if not mine]
    if edit.values:
        texts = [description, *edit.values] if description else map(_escaped, edit.values)
        text = _id3v2_text(version, list(texts))
        at = ours.index(True) if any(ours) else len(others)
        others.insert(at, name.encode() + size_of(len(text)) + b"\0\0" + text)
    if not others:
        return b""  # a tag holds at least one frame
    body = b"".join(others)
    size = room if 10 + len(body) <= room else 10 + len(body) + _PADDING
    head = b"ID3" + bytes((version, raw[4], flags)) + _to_synchsafe(size - 10)
    return (head + body).ljust(size, b"\0")


# ---- ID3v1 ----------------------------------------------------------------------------------


def _parse_id3v1(raw: bytes) -> _Block:
    def text(start: int, end: int) -> tuple[str, ...]:
        value = raw[start:end].split(b"\0")[0].decode("latin-1").strip()
        return (value,) if value else ()

    genre = tuple(TCON.GENRES[raw[127] : raw[127] + 1])  # 255 and other unknown: none
    texts = {"ARTIST": text(33, 63), "ALBUM": text(63, 93), "COMMENT": text(97, 125)}
    return _Block("ID3v1", {"BYTE 127": genre} | texts)


def _edit_id3v1(raw: bytes, edit: _Edit) -> bytes:
    if not raw:
        raise TrackError("an ID3v1 tag is never made; plan for another block")
    if len(edit.values) > 1 or any(value not in TCON.GENRES for value in edit.values):
        raise TrackError(f"ID3v1 has no number for {_words(edit.values)}; make a new plan")
    number = TCON.GENRES.index(edit.values[0]) if edit.values else 255
    return raw[:127] + bytes((number,))


# ---- APEv2 ----------------------------------------------------------------------------------

_APE_HAS_HEADER, _APE_IS_HEADER = 1 << 31, 1 << 29


def _split_apev2(raw: bytes) -> tuple[list[tuple[str, bool, bytes, bytes]], bytes]:
    """Take an APEv2 tag apart: (key, is text, value, whole item) each, and what is left."""
    size, count = struct.unpack("<II", raw[-20:-12])
    at, end = len(raw) - size, len(raw) - 32
    items = []
    for _ in range(count):
        length, flags = struct.unpack_from("<II", raw, at)
        value = raw.index(b"\0", at + 8, end) + 1
        if value + length > end:
            raise ValueError("the items of the APEv2 tag do not add up")
        key = raw[at + 8 : value - 1].decode("latin-1")
        whole = raw[at : value + length]
        items.append((key, not flags & 6, raw[value : value + length], whole))
        at = value + length
    return items, raw[at:end]


def _parse_apev2(raw: bytes) -> _Block:
    items: dict[str, tuple[str, ...]] = {}
    for key, is_text, value, _ in _split_apev2(raw)[0]:
        if is_text:
            texts = value.decode("utf-8", "replace").split("\0")
            found = tuple(text for text in texts if text)
            items[key.upper()] = items.get(key.upper(), ()) + found
    return _Block("APEv2", items)


def _edit_apev2(raw: bytes, edit: _Edit) -> bytes:
    if edit.key.upper() in {"ID3", "TAG", "OGGS", "MP+"}:
        raise TrackError(f"APEv2 forbids a field {edit.key!r}; choose another --field")
    items, rest = _split_apev2(raw) if raw else ([], b"")
    version, flags = struct.unpack("<I8xI", raw[-24:-8]) if raw else (2000, _APE_HAS_HEADER)
    ours = [key.upper() == edit.key.upper() for key, *_ in items]
    wholes = [whole for (*_, whole), mine in zip(items, ours, strict=True) if not mine]
    if edit.values:
        at = ours.index(True) if any(ours) else len(wholes)
        key = items[at][0] if any(ours) else edit.key
        value = "\0".join(edit.values).encode()
        wholes.insert(at, struct.pack("<II", len(value), 0) + key.encode() + b"\0" + value)
    if not wholes:
        return b""
    body = b"".join(wholes) + rest

    def end(extra: int) -> bytes:
        fields = struct.pack("<IIII", version, len(body) + 32, len(wholes), flags | extra)
        return b"APETAGEX" + fields + bytes(8)

    return (end(_APE_IS_HEADER) if flags & _APE_HAS_HEADER else b"") + body + end(0)


# ---- Vorbis comment -------------------------------------------------------------------------


def _split_vorbis(raw: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Take a Vorbis comment apart: the vendor's name, the comments, what follows them."""
    at = 0

    def take() -> bytes:
        nonlocal at
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4 + length
        if at > len(raw):
            raise ValueError("the Vorbis comment runs past its end")
        return raw[at - length : at]

    vendor = take()
    (count,) = struct.unpack_from("<I", raw, at)
    at += 4
    comments = [take() for _ in range(count)]
    return vendor, comments, raw[at:]


def _parse_vorbis(raw: bytes) -> _Block:
    items: dict[str, tuple[str, ...]] = {}
    for comment in _split_vorbis(raw)[1]:
        key, _, value = comment.decode("utf-8", "replace").partition("=")
        if value:
            items[key.upper()] = (*items.get(key.upper(), ()), value)
    return _Block("Vorbis comment", items)


def _edit_vorbis(raw: bytes, edit: _Edit) -> bytes:
    vendor, comments, rest = _split_vorbis(raw) if raw else (b"", [], b"")
    keys = [comment.partition(b"=")[0] for comment in comments]
    ours = [key.upper() == edit.key.upper().encode() for key in keys]
    at = ours.index(True) if any(ours) else len(comments)
    key = keys[at] if any(ours) else edit.key.encode()
    comments = [c for c, mine in zip(comments, ours, strict=True) if not mine]
    comments[at:at] = [key + b"=" + value.encode() for value in edit.values]
    counted = [struct.pack("<I", len(text)) + text for text in (vendor, *comments)]
    counted.insert(1, struct.pack("<I", len(comments)))
    return b"".join(counted) + rest


# ---- RIFF INFO ------------------------------------------------------------------------------


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Cut a little-endian LIST apart: (identifier, content) each."""
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > len(data):
            raise ValueError("LIST/INFO runs past its end")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _chunk(name: bytes, content: bytes, order: str = "<") -> bytes:
    if len(content) > 0xFFFFFFFF:
        raise TrackError("a chunk would exceed 4 GB; convert the file to FLAC")
    return name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)


def _parse_info(raw: bytes) -> _Block:
    items: dict[str, tuple[str, ...]] = {}
    for name, content in _chunks(raw, 4):
        text = content.split(b"\0")[0]
        try:
            value = text.decode()
        except UnicodeDecodeError:
            value = text.decode("latin-1")
        if value:
            items.setdefault(name.decode("latin-1").upper(), (value,))
    return _Block("RIFF INFO", items)


def _edit_info(raw: bytes, edit: _Edit) -> bytes:
    if len(edit.values) > 1:
        raise TrackError("RIFF INFO holds one genre only; make a new plan")
    chunks = list(_chunks(raw or b"INFO", 4))
    ours = [name == edit.key.encode() for name, _ in chunks]
    at = ours.index(True) if any(ours) else len(chunks)
    chunks = [chunk for chunk, mine in zip(chunks, ours, strict=True) if not mine]
    chunks[at:at] = [(edit.key.encode(), value.encode() + b"\0") for value in edit.values]
    return b"INFO" + b"".join(_chunk(*chunk) for chunk in chunks) if chunks else b""


_FORMATS: dict[str, tuple[Callable[[bytes], _Block], Callable[[bytes, _Edit], bytes]]] = {
    "ID3v2": (_parse_id3v2, _edit_id3v2),
    "ID3v1": (_parse_id3v1, _edit_id3v1),
    "APEv2": (_parse_apev2, _edit_apev2),
    "Vorbis comment": (_parse_vorbis, _edit_vorbis),
    "RIFF INFO": (_parse_info, _edit_info),
}
"""How the bytes of a block become a `_Block`, and what an edit makes of them."""


# ---- Layouts: where a container keeps its blocks ---------------------------------------------


class _Splice(NamedTuple):
    """Put `data` where `size` bytes at `offset` stand now."""

    offset: int
    size: int
    data: bytes


def _apply(file: BinaryIO, splices: Sequence[_Splice]) -> None:
    """Carry splices out, the last in the file first, so that offsets stay true."""
    for offset, size, data in sorted(splices, reverse=True):
        _move(file, offset + size, offset + len(data))
        file.seek(offset)
        file.write(data)
    file.flush()


def _move(file: BinaryIO, old: int, new: int) -> None:
    """Move everything from byte `old` to the end so that it begins at byte `new`."""
    if old == new:
        return
    end = file.seek(0, os.SEEK_END)
    starts = range(old, end, _CHUNK)
    for start in starts if new < old else reversed(starts):
        file.seek(start)
        data = file.read(min(_CHUNK, end - start))
        file.seek(start - old + new)
        file.write(data)
    if new < old:
        file.truncate(end - old + new)


class _Sound(NamedTuple):
    """Where the encoded audio lies, and what else decides how it sounds."""

    start: int
    size: int
    about: bytes = b""

    def stretches(self) -> Sequence[int]:
        """Choose where to look, in bytes; all of it where it is short."""
        if self.size <= 5 * _STRETCH:
            return range(self.start, self.start + self.size, _STRETCH)
        return [self.start + (self.size - _STRETCH) * quarter // 4 for quarter in range(5)]


class _Layout:
    """The blocks of one open file; `raw` holds the bytes of each by its family."""

    has_cuesheet = False

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)
        self.raw: dict[str, bytes] = {}

    def blocks(self) -> list[_Block]:
        """Parse every block."""
        return [_FORMATS[family][0](raw) for family, raw in self.raw.items()]

    def store(self, edits: Sequence[_Edit]) -> None:
        """Write the edits, after making sure in memory that they will read back."""
        new = {}
        for edit in edits:
            family = _family(edit.kind)
            parse, change = _FORMATS[family]
            new[family] = changed = change(self.raw.get(family, b""), edit)
            read_back = parse(changed).items.get(edit.key.upper(), ()) if changed else ()
            if read_back != edit.values:
                raise TrackError(f"{edit.kind} cannot hold {_words(edit.values)}; rename it")
        if new:
            self.embed(new)

    def embed(self, new: dict[str, bytes]) -> None:
        """Put new bytes in the place of these blocks; empty bytes remove a block."""
        raise NotImplementedError

    def sound(self) -> _Sound:
        """Find the encoded audio."""
        raise NotImplementedError

    def encoded(self, offset: int, size: int) -> bytes:
        """Read encoded audio, without what a change of the tags alters in it."""
        return self.at(offset, size)

    def at(self, offset: int, size: int) -> bytes:
        """Read exactly `size` bytes at `offset`."""
        if not 0 <= offset <= offset + size <= self.size:
            raise ValueError("the file ends too early")
        self.file.seek(offset)
        return self.file.read(size)


class _Stream(_Layout):
    """A bare stream: ID3v2 before it; APEv2, Lyrics3 and ID3v1 behind it.

    Parameters
    ----------
    file : binary file
    info : callable
        mutagen's reader of the stream's properties, which refuses what is not one.
    """

    def __init__(self, file: BinaryIO, info: Callable[[BinaryIO], object]) -> None:
        super().__init__(file)
        self.start = _id3v2_size(self.at(0, min(10, self.size)))
        self.places: dict[str, tuple[int, int]] = {}
        if self.start:
            self._found("ID3v2", 0, self.start)
        file.seek(self.start)
        info(file)
        end = self.size
        tail = self.at(max(self.start, end - 131), min(131, end - self.start))
        # "TAG" 128 bytes from the end may also be the middle of an APEv2 header
        if tail[-128:-125] == b"TAG" and tail[-131:-123] != b"APETAGEX":
            end -= 128
            self._found("ID3v1", end, 128)
            if end - self.start >= 227 and self.at(end - 227, 4) == b"TAG+":
                end -= 227  # "enhanced" ID3v1: longer titles, left alone
            if end - self.start >= 15 and self.at(end - 9, 9) == b"LYRICS200":
                end -= 15 + int(self.at(end - 15, 6))
        if end < self.start:
            raise ValueError("the size of the Lyrics3 tag is wrong")
        self.end = end
        if end - self.start >= 32 and self.at(end - 32, 8) == b"APETAGEX":
            size, flags = struct.unpack("<I4xI", self.at(end - 20, 12))
            if flags & _APE_HAS_HEADER and self.at(end - size - 32, 8) == b"APETAGEX":
                size += 32
            if not 32 <= size <= end - self.start:
                raise ValueError("the size of the APEv2 tag is wrong")
            self._found("APEv2", end - size, size)

    def _found(self, family: str, offset: int, size: int) -> None:
        self.places[family] = offset, size
        self.raw[family] = self.at(offset, size)

    def sound(self) -> _Sound:
        end, _ = self.places.get("APEv2", (self.end, 0))
        return _Sound(self.start, end - self.start)

    def splices(self, new: dict[str, bytes]) -> list[_Splice]:
        """Say where the new blocks go; a new APEv2 tag stands before Lyrics3 and ID3v1."""
        nowhere = {"ID3v2": (0, 0), "APEv2": (self.end, 0)}
        return [_Splice(*self.places.get(f, nowhere.get(f, (0, 0))), d) for f, d in new.items()]

    def embed(self, new: dict[str, bytes]) -> None:
        _apply(self.file, self.splices(new))


class _Flac(_Stream):
    """A native FLAC stream, and whatever other programs put around it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, lambda _: self._walk())
        place = next((b for b in self.metadata if b[0] == 4), None)
        if place:
            self._found("Vorbis comment", *place[1:])

    def _walk(self) -> None:
        """List the metadata blocks: type, offset and size of the content in bytes."""
        self.metadata: list[tuple[int, int, int]] = []
        offset, last = self.start + 4, 0
        if self.at(self.start, 4) != b"fLaC":
            raise ValueError("no FLAC stream")
        while not last:
            head = self.at(offset, 4)
            last, kind, size = head[0] & 0x80, head[0] & 0x7F, _plain(head[1:])
            self.metadata.append((kind, offset + 4, size))
            offset += 4 + size
            if offset > self.size:
                raise ValueError("the metadata runs past the end of the file")
        if self.metadata[0][0] != 0:
            raise ValueError("no STREAMINFO block")
        self.has_cuesheet = any(kind == 5 for kind, *_ in self.metadata)

    def sound(self) -> _Sound:
        (_, offset, size), last = self.metadata[0], self.metadata[-1]
        start = last[1] + last[2]
        return _Sound(start, super().sound().size + self.start - start, self.at(offset, size))

    def splices(self, new: dict[str, bytes]) -> list[_Splice]:
        comment = new.get("Vorbis comment")
        splices = super().splices({f: d for f, d in new.items() if f != "Vorbis comment"})
        if comment is None:
            return splices
        if len(comment) > 0xFFFFFF:
            raise TrackError("the Vorbis comment would exceed 16 MB; remove pictures from it")
        # everything from the first to the last block is laid out again: the comment in its
        # place or second, the last padding block taking up the difference
        blocks = [(kind, self.at(offset, size)) for kind, offset, size in self.metadata]
        old_size = sum(4 + len(data) for _, data in blocks)
        at = next((i for i, (kind, _) in enumerate(blocks) if kind == 4), None)
        blocks[1 if at is None else at : 1 if at is None else at + 1] = [(4, comment)]
        pads = [i for i, (kind, _) in enumerate(blocks) if kind == 1]
        at = pads[-1] if pads else len(blocks)
        del blocks[at : at + 1]
        room = old_size - sum(4 + len(data) for _, data in blocks)
        if room:
            blocks.insert(at, (1, bytes(min(room - 4 if room >= 4 else _PADDING, 0xFFFFFF))))
        data = b"".join(
            bytes((kind | (0x80 if i == len(blocks) - 1 else 0),))
            + len(content).to_bytes(3, "big")
            + content
            for i, (kind, content) in enumerate(blocks)
        )
        return [*splices, _Splice(self.start + 4, old_size, data)]


class _Iff(_Layout):
    """WAV and AIFF: chunks, of which one may be an ID3v2 tag and one LIST/INFO."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        head = self.at(0, 12)
        if head[:4] in {b"RF64", b"BW64"}:
            raise TrackError("a 64-bit WAV, whose tags cannot be written; convert it to FLAC")
        self.is_riff = head[:4] == b"RIFF" and head[8:] == b"WAVE"
        if not self.is_riff and not (head[:4] == b"FORM" and head[8:] in {b"AIFF", b"AIFC"}):
            raise ValueError("no WAVE or AIFF header")
        self.order = "<" if self.is_riff else ">"
        (size,) = struct.unpack(f"{self.order}I", head[4:8])
        self.end = 8 + size + size % 2
        if self.end > self.size + 1:
            raise ValueError("the file is shorter than its header says")
        self.end = min(self.end, self.size)
        self.places: dict[str, tuple[int, int, bytes]] = {}
        self.chunks: dict[bytes, tuple[int, int]] = {}
        offset = 12
        while offset + 8 <= self.end:
            name, size = struct.unpack(f"{self.order}4sI", self.at(offset, 8))
            if offset + 8 + size > self.end:
                raise ValueError("a chunk runs past the end of the file")
            self.chunks.setdefault(name, (offset + 8, size))
            family = "ID3v2" if name.upper() == b"ID3 " else ""
            if self.is_riff and name == b"LIST" and self.at(offset + 8, 4) == b"INFO":
                family = "RIFF INFO"
            if family and family not in self.places:
                end = min(offset + 8 + size + size % 2, self.end)
                self.places[family] = offset, end - offset, name
                self.raw[family] = self.at(offset + 8, size)
            offset += 8 + size + size % 2
        self.about = b"fmt " if self.is_riff else b"COMM"
        if self.about not in self.chunks:
            raise ValueError("no chunk that describes the audio")

    def sound(self) -> _Sound:
        start, size = self.chunks.get(b"data" if self.is_riff else b"SSND", (0, 0))
        return _Sound(start, size, self.at(*self.chunks[self.about]))

    def embed(self, new: dict[str, bytes]) -> None:
        names = {"ID3v2": b"id3 " if self.is_riff else b"ID3 ", "RIFF INFO": b"LIST"}
        splices = []
        for family, content in new.items():
            offset, size, name = self.places.get(family, (self.end, 0, names[family]))
            data = _chunk(name, content, self.order) if content else b""
            # the last chunk before may lack its padding byte
            splices.append(_Splice(offset, size, b"\0" * (offset % 2) + data if data else b""))
        size = self.end - 8 + sum(len(data) - size for _, size, data in splices)
        if size > 0xFFFFFFFF:
            raise TrackError("the file would exceed 4 GB; convert it to FLAC")
        _apply(self.file, [*splices, _Splice(4, 4, struct.pack(f"{self.order}I", size))])


class _Dsf(_Layout):
    """DSF: an ID3v2 tag at the end, to which the header points."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        head = self.at(0, 32)
        if head[:4] != b"DSD " or head[28:] != b"fmt ":
            raise ValueError("no DSF header")
        (self.pointer,) = struct.unpack("<Q", head[20:28])
        if self.pointer:
            size = _id3v2_size(self.at(self.pointer, 10))
            if not size:
                raise ValueError("no ID3v2 tag where the header says")
            self.raw["ID3v2"] = self.at(self.pointer, size)

    def sound(self) -> _Sound:
        return _Sound(28, (self.pointer or self.size) - 28)

    def embed(self, new: dict[str, bytes]) -> None:
        for data in new.values():
            old = len(self.raw.get("ID3v2", b""))
            offset = self.pointer or self.size
            header = struct.pack("<QQ", self.size + len(data) - old, offset if data else 0)
            _apply(self.file, [_Splice(offset, old, data), _Splice(12, 16, header)])


_PAGE_NUMBERS = re.compile(rb"(OggS.{14})(.{1,8})", re.DOTALL)


class _Ogg(_Layout):
    """Ogg: the comment is the second packet of the stream, in pages that mutagen lays out."""

    PREFIXES = (
        (b"\x01vorbis", b"\x03vorbis"),
        (b"OpusHead", b"OpusTags"),
        (b"\x7fFLAC", b""),
        (b"Speex   ", b""),
    )

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        file.seek(0)
        codec = None
        while codec is None:
            first = OggPage(file)
            if not first.first:
                raise ValueError("no Vorbis, Opus, FLAC or Speex stream")
            codec = next((c for c in self.PREFIXES if first.packets[0].startswith(c[0])), None)
        self.codec, self.prefix = codec
        self.pages: list[OggPage] = []
        while not self.pages or not (self.pages[-1].complete or len(self.pages[-1].packets) > 1):
            page = OggPage(file)
            if page.serial == first.serial:
                self.pages.append(page)
        self.packets: list[bytes] = OggPage.to_packets(self.pages)
        packet = self.packets[0]
        if self.codec == b"\x7fFLAC":
            self.prefix = packet[:4]
            if packet[0] & 0x7F != 4:
                raise ValueError("no Vorbis comment where Ogg FLAC has it")
        if not packet.startswith(self.prefix):
            raise ValueError("no comment packet")
        comment = packet[len(self.prefix) :]
        self.rest = _split_vorbis(comment)[2]
        self.raw["Vorbis comment"] = comment[: len(comment) - len(self.rest)]

    def sound(self) -> _Sound:
        """Begin with the first page on which a packet of audio ends: it has a position."""
        offset = 0
        while offset < self.size:
            head = self.at(offset, 27)
            if head[:4] != b"OggS":
                raise ValueError("something between the Ogg pages")
            if int.from_bytes(head[6:14], "little", signed=True) > 0:
                break
            offset += 27 + head[26] + sum(self.at(offset + 27, head[26]))
        return _Sound(offset, self.size - offset)

    def encoded(self, offset: int, size: int) -> bytes:
        # where the comment takes up more pages or fewer, later ones get another number, and so
        # another checksum: bytes 18 to 25 of a page's head, which may begin before the stretch
        before = min(25, offset)
        data = self.at(offset - before, before + size)
        return _PAGE_NUMBERS.sub(lambda m: m[1] + bytes(len(m[2])), data)[before:]

    def embed(self, new: dict[str, bytes]) -> None:
        for comment in new.values():
            old_size = len(self.packets[0])
            if self.codec == b"\x7fFLAC":
                self.prefix = self.prefix[:1] + len(comment).to_bytes(3, "big")
            # Vorbis: a framing bit, then padding. Opus: padding, unless its first bit is set
            # and says that it means something (RFC 7845 section 5.2). FLAC, Speex: neither.
            rest, can_pad = self.rest, self.codec in {b"\x01vorbis", b"OpusHead"}
            if self.codec == b"\x01vorbis":
                rest = rest[:1]
            elif self.codec == b"OpusHead":
                can_pad = not (rest and rest[0] & 1)
                rest = b"" if can_pad else rest
            packet = self.prefix + comment + rest
            if can_pad:
                fits = len(packet) <= old_size
                packet = packet.ljust(old_size if fits else len(packet) + _PADDING, b"\0")
            self.packets[0] = packet
            if len(packet) == old_size:  # the pages keep their sizes: put the bytes into them
                data = BytesIO(b"".join(self.packets))
                for page in self.pages:
                    page.packets = [data.read(len(part)) for part in page.packets]
                pages = self.pages
            else:
                pages = OggPage.from_packets(self.packets, self.pages[0].sequence)
            if len(pages) != len(self.pages):
                self._read_all()
            OggPage.replace(self.file, self.pages, pages)

    def _read_all(self) -> None:
        """Read every page, because a broken one would stop their being numbered anew."""
        self.file.seek(0)
        while self.file.tell() < self.size:
            OggPage(self.file)


class _ByMutagen(_Layout):
    """A header that mutagen reads and writes."""

    opened: Callable[[BinaryIO], Any]

    @cached_property
    def audio(self) -> Any:
        """What mutagen makes of it."""
        self.file.seek(0)
        return type(self).opened(self.file)


class _Mp4(_ByMutagen):
    """MP4, saved by mutagen, which keeps atoms that it does not know."""

    opened = MP4

    def sound(self) -> _Sound:
        """Take the largest ``mdat``, and of ``moov`` all but tags, dates and places in the file."""
        about = []
        found = _Sound(0, 0)

        def walk(start: int, end: int) -> None:
            nonlocal found
            for name, at, after in self._atoms(start, end):
                if name in {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"}:
                    walk(at, after)
                elif name in {b"elst", b"stsd", b"stts", b"stsc", b"stsz"}:
                    about.append(self.at(at, after - at))
                elif name == b"mdat":
                    about.append(b"%d" % (after - at))
                    found = max(found, _Sound(at, after - at), key=lambda sound: sound.size)

        walk(0, self.size)
        return found._replace(about=b"".join(about))

    def blocks(self) -> list[_Block]:
        if self.audio.tags is None:
            return []
        items: dict[str, tuple[str, ...]] = {}
        for key, values in self.audio.tags.items():
            texts = [str(int(values))] if isinstance(values, bool) else values
            if key.startswith("----"):
                texts = [bytes(value).decode("utf-8", "replace") for value in values]
            if isinstance(texts, list):
                found = tuple(text for text in texts if text and isinstance(text, str))
                items[key.upper()] = items.get(key.upper(), ()) + found
        return [_Block("MP4", items)]

    def store(self, edits: Sequence[_Edit]) -> None:
        if any(name == b"moof" for name, *_ in self._atoms(0, self.size)):
            # mutagen corrects the offsets of the first fragment only, and the rest goes silent
            raise TrackError("a fragmented MP4; make it a plain one first with ffmpeg -c copy")
        for edit in edits:
            if self.audio.tags is None:
                self.audio.add_tags()
            tags = self.audio.tags
            ours = [key for key in tags if key.upper() == edit.key.upper()]
            for key in ours:
                del tags[key]
            values: list[object] = list(edit.values)
            if edit.key.startswith("----"):
                values = [MP4FreeForm(v.encode(), AtomDataType.UTF8) for v in edit.values]
            if values:
                tags[ours[0] if ours else edit.key] = values
            self.file.seek(0)
            self.audio.save(self.file)

    def _atoms(self, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """Cut a stretch into atoms: the name, where its content begins, where it ends."""
        while start + 8 <= end:
            size, name = struct.unpack(">I4s", self.at(start, 8))
            head = 8
            if size == 1:  # a 64-bit size follows
                head, (size,) = 16, struct.unpack(">Q", self.at(start + 8, 8))
            if size < head:  # 0: up to the end
                size = end - start
            yield name, start + head, min(start + size, end)
            start += size


_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


class _Asf(_ByMutagen):
    """WMA, whose header mutagen writes anew."""

    opened = ASF

    def sound(self) -> _Sound:
        """Take everything behind the header object, which holds tags and a date."""
        head = self.at(0, 24)
        if head[:16] != _ASF_HEADER:
            raise ValueError("no ASF header")
        (size,) = struct.unpack("<Q", head[16:])
        return _Sound(size, self.size - size)

    def blocks(self) -> list[_Block]:
        items: dict[str, tuple[str, ...]] = {}
        for key, value in self.audio.tags:
            if value.TYPE != BYTEARRAY and str(value):
                items[key.upper()] = (*items.get(key.upper(), ()), str(value))
        return [_Block("ASF", items)] if self.audio.tags else []

    def store(self, edits: Sequence[_Edit]) -> None:
        for edit in edits:
            tags = self.audio.tags
            key = next((k for k, _ in tags if k.upper() == edit.key.upper()), edit.key)
            tags[:] = [(k, v) for k, v in tags if k.upper() != edit.key.upper()]
            tags[key] = list(edit.values)
            self.file.seek(0)
            self.audio.save(self.file)


def _musepack(file: BinaryIO) -> object:
    """Read a Musepack stream's properties, but only if its packets lead from one to the next.

    mutagen's reader goes round in circles for ever where a packet is smaller than its header.
    """
    start = file.tell()
    if file.read(4) == b"MPCK":
        for _ in range(_MOST_PACKETS):
            if file.read(2) in {b"AP", b"SE", b""}:
                break
            size, n, byte = 0, 2, 0x80
            while byte & 0x80:
                byte = file.read(1)[0]
                size, n = size << 7 | byte & 0x7F, n + 1
                if n > 12:  # 64 bits, seven in a byte
                    raise ValueError("a packet's size is no number")
            if size < n:
                raise ValueError("a packet is smaller than its own header")
            file.seek(size - n, os.SEEK_CUR)
        else:
            raise ValueError("no audio among its first packets")
    file.seek(start)
    return MusepackInfo(file)


_MOST_PACKETS = 100
"""Before the audio of a Musepack stream; encoders write four or five."""

_LAYOUTS: dict[str, Callable[[BinaryIO], _Layout]] = {
    "MP3": partial(_Stream, info=lambda file: MPEGInfo(file, file.tell())),
    "FLAC": _Flac,
    "Ogg Vorbis": _Ogg,
    "Opus": _Ogg,
    "WAV": _Iff,
    "AIFF": _Iff,
    "M4A (AAC, ALAC)": _Mp4,
    "WMA": _Asf,
    "Monkey's Audio": partial(_Stream, info=MonkeysAudioInfo),
    "Musepack": partial(_Stream, info=_musepack),
    "WavPack": partial(_Stream, info=WavPackInfo),
    "DSF": _Dsf,
}
"""The layout of each container of `containers.CONTAINERS`."""
