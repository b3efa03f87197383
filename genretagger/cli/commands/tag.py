"""``genretagger tag``."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace

from genretagger.cli.caching import opened_cache
from genretagger.cli.next_step import without_dry_run, written
from genretagger.cli.output import say
from genretagger.cli.planning import plan_options, saved_plan
from genretagger.cli.run import Run
from genretagger.cli.writer import only_writer
from genretagger.pipeline import make_plan
from genretagger.recall import remember
from genretagger.records import State
from genretagger.words import PLANNED, WRITTEN
from genretagger.writing.change import apply
from genretagger.writing.journal import Journal
from genretagger.writing.signals import uninterrupted


@only_writer
def run(options: argparse.Namespace) -> int:
    """Write genres into the files of a collection, or show what would be written."""
    if options.plan_file and not options.dry_run:
        options.error("--plan goes with --dry-run; without it, the plan is carried out")
    run = Run(options, PLANNED if options.dry_run else WRITTEN)
    roots = run.named_paths(options)
    planning = plan_options(options, analyse_all=options.dry_run)
    run.hear_with(planning.bundle)
    run.make_page(
        title="What would be written" if options.dry_run else "What was written",
        model=planning.bundle.bundle_id,
        thresholds=planning.decision.thresholds,
        names=planning.tags.names,
    )
    journal = Journal(options.command_line, roots=roots)
    with (
        opened_cache(options, run.remark) as cache,
        run.knowing(cache),
        run.reporting() as add,
        saved_plan(options.plan_file, roots, planning) as save,
    ):
        paths = run.tracks(roots, options.ignore)
        for change in make_plan(paths, replace(planning, cache=cache)):
            save(change)
            if options.dry_run or change.state is not State.CHANGE:
                add(change)
                continue
            with uninterrupted():  # what is written is also reported: Ctrl-C waits for both
                done = apply(
                    change,
                    journal,
                    field=options.field,
                    preserve_mtime=options.preserve_mtime,
                )
                if done.state is State.CHANGE:
                    remember(done.path, options.field, cache)
                add(done)
    code = run.summary()
    if run.is_talking:
        say(_next_step(options, run.n_changes))
    if journal.path is not None:
        run.remark(f"journal: {journal.path}")
    return code


def _next_step(options: argparse.Namespace, n_changes: int) -> str:
    """Say what was written, and what to do next."""
    if not options.dry_run:
        return written(n_changes)
    if not n_changes:
        return "nothing was written, and there is nothing to write"
    if options.plan_file:
        plan = shlex.quote(str(options.plan_file))
        return f"no music file was changed; to do what the plan says: genretagger apply {plan}"
    return f"nothing was written; to write it: {without_dry_run(options)}"
