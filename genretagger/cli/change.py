"""Commands that change files, or say what would change: tag, apply, undo, history."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genretagger import pipeline
from genretagger.cli.run import (
    OK,
    WORDS,
    Run,
    decision_policy,
    n_jobs,
    offer_undo,
    opened_cache,
    read_bundle,
)
from genretagger.errors import FatalError
from genretagger.records import State, TagChange
from genretagger.report.text import printable
from genretagger.writing.change import apply, undo
from genretagger.writing.signals import uninterrupted

if TYPE_CHECKING:
    from genretagger import pipeline


def run_tag(options: argparse.Namespace) -> int:
    from genretagger import pipeline  # noqa: PLC0415 - numpy and the decoders take 0.3 s
    from genretagger.rows import plan_row  # noqa: PLC0415
    from genretagger.writing.journal import Journal  # noqa: PLC0415

    if options.plan_file and not options.dry_run:
        options.error("--plan goes with --dry-run; without it, the plan is carried out")
    run = Run(options)
    paths = run.find(
        options, lambda path, why: plan_row(TagChange(path, State.FAILED, reason=(why,)))
    )
    settings = run_settings(options, analyse_all=options.dry_run)
    words = WORDS | ({State.CHANGE: "to change"} if options.dry_run else {})
    open_page(
        run,
        options,
        title="What would be written" if options.dry_run else "What was written",
        model=settings.bundle.bundle_id,
        thresholds=settings.decision.thresholds,
        words=words,
        names=options.map,
    )
    journal = Journal(options.words)
    write = partial(
        apply,
        journal=journal,
        field=options.field,
        preserve_mtime=options.preserve_mtime,
    )
    with (
        opened_cache(options) as cache,
        run.reporting() as add,
        plan_file(options, settings, run.roots) as save,
    ):
        for change in pipeline.make_plan(paths, replace(settings, cache=cache)):
            save(change)
            writes = change.state is State.CHANGE and not options.dry_run
            # what is written is also reported: Ctrl-C waits for both
            with uninterrupted() if writes else contextlib.nullcontext():
                done = write(change, cache=cache) if writes else change
                add(done.state, plan_row(done))
    code = run.summary(words)
    offer_undo(journal)
    return code


def run_settings(options: argparse.Namespace, *, analyse_all: bool) -> pipeline.Options:
    from genretagger import pipeline  # noqa: PLC0415
    from genretagger.plan import TagPolicy  # noqa: PLC0415

    bundle = read_bundle(options)
    return pipeline.Options(
        bundle=bundle,
        decision=decision_policy(options, bundle),
        tags=TagPolicy(
            existing=options.existing,
            style=options.genre_style,
            separator=options.separator,
            id3=options.id3,
            names=options.map,
            protect=options.protect,
            protect_if=tuple(options.protect_if),
        ),
        field=options.field,
        by=options.by,
        jobs=n_jobs(options),
        analyse_all=analyse_all,
    )


def open_page(run: Run, options: argparse.Namespace, **head: Any) -> None:
    if options.report is not None:
        from genretagger.report.html import Page  # noqa: PLC0415

        run.page = Page(command=f"genretagger {options.words}", **head)


@contextlib.contextmanager
def plan_file(
    options: argparse.Namespace, settings: pipeline.Options, roots: Sequence[Path]
) -> Iterator[Callable[[TagChange], None]]:
    from genretagger.planfile import PlanFile  # noqa: PLC0415

    if not options.plan_file:
        yield lambda _: None
        return
    try:
        stream = options.plan_file.open("w", encoding="utf-8")
    except OSError as error:
        raise FatalError(f"--plan {options.plan_file}: {error.strerror}") from error
    with stream:
        plan = PlanFile(
            stream,
            roots=roots,
            field=options.field,
            bundle_id=settings.bundle.bundle_id,
            thresholds=settings.decision.thresholds,
            policy=settings.tags,
        )
        yield plan.add


def run_apply(options: argparse.Namespace) -> int:
    from genretagger import planfile  # noqa: PLC0415
    from genretagger.rows import plan_row  # noqa: PLC0415
    from genretagger.writing.journal import Journal  # noqa: PLC0415

    plan = planfile.read(options.plan, options.within)
    run = Run(options)
    run.total = len(plan.changes)
    words = {State.CHANGE: "changed", State.FAILED: "failed"}
    title, model = "What was written", plan.bundle_id
    open_page(run, options, title=title, model=model, thresholds=plan.thresholds, words=words)
    journal = Journal(options.words)
    keep_mtime = options.preserve_mtime
    with opened_cache(options) as cache, run.reporting() as add:
        for change in plan.changes:
            with uninterrupted():
                done = apply(
                    change, journal, field=plan.field, preserve_mtime=keep_mtime, cache=cache
                )
                add(done.state, plan_row(done))
    code = run.summary(words)
    offer_undo(journal)
    return code


def run_undo(options: argparse.Namespace) -> int:
    from genretagger.rows import plan_row  # noqa: PLC0415
    from genretagger.writing import journal  # noqa: PLC0415

    journals = journal.history()
    if options.journal is None and not journals:
        raise FatalError(f"there is nothing to undo in {journal.folder()}")
    path = options.journal or journals[-1]
    # a journal says which bytes to write into which file: only what was written here is believed
    if path.resolve().parent != journal.folder().resolve():
        raise FatalError(f"{path} is not a journal in {journal.folder()}; nothing was done")
    head, entries = journal.read(path)
    kind, _, done = head["command"].partition(" of: ")
    is_redo = kind == "undo"
    of = done if kind in ("undo", "redo") else head["command"]
    back = journal.Journal(f"{'redo' if is_redo else 'undo'} of: {of}")
    run = Run(options)
    run.total = len(entries)
    keep_mtime = options.preserve_mtime
    with opened_cache(options) as cache, run.reporting() as add:
        for change in undo(entries, back, preserve_mtime=keep_mtime, cache=cache):
            add(change.state, plan_row(change))
    word = "done again" if is_redo else "undone"
    code = run.summary({State.CHANGE: word, State.KEEP: "were not changed", State.FAILED: "failed"})
    offer_undo(back, "take it back" if is_redo else "do it again")
    return code


def run_history(_: argparse.Namespace) -> int:
    from genretagger.writing import journal  # noqa: PLC0415

    for path in journal.history():
        try:
            head, entries = journal.read(path)
        except FatalError as error:  # one that is damaged does not hide the others
            print(f"genretagger: {printable(str(error))}", file=sys.stderr)
            continue
        when, what = printable(head["time"]), printable(head["command"])
        print(f"{when}  {len(entries):>6} files  {what}\n  {printable(str(path))}")
    return OK
