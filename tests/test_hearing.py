"""Steps 2 to 5 for one file are one function, and what each step gave can be had."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genretagger import audio, bundle, pipeline
from genretagger.aggregate import aggregate
from genretagger.classifier import Classifier
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import FatalError, TrackError
from genretagger.features import log_mel
from genretagger.genres import GENRES
from genretagger.hearing import (
    hear,
    hear_closely,
    hear_once,
    load_classifier,
    predict_segments,
)


def copy_of_default(folder, doubt):
    """Copy the default bundle, with what doubt is."""
    shutil.copytree(bundle.DEFAULT, folder)
    info = json.loads((folder / "bundle.json").read_text()) | {"doubt": doubt}
    info = {key: value for key, value in info.items() if value is not None}
    (folder / "bundle.json").write_text(json.dumps(info))
    return bundle.read(folder)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """Hear by the default bundle, which is never in doubt here."""
    return Classifier(copy_of_default(tmp_path_factory.mktemp("sure") / "bundle", None))


@pytest.mark.parametrize("form", ["FLAC", "M4A AAC"])
def test_the_steps_of_hear_are_the_ones_of_their_modules(encoded, classifier, form):
    path, model = encoded(form, seconds=40.0), classifier.bundle
    heard = hear(path, classifier)
    excerpts = audio.decode(path, sr=model.features.sr, segment_s=model.features.segment_s)
    assert len(excerpts.segments) == 3
    for ours, theirs in zip(heard.excerpts.segments, excerpts.segments, strict=True):
        np.testing.assert_array_equal(ours.y, theirs.y)
    spectrograms = [log_mel(s.y, model.features, model.filterbank) for s in excerpts.segments]
    np.testing.assert_array_equal(heard.log_mels, spectrograms)
    np.testing.assert_array_equal(heard.by_segment, classifier.predict(np.stack(spectrograms)))
    assert heard.prediction.probabilities == aggregate(heard.by_segment, model.calibration)
    assert heard.prediction.notes == excerpts.notes


def test_a_run_predicts_what_hear_gives(encoded, classifier):
    path = encoded("FLAC", seconds=40.0)
    ((_, answer),) = pipeline.predict([path], classifier.bundle)
    prediction = hear(path, classifier).prediction
    # in a worker sums run in one thread, and so in another order
    assert answer.probabilities == pytest.approx(prediction.probabilities, abs=1e-5)
    assert answer.notes == prediction.notes


def test_a_cue_sheet_makes_a_long_file_be_heard_at_more_points(tmp_path, classifier):
    path = tmp_path / "long.wav"
    noise = np.random.default_rng(0).standard_normal(8000 * 990).astype(np.float32) / 10
    soundfile.write(path, noise, 8000, subtype="PCM_U8")
    assert len(hear(path, classifier).by_segment) == 3
    assert len(hear(path, classifier, has_cuesheet=True).by_segment) == 4


def test_silence_gives_empty_arrays_and_no_probabilities(tmp_path, classifier):
    soundfile.write(tmp_path / "s.wav", np.zeros(44100 * 4), 44100)
    heard = hear(tmp_path / "s.wav", classifier)
    features = classifier.bundle.features
    assert heard.log_mels.shape == (0, features.n_mels, features.n_frames)
    assert heard.by_segment.shape == (0, len(GENRES))
    assert heard.prediction.probabilities is None


def test_what_cannot_be_decoded_raises(tmp_path, classifier):
    (tmp_path / "x.wav").write_bytes(b"not audio")
    with pytest.raises(TrackError, match="this is text, not audio"):
        hear(tmp_path / "x.wav", classifier)


def test_segments_that_were_decoded_elsewhere_are_predicted_the_same(encoded, classifier):
    heard = hear(encoded("FLAC", seconds=40.0), classifier)
    log_mels, by_segment = predict_segments([s.y for s in heard.excerpts.segments], classifier)
    np.testing.assert_array_equal(log_mels, heard.log_mels)
    np.testing.assert_array_equal(by_segment, heard.by_segment)


def test_a_bundle_that_was_replaced_during_the_run_stops_it():
    with pytest.raises(FatalError, match="it was replaced during the run; start again"):
        load_classifier(Path(bundle.DEFAULT), "another id")


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
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(16000 * 12), 16000)
    hearing = hear_closely(path, bundle.read(bundle.DEFAULT))
    assert hearing.genre is None
    assert np.isnan(hearing.timeline).all()


# ---- A track in doubt ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def track(tmp_path_factory):
    """Write a track of 100 s."""
    path = tmp_path_factory.mktemp("track") / "a.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 100 * 16000), 16000)
    return path


@pytest.fixture
def doubting(tmp_path):
    """Give a copy of the default bundle, with what doubt is."""

    def make(margin, spread, excerpts=4):
        doubt = {"margin": margin, "spread": spread, "excerpts": excerpts}
        return copy_of_default(tmp_path / f"bundle-{margin}-{spread}", doubt)

    return make


def test_a_track_in_doubt_is_heard_in_more_excerpts_and_says_so(track, doubting):
    model = doubting(1.0, 1.0)
    heard = hear(track, Classifier(model))
    starts = [segment.start_s for segment in heard.excerpts.segments]
    assert starts == sorted(starts)
    assert len(starts) == len(heard.log_mels) == len(heard.by_segment) == 3 + 4
    again, by_segment = predict_segments(
        [segment.y for segment in heard.excerpts.segments], Classifier(model)
    )
    np.testing.assert_array_equal(again, heard.log_mels)
    np.testing.assert_array_equal(by_segment, heard.by_segment)
    assert heard.prediction.probabilities == aggregate(by_segment, model.calibration)
    (note,) = heard.prediction.notes
    assert note.startswith("heard in 7 excerpts, because ")
    assert note in decide(heard.prediction, DecisionPolicy(model.thresholds)).reason


def test_a_track_in_no_doubt_is_heard_as_by_a_bundle_that_knows_none(track, doubting, classifier):
    assert hear(track, Classifier(doubting(0.0, 1.0))).prediction == (
        hear(track, classifier).prediction
    )


def test_a_track_of_which_all_was_heard_stays_in_doubt(encoded, doubting, classifier):
    path = encoded("FLAC", seconds=25.0)
    assert hear(path, Classifier(doubting(1.0, 1.0))).prediction == (
        hear(path, classifier).prediction
    )


def test_runs_and_close_looks_hear_as_much_of_a_track_in_doubt(track, doubting):
    model = doubting(1.0, 1.0)
    ((_, answer),) = pipeline.predict([track], model)
    closely = hear_closely(track, model)
    assert closely.prediction.probabilities == pytest.approx(answer.probabilities, abs=1e-5)
    assert closely.prediction.notes == answer.notes
    assert len(closely.closeups) == 7
    segments = hear_once(track, model).excerpts.segments
    assert [c.start_s for c in closely.closeups] == [s.start_s for s in segments]
