"""The command that decides line by line in the browser: review."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import replace
from pathlib import Path

from genretagger.cli.change import plan_file, run_settings
from genretagger.cli.run import INTERRUPTED, OK, WORDS, Run, opened_cache, read_bundle
from genretagger.containers import container_of
from genretagger.errors import FatalError
from genretagger.records import State, TagChange
from genretagger.report.text import printable


def run_review(options: argparse.Namespace) -> int:
    try:
        from genretagger.review import server, session  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name in ("starlette", "uvicorn"):
            raise FatalError("review needs: pip install 'genretagger[review]'") from error
        raise

    is_plan = (
        len(options.paths) == 1
        and not options.files_from
        and options.paths[0].is_file()
        and container_of(options.paths[0]) is None
    )
    code, title = OK, ", ".join(path.name or str(path) for path in options.paths)
    if is_plan:
        (options.plan_file,) = options.paths
    else:
        options.plan_file = options.plan_file or new_plan()
        code = _plan_for_review(options)
        if code == INTERRUPTED:
            return code
    reviewed = session.Session(
        options.plan_file, (), read_bundle(options), preserve_mtime=options.preserve_mtime
    )
    with reviewed.only_one(), contextlib.suppress(KeyboardInterrupt):
        server.serve(
            reviewed,
            f"Review of {title[:80]}",
            say=lambda address: sys.stderr.write(f"review: {address}\nCtrl-C ends it\n"),
            browse=not options.no_browser,
        )
    sys.stderr.write(f"to go on: genretagger review {printable(str(options.plan_file))}\n")
    return code


def new_plan() -> Path:
    import time  # noqa: PLC0415

    from genretagger.places import state_folder  # noqa: PLC0415

    folder = state_folder() / "plans"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FatalError(f"{folder}: {error.strerror}; name another place by --plan") from error
    return folder / time.strftime("%Y-%m-%dT%H-%M-%S.jsonl")


def _plan_for_review(options: argparse.Namespace) -> int:
    from genretagger import pipeline  # noqa: PLC0415
    from genretagger.rows import plan_row  # noqa: PLC0415

    run = Run(options)
    paths = run.find(
        options, lambda path, why: plan_row(TagChange(path, State.FAILED, reason=(why,)))
    )
    settings = run_settings(options, analyse_all=True)
    with (
        opened_cache(options) as cache,
        run.reporting(shown=False) as add,
        plan_file(options, settings, run.roots) as save,
    ):
        for change in pipeline.make_plan(paths, replace(settings, cache=cache)):
            save(change)
            add(change.state, plan_row(change))
    return run.summary(WORDS | {State.CHANGE: "to change"})
