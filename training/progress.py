"""Progress of a stage in words, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


class Progress:
    """Say how far a stage is, not more often than a person reads.

    Parameters
    ----------
    total : float
        The amount of work, in any unit; more than what was done before this run.
    say : callable
        Takes a line.
    every_s : float
        Seconds between two lines at least; the last one is always said.
    clock : callable
        Stand-in for `time.monotonic`.
    """

    def __init__(
        self,
        total: float,
        say: Callable[[str], None],
        *,
        every_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._say, self._every_s, self._clock = total, say, every_s, clock
        self._began_s = clock()
        self._said_s = float("-inf")

    def at(self, done: float, what: str) -> None:
        """Report that `done` of the total is done, and `what` was reached."""
        now_s = self._clock()
        if now_s - self._said_s < self._every_s and done < self._total:
            return
        self._said_s = now_s
        left = ""
        if 0 < done < self._total:
            left_s = (now_s - self._began_s) * (self._total - done) / done
            left = f"; about {_span(left_s)} left"
        self._say(f"{what}{left}")


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)
