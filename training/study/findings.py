"""Findings of a study: tables beside the report's column, leakage in a sentence, plots.

All of them are made of the figures that `training.study.measures` has measured, and so of the JSON
that stands beside the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genretagger.errors import FatalError
from training import markdown
from training.files import write_text
from training.study.grid import REPORTED

Figures = Mapping[str, Any]
_MAJORITY = "*majority*"
_NONE = "–"


def read(path: Path) -> Figures:
    """Read figures that `write` wrote.

    Raises
    ------
    FatalError
        If they are not there, or none.
    """
    try:
        figures: Figures = json.loads(path.read_text(encoding="utf-8"))
        figures["trainings"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FatalError(f"{path} holds no figures of a study: run the stage `study`") from error
    return figures


def write(path: Path, figures: Figures) -> None:
    """Write figures as JSON, one row of a table a line, so that changes can be read."""
    lines = []
    for key, value in figures.items():
        if isinstance(value, list) and value:
            rows = ",\n".join(f"  {json.dumps(row)}" for row in value)
            lines.append(f' "{key}": [\n{rows}\n ]')
        else:
            lines.append(f' "{key}": {json.dumps(value)}')
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


# ---- Cells -----------------------------------------------------------------------------------


def _name(row: Figures) -> str:
    return _MAJORITY if row["variant"] is None else str(row["variant"])


def _percent(value: float | None, digits: int = 1) -> str:
    return _NONE if value is None else f"{100 * value:.{digits}f}"


def _cell(figure: Sequence[float | None] | None, sign: str = "") -> str:
    """Lay out a figure and its interval."""
    if figure is None or figure[0] is None or figure[1] is None or figure[2] is None:
        return _NONE
    return f"{figure[0]:{sign}.2f} ({markdown.span(figure[1], figure[2])})"


def _width(figure: Sequence[float]) -> str:
    return f"{figure[2] - figure[1]:.2f}"


def _verdict(figure: Sequence[float]) -> str:
    """Say what the interval of a difference decides."""
    _, low, high = figure
    if low > 0:
        return "higher"
    return "lower" if high < 0 else "not told apart"


# ---- Tables ----------------------------------------------------------------------------------


def grid(figures: Figures) -> str:
    """Lay out all variants, in the report's order; percent where it has percent."""
    costs = {
        (one["variant"], one["protocol"]): one
        for one in reversed(figures["trainings"])
        if one["fold"] == 0
    }
    head = ["variant", "report: maximum", "shuffled: maximum", "shuffled: accuracy"]
    head += ["artists apart: accuracy", "top-1 in labels", "over the majority", "macro mAP", "F1"]
    head += ["passes", "CPU s", "MB"]
    rows = []
    for row in figures["grid"]:
        shuffled, artists = row.get("shuffled", {}), row.get("artists", {})
        trainings = [costs.get((row["variant"], p)) for p in ("shuffled", "artists")]
        rows.append(
            [
                _name(row),
                _percent(row["reported"], 2),
                _percent(shuffled.get("maximum")),
                _percent(shuffled.get("accuracy", [None])[0]),
                _percent(artists.get("accuracy", [None])[0]),
                _cell(artists.get("top1")),
                _cell(artists.get("over_majority"), "+"),
                _cell(artists.get("map")),
                _cell(artists.get("f1")),
                *(_pair(trainings, key) for key in (_passes, _cpu, _memory)),
            ]
        )
    return markdown.table(head, rows)


def _pair(trainings: Sequence[Figures | None], cell: Callable[[Figures], str]) -> str:
    """Lay out what two trainings took, shuffled and artists apart."""
    if not any(trainings):
        return _NONE
    return " / ".join(_NONE if one is None else cell(one) for one in trainings)


def _passes(training: Figures) -> str:
    return f"{training['passes']}{'' if training['converged'] else '*'}"


def _cpu(training: Figures) -> str:
    return f"{training['cpu_seconds']}"


def _memory(training: Figures) -> str:
    return _NONE if training["peak_mb"] is None else f"{training['peak_mb']}"


def copies(figures: Figures) -> str:
    """Lay out what copies gain in the decisive pairs: the report's accuracy, by each protocol."""
    head = ["variant", "protocol", "folds", "without copies", "with copies", "difference"]
    head += ["width", "report"]
    rows = []
    for row in figures["copies"]:
        cells = [_name(row), row["protocol"], str(row["n_folds"])]
        accuracy = row["accuracy"]
        cells.append(_cell(accuracy["without"]))
        if row["variant"] is None:
            rows.append([*cells, _NONE, _NONE, _NONE, _NONE])
            continue
        difference = accuracy["difference"]
        cells += [_cell(accuracy["with"]), _cell(difference, "+"), _width(difference)]
        rows.append([*cells, f"{row['reported']:+.2f}"])
    return markdown.table(head, rows)


