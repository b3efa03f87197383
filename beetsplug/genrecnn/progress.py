"""How far a run is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from beets import ui

import genretagger


@contextlib.contextmanager
def shown_progress(n_tracks: int) -> Iterator[Callable[[str], None]]:
    """Show on a terminal how far a run is, and how long it will take, below its lines.

    Yields
    ------
    callable
        Says the line of a track, which is done with that.
    """
    if not sys.stderr.isatty():
        yield ui.print_
        return
    from rich.console import Console  # noqa: PLC0415 - pipes do without

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with genretagger.progress_bar(console, lambda: n_tracks) as advance:

        def say(line: str) -> None:
            if sys.stdout.isatty():  # where the bar is, which must know of it
                console.print(genretagger.printable(line))
            else:
                ui.print_(line)
            advance()

        yield say
