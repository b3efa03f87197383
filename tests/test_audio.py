import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genretagger import audio
from genretagger.errors import TrackError

SR = 16000


def tone(seconds, sr=44100, channels=2, hz=440.0):
    t = np.arange(round(seconds * sr)) / sr
    return np.repeat((0.5 * np.sin(2 * np.pi * hz * t))[:, None], channels, axis=1)


def wav(path, y, sr=44100, **options):
    with soundfile.SoundFile(path, "w", sr, y[0].size, **options) as file:
        for first in range(0, len(y), sr):  # libsndfile crashes on a minute of Vorbis at once
            file.write(y[first : first + sr])
    return path


def decode(path, **options):
    return audio.decode(path, sr=SR, segment_s=10.0, **options)


def starts(excerpts):
    return [round(segment.start_s, 3) for segment in excerpts.segments]


def test_three_segments_are_centred_on_the_quarters(tmp_path):
    excerpts = decode(wav(tmp_path / "a.flac", tone(60)))
    assert starts(excerpts) == [10.0, 25.0, 40.0]
    assert all(segment.y.shape == (160000,) and segment.sr == SR for segment in excerpts.segments)
    assert excerpts.notes == ()


def test_seeking_finds_the_very_samples_of_the_whole_track(tmp_path):
    rng = np.random.default_rng(1)
    y = rng.uniform(-0.5, 0.5, 16000 * 60)
    path = wav(tmp_path / "a.flac", y, 16000)
    whole, _ = soundfile.read(path, dtype="float32")
    for segment in decode(path).segments:
        first = round(segment.start_s * 16000)
        np.testing.assert_array_equal(segment.y, whole[first : first + 160000])


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".opus"])
def test_seeking_in_a_lossy_file_lands_where_the_audio_is(tmp_path, suffix):
    sr = 48000
    sweep_hz = np.linspace(200, 4000, 60 * sr)
    y = 0.5 * np.sin(2 * np.pi * np.cumsum(sweep_hz) / sr)
    opus = {"format": "OGG", "subtype": "OPUS"} if suffix == ".opus" else {}
    for segment in decode(wav(tmp_path / f"a{suffix}", y, sr, **opus)).segments:
        middle = segment.y[80000 - 2048 : 80000 + 2048] * np.hanning(4096)
        heard_hz = np.abs(np.fft.rfft(middle)).argmax() * SR / 4096
        expected_hz = 200 + 3800 * (segment.start_s + 5.0) / 60
        assert abs(heard_hz - expected_hz) < 10  # 10 Hz is 0.16 s of this sweep


def test_a_track_shorter_than_three_segments_is_covered_whole(tmp_path):
    assert starts(decode(wav(tmp_path / "a.wav", tone(25)))) == [0.0, 7.5, 15.0]
    assert starts(decode(wav(tmp_path / "b.wav", tone(12)))) == [0.0, 2.0]


def test_a_short_track_is_repeated_and_said_to_be_short(tmp_path):
    excerpts = decode(wav(tmp_path / "a.wav", tone(4, sr=SR, channels=1), SR))
    y = excerpts.segments[0].y
    assert y.shape == (160000,)
    np.testing.assert_array_equal(y[:64000], y[64000:128000])
    assert excerpts.notes == ("short: 4.0 s, repeated to 10 s",)


def test_a_track_of_one_second_is_heard_and_a_shorter_one_is_refused(tmp_path):
    assert len(decode(wav(tmp_path / "a.wav", tone(1))).segments) == 1
    with pytest.raises(TrackError, match=r"too short: 0\.2 s"):
        decode(wav(tmp_path / "b.wav", tone(0.2)))


def test_a_long_file_is_heard_at_more_points_and_says_so(tmp_path):
    path = wav(tmp_path / "a.flac", tone(1500, sr=8000, channels=1), 8000)
    excerpts = decode(path)
    assert len(excerpts.segments) == 6
    assert excerpts.notes == ("25 min long, may be a whole album: heard in 6 places",)
    assert np.diff(starts(excerpts)) == pytest.approx(1500 / 7, abs=0.01)


