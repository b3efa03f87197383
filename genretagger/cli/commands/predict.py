"""``genretagger predict``."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from genretagger import cluster, pipeline, results
from genretagger.bundle import Bundle
from genretagger.cli.caching import opened_cache
from genretagger.cli.codes import INTERRUPTED
from genretagger.cli.output import say
from genretagger.cli.run import Run
from genretagger.cli.settings import chosen_bundle, decision_policy
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import TrackError
from genretagger.hearing import hearing_id
from genretagger.records import Prediction, State, TagChange
from genretagger.rows import embedded_row, prediction_row
from genretagger.text import counted
from genretagger.words import PREDICTED


def run(options: argparse.Namespace) -> int:
    """Predict the genres of tracks; never write."""
    _check(options)
    run = Run(
        options,
        PREDICTED,
        row=embedded_row if options.embedding else prediction_row,
        is_vast=options.cluster is not None,
    )
    bundle = chosen_bundle(options)
    policy = decision_policy(options, bundle)
    run.hear_with(bundle)
    if options.cluster is not None:
        return _on_cluster(options, run, bundle, policy)
    paths = run.tracks(run.named_paths(options), options.ignore, heard_only=True)
    with opened_cache(options, run.remark) as cache, run.reporting() as add:
        answers = pipeline.predict(
            paths, bundle, options.jobs, cache=cache, embedding=options.embedding
        )
        for path, answer in answers:
            add(_line(path, answer, policy))
    return run.summary()


def _check(options: argparse.Namespace) -> None:
    """Exit if options do not go together."""
    if options.cluster is None:
        if options.format == "parquet":
            options.error("--format parquet goes with --cluster")
        if options.embedding and options.format != "json":
            options.error("--embedding goes with --format json")
    elif options.format not in results.FORMATS or options.output is None:
        options.error("--cluster goes with --format json or parquet, and -o")


def _on_cluster(
    options: argparse.Namespace, run: Run, bundle: Bundle, policy: DecisionPolicy
) -> int:
    """Hear what the results lack on a cluster, whose workers know names from the root alone."""
    named = map(Path.absolute, run.each_named_path(options))
    paths = run.tracks(named, options.ignore, heard_only=True)
    embedding = options.embedding
    made = results.Made(hearing_id(bundle), results.decision_id(policy, embedding=embedding))
    with contextlib.ExitStack() as stack:
        known = stack.enter_context(
            results.opened(
                options.output,
                options.format,
                made,
                bundle.vocabulary.genres,
                embedding=embedding,
            )
        )
        add = stack.enter_context(run.reporting(into=known))
        if len(known):
            run.note(f"{options.output} has {counted(len(known), 'track')}; going on with the rest")
        answers = cluster.hear(
            (path for path in paths if not known.has(path)),
            options.cluster,
            options.bundle,
            embedding=embedding,
            say=say,  # also with --quiet: it is what goes wrong
            remark=run.remark,
        )
        for path, answer in stack.enter_context(contextlib.closing(answers)):
            add(_line(path, answer, policy))
    if_nothing = "nothing is left to hear" if len(known) else "no audio files found"
    code = run.summary(if_nothing=if_nothing)
    if code == INTERRUPTED:
        run.note("the same command goes on with the rest")
    return code


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
