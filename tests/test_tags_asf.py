"""ASF (WMA)."""

from __future__ import annotations

import pytest
from mutagen import asf
from tag_files import TEXTS, AudioFile, audio_md5, blocks_of, everything_else, set_genres

from genretagger import tags
from genretagger.records import BlockChange

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


def test_a_genres_key_gets_the_capital_letters_that_programs_look_for(
    audio_file: AudioFile,
) -> None:
    path = audio_file("WMA")
    tag = asf.ASF(path)
    tag["wm/genre"], tag["mood"] = ["Rock"], ["calm"]
    tag.save()
    tags.write(path, [BlockChange("ASF", ("Rock",), ("Jazz",))])
    tags.write(path, [BlockChange("ASF", ("calm",), ("wild",))], field="MOOD")
    held = {key: str(value) for key, value in asf.ASF(path).tags}
    assert (held["WM/Genre"], held["mood"]) == ("Jazz", "wild")
    assert blocks_of(path) == {"ASF": ("Jazz",)}