def test_a_file_with_a_cue_sheet_is_heard_at_more_points(tmp_path):
    path = wav(tmp_path / "a.flac", tone(1140, sr=8000, channels=1), 8000)
    assert len(decode(path).segments) == 3
    excerpts = decode(path, has_cuesheet=True)
    assert len(excerpts.segments) == 5
    assert excerpts.notes == ("has a cue sheet, may be a whole album: heard in 5 places",)


@pytest.mark.parametrize("sr", [8000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_rate_and_channel_count_gives_the_same_tone(tmp_path, sr, channels):
    y = decode(wav(tmp_path / "a.wav", tone(3, sr, channels), sr)).segments[0].y
    assert y.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(y[: 2 * SR] * np.hanning(2 * SR)))
    assert spectrum.argmax() / 2 == pytest.approx(440, abs=1)
    assert np.abs(y[SR : 2 * SR]).max() == pytest.approx(0.5, abs=0.01)


def test_silence_has_no_segments_and_says_so(tmp_path):
    excerpts = decode(wav(tmp_path / "a.wav", np.zeros(SR * 40), SR))
    assert excerpts.segments == ()
    assert excerpts.notes == ("silent where it was heard",)


def test_silent_points_are_left_out_and_said(tmp_path):
    y = np.concatenate([tone(14, SR, 1), np.zeros((11 * SR, 1))])
    excerpts = decode(wav(tmp_path / "a.wav", y, SR))
    assert len(excerpts.segments) == 2
    assert excerpts.notes == ("silent in 1 of 3 places",)


# ---- Where the music is ----------------------------------------------------------------------


def noise(seconds, sr=SR, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, (round(seconds * sr), channels))


def quiet(seconds, level=0.0, sr=SR):
    return level * noise(seconds, sr, seed=1)


def parts(*named):
    """Join parts of a track; give it, and where each begins and ends in seconds."""
    ends = np.cumsum([len(part) / SR for part in named])
    return np.concatenate(named), list(zip([0.0, *ends[:-1]], ends, strict=True))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".m4a"])
def test_a_song_before_minutes_of_silence_and_a_hidden_track_is_heard(tmp_path, suffix):
    y, spans = parts(noise(150), quiet(650), noise(100))
    path = wav(tmp_path / "a.wav", y, SR)
    if suffix != ".wav":
        _need_ffmpeg()
        other = tmp_path / f"a{suffix}"
        subprocess.run(["ffmpeg", "-v", "error", "-i", path, other], check=True)
        path = other
    excerpts = decode(path)
    assert excerpts.notes == ("quiet in 3 of 3 places: heard where there is sound",)
    assert len(excerpts.segments) == 3
    for start_s in starts(excerpts):
        assert any(begin <= start_s and start_s + 10 <= end + 0.1 for begin, end in spans[::2])
    assert sum(start_s < 150 for start_s in starts(excerpts)) == 2
    further = further_starts(path, 6)
    assert further
    for start_s in further:  # probes are 3.75 s apart
        assert any(begin - 4 < start_s and start_s + 10 < end + 4 for begin, end in spans[::2])


@pytest.mark.parametrize("level", [0.0, 1e-4, 5e-3])
@pytest.mark.parametrize("first", [True, False])
def test_a_long_quiet_beginning_or_end_is_not_listened_to(tmp_path, level, first):
    still, loud = quiet(60, level), noise(60)
    path = wav(tmp_path / "a.wav", np.concatenate([still, loud] if first else [loud, still]), SR)
    excerpts = decode(path)
    begin = 60 if first else 0
    assert len(excerpts.segments) == 3
    assert all(begin <= start_s <= begin + 50 for start_s in starts(excerpts))
    assert excerpts.notes == ("quiet in 1 of 3 places: heard where there is sound",)


