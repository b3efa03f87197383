"""What other programs see after a change: the new genre, and every other tag as before."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import mutagen
import pytest
from make_audio import FORMS
from mutagen import apev2
from tag_files import AudioFile, decoded, texts_for

from genretagger import tags
from genretagger.plan import TagPolicy, plan
from genretagger.records import Decision

Tags = dict[str, str]


def by_ffprobe(path: Path) -> Tags:
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed (Debian package ffmpeg)")
    show = ["-show_entries", "format_tags:stream_tags", "-of", "json"]
    done = subprocess.run(["ffprobe", "-v", "error", *show, path], check=True, capture_output=True)
    parts = json.loads(done.stdout)
    tables = [parts["format"].get("tags", {}), *(s.get("tags", {}) for s in parts["streams"])]
    return {key.lower(): value for part in tables for key, value in part.items()}


def by_mediafile(path: Path) -> Tags:
    mediafile = pytest.importorskip("mediafile")
    file = mediafile.MediaFile(path)
    names = ("genre", "title", "artist", "album", "albumartist", "year")
    return {name: str(getattr(file, name)) for name in names if getattr(file, name)}


def by_mutagen(path: Path) -> Tags:
    held = mutagen.File(path).tags or {}
    keys = ("TCON", "GENRE", "©gen", "WM/Genre", "Genre")
    pairs = held if isinstance(held, list) else held.items()
    genres = [value for key, value in pairs if key in keys]
    rest = {str(key): repr(value) for key, value in pairs if key not in keys}
    return {"genre": _first(genres[0]) if genres else "", **rest}


def _first(value: object) -> str:
    texts = getattr(value, "text", value)
    return str(texts[0] if isinstance(texts, (list, apev2.APETextValue)) else texts)


def by_taglib(path: Path) -> Tags:
    taglib = pytest.importorskip("taglib")
    with taglib.File(path) as file:
        return {key.lower(): "; ".join(values) for key, values in file.tags.items()}


UNSEEN = {
    ("by_ffprobe", "MP3 APEv2 only"),
    ("by_mutagen", "MP3 APEv2 only"),
    ("by_mediafile", "MP3 APEv2 only"),
    ("by_mediafile", "Ogg FLAC"),
}
"""Which reader does not look for tags where a form has them; docs/formats.md says so."""


@pytest.mark.parametrize("reader", [by_ffprobe, by_mediafile, by_mutagen, by_taglib])
@pytest.mark.parametrize("form", FORMS)
def test_other_programs_see_the_new_genre_and_all_else_as_before(
    audio_file: AudioFile, form: str, reader: Callable[[Path], Tags]
) -> None:
    if (reader.__name__, form) in UNSEEN:
        pytest.skip("it reads no such tags")
    path = audio_file(form, genre=("Rock",), **texts_for(form))
    before = reader(path)
    line = plan(path, tags.read(path), TagPolicy("replace"), Decision(("Jazz",), ()))
    tags.write(path, line.blocks)
    now = reader(path)
    assert now.pop("genre", "") == "Jazz"
    before.pop("genre", "")
    if form == "WAV INFO":  # the new ID3 tag says what INFO does, and more programs read it
        now = {key: value for key, value in now.items() if key in before}
    assert now == before


def test_a_wav_that_had_info_alone_says_in_its_new_id3_tag_what_info_says(
    audio_file: AudioFile,
) -> None:
    path = audio_file("WAV INFO", genre=("Rock",), **texts_for("WAV INFO"))
    line = plan(path, tags.read(path), TagPolicy("replace"), Decision(("Jazz",), ()))
    tags.write(path, line.blocks)
    assert {b.kind: b.values for b in tags.read(path).blocks} == {
        "ID3v2.4": ("Jazz",),
        "RIFF INFO": ("Jazz",),
    }
    tag = mutagen.File(path).tags
    assert [tag[name].text for name in ("TIT2", "TPE1", "TALB")] == [
        [texts_for("WAV INFO")[name]] for name in ("title", "artist", "album")
    ]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_decodes_to_the_same_audio_before_and_after(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",), seconds=2, **texts_for(form))
    before = decoded(path)
    # ffmpeg takes a large APEv2 tag, whoever wrote it, for one more packet of an MP3
    size = 200 if "MP3" in form and "APEv2" in form else 20_000
    for genre in ("Jazz", "x" * size, "Folk"):
        policy = TagPolicy("replace", names={"Jazz": genre})
        line = plan(path, tags.read(path), policy, Decision(("Jazz",), ()))
        if line.blocks:  # ID3v1 alone has no such genres
            tags.write(path, line.blocks)
        assert decoded(path) == before
