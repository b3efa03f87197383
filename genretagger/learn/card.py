"""The card of a bundle of one's own, and the figures in its bundle.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from genretagger.learn.fit import GenreFigures, Learned
from genretagger.learn.labels import LeftOut

PROTOCOL = "folds by artist; all that a fold is measured by was learned from the other artists"


def metrics(learned: Learned) -> dict[str, Any]:
    """Return the figures for ``bundle.json``."""
    return {
        "protocol": PROTOCOL,
        "top1_in_labels": _rounded(learned.top1),
        "majority": _rounded(learned.majority),
        "precision_of_written": _rounded(learned.precision),
        "coverage": _rounded(learned.coverage),
        "genres": {
            figures.name: {
                key: _rounded(value) if isinstance(value, float) else value
                for key, value in asdict(figures).items()
                if key != "name"
            }
            for figures in learned.genres
        },
    }


def render(name: str, learned: Learned, *, n_tracks: int, left_out: Sequence[LeftOut]) -> str:
    """Write the card, Markdown.

    Parameters
    ----------
    name : str
        Of the model.
    learned : Learned
    n_tracks : int
        That it was learned from.
    left_out : sequence of LeftOut
    """
    unheard = [g.name for g in learned.genres if not g.is_heard]
    better = [g.name for g in learned.genres if g.shipped and g.shipped > g.average_precision]
    lines = [
        f"# {_cell(name)}",
        "",
        f"Learned by `genretagger learn` from the tags of {n_tracks} tracks: {len(learned.genres)} "
        "genres.",
        "",
        f"Measured on artists that were not learned from ({PROTOCOL}): the most probable genre is "
        f"one of the track's in {_shown(learned.top1)} of cases (always the most common one: "
        f"{_shown(learned.majority)}). Of what would be written, {_shown(learned.precision)} is "
        f"right, on {_shown(learned.coverage)} of the tracks.",
        "",
        _sentence("These genres cannot be heard well enough, and are never proposed", unheard),
        _sentence("In these the network's own genre of that name ranks better", better),
        "",
        "| genre | tracks | artists | average precision | by chance | precision | recall "
        "| threshold | the network's own |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(_row, learned.genres),
    ]
    if left_out:
        few = ", ".join(
            f"{_cell(g.name)} ({g.n_tracks} of {g.n_artists} artists)" for g in left_out
        )
        lines += [
            "",
            f"Not learned: too few tracks or artists, or a name that no genre can have: {few}.",
        ]
    return "\n".join(lines) + "\n"


def _row(genre: GenreFigures) -> str:
    cells = [
        *(_cell(genre.name), str(genre.n_tracks), str(genre.n_artists)),
        *map(_shown, (genre.average_precision, genre.chance, genre.precision, genre.recall)),
        _shown(genre.threshold) if genre.is_heard else "not heard",
        _shown(genre.shipped),
    ]
    return f"| {' | '.join(cells)} |"


def _sentence(text: str, genres: Sequence[str]) -> str:
    return f"{text}: {', '.join(map(_cell, genres)) or 'none'}."


def _cell(name: str) -> str:
    return name.replace("|", "\\|")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
