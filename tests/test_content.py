"""What a file is, whatever it is called; the files are made by ffmpeg and by hand."""

import re
import subprocess

import make_audio
import pytest

from genretagger import audio, tags
from genretagger.containers import CONTAINERS
from genretagger.content import complaint, content_of
from genretagger.errors import TrackError
from genretagger.lengths import flac_length_s
from genretagger.mpeg import mpeg_length

HTML = b"<!DOCTYPE html>\n<html><head><title>404</title></head><body>gone</body></html>"


def ffmpeg(path, *options, seconds=2):
    noise = f"anoisesrc=a=0.3:duration={seconds}:sample_rate=44100"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", noise, *options]
    try:
        subprocess.run([*command, f"file:{path}"], check=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        pytest.skip("needs ffmpeg (Debian package ffmpeg)")
    return path


@pytest.mark.parametrize("form", make_audio.FORMS)
def test_every_form_is_what_its_name_says(audio_file, form):
    path = audio_file(form, genre=("Pop",), title="a" * 500)
    assert complaint(path) == ""
    content = content_of(path)
    assert content is not None
    assert content.suffix in {path.suffix, ".ogg", ".oga", ".opus"}


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("Ogg Vorbis", "an Ogg Vorbis file; rename it to end in .ogg"),
        ("Opus", "an Opus file; rename it to end in .opus"),
        ("Ogg FLAC", "an Ogg FLAC file; rename it to end in .oga"),
        ("FLAC amid ID3", "a FLAC file; rename it to end in .flac"),
        ("WAV INFO + ID3", "a WAV file; rename it to end in .wav"),
        ("AIFF", "an AIFF file; rename it to end in .aiff"),
        ("M4A AAC", "an M4A file; rename it to end in .m4a"),
        ("WMA", "a WMA file; rename it to end in .wma"),
        ("WavPack", "a WavPack file; rename it to end in .wv"),
        ("DSF", "a DSF file; rename it to end in .dsf"),
    ],
)
def test_audio_under_a_wrong_ending_is_called_what_it_is(audio_file, form, name):
    path = audio_file(form, genre=("Pop",), title="Title")
    wrong = path.rename(path.with_suffix(".mp3"))
    assert complaint(wrong) == f"this is {name}"


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".m4a", ".wav", ".wma", ".ape"])
@pytest.mark.parametrize("form", ["MP3", "MP3 ID3v2.2", "MP3 APEv2 only", "MP3 ID3v1 only"])
def test_an_mp3_under_a_wrong_ending_is_called_an_mp3(audio_file, form, suffix):
    path = audio_file(form, genre=("Pop",), title="Title")
    wrong = path.rename(path.with_suffix(suffix))
    assert complaint(wrong) == "this is an MP3 file; rename it to end in .mp3"


@pytest.mark.parametrize(("sort", "suffix"), [("adts", ".aac"), ("ac3", ".ac3"), ("tta", ".tta")])
def test_kinds_that_cannot_be_tagged_are_recognised_under_the_name_of_others(
    tmp_path, sort, suffix
):
    path = ffmpeg(tmp_path / "a.mp3", "-f", sort)
    assert complaint(path).endswith(f"rename it to end in {suffix}")
    assert complaint(path.rename(tmp_path / f"a{suffix}")) == ""


def test_layer_two_may_be_called_mp3(tmp_path):
    assert complaint(ffmpeg(tmp_path / "a.mp3", "-f", "mp2")) == ""


@pytest.mark.parametrize("suffix", [".ogg", ".oga"])
@pytest.mark.parametrize("form", ["Ogg Vorbis", "Ogg FLAC", "Opus"])
def test_what_ogg_holds_may_be_called_ogg(audio_file, form, suffix):
    path = audio_file(form)
    assert complaint(path.rename(path.with_suffix(suffix))) == ""


