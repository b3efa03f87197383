"""How often neighbours by sound share a label, against chance and mel statistics, and the time.

``python tests/benchmarks/bench_similar.py --bundle FOLDER`` hears the labelled clips, or recalls
them. Networks that have learned from these clips are flattered; mel statistics have not.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from genretagger import audio, bundle, cache, pipeline
from genretagger.bundle import Bundle
from genretagger.errors import TrackError
from genretagger.features import log_mel
from genretagger.records import Prediction
from genretagger.similarity import nearest

N_NEIGHBOURS = 10
LEAST_CONFIDENCE = "2"
N_SIMULATED = 100_000


def read_clips(table: Path, sample: int | None) -> dict[str, tuple[set[str], str]]:
    """Read labels and artist groups of clips that are not guessed and have a genre."""
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    good = [row for row in rows if row["genres"] and row["confidence"] >= LEAST_CONFIDENCE]
    order = np.random.default_rng(0).permutation(len(good))[:sample].tolist()
    return {
        row["id"]: (set(row["genres"].split("; ")), row["artist_group"])
        for row in (good[i] for i in order)
    }


def heard(paths: Sequence[Path], model: Bundle, jobs: int) -> Iterator[tuple[Path, np.ndarray]]:
    """Give the embedding of each clip."""
    with cache.opened(print) as known:
        answers = pipeline.predict(paths, model, jobs, cache=known, embedding=True)
        for path, answer in answers:
            if isinstance(answer, Prediction) and answer.embedding is not None:
                yield path, answer.embedding


def mel_statistics(path: Path, model: Bundle) -> np.ndarray | None:
    """Give the mean and the deviation of each mel band over what is heard of a clip."""
    try:
        excerpts = audio.decode(
            path, sr=model.features.sr, segment_s=model.features.segment_s, has_cuesheet=False
        )
    except TrackError:
        return None
    bands = [log_mel(s.y, model.features, model.filterbank) for s in excerpts.segments]
    whole = np.concatenate(bands, axis=1)
    return np.concatenate([whole.mean(axis=1), whole.std(axis=1)]).astype(np.float16)


def share_alike(
    vectors: Sequence[np.ndarray], labels: Sequence[set[str]], artists: Sequence[str]
) -> float:
    """Say which share of the first neighbours by other artists has a label in common."""
    hits = []
    for i, vector in enumerate(vectors):
        others = [j for j in range(len(vectors)) if artists[j] != artists[i]]
        ranked = nearest(vector, [vectors[j] for j in others])[:N_NEIGHBOURS]
        hits += [bool(labels[i] & labels[others[k]]) for k, _ in ranked]
    return float(np.mean(hits))


def chance(labels: Sequence[set[str]], artists: Sequence[str]) -> float:
    """Say which share of all pairs by different artists has a label in common."""
    pairs = [
        bool(labels[i] & labels[j])
        for i in range(len(labels))
        for j in range(i)
        if artists[i] != artists[j]
    ]
    return float(np.mean(pairs))


def seconds(n_values: int) -> float:
    """Time the comparison of a track with many others."""
    simulated = np.random.default_rng(0).normal(size=(N_SIMULATED + 1, n_values))
    track, *others = simulated.astype(np.float16)
    began = time.perf_counter()
    nearest(track, others)
    return time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--sample", type=int, help="so many clips only")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    clips = read_clips(options.data / "labels.tsv", options.sample)
    model = bundle.read(bundle.locate(options.bundle))
    paths = [options.data / "clips" / f"{clip}.opus" for clip in clips]
    embedded = dict(heard(paths, model, options.jobs))
    statistics = {path: mel_statistics(path, model) for path in embedded}
    kept = [path for path, found in statistics.items() if found is not None]
    labels, artists = zip(*(clips[path.stem] for path in kept), strict=True)
    print(f"{len(kept)} clips, first {N_NEIGHBOURS} neighbours by other artists\n")
    print("| neighbours by | with a label in common |\n|---|--:|")
    print(f"| the embedding | {share_alike([embedded[p] for p in kept], labels, artists):.1%} |")
    print(f"| mel statistics | {share_alike([statistics[p] for p in kept], labels, artists):.1%} |")
    print(f"| chance | {chance(labels, artists):.1%} |")
    n_values = len(embedded[kept[0]])
    print(f"\n{N_SIMULATED:,} tracks of {n_values} values: {seconds(n_values):.2f} s")


if __name__ == "__main__":
    main()
