"""``genretagger apply``."""

from __future__ import annotations

import argparse

from genretagger import planfile
from genretagger.cli.caching import opened_cache
from genretagger.cli.codes import OK, SOME_FAILED
from genretagger.cli.next_step import written
from genretagger.cli.output import say
from genretagger.cli.run import Run
from genretagger.cli.writer import only_writer
from genretagger.recall import remember
from genretagger.records import State
from genretagger.text import counted
from genretagger.words import APPLIED
from genretagger.writing import change
from genretagger.writing.journal import Journal
from genretagger.writing.signals import uninterrupted


@only_writer
def run(options: argparse.Namespace) -> int:
    """Do what a saved plan says."""
    plan = planfile.read(options.plan, options.within)
    run = Run(options, APPLIED)
    run.total, run.vocabulary = len(plan.changes), plan.policy.vocabulary
    run.make_page(title="What was written", model=plan.bundle_id, thresholds=plan.thresholds)
    journal = Journal(options.command_line, roots=plan.roots)
    with opened_cache(options, run.remark) as cache, run.reporting() as add:
        for line in plan.changes:
            with uninterrupted():
                done = change.apply(
                    line, journal, field=plan.field, preserve_mtime=options.preserve_mtime
                )
                if done.state is State.CHANGE:
                    remember(done.path, plan.field, cache)
                add(done)
    code = run.summary(if_nothing="the plan has nothing to change there")
    if plan.n_passed_over and run.is_talking:
        tracks = counted(plan.n_passed_over, "track")
        say(f"passed over {tracks} of the plan outside of what you named")
    if run.is_talking:
        say(written(run.n_changes))
    if journal.path is not None:
        run.remark(f"journal: {journal.path}")
    is_all_outside = bool(plan.lines) and len(plan.passed_over) == len(plan.lines)
    return SOME_FAILED if code == OK and is_all_outside else code
