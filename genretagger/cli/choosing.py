"""Hear tracks, choose some, and show them: shared by `similar`, `playlist` and `discover`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genretagger import pipeline
from genretagger.bundle import Bundle
from genretagger.cache import Cache
from genretagger.cli.output import check_file, make_folder, spare_audio, warn, write_file
from genretagger.cli.run import Run
from genretagger.errors import FatalError, TrackError
from genretagger.identity import is_file
from genretagger.learn.labels import genres_of
from genretagger.pipeline import Examined
from genretagger.plan import spelled_out
from genretagger.playlist import Candidate, choose, m3u
from genretagger.recall import audio_id
from genretagger.records import Prediction, State, TagChange, Track
from genretagger.report.tables import json_line
from genretagger.text import printable
from genretagger.words import HEARD


@dataclass(frozen=True)
class HeardTrack:
    """A track that was heard.

    Attributes
    ----------
    path : pathlib.Path
    prediction : Prediction
    artist : str
        Empty if the tags do not say, or cannot be read.
    recording : str or None
        What tracks of the same audio share; None if it is not known.
    genres : tuple of str
        In the tags, without those that say nothing.
    """

    path: Path
    prediction: Prediction
    artist: str
    recording: str | None
    genres: tuple[str, ...] = ()


class Chooser:
    """One run of a command that chooses tracks.

    Parameters
    ----------
    options : argparse.Namespace

    Raises
    ------
    FatalError
        If the playlist is named as audio is, or cannot be written.

    Attributes
    ----------
    run : Run
    """

    def __init__(self, options: argparse.Namespace) -> None:
        spare_audio(options.m3u)
        if options.m3u:
            make_folder("--m3u", options.m3u.parent)
        check_file("--m3u", options.m3u)
        self._options = options
        options.files_from = []
        self.run = Run(options, HEARD)

    def heard(self, bundle: Bundle, cache: Cache | None, *, embedding: bool) -> list[HeardTrack]:
        """Hear, or recall, the tracks among which it is chosen; silent ones are left out."""
        tracks: list[HeardTrack] = []
        paths = self.run.tracks(self._roots(cache), self._options.ignore, heard_only=True)
        with self.run.reporting(shown=False) as add:
            jobs = self._options.jobs
            tracks += heard_tracks(paths, bundle, jobs, cache, add, embedding=embedding)
        return tracks

    def _roots(self, cache: Cache | None) -> Sequence[Path]:
        if self._options.paths:
            return list(self._options.paths)
        if cache is None:
            self._options.error("name where to seek by --from; without a cache nothing is known")
        known = [path for path in cache.files() if is_file(path)] if cache else []
        if not known:
            raise FatalError("nothing was heard before; name where to seek by --from")
        return known

    def show(self, ranked: Iterator[Candidate] | Sequence[Candidate], what: str) -> int:
        """Show the tracks that are chosen, write the playlist, and return the exit code."""
        options = self._options
        chosen = list(choose(ranked, options.n, options.per_artist))
        self.run.write_report(_shown(track, options.format, what) for track in chosen)
        if options.m3u and chosen:
            write_file("--m3u", options.m3u, m3u([track.path for track in chosen], options.m3u))
        code = self.run.summary()
        if not chosen:
            warn("no track fits; no playlist is written" if options.m3u else "no track fits")
        return code


def heard_tracks(
    paths: Iterable[Path],
    bundle: Bundle,
    jobs: int,
    cache: Cache | None,
    add: Callable[[TagChange], None],
    *,
    embedding: bool,
) -> Iterator[HeardTrack]:
    """Hear, or recall, tracks; `add` is told of each, and silent ones are left out."""
    for file in pipeline.examine(paths, bundle, jobs, cache=cache, embedding=embedding):
        if isinstance(file.answer, TrackError):
            add(TagChange(file.path, State.FAILED, reason=(str(file.answer),)))
            continue
        is_silent = file.answer.probabilities is None
        add(TagChange(file.path, State.UNDECIDED if is_silent else State.KEEP))
        if not is_silent:
            yield heard_track(file, file.answer, cache)


def heard_track(file: Examined, prediction: Prediction, cache: Cache | None) -> HeardTrack:
    """Keep of a track what choosing takes."""
    track = file.track
    if not isinstance(track, Track):  # the audio may be sound though the tags are not
        return HeardTrack(file.path, prediction, "", None)
    artist = track.tags.artist or track.tags.album_artist
    genres = genres_of(spelled_out(track.tags), {})
    return HeardTrack(file.path, prediction, artist, audio_id(track.file, cache), genres)


def _shown(track: Candidate, form: str, what: str) -> str:
    if form == "json":
        return json_line({"path": str(track.path), what: round(track.score, 4)})
    return f"{track.score:.3f}\t{printable(str(track.path))}"
