"""``genretagger model``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from genretagger.bundle import Bundle, most_telling, own, shipped
from genretagger.classifier import Classifier
from genretagger.cli.codes import OK
from genretagger.cli.output import described, spare_audio, tell, write_file
from genretagger.cli.settings import chosen_bundle
from genretagger.report.learned import page

_FEW = 10  # decisions; of fewer, a share says nothing


def run(options: argparse.Namespace) -> int:
    """Show what the model is and what each genre's word is worth; verify it if asked to."""
    bundle = chosen_bundle(options)
    if options.report:
        spare_audio(options.report)
        write_file("--report", options.report, page(bundle).encode("utf-8"))
    if options.json:
        card = {key: value for key, value in bundle.info.items() if key != "filterbank"}
        card["thresholds"] = dict(zip(bundle.vocabulary.genres, bundle.thresholds, strict=True))
        print(json.dumps({"path": str(bundle.path), "id": bundle.bundle_id, **card}, indent=1))
    else:
        for line in _lines(bundle):
            tell(line)
    if options.verify:
        within = Classifier(bundle).verify()
        if not options.json:
            tell(f"verified: it hears its golden segment as it should, within {within:.1g}")
    return OK


def _lines(bundle: Bundle) -> Iterator[str]:
    info = bundle.info
    data, metrics = info.get("data", {}), info.get("metrics", {})
    yield f"{described(bundle)}"
    yield f"made: {info.get('created', 'at an unknown time')}"
    yield f"licence: {info.get('licence', 'none is stated')}"
    yield f"all models: {', '.join(path.name for path in (*shipped(), *own()))}"
    if {"n_clips", "n_groups", "hours"} <= set(data):
        yield (
            f"learned from: {data['n_clips']:,} clips by {data['n_groups']:,} artists, "
            f"{data['hours']:.0f} hours"
        )
    if {"n_tracks", "n_artists"} <= set(data):  # a model of one's own
        yield f"learned from: {data['n_tracks']:,} tracks by {data['n_artists']:,} artists"
    if metrics.get("precision_of_written") is not None:
        right, decided = metrics["precision_of_written"], metrics["coverage"]
        yield f"right: {_of_100(right)} of 100 genres that it writes, for artists new to it"
        yield _undecided(decided)
    decisions = most_telling(metrics).get("decisions", {}).get("all")
    if decisions:
        new = "in collections" if "unseen" in metrics else "for artists"
        yield from _rights(decisions, f"{new} new to it")
    yield "right of 100 where it writes a genre, and the probability that this takes:"
    cells = list(_worth(bundle, metrics))
    half, width = (len(cells) + 1) // 2, max(map(len, cells)) + 3
    for n in range(half):
        yield "  " + "".join(f"{cell:<{width}}" for cell in cells[n::half]).rstrip()


def _rights(decisions: dict[str, Any], where: str) -> Iterator[str]:
    """Say how often it is right, and how often it says nothing."""
    right, decided = decisions["precision"], decisions["coverage"]
    low, high = _of_100(right["low"]), _of_100(right["high"])
    of_100 = f"{_of_100(right['value'])} of 100 genres that it writes ({low} to {high})"
    yield f"right: {of_100}, {where}"
    yield _undecided(decided["value"])


def _undecided(coverage: float) -> str:
    return f"undecided: {100 - _of_100(coverage)} of 100 tracks, which stay as they are"


def _worth(bundle: Bundle, metrics: dict[str, Any]) -> Iterator[str]:
    """Say what each genre's word is worth, in collections new to it where that was measured."""
    by_genre = most_telling(metrics).get("decisions_by_genre", {})
    own = metrics.get("genres", {})
    width = max(12, *map(len, bundle.vocabulary.genres))
    for genre, threshold in zip(bundle.vocabulary.genres, bundle.thresholds, strict=True):
        counts = by_genre.get(genre, {"written": 0, "right": 0})
        share = f"{_of_100(counts['right'] / max(1, counts['written'])):>3} right"
        worth = share if counts["written"] >= _FEW else "too rare"
        if genre in own and own[genre]["precision"] is not None:
            worth = f"{_of_100(own[genre]['precision']):>3} right"
        if genre in metrics.get("unheard", ()) or threshold >= 1.0:  # which none reaches
            worth = "unheard"
        yield f"{genre:<{width}} {worth:<10}from {threshold:.2f}"


def _of_100(share: float) -> int:
    return round(100 * round(share, 2))  # two digits first, as the card has them: 0.785 is 0.79