def test_all_there_is_of_music_amid_silence_is_heard(tmp_path):
    path = wav(tmp_path / "a.wav", np.concatenate([quiet(30), noise(12), quiet(100)]), SR)
    excerpts = decode(path)
    assert excerpts.segments
    assert all(29 <= start_s <= 33 for start_s in starts(excerpts))


@pytest.mark.parametrize("level", [0.02, 0.1, 1.0])
def test_a_piece_with_loud_and_soft_parts_is_heard_where_it_always_was(tmp_path, level):
    path = wav(tmp_path / "a.wav", np.concatenate([level * noise(40), noise(80)]), SR)
    excerpts = decode(path)
    assert starts(excerpts) == [25.0, 55.0, 85.0]
    assert excerpts.notes == ()


def test_a_soft_track_is_heard_where_it_always_was(tmp_path):
    path = wav(tmp_path / "a.wav", 1e-3 * noise(60), SR, subtype="FLOAT")
    assert starts(decode(path)) == [10.0, 25.0, 40.0]


def test_a_long_file_is_heard_at_as_many_points_where_there_is_sound(tmp_path):
    song = noise(300, 8000)
    y = np.concatenate([song, np.zeros((900 * 8000, 1)), song])
    excerpts = decode(wav(tmp_path / "a.flac", y, 8000))
    assert len(excerpts.segments) == 6
    assert all(s <= 290 or 1199 <= s <= 1490 for s in starts(excerpts))
    assert excerpts.notes == (
        "25 min long, may be a whole album: heard in 6 places",
        "quiet in 4 of 6 places: heard where there is sound",
    )


# ---- More of a track -------------------------------------------------------------------------


def further(path, n):
    return audio.decode_further(path, decode(path), n, sr=SR, segment_s=10.0)


def further_starts(path, n):
    return [round(segment.start_s, 3) for segment in further(path, n)]


def test_further_excerpts_lie_between_those_that_were_heard(tmp_path):
    path = wav(tmp_path / "a.flac", noise(200), SR)
    whole, _ = soundfile.read(path, dtype="float32")
    assert starts(decode(path)) == [45.0, 95.0, 145.0]
    segments = further(path, 4)
    assert [s.start_s for s in segments] == [22.0, 70.0, 120.0, 167.0]
    for segment in segments:
        first = round(segment.start_s * SR)
        np.testing.assert_array_equal(segment.y, whole[first : first + 10 * SR])
    assert further_starts(path, 3) == [22.0, 70.0, 120.0]
    assert len(further_starts(path, 6)) == 6


@pytest.mark.parametrize(("seconds", "has_cuesheet"), [(29.0, False), (32.0, False), (500.0, True)])
def test_where_all_is_heard_or_an_album_may_be_no_excerpt_is_added(tmp_path, seconds, has_cuesheet):
    path = wav(tmp_path / "a.flac", noise(seconds, 8000), 8000)
    excerpts = decode(path, has_cuesheet=has_cuesheet)
    assert audio.decode_further(path, excerpts, 4, sr=SR, segment_s=10.0) == ()


def test_a_quiet_place_between_two_that_sound_is_left_out(tmp_path):
    # heard at 45, 95, 145 s; the pause around 120 s is known only once it is decoded
    y = np.concatenate([noise(112), quiet(20, 1e-4), noise(68)])
    path = wav(tmp_path / "a.flac", y, SR)
    assert decode(path).notes == ()
    assert further_starts(path, 4) == [22.0, 70.0, 167.0]


