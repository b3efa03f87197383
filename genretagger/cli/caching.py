"""Open the cache of a run."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator

from genretagger.cache import Cache, opened
from genretagger.cli.output import warn


@contextlib.contextmanager
def opened_cache(
    options: argparse.Namespace, remark: Callable[[str], object] = lambda _: None
) -> Iterator[Cache | None]:
    """Open the cache; None with ``--no-cache``, or if there is no place for it.

    Parameters
    ----------
    options : argparse.Namespace
    remark : callable
        Told which cache it is.
    """
    if vars(options).get("no_cache"):
        remark("cache: none")
        yield None
        return
    with opened(warn) as cache:
        remark(f"cache: {cache.path if cache else 'none'}")
        yield cache
