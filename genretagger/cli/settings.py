"""Options as the settings that the steps take."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from genretagger import bundle, places
from genretagger.bundle import Bundle
from genretagger.cache import Cache
from genretagger.cli.output import warn
from genretagger.decide import DecisionPolicy
from genretagger.errors import FatalError
from genretagger.genres import GENRES
from genretagger.plan import TagPolicy
from genretagger.scan import OnError, read_list


def named_paths(options: argparse.Namespace, on_error: OnError) -> list[Path]:
    """List the files and folders that the command line names; exit if it names none.

    Parameters
    ----------
    options : argparse.Namespace
    on_error : callable
        Told what a list names that cannot be used, and why.

    Raises
    ------
    FatalError
        If a list of files cannot be read.
    """
    if not options.paths and not options.files_from:
        options.error("name at least one file or folder, or give --files-from")
    paths = list(options.paths)
    for source in options.files_from:
        paths += read_list(Path(source), _content(source), on_error)
    return paths


def _content(source: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise FatalError(f"--files-from {source}: {error.strerror}") from error


def chosen_bundle(options: argparse.Namespace) -> Bundle:
    """Read the model of ``--bundle``."""
    return bundle.read(bundle.locate(options.bundle))


def decision_policy(options: argparse.Namespace, bundle: Bundle) -> DecisionPolicy:
    """Say how probabilities become genres; exit if no genre is left to decide on."""
    thresholds = bundle.thresholds
    if options.threshold is not None:
        thresholds = (options.threshold,) * len(GENRES)
    allowed = (options.only or frozenset(GENRES)) - options.exclude
    if not allowed:
        options.error("--only and --exclude leave no genre")
    return DecisionPolicy(thresholds, options.max_genres, options.always, allowed)


def tag_policy(options: argparse.Namespace) -> TagPolicy:
    """Say what becomes of the tags in a file."""
    return TagPolicy(
        existing=options.existing,
        style=options.genre_style,
        separator=options.separator,
        id3=options.id3,
        names=options.map,
        protect=options.protect,
        protect_if=tuple(options.protect_if),
    )


@contextlib.contextmanager
def opened_cache(options: argparse.Namespace) -> Iterator[Cache | None]:
    """Open the cache; None with ``--no-cache``."""
    if vars(options).get("no_cache"):
        yield None
        return
    with contextlib.closing(Cache(places.cache_file(), warn=warn)) as cache:
        yield cache
