"""The second decoder: what libsndfile cannot read, ffmpeg is asked before it is called damaged.

The files are made by ffmpeg; where the audio lies is told by its pitch, which rises.
"""

import os
import shutil
import struct
import subprocess

import numpy as np
import pytest

from genretagger import audio, tags
from genretagger.errors import DamagedError, TrackError
from genretagger.mpeg import mpeg_length

SR = 16000
LENGTH_S = 40
RISES = f"aevalsrc=0.4*sin(2*PI*(200*t+20*t*t)):s=44100:d={LENGTH_S}"
"""200 Hz at the beginning, and 40 Hz more each second."""

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="needs ffmpeg (Debian package ffmpeg)"
)
pytestmark = needs_ffmpeg


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Give a function that encodes the rising tone, or another source, once for all tests."""
    folder = tmp_path_factory.mktemp("made")

    def make(name, *options, source=RISES, piped=False):
        path = folder / name
        if not path.exists():
            command = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", source]
            command += ["-map_metadata", "-1", *options]
            if piped:
                path.write_bytes(subprocess.check_output([*command, "-"]))
            else:
                subprocess.run([*command, path], check=True)
        return path

    return make


def decode(path, **options):
    return audio.decode(path, sr=SR, segment_s=10.0, **options)


def check_pitch(segments, begins_s=0.0):
    """Make sure that each segment is what lies there in the rising tone."""
    for segment in segments:
        middle = segment.y[80000 - 2048 : 80000 + 2048] * np.hanning(4096)
        heard_hz = np.abs(np.fft.rfft(middle)).argmax() * SR / 4096
        expected_hz = 200 + 40 * (segment.start_s - begins_s + 5.0)
        assert abs(heard_hz - expected_hz) < 16  # 0.4 s, and a bin of the spectrum is 4 Hz


PIPED_FLAC = ("piped.flac", "-f", "flac")
VBR = ("-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0", "-id3v2_version", "0")
SPEEX = ("-c:a", "libspeex", "-ar", "16000", "-ac", "1")

WHOLE = {
    "FLAC from a pipe": PIPED_FLAC,
    "Ogg FLAC": ("a.oga", "-c:a", "flac", "-f", "ogg"),
    "Ogg FLAC as .flac": ("ogg.flac", "-c:a", "flac", "-f", "ogg"),
    "Speex": ("speex.ogg", *SPEEX),
    "WAV from a pipe": ("piped.wav", "-f", "wav"),
    "WAV of MP3": ("mp3.wav", "-c:a", "libmp3lame"),
    "WAV of G.726": ("g726.wav", "-ar", "8000", "-ac", "1", "-c:a", "g726"),
    "AIFC of ADPCM": ("ima.aifc", "-c:a", "adpcm_ima_qt", "-f", "aiff"),
    "MP3 without a Xing header": ("cbr.mp3", "-b:a", "128k", "-write_xing", "0"),
    "VBR MP3 without a Xing header": ("vbr.mp3", *VBR),
    "fragmented M4A": ("f.m4a", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"),
    "M4A as .mp3": ("m4a.mp3", "-c:a", "aac", "-f", "ipod"),
    "WMA as .mp3": ("wma.mp3", "-c:a", "wmav2", "-f", "asf"),
    "AAC as .mp3": ("aac.mp3", "-c:a", "aac", "-f", "adts"),
    "Ogg Vorbis as .mp3": ("vorbis.mp3", "-c:a", "libvorbis", "-f", "ogg"),
    "FLAC as .wv": ("flac.wv", "-c:a", "flac", "-f", "flac"),
    "AAC": ("a.aac", "-c:a", "aac"),
    "AC-3": ("a.ac3",),
    "MP2": ("a.mp2",),
    "Matroska": ("a.mka", "-c:a", "aac"),
    "WebM": ("a.webm", "-c:a", "libopus"),
    "WebM from a pipe": ("piped.webm", "-c:a", "libopus", "-f", "webm"),
    "TTA": ("a.tta",),
    "DTS": ("a.dts", "-c:a", "dca", "-strict", "-2"),
    "CAF": ("a.caf",),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_what_ffmpeg_can_decode_is_heard_to_its_end_and_in_its_places(made, kind):
    name, *options = WHOLE[kind]
    excerpts = decode(made(name, *options, piped="pipe" in name))
    assert excerpts.duration_s == pytest.approx(LENGTH_S, abs=0.3)
    assert [s.start_s for s in excerpts.segments] == pytest.approx([5, 15, 25], abs=0.2)
    notes = list(excerpts.notes)
    if " as ." in kind:
        assert notes.pop().startswith("this is a")
    assert notes == []
    check_pitch(excerpts.segments)


@pytest.mark.parametrize(
    ("form", "made_as", "suffix", "name"),
    [
        ("aiff", "sister.aiff", ".wav", "an AIFF file; rename it to end in .aiff"),
        ("wav", "sister.wav", ".aiff", "a WAV file; rename it to end in .wav"),
        ("ogg", "sister.ogg", ".opus", "an Ogg Vorbis file; rename it to end in .ogg"),
        ("opus", "sister.opus", ".ogg", ""),
    ],
)
def test_what_has_a_wrong_name_is_heard_and_called_what_it_is(
    made, tmp_path, form, made_as, suffix, name
):
    codec = {"ogg": ("-c:a", "libvorbis"), "opus": ("-c:a", "libopus")}.get(form, ())
    path = tmp_path / f"a{suffix}"
    path.write_bytes(made(made_as, *codec).read_bytes())
    excerpts = decode(path)
    assert excerpts.notes == ((f"this is {name}",) if name else ())
    check_pitch(excerpts.segments)


@pytest.mark.parametrize(
    ("suffix", "shape"),
    [(".ogg", ()), (".ogg", ("-ac", "2", "-ar", "24000")), (".opus", ("-ac", "2")), (".oga", ())],
)
def test_streams_in_a_chain_are_heard_one_after_the_other(made, tmp_path, suffix, shape):
    codec = {".ogg": "libvorbis", ".opus": "libopus", ".oga": "flac"}[suffix]
    encode = ("-c:a", codec, "-f", "ogg")
    first = made(f"first{suffix}", *encode, "-t", "10")
    other = "-".join(shape).replace("-", "")
    second = made(f"second{other}{suffix}", *encode, *shape, "-serial_offset", "7")
    path = tmp_path / f"chain{suffix}"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    excerpts = decode(path)
    assert excerpts.duration_s == pytest.approx(10 + LENGTH_S, abs=0.2)
    assert [s.start_s for s in excerpts.segments] == pytest.approx([7.5, 20, 32.5], abs=0.1)
    check_pitch(excerpts.segments[1:], begins_s=10.0)
    assert len(audio.decode_whole(path, SR)) == pytest.approx(50 * SR, rel=0.01)


@pytest.mark.parametrize("quiet_first", [True, False])
def test_an_estimated_length_is_not_believed(made, quiet_first):
    # at 32 kbit/s a quiet beginning promises five times the length, and a loud one a third
    when = "lt(t,10)" if quiet_first else "gt(t,30)"
    source = f"anoisesrc=a=0.3:d=40:r=44100,volume='if({when},0,1)':eval=frame"
    excerpts = decode(made(f"vbr-{quiet_first}.mp3", *VBR, source=source))
    assert excerpts.duration_s == pytest.approx(40, abs=0.1)
    assert len(excerpts.segments) == 3


def test_half_of_an_mp3_whose_length_is_estimated_is_a_short_one(made, tmp_path):
    for name, *options in (
        WHOLE["MP3 without a Xing header"],
        WHOLE["VBR MP3 without a Xing header"],
    ):
        data = made(name, *options).read_bytes()
        path = tmp_path / name
        path.write_bytes(data[: len(data) // 2])
        excerpts = decode(path)
        assert 10 < excerpts.duration_s < 30
        check_pitch(excerpts.segments)


def test_junk_behind_an_mp3_of_constant_rate_does_not_make_it_truncated(made, tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(made(*WHOLE["MP3 without a Xing header"]).read_bytes() + b"junk" * 500_000)
    excerpts = decode(path)
    assert excerpts.duration_s == pytest.approx(LENGTH_S, abs=0.2)
    check_pitch(excerpts.segments)


STATED = {
    "MP3": ("download.mp3", "-b:a", "128k"),
    "VBR MP3": ("vbr-download.mp3", "-q:a", "2"),
    "FLAC": ("download.flac",),
    "M4A": ("download.m4a", "-c:a", "aac", "-movflags", "+faststart"),
    "WavPack": ("download.wv",),
    "FLAC as .mp3": ("flac-download.mp3", "-c:a", "flac", "-f", "flac"),
    "M4A as .mp3": ("m4a-download.mp3", "-c:a", "aac", "-f", "ipod", "-movflags", "+faststart"),
}


@pytest.mark.parametrize("kind", STATED)
def test_half_a_download_that_states_its_length_is_truncated(made, tmp_path, kind):
    name, *options = STATED[kind]
    data = made(name, *options).read_bytes()
    path = tmp_path / f"half a {name}"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(
        DamagedError,
        match=r"^truncated: its header says 40 s, but the audio ends before 2\d s; get a whole",
    ):
        decode(path)
    path.write_bytes(data)
    assert decode(path).duration_s == pytest.approx(LENGTH_S, abs=0.1)


CHUNKS = ["download.wav", "download.aiff", "download.aifc"]


@pytest.mark.parametrize("name", CHUNKS)
def test_half_a_wav_or_aiff_is_truncated_in_the_same_words_for_its_tags(made, tmp_path, name):
    data = made(name, *(("-c:a", "pcm_alaw", "-f", "aiff") if "aifc" in name else ())).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) // 2])
    words = "truncated: its header says 40 s, but the audio ends before 21 s; get a whole copy"
    for look in (decode, tags.read):
        with pytest.raises(DamagedError) as caught:
            look(path)
        assert str(caught.value) == words
    path.write_bytes(data)
    tags.read(path)
    assert decode(path).duration_s == pytest.approx(LENGTH_S, abs=0.01)


def test_half_a_dsf_is_truncated_in_the_same_words_for_its_tags(audio_file, tmp_path):
    whole = audio_file("DSF", genre=("Pop",), seconds=6)
    path = tmp_path / "half.dsf"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    words = "truncated: its header says 6 s, but the audio ends before 4 s; get a whole copy"
    for look in (decode, tags.read):
        with pytest.raises(DamagedError) as caught:
            look(path)
        assert str(caught.value) == words
    assert decode(whole).duration_s == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x7F000024, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize(
    ("name", "order", "samples"), [("download.wav", "<", b"data"), ("download.aiff", ">", b"SSND")]
)
def test_a_size_that_was_never_filled_in_is_heard_to_the_end_and_not_tagged(
    made, tmp_path, name, order, samples, size
):
    data = bytearray(made(name).read_bytes())
    at = data.index(samples) + 4
    data[at : at + 4] = struct.pack(f"{order}I", size)
    data[4:8] = struct.pack(f"{order}I", size)
    path = tmp_path / name
    path.write_bytes(data)
    excerpts = decode(path)
    assert excerpts.duration_s == pytest.approx(LENGTH_S, abs=0.1)
    check_pitch(excerpts.segments)
    with pytest.raises(TrackError, match=r"^its header does not say how long .* ffmpeg -c copy"):
        tags.read(path)


@pytest.mark.parametrize("part", [2, 10])
def test_an_mp3_that_goes_on_behind_its_stated_length_is_heard_to_its_end(made, tmp_path, part):
    data = bytearray(made("low.mp3", "-c:a", "libmp3lame", "-q:a", "6").read_bytes())
    at = data.index(b"Xing") + 8
    (n,) = struct.unpack(">I", data[at : at + 4])
    data[at : at + 4] = struct.pack(">I", n // part)
    path = tmp_path / "a.mp3"
    path.write_bytes(data)
    excerpts = decode(path)
    assert excerpts.duration_s == pytest.approx(LENGTH_S, abs=0.2)
    check_pitch(excerpts.segments)


def test_an_mp3_whose_header_states_too_many_frames_is_heard_and_half_of_one_is_not(made, tmp_path):
    data = bytearray(made("low.mp3", "-c:a", "libmp3lame", "-q:a", "6").read_bytes())
    at = data.index(b"Xing") + 8
    (n,) = struct.unpack(">I", data[at : at + 4])
    data[at : at + 4] = struct.pack(">I", 10 * n)
    path = tmp_path / "a.mp3"
    path.write_bytes(data)
    excerpts = decode(path)
    assert excerpts.duration_s == pytest.approx(LENGTH_S, abs=0.2)
    check_pitch(excerpts.segments)
    path.write_bytes(data[: len(data) // 2])  # by the bytes that it states, some are missing
    with pytest.raises(DamagedError, match="truncated"):
        decode(path)


def test_a_picture_behind_an_mp3_does_not_make_its_length_doubtful(made, tmp_path):
    data = made("low.mp3", "-c:a", "libmp3lame", "-q:a", "6").read_bytes()
    path = tmp_path / "a.mp3"
    path.write_bytes(data + np.random.default_rng(0).bytes(2 * len(data)))
    assert mpeg_length(path) == "stated"


def test_a_flac_file_with_a_damaged_middle_is_heard_around_it(made, tmp_path):
    data = bytearray(made("download.flac").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4096] = os.urandom(4096)
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    excerpts = decode(path)
    assert excerpts.duration_s == pytest.approx(LENGTH_S, abs=1.5)
    assert len(excerpts.segments) == 3


@pytest.mark.parametrize("n_samples", [(1 << 36) - 1, 1])
def test_an_absurd_length_is_not_believed(made, tmp_path, n_samples):
    data = bytearray(made("download.flac").read_bytes())
    at = data.index(b"fLaC") + 18
    fields = struct.unpack(">Q", data[at : at + 8])[0] >> 36 << 36 | n_samples
    data[at : at + 8] = struct.pack(">Q", fields)
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    assert decode(path).duration_s == pytest.approx(LENGTH_S, abs=0.1)


def test_windows_and_stretches_of_what_cannot_seek_are_the_same_audio(made):
    path = made(*PIPED_FLAC, piped=True)
    windows = list(audio.decode_windows(path, sr=SR, window_s=10.0, hop_s=3.0, most=100))
    assert [w.start_s for w in windows] == pytest.approx(np.linspace(0, 30, 11), abs=0.01)
    check_pitch(windows)
    excerpts = decode(path)
    assert (excerpts.duration_s, [s.start_s for s in excerpts.segments]) == (40.0, [5, 15, 25])
    assert audio.decode_further(path, excerpts, 4, sr=SR, segment_s=10.0) == ()
    stretch = audio.decode_stretch(path, sr=SR, start_s=15.0, length_s=10.0)
    np.testing.assert_array_equal(stretch, decode(path).segments[1].y)
    np.testing.assert_allclose(
        audio.decode_whole(path, SR)[15 * SR + 100 : 25 * SR - 100], stretch[100:-100], atol=1e-4
    )


def test_a_playlist_under_an_audio_name_leads_ffmpeg_nowhere(made, tmp_path):
    shutil.copy(made("a.aac", "-c:a", "aac"), tmp_path / "other.aac")
    for name in ("a.mp3", "a.m4a"):
        (tmp_path / name).write_text("#EXTM3U\n#EXTINF:40,\nother.aac\n#EXT-X-ENDLIST\n")
        with pytest.raises(TrackError, match="this is a playlist, not audio"):
            decode(tmp_path / name)


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".wav", ".m4a", ".wma", ".mka"])
def test_a_web_page_under_an_audio_name_is_called_one(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("<!DOCTYPE html><html><body>Not found</body></html>" * 100)
    with pytest.raises(TrackError, match="this is an HTML page, not audio; get the file again"):
        decode(path)


def _without_ffmpeg(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_without_ffmpeg_a_failure_asks_for_it_and_is_not_to_be_remembered(
    made, tmp_path, monkeypatch
):
    unreadable = made("a.oga", "-c:a", "flac", "-f", "ogg")
    half = tmp_path / "half.mp3"
    data = made(*STATED["MP3"]).read_bytes()
    half.write_bytes(data[: len(data) // 2])
    _without_ffmpeg(monkeypatch, tmp_path)
    with pytest.raises(TrackError, match=r"install ffmpeg .* another decoder") as caught:
        decode(unreadable)
    assert not isinstance(caught.value, DamagedError)
    with pytest.raises(TrackError, match=r"^truncated: .* get a whole copy$") as caught:
        decode(half)
    assert not isinstance(caught.value, DamagedError)


def test_without_ffmpeg_an_estimated_length_is_made_do_with(made, tmp_path, monkeypatch):
    path = made(*WHOLE["VBR MP3 without a Xing header"])
    _without_ffmpeg(monkeypatch, tmp_path)
    check_pitch(decode(path).segments)


def test_an_ffmpeg_that_cannot_be_started_is_a_line(made, tmp_path, monkeypatch):
    path = made("download.m4a", "-c:a", "aac", "-movflags", "+faststart")
    for name in ("ffmpeg", "ffprobe"):
        (tmp_path / name).write_text("no program")
        (tmp_path / name).chmod(0o755)
    _without_ffmpeg(monkeypatch, tmp_path)
    with pytest.raises(TrackError, match="ffprobe cannot be started"):
        decode(path)


def test_no_process_is_left_behind(made, monkeypatch):
    path = made(*PIPED_FLAC, piped=True)
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1]
    )
    windows = audio.decode_windows(path, sr=SR, window_s=10.0, hop_s=3.0, most=100)
    next(windows)
    windows.close()
    assert len(started) > 1
    assert all(process.returncode is not None for process in started)
