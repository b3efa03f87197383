"""Containers: where in a file each keeps its metadata blocks and its audio."""

from __future__ import annotations

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
    "mp3": partial(Stream, info=lambda file: MPEGInfo(file, file.tell()), n_stray=4096),
    "flac": Flac,
    "ogg": Ogg,
    "iff": Iff,
    "mp4": Mp4,
    "asf": Asf,
    "ape": partial(Stream, info=MonkeysAudioInfo),
    "musepack": partial(Stream, info=musepack),
    "wavpack": partial(Stream, info=WavPackInfo),
    "dsf": Dsf,
}
"""Layouts by the key under which `containers.CONTAINERS` names them."""
