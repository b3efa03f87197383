"""What in the library deserves a look: its genres beside what is heard. Nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from beets import ui

import genretagger
from beetsplug.genrecnn.outcomes import Outcome, Tally, tags_of
from beetsplug.genrecnn.page import audit_page
from beetsplug.genrecnn.progress import shown_progress
from beetsplug.genrecnn.settings import Settings

if TYPE_CHECKING:
    from beets.library import Item

_MOST = 20  # remarks of a kind in the terminal; the page has more


def audit_items(
    items: Sequence[Item], settings: Settings, command: str, report: Path | None
) -> None:
    """Audit tracks as `genretagger audit` does files, and say what deserves a look.

    What counts as the genres of a track is what the library has.

    Parameters
    ----------
    items : sequence of beets.library.Item
    settings : Settings
    command : str
        What the run is, for the page's head.
    report : pathlib.Path or None
        Where the page goes, if it is wanted.

    Raises
    ------
    genretagger.FatalError
        If the model fails, or the page cannot be written.
    """
    vocabulary, names = settings.bundle.vocabulary, settings.names
    audit = genretagger.Audit(names, settings.tags.junk, vocabulary)
    by_path = {item.filepath: item for item in items}
    tally = Tally()
    stopped: KeyboardInterrupt | None = None
    with (
        genretagger.opened_cache(ui.print_) as cache,
        audit_page(report, command, settings, audit) as add,
        shown_progress(len(by_path)) as advance,
    ):
        library = {path: tags_of(item) for path, item in by_path.items()}
        lines = genretagger.audit_tracks(
            by_path, audit, settings.bundle, settings.jobs, cache=cache, library=library
        )
        try:
            for line in lines:
                add(line)
                genres = list(line.old)
                tally.add(Outcome(by_path[line.path], line.state, genres, genres, line.reason))
                advance()
        except KeyboardInterrupt as error:  # what is done by then is said all the same
            stopped = error
    for text in genretagger.remark_lines(audit.remarks(), _MOST):
        ui.print_(text)
    for name in names.unmatched():
        ui.print_(f"--mapping: {name!r} is in no genre; is it spelled so?")
    if message := genretagger.not_compared(audit.not_compared):
        ui.print_(message)
    ui.print_("\n".join(tally.lines(genretagger.AUDITED)))
    if stopped is not None:
        raise stopped
