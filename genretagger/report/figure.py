"""Draw the genres of one track over time. The only matplotlib import, an extra: ``[review]``."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from genretagger.errors import FatalError
from genretagger.explain import turns
from genretagger.text import apart, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from genretagger.records import Hearing

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

SIZE_IN = (10.0, 7.4)
"""Width and height in inches."""

TIMELINE = (0.115, 0.975)
"""Where the track begins and ends, as fractions of the figure's width."""

_MOST_ROWS = 5  # genres; the others' lines lie on the floor
_MOST_CLOSEUPS = 3
_LEAST_TURN_S = 9.0  # three windows: what leads for less is a passage, not a turn
_COLOURS = {
    "light": {"back": "#ffffff", "text": "#1c2430", "muted": "#5b6673", "line": "#d5dae1"},
    "dark": {"back": "#14181d", "text": "#e8ecf1", "muted": "#9aa6b4", "line": "#38414c"},
}
_PASSES, _BELOW = {"light": "#1f6fb2", "dark": "#5aa9e6"}, {"light": "#b9cde0", "dark": "#33495d"}
_Box = tuple[float, float, float, float]  # left, bottom, width, height
_ALONE = threading.Lock()  # matplotlib's caches of fonts are not made for several threads


def clock(seconds: float) -> str:
    """Write a time as players do.

    Examples
    --------
    >>> clock(75.4), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def story(hearing: Hearing, thresholds: Sequence[float]) -> str:
    """Describe in words where a track turns from one genre to another.

    Parameters
    ----------
    hearing : Hearing
    thresholds : sequence of float, length n_genres

    Returns
    -------
    str
        Such as ``0:00 Folk, 1:12 Rock``; a stretch in which no genre passes its threshold is
        said to be undecided.
    """
    leaders: list[str | None] = []
    for row in hearing.timeline:
        margin = row - np.asarray(thresholds, dtype=np.float32)
        passing = np.flatnonzero(margin >= 0)
        leaders.append(hearing.genres[passing[np.argmax(row[passing])]] if len(passing) else None)
    hop_s = hearing.starts_s[1] - hearing.starts_s[0] if len(hearing.starts_s) > 1 else 1.0
    least = max(1, round(_LEAST_TURN_S / hop_s))
    return ", ".join(
        f"{clock(_from_s(hearing, window))} {genre or 'undecided'}"
        for window, genre in turns(leaders, least)
    )


def _from_s(hearing: Hearing, window: int) -> float:
    # a window speaks for its middle, but the first one also for the beginning
    return hearing.starts_s[window] + hearing.window_s / 2 if window else 0.0


def png(
    hearing: Hearing,
    *,
    title: str,
    thresholds: Sequence[float],
    bands_hz: NDArray[np.float32],
    theme: Theme = "light",
    dpi: float = 100.0,
) -> bytes:
    """Draw a timeline of the genres, the analysed excerpts, and what moved the leading genre.

    Parameters
    ----------
    hearing : Hearing
    title : str
    thresholds : sequence of float, length n_genres
    bands_hz : numpy.ndarray, shape (n_mels,)
        Centre frequencies of the mel bands in Hz.
    theme : {"light", "dark"}
    dpi : float
        Dots per inch; the figure has `SIZE_IN`.

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    FatalError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and 0.5 s
    except ImportError as error:
        raise FatalError(
            "pictures are drawn by matplotlib, which is not installed: "
            "pip install 'genretagger[review]'"
        ) from error
    stream = io.BytesIO()
    with _ALONE:
        figure = Figure(figsize=SIZE_IN, dpi=dpi, facecolor=_COLOURS[theme]["back"])
        _draw(
            figure,
            hearing,
            title=title,
            thresholds=thresholds,
            bands_hz=bands_hz,
            theme=theme,
        )
        figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _draw(
    figure: Figure,
    hearing: Hearing,
    *,
    title: str,
    thresholds: Sequence[float],
    bands_hz: NDArray[np.float32],
    theme: Theme,
) -> None:
    colours = _COLOURS[theme]
    left, right = TIMELINE

    def say(x: float, y: float, text: str, **how: Any) -> None:
        how = {"color": colours["text"], "fontsize": 9, **how}
        figure.text(x, y, printable(text), parse_math=False, **how)

    say(0.02, 0.965, _shortened(title), fontsize=12.5, fontweight="bold")
    say(0.02, 0.937, _shortened(story(hearing, thresholds), 150), color=colours["muted"])

    probabilities = hearing.prediction.probabilities
    if probabilities is None or hearing.genre is None:
        say(0.02, 0.85, "Silent where it was heard.", fontsize=11)
        return
    peaks = np.nan_to_num(hearing.timeline).max(axis=0)
    order = sorted(range(len(hearing.genres)), key=lambda g: (-probabilities[g], -peaks[g]))
    likely = [g for g in order if g == order[0] or peaks[g] >= 0.5 * thresholds[g]][:_MOST_ROWS]
    top, bottom = 0.915, 0.52
    height = (top - bottom) / len(likely)
    for row, genre in enumerate(likely):
        axes = figure.add_axes((left, top - (row + 1) * height, right - left, height * 0.86))
        _plain(axes, colours)
        _draw_genre(axes, hearing, genre, thresholds[genre], theme)
        beside = axes.get_position().y0 + 0.43 * height
        say(left - 0.012, beside + 0.004, hearing.genres[genre], ha="right", va="bottom")
        heard = ", needs ".join(apart(probabilities[genre], thresholds[genre]))
        say(left - 0.012, beside, heard, ha="right", va="top", fontsize=7, color=colours["muted"])
        if row == len(likely) - 1:
            axes.tick_params(labelbottom=True)
            axes.xaxis.set_major_formatter(lambda seconds, _: clock(seconds))
    say(
        left,
        0.47,
        f"Genres over the track: {hearing.window_s:.0f} s are heard at a time; dashed: what a "
        "genre needs; grey: the excerpts the decision rests on, which follow.",
        fontsize=8,
        color=colours["muted"],
    )
    _draw_closeups(figure, hearing, bands_hz, theme, say)


