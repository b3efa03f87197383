"""Groups of tracks: in words, as JSON, and as a map for the browser."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger.discover.portrait import Match, Portrait, Trait
from genretagger.report.html import NONE, below_root
from genretagger.report.inline import asset, render
from genretagger.report.tables import json_line
from genretagger.text import counted, printable

if TYPE_CHECKING:
    from genretagger.arrays import Floats

_SIDE = 10_000  # of the map, in whole numbers
_N_STRONGEST = 3  # genres that are heard, beside a track


@dataclass(frozen=True)
class Collection:
    """The tracks of a collection, in groups. All sequences are in the order of the tracks.

    Attributes
    ----------
    paths : sequence of pathlib.Path
    artists : sequence of str
        Empty where the tags do not say.
    genres : sequence of sequence of str
        Those in the tags.
    vocabulary : sequence of str
        The genres of the model.
    probabilities : numpy.ndarray, shape (n_tracks, n_genres), float32
    group : sequence of int
        Counted from 0.
    sureness : sequence of float
        The probability of that group.
    portraits : sequence of Portrait
        Of the groups.
    agreement : float
        As in `mixture.Groups`.
    """

    paths: Sequence[Path]
    artists: Sequence[str]
    genres: Sequence[Sequence[str]]
    vocabulary: Sequence[str]
    probabilities: Floats
    group: Sequence[int]
    sureness: Sequence[float]
    portraits: Sequence[Portrait]
    agreement: float


def gist(collection: Collection) -> str:
    """Say in a sentence how many groups there are, and how far to trust that."""
    n_tracks, n_groups = len(collection.paths), len(collection.portraits)
    if n_groups == 1:
        return f"{n_tracks} tracks: nothing in their sound sets groups apart"
    return (
        f"{n_groups} groups among {n_tracks} tracks; groups from other seeds agree with them by "
        f"{collection.agreement:.2f} (1: wholly, 0: by chance)"
    )


def lines(collection: Collection) -> Iterator[str]:
    """Give groups in words."""
    yield gist(collection)
    for number, portrait in enumerate(collection.portraits, 1):
        yield f"group {number}: {_size(portrait)}"
        yield from (f"  {printable(text)}" for text in said(portrait))
        yield "  typical:"
        yield from (f"      {printable(str(collection.paths[n]))}" for n in portrait.typical)


def said(portrait: Portrait) -> list[str]:
    """Say in a few lines what a group has in common, and how far to trust it."""
    return [
        f"in the tags: {_traits(portrait.genres) or 'nothing that the others have less of'}",
        f"heard: {_traits(portrait.heard) or 'as in the others'}",
        _match(portrait.match),
        f"sure {portrait.sureness:.2f}, stable {portrait.stability:.2f}",
    ]


def json_lines(collection: Collection, places: Floats) -> Iterator[str]:
    """Give groups as JSON, one object for each.

    Parameters
    ----------
    collection : Collection
    places : numpy.ndarray, shape (n_tracks, 2), float32
        Of the tracks on the map, in [0, 1].
    """
    for number, portrait in enumerate(collection.portraits, 1):
        match = portrait.match
        yield json_line(
            {
                "group": number,
                "n_tracks": len(portrait.tracks),
                "n_artists": portrait.n_artists,
                "sureness": round(portrait.sureness, 4),
                "stability": round(portrait.stability, 4),
                "agreement": round(collection.agreement, 4),
                "genres": [_rounded(trait) for trait in portrait.genres],
                "heard": [_rounded(trait) for trait in portrait.heard],
                "closest_genre": match and {**_rounded(match), "is_known": match.is_known},
                "typical": [str(collection.paths[n]) for n in portrait.typical],
                "tracks": [
                    {
                        "path": str(collection.paths[n]),
                        "sureness": round(float(collection.sureness[n]), 4),
                        "place": [round(float(value), 4) for value in places[n]],
                    }
                    for n in portrait.tracks
                ],
            }
        )


def page(
    collection: Collection, places: Floats, *, title: str, command: str, model: str, is_served: bool
) -> str:
    """Make the map for the browser.

    Parameters
    ----------
    collection : Collection
    places : numpy.ndarray, shape (n_tracks, 2), float32
        As in `json_lines`.
    title, command, model : str
        As of `html.Page`.
    is_served : bool
        Whether a server gives the sound of the tracks.

    Returns
    -------
    str
        HTML.
    """
    from importlib.metadata import version  # noqa: PLC0415 - 0.1 s

    served = "'self'" if is_served else "'none'"
    return render(
        "map.html",
        [asset("report.css"), asset("map.css")],
        [asset("map.js")],
        {**_data(collection, places), "served": is_served},
        connect=served,
        media=served,
        title=title,
        command=command,
        model=model,
        gist=gist(collection),
        groups=[
            {
                "number": number,
                "size": _size(portrait),
                "name": _name(portrait),
                "said": [printable(text) for text in said(portrait)],
                "typical": [(n, printable(collection.paths[n].name)) for n in portrait.typical],
            }
            for number, portrait in enumerate(collection.portraits, 1)
        ],
        made=datetime.now().astimezone(),
        version=version("genretagger"),
    )


def _data(collection: Collection, places: Floats) -> dict[str, Any]:
    """Return the data of the script: a list for each property, and texts that recur as numbers."""
    folders: dict[str, int] = {}
    artists: dict[str, int] = {}
    genres: dict[tuple[str, ...], int] = {}
    split = [os.path.split(path) for path in collection.paths]
    numbers = [folders.setdefault(folder, len(folders)) for folder, _ in split]
    root, shown = below_root(folders)
    strongest = np.argsort(-collection.probabilities, axis=1, kind="stable")[:, :_N_STRONGEST]
    heard = np.take_along_axis(collection.probabilities, strongest, axis=1)
    return {
        "root": root,
        "folders": shown,
        "folder": numbers,
        "name": [printable(name) for _, name in split],
        "artist": [artists.setdefault(printable(a), len(artists)) for a in collection.artists],
        "artists": list(artists),
        "genre": [
            genres.setdefault(tuple(map(printable, names)), len(genres))
            for names in collection.genres
        ],
        "genres": list(genres),
        "none": NONE,
        "vocabulary": collection.vocabulary,
        "strongest": strongest.ravel().tolist(),
        "heard": np.rint(100 * heard).astype(int).ravel().tolist(),
        "n_strongest": strongest.shape[1],
        "group": [int(group) for group in collection.group],
        "groups": list(map(_name, collection.portraits)),
        "sureness": [round(100 * float(value)) for value in collection.sureness],
        "place": np.rint(_SIDE * places).astype(int).ravel().tolist(),
        "side": _SIDE,
    }


def _size(portrait: Portrait) -> str:
    artists = f" of {counted(portrait.n_artists, 'artist')}" if portrait.n_artists else ""
    return f"{counted(len(portrait.tracks), 'track')}{artists}"


def _name(portrait: Portrait) -> str:
    """Name a group by what it has in common; empty if that is nothing."""
    return printable(", ".join(trait.name for trait in portrait.genres or portrait.heard))


def _traits(traits: Sequence[Trait]) -> str:
    return ", ".join(f"{t.name} {t.inside:.2f} (all: {t.overall:.2f})" for t in traits)


def _match(match: Match | None) -> str:
    if match is None:
        return "none of its tracks has a genre"
    what = (
        "the tags know it as"
        if match.is_known
        else "no genre in the tags is this group; nearest is"
    )
    return (
        f"{what} {match.name}: {match.precision:.2f} of the group have it, and {match.recall:.2f} "
        "of its tracks are in the group"
    )


def _rounded(values: Trait | Match) -> dict[str, Any]:
    return {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in values._asdict().items()
    }
