"""What a file is by its first bytes: a name may be wrong, and a download may be a web page."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

from genretagger.beginning import HEAD, LONG_HEAD, read_beginning
from genretagger.containers import container_of
from genretagger.mpeg import first_frame, is_adts


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
    content = _recognised(read_beginning(file, HEAD))
    if content is None or content in {_ZEROS, _TEXT}:
        file.seek(0)
        content = _recognised(read_beginning(file, LONG_HEAD))
    return _recognised(_behind_zeros(file)) if content is _ZEROS else content


def _behind_zeros(file: BinaryIO) -> bytes:
    """Read on to what is not zero, and give what begins there; a zero if all is."""
    while data := file.read(1 << 20):
        if any(data):
            start = file.tell() - len(data.lstrip(b"\0"))
            file.seek(start)
            return file.read(LONG_HEAD)
    return b"\0"


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
    first = first_frame(head)
    if first is not None:
        return _MP3 if first.layer == 3 else _MP2
    return _ADTS if is_adts(head) else None


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
