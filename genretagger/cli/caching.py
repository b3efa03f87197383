"""Open the cache of a run."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

from genretagger import places
from genretagger.cache import Cache
from genretagger.cli.output import warn


@contextlib.contextmanager
def opened_cache(options: argparse.Namespace) -> Iterator[Cache | None]:
    """Open the cache; None with ``--no-cache``."""
    if vars(options).get("no_cache"):
        yield None
        return
    with contextlib.closing(Cache(places.cache_file(), warn=warn)) as cache:
        yield cache