def _draw_genre(axes: Axes, hearing: Hearing, genre: int, threshold: float, theme: Theme) -> None:
    middle_s = np.asarray(hearing.starts_s) + min(hearing.window_s, hearing.duration_s) / 2
    heard = hearing.timeline[:, genre]
    if len(heard) == 1:  # a short track sounds the same all the way
        middle_s, heard = np.asarray([0.0, hearing.duration_s]), np.repeat(heard, 2)
    colours = _COLOURS[theme]
    axes.set_xlim(0, hearing.duration_s)
    axes.set_ylim(0, 1)
    for closeup in hearing.closeups:
        end_s = min(closeup.start_s + hearing.window_s, hearing.duration_s)
        axes.axvspan(closeup.start_s, end_s, color=colours["line"], alpha=0.55, lw=0)
    # so many points that the colours meet where the line crosses the threshold
    time_s = np.linspace(middle_s[0], middle_s[-1], 2000)
    line = np.interp(time_s, middle_s, heard)
    for colour, part in ((_BELOW[theme], line), (_PASSES[theme], line * (line >= threshold))):
        axes.fill_between(time_s, part, color=colour, lw=0)
    axes.axhline(threshold, color=colours["text"], lw=0.9, ls=(0, (4, 3)))


def _draw_closeups(
    figure: Figure, hearing: Hearing, bands_hz: NDArray[np.float32], theme: Theme, say: Any
) -> None:
    colours = _COLOURS[theme]
    left, right = TIMELINE
    chosen = np.linspace(0, len(hearing.closeups) - 1, _MOST_CLOSEUPS).round().astype(int)
    closeups = [hearing.closeups[n] for n in dict.fromkeys(chosen.tolist())]
    of_patches = _strongest([c.patches for c in closeups])
    of_all = _strongest([part for c in closeups for part in (c.bands, c.spans)])
    gap = 0.018
    width = (right - left + gap) / len(closeups) - gap
    ticks = [int(np.abs(bands_hz - hz).argmin()) for hz in (200, 1000, 5000)]
    for column, closeup in enumerate(closeups):
        x = left + column * (width + gap)
        end_s = closeup.start_s + hearing.window_s
        extent = (closeup.start_s, end_s, 0.0, float(len(closeup.log_mel)))
        narrow = width - 0.016

        def show(
            at: tuple[float, float, float, float], image: Any, extent: Any = extent, **how: Any
        ) -> Axes:
            axes = figure.add_axes(at)
            _plain(axes, colours)
            axes.imshow(image, origin="lower", aspect="auto", extent=extent, **how)
            return axes

        def moves(most: float) -> dict[str, Any]:
            return {"cmap": "RdBu", "vmin": -most, "vmax": most}

        heard = show((x, 0.28, narrow, 0.15), closeup.log_mel, cmap="magma")
        spans = show((x, 0.25, narrow, 0.022), closeup.spans[np.newaxis], **moves(of_all))
        moved = show((x, 0.10, narrow, 0.142), closeup.patches, **moves(of_patches))
        at = (x + width - 0.012, 0.10, 0.012, 0.142)
        bands = show(at, closeup.bands[:, np.newaxis], **moves(of_all))
        for axes in (heard, spans, bands):
            axes.set_xticks([])
        if column == 0:
            for axes in (heard, moved):
                axes.set_yticks(ticks, ["200 Hz", "1 kHz", "5 kHz"])
            say(left - 0.012, 0.255, "all bands", ha="right", fontsize=7.5, color=colours["muted"])
        moved.tick_params(labelbottom=True)
        moved.xaxis.set_major_formatter(lambda seconds, _: clock(seconds))
        moved.locator_params(axis="x", nbins=4, integer=True)
    what = hearing.genre
    lines = (
        "Above: the excerpts as the network gets them (log-mel). Below: what moved its "
        f"{what}. Each patch was hidden, held at its bands' mean, and the",
        f"network asked again: blue spoke for {what}, red against it, up to {of_patches:.2f} in "
        f"log-odds; in the strip (all bands) and the column (all {hearing.window_s:.0f} s), up to",
        f"{of_all:.2f}. It shows what the answer hangs on, part by part; it does not explain why.",
    )
    for n, line in enumerate(lines):
        say(left, 0.054 - 0.018 * n, line, fontsize=7.5, color=colours["muted"])


def _strongest(parts: Sequence[NDArray[np.float32]]) -> float:
    return max(1e-6, *(float(np.abs(part).max()) for part in parts))


def _plain(axes: Axes, colours: dict[str, str]) -> None:
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("bottom", "left"))
        spine.set_color(colours["line"])
    axes.set_yticks([])
    axes.tick_params(labelsize=7.5, colors=colours["muted"], length=2.5, labelbottom=False)


def _shortened(text: str, most: int = 95) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
