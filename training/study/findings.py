"""Findings of a study: the table beside the report's column, leakage in numbers, a plot.

Reads the files that `training.study.trainings` leaves, and nothing else but the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.aggregate import aggregate
from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training import markdown
from training.arrays import Bools, Floats, Integers, Numbers
from training.data.clips import Clip, reference
from training.measure import metrics
from training.study.config import EvaluateConfig, StudyConfig
from training.study.grid import REPORTED, VARIANTS, Variant
from training.study.protocols import PROTOCOLS
from training.study.trainings import category_hits


@dataclass(frozen=True)
class Result:
    """One training, read back.

    Attributes
    ----------
    about : dict
        Its JSON.
    accuracy : float
        The report's figure on the test part, after the last pass.
    best_accuracy : float
        The same at the best pass, which is what the report gives.
    resampled : numpy.ndarray, shape (n_resamples,)
        `accuracy` over resamples of the artists; the same draws for every result.
    tracks : list of int
        Rows of the manifest in the test part.
    by_track : dict of str to (float, float, float)
        ``top1``, ``map``, ``f1`` of tracks: value, low, high. Empty for "shuffled".
    """

    about: dict[str, Any]
    accuracy: float
    best_accuracy: float
    resampled: Numbers
    tracks: list[int]
    by_track: dict[str, tuple[float, float, float]]


def draw(n_groups: int, config: EvaluateConfig) -> Integers:
    """Draw how often each artist comes in each resample, shape (n_resamples, n_groups)."""
    rng = np.random.default_rng(config.seed)
    return rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=config.n_resamples)


def resample(hits: Numbers, groups: Integers, drawn: Integers) -> Numbers:
    """Average hits over resamples of the artists.

    Parameters
    ----------
    hits : numpy.ndarray, shape (n,)
    groups : numpy.ndarray, shape (n,), int64
        The artist of each.
    drawn : numpy.ndarray, shape (n_resamples, n_groups)

    Returns
    -------
    numpy.ndarray, shape (n_resamples,)
        NaN where nothing was drawn.
    """
    n_groups = drawn.shape[1]
    total = drawn @ np.bincount(groups, weights=hits, minlength=n_groups)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / (drawn @ np.bincount(groups, minlength=n_groups)))


def by_track(probabilities: Floats, track: Integers) -> tuple[Integers, Numbers]:
    """Combine the parts of each track as the product combines segments.

    Returns
    -------
    tracks : numpy.ndarray, shape (n_tracks,), int64
    probabilities : numpy.ndarray, shape (n_tracks, n_genres), float64
    """
    tracks = np.unique(track)
    return tracks, np.array([aggregate(probabilities[track == i]) for i in tracks])


def tune(labels: Bools, probabilities: Numbers, least_tuned: int) -> Numbers:
    """Choose the thresholds with the highest F1.

    Parameters
    ----------
    labels : numpy.ndarray, shape (n_tracks, n_genres), bool
    probabilities : numpy.ndarray, shape (n_tracks, n_genres)
    least_tuned : int
        A genre with fewer tracks has the threshold that is best for all genres together.

    Returns
    -------
    numpy.ndarray, shape (n_genres,)
    """

    def best(known: Bools, scores: Numbers) -> float:
        order = np.argsort(-scores, kind="stable")
        hits = np.cumsum(known[order])
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + known.sum())
        return float(scores[order[int(f1.argmax())]])

    common = best(labels.ravel(), probabilities.ravel())
    return np.array(
        [
            best(known, scores) if known.sum() >= least_tuned else common
            for known, scores in zip(labels.T, probabilities.T, strict=True)
        ]
    )


def f1_score(labels: Bools, decided: Bools) -> float:
    """Compute F1 over all pairs of track and genre (micro average)."""
    return float(2 * (labels & decided).sum() / max(1, labels.sum() + decided.sum()))


def _of_tracks(
    saved: Any, labels: Bools, groups: Sequence[str], config: EvaluateConfig
) -> dict[str, tuple[float, float, float]]:
    tracks, scores = by_track(saved["test"], saved["test_track"])
    labels_of = labels[tracks]
    tuned, tuned_scores = by_track(saved["validation"], saved["validation_track"])
    thresholds = tune(labels[tuned], tuned_scores, config.least_tuned)
    counted = np.flatnonzero(labels_of.sum(axis=0) >= config.least_positives).tolist()
    hits = metrics.top1_hits(labels_of, scores)

    def measure(rows: Integers) -> Numbers:
        return np.array(
            [
                np.nanmean(hits[rows]),
                metrics.macro_average_precision(labels_of[rows], scores[rows], counted),
                f1_score(labels_of[rows], scores[rows] >= thresholds),
            ]
        )

    value = measure(np.arange(len(tracks)))
    low, high = metrics.intervals(
        [groups[i] for i in tracks],
        measure,
        n_resamples=config.n_resamples,
        interval=config.interval,
        seed=config.seed,
    )
    names = ("top1", "map", "f1")
    figures = zip(value.tolist(), low.tolist(), high.tolist(), strict=True)
    return dict(zip(names, figures, strict=True))


def read(
    folder: Path, clips: Sequence[Clip], config: EvaluateConfig
) -> dict[tuple[str, Variant], Result]:
    """Read and measure every result that is there.

    Returns
    -------
    dict
        From protocol and variant.
    """
    labels = reference(clips)
    groups = [clip.artist_id for clip in clips]
    names, which = np.unique(groups, return_inverse=True)
    drawn = draw(len(names), config)
    results = {}
    for protocol in PROTOCOLS:
        for variant in VARIANTS:
            path = folder / protocol / f"{variant.id}.json"
            if not path.exists():
                continue
            about = json.loads(path.read_text(encoding="utf-8"))
            with np.load(path.with_suffix(".npz")) as saved:
                labels_of = labels[saved["test_track"]]
                labelled = labels_of.any(axis=1)
                hits = category_hits(labels_of, saved["test"])[labelled].astype(float)
                results[protocol, variant] = Result(
                    about,
                    float(hits.mean()),
                    max(line["accuracy"] for line in about["log"]),
                    resample(hits, which[saved["test_track"]][labelled], drawn),
                    np.unique(saved["test_track"]).tolist(),
                    {} if protocol == "shuffled" else _of_tracks(saved, labels, groups, config),
                )
    return results


def _span(values: Numbers, interval: float) -> str:
    tail = (1 - interval) / 2
    return markdown.span(*np.nanquantile(values, [tail, 1 - tail]))


def table(results: dict[tuple[str, Variant], Result]) -> str:
    """Lay out the grid: one line for each variant, in Markdown.

    Returns
    -------
    str
        Accuracies in percent; a dash where nothing was trained.
    """
    head = ["variant", "report: accuracy", "shuffled: accuracy", "artists apart: accuracy"]
    head += ["top-1 in labels", "macro mAP", "F1", "seconds", "MB"]
    rows = []
    for variant in VARIANTS:
        shuffled = results.get(("shuffled", variant))
        artists = results.get(("artists", variant))
        if shuffled or artists:
            rows.append([variant.id, *_figures(variant, shuffled, artists)])
    return markdown.table(head, rows)


def _figures(variant: Variant, shuffled: Result | None, artists: Result | None) -> list[str]:
    cells = [f"{100 * REPORTED[variant.id]:.2f}"]
    for result in (shuffled, artists):
        cells.append("–" if result is None else f"{100 * result.best_accuracy:.1f}")
    for name in ("top1", "map", "f1"):
        if artists is None:
            cells.append("–")
        else:
            value, low, high = artists.by_track[name]
            cells.append(f"{value:.2f} ({markdown.span(low, high)})")
    about = next(result.about for result in (artists, shuffled) if result is not None)
    cells.append(f"{about['train_seconds']:.0f}")
    cells.append("–" if about["peak_mb"] is None else f"{about['peak_mb']:.0f}")
    return cells


def leakage(results: dict[tuple[str, Variant], Result], interval: float) -> str:
    """Lay out what augmentation gains by each protocol, in Markdown.

    Returns
    -------
    str
        One line for each variant that was trained with and without copies by a protocol:
        accuracy after the last pass, and the difference with its interval.
    """
    head = ["variant", "protocol", "without copies", "with copies", "difference", "report"]
    rows = []
    for plain in (variant for variant in VARIANTS if not variant.augmented):
        copied = Variant(plain.mfcc, plain.deltas, True, plain.seconds)
        reported = f"{REPORTED[copied.id] - REPORTED[plain.id]:+.2f}"
        for protocol in PROTOCOLS:
            before, after = (results.get((protocol, variant)) for variant in (plain, copied))
            if before is None or after is None:
                continue
            cells = [
                f"{result.accuracy:.2f} ({_span(result.resampled, interval)})"
                for result in (before, after)
            ]
            gain = _span(after.resampled - before.resampled, interval)
            cells.append(f"{after.accuracy - before.accuracy:+.2f} ({gain})")
            rows.append([plain.id, protocol, *cells, reported])
    return markdown.table(head, rows)


def plot(results: dict[tuple[str, Variant], Result], path: Path, interval: float) -> None:
    """Draw the report's accuracies and ours, variant by variant.

    Parameters
    ----------
    results : dict
    path : pathlib.Path
        ``.svg`` or ``.png``.
    interval : float
        Of the error bars, over resamples of the artists.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    order = sorted(VARIANTS, key=lambda v: REPORTED[v.id])
    figure, axes = pyplot.subplots(figsize=(7, 7), layout="constrained")
    rows = np.arange(len(order))
    reported = [REPORTED[variant.id] for variant in order]
    axes.plot(reported, rows, "kx", label="the report")
    tail = (1 - interval) / 2
    for shift, protocol, mark in ((0.15, "shuffled", "C1o"), (-0.15, "artists", "C0o")):
        drawn = [
            (row, results[protocol, v]) for row, v in enumerate(order) if (protocol, v) in results
        ]
        if not drawn:
            continue
        value = np.array([result.accuracy for _, result in drawn])
        spread = np.array([np.nanquantile(r.resampled, [tail, 1 - tail]) for _, r in drawn]).T
        errors = np.maximum(0, [value - spread[0], spread[1] - value])
        label = {"shuffled": "its protocol, our data", "artists": "artists apart, our data"}
        axes.errorbar(
            value,
            [row + shift for row, _ in drawn],
            xerr=errors,
            fmt=mark,
            ms=4,
            lw=1,
            label=label[protocol],
        )
    axes.set_yticks(rows, [variant.id for variant in order])
    axes.set_xlabel("categorical accuracy of examples")
    axes.set_xlim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def genres_line(clips: Sequence[Clip], least_positives: int) -> str:
    """Tell how many tracks each genre has, thin ones marked with a star."""
    counts = reference(clips).sum(axis=0)
    return ", ".join(
        f"{genre} {n}{'*' if n < least_positives else ''}"
        for genre, n in zip(GENRES, counts, strict=True)
    )


def describe(
    results: dict[tuple[str, Variant], Result], clips: Sequence[Clip], config: StudyConfig
) -> str:
    """Lay out the data, the grid and the gain by copies, in Markdown."""
    lines = [
        f"{len(clips)} tracks of {len({clip.artist_id for clip in clips})} artists, "
        f"sr = {config.features.sr}, {config.train.passes} passes, batches of "
        f"{config.train.batch_size}."
    ]
    apart = next((r for (protocol, _), r in results.items() if protocol == "artists"), None)
    if apart is not None:
        test = [clips[i] for i in apart.tracks]
        counts = genres_line(test, config.evaluate.least_positives)
        lines.append(f"Test part, artists apart: {len(test)} tracks: {counts}.")
    lines += [table(results), leakage(results, config.evaluate.interval)]
    return "\n\n".join(lines)


def publish(page: Path, text: str, mark: str) -> None:
    """Put Markdown between ``<!-- MARK:begin -->`` and ``<!-- MARK:end -->`` of a page.

    Raises
    ------
    FatalError
        If the page does not have them.
    """
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    before, begins, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ends, after = rest.partition(end)
    if not (begins and ends):
        raise FatalError(f"{page} lacks the lines {begin} and {end}: add them, or another page")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
