"""``genretagger genres``."""

from __future__ import annotations

import argparse

from genretagger.cli.codes import OK
from genretagger.genres import ALIASES, FUSIONS, GENRES, in_order


def run(_: argparse.Namespace) -> int:
    """List the genres, their other spellings, and the pairs that go together."""
    print(f"{len(GENRES)} genres, and other spellings that count as the same:")
    for genre in GENRES:
        print(f"  {genre:<13}{', '.join(ALIASES.get(genre, ()))}".rstrip())
    print(f"{len(FUSIONS)} pairs that often go together:")
    for pair in sorted(in_order(tuple(fusion)) for fusion in FUSIONS):
        print(f"  {'; '.join(pair)}")
    return OK
