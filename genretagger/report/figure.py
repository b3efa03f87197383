"""Draw the genres of one track over time. The only matplotlib import, an extra: ``[review]``."""

from __future__ import annotations

import io
import textwrap
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from genretagger.errors import FatalError
from genretagger.explain import turns
from genretagger.installation import command_for
from genretagger.text import apart, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from genretagger.records import Closeup, Hearing

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

WIDTH_IN, NARROW_IN = 10.0, 3.6
"""Width of a picture in inches: of a wide one, and of one for a telephone."""

_TITLE_IN, _STORY_IN = 0.22, 0.17  # from line to line
_MOST_ROWS = 5  # genres; the others' lines lie on the floor
_MOST_CLOSEUPS = 3
_LEAST_TURN_S = 9.0  # three windows: what leads for less is a passage, not a turn
_COLOURS = {
    "light": {"back": "#ffffff", "text": "#1c2430", "muted": "#5b6673", "line": "#d5dae1"},
    "dark": {"back": "#14181d", "text": "#e8ecf1", "muted": "#9aa6b4", "line": "#38414c"},
}
_PASSES, _BELOW = {"light": "#1f6fb2", "dark": "#5aa9e6"}, {"light": "#b9cde0", "dark": "#33495d"}
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


class Box(NamedTuple):
    """A part of a picture, from its upper left corner, as fractions of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


def png(
    hearing: Hearing,
    *,
    title: str,
    thresholds: Sequence[float],
    bands_hz: NDArray[np.float32],
    theme: Theme = "light",
    is_narrow: bool = False,
    dpi: float = 100.0,
) -> bytes:
    """Draw a timeline of the genres, the analysed excerpts, and what moved the leading genre.

    Parameters
    ----------
    hearing : Hearing
        What moved the genre is drawn if its closeups know.
    title : str
    thresholds : sequence of float, length n_genres
    bands_hz : numpy.ndarray, shape (n_mels,)
        Centre frequencies of the mel bands in Hz.
    theme : {"light", "dark"}
    is_narrow : bool
        For a telephone, on which a wide picture would be too small to be read.
    dpi : float
        Dots per inch; the picture is `WIDTH_IN` wide, or `NARROW_IN`.

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
            f"pictures are drawn by matplotlib, which is not installed: {command_for('review')}"
        ) from error
    stream = io.BytesIO()
    layout = _Layout(hearing, title, thresholds, is_narrow)
    with _ALONE:
        size = (layout.width, layout.height)
        figure = Figure(figsize=size, dpi=dpi, facecolor=_COLOURS[theme]["back"])
        _Drawing(figure, layout, theme).draw(bands_hz)
        figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def timeline_box(
    hearing: Hearing, *, title: str, thresholds: Sequence[float], is_narrow: bool = False
) -> Box | None:
    """Say where in the picture the curves are, from the track's beginning to its end.

    The parameters are those of `png`. None where all is silence, and there are no curves.
    """
    layout = _Layout(hearing, title, thresholds, is_narrow)
    if not layout.genres:
        return None
    return Box(
        layout.left / layout.width,
        layout.rows_at / layout.height,
        1 - layout.right / layout.width,
        layout.caption_at / layout.height,
    )


class _Layout:
    """Where everything is, in inches from the upper left corner."""

    def __init__(
        self, hearing: Hearing, title: str, thresholds: Sequence[float], is_narrow: bool
    ) -> None:
        self.hearing, self.thresholds, self.is_narrow = hearing, thresholds, is_narrow
        self.width = NARROW_IN if is_narrow else WIDTH_IN
        self.left, self.right = (0.2, 0.12) if is_narrow else (1.15, 0.25)
        self.row, self.curve_at, self.curve = (0.72, 0.2, 0.42) if is_narrow else (0.58, 0.0, 0.5)
        self.small, self.small_line = (8.5, 0.15) if is_narrow else (7.5, 0.135)
        self.genres = _likely(hearing, thresholds)
        self.title = _wrapped(title, 34, 3) if is_narrow else _wrapped(title, 95, 1)
        told = story(hearing, thresholds)
        self.story = _wrapped(told, 56, 5) if is_narrow else _wrapped(told, 150, 2)
        self.caption = self._small(
            f"Genres over the track: {hearing.window_s:.0f} s are heard at a time; dashed: what a "
            "genre needs; grey: the excerpts the decision rests on, which follow."
        )
        self.closeups = _chosen(hearing.closeups)
        self.patches_reach, self.all_reach = _reach(self.closeups)
        self.is_why = bool(self.patches_reach)
        self.explanation = self._small(self._explained())
        self.story_at = 0.14 + _TITLE_IN * len(self.title)
        self.rows_at = self.story_at + _STORY_IN * len(self.story) + 0.1
        self.caption_at = self.rows_at + self.row * len(self.genres) + 0.25
        self.closeups_at = self.caption_at + self.small_line * len(self.caption) + 0.12
        self.spectrogram, self.strip, self.gap = (
            (0.75, 0.12, 0.04) if is_narrow else (1.1, 0.16, 0.05)
        )
        self.closeup = self.spectrogram + 0.26
        if self.is_why:
            self.closeup += self.strip + self.spectrogram + 2 * self.gap
        n_below = len(self.closeups) if is_narrow else bool(self.closeups)
        self.explanation_at = self.closeups_at + self.closeup * n_below + 0.04
        end = self.explanation_at + self.small_line * len(self.explanation)
        self.height = end + 0.1 if self.genres else self.rows_at + 0.5

    def _small(self, text: str) -> list[str]:
        return _wrapped(text, 52 if self.is_narrow else 150, 12)

    def _explained(self) -> str:
        what = self.hearing.genre
        shown = "The excerpts as the network gets them (log-mel)."
        if not self.is_why:
            return shown
        return (
            f"{shown} Below each: what moved its {what}. Each patch was hidden, held at its bands' "
            f"mean, and the network asked again: blue spoke for {what}, red against it, the darker "
            "the more; the strip hides all bands, the column all "
            f"{self.hearing.window_s:.0f} s. It shows what the answer hangs on, part by part; it "
            "does not explain why."
        )


