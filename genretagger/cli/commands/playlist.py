"""``genretagger playlist``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from genretagger.cli.caching import opened_cache
from genretagger.cli.choosing import Chooser
from genretagger.cli.settings import chosen_bundle
from genretagger.genres import GENRES
from genretagger.playlist import Candidate
from genretagger.records import Prediction


def run(options: argparse.Namespace) -> int:
    """List the tracks that fit a condition; never write but the playlist."""
    chooser = Chooser(options)
    bundle = chosen_bundle(options)
    with opened_cache(options) as cache:
        tracks = chooser.heard(bundle, cache, embedding=False)
    fits = [(track, options.condition(_by_genre(track.prediction))) for track in tracks]
    fitting = [
        Candidate(track.path, fit.margin, track.artist, track.recording)
        for track, fit in fits
        if fit.holds
    ]
    return chooser.show(sorted(fitting, key=lambda track: -track.score), "margin")


def _by_genre(prediction: Prediction) -> Mapping[str, float]:
    return dict(zip(GENRES, prediction.probabilities or (), strict=True))
