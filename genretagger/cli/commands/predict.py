"""``genretagger predict``."""

from __future__ import annotations

import argparse
from pathlib import Path

from genretagger import pipeline
from genretagger.cli.caching import opened_cache
from genretagger.cli.run import Run
from genretagger.cli.settings import chosen_bundle, decision_policy, described
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import TrackError
from genretagger.records import Prediction, State, TagChange
from genretagger.rows import embedded_row, prediction_row
from genretagger.words import PREDICTED


def run(options: argparse.Namespace) -> int:
    """Predict the genres of tracks; never write."""
    if options.embedding and options.format != "json":
        options.error("--embedding goes with --format json")
    run = Run(options, PREDICTED, row=embedded_row if options.embedding else prediction_row)
    paths = run.tracks(run.named_paths(options), options.ignore, heard_only=True)
    bundle = chosen_bundle(options)
    policy = decision_policy(options, bundle)
    run.vocabulary = bundle.vocabulary
    run.remark(described(bundle))
    with opened_cache(options, run.remark) as cache, run.reporting() as add:
        answers = pipeline.predict(
            paths, bundle, options.jobs, cache=cache, embedding=options.embedding
        )
        for path, answer in answers:
            add(_line(path, answer, policy))
    return run.summary()


def _line(path: Path, answer: Prediction | TrackError, policy: DecisionPolicy) -> TagChange:
    """Make a line that leaves the file as it is."""
    if isinstance(answer, TrackError):
        return TagChange(path, State.FAILED, reason=(str(answer),))
    decision = decide(answer, policy)
    return TagChange(
        path,
        State.KEEP if decision.genres else State.UNDECIDED,
        genres=decision.genres,
        probabilities=answer.probabilities,
        vocabulary=policy.vocabulary,
        reason=decision.reason,
        embedding=answer.embedding,
    )
