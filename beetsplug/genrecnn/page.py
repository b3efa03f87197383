"""Outcomes on the report page."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import genretagger
from beetsplug.genrecnn.outcomes import CHANGED, FAILED, KEPT, UNDECIDED, Outcome
from beetsplug.genrecnn.settings import Settings

STATES = {
    CHANGED: genretagger.State.CHANGE,
    KEPT: genretagger.State.KEEP,
    UNDECIDED: genretagger.State.UNDECIDED,
    FAILED: genretagger.State.FAILED,
}


@contextlib.contextmanager
def report_page(
    path: Path | None, command: str, settings: Settings
) -> Iterator[Callable[[Outcome], None]]:
    """Take outcomes for the page, and write it at the end, also of a run that is stopped."""
    if path is None:
        yield lambda _: None
        return
    changed = "to change" if settings.pretend else CHANGED
    page = genretagger.ReportPage(
        title="What would be set" if settings.pretend else "What was set",
        command=command,
        model=settings.bundle.bundle_id,
        thresholds=settings.policy.thresholds,
        words={state: changed if word == CHANGED else word for word, state in STATES.items()},
    )

    def add(outcome: Outcome) -> None:
        heard = outcome.heard.probabilities if outcome.heard else None
        page.add(
            {
                "path": os.fspath(outcome.of.filepath),
                "state": STATES[outcome.state],
                "old": outcome.old,
                "new": outcome.new,
                "genres": outcome.new if outcome.state == CHANGED else [],
                "probabilities": heard and dict(zip(genretagger.GENRES, heard, strict=True)),
                "reason": outcome.reason,
            }
        )

    with page.written_to(path):
        yield add
