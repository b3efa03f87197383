"""Steps 2 to 5 for one file: decode, extract, predict, aggregate.

Worker processes, `show` and the training's measurements all hear a file by `hear`, so that what
is measured is what ships. No other module runs the classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from genretagger import audio, bundle, tags
from genretagger.aggregate import aggregate, logit, mean_embedding
from genretagger.bundle import Bundle
from genretagger.classifier import Classifier
from genretagger.doubt import why_in_doubt
from genretagger.errors import FatalError, TrackError
from genretagger.explain import N_PARTS, n_shown, occlude
from genretagger.features import log_mel
from genretagger.records import Closeup, Excerpts, Hearing, Moved, Prediction, Segment

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

    Where the bundle says what doubt is and this track is in doubt, more of it is heard.

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
    listened = _listen(excerpts.segments, classifier)
    why = _why_in_doubt(listened, model.network)
    further = _further(path, excerpts, model) if why else ()
    if further:
        listened = _in_order(listened, _listen(further, classifier))
        note = f"heard in {len(listened.segments)} excerpts, because {why}"
        notes = (*excerpts.notes, note)
        excerpts = replace(excerpts, segments=listened.segments, notes=notes)
    prediction = in_own_genres(_predict(listened, excerpts, model.network), model)
    by_segment = listened.by_segment
    if model.heads is not None:
        by_segment = model.heads.predict(listened.embeddings)
    return Heard(excerpts, listened.log_mels, by_segment, prediction)


class _Listened(NamedTuple):
    """Segments after steps 3 and 4."""

    segments: tuple[Segment, ...]
    log_mels: Floats
    by_segment: Floats
    embeddings: Floats


def _listen(segments: tuple[Segment, ...], classifier: Classifier) -> _Listened:
    log_mels = _extract([segment.y for segment in segments], classifier.bundle)
    return _Listened(segments, log_mels, *classifier.predict_and_embed(log_mels))


def _why_in_doubt(listened: _Listened, model: Bundle) -> str:
    if model.doubt is None or not listened.segments:
        return ""
    genres = model.vocabulary.genres
    return why_in_doubt(listened.by_segment, model.calibration, model.doubt, genres)


def _further(path: Path, excerpts: Excerpts, model: Bundle) -> tuple[Segment, ...]:
    n, features = model.doubt.excerpts if model.doubt else 0, model.features
    return audio.decode_further(path, excerpts, n, sr=features.sr, segment_s=features.segment_s)


def _in_order(first: _Listened, further: _Listened) -> _Listened:
    """Join what was listened to, in time order."""
    segments = (*first.segments, *further.segments)
    order = sorted(range(len(segments)), key=lambda i: segments[i].start_s)
    arrays = (np.concatenate(pair)[order] for pair in zip(first[1:], further[1:], strict=True))
    return _Listened(tuple(segments[i] for i in order), *arrays)


def _predict(listened: _Listened, excerpts: Excerpts, model: Bundle) -> Prediction:
    return Prediction(
        aggregate(listened.by_segment, model.calibration) if listened.segments else None,
        excerpts.notes,
        mean_embedding(listened.embeddings) if listened.embeddings.size else None,
    )


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


def hear_once(path: Path, with_bundle: Bundle) -> Heard:
    """Hear one file as every command does, and load what that takes.

    Parameters
    ----------
    path : pathlib.Path
    with_bundle : Bundle

    Returns
    -------
    Heard

    Raises
    ------
    TrackError
        If the file cannot be decoded.
    """
    classifier = load_classifier(with_bundle.path, with_bundle.bundle_id)
    return hear(path, classifier, has_cuesheet=_has_cuesheet(path))


def hear_closely(
    path: Path,
    with_bundle: Bundle,
    heard: Heard | None = None,
    *,
    is_why: bool = False,
    advance: Callable[[float], None] = lambda _: None,
) -> Hearing:
    """Hear one file all the way through, and, if asked, find out what moved its leading genre.

    Parameters
    ----------
    path : pathlib.Path
    with_bundle : Bundle
    heard : Heard, optional
        The same file as `hear_once` has heard it.
    is_why : bool
        Find out what moved the genre. The network is asked as often as for half an hour of music.
    advance : callable
        Told, now and then, what share of the work is done, up to 1. What it raises stops the work.

    Returns
    -------
    Hearing

    Raises
    ------
    TrackError
        If the file cannot be read or decoded.
    """
    heard = heard or hear_once(path, with_bundle)
    classifier = load_classifier(with_bundle.path, with_bundle.bundle_id)
    leading = _leading(heard.prediction)
    n_closeups = len(heard.log_mels) if is_why and leading is not None else 0
    duration_s = heard.excerpts.duration_s
    n_windows = min(_MOST_WINDOWS, 1 + duration_s / _HOP_S)
    share = n_windows / (n_windows + n_closeups * N_PARTS)
    starts_s, timeline = _timeline(
        path, classifier, lambda at_s: advance(share * min(1.0, at_s / max(duration_s, 1.0)))
    )
    n_asked = 0

    def asked(n: int) -> None:
        nonlocal n_asked
        n_asked += n
        advance(share + (1 - share) * min(1.0, n_asked / (n_closeups * N_PARTS)))

    closeups = [
        Closeup(
            segment.start_s,
            spectrogram[: n_shown(with_bundle.bands_hz)],
            _moved(spectrogram, leading, classifier, asked)
            if n_closeups and leading is not None
            else None,
        )
        for segment, spectrogram in zip(heard.excerpts.segments, heard.log_mels, strict=True)
    ]
    advance(1.0)
    return Hearing(
        prediction=heard.prediction,
        genres=with_bundle.vocabulary.genres,
        genre=None if leading is None else with_bundle.vocabulary.genres[leading],
        closeups=() if leading is None else tuple(closeups),
        duration_s=duration_s,
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


def _moved(
    spectrogram: Floats, leading: int, classifier: Classifier, asked: Callable[[int], None]
) -> Moved:
    """Find out what in an excerpt moved one genre."""
    slope, _ = classifier.bundle.calibration[leading]

    def log_odds(masked: Floats) -> Floats:
        # the calibration's intercept is the same on both sides of a difference
        calibrated = slope * logit(classifier.predict(masked)[:, leading])
        asked(len(masked))
        return np.asarray(calibrated, dtype=np.float32)

    return Moved(*occlude(spectrogram, log_odds, classifier.bundle.bands_hz))


def _timeline(
    path: Path, classifier: Classifier, reached: Callable[[float], None]
) -> tuple[tuple[float, ...], Floats]:
    """Predict every window of a file, one in memory at a time, and tell how far that is.

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
        reached(window.start_s)
        if audio.is_silent(window.y):
            rows.append((np.nan,) * n_genres)
        else:
            _, probabilities = predict_segments([window.y], classifier)
            rows.append(aggregate(probabilities, model.calibration))
    return tuple(starts_s), np.asarray(rows, dtype=np.float32).reshape(-1, n_genres)
