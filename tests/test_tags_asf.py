"""ASF (WMA)."""

from __future__ import annotations

import pytest
from mutagen import asf
from tag_files import TEXTS, AudioFile, audio_md5, everything_else, set_genres

pytestmark = pytest.mark.quick


def test_every_kind_of_asf_attribute_survives(audio_file: AudioFile) -> None:
    path = audio_file("WMA", genre=("Rock",), **TEXTS)
    tag = asf.ASF(path)
    tag["Flag"] = [asf.ASFBoolAttribute(True)]
    tag["Long"] = [asf.ASFQWordAttribute(1 << 40)]
    tag["Id"] = [asf.ASFGUIDAttribute(bytes(range(16)))]
    tag["Foreign"] = [asf.ASFUnicodeAttribute("ja", language=1, stream=1)]
    tag["Twice"] = ["one", "two"]
    tag["Large"] = [asf.ASFByteArrayAttribute(bytes(100_000))]
    tag.save()
    before, md5 = everything_else(path), audio_md5(path)
    set_genres(path, ("Pop", "x" * 5000))
    assert everything_else(path) == before
    assert audio_md5(path) == md5
