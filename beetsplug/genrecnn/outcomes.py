"""Outcomes of tracks and albums, and the counts of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from beets.library import Album, Item
from beets.util import displayable_path

import genretagger
from genretagger import State

Model = TypeVar("Model", Item, Album)


@dataclass(frozen=True)
class Outcome(Generic[Model]):
    """What has become of one track or album, or would have.

    Attributes
    ----------
    model : beets.library.Item or Album
    state : genretagger.State
        CHANGE if the library's genres change.
    old, new : list of str
        The library's genres before and after.
    reason : tuple of str
        Its parts, as in `genretagger.Decision`.
    prediction : genretagger.Prediction or None
        Of a track on which was decided.
    genres : tuple of str
        The decision, best first.
    """

    model: Model
    state: State
    old: list[str]
    new: list[str]
    reason: tuple[str, ...]
    prediction: genretagger.Prediction | None = None
    genres: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a line, as the command and an import do."""
        name = named(self.model)
        reason = genretagger.reason_text(self.reason)
        if self.state is State.FAILED:
            return f"{name}: failed: {reason}"
        arrow = f" -> {shown(self.new)}" if self.state is State.CHANGE else ""
        return f"{name}: {shown(self.old)}{arrow} | {reason}"


@dataclass
class Tally:
    """Counts of the tracks and albums of a run so far, and its failures."""

    tracks: Counter[State] = field(default_factory=Counter)
    albums: Counter[State] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome[Item] | Outcome[Album]) -> None:
        """Count a track or an album."""
        counts = self.albums if isinstance(outcome.model, Album) else self.tracks
        counts[outcome.state] += 1
        if outcome.state is State.FAILED:
            reason = genretagger.reason_text(outcome.reason)
            self.failures.append(f"{displayable_path(outcome.model.path)}: {reason}")

    def lines(self, words: Mapping[State, str]) -> Iterator[str]:
        """Sum up in lines for people, with these words for the states."""
        counts = ", ".join(f"{self.tracks[state]} {word}" for state, word in words.items())
        if State.CHANGE in words:
            counts += f"; albums: {self.albums[State.CHANGE]} {words[State.CHANGE]}"
        yield f"{genretagger.counted(self.tracks.total(), 'track')}: {counts}"
        if self.failures:
            yield "failed:"
            yield from (f"  {failure}" for failure in self.failures)


def own_genres(model: Item | Album) -> list[str]:
    """List the genres that a track or album has in the library, but for empty ones."""
    return [genre for genre in model.genres if genre.strip()]


def tags_of(model: Item | Album) -> genretagger.TrackTags:
    """Say what the library has on a track or album, as the tags of a file do."""
    genres = genretagger.GenreBlock(_LIBRARY, tuple(own_genres(model)))
    if isinstance(model, Album):
        return genretagger.TrackTags((genres,), _LIBRARY)
    return genretagger.TrackTags(
        (genres,),
        _LIBRARY,
        album=model.album,
        album_artist=model.albumartist,
        artist=model.artist,
        is_compilation=bool(model.comp),
        comments=(model.comments,) if model.comments else (),
    )


_LIBRARY = "Vorbis comment"
"""The kind of block that the library is like: it holds any number of genres, in order."""


def named(model: Item | Album) -> str:
    """Name a track or album as beets does, or by its path if it has no title."""
    title = model.title if isinstance(model, Item) else model.album
    return str(model) if title else displayable_path(model.path)


def shown(genres: Sequence[str]) -> str:
    """Show genres on one line."""
    return "; ".join(genres) or "(none)"
