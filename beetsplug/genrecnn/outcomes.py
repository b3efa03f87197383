"""What becomes of tracks and albums, and the counts of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beets.library import Item
from beets.util import displayable_path

import genretagger

if TYPE_CHECKING:
    from beets.library import Album


CHANGED, KEPT, UNDECIDED, FAILED = "changed", "kept", "undecided", "failed"


@dataclass(frozen=True)
class Outcome:
    """What has become of one track or album, or would have."""

    of: Item | Album
    state: str
    old: list[str]
    new: list[str]
    reason: str
    heard: genretagger.Prediction | None = None

    def __str__(self) -> str:
        if self.state == FAILED:
            return f"{self.of}: failed: {self.reason}"
        arrow = f" -> {shown(self.new)}" if self.state == CHANGED else ""
        return f"{self.of}: {shown(self.old)}{arrow} | {self.reason}"


@dataclass
class Tally:
    """What has become of all tracks and albums so far."""

    tracks: Counter[str] = field(default_factory=Counter)
    albums: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.tracks[outcome.state] += 1
        if outcome.state == FAILED:
            self.failures.append(f"{displayable_path(outcome.of.path)}: {outcome.reason}")

    def lines(self, pretend: bool) -> Iterator[str]:
        changed = "to change" if pretend else CHANGED
        counts = ", ".join(
            f"{self.tracks[state]} {changed if state == CHANGED else state}"
            for state in (CHANGED, KEPT, UNDECIDED, FAILED)
        )
        yield f"{self.tracks.total()} tracks: {counts}; albums: {self.albums[CHANGED]} {changed}"
        if self.failures:
            yield "failed:"
            yield from (f"  {failure}" for failure in self.failures)


def own_genres(model: Item | Album) -> list[str]:
    return [genre for genre in model.genres if genre.strip()]


def shown(genres: Sequence[str]) -> str:
    return "; ".join(genres) or "(none)"
