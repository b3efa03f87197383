"""Small tagged audio files of every container, made of synthetic music.

Tags are written by mutagen or byte by byte, never by genretagger itself, so that what the
tests compare it with comes from somebody else.

Examples
--------
>>> import tempfile
>>> path = Path(tempfile.mkdtemp()) / "a.flac"
>>> make("FLAC", path, seconds=0.5, genre=("Pop", "Rock"), title="Demo")
>>> path.read_bytes()[:4]
b'fLaC'
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from mutagen import aiff, apev2, asf, dsf, flac, id3, mp4, oggflac, oggopus, oggvorbis, wave
from numpy.typing import NDArray


def _png() -> bytes:
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\xff")),
        (b"prIv", bytes(range(256)) * 4),
        (b"IEND", b""),
    ]
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


PICTURE = _png()
"""One white pixel, and a private chunk of bytes that are easily mangled (NUL, 0xFF 0x00)."""

ROOTS_HZ = (220.0, 174.614, 261.626, 195.998)
"""A3, F3, C4, G3: the chord roots, equal temperament, A4 = 440 Hz."""


class MissingToolError(Exception):
    """A program that encodes this container is not installed."""


def music(
    seconds: float = 1.0, sr: int = 44100, channels: int = 2, seed: int = 0
) -> NDArray[np.float32]:
    """Make half-second major chords with overtones over soft noise.

    Returns
    -------
    numpy.ndarray, shape (n_samples, channels), float32
        Within [-0.8, 0.8]; the same for the same arguments.
    """
    time_s = np.arange(round(seconds * sr)) / sr
    beat = (time_s / 0.5).astype(int)
    root_hz = np.asarray(ROOTS_HZ)[beat % len(ROOTS_HZ)]
    decay = np.exp(-3 * (time_s - 0.5 * beat))
    chord = np.zeros_like(time_s)
    for interval in (1, 5 / 4, 3 / 2):
        for overtone in (1, 2, 3):
            chord += np.sin(2 * np.pi * root_hz * interval * overtone * time_s) / overtone
    noise = np.random.default_rng(seed).standard_normal((len(time_s), channels))
    sides = np.linspace(0.8, 1.0, channels)
    y = (chord * decay / 6)[:, None] * sides + 0.01 * noise
    return np.clip(y, -0.8, 0.8).astype(np.float32)


# ---- Encoding --------------------------------------------------------------------------------


def _run(package: str, *command: str | Path) -> None:
    if shutil.which(str(command[0])) is None:
        raise MissingToolError(f"{command[0]} is not installed (Debian package {package})")
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def _by_soundfile(path: Path, y: NDArray[np.float32], sr: int, **options: str) -> None:
    with path.open("wb") as file:
        soundfile.write(file, y, sr, **options)


def _soundfile(**options: str) -> Callable[[Path, NDArray[np.float32], int], None]:
    return lambda path, y, sr: _by_soundfile(path, y, sr, **options)


def _external(package: str, *command: str) -> Callable[[Path, NDArray[np.float32], int], None]:
    def encode(path: Path, y: NDArray[np.float32], sr: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "in.wav"
            _by_soundfile(source, y, sr, format="WAV", subtype="PCM_16")
            _run(package, *(str({"IN": source, "OUT": path}.get(part, part)) for part in command))

    return encode


def _ffmpeg(*options: str) -> Callable[[Path, NDArray[np.float32], int], None]:
    quiet = ("-v", "error", "-y", "-i", "IN", "-fflags", "+bitexact", "-flags:a", "+bitexact")
    return _external("ffmpeg", "ffmpeg", *quiet, "-map_metadata", "-1", *options, "OUT")


DSD64_HZ = 64 * 44100
DSF_BLOCK = 4096
"""Bytes of one channel in a row (Sony, DSF File Format Specification 1.01, page 6)."""


def _encode_dsf(path: Path, y: NDArray[np.float32], sr: int) -> None:
    """Write 1-bit audio by a second-order sigma-delta modulator.

    Stretches of 16384 bits are modulated side by side, each from rest, which costs a little
    noise at their edges and makes numpy fast enough.
    """
    n_bits = round(len(y) / sr * DSD64_HZ) // 8 * 8
    at = np.arange(n_bits) / DSD64_HZ
    lane = 16384
    channels = []
    for channel in y.T:
        x = 0.5 * np.interp(at, np.arange(len(channel)) / sr, channel)
        lanes = np.pad(x, (0, -n_bits % lane)).reshape(-1, lane).T
        first = second = np.zeros(lanes.shape[1])
        bits = np.empty(lanes.shape, dtype=bool)
        for i, sample in enumerate(lanes):
            bits[i] = second >= 0
            out = np.where(bits[i], 1.0, -1.0)
            first = first + sample - out
            second = second + first - 2 * out
        packed = np.packbits(bits.T.reshape(-1)[:n_bits], bitorder="little")
        channels.append(np.pad(packed, (0, -len(packed) % DSF_BLOCK), constant_values=0x69))
    blocks = np.stack([c.reshape(-1, DSF_BLOCK) for c in channels], axis=1).tobytes()
    n = len(channels)
    fields = (1, 0, n, n, DSD64_HZ, 1, n_bits, DSF_BLOCK, 0)
    fmt = b"fmt " + struct.pack("<QIIIIIIQII", 52, *fields)
    data = b"data" + struct.pack("<Q", 12 + len(blocks)) + blocks
    size = 28 + len(fmt) + len(data)
    path.write_bytes(b"DSD " + struct.pack("<QQQ", 28, size, 0) + fmt + data)


# ---- Tagging ---------------------------------------------------------------------------------

Texts = dict[str, str]

_ID3_NAMES = {"title": "TIT2", "artist": "TPE1", "album": "TALB", "albumartist": "TPE2"}
_MP4_NAMES = {"title": "©nam", "artist": "©ART", "album": "©alb", "albumartist": "aART"}
_ASF_NAMES = {"title": "Title", "artist": "Author", "album": "WM/AlbumTitle"}
_ASF_NAMES["albumartist"] = "WM/AlbumArtist"
_INFO_NAMES = {"title": "INAM", "artist": "IART", "album": "IPRD", "albumartist": "IAAR"}


def _fill_id3(tag: id3.ID3, genre: Sequence[str], texts: Texts, version: int) -> None:
    encoding = 3 if version == 4 else 1
    for name, value in texts.items():
        if name in _ID3_NAMES:
            tag.add(getattr(id3, _ID3_NAMES[name])(encoding=encoding, text=[value]))
        elif name == "compilation":
            tag.add(id3.TCMP(encoding=encoding, text=[value]))
        else:
            tag.add(id3.TXXX(encoding=encoding, desc=name, text=[value]))
    if texts:
        tag.add(id3.APIC(encoding=0, mime="image/png", type=3, desc="", data=PICTURE))
    if genre:
        tag.add(id3.TCON(encoding=encoding, text=list(genre)))


def _tag_id3(version: int) -> Callable[[Path, Sequence[str], Texts], None]:
    def tag(path: Path, genre: Sequence[str], texts: Texts) -> None:
        if not (genre or texts):
            return
        kinds = {".wav": wave.WAVE, ".aiff": aiff.AIFF, ".dsf": dsf.DSF}
        if path.suffix in kinds:
            file = kinds[path.suffix](path)
            file.add_tags()
            _fill_id3(file.tags, genre, texts, version)
            file.tags.save(path, v2_version=version, v23_sep=None)
        else:
            frames = id3.ID3()
            _fill_id3(frames, genre, texts, version)
            frames.save(path, v1=0, v2_version=version, v23_sep=None)

    return tag


def _tag_id3v22(path: Path, genre: Sequence[str], texts: Texts) -> None:
    names = {"title": "TT2", "artist": "TP1", "album": "TAL", "albumartist": "TP2"}
    pairs = [(names[k], v) for k, v in texts.items() if k in names]
    pairs += [("TCO", "\0".join(genre))] if genre else []
    frames = b""
    for name, value in pairs:
        content = b"\0" + value.encode("latin-1")
        frames += name.encode() + len(content).to_bytes(3, "big") + content
    if frames:
        path.write_bytes(id3v2_tag(2, frames, padding=64) + path.read_bytes())


def id3v2_tag(version: int, frames: bytes, *, flags: int = 0, padding: int = 256) -> bytes:
    """Put an ID3v2 header before frames that are encoded already."""
    size = len(frames) + padding
    synchsafe = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes((version, 0, flags)) + synchsafe + frames + bytes(padding)


def id3v1_tag(genre: int = 255, title: str = "Titel", artist: str = "Künstler") -> bytes:
    """Make the 128 bytes of an ID3v1.1 tag (track 7) with a genre's number."""
    texts = [t.encode("latin-1").ljust(30, b"\0") for t in (title, artist, "Album")]
    return b"TAG" + b"".join(texts) + b"1999" + b"comment".ljust(28) + b"\0\x07" + bytes((genre,))


