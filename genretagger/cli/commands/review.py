"""``genretagger review``."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from genretagger.cli.caching import opened_cache
from genretagger.cli.codes import INTERRUPTED, OK
from genretagger.cli.output import say, say_address, warn
from genretagger.cli.planning import plan_options, saved_plan
from genretagger.cli.reversal import known_files
from genretagger.cli.run import Run
from genretagger.cli.settings import chosen_bundle
from genretagger.containers import container_of
from genretagger.errors import FatalError
from genretagger.identity import is_file
from genretagger.installation import command_for
from genretagger.pipeline import make_plan
from genretagger.places import plans_folder
from genretagger.words import PLANNED
from genretagger.writing import history

try:
    from genretagger.review import server, session
except ModuleNotFoundError as error:
    if error.name not in ("starlette", "uvicorn"):
        raise
    raise FatalError(f"review needs: {command_for('review')}") from error


def run(options: argparse.Namespace) -> int:
    """Decide line by line in the browser, then write."""
    is_plan = (
        len(options.paths) == 1
        and not options.files_from
        and is_file(options.paths[0])
        and container_of(options.paths[0]) is None
    )
    code = OK
    if is_plan:
        (options.plan_file,) = options.paths
    else:
        options.plan_file = options.plan_file or _new_plan()
        code = _make_plan(options)
        if code == INTERRUPTED:
            return code
    reviewed = session.Session(
        options.plan_file,
        (),
        chosen_bundle(options),
        preserve_mtime=options.preserve_mtime,
        open_cache=partial(opened_cache, options),
        known_files=known_files,
    )
    if not reviewed.plan.lines:
        say("there is nothing to review")
        return code
    title = ", ".join(root.name or str(root) for root in reviewed.plan.roots)
    with reviewed.only_one(), contextlib.suppress(KeyboardInterrupt):
        try:
            server.serve(
                server.application(reviewed, f"Review of {title[:80]}"),
                say=partial(say_address, "review"),
                browse=not options.no_browser,
            )
        finally:
            reviewed.stop()
    if message := history.warning():
        warn(message)
    say(f"to go on: genretagger review {shlex.quote(str(options.plan_file))}")
    return code


def _new_plan() -> Path:
    folder = plans_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FatalError(f"{folder}: {error.strerror}; name another place by --plan") from error
    return folder / time.strftime("%Y-%m-%dT%H-%M-%S.jsonl")


def _make_plan(options: argparse.Namespace) -> int:
    run = Run(options, PLANNED)
    roots = run.named_paths(options)
    planning = plan_options(options, analyse_all=True)
    with (
        opened_cache(options) as cache,
        run.reporting(shown=False) as add,
        saved_plan(options.plan_file, roots, planning) as save,
    ):
        paths = run.tracks(roots, options.ignore)
        for change in make_plan(paths, replace(planning, cache=cache)):
            save(change)
            add(change)
    return run.summary()
