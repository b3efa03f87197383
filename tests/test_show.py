"""genretagger show: what one track sounds like from beginning to end, and what moved it."""

import base64
import io
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from genretagger import audio, bundle
from genretagger.cli import main
from genretagger.errors import TrackError
from genretagger.genres import GENRES
from genretagger.hearing import hear_closely
from genretagger.report import figure


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


def test_the_bars_come_before_the_track_is_heard_through(audio_file, capsys, monkeypatch):
    seen = []

    def not_patient(*_, **options):
        seen.append(capsys.readouterr().out)
        raise KeyboardInterrupt

    monkeypatch.setattr("genretagger.cli.commands.show.hear_closely", not_patient)
    assert main(["show", str(audio_file("FLAC", seconds=12.0))]) == 130
    (out,) = seen
    assert out.count(" needs ") == len(GENRES)
    assert capsys.readouterr().err == ""


def test_what_moved_the_genre_is_found_out_on_request_alone(audio_file, capsys, monkeypatch):
    track = str(audio_file("FLAC", seconds=12.0))
    asked = []

    def occluded(log_mel, *_):
        asked.append(log_mel)
        return np.zeros((8, 20), np.float32), np.zeros(8, np.float32), np.eye(20)[7]

    monkeypatch.setattr("genretagger.hearing.occlude", occluded)
    assert main(["show", track]) == 0
    assert not asked
    assert "hangs most" not in capsys.readouterr().out
    assert main(["show", track, "--why"]) == 0
    assert asked
    assert re.findall(r"hangs most on what is at 0:04", capsys.readouterr().out)


@pytest.mark.parametrize("is_why", [False, True])
def test_progress_goes_from_nothing_to_all_and_what_it_raises_stops_the_work(audio_file, is_why):
    track, model = audio_file("FLAC", seconds=30.0), bundle.read(bundle.DEFAULT)
    told = []
    hear_closely(track, model, is_why=is_why, advance=told.append)
    assert told == sorted(told)
    assert told[0] == 0.0
    assert told[-1] == 1.0
    assert len(told) > (30 if is_why else 5)
    assert (told[7] < 0.1) == is_why

    def stop(share):
        raise TrackError("stopped")

    with pytest.raises(TrackError, match="stopped"):
        hear_closely(track, model, is_why=is_why, advance=stop)


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
    pictures = [
        Image.open(io.BytesIO(base64.b64decode(text)))
        for text in re.findall(r"base64,([^\"]+)\"", html)
    ]
    # for a telephone dark and light, then for wide windows: each as large as its letters need
    assert [picture.width for picture in pictures] == [777, 777, 1440, 1440]
    assert all(picture.height > picture.width for picture in pictures[:2])


@pytest.mark.parametrize("is_narrow", [False, True])
@pytest.mark.parametrize("is_why", [False, True])
def test_no_text_of_a_picture_runs_out_of_it_or_into_another(
    audio_file, is_narrow, is_why, monkeypatch
):
    from matplotlib.figure import Figure

    model = bundle.read(bundle.DEFAULT)
    hearing = hear_closely(audio_file("FLAC", seconds=25.0), model, is_why=is_why)
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: (drawn.append(f), save(f, *a, **k)))
    figure.png(
        hearing,
        title="A title of a good many words that goes on, and on, and on, to the end.flac",
        thresholds=model.thresholds,
        bands_hz=model.bands_hz,
        is_narrow=is_narrow,
    )
    (whole,) = drawn
    page = whole.bbox
    boxes = [text.get_window_extent() for text in whole.texts]
    assert all(box.x0 >= 0 and box.x1 <= page.x1 for box in boxes)
    assert all(box.y0 >= 0 and box.y1 <= page.y1 for box in boxes)
    axes = [ax.get_window_extent() for ax in whole.axes]
    for n, box in enumerate(boxes):
        inner = box.padded(-1)
        assert not any(inner.overlaps(other.padded(-1)) for other in boxes[n + 1 :] + axes)


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
    assert "pip install -e " in done.stderr
    assert "[review]'" in done.stderr
