"""Kinds of metadata blocks: how the bytes of each are parsed and edited."""

from __future__ import annotations

from collections.abc import Callable

from genretagger.tags.base import Block, Edit
from genretagger.tags.blocks.apev2 import edit_apev2, parse_apev2
from genretagger.tags.blocks.id3 import edit_id3v1, edit_id3v2, parse_id3v1, parse_id3v2
from genretagger.tags.blocks.ilst import edit_ilst, parse_ilst
from genretagger.tags.blocks.riff_info import edit_info, parse_info
from genretagger.tags.blocks.vorbis import edit_vorbis, parse_vorbis

FORMATS: dict[str, tuple[Callable[[bytes], Block], Callable[[bytes, Edit], bytes]]] = {
    "ID3v2": (parse_id3v2, edit_id3v2),
    "ID3v1": (parse_id3v1, edit_id3v1),
    "APEv2": (parse_apev2, edit_apev2),
    "Vorbis comment": (parse_vorbis, edit_vorbis),
    "RIFF INFO": (parse_info, edit_info),
    "MP4": (parse_ilst, edit_ilst),
}
"""How the bytes of a block become a `Block`, and what an edit makes of them."""