@dataclass
class _Drawing:
    """Draws on a figure what a layout has places for."""

    figure: Figure
    layout: _Layout
    theme: Theme

    @property
    def colours(self) -> dict[str, str]:
        return _COLOURS[self.theme]

    def say(self, x: float, y: float, text: str, **how: Any) -> None:
        """Write a line whose upper left corner is there."""
        at = x / self.layout.width, 1 - y / self.layout.height
        how = {"color": self.colours["text"], "fontsize": 9, "va": "top", **how}
        self.figure.text(*at, printable(text), parse_math=False, **how)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Make empty axes whose upper left corner is there."""
        whole = self.layout
        axes = self.figure.add_axes(
            (
                x / whole.width,
                1 - (y + height) / whole.height,
                width / whole.width,
                height / whole.height,
            )
        )
        axes.set_facecolor("none")
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("bottom", "left"))
            spine.set_color(self.colours["line"])
        axes.set_yticks([])
        colour = self.colours["muted"]
        size = self.layout.small
        axes.tick_params(labelsize=size, colors=colour, length=2.5, labelbottom=False)
        return axes

    def draw(self, bands_hz: NDArray[np.float32]) -> None:
        layout, muted = self.layout, self.colours["muted"]
        x = 0.2
        for n, line in enumerate(layout.title):
            self.say(x, 0.12 + _TITLE_IN * n, line, fontsize=12.5, fontweight="bold")
        for n, line in enumerate(layout.story):
            self.say(x, layout.story_at + _STORY_IN * n, line, color=muted)
        if not layout.genres:
            self.say(x, layout.rows_at, "Silent where it was heard.", fontsize=11)
            return
        for row, genre in enumerate(layout.genres):
            self._row(layout.rows_at + layout.row * row, genre, row == len(layout.genres) - 1)
        for at, lines in (
            (layout.caption_at, layout.caption),
            (layout.explanation_at, layout.explanation),
        ):
            for n, line in enumerate(lines):
                y = at + layout.small_line * n
                self.say(layout.left, y, line, fontsize=layout.small, color=muted)
        for n, closeup in enumerate(layout.closeups):
            self._closeup(n, closeup, bands_hz)

    def _row(self, y: float, genre: int, is_last: bool) -> None:
        layout, muted = self.layout, self.colours["muted"]
        probabilities = layout.hearing.prediction.probabilities or ()
        heard = ", needs ".join(apart(probabilities[genre], layout.thresholds[genre]))
        if layout.is_narrow:
            self.say(layout.left, y + 0.01, layout.hearing.genres[genre], fontweight="bold")
            self.say(layout.width - layout.right, y + 0.02, heard, ha="right", color=muted)
        else:
            beside = layout.left - 0.12
            self.say(beside, y + 0.1, layout.hearing.genres[genre], ha="right")
            self.say(beside, y + 0.27, heard, ha="right", fontsize=7, color=muted)
        width = layout.width - layout.left - layout.right
        axes = self.axes(layout.left, y + layout.curve_at, width, layout.curve)
        self._curve(axes, genre)
        if is_last:
            axes.tick_params(labelbottom=True)
            axes.xaxis.set_major_formatter(lambda seconds, _: clock(seconds))
            axes.locator_params(axis="x", nbins=5 if layout.is_narrow else 10)

    def _curve(self, axes: Axes, genre: int) -> None:
        hearing, threshold = self.layout.hearing, self.layout.thresholds[genre]
        middle_s = np.asarray(hearing.starts_s) + min(hearing.window_s, hearing.duration_s) / 2
        heard = hearing.timeline[:, genre]
        if len(heard) == 1:  # a short track sounds the same all the way
            middle_s, heard = np.asarray([0.0, hearing.duration_s]), np.repeat(heard, 2)
        axes.set_xlim(0, hearing.duration_s)
        axes.set_ylim(0, 1)
        for closeup in hearing.closeups:
            end_s = min(closeup.start_s + hearing.window_s, hearing.duration_s)
            axes.axvspan(closeup.start_s, end_s, color=self.colours["line"], alpha=0.55, lw=0)
        # so many points that the colours meet where the line crosses the threshold
        time_s = np.linspace(middle_s[0], middle_s[-1], 2000)
        line = np.interp(time_s, middle_s, heard)
        parts = ((_BELOW, line), (_PASSES, line * (line >= threshold)))
        for colours, part in parts:
            axes.fill_between(time_s, part, color=colours[self.theme], lw=0)
        axes.axhline(threshold, color=self.colours["text"], lw=0.9, ls=(0, (4, 3)))

    def _closeup(self, n: int, closeup: Closeup, bands_hz: NDArray[np.float32]) -> None:
        layout = self.layout
        # frequencies stand beside the first of a row, and beside each where they are one below
        # the other
        left = 0.55 if layout.is_narrow else layout.left
        width = layout.width - left - layout.right
        y = layout.closeups_at + (layout.closeup * n if layout.is_narrow else 0)
        if not layout.is_narrow:
            gap = 0.18
            width = (width + gap) / len(layout.closeups) - gap
            left += n * (width + gap)
        column, end_s = 0.12, closeup.start_s + layout.hearing.window_s
        inner = width - column - 0.04
        extent = (closeup.start_s, end_s, 0.0, float(len(closeup.log_mel)))

        def show(at: tuple[float, float, float, float], image: Any, **how: Any) -> Axes:
            axes = self.axes(*at)
            axes.imshow(image, origin="lower", aspect="auto", extent=extent, **how)
            axes.set_xticks([])
            return axes

        def moves(most: float) -> dict[str, Any]:
            return {"cmap": "RdBu", "vmin": -most, "vmax": most}

        last = show((left, y, inner, layout.spectrogram), closeup.log_mel, cmap="magma")
        named = [last]
        if closeup.moved is not None:
            y += layout.spectrogram + layout.gap
            moved = closeup.moved
            show((left, y, inner, layout.strip), moved.spans[np.newaxis], **moves(layout.all_reach))
            if n == 0 and not layout.is_narrow:
                at = left - 0.12, y + 0.02
                self.say(*at, "all bands", ha="right", fontsize=7.5, color=self.colours["muted"])
            y += layout.strip + layout.gap
            high = layout.spectrogram
            last = show((left, y, inner, high), moved.patches, **moves(layout.patches_reach))
            beside = left + width - column, y, column, high
            show(beside, moved.bands[:, np.newaxis], **moves(layout.all_reach))
            named.append(last)
        if n == 0 or layout.is_narrow:
            shown_hz = bands_hz[: len(closeup.log_mel)]
            ticks = [int(np.abs(shown_hz - hz).argmin()) for hz in (200, 1000, 5000)]
            for axes in named:
                axes.set_yticks(ticks, ["200 Hz", "1 kHz", "5 kHz"])
        last.tick_params(labelbottom=True)
        last.xaxis.set_major_locator(_whole_seconds())
        last.xaxis.set_major_formatter(lambda seconds, _: clock(seconds))


def _whole_seconds() -> Any:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - as `png`

    return MaxNLocator(nbins=4, integer=True)


def _likely(hearing: Hearing, thresholds: Sequence[float]) -> list[int]:
    """Choose the genres to be drawn, the most probable first; none where all is silence."""
    probabilities = hearing.prediction.probabilities
    if probabilities is None or hearing.genre is None:
        return []
    peaks = np.nan_to_num(hearing.timeline).max(axis=0)
    order = sorted(range(len(hearing.genres)), key=lambda g: (-probabilities[g], -peaks[g]))
    return [g for g in order if g == order[0] or peaks[g] >= 0.5 * thresholds[g]][:_MOST_ROWS]


def _chosen(closeups: Sequence[Closeup]) -> list[Closeup]:
    """Choose closeups from the beginning to the end."""
    chosen = np.linspace(0, len(closeups) - 1, _MOST_CLOSEUPS).round().astype(int)
    return [closeups[n] for n in dict.fromkeys(chosen.tolist())] if closeups else []


def _reach(closeups: Sequence[Closeup]) -> tuple[float, float]:
    """Say how far patches moved the genre, and bands and spans; 0 if that is not known."""
    moved = [closeup.moved for closeup in closeups if closeup.moved is not None]
    if not moved:
        return 0.0, 0.0
    return (
        _strongest([one.patches for one in moved]),
        _strongest([part for one in moved for part in (one.bands, one.spans)]),
    )


def _strongest(parts: Sequence[NDArray[np.float32]]) -> float:
    return max(1e-6, *(float(np.abs(part).max()) for part in parts))


def _wrapped(text: str, width: int, most: int) -> list[str]:
    """Break text into lines, and end it with an ellipsis if they are too many."""
    return textwrap.wrap(printable(text), width, max_lines=most, placeholder=" …")
