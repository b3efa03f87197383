"""Steps 2 to 5 for one file: decode, extract, predict, aggregate."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genretagger import audio, bundle, tags
from genretagger.aggregate import aggregate, logit
from genretagger.bundle import Bundle
from genretagger.classifier import Classifier
from genretagger.errors import FatalError, TrackError
from genretagger.explain import occlude
from genretagger.features import log_mel
from genretagger.genres import GENRES
from genretagger.records import (
    Closeup,
    Hearing,
    Prediction,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


_HOP_S = 3.0  # between the windows of a timeline: a third of one, and about two bars
_MOST_WINDOWS = 600  # half an hour of them; what is longer gets as many, further apart


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
    classifier = _classifier(with_bundle.path, with_bundle.bundle_id)
    features, filterbank = with_bundle.features, with_bundle.filterbank
    try:
        has_cuesheet = tags.read(path).has_cuesheet
    except TrackError:  # the audio may be sound though the tags are not
        has_cuesheet = False
    excerpts = audio.decode(
        path, sr=features.sr, segment_s=features.segment_s, has_cuesheet=has_cuesheet
    )
    log_mels = [log_mel(s.y, features, filterbank) for s in excerpts.segments]
    genre, closeups, probabilities = None, [], None
    if log_mels:
        heard = classifier.predict(np.stack(log_mels))
        probabilities = aggregate(heard, with_bundle.calibration)
        leading = int(np.argmax(probabilities))
        genre = GENRES[leading]
        slope, _ = with_bundle.calibration[leading]

        def odds_of(masked: NDArray[np.float32]) -> NDArray[np.float32]:
            # the calibration's intercept is the same on both sides of a difference
            log_odds = slope * logit(classifier.predict(masked)[:, leading])
            return np.asarray(log_odds, dtype=np.float32)

        closeups = [
            Closeup(segment.start_s, spectrogram, *occlude(spectrogram, odds_of))
            for segment, spectrogram in zip(excerpts.segments, log_mels, strict=True)
        ]
    starts_s, timeline = [], []
    for window in audio.decode_windows(
        path, sr=features.sr, window_s=features.segment_s, hop_s=_HOP_S, most=_MOST_WINDOWS
    ):
        starts_s.append(window.start_s)
        if audio.is_silent(window.y):
            timeline.append((np.nan,) * len(GENRES))
            continue
        heard = classifier.predict(log_mel(window.y, features, filterbank)[np.newaxis])
        timeline.append(aggregate(heard, with_bundle.calibration))
    return Hearing(
        prediction=Prediction(probabilities, excerpts.notes),
        genre=genre,
        closeups=tuple(closeups),
        duration_s=excerpts.duration_s,
        window_s=features.segment_s,
        starts_s=tuple(starts_s),
        timeline=np.asarray(timeline, dtype=np.float32).reshape(-1, len(GENRES)),
    )


def hear(
    path: Path, has_cuesheet: bool, bundle_path: Path, bundle_id: str
) -> Prediction | TrackError:
    classifier = _classifier(bundle_path, bundle_id)
    features, filterbank = classifier.bundle.features, classifier.bundle.filterbank
    try:
        excerpts = audio.decode(
            path, sr=features.sr, segment_s=features.segment_s, has_cuesheet=has_cuesheet
        )
    except TrackError as error:
        return error
    if not excerpts.segments:
        return Prediction(None, excerpts.notes)
    log_mels = np.stack([log_mel(s.y, features, filterbank) for s in excerpts.segments])
    calibration = classifier.bundle.calibration
    return Prediction(aggregate(classifier.predict(log_mels), calibration), excerpts.notes)


@lru_cache(maxsize=1)
def _classifier(path: Path, bundle_id: str) -> Classifier:
    """Load the network once in each process."""
    found = bundle.read(path)
    if found.bundle_id != bundle_id:
        raise FatalError(f"model bundle {path}: it was replaced during the run; start again")
    return Classifier(found)
