"""Comments, for ``--protect-if``, in every kind of block that has them."""

import mutagen
import pytest
from mutagen import id3

from genretagger import tags

pytestmark = pytest.mark.quick


def _id3(path):
    tag = id3.ID3(path)
    tag.add(id3.COMM(encoding=3, lang="eng", desc="", text=["hands off"]))
    tag.save(path)


def _wave(path):
    file = mutagen.File(path)
    file.tags.add(id3.COMM(encoding=3, lang="eng", desc="x", text=["hands off"]))
    file.save()


def _keyed(key):
    def write(path):
        file = mutagen.File(path)
        file[key] = ["hands off"]
        file.save()

    return write


@pytest.mark.parametrize(
    ("form", "write"),
    [
        ("MP3", _id3),
        ("MP3 ID3v2.3", _id3),
        ("WAV", _wave),
        ("AIFF", _wave),
        ("M4A AAC", _keyed("©cmt")),
        ("WMA", _keyed("Description")),
        ("FLAC", _keyed("comment")),
        ("Opus", _keyed("DESCRIPTION")),
        ("WavPack", _keyed("Comment")),
    ],
)
def test_a_comment_is_found(audio_file, form, write):
    path = audio_file(form, title="T", genre=("Rock",))
    write(path)
    assert "hands off" in tags.read(path).comments
