"""Plots: precision over recall and coverage, calibration, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.genres import GENRES
from training.arrays import Bools, Integers, Numbers
from training.measure import calibrate, metrics

NONE = "none"
"""The fifteenth row and column of the confusion matrix: no label, or undecided."""

N_BINS = 10

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""For the curve of precision over coverage."""


def precision_recall(reference: Bools, estimated: Numbers) -> tuple[Numbers, Numbers]:
    """Compute precision and recall at each different score, from the highest on.

    Parameters
    ----------
    reference : numpy.ndarray, shape (n,), bool
        With a positive at least.
    estimated : numpy.ndarray, shape (n,)

    Returns
    -------
    precision, recall : numpy.ndarray
        `metrics.average_precision` is the area under their steps.
    """
    order = np.argsort(-estimated, kind="stable")
    hits = np.cumsum(reference[order])
    last = np.append(np.flatnonzero(np.diff(estimated[order])), len(order) - 1)
    return hits[last] / (last + 1), hits[last] / reference.sum()


def by_threshold(reference: Bools, probabilities: Numbers) -> dict[str, list[float]]:
    """Compute precision and coverage of what is written at one threshold for all genres.

    Parameters
    ----------
    reference : numpy.ndarray, shape (n_clips, n_genres), bool
    probabilities : numpy.ndarray, shape (n_clips, n_genres)
        Calibrated.

    Returns
    -------
    dict
        ``threshold``, ``precision``, ``coverage``, as long as anything is written.
    """
    curve: dict[str, list[float]] = {"threshold": [], "precision": [], "coverage": []}
    for threshold in THRESHOLDS:
        out = calibrate.written(probabilities, np.full(reference.shape[1], threshold))
        if not out.any():
            break
        curve["threshold"].append(threshold)
        curve["precision"].append(round(calibrate.precision(out, reference), 4))
        curve["coverage"].append(round(calibrate.coverage(out), 4))
    return curve


def reliability(reference: Bools, probabilities: Numbers) -> dict[str, list[float]]:
    """Compare confidence and frequency over bins of equal width; empty bins are left out."""
    p, hit = probabilities.ravel(), reference.ravel().astype(float)
    bins = np.minimum((p * N_BINS).astype(int), N_BINS - 1)
    n = np.bincount(bins, minlength=N_BINS)
    some = n > 0
    mean = np.bincount(bins, weights=p, minlength=N_BINS)[some] / n[some]
    share = np.bincount(bins, weights=hit, minlength=N_BINS)[some] / n[some]
    return {
        "probability": np.round(mean, 4).tolist(),
        "frequency": np.round(share, 4).tolist(),
        "n": n[some].tolist(),
    }


def confusion(reference: Bools, written: Bools) -> Integers:
    """Count which genres are written for which labels, where both are sets.

    The multi-label confusion matrix of Heydarian, Doyle and Samavi, "MLCM: Multi-Label
    Confusion Matrix", IEEE Access 10 (2022): a label that is written counts on the
    diagonal. A label that is missed counts against each genre that is written and is no
    label; if there is no such genre, in the last column. A genre that is written beside
    labels that are all found is a mistake for none of them: it counts in each of their
    rows. Without any label, it counts in the last row.

    Parameters
    ----------
    reference, written : numpy.ndarray, shape (n_clips, n_genres), bool

    Returns
    -------
    numpy.ndarray, shape (n_genres + 1, n_genres + 1), int64
        Rows are labels, columns are what is written; the last are `NONE`.
    """
    n = reference.shape[1]
    counts = np.zeros((n + 1, n + 1), dtype=np.int64)
    for labels, out in zip(reference, written, strict=True):
        right, missed, wrong = labels & out, labels & ~out, out & ~labels
        counts[np.flatnonzero(right), np.flatnonzero(right)] += 1
        if not labels.any():
            counts[n, np.flatnonzero(wrong) if wrong.any() else [n]] += 1
        elif missed.any():
            columns = np.flatnonzero(wrong) if wrong.any() else np.array([n])
            counts[np.ix_(np.flatnonzero(missed), columns)] += 1
        elif wrong.any():
            counts[np.ix_(np.flatnonzero(labels), np.flatnonzero(wrong))] += 1
    return counts


def curves(reference: Bools, probabilities: Numbers, written: Bools, raw: Numbers) -> Any:
    """Compute the data of all plots, for ``curves.json``.

    Parameters
    ----------
    reference : numpy.ndarray, shape (n_clips, n_genres), bool
    probabilities, raw : numpy.ndarray, shape (n_clips, n_genres)
        After and before calibration.
    written : numpy.ndarray, shape (n_clips, n_genres), bool

    Returns
    -------
    dict
        ``precision_recall`` for each genre with a positive, `by_threshold`, ``decided``
        with precision and coverage of what is written, ``reliability``, and ``confusion``
        with its ``names``.
    """
    by_genre = {}
    for g, genre in enumerate(GENRES):
        if reference[:, g].any():
            precision, recall = precision_recall(reference[:, g], probabilities[:, g])
            by_genre[genre] = {
                "average_precision": round(
                    metrics.average_precision(reference[:, g], probabilities[:, g]), 4
                ),
                "prevalence": round(float(reference[:, g].mean()), 4),
                "precision": np.round(precision, 4).tolist(),
                "recall": np.round(recall, 4).tolist(),
            }
    return {
        "precision_recall": by_genre,
        "by_threshold": by_threshold(reference, probabilities),
        "decided": {
            "precision": [round(calibrate.precision(written, reference), 4)],
            "coverage": [round(calibrate.coverage(written), 4)],
        }
        if written.any()
        else {"precision": [], "coverage": []},
        "reliability": {
            "before": reliability(reference, raw),
            "after": reliability(reference, probabilities),
        },
        "confusion": {
            "names": [*GENRES, NONE],
            "counts": confusion(reference, written).tolist(),
        },
    }


