"""What `learn` makes of genres that are not ours: what the sources of the labelled clips say.

``python tests/benchmarks/bench_learn.py --run runs/default [--bundle FOLDER]`` hears the clips of
known source genre, or recalls them. Each is judged by what was learned from other artists, in five
folds, beside the most common genres, the nearest neighbours, and the shipped model by way of what
the names of genres mean to `audit`; `--run` says where a training run keeps what models that do not
know the clip's artist predict of it. Without it the bundle predicts, which has learned from them.

A genre that only one source uses is left out, as its sound would be the source's, unless that is
AllMusic (the set panda), whose words are a vocabulary.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import clips
import numpy as np
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GroupKFold

from genretagger import bundle
from genretagger.errors import FatalError
from genretagger.genres import SHIPPED, key_of
from genretagger.learn import fit, labels
from genretagger.similarity import directions
from genretagger.subgenres import Names

ALLMUSIC = "panda"
SYNONYMS = labels.read_synonyms("Pop/Rock = Pop Rock")  # one genre of AllMusic's
N_FOLDS = 5
N_NEIGHBOURS = 10
N_RESAMPLES = 100
N_DRAWS = 2
SIZES = (100, 200, 400, 800)


@dataclass(frozen=True)
class Tracks:
    """Clips with a vocabulary of their own.

    Attributes
    ----------
    tagged : list of labels.Tagged
    x : numpy.ndarray, shape (n_tracks, n_values), float32
    shipped : numpy.ndarray, shape (n_tracks, 14)
        What the shipped model says.
    """

    tagged: list[labels.Tagged]
    x: np.ndarray
    shipped: np.ndarray

    @cached_property
    def labelled(self) -> labels.Labels:
        """Labels of all."""
        return labels.label(self.tagged, {})

    @cached_property
    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Tracks to learn from and tracks by other artists to judge."""
        return list(GroupKFold(N_FOLDS).split(self.x, groups=self.labelled.groups))


def usable(sample: Sequence[clips.Clip]) -> dict[str, tuple[str, ...]]:
    """Give the genres of each clip that AllMusic or more than one set uses."""
    sets = defaultdict(set)
    for clip in sample:
        for name in labels.genres_of(clip.source_genre, SYNONYMS):
            sets[key_of(name)].add(clip.set)
    kept = {
        clip.id: tuple(
            name
            for name in labels.genres_of(clip.source_genre, SYNONYMS)
            if len(sets[key_of(name)]) > 1 or ALLMUSIC in sets[key_of(name)]
        )
        for clip in sample
    }
    return {clip: genres for clip, genres in kept.items() if genres}


# ---- Who says what: scores of the tracks `held_out`, given the tracks `known` --------------------