def test_damage_between_two_excerpts_is_found_where_it_is_heard(tmp_path):
    path = wav(tmp_path / "a.wav", noise(200), SR, subtype="FLOAT")
    excerpts = decode(path)
    data = bytearray(path.read_bytes())
    at = len(data) - 4 * SR * (200 - 120)  # at 120 s; heard at 95 and at 145 s
    data[at : at + 4] = struct.pack("<f", np.nan)
    path.write_bytes(data)
    assert starts(decode(path)) == starts(excerpts)
    with pytest.raises(TrackError, match="holds NaN"):
        further(path, 4)


# ---- Channels --------------------------------------------------------------------------------

CANCEL = "its channels cancel each other: their difference is heard"


@pytest.mark.parametrize("residue", [0.0, 0.1])
def test_channels_that_cancel_are_heard_as_their_difference(tmp_path, residue):
    left = noise(40)
    right = -left + residue * noise(40, seed=2)
    excerpts = decode(wav(tmp_path / "a.wav", np.hstack([left, right]), SR, subtype="FLOAT"))
    assert excerpts.notes == (CANCEL,)
    expected = (left - right)[5 * SR : 15 * SR, 0] / 2
    np.testing.assert_allclose(excerpts.segments[0].y, expected, atol=1e-3)


def test_of_more_channels_that_cancel_the_strongest_is_heard(tmp_path):
    y = noise(40)
    path = wav(tmp_path / "a.wav", np.hstack([y / 2, -y, y, -y / 2]), SR, subtype="FLOAT")
    excerpts = decode(path)
    assert len(excerpts.segments) == 3
    assert np.abs(excerpts.segments[0].y).max() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize(
    "shape",
    [
        lambda y, z: (y, y),
        lambda y, z: (y, z),
        lambda y, z: (y, 0 * y),
        lambda y, z: (y + z, y - z),
        lambda y, z: (y + 1.9 * z, y - 1.9 * z),  # wide: the difference is stronger, by 5.6 dB
        lambda y, z: (y, z, y, z, 0 * y, 0 * y),
        lambda y, z: (y, 0 * y, 0 * y, 0 * y, 0 * y, 0 * y),
    ],
)
def test_the_mean_of_ordinary_channels_is_heard(tmp_path, shape):
    y = 0.3 * np.hstack(shape(noise(40), noise(40, seed=2)))
    path = wav(tmp_path / "a.wav", y, SR, subtype="FLOAT")
    excerpts = decode(path)
    assert excerpts.notes == ()
    stored, _ = soundfile.read(path, dtype="float32", always_2d=True)
    mean = stored.mean(axis=1)[5 * SR : 15 * SR]
    if y.shape[1] == 2:  # halves are exact
        np.testing.assert_array_equal(excerpts.segments[0].y, mean)
    np.testing.assert_allclose(excerpts.segments[0].y, mean, atol=1e-7)


@pytest.mark.parametrize("offsets", [(0.3, 0.3), (-0.1, -0.1), (0.3, -0.3), (0.2, 0.0)])
def test_a_constant_offset_is_taken_out(tmp_path, offsets):
    y = np.hstack([noise(40)] * 2)
    path = wav(tmp_path / "a.wav", y + np.array(offsets), SR, subtype="FLOAT")
    excerpts = decode(path)
    assert excerpts.notes == ()
    np.testing.assert_allclose(excerpts.segments[0].y, y[5 * SR : 15 * SR, 0], atol=2e-3)


@pytest.mark.parametrize("offset", [1e-3, 4e-3, 0.3])
def test_an_offset_alone_is_silence(tmp_path, offset):
    path = wav(tmp_path / "a.wav", np.full((40 * SR, 2), offset), SR, subtype="FLOAT")
    assert decode(path).notes == ("silent where it was heard",)