def leakage(figures: Figures) -> str:
    """Say how much of what copies gain is leakage, resting on all the decisive pairs."""
    n, means = len(figures["settings"]["decisive"]), figures["leakage"]
    if not means:
        return (
            f"Not all trainings of the {n} pairs that decide are done, so no sentence on leakage."
        )
    reported = sum(row["reported"] for row in figures["copies"] if row["variant"]) / len(
        [row for row in figures["copies"] if row["variant"]]
    )
    return (
        f"Over the {n} pairs that decide, copies gain {_cell(means['shuffled'], '+')} by the "
        f"report's protocol ({reported:+.2f} in the report). {_cell(means['tracks'], '+')} is left "
        "when the copies of a track stay on its side, and "
        f"{_cell(means['artists'], '+')} when its artist stays there, too: "
        f"{_cell(means['lost'], '+')} of the gain is {_leaked(means['lost'])}."
    )


def _leaked(lost: Sequence[float]) -> str:
    if lost[1] > 0:
        return "leakage"
    return "the difference, whose interval has zero in it: this data cannot say that it is leakage"


def decisive(figures: Figures) -> str:
    """Lay out the variants that decide, over all folds, beside the report's best."""
    head = ["variant", "accuracy", "top-1 in labels", "over the majority", "macro mAP"]
    head += ["top-1 over the report's best", "width", "", "mAP over it", "width", ""]
    rows = []
    for row in figures["decisive"]:
        cells = [_name(row), _cell(row["accuracy"]), _cell(row["top1"])]
        cells += [_cell(row.get("over_majority"), "+"), _cell(row["map"])]
        for key in ("top1_over", "map_over"):
            figure = row.get(key)
            if figure is None or figure[1] is None:
                cells += [_NONE, _NONE, _NONE]
            else:
                cells += [_cell(figure, "+"), _width(figure), _verdict(figure)]
        rows.append(cells)
    return markdown.table(head, rows)


def seeds(figures: Figures) -> str:
    """Lay out what other seeds change: nothing else differs."""
    head = ["variant", "top-1 in labels", "range", "macro mAP", "range", "accuracy", "range"]
    rows = []
    for row in figures["seeds"]:
        cells = [_name(row)]
        for measure in ("top1", "map", "accuracy"):
            values = row[measure]
            cells.append(" / ".join(f"{value:.2f}" for value in values))
            cells.append(f"{max(values) - min(values):.2f}" if len(values) > 1 else _NONE)
        rows.append(cells)
    return markdown.table(head, rows)


def _costs(figures: Figures) -> str:
    done, most = figures["trainings"], figures["settings"]["most_passes"]
    over = [one for one in done if not one["converged"]]
    hours = sum(one["cpu_seconds"] for one in done) / 3600
    lines = f"{len(done)} of {figures['n_planned']} trainings are done, {hours:.1f} CPU hours. "
    if not done:
        return f"0 of {figures['n_planned']} trainings are done."
    if not over:
        return lines + f"All of them converged within {most} passes."
    names = ", ".join(
        f"{one['protocol']} {one['variant']} (fold {one['fold']}, seed {one['seed']})"
        for one in over
    )
    return lines + f"Not converged within {most} passes (*): {names}."


def _genres(figures: Figures) -> str:
    """Tell how many tracks each genre has in the test, thin ones marked with a star."""
    data = figures["data"]
    return ", ".join(
        f"{genre} {n}{'*' if n < data['least_positives'] else ''}"
        for genre, n in data["test"].items()
    )


def describe(figures: Figures, stem: str) -> str:
    """Lay out the data, what was trained, all tables and plots of a page of that name."""
    data, settings = figures["data"], figures["settings"]
    lines = [
        f"{data['n_tracks']} tracks of {data['n_artists']} artists, sr = {data['sr']}, batches of "
        f"{settings['batch_size']}, until the loss on the validation part has not fallen for "
        f"{settings['patience']} passes. {_costs(figures)}"
    ]
    if data["test"]:
        lines.append(f"Tracks of the first test part, artists apart: {_genres(figures)}.")
    titled = {
        "The grid": ("grid", grid),
        "What copies gain": ("copies", copies),
        f"The variants that decide, on {settings['n_rotations']} folds": ("decisive", decisive),
        "Other seeds": ("seeds", seeds),
    }
    for title, (key, lay_out) in titled.items():
        if figures[key]:
            lines += [f"### {title}", lay_out(figures)]
        if key == "grid" and figures[key]:
            lines.append(f"![Accuracy of all variants, the report's and ours]({stem}.svg)")
        if key == "copies":
            lines.append(leakage(figures))
    if figures["curves"]:
        lines += ["### Learning curves", f"![Losses, pass by pass]({stem}-curves.svg)"]
    return "\n\n".join(lines)


