"""Commands that tell of genretagger itself: genres, cache, model."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from genretagger import places
from genretagger.cli.run import OK, read_bundle, warn
from genretagger.genres import ALIASES, FUSIONS, GENRES, in_order
from genretagger.identity import identify
from genretagger.report.text import printable


def run_genres(_: argparse.Namespace) -> int:
    print(f"{len(GENRES)} genres, and other spellings that count as the same:")
    for genre in GENRES:
        print(f"  {genre:<13}{', '.join(ALIASES.get(genre, ()))}".rstrip())
    print(f"{len(FUSIONS)} fusions:")
    for pair in sorted(in_order(tuple(fusion)) for fusion in FUSIONS):
        print(f"  {'; '.join(pair)}")
    return OK


def run_cache(options: argparse.Namespace) -> int:
    from genretagger import cache  # noqa: PLC0415

    bundle_id = read_bundle(options).bundle_id
    with contextlib.closing(cache.Cache(places.cache_file(), warn=warn)) as opened:
        if options.prune:
            opened.prune(bundle_id, identify)
        if options.clear:
            opened.clear()
        found = opened.contents()
    print(f"cache: {printable(str(found.path))}\nsize: {found.size / 1e6:.1f} MB")
    print(f"tracks: {found.n_tracks}\nheard by model:")
    for heard_by, n_heard in (found.n_predictions or {bundle_id: 0}).items():
        now = " (the one in use)" if heard_by == bundle_id else ""
        print(f"  {heard_by}: {n_heard}{now}")
    return OK


def run_model(options: argparse.Namespace) -> int:
    bundle = read_bundle(options)
    print(f"bundle: {printable(str(bundle.path))}\nid: {bundle.bundle_id}")
    shown = {key: value for key, value in bundle.info.items() if key != "filterbank"}
    shown["thresholds"] = dict(zip(GENRES, shown["thresholds"], strict=True))
    _print_nested(shown, "")
    if options.verify:
        from genretagger.classifier import Classifier  # noqa: PLC0415

        difference = Classifier(bundle).verify()
        print(f"verified: golden segment within {difference:.1g}")
    return OK


def _print_nested(value: dict[str, Any], indent: str) -> None:
    for key, item in value.items():
        key = printable(key)  # noqa: PLW2901
        if isinstance(item, dict):
            print(f"{indent}{key}:")
            _print_nested(item, indent + "  ")
        else:
            text = ", ".join(map(str, item)) if isinstance(item, list) else str(item)
            print(f"{indent}{key}: {printable(text)}")
