"""Files that are not what they seem."""

from __future__ import annotations

import random
from pathlib import Path

import make_audio
import pytest
from make_audio import FORMS, id3v1_tag, id3v2_tag
from tag_files import AudioFile, changes_to, frame, texts_for

from genretagger import tags
from genretagger.containers import CONTAINERS
from genretagger.errors import TrackError
from genretagger.records import BlockChange

SUFFIXES = [suffix for container in CONTAINERS for suffix in container.suffixes]

IMPOSTORS = {
    "nothing": b"",
    "one byte": b"I",
    "text": b"Dear diary, today I renamed a text file.\n" * 50,
    "a picture": make_audio.PICTURE,
    "zeros": bytes(5000),
    "noise": random.Random(1).randbytes(200),
    "tags without audio": id3v2_tag(4, frame(b"TCON", b"\x03Rock")) + id3v1_tag(17),
    "an ID3 tag cut off": id3v2_tag(4, frame(b"TCON", b"\x03Rock"))[:100],
}


@pytest.mark.parametrize("impostor", IMPOSTORS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_not_what_its_name_says_is_refused_and_left_alone(
    tmp_path: Path, suffix: str, impostor: str
) -> None:
    path = tmp_path / f"fake{suffix}"
    path.write_bytes(IMPOSTORS[impostor])
    container = next(c for c in CONTAINERS if suffix in c.suffixes)
    with pytest.raises(TrackError) as caught:
        tags.read(path)
    message = str(caught.value)
    assert message.isprintable()
    assert str(path) not in message
    assert container.name in message or message == "the file is empty" or "not audio" in message
    for new in [("Pop",), ()]:
        with pytest.raises(TrackError):
            tags.write(path, [BlockChange(container.native, (), new)])
    assert path.read_bytes() == IMPOSTORS[impostor]


@pytest.mark.parametrize("form", ["FLAC", "Opus", "WAV", "M4A AAC", "WMA", "WavPack", "DSF"])
def test_a_file_with_another_containers_suffix_is_refused(
    audio_file: AudioFile, tmp_path: Path, form: str
) -> None:
    original = audio_file(form, genre=("Rock",)).read_bytes()
    suffix = FORMS[form].suffix
    family = next(c for c in CONTAINERS if suffix in c.suffixes)
    same = {"Opus": "Ogg Vorbis", "WAV": "AIFF"}.get(family.name)  # told apart by their contents
    for container in CONTAINERS:
        if container.name in {family.name, same}:
            continue
        path = tmp_path / f"wrong{container.suffixes[0]}"
        path.write_bytes(original)
        with pytest.raises(TrackError, match=r"^this is an? .* file; rename it to end in "):
            tags.read(path)
        assert path.read_bytes() == original


@pytest.mark.parametrize("form", FORMS)
def test_no_damaged_file_is_damaged_further(audio_file: AudioFile, form: str) -> None:
    """Cut files off and change bytes, mostly where tags are; seeds are fixed."""
    good = audio_file(form, genre=("Rock",), seconds=0.3, **texts_for(form))
    data = good.read_bytes()
    rng = random.Random(form)
    refused = 0
    for i in range(60):
        if i % 4 == 0:
            bad = data[: rng.randrange(len(data))]
        else:
            changed = bytearray(data)
            for _ in range(rng.choice([1, 2, 5, 50])):
                edge = rng.randrange(min(1500, len(data)))
                at = rng.choice([edge, len(data) - 1 - edge, rng.randrange(len(data))])
                changed[at] = rng.choice([0, 255, rng.randrange(256)])
            bad = bytes(changed)
        good.write_bytes(bad)
        try:
            changes = changes_to(good, ("x" * rng.choice([3, 5000]),))
            changes = [c for c in changes if c.kind != "ID3v1"]
        except TrackError as error:
            assert str(error).isprintable()
            refused += 1
            changes = []
        assert good.read_bytes() == bad
        try:
            tags.write(good, changes)
        except TrackError as error:
            assert str(error).isprintable()
            refused += 1
            assert good.read_bytes() == bad
    assert refused > 0
