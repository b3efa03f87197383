"""What does it gain to hear an artist's tracks together? ``bench_together.py RUN``.

RUN is a run folder after the stage `evaluate`, whose configuration holds whole sets out: every clip
is judged by what the product heard by a model that has learned nothing of its set or artist, with
calibration and thresholds chosen on the other sets. Clips with a label whose artist has two or
more of them count; printed is how often the best genre is among the labels, how many clips are
decided, and how often what would be written is right, each clip by itself and all of an artist
together, as ``--by artist`` does.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from genretagger.albums import Named, combine_each
from genretagger.decide import DecisionPolicy, decide
from genretagger.genres import GENRES
from genretagger.records import Prediction, TrackTags
from training import config as configs
from training.data.clips import read_clips
from training.measure import calibrate, evaluate

BOOTSTRAPS = 1000


def kept(clips, unseen):
    """Give each artist's clips in a set, where there are two or more that count."""
    groups = defaultdict(list)
    for row, (clip, logits) in enumerate(zip(clips, unseen, strict=True)):
        if clip.genres and np.isfinite(logits).all():
            groups[clip.artist_id].append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def figures(clips, predictions, policies):
    """Say of each clip: best genre right, decided, genres written, and of them right."""
    found = []
    for clip, prediction, policy in zip(clips, predictions, policies, strict=True):
        labels = set(clip.genres)
        written = decide(prediction, policy).genres
        best = GENRES[int(np.argmax(prediction.probabilities))]
        found.append((best in labels, bool(written), len(written), len(labels & set(written))))
    return np.array(found, dtype=float)


def summary(found):
    """Give the share of best genres that are right, the coverage, and the precision."""
    best, decided, n_written, n_right = found.T
    return np.array([best.mean(), decided.mean(), n_right.sum() / max(1.0, n_written.sum())])


def line(name, found):
    """Print a row of the table."""
    print(f"| {name} | {' | '.join(f'{value:.3f}' for value in summary(found))} |")


def judged(clips, unseen, ref, config):
    """Calibrate each clip, and give the policy for it, as chosen on the other sets."""
    sets = evaluate.numbered_sets(clips, config.unseen)
    known = np.isfinite(unseen).all(axis=1)
    predictions, policies = [None] * len(clips), [None] * len(clips)
    for number in np.unique(sets[known]):
        others = known & (sets != number)
        choice = evaluate.choose(unseen[others], ref[others], sets[others], config.evaluate)
        policy = DecisionPolicy(tuple(choice.thresholds.tolist()))
        for row in np.flatnonzero(known & (sets == number)):
            p = calibrate.apply(unseen[row], choice.calibration)
            predictions[row], policies[row] = Prediction(tuple(p.tolist())), policy
    return predictions, policies


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--config", type=Path, default=configs.DEFAULT)
    args = parser.parse_args()
    config = configs.load(args.config)
    with np.load(args.run / "predictions.npz") as stored:
        ids, unseen = stored["track_id"].tolist(), stored["unseen"]
    by_id = {clip.track_id: clip for clip in read_clips(args.run / "manifest.jsonl")}
    clips = [by_id[track_id] for track_id in ids]
    ref = np.array([[genre in clip.genres for genre in GENRES] for clip in clips])
    predictions, policies = judged(clips, unseen, ref, config)
    groups = kept(clips, unseen)
    rows = [row for group in groups for row in group]
    clips, alone, policies = (
        [values[row] for row in rows] for values in (clips, predictions, policies)
    )
    named = [Named(Path(c.path), TrackTags((), "", artist=c.artist_id)) for c in clips]
    combined = combine_each(named, alone, "artist")
    together = [c or a for c, a in zip(combined, alone, strict=True)]
    before, after = (figures(clips, p, policies) for p in (alone, together))
    ends = np.cumsum([len(group) for group in groups])
    members = [np.arange(end - len(g), end) for g, end in zip(groups, ends, strict=True)]
    print(f"{len(clips)} clips of {len(groups)} artists")
    print("| | best genre in labels | decided | written and right |\n|---|--:|--:|--:|")
    for name, found in (("each by itself", before), ("together", after)):
        line(name, found)
    sets = evaluate.numbered_sets(clips, config.unseen)
    for number, name in enumerate(config.unseen):
        line(f"{name}, each by itself", before[sets == number])
        line(f"{name}, together", after[sets == number])
    rng = np.random.default_rng(0)
    gains = []
    for _ in range(BOOTSTRAPS):
        chosen = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        gains.append(summary(after[chosen]) - summary(before[chosen]))
    low, high = np.percentile(gains, [2.5, 97.5], axis=0)
    gain = summary(after) - summary(before)
    cells = [f"{g:+.3f} ({a:+.3f} to {b:+.3f})" for g, a, b in zip(gain, low, high, strict=True)]
    print(f"| gain, 95 % of {BOOTSTRAPS} resamples of artists | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