def publish(page: Path, figures: Figures) -> None:
    """Put the tables into a page, and figures and plots beside it, by its name.

    The tables go between ``<!-- study:begin -->`` and ``<!-- study:end -->``; ``NAME.json``,
    ``NAME.svg`` and ``NAME-curves.svg`` are made anew, as far as there is something in them.

    Raises
    ------
    FatalError
        If the page does not have these lines.
    """
    before, _, after = parts(page)
    write(page.with_suffix(".json"), figures)
    if figures["grid"]:
        plot_grid(figures, page.with_suffix(".svg"))
    if figures["curves"]:
        plot_curves(figures, page.with_name(f"{page.stem}-curves.svg"))
    write_text(page, f"{before}\n{describe(figures, page.stem)}\n{after}")


def parts(page: Path) -> tuple[str, str, str]:
    """Cut a page into what is before the tables, the tables, and what is behind them."""
    begin, end = "<!-- study:begin -->", "<!-- study:end -->"
    before, begins, rest = page.read_text(encoding="utf-8").partition(begin)
    tables, ends, after = rest.partition(end)
    if not (begins and ends):
        raise FatalError(f"{page} lacks the lines {begin} and {end}: add them, or another page")
    return before + begin, tables.strip(), end + after


# ---- Plots -----------------------------------------------------------------------------------


def plot_grid(figures: Figures, path: Path) -> None:
    """Draw the report's accuracies and ours, variant by variant, as ``.svg`` or ``.png``."""
    pyplot = _pyplot()
    order = sorted(REPORTED, key=lambda name: REPORTED[name])
    figure, axes = pyplot.subplots(figsize=(7, 7), layout="constrained")
    axes.plot([REPORTED[name] for name in order], range(len(order)), "kx", label="the report")
    styles = (
        (0.15, "shuffled", "C1o", "its protocol, our data"),
        (-0.15, "artists", "C0o", "artists apart, our data"),
    )
    for shift, protocol, mark, label in styles:
        there = {row["variant"]: row[protocol] for row in figures["grid"] if protocol in row}
        if majority := there.pop(None, None):
            axes.axvline(
                majority["accuracy"][0], color=mark[:2], lw=1, ls=":", label=f"{label}: majority"
            )
        drawn = [(row, *there[name]["accuracy"]) for row, name in enumerate(order) if name in there]
        if drawn:
            rows, values, lows, highs = zip(*drawn, strict=True)
            below = [max(0.0, value - low) for value, low in zip(values, lows, strict=True)]
            above = [max(0.0, high - value) for value, high in zip(values, highs, strict=True)]
            places = [row + shift for row in rows]
            axes.errorbar(values, places, xerr=[below, above], fmt=mark, ms=4, lw=1, label=label)
    axes.set_yticks(range(len(order)), order)
    axes.set_xlabel("categorical accuracy of examples")
    axes.set_xlim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    _save(figure, path)


def plot_curves(figures: Figures, path: Path) -> None:
    """Draw the losses of the decisive variants, pass by pass, as ``.svg`` or ``.png``."""
    pyplot = _pyplot()
    pairs = figures["settings"]["decisive"]
    figure, grid_of_axes = pyplot.subplots(
        len(pairs), 2, figsize=(8, 2.2 * len(pairs)), layout="constrained", squeeze=False
    )
    colours = {"shuffled": "C1", "tracks": "C2", "artists": "C0"}
    for pair, both in zip(pairs, grid_of_axes, strict=True):
        for name, axes in zip((pair, f"{pair}-augmented"), both, strict=True):
            for curve in figures["curves"]:
                if curve["variant"] == name:
                    passes = range(1, len(curve["loss"]) + 1)
                    colour = colours[curve["protocol"]]
                    axes.plot(passes, curve["loss"], colour, lw=1, ls=":")
                    axes.plot(
                        passes, curve["validation_loss"], colour, lw=1, label=curve["protocol"]
                    )
            axes.set_title(name, fontsize=9)
            axes.set_ylim(0, 0.6)
            axes.grid(alpha=0.3)
            if axes.lines:
                axes.legend(fontsize=7)
    figure.supxlabel("passes; dotted: training, drawn through: validation", fontsize=9)
    figure.supylabel("binary cross-entropy", fontsize=9)
    _save(figure, path)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    _pyplot().close(figure)
