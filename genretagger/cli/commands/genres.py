"""``genretagger genres``."""

from __future__ import annotations

import argparse

from genretagger.cli.codes import OK
from genretagger.cli.output import tell
from genretagger.cli.settings import chosen_bundle
from genretagger.genres import ALIASES
from genretagger.text import counted


def run(options: argparse.Namespace) -> int:
    """List the genres of a model, their other spellings, and the pairs that go together."""
    vocabulary = chosen_bundle(options).vocabulary
    tell(f"{len(vocabulary.genres)} genres, and other spellings that count as the same:")
    for genre in vocabulary.genres:
        tell(f"  {genre:<13}{', '.join(ALIASES.get(genre, ()))}".rstrip())
    tell(f"{counted(len(vocabulary.fusions), 'pair')} of genres that often go together:")
    for pair in sorted(map(vocabulary.in_order, vocabulary.fusions)):
        tell(f"  {'; '.join(pair)}")
    return OK