@pytest.mark.parametrize(
    ("form", "suffix", "name"),
    [
        ("AIFF", ".wav", "an AIFF file; rename it to end in .aiff"),
        ("WAV", ".aiff", "a WAV file; rename it to end in .wav"),
        ("WAV", ".aif", "a WAV file; rename it to end in .wav"),
        ("Ogg Vorbis", ".opus", "an Ogg Vorbis file; rename it to end in .ogg"),
        ("Ogg FLAC", ".opus", "an Ogg FLAC file; rename it to end in .oga"),
        ("AIFF", ".aifc", ""),
    ],
)
def test_a_sister_of_its_format_is_another_format(audio_file, form, suffix, name):
    path = audio_file(form, genre=("Pop",))
    wrong = path.rename(path.with_suffix(suffix))
    assert complaint(wrong) == (name and f"this is {name}")
    if name:
        with pytest.raises(TrackError, match="rename it"):
            tags.read(wrong)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (HTML, "an HTML page"),
        (b"\xef\xbb\xbf\n  <HTML lang=en>" + HTML, "an HTML page"),
        (b"<!-- saved -->\n<html>", "an HTML page"),
        (b"#EXTM3U\nhttp://radio/x\n", "a playlist"),
        (b"PK\x03\x04" + bytes(range(200)), "a ZIP archive"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
        (bytes(5000), "nothing but zeros"),
        (b'{"error": "not found"}', "text"),
        (b"Not found\r\n", "text"),
        (b"Dear diary. " * 9999, "text"),
        (("x" + "\u00e9" * 9999).encode(), "text"),
    ],
)
@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".m4a", ".ogg", ".wma"])
def test_what_is_no_audio_is_called_what_it_is(tmp_path, data, name, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    assert complaint(path) == f"this is {name}, not audio; get the file again"


@pytest.mark.parametrize(
    "data", [b"", b"x", b"Dear diary.\xfe\x01" * 9, b"ID3", b"\xff\xfb", b"OggS"]
)
def test_of_what_is_not_recognised_nothing_is_said(tmp_path, data):
    (tmp_path / "a.ogg").write_bytes(data)
    assert complaint(tmp_path / "a.ogg") == ""


@pytest.mark.parametrize(
    ("options", "known"),
    [
        (("-b:a", "128k"), "stated"),
        (("-q:a", "4"), "stated"),
        (("-b:a", "128k", "-write_xing", "0"), "constant"),
        (("-ar", "22050", "-b:a", "64k", "-write_xing", "0"), "constant"),
        (("-q:a", "4", "-write_xing", "0"), "estimated"),
    ],
)
def test_an_mp3_tells_where_its_length_is_known_from(tmp_path, options, known):
    graph = "volume='if(lt(t,2),0,1)':eval=frame"
    path = ffmpeg(tmp_path / "a.mp3", "-af", graph, "-c:a", "libmp3lame", *options, seconds=6)
    assert mpeg_length(path) == known


def test_a_header_of_fraunhofer_states_the_length_and_an_empty_one_does_not(tmp_path):
    path = ffmpeg(tmp_path / "a.mp3", "-c:a", "libmp3lame", "-q:a", "4", "-id3v2_version", "0")
    data = path.read_bytes()
    at = data.index(b"Xing") if b"Xing" in data else data.index(b"Info")
    n_frames = data[at + 8 : at + 12]
    path.write_bytes(data[:36] + b"VBRI" + bytes(10) + n_frames + bytes(18) + data[72:])
    assert mpeg_length(path) == "stated"
    path.write_bytes(data[: at + 8] + bytes(4) + data[at + 12 :])  # no frames
    assert mpeg_length(path) != "stated"
    path.write_bytes(data[: at + 7] + b"\x0e" + data[at + 8 :])  # their number is not there
    assert mpeg_length(path) != "stated"


def test_a_flac_stream_says_how_long_it_is_unless_it_came_out_of_a_pipe(tmp_path, audio_file):
    assert flac_length_s(audio_file("FLAC amid ID3", title="x", seconds=2)) == 2.0
    path = tmp_path / "piped.flac"
    path.write_bytes(
        subprocess.check_output(
            ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=2", "-f", "flac", "-"]
        )
    )
    assert flac_length_s(path) is None


@pytest.mark.parametrize("form", ["WAV", "AIFF", "Ogg Vorbis", "Opus", "M4A AAC", "WMA", "DSF"])
def test_an_id3_tag_before_what_has_none_there_is_named(audio_file, form):
    path = audio_file(form)
    path.write_bytes(b"ID3\4\0\0\0\0\0\x0bTIT2\0\0\0\1\0\0\3" + path.read_bytes())
    with pytest.raises(TrackError, match=r"^an ID3 tag stands before .* ffmpeg -c copy, and tag"):
        tags.read(path)


def test_only_what_is_all_zeros_is_called_nothing_but_zeros(tmp_path, audio_file):
    tag = b"ID3\4\0\0\0\0\0\x0bTIT2\0\0\0\1\0\0\3"
    path = tmp_path / "a.mp3"
    path.write_bytes(tag + bytes(5_000_000))
    assert complaint(path) == "this is nothing but zeros, not audio; get the file again"
    path.write_bytes(tag + bytes(5_000_000) + audio_file("MP3").read_bytes())
    assert complaint(path) == ""
    path.write_bytes(tag + bytes(5_000_000) + audio_file("FLAC").read_bytes())
    assert complaint(path) == "this is a FLAC file; rename it to end in .flac"


OTHERS_WORDS = r"OggS|ASF|b'|index|header; got|Errno|recogni|Invalid data|libsndfile|mutagen"


@pytest.mark.parametrize(
    "data", [b"OggS", b"OggS" + bytes(90), b"\xff", bytes(range(256)) * 9, b"\x30\x26\xb2\x75\x8e"]
)
@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.name)
def test_no_library_speaks_to_the_user(tmp_path, container, data):
    path = tmp_path / f"a{container.suffixes[0]}"
    path.write_bytes(data)
    for look in (tags.read, audio.duration):
        with pytest.raises(TrackError) as caught:
            look(path)
        assert re.search(OTHERS_WORDS, str(caught.value).replace(container.name, "")) is None