def _tag_id3v1(path: Path, genre: Sequence[str], texts: Texts) -> None:
    if genre or texts:
        number = id3.TCON.GENRES.index(genre[0]) if genre else 255
        with path.open("ab") as file:
            file.write(id3v1_tag(number))


def _tag_apev2(path: Path, genre: Sequence[str], texts: Texts) -> None:
    if not (genre or texts):
        return
    tag = apev2.APEv2()
    names = {"albumartist": "Album Artist"}
    for name, value in texts.items():
        tag[names.get(name, name.capitalize())] = value
    if texts:
        tag["Cover Art (Front)"] = apev2.APEValue(b"cover.png\0" + PICTURE, apev2.BINARY)
    if genre:
        tag["Genre"] = list(genre)
    tag.save(path)


def _tag_vorbis(path: Path, genre: Sequence[str], texts: Texts) -> None:
    kinds = {".flac": flac.FLAC, ".ogg": oggvorbis.OggVorbis, ".oga": oggflac.OggFLAC}
    file = kinds.get(path.suffix, oggopus.OggOpus)(path)
    if file.tags is None:
        file.add_tags()
    for name, value in texts.items():
        file.tags.append((name.upper(), value))
    file.tags.extend(("GENRE", value) for value in genre)
    if texts and path.suffix == ".flac":
        picture = flac.Picture()
        picture.type, picture.mime, picture.data = 3, "image/png", PICTURE
        file.add_picture(picture)
    file.save()


