"""A model of one's own as a page for the browser: what each of its genres is worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from genretagger.errors import FatalError
from genretagger.report.inline import asset, render
from genretagger.text import counted, printable

if TYPE_CHECKING:
    from genretagger.bundle import Bundle


def page(bundle: Bundle) -> str:
    """Make the page from the figures that the model keeps.

    Parameters
    ----------
    bundle : Bundle

    Returns
    -------
    str
        HTML without any script.

    Raises
    ------
    FatalError
        If the model is none of one's own, whose figures are others.
    """
    metrics = bundle.info.get("metrics", {})
    if bundle.heads is None or "genres" not in metrics:
        raise FatalError(
            f"{bundle.path} was not made by 'genretagger learn', and has no page; its card is "
            f"{bundle.path / 'MODEL_CARD.md'}"
        )
    data = bundle.info.get("data", {})
    thresholds = dict(zip(bundle.vocabulary.genres, bundle.thresholds, strict=True))
    genres = [
        {"name": printable(name), **figures, "said": list(_said(figures, thresholds[name]))}
        for name, figures in metrics["genres"].items()
    ]
    return render(
        "learned.html",
        [asset("report.css"), asset("learned.css")],
        [],
        {},
        title=printable(str(bundle.info.get("name", bundle.path.name))),
        gist=_gist(len(genres), data.get("n_tracks", 0), data.get("n_artists", 0)),
        metrics=metrics,
        genres=sorted(genres, key=lambda genre: -genre["average_precision"]),
        created=bundle.info.get("created", ""),
        version=bundle.info.get("code_version", ""),
        model=bundle.bundle_id,
    )


def _gist(n_genres: int, n_tracks: int, n_artists: int) -> str:
    return (
        f"{counted(n_genres, 'genre')}, learned from {counted(n_tracks, 'track')} by "
        f"{counted(n_artists, 'artist')}; every figure is of artists that were not learned from."
    )


def _said(figures: dict[str, Any], threshold: float) -> Iterator[str]:
    is_heard = threshold < 1.0  # no probability is higher
    yield f"can be heard, from {threshold:.2f}" if is_heard else "cannot be heard: never proposed"
    shipped = figures.get("shipped")
    if shipped is not None:
        is_better = shipped > figures["average_precision"]
        which = "ranks better" if is_better else "ranks no better"
        yield f"the shipped model's own genre of that name {which}: {shipped:.2f}"
