"""How long the header of a file says that it is, and whether the file holds so much.

References
----------
FLAC: RFC 9639 section 8.2. Ogg pages: RFC 3533 section 6. AIFF: Apple, "Audio Interchange File
Format 1.3" (1989). DSF: Sony, "DSF File Format Specification 1.01" (2005).
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from genretagger.beginning import HEAD, LONG_HEAD, read_beginning
from genretagger.errors import DamagedError

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
        head = read_beginning(file, HEAD)[:4096]
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
        file.seek(max(0, os.fstat(file.fileno()).st_size - LONG_HEAD))  # a page is not longer
        tail = file.read()
    at = tail.rfind(b"OggS", 0, -18)
    return at >= 0 and tail[at + 14 : at + 18] != first[14:18]
