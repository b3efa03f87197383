"""What in a collection deserves a look: its own tags beside what is heard. Pure: no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genretagger.aggregate import logit
from genretagger.albums import Named, group
from genretagger.genres import JUNK, SHIPPED, Vocabulary, says_nothing, split_values
from genretagger.plan import existing_genres
from genretagger.records import Prediction, Remark, Track
from genretagger.subgenres import Names, folded


class Contradiction(NamedTuple):
    """A genre that is heard where none of the track's own is.

    Attributes
    ----------
    own, heard : str
        The likeliest of the track's own genres, and the likeliest of the others.
    p_own, p_heard : float
        Their probabilities.
    margin : float
        By how much `heard` leads, in log-odds.
    """

    own: str
    heard: str
    p_own: float
    p_heard: float
    margin: float


LEAST_MARGIN = 2.0
"""Log-odds by which another genre must lead: seven times the odds. Of labelled clips with swapped
tags, a lower one calls many more right ones contradicted, see docs/audit.md."""


def lead(
    own: Sequence[str], probabilities: Sequence[float], genres: Sequence[str] = SHIPPED.genres
) -> Contradiction:
    """Compare a track's own genres with the others by what is heard.

    Parameters
    ----------
    own : sequence of str
        At least one of `genres`, and not all.
    probabilities : sequence of float, length n_genres
    genres : sequence of str
        Of the model.

    Returns
    -------
    Contradiction
        Its margin is negative where the own genre leads.
    """
    log_odds = logit(np.asarray(probabilities, dtype=np.float32))
    is_own = np.isin(genres, own)
    best = int(np.argmax(np.where(is_own, log_odds, -np.inf)))
    other = int(np.argmax(np.where(is_own, -np.inf, log_odds)))
    margin = round(float(log_odds[other] - log_odds[best]), 2)
    return Contradiction(
        genres[best], genres[other], probabilities[best], probabilities[other], margin
    )


def contradiction(
    own: Sequence[str], prediction: Prediction, genres: Sequence[str] = SHIPPED.genres
) -> Contradiction | None:
    """Say which genre is heard instead of a track's own.

    Parameters
    ----------
    own : sequence of str
        What the track's tags mean among `genres`.
    prediction : Prediction
    genres : sequence of str
        Of the model.

    Returns
    -------
    Contradiction or None
        None unless each of the own genres is less likely than not, and another one leads by
        `LEAST_MARGIN`.
    """
    if prediction.probabilities is None or not 0 < len(own) < len(genres):
        return None
    found = lead(own, prediction.probabilities, genres)
    return found if found.p_own < 0.5 and found.margin >= LEAST_MARGIN else None


class Audit:
    """An audit in the making.

    Parameters
    ----------
    names : Names
        What the tags' names mean.
    junk : sequence of str
        Names that say nothing.
    vocabulary : Vocabulary
        Of the model.
    """

    def __init__(
        self, names: Names, junk: Sequence[str] = JUNK, vocabulary: Vocabulary = SHIPPED
    ) -> None:
        self._names = names
        self._vocabulary = vocabulary
        self._junk = junk
        self._tracks: list[Track] = []
        self._contradicted: list[Remark] = []
        self._by_audio: dict[str, list[Track]] = {}
        self.not_compared: Counter[str] = Counter()
        """Tracks that have genres, none of which means one of ours, by their genres."""

    def add(
        self, track: Track, prediction: Prediction | None, audio_id: str | None = None
    ) -> Remark | None:
        """Take a track.

        Parameters
        ----------
        track : Track
        prediction : Prediction or None
            None if the track could not be heard.
        audio_id : str, optional
            What tracks of the same audio share.

        Returns
        -------
        Remark or None
            How its own genre is contradicted, if it is.
        """
        self._tracks.append(track)
        if audio_id is not None:
            self._by_audio.setdefault(audio_id, []).append(track)
        genres = self._genres(track)
        own = self._meaning(genres)
        if genres and not own:
            self.not_compared["; ".join(genres)] += 1
        found = contradiction(own, prediction, self._vocabulary.genres) if prediction else None
        if found is None:
            return None
        text = (
            f"{_quoted(genres)}: {found.own} {found.p_own:.2f}, but {found.heard} "
            f"{found.p_heard:.2f} is likelier"
        )
        remark = Remark("contradicted", text, (track.file.path,), found.margin)
        self._contradicted.append(remark)
        return remark

    def remarks(self) -> list[Remark]:
        """List what deserves a look, by kind; contradictions that are the surest first."""
        return [
            *sorted(self._contradicted, key=lambda remark: -(remark.margin or 0.0)),
            *self._albums(),
            *self._spellings(),
            *self._singles(),
            *self._junk_genres(),
            *self._same_audio(),
        ]

    def _genres(self, track: Track) -> tuple[str, ...]:
        """List the names in a track's tags."""
        values = existing_genres(track.tags)
        names = [name for value in values for name in self._split(value)]
        return tuple(dict.fromkeys(name for name in names if not says_nothing(name, self._junk)))

    def _split(self, value: str) -> Sequence[str]:
        """Split a value into names, unless only the whole is one, as "Folk, World, & Country"."""
        parts = split_values(value)
        is_one = ";" not in value and self._names(value) is not None
        return [value.strip()] if is_one and None in map(self._names, parts) else parts

    def _meaning(self, genres: Iterable[str]) -> tuple[str, ...]:
        return self._vocabulary.in_order(
            {ours for name in genres for ours in self._names(name) or ()}
        )

    def _albums(self) -> Iterator[Remark]:
        named = [Named(track.file.path, track.tags) for track in self._tracks]
        for album in group(named, "album"):
            tracks = [self._tracks[n] for n in album]
            keys = [frozenset(map(folded, self._genres(track))) for track in tracks]
            (usual, n), *others = Counter(keys).most_common()
            # a track that has the usual genre and one more does not disagree
            if all(usual & other for other, _ in others):
                continue
            shown = {key: self._genres(track) for key, track in zip(keys, tracks, strict=True)}
            counts = ", ".join(
                f"{'; '.join(shown[key]) or 'no genre'} {count}"
                for key, count in [(usual, n), *others]
            )
            first = tracks[0]
            title = f"{first.tags.album or first.file.path.parent.name or '.'}: {counts}"
            odd = [
                t for t, key in zip(tracks, keys, strict=True) if key != usual and not key & usual
            ]
            yield Remark("album", title, tuple(track.file.path for track in odd))

    def _by_name(self) -> dict[str, dict[str, list[Path]]]:
        """Find the tracks of each spelling of each genre."""
        found: dict[str, dict[str, list[Path]]] = {}
        for track in self._tracks:
            for name in self._genres(track):
                spellings = found.setdefault(folded(name), {})
                spellings.setdefault(name, []).append(track.file.path)
        return found

    def _spellings(self) -> Iterator[Remark]:
        for spellings in self._by_name().values():
            if len(spellings) == 1:
                continue
            ranked = sorted(spellings.items(), key=lambda item: (-len(item[1]), item[0]))
            text = ", ".join(f'"{name}" on {_tracks(len(paths))}' for name, paths in ranked)
            rare = dict.fromkeys(path for _, paths in ranked[1:] for path in paths)
            yield Remark("spelling", text, tuple(rare))

    def _singles(self) -> Iterator[Remark]:
        for spellings in self._by_name().values():
            paths = {path for some in spellings.values() for path in some}
            if len(paths) == 1:
                yield Remark("single", _quoted(spellings), tuple(paths))

    def _junk_genres(self) -> Iterator[Remark]:
        found: dict[str, list[Path]] = {}
        for track in self._tracks:
            for value in existing_genres(track.tags):
                for part in (value, *split_values(value)):
                    if says_nothing(part, self._junk):
                        found.setdefault(part, []).append(track.file.path)
        for name, paths in found.items():
            unique = tuple(dict.fromkeys(paths))
            yield Remark("junk", f'"{name}" on {_tracks(len(unique))}', unique)

    def _same_audio(self) -> Iterator[Remark]:
        for tracks in self._by_audio.values():
            if len(tracks) > 1:
                genres = dict.fromkeys("; ".join(self._genres(t)) or "no genre" for t in tracks)
                text = f"{len(tracks)} files: {' / '.join(genres)}"
                yield Remark("twice", text, tuple(track.file.path for track in tracks))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _tracks(n: int) -> str:
    return "1 track" if n == 1 else f"{n} tracks"
