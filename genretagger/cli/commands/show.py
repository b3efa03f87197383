"""``genretagger show``."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console

from genretagger.cli.codes import INTERRUPTED, OK, SOME_FAILED
from genretagger.cli.output import spare_audio, tell, warn, write_file
from genretagger.cli.settings import chosen_bundle, decision_policy
from genretagger.decide import decide
from genretagger.errors import TrackError
from genretagger.hearing import hear_closely, hear_once
from genretagger.report import figure, show


def run(options: argparse.Namespace) -> int:
    """Show the genres of one track: at once as a whole, then over time, and why if asked."""
    for path in (options.html, options.png):
        spare_audio(path)
    bundle = chosen_bundle(options)
    policy = decision_policy(options, bundle)
    title, thresholds = options.track.name, policy.thresholds
    try:
        heard = hear_once(options.track, bundle)
        decision = decide(heard.prediction, policy)
        by_genre = dict(zip(bundle.vocabulary.genres, thresholds, strict=True))
        duration_s = heard.excerpts.duration_s
        for line in show.bars(title, duration_s, heard.prediction, decision, by_genre):
            tell(line)
        with _progress("what moved it" if options.why else "the whole track") as advance:
            hearing = hear_closely(
                options.track, bundle, heard, is_why=options.why, advance=advance
            )
    except TrackError as error:
        warn(f"{options.track}: {error}")
        return SOME_FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    for line in show.over_time(hearing, thresholds):
        tell(line)
    if options.html:
        page = show.page(title, hearing, decision, thresholds, bundle)
        write_file("--html", options.html, page.encode("utf-8"))
    if options.png:
        picture = figure.png(hearing, title=title, thresholds=thresholds, bands_hz=bundle.bands_hz)
        write_file("--png", options.png, picture)
    return OK


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from genretagger.report.terminal import share_bar  # noqa: PLC0415 - pipes do without

    with share_bar(Console(stderr=True), what) as advance:
        yield advance
