"""Show one track: bars in the terminal, a page, a picture."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from genretagger.report import figure
from genretagger.text import apart, printable, reason_text

if TYPE_CHECKING:
    from genretagger.bundle import Bundle
    from genretagger.records import Decision, Hearing

_WIDTH = 32  # characters of a bar; the line stays under 80
_DPI = 144.0


def lines(
    title: str, hearing: Hearing, decision: Decision, thresholds: Sequence[float]
) -> Iterator[str]:
    """Describe a track for a terminal.

    Parameters
    ----------
    title : str
    hearing : Hearing
    decision : Decision
    thresholds : sequence of float, length n_genres

    Yields
    ------
    str
        One line without its end.
    """
    yield printable(f"{title} ({figure.clock(hearing.duration_s)})")
    yield printable(reason_text(decision.reason))
    for genre, probability, threshold in _bars(hearing, thresholds):
        mark = min(_WIDTH - 1, round(threshold * _WIDTH))
        bar = "█" * round(probability * _WIDTH)
        bar = f"{bar:·<{_WIDTH}}"
        bar = f"{bar[:mark]}│{bar[mark + 1 :]}"
        passes = " passes" if probability >= threshold else ""
        heard, needed = apart(probability, threshold)
        yield f"  {genre:<13}{heard} {bar} needs {needed}{passes}"
    yield f"over the track: {figure.story(hearing, thresholds)}"
    for closeup in hearing.closeups:
        span = int(np.argmax(closeup.spans))
        begin_s = closeup.start_s + span * hearing.window_s / len(closeup.spans)
        yield (
            f"heard at {figure.clock(closeup.start_s)}: {hearing.genre} hangs most on what is at "
            f"{figure.clock(begin_s)} ({closeup.spans[span]:+.2f} log-odds)"
        )


def page(
    title: str,
    hearing: Hearing,
    decision: Decision,
    thresholds: Sequence[float],
    bundle: Bundle,
) -> str:
    """Make one HTML page that holds everything, light and dark, and runs no script."""
    from jinja2 import Environment  # noqa: PLC0415 - 0.1 s

    template = files("genretagger.report").joinpath("assets/show.html")
    drawn = {
        theme: base64.b64encode(
            figure.png(
                hearing,
                title=title,
                thresholds=thresholds,
                bands_hz=bundle.bands_hz,
                theme=theme,
                dpi=_DPI,
            )
        ).decode("ascii")
        for theme in figure.THEMES
    }
    made = Environment(autoescape=True).from_string(template.read_text(encoding="utf-8"))
    return made.render(
        title=printable(title),
        decision=printable(reason_text(decision.reason)),
        story=figure.story(hearing, thresholds),
        bars=list(_bars(hearing, thresholds)),
        **drawn,
    )


def _bars(hearing: Hearing, thresholds: Sequence[float]) -> Iterator[tuple[str, float, float]]:
    heard = hearing.prediction.probabilities or ()
    rows = zip(hearing.genres, heard, thresholds, strict=False)  # nothing was heard: no bars
    yield from sorted(rows, key=lambda row: -row[1])
