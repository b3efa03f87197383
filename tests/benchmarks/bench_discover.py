"""How well groups by sound agree with genres, against k-means and mel statistics, and the time.

``python tests/benchmarks/bench_discover.py [--bundle FOLDER]`` hears the labelled clips, or recalls
them. The embedding of a student has learned nothing from labels; that of a network which was fitted
to these clips is flattered.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence

import clips
import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from genretagger.discover import layout, mixture
from genretagger.similarity import directions

N_SIMULATED = 20_000
N_STARTS = 4  # of k-means; the best is taken


def purity(groups: Sequence[int], genres: Sequence[str]) -> float:
    """Say which share of the tracks has the most common genre of its group."""
    by_group: dict[int, Counter[str]] = {}
    for group, genre in zip(groups, genres, strict=True):
        by_group.setdefault(group, Counter())[genre] += 1
    most = sum(counts.most_common(1)[0][1] for counts in by_group.values())
    return most / len(genres)


def row(name: str, groups: Sequence[int], genres: Sequence[str], sets: Sequence[str]) -> str:
    """Make a line of the table."""
    cells = [
        f"{len(set(groups))}",
        f"{adjusted_mutual_info_score(genres, groups):.3f}",
        f"{purity(groups, genres):.1%}",
        f"{adjusted_mutual_info_score(sets, groups):.3f}",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def k_means(embeddings: Sequence[np.ndarray], n_groups: int) -> list[int]:
    """Group tracks by k-means on the same embeddings, standardised and of unit length."""
    x = directions(np.stack(embeddings).astype(np.float32))
    return KMeans(n_groups, n_init=N_STARTS, random_state=0).fit_predict(x).tolist()


def simulated(embeddings: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Make more tracks of some: each is one of them, and a quarter of the way to another."""
    rng = np.random.default_rng(0)
    known = np.stack(embeddings).astype(np.float32)
    one, other = rng.integers(len(known), size=(2, N_SIMULATED))
    noise = 0.1 * known.std(axis=0) * rng.normal(size=(N_SIMULATED, known.shape[1]))
    return list((0.75 * known[one] + 0.25 * known[other] + noise).astype(np.float16))


def timed(embeddings: Sequence[np.ndarray]) -> str:
    """Say how long groups and a map take."""
    began = time.perf_counter()
    groups = mixture.find_groups(embeddings)
    found = time.perf_counter()
    layout.lay_out(groups.components)
    done = time.perf_counter()
    n_groups = len(groups.members)
    return f"{n_groups} groups in {found - began:.0f} s, the map in {done - found:.0f} s"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    clips.add_arguments(parser)
    parser.add_argument("--time", action="store_true", help="measure time, too: minutes")
    options = parser.parse_args(arguments)
    sample = clips.read(options.data / "labels.tsv", options.sample)
    embedded = clips.embed([clip for clip in sample if clip.genres], options)
    kept = [clip for clip in sample if clip.id in embedded]
    embeddings = [embedded[clip.id] for clip in kept]
    statistics = clips.mel_statistics(kept, options)
    genres, sets = [clip.genres[0] for clip in kept], [clip.set for clip in kept]
    groups = mixture.find_groups(embeddings)
    found, n_groups = groups.group.tolist(), len(groups.members)
    counts = np.unique(genres, return_counts=True)[1]
    print(
        f"{len(embeddings)} clips of {len(counts)} genres, {len(set(sets))} sets, heard by "
        f"`{options.bundle}`\n"
    )
    print("| groups by | number | adjusted mutual information | purity | the same with sets |")
    print("|---|--:|--:|--:|--:|")
    print(row("Gaussian mixture", found, genres, sets))
    by_mel = mixture.find_groups([statistics[clip.id] for clip in kept]).group.tolist()
    print(row("Gaussian mixture on mel statistics", by_mel, genres, sets))
    print(row("k-means, as many", k_means(embeddings, n_groups), genres, sets))
    print(row("k-means, as many as genres", k_means(embeddings, len(counts)), genres, sets))
    shuffled = np.random.default_rng(0).permutation(found).tolist()
    print(row("chance: the mixture's, shuffled", shuffled, genres, sets))
    stable = ", ".join(f"{value:.2f}" for value in groups.stability)
    print(f"\nover seeds: agreement {groups.agreement:.2f}, stability {stable}")
    print(f"probability of a track's own group: {groups.sureness.mean():.2f} on average")
    if options.time:
        print(f"\n{len(embeddings):,} clips: {timed(embeddings)}")
        print(f"{N_SIMULATED:,} simulated tracks: {timed(simulated(embeddings))}")


if __name__ == "__main__":
    main()
