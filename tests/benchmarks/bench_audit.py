"""How many wrong genres an audit shows first: tags of labelled clips are swapped on purpose.

``python tests/benchmarks/bench_audit.py --run runs/default`` takes the predictions that a training
run has of each clip by a model that has not learned from its artist. Without ``--run``, the clips
are heard by a bundle; the shipped ones have learned from them, and so flatter the audit.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import clips
import numpy as np

from genretagger import bundle
from genretagger.audit import contradiction, lead
from genretagger.genres import GENRES
from genretagger.records import Prediction

SWAPPED = 0.05
"""Share of the tags that are swapped."""

FIRST = 0.10
"""Share of the clips that somebody looks at."""

N_DRAWS = 20


class Figures(NamedTuple):
    """What one draw of swapped tags gives.

    Attributes
    ----------
    in_first : float
        Share of the swapped tags among the first `FIRST` of all clips by margin.
    by_probability : float
        The same by the probability of the own genre alone, for comparison.
    listed, listed_unswapped : float
        Share of the swapped, and of the other tags, that are called contradicted.
    """

    in_first: float
    by_probability: float
    listed: float
    listed_unswapped: float


def swap(labels: Sequence[tuple[str, ...]], rng: np.random.Generator) -> dict[int, tuple[str, ...]]:
    """Give some clips the genres of others that have none in common with theirs."""
    swapped = {}
    for clip in rng.choice(len(labels), round(SWAPPED * len(labels)), replace=False).tolist():
        others = [genres for genres in labels if not set(genres) & set(labels[clip])]
        swapped[clip] = others[rng.integers(len(others))]
    return swapped


def measure(
    labels: Sequence[tuple[str, ...]],
    probabilities: Sequence[tuple[float, ...]],
    rng: np.random.Generator,
) -> Figures:
    """Swap tags once, and look for them."""
    swapped = swap(labels, rng)
    tags = [swapped.get(clip, genres) for clip, genres in enumerate(labels)]
    is_swapped = np.isin(np.arange(len(tags)), list(swapped))
    both = list(zip(tags, probabilities, strict=True))
    margin = np.array([lead(own, p).margin for own, p in both])
    own_p = np.array([max(p[GENRES.index(genre)] for genre in own) for own, p in both])
    is_listed = np.array([contradiction(own, Prediction(p)) is not None for own, p in both])
    n_first = round(FIRST * len(tags))

    def share(scores: np.ndarray) -> float:
        first = np.argsort(-scores, kind="stable")[:n_first]
        return float(is_swapped[first].sum() / is_swapped.sum())

    return Figures(
        share(margin),
        share(-own_p),
        float(is_listed[is_swapped].mean()),
        float(is_listed[~is_swapped].mean()),
    )


def table(draws: Sequence[Figures], n_clips: int) -> str:
    """Lay out the mean of the draws, and how far they lie apart."""
    mean, sd = np.mean(draws, axis=0), np.std(draws, axis=0)
    rows = (
        f"swapped tags in the first {FIRST:.0%}, by the margin",
        f"swapped tags in the first {FIRST:.0%}, by the own genre's probability alone",
        "swapped tags that are called contradicted",
        "other tags that are called contradicted",
    )
    lines = [
        f"{n_clips} clips, {SWAPPED:.0%} of the tags swapped, {len(draws)} draws; "
        f"by chance {FIRST:.0%} would be in the first {FIRST:.0%}",
        "",
        "| | share | sd over draws |",
        "|---|--:|--:|",
    ]
    return "\n".join(
        [
            *lines,
            *(f"| {row} | {m:.1%} | {s:.1%} |" for row, m, s in zip(rows, mean, sd, strict=True)),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    clips.add_arguments(parser)
    options = parser.parse_args(arguments)
    sample = clips.read(options.data / "labels.tsv", options.sample)
    labels = {clip.id: clip.genres for clip in sample if clip.genres}
    if options.run:
        predicted = clips.predictions_of_run(options.run)
    else:
        model = bundle.read(bundle.locate(options.bundle))
        heard = clips.hear([clip for clip in sample if clip.genres], model, options)
        predicted = {clip: p.probabilities for clip, p in heard.items() if p.probabilities}
    ids = sorted(labels.keys() & predicted.keys())
    rng = np.random.default_rng(1)
    genres = [labels[clip] for clip in ids]
    p = [predicted[clip] for clip in ids]
    draws = [measure(genres, p, rng) for _ in range(N_DRAWS)]
    print(table(draws, len(ids)))


if __name__ == "__main__":
    main()
