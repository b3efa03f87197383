"""Frames of MPEG audio: where they begin, and what they tell of a file's length.

References
----------
MPEG audio frames: ISO/IEC 11172-3 section 2.4.1.3 and 13818-3. ADTS: ISO/IEC 13818-7
section 6.2. The Xing and VBRI headers: https://www.codeproject.com/Articles/8295/.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from genretagger.beginning import HEAD, LONG_HEAD, read_beginning


class _Frame(NamedTuple):
    layer: int
    version: int
    sr: int
    kbps: int
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
    second, third = data[at + 1 : at + 3]
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
    return _Frame(layer, version, sr, kbps, size)


def first_frame(data: bytes) -> _Frame | None:
    """Parse the first of three frames in a row; None if there are none."""
    place = _find_frame(data)
    return place and place[1]


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


def is_adts(data: bytes) -> bool:
    """Tell whether bytes begin with three frames of AAC in an ADTS stream."""
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
        Stated by a Xing or VBRI header, which the file does not belie: it does not go on long
        behind it, nor holds all the bytes that the header states and far fewer frames; the bit
        rate is constant, so that the size says it; or only decoding to the end can tell.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        head = read_beginning(file, LONG_HEAD)
        place = _find_frame(head)
        if place is None:
            return "estimated"
        at, first = place
        start, end = file.tell() - len(head) + at, os.fstat(file.fileno()).st_size
        stated = _stated(head[at : at + first.size])
        if stated.n_frames:
            is_believed = _is_believable(file, start, end, stated)
            return "stated" if is_believed else "estimated"
        rates = {first.kbps}
        for i in range(_PROBES):
            file.seek(start + (end - start) * i // _PROBES)
            probe = _find_frame(file.read(8192))
            if probe is not None and probe[1][:3] == first[:3]:
                rates.add(probe[1].kbps)
        return "constant" if len(rates) == 1 else "estimated"


class _Stated(NamedTuple):
    n_frames: int
    n_bytes: int


def _stated(frame: bytes) -> _Stated:
    """Read how many frames and bytes a header of Xing or Fraunhofer states; 0 if it does not."""
    if frame[36:40] == b"VBRI":
        return _Stated(_number(frame[50:54]), _number(frame[46:50]))
    # behind the side information: 9 to 32 bytes, with 2 of a checksum before it or not
    xing = re.search(rb"(?:Xing|Info)...(.)(.{4})(.{4})", frame[:64], re.DOTALL)
    if xing is None:
        return _Stated(0, 0)
    has_frames, has_bytes = xing[1][0] & 1, xing[1][0] & 2
    n_bytes = _number(xing[3] if has_frames else xing[2])
    return _Stated(_number(xing[2]) if has_frames else 0, n_bytes if has_bytes else 0)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


_DENSE = 1.3
"""So much larger than they are elsewhere in a file may frames be on the average."""


def _is_believable(file: BinaryIO, start: int, end: int, stated: _Stated) -> bool:
    """Compare a stated number of frames with the file."""
    size = _mean_size(file, start, end)
    filled = stated.n_frames * size
    # half a download lacks bytes; where none is missing, frames that do not fit never were there
    if (
        size
        and stated.n_bytes
        and end - start >= stated.n_bytes
        and filled > _DENSE * (end - start)
    ):
        return False
    fits = bool(size) and end - start <= _DENSE * filled
    return fits or not _goes_on(file, start, stated.n_frames)


def _mean_size(file: BinaryIO, start: int, end: int) -> float:
    """Measure frames at a few places; 0 if none is found."""
    sizes = []
    for quarter in range(1, 4):
        file.seek(start + (end - start) * quarter // 4)
        data = file.read(HEAD)
        place = _find_frame(data)
        while place is not None and (frame := _frame(data, place[0])) is not None:
            sizes.append(frame.size)
            place = place[0] + frame.size, frame
    return sum(sizes) / len(sizes) if sizes else 0.0


def _goes_on(file: BinaryIO, start: int, n_frames: int) -> bool:
    """Count frames, to know whether the file holds many more than it states."""
    file.seek(start)
    data, at, n = file.read(), 0, 0
    most = 1.05 * n_frames + 40  # a second of sound
    while n <= most:
        frame = _frame(data, at)
        if frame is None:
            place = _find_frame(data[at : at + LONG_HEAD])
            if place is None:
                return False
            at += place[0]
            continue
        at, n = at + frame.size, n + 1
    return True