def chunk(name: bytes, content: bytes) -> bytes:
    """Make a RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _tag_info(path: Path, genre: Sequence[str], texts: Texts) -> None:
    pairs = [(_INFO_NAMES[k], v) for k, v in texts.items() if k in _INFO_NAMES]
    pairs += [("IGNR", "; ".join(genre))] if genre else []
    if pairs:
        content = b"".join(chunk(name.encode(), value.encode() + b"\0") for name, value in pairs)
        data = path.read_bytes() + chunk(b"LIST", b"INFO" + content)
        path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])


def _tag_mp4(path: Path, genre: Sequence[str], texts: Texts) -> None:
    if not (genre or texts):
        return
    file = mp4.MP4(path)
    if file.tags is None:
        file.add_tags()
    for name, value in texts.items():
        if name in _MP4_NAMES:
            file.tags[_MP4_NAMES[name]] = [value]
        elif name == "compilation":
            file.tags["cpil"] = value == "1"
        else:
            file.tags[f"----:com.apple.iTunes:{name}"] = [value.encode()]
    if texts:
        file.tags["covr"] = [mp4.MP4Cover(PICTURE, mp4.MP4Cover.FORMAT_PNG)]
        file.tags["trkn"] = [(7, 12)]
    if genre:
        file.tags["©gen"] = list(genre)
    file.save()


def _tag_asf(path: Path, genre: Sequence[str], texts: Texts) -> None:
    file = asf.ASF(path)
    for name, value in texts.items():
        known = {**_ASF_NAMES, "compilation": "WM/IsCompilation"}
        file.tags[known.get(name, name)] = [value]
    if texts:
        mime = "image/png\0\0".encode("utf-16-le")  # and an empty description
        picture = struct.pack("<BI", 3, len(PICTURE)) + mime + PICTURE
        file.tags["WM/Picture"] = [asf.ASFByteArrayAttribute(picture)]
        file.tags["WM/TrackNumber"] = [asf.ASFDWordAttribute(7)]
    if genre:
        file.tags["WM/Genre"] = list(genre)
    file.save()


def _both(
    *tagging: Callable[[Path, Sequence[str], Texts], None],
) -> Callable[[Path, Sequence[str], Texts], None]:
    def tag(path: Path, genre: Sequence[str], texts: Texts) -> None:
        for one in tagging:
            one(path, genre, texts)

    return tag


def _one_id3v1(path: Path, genre: Sequence[str], texts: Texts) -> None:
    _tag_id3v1(path, genre[:1], texts)


# ---- The table -------------------------------------------------------------------------------


class Form(NamedTuple):
    """One container with one way of tagging it.

    Attributes
    ----------
    suffix : str
    encode : callable
        (path, samples of shape (n_samples, channels), sampling rate in Hz).
    tag : callable
        (path, genre values, other texts).
    sr : int or None
        The sampling rate in Hz that the encoder insists on.
    """

    suffix: str
    encode: Callable[[Path, NDArray[np.float32], int], None]
    tag: Callable[[Path, Sequence[str], Texts], None]
    sr: int | None = None


_MP3 = _soundfile(format="MP3", subtype="MPEG_LAYER_III")
_FLAC = _soundfile(format="FLAC", subtype="PCM_16")
_WAV = _soundfile(format="WAV", subtype="PCM_16")
_OGG_FLAC = _ffmpeg("-c:a", "flac", "-f", "ogg")

FORMS: dict[str, Form] = {
    "MP3": Form(".mp3", _MP3, _tag_id3(4)),
    "MP3 ID3v2.3": Form(".mp3", _MP3, _tag_id3(3)),
    "MP3 ID3v2.2": Form(".mp3", _MP3, _tag_id3v22),
    "MP3 ID3v2.4 + ID3v1": Form(".mp3", _MP3, _both(_tag_id3(4), _one_id3v1)),
    "MP3 ID3v2.3 + APEv2": Form(".mp3", _MP3, _both(_tag_id3(3), _tag_apev2)),
    "MP3 APEv2 only": Form(".mp3", _MP3, _tag_apev2),
    "MP3 APEv2 + ID3v1": Form(".mp3", _MP3, _both(_tag_apev2, _one_id3v1)),
    "MP3 ID3v1 only": Form(".mp3", _MP3, _one_id3v1),
    "FLAC": Form(".flac", _FLAC, _tag_vorbis),
    "FLAC amid ID3": Form(".flac", _FLAC, _both(_tag_vorbis, _tag_id3(3), _one_id3v1)),
    "Ogg Vorbis": Form(".ogg", _soundfile(format="OGG", subtype="VORBIS"), _tag_vorbis),
    "Ogg FLAC": Form(".oga", _OGG_FLAC, _tag_vorbis),
    "Opus": Form(".opus", _soundfile(format="OGG", subtype="OPUS"), _tag_vorbis, 48000),
    "WAV": Form(".wav", _WAV, _tag_id3(4)),
    "WAV ID3v2.3": Form(".wav", _WAV, _tag_id3(3)),
    "WAV INFO": Form(".wav", _WAV, _tag_info),
    "WAV INFO + ID3": Form(".wav", _WAV, _both(_tag_info, _tag_id3(4))),
    "AIFF": Form(".aiff", _soundfile(format="AIFF", subtype="PCM_16"), _tag_id3(4)),
    "M4A AAC": Form(".m4a", _ffmpeg("-c:a", "aac", "-f", "mp4"), _tag_mp4),
    "M4A ALAC": Form(".m4a", _ffmpeg("-c:a", "alac", "-f", "mp4"), _tag_mp4),
    "WMA": Form(".wma", _ffmpeg("-c:a", "wmav2", "-f", "asf"), _tag_asf),
    "Monkey's Audio": Form(
        ".ape", _external("libjmac-java", "jmac", "c2", "IN", "OUT"), _tag_apev2
    ),
    "Musepack": Form(
        ".mpc",
        _external("musepack-tools", "mpcenc", "--silent", "--overwrite", "IN", "OUT"),
        _tag_apev2,
    ),
    "WavPack": Form(".wv", _ffmpeg("-c:a", "wavpack", "-f", "wv"), _tag_apev2),
    "WavPack + ID3v1": Form(
        ".wv", _ffmpeg("-c:a", "wavpack", "-f", "wv"), _both(_tag_apev2, _one_id3v1)
    ),
    "DSF": Form(".dsf", _encode_dsf, _tag_id3(4)),
}
"""Every container and every kind of block that it carries, by a name for test ids."""


def encoded(
    form: str, folder: Path, *, seconds: float = 1.0, sr: int = 44100, channels: int = 2
) -> Path:
    """Give a file of synthetic music without tags, made by the first who asks for it.

    Parameters
    ----------
    form : str
        A key of `FORMS`; those that differ only in their tags share a file.
    folder : pathlib.Path
        Where the files are kept; several processes may share it.
    seconds : float
    sr : int
        In Hz; an encoder may insist on its own.
    channels : int

    Raises
    ------
    MissingToolError
        If a program is not installed; the message names its Debian package.
    """
    kind = FORMS[form]
    rate = kind.sr or sr
    same = next(name for name, f in FORMS.items() if f[:2] == kind[:2] and f.sr == kind.sr)
    path = folder / f"{same} {seconds} {rate} {channels}{kind.suffix}".replace(" ", "_")
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as own:
            half_done = Path(own) / path.name
            kind.encode(half_done, music(seconds, rate, channels), rate)
            half_done.replace(path)
    return path


KEPT: Path | None = None
"""Folder in which `make` keeps what it has encoded for the next call; nothing is kept if None."""


def encode(form: str, path: Path, **options: float) -> None:
    """Write synthetic music without tags; see `encoded`."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(encoded(form, KEPT or Path(folder), **options), path)


def make(
    form: str,
    path: Path,
    *,
    seconds: float = 1.0,
    sr: int = 44100,
    channels: int = 2,
    genre: Sequence[str] = (),
    **texts: str,
) -> None:
    """Write a tagged file.

    Parameters
    ----------
    form : str
        A key of `FORMS`.
    path : pathlib.Path
        Must end with the form's suffix.
    seconds : float
        Length in seconds.
    sr : int
        Sampling rate in Hz.
    channels : int
        Number of channels.
    genre : sequence of str
        Genre values, in every block that the form has.
    **texts : str
        ``title``, ``artist``, ``album``, ``albumartist``, ``compilation`` or any custom field.
        If there is at least one, a picture is added where the block can hold it. Without
        genre and texts the file gets no tags at all, as far as the container allows.
    """
    encode(form, path, seconds=seconds, sr=sr, channels=channels)
    FORMS[form].tag(path, genre, texts)
