"""What a file is by its first bytes: a name may be wrong, and a download may be a web page.

References
----------
MPEG audio frames: ISO/IEC 11172-3 section 2.4.1.3 and 13818-3. ADTS: ISO/IEC 13818-7
section 6.2. FLAC: RFC 9639 section 8.2. Ogg pages: RFC 3533 section 6. AIFF: Apple, "Audio
Interchange File Format 1.3" (1989). DSF: Sony, "DSF File Format Specification 1.01" (2005).
The Xing and VBRI headers: https://www.codeproject.com/Articles/8295/.
"""

from __future__ import annotations

import codecs
import os
import re
import struct
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from genretagger.containers import container_of
from genretagger.errors import DamagedError

_HEAD, _LONG_HEAD = 1 << 13, 1 << 16
"""Bytes that are looked at: three frames of an MP3 fit, and what may stand before the first."""


class Content(NamedTuple):
    """What a file is.

    Attributes
    ----------
    name : str
        With its article.
    suffix : str
        The file name ending that fits; empty if it is no audio.
    """

    name: str
    suffix: str


_OGG = {
    b"\x01vorbis": Content("an Ogg Vorbis file", ".ogg"),
    b"OpusHead": Content("an Opus file", ".opus"),
    b"\x7fFLAC": Content("an Ogg FLAC file", ".oga"),
    b"Speex   ": Content("an Ogg Speex file", ".spx"),
}

_ZEROS = Content("nothing but zeros", "")
_TEXT = Content("text", "")
_LEAST_TEXT = 8
"""Fewer letters may be anything."""

_MP3 = Content("an MP3 file", ".mp3")
_MP2 = Content("an MP2 file", ".mp2")
_ADTS = Content("a raw AAC file", ".aac")

