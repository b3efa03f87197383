"""Outcomes on the report page."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

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
    if path is None:
        yield lambda _: None
        return
    page = genretagger.ReportPage(
        title="What would be set" if settings.pretend else "What was set",
        command=command,
        model=settings.bundle.bundle_id,
        thresholds=settings.policy.thresholds,
        words=settings.words,
        names=settings.tags.names,
        vocabulary=settings.bundle.vocabulary,
    )
    with page.written_to(path):
        vocabulary = settings.bundle.vocabulary
        yield lambda outcome: page.add(genretagger.plan_row(_change(outcome, vocabulary)))


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
