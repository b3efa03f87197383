"""Audio is known again whatever tags stand around it."""

import contextlib

import make_audio
import pytest
import soundfile
from runs import encode

from genretagger import tags
from genretagger.errors import TrackError
from genretagger.records import BlockChange


def long_enough(form):
    """Seconds of which not every byte is hashed; DSF is large, and slow to make."""
    return 2.0 if form == "DSF" else 8.0


@pytest.mark.parametrize("form", make_audio.FORMS)
def test_tags_do_not_change_what_audio_is(encoded, audio_file, form):
    seconds = long_enough(form)
    plain = tags.audio_id(encoded(form, seconds=seconds))
    # a comment so long that an Ogg stream gets new pages, and all later ones other numbers
    path = audio_file(form, genre=("Blues",), seconds=seconds, title="T", comment="long " * 30_000)
    assert tags.audio_id(path) == plain
    for block in tags.read(path).blocks:
        if block.values and block.kind != "ID3v2.2":
            tags.write(path, [BlockChange(block.kind, block.values, ())])
            assert tags.audio_id(path) == plain


@pytest.mark.parametrize("form", make_audio.FORMS)
def test_trimming_and_encoding_anew_change_what_audio_is(encoded, tmp_path, form):
    seconds = long_enough(form)
    path, other = encoded(form, seconds=seconds), encoded(form, seconds=seconds - 0.1)
    others = {tags.audio_id(path), tags.audio_id(other)}
    assert len(others) == 2
    cut = tmp_path / f"cut{path.suffix}"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    with contextlib.suppress(TrackError):  # the header may say that something is missing
        assert tags.audio_id(cut) not in others


@pytest.mark.parametrize("change", [{"seed": 1}, {"gain": 0.5}])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
def test_another_recording_of_the_same_length_is_another(tmp_path, suffix, change):
    one, other = tmp_path / f"1{suffix}", tmp_path / f"2{suffix}"
    encode(one, seconds=10.0)
    encode(other, seconds=10.0, **change)
    assert tags.audio_id(one) != tags.audio_id(other)


def test_a_change_of_the_sampling_rate_alone_is_seen(tmp_path):
    y = make_audio.music(2.0)
    soundfile.write(tmp_path / "1.wav", y, 44100)
    soundfile.write(tmp_path / "2.wav", y, 22050)
    assert tags.audio_id(tmp_path / "1.wav") != tags.audio_id(tmp_path / "2.wav")


def test_an_edit_list_that_cuts_an_mp4_is_seen(audio_file):
    path = audio_file("M4A AAC", seconds=4.0)
    before = tags.audio_id(path)
    data = path.read_bytes()
    at = data.index(b"elst") + 12  # the duration of the first edit
    path.write_bytes(data[:at] + (1000).to_bytes(4, "big") + data[at + 4 :])
    assert tags.audio_id(path) != before
