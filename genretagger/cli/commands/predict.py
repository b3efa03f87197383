"""``genretagger predict``."""

from __future__ import annotations

import argparse
from pathlib import Path

from genretagger import pipeline
from genretagger.cli.run import Run
from genretagger.cli.settings import chosen_bundle, decision_policy, named_paths, opened_cache
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import TrackError
from genretagger.records import Prediction, State, TagChange
from genretagger.rows import prediction_row
from genretagger.words import PREDICTED


def run(options: argparse.Namespace) -> int:
    """Say what is heard in each track; never write."""
    run = Run(options, PREDICTED, row=prediction_row)
    paths = run.tracks(named_paths(options, run.fail), options.ignore)
    bundle = chosen_bundle(options)
    policy = decision_policy(options, bundle)
    with opened_cache(options) as cache, run.reporting() as add:
        for path, answer in pipeline.predict(paths, bundle, options.jobs, cache=cache):
            add(_line(path, answer, policy))
    return run.summary()


def _line(path: Path, answer: Prediction | TrackError, policy: DecisionPolicy) -> TagChange:
    """Make a line of a plan that leaves every file as it is."""
    if isinstance(answer, TrackError):
        return TagChange(path, State.FAILED, reason=(str(answer),))
    decision = decide(answer, policy)
    return TagChange(
        path,
        State.KEEP if decision.genres else State.UNDECIDED,
        genres=decision.genres,
        probabilities=answer.probabilities,
        reason=decision.reason,
    )
