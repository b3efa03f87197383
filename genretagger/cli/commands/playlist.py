"""``genretagger playlist``."""

from __future__ import annotations

import argparse

from genretagger.cli.caching import opened_cache
from genretagger.cli.choosing import Chooser
from genretagger.cli.settings import chosen_bundle, heard_condition
from genretagger.playlist import Candidate


def run(options: argparse.Namespace) -> int:
    """List the tracks that fit a condition; never write but the playlist."""
    bundle = chosen_bundle(options)
    condition = heard_condition(options, bundle.vocabulary)
    chooser = Chooser(options)
    chooser.run.hear_with(bundle)
    with opened_cache(options, chooser.run.remark) as cache:
        tracks = chooser.heard(bundle, cache, embedding=False)
    genres = bundle.vocabulary.genres
    heard = [dict(zip(genres, t.prediction.probabilities or (), strict=True)) for t in tracks]
    fits = [(track, condition(by_genre)) for track, by_genre in zip(tracks, heard, strict=True)]
    fitting = [
        Candidate(track.path, fit.margin, track.artist, track.recording)
        for track, fit in fits
        if fit.holds
    ]
    return chooser.show(sorted(fitting, key=lambda track: -track.score), "margin")
