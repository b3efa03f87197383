"""The report page of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from beets.library import Item

import genretagger
from beetsplug.genrecnn.outcomes import Outcome
from beetsplug.genrecnn.settings import Settings


@contextlib.contextmanager
def report_page(
    path: Path | None, command: str, settings: Settings
) -> Iterator[Callable[[Outcome[Item]], None]]:
    """Take outcomes for the page, and write it at the end, also of a run that is stopped.

    Parameters
    ----------
    path : pathlib.Path or None
        Without one, there is no page.
    command : str
        What the run is, for the page's head.
    settings : Settings
    """
    head = {
        "title": "What would be set" if settings.pretend else "What was set",
        "words": settings.words,
        "names": settings.tags.names,
    }
    with _page(path, command, settings, head) as add:
        yield lambda outcome: add(_change(outcome, settings.bundle.vocabulary))


@contextlib.contextmanager
def audit_page(
    path: Path | None, command: str, settings: Settings, audit: genretagger.Audit
) -> Iterator[Callable[[genretagger.TagChange], None]]:
    """Take the lines of an audit for the page, as `report_page` does outcomes."""
    head = {"title": "Audit", "words": genretagger.AUDITED, "remarks": audit.remarks}
    with _page(path, command, settings, head) as add:
        yield add


@contextlib.contextmanager
def _page(
    path: Path | None, command: str, settings: Settings, head: dict[str, Any]
) -> Iterator[Callable[[genretagger.TagChange], None]]:
    if path is None:
        yield lambda _: None
        return
    page = genretagger.ReportPage(
        command=command,
        model=settings.bundle.bundle_id,
        thresholds=settings.policy.thresholds,
        vocabulary=settings.bundle.vocabulary,
        **head,
    )
    with page.written_to(path):
        yield lambda line: page.add(genretagger.plan_row(line))


def _change(outcome: Outcome[Item], vocabulary: genretagger.Vocabulary) -> genretagger.TagChange:
    return genretagger.TagChange(
        path=outcome.model.filepath,
        state=outcome.state,
        old=tuple(outcome.old),
        new=tuple(outcome.new),
        genres=outcome.genres,
        probabilities=outcome.prediction.probabilities if outcome.prediction else None,
        vocabulary=vocabulary,
        reason=outcome.reason,
    )
