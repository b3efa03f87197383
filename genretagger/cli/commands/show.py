"""``genretagger show``."""

from __future__ import annotations

import argparse

from genretagger.cli.codes import OK, SOME_FAILED
from genretagger.cli.output import spare_audio, utf8_output, warn, write_file
from genretagger.cli.settings import chosen_bundle, decision_policy
from genretagger.decide import decide
from genretagger.errors import TrackError
from genretagger.hearing import hear_closely
from genretagger.report import figure, show


def run(options: argparse.Namespace) -> int:
    """Show the genres of one track over time, and why the leading one leads."""
    for path in (options.html, options.png):
        spare_audio(path)
    bundle = chosen_bundle(options)
    policy = decision_policy(options, bundle)
    try:
        hearing = hear_closely(options.track, bundle)
    except TrackError as error:
        warn(f"{options.track}: {error}")
        return SOME_FAILED
    decision = decide(hearing.prediction, policy)
    title, thresholds = options.track.name, policy.thresholds
    if options.html:
        page = show.page(title, hearing, decision, thresholds, bundle)
        write_file("--html", options.html, page.encode("utf-8"))
    if options.png:
        picture = figure.png(hearing, title=title, thresholds=thresholds, bands_hz=bundle.bands_hz)
        write_file("--png", options.png, picture)
    utf8_output()
    for line in show.lines(title, hearing, decision, thresholds):
        print(line)
    return OK