_BEGINNINGS: tuple[tuple[re.Pattern[bytes], Content], ...] = tuple(
    (re.compile(pattern, re.DOTALL), Content(name, suffix))
    for pattern, name, suffix in (
        (rb"fLaC", "a FLAC file", ".flac"),
        (rb"(?:RIFF|RF64|BW64|RIFX)....WAVE", "a WAV file", ".wav"),
        (rb"FORM....AIF[FC]", "an AIFF file", ".aiff"),
        (rb"\0...(?:ftyp|moov|wide|free|skip)|....mdat", "an M4A file", ".m4a"),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a WMA file", ".wma"),
        (rb"MAC ", "a Monkey's Audio file", ".ape"),
        (rb"MP\+|MPCK", "a Musepack file", ".mpc"),
        (rb"wvpk", "a WavPack file", ".wv"),
        (rb"DSD \x1c", "a DSF file", ".dsf"),
        (rb"FRM8", "a DSDIFF file", ".dff"),
        (rb"\x1a\x45\xdf\xa3", "a Matroska file", ".mka"),
        (rb"TTA[12]", "a TTA file", ".tta"),
        (rb"\x0b\x77", "an AC-3 file", ".ac3"),
        (rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80", "a DTS file", ".dts"),
        (rb"caff\0\x01", "a CAF file", ".caf"),
        (rb"\.snd", "an AU file", ".au"),
        (rb"riff\x2e\x91\xcf\x11", "a Wave64 file", ".w64"),
        (rb"#!AMR", "an AMR file", ".amr"),
        (rb"\.RMF|\.ra\xfd", "a RealAudio file", ".ra"),
        (rb"tBaK", "a TAK file", ".tak"),
        (rb"ajkg", "a Shorten file", ".shn"),
        (rb"OFR ", "an OptimFROG file", ".ofr"),
        (
            rb"(?i:\s*(?:<!--.{,2000}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b)",
            "an HTML page",
            "",
        ),
        (rb"\s*<\?xml", "an XML document", ""),
        (rb"#EXTM3U|ffconcat|\[playlist\]", "a playlist", ""),
        (rb"PK(?:\x03\x04|\x05\x06)", "a ZIP archive", ""),
        (rb"Rar!\x1a\x07", "a RAR archive", ""),
        (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", ""),
        (rb"\x1f\x8b\x08", "a gzip archive", ""),
        (rb"%PDF-", "a PDF document", ""),
        (rb"\xff\xd8\xff[\xe0-\xef\xdb]", "a JPEG picture", ""),
        (rb"\x89PNG\r\n", "a PNG picture", ""),
        (rb"GIF8[79]a", "a GIF picture", ""),
    )
)


def content_of(path: Path) -> Content | None:
    """Recognise a file by its content.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content or None
        None if it is nothing that is known here.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return _content(file)


def _content(file: BinaryIO) -> Content | None:
    file.seek(0)
    content = _recognised(_head(file, _HEAD))
    if content is None or content in {_ZEROS, _TEXT}:
        file.seek(0)
        content = _recognised(_head(file, _LONG_HEAD))
    return content


def _recognised(head: bytes) -> Content | None:
    if head.startswith(b"OggS"):
        codecs = (content for magic, content in _OGG.items() if magic in head[:4096])
        return next(codecs, Content("an Ogg file", ".ogg"))
    mark = b"\xef\xbb\xbf"
    for pattern, content in _BEGINNINGS:
        if pattern.match(head.removeprefix(mark)):
            return content
    if head and not any(head):
        return _ZEROS
    if len(head) >= _LEAST_TEXT and _is_text(head.removeprefix(mark)):
        return _TEXT
    first = _first_frame(head)
    if first is not None:
        return _MP3 if first.layer == 3 else _MP2
    return _ADTS if _is_adts(head) else None


def _is_text(data: bytes) -> bool:
    try:
        text, _ = codecs.utf_8_decode(data)  # a letter may be cut at the end
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)


def complaint(path: Path, file: BinaryIO | None = None) -> str:
    """Say that a file is no audio, or another kind of audio than its name says.

    Parameters
    ----------
    path : pathlib.Path
    file : binary file, optional
        The same file, if it is open already.

    Returns
    -------
    str
        One line that says what to do; empty if there is nothing to say.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    content = content_of(path) if file is None else _content(file)
    if content is None:
        return ""
    if not content.suffix:
        return f"this is {content.name}, not audio; get the file again"
    container = container_of(path)
    if container is None or content.suffix in container.suffixes:
        return ""
    if content is _MP2 and ".mp3" in container.suffixes:  # many call it so, and it is tagged alike
        return ""
    if content in _OGG.values() and ".ogg" in container.suffixes:
        return ""
    return f"this is {content.name}; rename it to end in {content.suffix}"


def _head(file: BinaryIO, size: int) -> bytes:
    """Read what stands behind ID3v2 tags."""
    while True:
        start = file.tell()
        head = file.read(size)
        if not head.startswith(b"ID3") or len(head) < 10:
            return head
        length = 0
        for byte in head[6:10]:
            length = length << 7 | byte & 0x7F
        file.seek(start + 10 + length + (10 if head[5] & 0x10 else 0))


# ---- How long it says it is ------------------------------------------------------------------


SHORTFALL_S = 1.0
"""How much may be missing at an excerpt's end: length estimates of VBR files are not exact."""


def truncated(stated_s: float, ends_s: float) -> DamagedError:
    """Say that a file ends before its header says."""
    return DamagedError(
        f"truncated: its header says {stated_s:.0f} s, but the audio ends "
        f"before {ends_s + SHORTFALL_S:.0f} s; get a whole copy"
    )


_NEVER_FILLED_IN = {0x7F00, 0x7FFF, 0x8000, 0xFFFF}
"""Upper halves of the sizes that programs write before they know better: 2 GB, 4 GB, and sox's."""


def says_its_length(file: BinaryIO) -> bool:
    """Compare the audio that a WAV, AIFF or DSF says it holds with what is there.

    Parameters
    ----------
    file : binary file

    Returns
    -------
    bool
        False if its header was never filled in, as that of one that was written to a pipe:
        the audio runs to the end of the file. True for other kinds.

    Raises
    ------
    DamagedError
        If the file ends `SHORTFALL_S` or more before its header says.
    OSError
        If it cannot be read.
    """
    file.seek(0)
    head = file.read(80)
    end = file.seek(0, os.SEEK_END)
    if head[:4] == b"DSD ":
        _check_dsf(head, end)
    elif head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _check_chunks(file, end, "<", b"fmt ", b"data")
    elif head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return _check_chunks(file, end, ">", b"COMM", b"SSND")
    return True


def _check_dsf(head: bytes, end: int) -> None:
    if len(head) == 80 and head[28:32] == b"fmt ":
        n_channels, sr, n_samples = struct.unpack("<II4xQ", head[52:72])
        stated_s = n_samples / sr if sr else 0.0
        _check_stretch(stated_s, n_samples * n_channels // 8, end - 92)


def _check_chunks(file: BinaryIO, end: int, order: str, about: bytes, samples: bytes) -> bool:
    """Walk to the chunk of samples."""
    at, description = 12, b""
    while at + 8 <= end:
        file.seek(at)
        name, size = struct.unpack(f"{order}4sI", file.read(8))
        if name == about:
            description = file.read(min(size, 18))
        elif name == samples:
            there = end - at - 8
            if size == 0 < there or (size > there and size >> 16 in _NEVER_FILLED_IN):
                return False
            seconds = _wav_s(description, size) if order == "<" else _aiff_s(description)
            _check_stretch(seconds, size, there)
            return True
        at += 8 + size + size % 2
    return True


def _wav_s(description: bytes, size: int) -> float:
    byte_rate = int.from_bytes(description[8:12], "little")
    return size / byte_rate if byte_rate else 0.0


def _aiff_s(description: bytes) -> float:
    if len(description) < 18:
        return 0.0
    n_frames, exponent, mantissa = struct.unpack(">2xI2xHQ", description)
    sr = mantissa * 2.0 ** (exponent - 16383 - 63) if exponent < 0x4100 else 0.0  # 80-bit float
    return n_frames / sr if sr else 0.0


def _check_stretch(stated_s: float, size: int, there: int) -> None:
    ends_s = stated_s * there / size if size else stated_s
    if ends_s < stated_s - SHORTFALL_S:
        raise truncated(stated_s, ends_s)


def flac_length_s(path: Path) -> float | None:
    """Read how long a FLAC stream says it is, by itself or in Ogg.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    float or None
        In seconds; None if it does not say, as one that was written to a pipe does not.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        head = _head(file, _HEAD)[:4096]
    at = head.find(b"fLaC")
    if at < 0 or not head.startswith((b"fLaC", b"OggS")) or len(head) < at + 26:
        return None
    fields = int.from_bytes(head[at + 18 : at + 26], "big")  # 20 bits of rate, 36 of length
    sr, n_samples = fields >> 44, fields & (1 << 36) - 1
    return n_samples / sr if sr and n_samples else None


def is_chained(path: Path) -> bool:
    """Tell whether an Ogg file ends with another stream than it begins with.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    bool

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        first = file.read(18)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _LONG_HEAD))  # a page is not longer
        tail = file.read()
    at = tail.rfind(b"OggS", 0, -18)
    return at >= 0 and tail[at + 14 : at + 18] != first[14:18]


# ---- MPEG audio ------------------------------------------------------------------------------


class _Frame(NamedTuple):
    layer: int
    version: int
    sr: int
    kbps: int
    is_mono: bool
    size: int


_KBPS = {
    # the index of each rate counts from 1; 0 is the free format
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}

_SR = (44100, 48000, 32000)


def _frame(data: bytes, at: int) -> _Frame | None:
    """Parse the header of a frame of MPEG audio, layer I, II or III."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    second, third, fourth = data[at + 1 : at + 4]
    layer, sr_index, kbps_index = 4 - (second >> 1 & 3), third >> 2 & 3, third >> 4
    shift = {3: 0, 2: 1, 0: 2}.get(second >> 3 & 3)  # MPEG 1, 2, 2.5
    if shift is None or layer == 4 or sr_index == 3 or kbps_index in {0, 15}:
        return None
    version = 1 if shift == 0 else 2
    sr = _SR[sr_index] >> shift
    kbps, padding = _KBPS[version, layer][kbps_index - 1], third >> 1 & 1
    if layer == 1:
        size = (12000 * kbps // sr + padding) * 4
    else:
        size = (72000 if (version, layer) == (2, 3) else 144000) * kbps // sr + padding
    return _Frame(layer, version, sr, kbps, fourth >> 6 == 3, size)


def _first_frame(data: bytes) -> _Frame | None:
    found = _find_frame(data)
    return found and found[1]


def _find_frame(data: bytes) -> tuple[int, _Frame] | None:
    """Find three frames in a row of one kind, or two if the data end with the second."""
    at = data.find(b"\xff")
    while at >= 0:
        first = _frame(data, at)
        if first is not None and _is_followed(data, at, first):
            return at, first
        at = data.find(b"\xff", at + 1)
    return None


def _is_followed(data: bytes, at: int, first: _Frame) -> bool:
    for _ in range(2):
        frame = _frame(data, at)
        if frame is None or frame[:3] != first[:3]:
            return False
        at += frame.size
    last = _frame(data, at)
    return len(data) < at + 4 or (last is not None and last[:3] == first[:3])


def _is_adts(data: bytes) -> bool:
    at = 0
    for _ in range(3):
        if len(data) < at + 6 or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
            return False
        at += (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return True


_PROBES = 8
"""Places at which a bit rate is read to see whether it varies."""


def mpeg_length(path: Path) -> Literal["stated", "constant", "estimated"]:
    """Tell where the length of an MP3 can be known from.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    {"stated", "constant", "estimated"}
        Stated by a Xing or VBRI header, and the file does not go on long behind it; the bit
        rate is constant, so that the size says it; or only decoding to the end can tell.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        head = _head(file, _LONG_HEAD)
        found = _find_frame(head)
        if found is None:
            return "estimated"
        at, first = found
        start, end = file.tell() - len(head) + at, os.fstat(file.fileno()).st_size
        n_stated = _frames_stated(head[at : at + first.size])
        if n_stated:
            is_plausible = _fit(file, start, end, n_stated) or not _goes_on(file, start, n_stated)
            return "stated" if is_plausible else "estimated"
        rates = {first.kbps}
        for i in range(_PROBES):
            file.seek(start + (end - start) * i // _PROBES)
            probe = _find_frame(file.read(8192))
            if probe is not None and probe[1][:3] == first[:3]:
                rates.add(probe[1].kbps)
        return "constant" if len(rates) == 1 else "estimated"


def _frames_stated(frame: bytes) -> int:
    """Read how many frames a header of Xing or Fraunhofer states; 0 if it does not say."""
    if frame[36:40] == b"VBRI":
        return int.from_bytes(frame[50:54], "big")
    # behind the side information: 9 to 32 bytes, with 2 of a checksum before it or not
    xing = re.search(rb"(?:Xing|Info)...(.)(....)", frame[:60], re.DOTALL)
    return int.from_bytes(xing[2], "big") if xing is not None and xing[1][0] & 1 else 0


_DENSE = 1.3
"""So much larger than they are elsewhere in a file may frames be on the average."""


def _fit(file: BinaryIO, start: int, end: int, n_frames: int) -> bool:
    """Guess from the frames at a few places whether so many fill the file."""
    sizes = []
    for quarter in range(1, 4):
        file.seek(start + (end - start) * quarter // 4)
        data = file.read(_HEAD)
        found = _find_frame(data)
        while found is not None and (frame := _frame(data, found[0])) is not None:
            sizes.append(frame.size)
            found = found[0] + frame.size, frame
    return bool(sizes) and end - start <= _DENSE * n_frames * sum(sizes) / len(sizes)


def _goes_on(file: BinaryIO, start: int, n_frames: int) -> bool:
    """Count frames, to know whether the file holds many more than it states."""
    file.seek(start)
    data, at, n = file.read(), 0, 0
    most = 1.05 * n_frames + 40  # a second of sound
    while n <= most:
        frame = _frame(data, at)
        if frame is None:
            found = _find_frame(data[at : at + _LONG_HEAD])
            if found is None:
                return False
            at += found[0]
            continue
        at, n = at + frame.size, n + 1
    return True
