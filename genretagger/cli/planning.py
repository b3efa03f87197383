"""Make a plan, and save it: shared by `tag` and `review`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from genretagger.cli.output import output_file
from genretagger.cli.settings import chosen_bundle, decision_policy, tag_policy
from genretagger.pipeline import Options
from genretagger.planfile import PlanFile
from genretagger.records import TagChange


def plan_options(options: argparse.Namespace, *, analyse_all: bool) -> Options:
    """Return the settings of a plan, without its cache."""
    bundle = chosen_bundle(options)
    return Options(
        bundle=bundle,
        decision=decision_policy(options, bundle),
        tags=tag_policy(options, bundle.vocabulary),
        field=options.field,
        by=options.by,
        jobs=options.jobs,
        analyse_all=analyse_all,
    )


@contextlib.contextmanager
def saved_plan(
    path: Path | None, roots: Sequence[Path], options: Options
) -> Iterator[Callable[[TagChange], None]]:
    """Save the lines of a plan if there is a path.

    Yields
    ------
    callable
        Takes one line.

    Raises
    ------
    FatalError
        If the file cannot be written.
    """
    if path is None:
        yield lambda _: None
        return
    with output_file("--plan", path) as stream:
        plan = PlanFile(
            stream,
            roots=roots,
            field=options.field,
            bundle_id=options.bundle.bundle_id,
            thresholds=options.decision.thresholds,
            policy=options.tags,
        )
        yield plan.add
