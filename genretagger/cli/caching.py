"""Open the cache of a run."""

from __future__ import annotations

import argparse
import contextlib
from contextlib import AbstractContextManager

from genretagger.cache import Cache, opened
from genretagger.cli.output import warn


def opened_cache(options: argparse.Namespace) -> AbstractContextManager[Cache | None]:
    """Open the cache; None with ``--no-cache``, or if there is no place for it."""
    return contextlib.nullcontext() if vars(options).get("no_cache") else opened(warn)
