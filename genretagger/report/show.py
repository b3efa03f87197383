"""Show one track: bars in the terminal, a page, a picture."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from genretagger.report import figure
from genretagger.report.inline import asset, render
from genretagger.text import apart, printable, reason_text

if TYPE_CHECKING:
    from genretagger.bundle import Bundle
    from genretagger.records import Decision, Hearing, Prediction

_WIDTH = 32  # characters of a bar; the line stays under 80
_DPI = {"wide": 144.0, "narrow": 216.0}


def bars(
    title: str,
    duration_s: float,
    prediction: Prediction,
    decision: Decision,
    thresholds: Mapping[str, float],
) -> Iterator[str]:
    """Describe for a terminal what a track is as a whole.

    Parameters
    ----------
    title : str
    duration_s : float
    prediction : Prediction
    decision : Decision
    thresholds : mapping of str to float, length n_genres
        By genre, in the model's order.

    Yields
    ------
    str
        One line without its end.
    """
    yield printable(f"{title} ({figure.clock(duration_s)})")
    yield printable(reason_text(decision.reason))
    width = max(13, *(len(genre) + 1 for genre in thresholds))
    for genre, probability, threshold in _bars(prediction, thresholds):
        mark = min(_WIDTH - 1, round(threshold * _WIDTH))
        bar = "█" * round(probability * _WIDTH)
        bar = f"{bar:·<{_WIDTH}}"
        bar = f"{bar[:mark]}│{bar[mark + 1 :]}"
        passes = " passes" if probability >= threshold else ""
        shown, needed = apart(probability, threshold)
        yield f"  {genre:<{width}}{shown} {bar} needs {needed}{passes}"


def over_time(hearing: Hearing, thresholds: Sequence[float]) -> Iterator[str]:
    """Describe for a terminal how a track goes on, and what moved its leading genre, if known.

    Parameters
    ----------
    hearing : Hearing
    thresholds : sequence of float, length n_genres

    Yields
    ------
    str
        One line without its end.
    """
    yield f"over the track: {figure.story(hearing, thresholds)}"
    for closeup in hearing.closeups:
        if closeup.moved is None:
            continue
        spans = closeup.moved.spans
        begin_s = closeup.start_s + int(np.argmax(spans)) * hearing.window_s / len(spans)
        yield (
            f"heard at {figure.clock(closeup.start_s)}: {hearing.genre} hangs most on what is at "
            f"{figure.clock(begin_s)}"
        )


def page(
    title: str,
    hearing: Hearing,
    decision: Decision,
    thresholds: Sequence[float],
    bundle: Bundle,
) -> str:
    """Make one HTML page that holds everything, light and dark, and runs no script."""
    drawn = {
        f"{shape}_{theme}": base64.b64encode(
            figure.png(
                hearing,
                title=title,
                thresholds=thresholds,
                bands_hz=bundle.bands_hz,
                theme=theme,
                is_narrow=shape == "narrow",
                dpi=dpi,
            )
        ).decode("ascii")
        for shape, dpi in _DPI.items()
        for theme in figure.THEMES
    }
    return render(
        "show.html",
        [asset("show.css")],
        [],
        {},
        title=printable(title),
        decision=printable(reason_text(decision.reason)),
        story=figure.story(hearing, thresholds),
        bars=list(_bars(hearing.prediction, dict(zip(hearing.genres, thresholds, strict=True)))),
        **drawn,
    )


def _bars(
    prediction: Prediction, thresholds: Mapping[str, float]
) -> Iterator[tuple[str, float, float]]:
    heard = prediction.probabilities or ()
    rows = zip(thresholds, heard, thresholds.values(), strict=False)  # nothing heard: no bars
    yield from sorted(rows, key=lambda row: -row[1])