def plot(drawn: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what `curves` laid out.

    Parameters
    ----------
    drawn : dict
    folder : pathlib.Path
        For ``precision_recall``, ``precision_coverage``, ``calibration`` and ``confusion``,
        each as PNG and SVG.

    Returns
    -------
    list of pathlib.Path
    """
    from matplotlib.figure import Figure

    pictures = {
        "precision_recall": _draw_precision_recall(Figure, drawn["precision_recall"]),
        "precision_coverage": _draw_precision_coverage(
            Figure, drawn["by_threshold"], drawn["decided"]
        ),
        "calibration": _draw_calibration(Figure, drawn["reliability"]),
        "confusion": _draw_confusion(Figure, drawn["confusion"]),
    }
    return _save(pictures, folder)


def plot_losses(logs: Mapping[str, Sequence[Mapping[str, float]]], folder: Path) -> list[Path]:
    """Draw the losses of each epoch: on what models learn, and on what they do not.

    Parameters
    ----------
    logs : mapping of str to sequence of dict
        The log of each model, by its name.
    folder : pathlib.Path
        For ``losses``, as PNG and SVG.

    Returns
    -------
    list of pathlib.Path
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    titles = {"labels": "training, with augmentation and dropout", "validation": "validation"}
    for panel, (key, title) in zip(panels, titles.items(), strict=True):
        for i, (name, log) in enumerate(logs.items()):
            # by epoch, as a training that resumed has told some of them twice
            losses = {line["epoch"]: line[key] for line in log if key in line}
            panel.plot(list(losses), list(losses.values()), label=name, color=f"C{i}")
        panel.set(title=title, xlabel="epoch")
    panels[0].set_ylabel("cross-entropy of the labels")
    panels[0].legend(fontsize=8)
    return _save({"losses": figure}, folder)


def _save(pictures: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write figures as PNG and SVG."""
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    # fixed, so that the same figures give the same bytes
    with mpl.rc_context({"svg.hashsalt": "genretagger"}):
        for name, figure in pictures.items():
            for suffix, metadata in (("png", None), ("svg", {"Date": None})):
                path = folder / f"{name}.{suffix}"
                figure.savefig(path, dpi=120, metadata=metadata)
                paths.append(path)
    return paths


def _draw_precision_recall(figure_of: Any, figures: dict[str, Any]) -> Any:
    figure = figure_of(figsize=(12, 8), layout="constrained")
    panels = figure.subplots(3, 5, sharex=True, sharey=True)
    for panel, (genre, curve) in zip(panels.flat, figures.items(), strict=False):
        panel.step([0, *curve["recall"]], [1, *curve["precision"]], where="pre")
        panel.axhline(curve["prevalence"], color="grey", linestyle=":")
        panel.set_title(f"{genre}: {curve['average_precision']:.2f}", fontsize=10)
        panel.set(xlim=(0, 1), ylim=(0, 1.02))
    for panel in panels.flat[len(figures) :]:
        panel.set_axis_off()
    figure.supxlabel("recall")
    figure.supylabel("precision (dotted: how common the genre is)")
    return figure


def _draw_precision_coverage(
    figure_of: Any, figures: dict[str, Any], decided: dict[str, Any]
) -> Any:
    figure = figure_of(figsize=(6, 5), layout="constrained")
    panel = figure.subplots()
    panel.plot(figures["coverage"], figures["precision"], marker="o", label="one for all genres")
    for threshold, x, y in zip(
        figures["threshold"], figures["coverage"], figures["precision"], strict=True
    ):
        panel.annotate(f"{threshold}", (x, y), (4, 4), textcoords="offset points", fontsize=8)
    panel.plot(decided["coverage"], decided["precision"], "s", label="as shipped, each genre's own")
    panel.set(xlabel="clips that get a decision", ylabel="genres written that are labels")
    panel.set(xlim=(0, 1.02), ylim=(0, 1.02))
    panel.legend(title="threshold", loc="lower left")
    return figure


def _draw_calibration(figure_of: Any, figures: dict[str, Any]) -> Any:
    figure = figure_of(figsize=(5, 5), layout="constrained")
    panel = figure.subplots()
    panel.plot([0, 1], [0, 1], color="grey", linestyle=":")
    for name, marker in (("before", "o"), ("after", "s")):
        curve = figures[name]
        panel.plot(curve["probability"], curve["frequency"], marker=marker, label=name)
    panel.set(xlabel="probability", ylabel="share that are labels", xlim=(0, 1), ylim=(0, 1))
    panel.legend(title="calibration")
    return figure


def _draw_confusion(figure_of: Any, figures: dict[str, Any]) -> Any:
    counts = np.array(figures["counts"])
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure = figure_of(figsize=(9, 8), layout="constrained")
    panel = figure.subplots()
    panel.imshow(share, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(figures["names"]))
    panel.set_xticks(ticks, figures["names"], rotation=60, ha="right")
    panel.set_yticks(ticks, figures["names"])
    for i, j in np.argwhere(counts):
        shade = "white" if share[i, j] > 0.5 else "black"
        panel.text(j, i, counts[i, j], ha="center", va="center", fontsize=8, color=shade)
    panel.set(xlabel="written", ylabel="label")
    return figure
