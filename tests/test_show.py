"""genretagger show: what one track sounds like from beginning to end, and what moved it."""

import re
import subprocess
import sys

import numpy as np
import pytest

from genretagger import audio, bundle
from genretagger.cli import main
from genretagger.errors import TrackError
from genretagger.genres import GENRES
from genretagger.hearing import hear_closely


@pytest.mark.parametrize("form", ["FLAC", "M4A AAC"])
def test_the_windows_cover_the_track_and_hold_what_is_there(form, encoded):
    path = encoded(form, seconds=25.0)
    whole = audio.decode_whole(path, 16000)
    windows = list(audio.decode_windows(path, sr=16000, window_s=10.0, hop_s=3.0, most=100))
    starts = [window.start_s for window in windows]
    assert starts[0] == 0.0
    assert starts[-1] == pytest.approx(len(whole) / 16000 - 10.0, abs=0.1)
    assert max(np.diff(starts)) <= 3.0
    middle = windows[2]
    at = round(middle.start_s * 16000)
    np.testing.assert_allclose(middle.y, whole[at : at + 160000], atol=0.02)


def test_a_stretch_in_the_middle_of_many_is_the_same_as_alone(encoded, monkeypatch):
    path = encoded("FLAC", seconds=25.0)
    options = {"sr": 16000, "window_s": 10.0, "hop_s": 3.0, "most": 100}
    together = list(audio.decode_windows(path, **options))
    monkeypatch.setattr(audio, "_STRETCH_S", 10.0)
    for one, alone in zip(together, audio.decode_windows(path, **options), strict=True):
        np.testing.assert_allclose(one.y[1600:-1600], alone.y[1600:-1600], atol=1e-3)


def test_the_terminal_shows_bars_thresholds_and_the_story(audio_file, capsys):
    assert main(["show", str(audio_file("FLAC", seconds=12.0, name="a\x1bb"))]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    bars = re.findall(r"^  ([A-Z][A-Za-z ]+?) +(\d\.\d\d) (\S{32}) needs (\d\.\d\d)", out, re.M)
    assert sorted(genre for genre, *_ in bars) == sorted(GENRES)
    for _, probability, bar, threshold in bars:
        assert bar.index("│") == min(31, round(float(threshold) * 32))
        assert abs(bar.count("█") - float(probability) * 32) <= 2
    assert "over the track: 0:00 " in out


def test_the_page_and_the_picture_are_written_and_the_track_is_not(audio_file, tmp_path):
    track = audio_file("FLAC", seconds=12.0, name="<img src=x onerror=alert(1)> $x^2$ & b")
    before = track.read_bytes(), track.stat().st_mtime_ns
    page, picture = tmp_path / "a.html", tmp_path / "a.png"
    assert main(["show", str(track), "--html", str(page), "--png", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")
    html = page.read_text(encoding="utf-8")
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert not re.findall(r"(?:src|href|srcset)=\"(?!data:)", html)  # it asks for nothing
    assert "<script" not in html
    assert (track.read_bytes(), track.stat().st_mtime_ns) == before


def test_what_cannot_be_shown_is_said_in_one_line(tmp_path, capsys):
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC no")
    assert main(["show", str(broken)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["show", str(tmp_path / "none.flac")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    with pytest.raises(TrackError):
        hear_closely(broken, bundle.read(bundle.DEFAULT))


def test_a_picture_never_takes_the_place_of_audio(audio_file, capsys):
    track = audio_file("FLAC", seconds=2.0)
    before = track.read_bytes()
    assert main(["show", str(track), "--png", str(track)]) == 3
    assert track.read_bytes() == before
    assert "stays" in capsys.readouterr().err


def test_without_matplotlib_bars_are_shown_and_pictures_say_what_to_install(audio_file):
    track = audio_file("FLAC", seconds=2.0)
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from genretagger.cli import main\n"
        f"print(main(['show', {str(track)!r}]), main(['show', {str(track)!r}, '--png', 'x.png']))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0 3"
    assert "pip install 'genretagger[review]'" in done.stderr
