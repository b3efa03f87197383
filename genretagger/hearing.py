"""Steps 2 to 5 for one file: decode, extract, predict, aggregate.

Worker processes, `show` and the training's measurements all hear a file by `hear`, so that what
is measured is what ships. No other module runs the classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genretagger import audio, bundle, tags
from genretagger.aggregate import aggregate, logit, mean_embedding
from genretagger.bundle import Bundle
from genretagger.classifier import Classifier
from genretagger.errors import FatalError, TrackError
from genretagger.explain import occlude
from genretagger.features import log_mel
from genretagger.records import Closeup, Excerpts, Hearing, Prediction

if TYPE_CHECKING:
    from genretagger.arrays import Floats

_HOP_S = 3.0  # between the windows of a timeline: a third of one, and about two bars
_MOST_WINDOWS = 600  # half an hour of them; what is longer gets as many, further apart


@dataclass(frozen=True)
class Heard:
    """One file after steps 2 to 5, with what each step gave.

    Attributes
    ----------
    excerpts : Excerpts
        From step 2.
    log_mels : numpy.ndarray, shape (n_segments, n_mels, n_frames), float32
        From step 3; of length 0 where all is silence, as the next.
    by_segment : numpy.ndarray, shape (n_segments, n_genres), float32
        From step 4: probabilities before calibration.
    prediction : Prediction
        From step 5, with the embedding, if the bundle has one.
    """

    excerpts: Excerpts
    log_mels: Floats
    by_segment: Floats
    prediction: Prediction


def hear(path: Path, classifier: Classifier, *, has_cuesheet: bool = False) -> Heard:
    """Decode one file, extract its features, predict its segments and aggregate them.

    Parameters
    ----------
    path : pathlib.Path
    classifier : Classifier
        Its bundle says how features are extracted and probabilities calibrated.
    has_cuesheet : bool
        As in `audio.decode`.

    Returns
    -------
    Heard

    Raises
    ------
    TrackError
        If the file cannot be decoded.
    """
    model = classifier.bundle
    excerpts = audio.decode(
        path, sr=model.features.sr, segment_s=model.features.segment_s, has_cuesheet=has_cuesheet
    )
    log_mels = _extract([s.y for s in excerpts.segments], model)
    by_segment, embeddings = classifier.predict_and_embed(log_mels)
    prediction = Prediction(
        aggregate(by_segment, model.calibration) if len(by_segment) else None,
        excerpts.notes,
        mean_embedding(embeddings) if embeddings.size else None,
    )
    return Heard(excerpts, log_mels, by_segment, prediction)


def _extract(segments: Sequence[Floats], model: Bundle) -> Floats:
    features = model.features
    log_mels = np.empty((len(segments), features.n_mels, features.n_frames), dtype=np.float32)
    for row, y in zip(log_mels, segments, strict=True):
        row[:] = log_mel(y, features, model.filterbank)
    return log_mels


def predict_segments(segments: Sequence[Floats], classifier: Classifier) -> tuple[Floats, Floats]:
    """Extract the features of segments, and predict each.

    Parameters
    ----------
    segments : sequence of numpy.ndarray, shape (n_samples,), float32
        Of the length and at the sampling rate of the classifier's bundle; there may be none.
    classifier : Classifier

    Returns
    -------
    log_mels : numpy.ndarray, shape (n_segments, n_mels, n_frames), float32
    probabilities : numpy.ndarray, shape (n_segments, n_genres), float32
        Before calibration.
    """
    log_mels = _extract(segments, classifier.bundle)
    return log_mels, classifier.predict(log_mels)


def in_own_genres(prediction: Prediction, model: Bundle) -> Prediction:
    """Turn what the network of a bundle of one's own heard into that bundle's genres.

    Parameters
    ----------
    prediction : Prediction
        By ``model.network``, with its embedding.
    model : Bundle

    Returns
    -------
    Prediction
        The same, if the bundle is not one's own, or nothing was heard.
    """
    if model.heads is None or prediction.embedding is None:
        return prediction
    probabilities = model.heads.predict(prediction.embedding[np.newaxis])
    return replace(prediction, probabilities=aggregate(probabilities, model.calibration))


def hearing_id(model: Bundle) -> str:
    """Name all that a prediction depends on beside the file: the model, and how it is heard.

    Parameters
    ----------
    model : Bundle

    Returns
    -------
    str
        Predictions under another one are out of date.
    """
    return f"{model.bundle_id}-{audio.HEARING_VERSION}"


@lru_cache(maxsize=1)
def load_classifier(bundle_path: Path, bundle_id: str) -> Classifier:
    """Load a bundle's network, once in each process.

    Parameters
    ----------
    bundle_path : pathlib.Path
    bundle_id : str
        What the run began with.

    Returns
    -------
    Classifier

    Raises
    ------
    FatalError
        If the bundle is another one by now, or its network cannot be loaded.
    """
    model = bundle.read(bundle_path)
    if model.bundle_id != bundle_id:
        raise FatalError(f"model bundle {bundle_path}: it was replaced during the run; start again")
    return Classifier(model)


def hear_closely(path: Path, with_bundle: Bundle) -> Hearing:
    """Hear one file all the way through, and find out what moved its leading genre.

    Parameters
    ----------
    path : pathlib.Path
    with_bundle : Bundle

    Returns
    -------
    Hearing

    Raises
    ------
    TrackError
        If the file cannot be read or decoded.
    """
    classifier = load_classifier(with_bundle.path, with_bundle.bundle_id)
    heard = hear(path, classifier, has_cuesheet=_has_cuesheet(path))
    leading = _leading(heard.prediction)
    starts_s, timeline = _timeline(path, classifier)
    return Hearing(
        prediction=heard.prediction,
        genres=with_bundle.vocabulary.genres,
        genre=None if leading is None else with_bundle.vocabulary.genres[leading],
        closeups=() if leading is None else _closeups(heard, leading, classifier),
        duration_s=heard.excerpts.duration_s,
        window_s=with_bundle.features.segment_s,
        starts_s=starts_s,
        timeline=timeline,
    )


def _has_cuesheet(path: Path) -> bool:
    try:
        return tags.read(path).has_cuesheet
    except TrackError:  # the audio may be sound though the tags are not
        return False


def _leading(prediction: Prediction) -> int | None:
    """Find the most probable genre; None where all is silence."""
    if prediction.probabilities is None:
        return None
    return int(np.argmax(prediction.probabilities))


def _closeups(heard: Heard, leading: int, classifier: Classifier) -> tuple[Closeup, ...]:
    """Find out, for each excerpt, what in it moved one genre."""
    slope, _ = classifier.bundle.calibration[leading]

    def log_odds(masked: Floats) -> Floats:
        # the calibration's intercept is the same on both sides of a difference
        calibrated = slope * logit(classifier.predict(masked)[:, leading])
        return np.asarray(calibrated, dtype=np.float32)

    return tuple(
        Closeup(segment.start_s, spectrogram, *occlude(spectrogram, log_odds))
        for segment, spectrogram in zip(heard.excerpts.segments, heard.log_mels, strict=True)
    )


def _timeline(path: Path, classifier: Classifier) -> tuple[tuple[float, ...], Floats]:
    """Predict every window of a file, one in memory at a time.

    Returns
    -------
    starts_s : tuple of float, length n_windows
    probabilities : numpy.ndarray, shape (n_windows, n_genres), float32
        Calibrated; NaN where a window is silent.
    """
    model = classifier.bundle
    n_genres = len(model.vocabulary.genres)
    starts_s, rows = [], []
    for window in audio.decode_windows(
        path,
        sr=model.features.sr,
        window_s=model.features.segment_s,
        hop_s=_HOP_S,
        most=_MOST_WINDOWS,
    ):
        starts_s.append(window.start_s)
        if audio.is_silent(window.y):
            rows.append((np.nan,) * n_genres)
        else:
            _, probabilities = predict_segments([window.y], classifier)
            rows.append(aggregate(probabilities, model.calibration))
    return tuple(starts_s), np.asarray(rows, dtype=np.float32).reshape(-1, n_genres)