def test_an_offset_that_both_channels_share_does_not_hide_that_they_cancel(tmp_path):
    y = np.hstack([noise(40), -noise(40)]) + 0.2
    assert decode(wav(tmp_path / "a.wav", y, SR, subtype="FLOAT")).notes == (CANCEL,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, bad):
    y = tone(3)
    y[70000] = bad
    with pytest.raises(TrackError, match="NaN or infinite"):
        decode(wav(tmp_path / "a.wav", y, subtype="FLOAT"))


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.mp3").touch()
    with pytest.raises(TrackError, match="the file is empty"):
        decode(tmp_path / "a.mp3")


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".opus", ".wav", ".aiff"])
def test_text_under_an_audio_name_is_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("Dear diary, today I listened to music. " * 200)
    with pytest.raises(TrackError, match=r"^this is text, not audio; get the file again$"):
        decode(path)


@pytest.mark.parametrize("suffix", [".mp3", ".flac"])
def test_a_truncated_file_is_refused_and_says_where_it_ends(tmp_path, suffix):
    path = wav(tmp_path / f"a{suffix}", tone(60, 44100))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(TrackError, match=r"truncated|cannot be decoded"):
        decode(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(TrackError, match="No such file"):
        decode(tmp_path / "gone.mp3")


@pytest.mark.parametrize("name", [b"new\nline", "emoji 🎸".encode(), b"caf\xe9", b"-dash", b"a:b"])
@pytest.mark.parametrize("suffix", [".flac", ".m4a"])
def test_any_file_name_can_be_decoded(tmp_path, monkeypatch, name, suffix):
    plain = wav(tmp_path / "plain.flac", tone(3))
    if suffix == ".m4a":
        _need_ffmpeg()
        subprocess.run(["ffmpeg", "-v", "error", "-i", plain, tmp_path / "plain.m4a"], check=True)
    monkeypatch.chdir(tmp_path)  # so that a dash comes first
    path = Path(os.fsdecode(name) + suffix)
    shutil.copy(tmp_path / f"plain{suffix}", path)
    assert len(decode(path).segments) == 1


def _need_ffmpeg():
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg (Debian package ffmpeg)")


def test_ffmpeg_and_soundfile_hear_the_same(tmp_path):
    _need_ffmpeg()
    path = wav(tmp_path / "a.flac", tone(60) + 0.1 * tone(60, hz=1000.0))
    command = ["ffmpeg", "-v", "error", "-i", path, "-c:a", "alac", tmp_path / "a.m4a"]
    subprocess.run(command, check=True)
    ours, theirs = decode(path), decode(tmp_path / "a.m4a")
    assert starts(ours) == pytest.approx(starts(theirs), abs=0.05)
    for a, b in zip(ours.segments, theirs.segments, strict=True):
        np.testing.assert_allclose(a.y, b.y, atol=2e-3)


def test_without_ffmpeg_the_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(b"x" * 100)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TrackError, match="install ffmpeg and put it on the PATH"):
        decode(tmp_path / "a.m4a")


def test_a_film_without_sound_is_no_track(tmp_path):
    _need_ffmpeg()
    path = tmp_path / "a.m4a"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=s=64x64:d=1", "-f", "mp4", path]
    subprocess.run(command, check=True)
    with pytest.raises(TrackError, match="finds no audio"):
        decode(path)


def test_what_ffmpeg_cannot_read_is_refused_in_one_line(tmp_path):
    _need_ffmpeg()
    path = tmp_path / "a.wma"
    path.write_bytes(struct.pack("<100I", *range(100)))
    with pytest.raises(TrackError, match="ffprobe cannot decode it") as caught:
        decode(path)
    assert "\n" not in str(caught.value)


def test_a_file_without_a_sample_is_refused_by_name(tmp_path):
    path = tmp_path / "a.ogg"
    soundfile.write(path, np.zeros(0), SR)
    with pytest.raises(TrackError, match="there is no audio in it"):
        audio.decode_whole(path, SR)


def test_a_whole_file_is_decoded_to_mono_at_the_wanted_rate(tmp_path):
    path = wav(tmp_path / "a.flac", tone(5))
    y = audio.decode_whole(path, SR)
    assert y.shape == (5 * SR,)
    assert y.dtype == np.float32
