"""Cue sheets, in a file and beside it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tag_files import AudioFile

from genretagger import tags

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("form", ["FLAC", "Ogg Vorbis", "WavPack", "Monkey's Audio"])
def test_an_embedded_cue_sheet_is_seen(audio_file: AudioFile, form: str) -> None:
    assert not tags.read(audio_file(form, name="a")).has_cuesheet
    assert tags.read(audio_file(form, name="b", cuesheet='FILE "x" WAVE')).has_cuesheet


@pytest.mark.parametrize("name", ["track.cue", "track.CUE", "Track.mp3.Cue"])
def test_a_cue_sheet_beside_the_file_is_seen(
    audio_file: AudioFile, tmp_path: Path, name: str
) -> None:
    path = audio_file("MP3")
    other = tmp_path / "another.cue"
    other.touch()
    assert not tags.read(path).has_cuesheet
    (tmp_path / name).touch()
    assert tags.read(path).has_cuesheet
    (tmp_path / name).unlink()
    assert not tags.read(path).has_cuesheet


def test_a_folder_that_has_settled_is_listed_again_once_it_changes(
    audio_file: AudioFile, tmp_path: Path
) -> None:
    path = audio_file("MP3")
    os.utime(tmp_path, (1_000_000_000, 1_000_000_000))
    assert not tags.read(path).has_cuesheet
    (tmp_path / "track.cue").touch()
    assert tags.read(path).has_cuesheet


def test_a_folder_that_changes_twice_within_one_tick_of_its_clock_is_listed_again(
    audio_file: AudioFile, tmp_path: Path
) -> None:
    path = audio_file("MP3")
    now_ns = time.time_ns()
    os.utime(tmp_path, ns=(now_ns, now_ns))
    assert not tags.read(path).has_cuesheet
    (tmp_path / "track.cue").touch()
    os.utime(tmp_path, ns=(now_ns, now_ns))
    assert tags.read(path).has_cuesheet
