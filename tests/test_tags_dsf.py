"""DSF: the tag at the end and the pointer to it."""

from __future__ import annotations

import struct

import pytest
from tag_files import AudioFile

from genretagger import tags
from genretagger.records import BlockChange

pytestmark = pytest.mark.quick


def test_the_pointer_of_a_dsf_file_follows_its_tag(audio_file: AudioFile) -> None:
    path = audio_file("DSF")
    bare = path.read_bytes()
    for old, new in [((), ("Rock",)), (("Rock",), ("x" * 5000,)), (("x" * 5000,), ())]:
        tags.write(path, [BlockChange("ID3v2.4", old, new)])
        data = path.read_bytes()
        size, pointer = struct.unpack_from("<QQ", data, 12)
        assert (size, pointer) == (len(data), len(bare) if new else 0)
        assert data[28 : len(bare)] == bare[28:]
    assert data == bare