def learned(tracks: Tracks, known: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Score by what `learn` makes of some tracks; what it leaves out scores nothing."""
    made = labels.label([tracks.tagged[i] for i in known], {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fold of few tracks may lack a genre
        heads = fit.learn(tracks.x[known], made).heads
    place = {key_of(genre): g for g, genre in enumerate(tracks.labelled.vocabulary.genres)}
    scores = np.zeros((len(held_out), len(place)))
    for genre, column in zip(
        made.vocabulary.genres, heads.predict(tracks.x[held_out]).T, strict=True
    ):
        if key_of(genre) in place:
            scores[:, place[key_of(genre)]] = column
    return scores


def most_common(tracks: Tracks, known: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Score by how common a genre is."""
    return np.tile(tracks.labelled.reference[known].mean(axis=0), (len(held_out), 1))


def neighbours(tracks: Tracks, known: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Score by the share of the nearest tracks that have a genre, as `similar` finds them."""
    x = directions(tracks.x[np.concatenate([known, held_out])])
    alike = x[len(known) :] @ x[: len(known)].T
    first = np.argpartition(-alike, N_NEIGHBOURS, axis=1)[:, :N_NEIGHBOURS]
    weights = np.maximum(np.take_along_axis(alike, first, axis=1), 0)[..., None]
    return (weights * tracks.labelled.reference[known][first]).sum(axis=1) / N_NEIGHBOURS


def mapped(tracks: Tracks, known: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Score by the shipped model: the most probable of the genres that a name means to it.

    Of names that mean the same, the more common one comes first.
    """
    names = Names()
    share = tracks.labelled.reference[known].mean(axis=0)
    scores = np.zeros((len(held_out), len(share)))
    for g, genre in enumerate(tracks.labelled.vocabulary.genres):
        meant = [SHIPPED.genres.index(name) for name in names(genre) or ()]
        if meant:
            scores[:, g] = tracks.shipped[held_out][:, meant].max(axis=1) + 1e-6 * share[g]
    return scores


WAYS = {
    "`learn`": learned,
    "the nearest neighbours": neighbours,
    "the shipped model, by what the names mean": mapped,
    "always the most common": most_common,
}


# ---- Figures -------------------------------------------------------------------------------------


def figures(reference: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Give the mean average precision of the genres, and how often the first genre is right."""
    has = reference.any(axis=0)
    precision = average_precision_score(reference[:, has], scores[:, has], average="macro")
    first = reference[np.arange(len(scores)), scores.argmax(axis=1)]
    return float(precision), float(first[reference.any(axis=1)].mean())


def row(name: str, tracks: Tracks, scores: np.ndarray) -> str:
    """Make a line of the table, with where 95 % of resamples of artists lie."""
    reference, groups = tracks.labelled.reference, tracks.labelled.groups
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(N_RESAMPLES):
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        draws.append(figures(reference[rows], scores[rows]))
    ends = np.percentile(draws, (2.5, 97.5), axis=0)
    precision, first = figures(reference, scores)
    return (
        f"| {name} | {precision:.3f} ({ends[0, 0]:.3f}-{ends[1, 0]:.3f}) "
        f"| {first:.1%} ({ends[0, 1]:.1%}-{ends[1, 1]:.1%}) |"
    )


def compare(tracks: Tracks) -> None:
    """Print who says what, judged on artists held out."""
    vocabulary, reference = tracks.labelled.vocabulary, tracks.labelled.reference
    n_artists = len(set(tracks.labelled.groups.tolist()))
    print(f"{len(tracks.tagged):,} clips of {n_artists} artists, {len(vocabulary.genres)} genres\n")
    print("| who says it | mean average precision | the first genre is right |\n|---|--:|--:|")
    for name, way in WAYS.items():
        scores = np.empty(reference.shape)
        for known, held_out in tracks.folds:
            scores[held_out] = way(tracks, known, held_out)
        print(row(name, tracks, scores), flush=True)


def curve(tracks: Tracks) -> None:
    """Print what `learn` makes of fewer tracks, judged on the same ones."""
    print("\n| learned from | genres | mean average precision | the first genre is right |")
    print("|--:|--:|--:|--:|")
    reference = tracks.labelled.reference
    n_most = min(len(known) for known, _ in tracks.folds)
    for size in (*(size for size in SIZES if size < n_most), n_most):
        results = []
        for draw in range(N_DRAWS if size < n_most else 1):
            rng, scores = np.random.default_rng(draw), np.zeros(reference.shape)
            for known, held_out in tracks.folds:
                drawn = np.sort(rng.permutation(known)[:size])
                try:
                    scores[held_out] = learned(tracks, drawn, held_out)
                except FatalError as error:
                    print(f"{size} tracks: {error}")
            n_learned = (scores.any(axis=0)).sum()
            results.append((n_learned, *figures(reference, scores)))
        n_genres, precision, first = np.mean(results, axis=0)
        print(f"| {size:,} | {n_genres:.0f} | {precision:.3f} | {first:.1%} |", flush=True)


def cost(tracks: Tracks) -> str:
    """Say what learning from all of them takes, when they are heard."""
    began = time.process_time()
    made = labels.label(tracks.tagged, {})
    fit.learn(tracks.x, made)
    seconds = time.process_time() - began
    tracemalloc.start()
    fit.learn(tracks.x, made)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return f"learned from all in {seconds:.1f} s of processor time, {peak / 1e6:.0f} MB of arrays"


def by_genre(tracks: Tracks) -> None:
    """Print what `learn` itself says of each genre."""
    made = tracks.labelled
    told = fit.learn(tracks.x, made, (SHIPPED, tracks.shipped))
    print(
        "\n| genre | clips | artists | average precision | by chance | heard |\n"
        "|---|--:|--:|--:|--:|---|"
    )
    for genre in sorted(told.genres, key=lambda g: -g.average_precision):
        cells = (
            f"{genre.average_precision:.2f}",
            f"{genre.chance:.2f}",
            "yes" if genre.is_heard else "no",
        )
        print(f"| {genre.name} | {genre.n_tracks} | {genre.n_artists} | {' | '.join(cells)} |")
    written = "nothing" if told.precision is None else f"{told.precision:.1%} right"
    print(f"\nwritten on {told.coverage:.1%} of the clips: {written}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    clips.add_arguments(parser)
    options = parser.parse_args(arguments)
    sample = clips.read(options.data / "labels.tsv", options.sample)
    genres = usable(sample)
    model = bundle.read(bundle.locate(options.bundle))
    heard = clips.hear([clip for clip in sample if clip.id in genres], model, options)
    told = {clip: p.probabilities for clip, p in heard.items()}
    if options.run:
        told |= clips.predictions_of_run(options.run)
    for title, sets in (("All sets", None), ("AllMusic's alone", ALLMUSIC)):
        chosen = [clip for clip in sample if clip.id in heard and sets in (None, clip.set)]
        tracks = Tracks(
            [labels.Tagged(genres[clip.id], clip.artist) for clip in chosen],
            np.stack([heard[clip.id].embedding for clip in chosen]).astype(np.float32),
            np.array([told[clip.id] for clip in chosen]),
        )
        print(f"## {title}\n")
        compare(tracks)
        curve(tracks)
        by_genre(tracks)
        print(f"\n{cost(tracks)}\n")


if __name__ == "__main__":
    main()
