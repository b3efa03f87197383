"""genretagger show: what one track sounds like from beginning to end, and what moved it."""

import re
import subprocess
import sys

import numpy as np
import pytest

from genretagger import audio, bundle, pipeline
from genretagger.cli import main
from genretagger.errors import TrackError
from genretagger.explain import N_BANDS, N_SPANS, occlude, turns
from genretagger.genres import GENRES
from genretagger.hearing import hear_closely


def test_hiding_finds_the_patch_that_the_answer_hangs_on():
    log_mel = np.random.default_rng(1).normal(-40, 10, (96, 501)).astype(np.float32)
    low, begin = 3 * 12, 7 * 25
    log_mel[low : low + 12, begin : begin + 26] = 0.0  # loud: fourth row, eighth column

    def log_odds(log_mels):
        return log_mels[:, low : low + 12, begin : begin + 25].mean(axis=(1, 2))

    patches, bands, spans = occlude(log_mel, log_odds)
    assert patches.shape == (N_BANDS, N_SPANS)
    assert np.unravel_index(patches.argmax(), patches.shape) == (3, 7)
    assert bands.argmax() == 3
    assert spans.argmax() == 7
    elsewhere = np.delete(spans, [6, 7, 8])
    np.testing.assert_allclose(elsewhere, 0.0, atol=1e-4)


def test_hiding_leaves_what_it_was_given_untouched():
    log_mel = np.random.default_rng(1).normal(-40, 10, (96, 501)).astype(np.float32)
    before = log_mel.copy()
    occlude(log_mel, lambda log_mels: log_mels.mean(axis=(1, 2)))
    np.testing.assert_array_equal(log_mel, before)


def test_a_passage_is_no_turn():
    assert turns(["Pop"] * 5 + [None] + ["Pop"] * 5, 3) == [(0, "Pop")]
    assert turns(["Pop"] * 5 + ["Rock"] * 3, 3) == [(0, "Pop"), (5, "Rock")]
    assert turns([], 3) == []


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


def test_a_close_look_says_the_same_of_the_track_as_every_other_command(encoded):
    path, model = encoded("FLAC", seconds=25.0), bundle.read(bundle.DEFAULT)
    hearing = hear_closely(path, model)
    ((_, prediction),) = pipeline.predict([path], model)
    # in a worker sums run in one thread, and so in another order
    assert hearing.prediction.probabilities == pytest.approx(prediction.probabilities, abs=1e-5)
    assert hearing.prediction.notes == prediction.notes
    assert hearing.genre == GENRES[int(np.argmax(prediction.probabilities))]
    assert hearing.timeline.shape == (len(hearing.starts_s), len(GENRES))
    assert len(hearing.closeups) == 3
    first = hearing.closeups[0]  # 0 to 10 s, as the first window
    assert first.log_mel.shape == (model.features.n_mels, model.features.n_frames)


def test_silence_has_no_leading_genre(tmp_path):
    import soundfile

    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(16000 * 12), 16000)
    hearing = hear_closely(path, bundle.read(bundle.DEFAULT))
    assert hearing.genre is None
    assert np.isnan(hearing.timeline).all()


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
