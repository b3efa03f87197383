"""Commands that hear and never write: predict, show."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from genretagger.cli.run import (
    ENCODING,
    OK,
    SOME_FAILED,
    Run,
    decision_policy,
    n_jobs,
    opened_cache,
    read_bundle,
    spare_audio,
    warn,
    write_file,
)
from genretagger.hearing import hear_closely
from genretagger.records import State


def run_predict(options: argparse.Namespace) -> int:
    from genretagger import pipeline  # noqa: PLC0415
    from genretagger.decide import decide  # noqa: PLC0415
    from genretagger.errors import TrackError  # noqa: PLC0415
    from genretagger.records import Decision  # noqa: PLC0415
    from genretagger.rows import prediction_row  # noqa: PLC0415

    run = Run(options)

    def failed_row(path: Path, why: str) -> dict[str, Any]:
        return prediction_row(path, Decision((), f"failed: {why}"), None)

    paths = run.find(options, failed_row, heard_only=True)
    bundle = read_bundle(options)
    policy = decision_policy(options, bundle)
    with opened_cache(options) as cache, run.reporting() as add:
        for path, answer in pipeline.predict(paths, bundle, n_jobs(options), cache=cache):
            if isinstance(answer, TrackError):
                add(State.FAILED, failed_row(path, str(answer)))
                continue
            decision = decide(answer, policy)
            state = State.KEEP if decision.genres else State.UNDECIDED
            add(state, prediction_row(path, decision, answer))
    return run.summary(
        {State.KEEP: "decided", State.UNDECIDED: "undecided", State.FAILED: "failed"}
    )


def run_show(options: argparse.Namespace) -> int:
    from genretagger.decide import decide  # noqa: PLC0415
    from genretagger.errors import TrackError  # noqa: PLC0415
    from genretagger.report import show  # noqa: PLC0415

    for written in filter(None, (options.html, options.png)):
        spare_audio(written)
    bundle = read_bundle(options)
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
        write_file("--png", options.png, show.picture(title, hearing, thresholds, bundle))
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(**ENCODING)
    for line in show.lines(title, hearing, decision, thresholds):
        print(line)
    return OK
