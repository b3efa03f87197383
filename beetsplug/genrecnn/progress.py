"""How far a run is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from beets import ui

import genretagger


@contextlib.contextmanager
def shown_progress(n_tracks: int) -> Iterator[Callable[..., None]]:
    """Show on a terminal how far a run is, and how long it will take, below its lines.

    Yields
    ------
    callable
        To be called when a track is done, with its line if it has one.
    """
    if not sys.stderr.isatty():
        yield lambda *lines: ui.print_(*lines) if lines else None
        return
    from rich.console import Console  # noqa: PLC0415 - pipes do without

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with genretagger.progress_bar(console, lambda: n_tracks) as advance:

        def say(*lines: str) -> None:
            for line in lines:
                if sys.stdout.isatty():  # where the bar is, which must know of it
                    console.print(genretagger.printable(line))
                else:
                    ui.print_(line)
            advance()

        yield say
