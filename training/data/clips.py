"""The clips of a manifest: one record, one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training.arrays import Bools
from training.files import write_jsonl


@dataclass(frozen=True)
class Clip:
    """One labelled clip.

    Attributes
    ----------
    track_id : str
        Unique.
    artist_id : str
        The artist group: the unit of every split.
    source : str
        Where the clip comes from: data of one kind, such as a published data set.
    path : str
        Relative to the data folder, with forward slashes; absolute if it lies elsewhere.
    genres : tuple of str
        In the order of `genretagger.genres.GENRES`; empty if none describes the clip,
        which is a label too.
    confidence : int
        Of the label: 3 sure, 2 likely, 1 a guess.
    duration_s : float
        In seconds.
    sha256 : str
        Of the file's bytes, in hex.
    split : str
        The fold that it is measured in, or ``train``, ``validation``, ``test``.
    """

    track_id: str
    artist_id: str
    source: str
    path: str
    genres: tuple[str, ...]
    confidence: int
    duration_s: float
    sha256: str = ""
    split: str = ""


def with_splits(clips: Sequence[Clip], names: Sequence[str]) -> list[Clip]:
    """Write the name of its split into each clip."""
    return [replace(clip, split=name) for clip, name in zip(clips, names, strict=True)]


def write_clips(path: Path, clips: Iterable[Clip]) -> None:
    """Write a manifest: one JSON object a line."""
    write_jsonl(path, map(asdict, clips))


def read_clips(path: Path) -> list[Clip]:
    """Read a manifest.

    Raises
    ------
    FatalError
        If it does not exist, or is not one of this version.
    """
    try:
        # not splitlines: a name may hold what Unicode calls a line separator
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise FatalError(f"{path} cannot be read: run the stage `manifest` first") from error
    clips = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            clips.append(Clip(**{**row, "genres": tuple(row["genres"])}))
        except (ValueError, KeyError, TypeError) as error:
            raise FatalError(
                f"{path}, line {number} is no clip: run the stage `manifest` again"
            ) from error
    return clips


def reference(clips: Sequence[Clip]) -> Bools:
    """Lay out the labels of clips.

    Returns
    -------
    numpy.ndarray, shape (n_clips, n_genres), bool
    """
    return np.array([[genre in clip.genres for genre in GENRES] for clip in clips], dtype=bool)
