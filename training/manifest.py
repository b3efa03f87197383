"""Stage 1, manifest: a table of labelled clips becomes the list that all stages read."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from genretagger.errors import FatalError
from genretagger.genres import GENRES, canonical, in_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIPS = "clips"
"""The folder beside the table that holds the audio, one ``<id>.opus`` for each row."""

_COLUMNS = ("id", "set", "genres", "confidence", "artist_group")


@dataclass(frozen=True)
class Clip:
    """One labelled clip.

    Attributes
    ----------
    track_id : str
        Unique.
    artist_id : str
        The artist group: the unit of every split.
    set : str
        Where the clip comes from.
    path : str
        Relative to the data folder, with forward slashes.
    genres : tuple of str
        In the order of `genretagger.genres.GENRES`; empty if none describes the clip,
        which is a label too.
    confidence : int
        Of the label: 3 sure, 2 likely, 1 a guess.
    duration_s : float
        In seconds.
    """

    track_id: str
    artist_id: str
    set: str
    path: str
    genres: tuple[str, ...]
    confidence: int
    duration_s: float


def build(labels: Path) -> list[Clip]:
    """Read a table of labels and look at each clip's header.

    Parameters
    ----------
    labels : pathlib.Path
        Tab-separated, with the columns ``id set genres confidence artist_group``;
        others are ignored. Genres are joined with semicolons.

    Returns
    -------
    list of Clip
        Sorted by `Clip.track_id`, so that the order of rows does not matter.

    Raises
    ------
    FatalError
        If the table lacks a column, names an unknown genre or an id twice, or a clip
        cannot be opened.
    """
    clips = {}
    with labels.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        missing = sorted(set(_COLUMNS) - set(reader.fieldnames or ()))
        if missing:
            raise FatalError(f"{labels} lacks the column {', '.join(missing)}")
        for row in reader:
            where = f"{labels}, line {reader.line_num}"
            if row["id"] in clips:
                raise FatalError(f"{where}: the id {row['id']} comes twice")
            names = [name for name in (n.strip() for n in row["genres"].split(";")) if name]
            genres = [canonical(name) for name in names]
            if None in genres:
                raise FatalError(f"{where}: unknown genre {names[genres.index(None)]!r}")
            path = labels.parent / CLIPS / f"{row['id']}.opus"
            try:
                duration_s = soundfile.info(str(path)).duration
            except (OSError, soundfile.LibsndfileError) as error:
                raise FatalError(f"{where}: {path} cannot be opened") from error
            clips[row["id"]] = Clip(
                track_id=row["id"],
                artist_id=row["artist_group"],
                set=row["set"],
                path=path.relative_to(labels.parent).as_posix(),
                genres=in_order(tuple({genre for genre in genres if genre is not None})),
                confidence=int(row["confidence"]),
                duration_s=round(duration_s, 4),
            )
    return [clips[track_id] for track_id in sorted(clips)]


def write(path: Path, clips: Iterable[Clip]) -> None:
    """Write a manifest: one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(asdict(clip), ensure_ascii=False) + "\n" for clip in clips)
    path.write_text("".join(lines), encoding="utf-8")


def read(path: Path) -> list[Clip]:
    """Read a manifest.

    Raises
    ------
    FatalError
        If it does not exist.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FatalError(f"{path} cannot be read: run the stage `manifest` first") from error
    rows = (json.loads(line) for line in lines)
    return [Clip(**{**row, "genres": tuple(row["genres"])}) for row in rows]


def sha256(path: Path) -> str:
    """Hash a manifest's bytes, in hex: written into the bundle that comes of it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reference(clips: Sequence[Clip]) -> NDArray[np.bool_]:
    """Lay out the labels of clips.

    Returns
    -------
    numpy.ndarray, shape (n_clips, n_genres), bool
    """
    return np.array([[genre in clip.genres for genre in GENRES] for clip in clips], dtype=bool)
