"""Containers: where in a file each keeps its metadata blocks and its audio."""

from __future__ import annotations

# mypy: allow-untyped-calls
# (mutagen says that it is typed, and leaves most of its functions without types)
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from mutagen.monkeysaudio import MonkeysAudioInfo
from mutagen.mp3 import MPEGInfo
from mutagen.wavpack import WavPackInfo

from genretagger.tags.layouts.asf import Asf
from genretagger.tags.layouts.base import Layout
from genretagger.tags.layouts.dsf import Dsf
from genretagger.tags.layouts.flac import Flac
from genretagger.tags.layouts.iff import Iff
from genretagger.tags.layouts.mp4 import Mp4
from genretagger.tags.layouts.ogg import Ogg
from genretagger.tags.layouts.stream import Stream, musepack

LAYOUTS: dict[str, Callable[[BinaryIO], Layout]] = {
    "MP3": partial(Stream, info=lambda file: MPEGInfo(file, file.tell())),
    "FLAC": Flac,
    "Ogg Vorbis": Ogg,
    "Opus": Ogg,
    "WAV": Iff,
    "AIFF": Iff,
    "M4A (AAC, ALAC)": Mp4,
    "WMA": Asf,
    "Monkey's Audio": partial(Stream, info=MonkeysAudioInfo),
    "Musepack": partial(Stream, info=musepack),
    "WavPack": partial(Stream, info=WavPackInfo),
    "DSF": Dsf,
}
"""The layout of each container of `containers.CONTAINERS`."""
