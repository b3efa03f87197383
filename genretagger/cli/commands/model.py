"""``genretagger model``."""

from __future__ import annotations

import argparse
from typing import Any

from genretagger.bundle import own, shipped
from genretagger.classifier import Classifier
from genretagger.cli.codes import OK
from genretagger.cli.settings import chosen_bundle
from genretagger.text import printable


def run(options: argparse.Namespace) -> int:
    """Show the model's card, and verify its golden segment if asked to."""
    bundle = chosen_bundle(options)
    print(f"bundle: {printable(str(bundle.path))}\nid: {bundle.bundle_id}")
    card = {key: value for key, value in bundle.info.items() if key != "filterbank"}
    card["thresholds"] = dict(zip(bundle.vocabulary.genres, card["thresholds"], strict=True))
    _print_nested(card, "")
    print("all models:")
    for path in (*shipped(), *own()):
        print(f"  {printable(path.name)}: {printable(str(path))}")
    if options.verify:
        print(f"verified: golden segment within {Classifier(bundle).verify():.1g}")
    return OK


def _print_nested(card: dict[str, Any], indent: str) -> None:
    for key, value in card.items():
        label = f"{indent}{printable(key)}:"
        if isinstance(value, dict):
            print(label)
            _print_nested(value, indent + "  ")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            print(label, printable(text))
