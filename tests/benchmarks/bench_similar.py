"""How often neighbours by sound share a label: by embeddings, by mel statistics, and by chance.

``python tests/benchmarks/bench_similar.py [--bundle FOLDER] [--musicnn WHEEL]`` hears the labelled
clips, or recalls them. The embedding of a student has learned nothing from labels; that of a
network which was fitted to these clips is flattered. Time and memory are `bench_sizes`'s.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import clips
import numpy as np

from genretagger.similarity import directions

N_NEIGHBOURS = 10
N_RESAMPLES = 1000


def shares_label(clips_of: Sequence[clips.Clip]) -> np.ndarray:
    """Tell which clips have a label in common, (n_clips, n_clips)."""
    genres = sorted({genre for clip in clips_of for genre in clip.genres})
    has = np.array([[genre in clip.genres for genre in genres] for clip in clips_of], dtype=float)
    return has @ has.T > 0


def by_neighbours(
    vectors: Sequence[np.ndarray], common: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Say for each clip which share of its first neighbours by other artists has a label in common.

    Parameters
    ----------
    vectors : sequence of numpy.ndarray, shape (n_values,)
    common, other : numpy.ndarray, shape (n_clips, n_clips), bool
        Whether two clips have a label in common, and different artists.
    """
    x = directions(np.stack(vectors).astype(np.float32))
    alike = np.where(other, x @ x.T, -np.inf)
    first = np.argpartition(-alike, N_NEIGHBOURS, axis=1)[:, :N_NEIGHBOURS]
    return np.take_along_axis(common, first, axis=1).mean(axis=1)


def by_chance(common: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Say for each clip which share of all clips by other artists has a label in common."""
    return (common & other).sum(axis=1) / other.sum(axis=1)


def with_interval(shares: np.ndarray, artists: Sequence[str]) -> str:
    """Give the mean over clips, and where 95 % of resamples of artists have it."""
    _, number = np.unique(artists, return_inverse=True)
    sums, counts = np.bincount(number, shares), np.bincount(number)
    drawn = np.random.default_rng(0).integers(len(counts), size=(N_RESAMPLES, len(counts)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (2.5, 97.5))
    return f"{shares.mean():.1%} ({low:.1%}-{high:.1%})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    clips.add_arguments(parser)
    parser.add_argument("--musicnn", type=Path, metavar="WHEEL", help="of PyPI's musicnn 0.1.0")
    options = parser.parse_args(arguments)
    sample = clips.read(options.data / "labels.tsv", options.sample)
    labelled = [clip for clip in sample if clip.genres]
    rows = {f"the embedding of `{options.bundle}`": clips.embed(labelled, options)}
    kept = [clip for clip in labelled if clip.id in next(iter(rows.values()))]
    if options.musicnn:
        rows["MusiCNN's last hidden layer"] = clips.musicnn(kept, options.musicnn, options)
    rows["mel statistics (mean and deviation of each band)"] = clips.mel_statistics(kept, options)
    artists = [clip.artist for clip in kept]
    common = shares_label(kept)
    other = np.array(artists)[:, None] != np.array(artists)[None]
    print(
        f"{len(kept):,} clips of {len(set(artists)):,} artists, the first {N_NEIGHBOURS} "
        "neighbours by other artists\n\n"
        "| neighbours by | values | with a label in common |\n|---|--:|--:|"
    )
    for name, vectors in rows.items():
        shares = by_neighbours([vectors[clip.id] for clip in kept], common, other)
        n_values = len(vectors[kept[0].id])
        print(f"| {name} | {n_values} | {with_interval(shares, artists)} |")
    print(f"| chance | | {with_interval(by_chance(common, other), artists)} |")


if __name__ == "__main__":
    main()
