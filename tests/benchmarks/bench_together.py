"""What does it gain to hear an artist's or an album's tracks together?

``bench_together.py LABELS CLIPS --from ROW``: the rows of a table of labels from ROW on, as
far as no row before it has the same artist group, so that a model that was made of the rows
before has not learned from these artists. Clips with a label and at least confidence 2 whose group
has two or more of them are heard by the product; printed is how often the best genre is
among the labels, how many clips are decided, and how often what would be written is right, each
clip by itself and the clips of a group together.

References
----------
The table's columns: ``shared/data/README.md``.
"""

import argparse
import csv
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from genretagger import bundle
from genretagger.albums import Named, combine_each
from genretagger.decide import DecisionPolicy, decide
from genretagger.pipeline import predict
from genretagger.records import Prediction, TrackTags

BOOTSTRAPS = 1000


def unknown_artists(labels, first):
    """List the rows that count, and have company."""
    with labels.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    known = {row["artist_group"] for row in rows[:first]}
    fit = [
        row
        for row in rows[first:]
        if row["artist_group"] not in known and row["genres"] and int(row["confidence"]) >= 2
    ]
    counts = Counter(row["artist_group"] for row in fit)
    return [row for row in fit if counts[row["artist_group"]] > 1]


def figures(rows, predictions, policy, genres):
    """Say of each row: best genre right, decided, genres written, and of them right."""
    found = []
    for row, prediction in zip(rows, predictions, strict=True):
        labels = set(row["genres"].split("; "))
        written = decide(prediction, policy).genres
        best = genres[int(np.argmax(prediction.probabilities))]
        found.append((best in labels, bool(written), len(written), len(labels & set(written))))
    return np.array(found, dtype=float)


def summary(found):
    """Give the share of best genres that are right, the coverage, and the precision."""
    best, decided, n_written, n_right = found.T
    return np.array([best.mean(), decided.mean(), n_right.sum() / max(1.0, n_written.sum())])


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("clips", type=Path, help="a folder of ID.opus")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="ROW")
    parser.add_argument("--bundle", default="default", metavar="MODEL")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    model = bundle.read(bundle.locate(args.bundle))
    policy = DecisionPolicy(model.thresholds)
    rows = unknown_artists(args.labels, args.first)
    paths = [args.clips / f"{row['id']}.opus" for row in rows]
    answers = [answer for _, answer in predict(paths, model, args.jobs)]
    heard = [isinstance(a, Prediction) and a.probabilities is not None for a in answers]
    for path, is_heard, answer in zip(paths, heard, answers, strict=True):
        if not is_heard:
            print(f"{path.name}: left out: {answer}", file=sys.stderr)
    rows = [row for row, is_heard in zip(rows, heard, strict=True) if is_heard]
    alone = [answer for answer, is_heard in zip(answers, heard, strict=True) if is_heard]
    named = [
        Named(args.clips / row["id"], TrackTags((), "", artist=row["artist_group"])) for row in rows
    ]
    combined = combine_each(named, alone, "artist")
    together = [c or a for c, a in zip(combined, alone, strict=True)]
    before, after = (figures(rows, p, policy, model.vocabulary.genres) for p in (alone, together))
    groups = sorted({row["artist_group"] for row in rows})
    members = [
        np.array([i for i, row in enumerate(rows) if row["artist_group"] == group])
        for group in groups
    ]
    print(f"{len(rows)} clips of {len(groups)} groups; model {model.bundle_id}")
    print("| | best genre in labels | decided | written and right |\n|---|--:|--:|--:|")
    for name, found in (("each by itself", before), ("together", after)):
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in summary(found))} |")
    rng = np.random.default_rng(0)
    gains = []
    for _ in range(BOOTSTRAPS):
        chosen = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        gains.append(summary(after[chosen]) - summary(before[chosen]))
    low, high = np.percentile(gains, [2.5, 97.5], axis=0)
    gain = summary(after) - summary(before)
    cells = [f"{g:+.3f} ({a:+.3f} to {b:+.3f})" for g, a, b in zip(gain, low, high, strict=True)]
    print(f"| gain, 95 % of {BOOTSTRAPS} resamples of groups | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
