"""What the writer refuses, the plan refuses: rehearse and write agree, on every form of file.

The files are good, damaged and odd; the options are all that reach the writer, with values
that users and mapping files come up with.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from make_audio import FORMS, chunk, id3v1_tag, id3v2_tag

from genretagger import tags
from genretagger.errors import TrackError
from genretagger.plan import TagPolicy, plan
from genretagger.records import BlockChange, Decision, State
from genretagger.writing.change import apply
from genretagger.writing.journal import Journal

AudioFile = Callable[..., Path]

FIELDS = [
    *(None, "GENRE", "AUTOGENRE", "My Mood", "X", "", "A=B", "Straße", "line\nbreak", "a" * 300),
    *("OggS", "TAG", "id3", "MP+", "a:b", "~tilde", " ", "NAME", "Title"),
]
NAMES = [
    *("17", "(17)", "CR", "RX", "Rock/Pop", "日本 🎵", "Chanson française", " padded ", "a\nb"),
    *("a\0b", "\udcff", "\ufeffRock", "", "x" * 70_000),
]
STYLES = ["combined", "multi"]
ID3 = ["keep", "2.3", "2.4"]
EXISTING = ["replace", "append", "prepend"]


def verdict(
    act: Callable[..., None], path: Path, blocks: Sequence[BlockChange], field: str | None
) -> str:
    """Say why something cannot be done to a file; empty if it can."""
    try:
        act(path, blocks, field=field)
    except TrackError as error:
        return str(error)
    return ""


def policies() -> Iterator[tuple[TagPolicy, str | None]]:
    """Yield every option that reaches the writer, each beside the usual others."""
    for field in FIELDS:
        yield TagPolicy("replace"), field
    for style, id3, existing in itertools.product(STYLES, ID3, EXISTING):
        yield TagPolicy(existing, style=style, id3=id3), None
    for name in NAMES:
        for style in STYLES:
            yield TagPolicy("append", style=style, names={"Jazz": name}), None
        yield TagPolicy("replace", names={"Jazz": name}, id3="2.3"), "AUTOGENRE"
    for separator in [", ", " // ", "ü", "\\"]:
        yield TagPolicy("replace", separator=separator), None


def assert_agreement(path: Path, policy: TagPolicy, field: str | None) -> str:
    """Rehearse and write one change; return what both say, and leave the file as it was."""
    before = path.read_bytes()
    os.utime(path, ns=(10**18, 10**18))
    try:
        line = plan(path, tags.read(path, field=field), policy, Decision(("Jazz", "Pop"), "."))
    except TrackError as error:
        return str(error)
    if line.state is not State.CHANGE:
        return ""
    rehearsed = verdict(tags.rehearse, path, line.blocks, field)
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == 10**18
    assert verdict(tags.write, path, line.blocks, field) == rehearsed, (policy, field)
    assert (path.read_bytes() == before) == bool(rehearsed)
    path.write_bytes(before)
    return rehearsed


@pytest.mark.parametrize("had", [(), ("Blues", "Rock")], ids=["none", "two"])
@pytest.mark.parametrize("form", FORMS)
def test_every_option_is_refused_by_the_rehearsal_or_by_nobody(
    audio_file: AudioFile, form: str, had: tuple[str, ...]
) -> None:
    path = audio_file(form, genre=had, title="Title", seconds=0.3)
    verdicts = [assert_agreement(path, *options) for options in policies()]
    assert "" in verdicts
    assert any(verdicts) or form in {"MP3 ID3v1 only"}


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_file_is_refused_by_the_rehearsal_or_by_nobody(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",), title="Title", seconds=0.3)
    data = path.read_bytes()
    rng = random.Random(form)
    for i in range(60):
        changed = bytearray(data[: rng.randrange(1, len(data))] if i % 4 == 0 else data)
        for _ in range(rng.choice([1, 2, 5, 50])):
            edge = rng.randrange(min(1500, len(changed)))
            at = rng.choice([edge, len(changed) - 1 - edge, rng.randrange(len(changed))])
            changed[at] = rng.choice([0, 255, rng.randrange(256)])
        path.write_bytes(changed)
        policy = TagPolicy("replace", names={"Jazz": "x" * rng.choice([3, 5000, 100_000])})
        assert_agreement(path, policy, rng.choice([None, "AUTOGENRE"]))


# ---- Odd files -------------------------------------------------------------------------------


def _fragmented(path: Path) -> None:
    source = path.with_name(f"whole{path.suffix}")
    path.rename(source)
    options = ["-c", "copy", "-frag_duration", "100000", "-movflags", "empty_moov"]
    command = ["ffmpeg", "-v", "error", "-i", source, *options, path]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _changed(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(change(path.read_bytes()))

    return make


def _frame(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "big") + bytes(2) + content


STRAY = id3v2_tag(3, _frame(b"TCON", b"\0Rock") + b"??garbage, not padding")
SHORT_SIZE = id3v2_tag(3, _frame(b"TCON", b"\0Rock") + b"TIT2\0\0\x7f\xff\0\0\0T", padding=0)
ODD = {
    "a fragmented M4A": ("M4A AAC", _fragmented, "fragmented MP4"),
    "stray bytes in an ID3v2 tag": ("MP3", _changed(lambda b: STRAY + b), "do not add up"),
    "a frame past the end of its tag": ("MP3", _changed(lambda b: SHORT_SIZE + b), "do not add"),
    "an Ogg cut off in a page": ("Ogg Vorbis", _changed(lambda b: b[:-100]), "Ogg Vorbis"),
    "rubbish behind an Opus stream": ("Opus", _changed(lambda b: b + b"xyz" * 50), "Opus"),
    "an ID3v1 tag alone": ("MP3", _changed(lambda b: b + id3v1_tag(17)), ""),
    "a chunk behind the end of a WAV": ("WAV", _changed(lambda b: b + chunk(b"XYZW", b"1")), ""),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_file_is_refused_by_the_rehearsal_with_the_same_words(
    audio_file: AudioFile, odd: str
) -> None:
    form, change, words = ODD[odd]
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed (Debian package ffmpeg)")
    path = audio_file(form, genre=(), title="T", seconds=3.0)
    change(path)
    long = TagPolicy("replace", names={"Jazz": "x" * 100_000})
    verdicts = {assert_agreement(path, long, None), assert_agreement(path, TagPolicy(), None)}
    assert any(words in verdict and verdict for verdict in verdicts) == bool(words), verdicts
    line = plan(path, tags.read(path), long, Decision(("Jazz",), "."))
    is_refused = bool(verdict(tags.rehearse, path, line.blocks, None))
    assert (apply(line, Journal("test")).state is State.FAILED) == is_refused


UNPLANNED = {
    "the file has changed": (
        "FLAC",
        [("Vorbis comment", ("Blues",), ("Rock",))],
        "make a new plan",
    ),
    "no number": ("MP3 ID3v1 only", [("ID3v1", ("Rock",), ("Our own",))], "has no number for"),
    "two in ID3v1": ("MP3 ID3v1 only", [("ID3v1", ("Rock",), ("Pop", "Folk"))], "has no number"),
    "a new ID3v1 tag": ("MP3", [("ID3v1", (), ("Rock",))], "is never made"),
    "two in INFO": ("WAV INFO", [("RIFF INFO", ("Rock",), ("Pop", "Jazz"))], "one genre only"),
    "version 2.2": ("MP3 ID3v2.2", [("ID3v2.2", ("Rock",), ("Pop",))], "plan for ID3v2.3"),
    "an empty genre": ("Opus", [("Vorbis comment", ("Rock",), ("",))], "is empty or contains"),
    "17 MB": ("FLAC", [("Vorbis comment", ("Rock",), ("x" * 17_000_000,))], "exceed 16 MB"),
    "one of two": (
        "MP3 ID3v2.3 + APEv2",
        [("ID3v2.3", ("Rock",), ("Pop",)), ("APEv2", ("X",), ("Pop",))],
        "APEv2 holds",
    ),
}


@pytest.mark.parametrize("unplanned", UNPLANNED)
def test_a_change_that_cannot_be_is_refused_by_both_with_the_same_words(
    audio_file: AudioFile, unplanned: str
) -> None:
    form, changes, words = UNPLANNED[unplanned]
    path = audio_file(form, genre=("Rock",))
    before = path.read_bytes()
    blocks = [BlockChange(*change) for change in changes]
    rehearsed = verdict(tags.rehearse, path, blocks, None)
    assert words in rehearsed
    assert verdict(tags.write, path, blocks, None) == rehearsed
    assert path.read_bytes() == before


def test_a_wav_that_would_exceed_4_gb_is_refused_by_both_with_the_same_words(
    audio_file: AudioFile,
) -> None:
    path = audio_file("WAV")
    data, size = bytearray(path.read_bytes()), 0xFFFFFFF0
    struct.pack_into("<I", data, 4, size - 8)
    struct.pack_into("<I", data, 40, size - 44)
    path.write_bytes(data)
    os.truncate(path, size)  # the rest takes no room on the disk
    blocks = [BlockChange("ID3v2.4", (), ("Pop",))]
    rehearsed = verdict(tags.rehearse, path, blocks, None)
    assert "would exceed 4 GB" in rehearsed
    assert verdict(tags.write, path, blocks, None) == rehearsed
    assert path.stat().st_size == size


def test_a_rehearsal_needs_no_right_to_write(audio_file: AudioFile, tmp_path: Path) -> None:
    path = audio_file("M4A AAC", genre=("Rock",))
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        tags.rehearse(path, [BlockChange("MP4", ("Rock",), ("Pop",))])
        assert list(tmp_path.iterdir()) == [path]
    finally:
        tmp_path.chmod(0o755)
