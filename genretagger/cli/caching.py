"""Open the cache of a run."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from genretagger import places
from genretagger.cache import Cache
from genretagger.cli.output import warn
from genretagger.errors import FatalError


@contextlib.contextmanager
def opened_cache(options: argparse.Namespace) -> Iterator[Cache | None]:
    """Open the cache; None with ``--no-cache``, or if there is no place for it."""
    path = None if vars(options).get("no_cache") else _cache_file()
    if path is None:
        yield None
        return
    with contextlib.closing(Cache(path, warn=warn)) as cache:
        yield cache


def _cache_file() -> Path | None:
    try:
        return places.cache_file()
    except FatalError as error:
        warn(f"{error}; going on without a cache")
        return None
