"""What does it gain to hear more of a track in doubt, and cost? ``bench_doubt.py MUSIC...``.

Each full track is heard three ways: in its first excerpts alone, as the product hears it by a
bundle with ``--doubt MARGIN SPREAD EXCERPTS`` (the bundle's own unless given), and from end to
end. Printed is how many excerpts that takes in the mean, the time of the second against the
first, how often the decision changes, and how often it is that of the whole track.

``--grid`` tries other margins and spreads on what was heard; nothing is timed then, and the cost
is counted in excerpts.
"""

import argparse
import itertools
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from genretagger import audio, bundle
from genretagger.aggregate import aggregate
from genretagger.classifier import Classifier
from genretagger.decide import DecisionPolicy, decide
from genretagger.doubt import Doubt, why_in_doubt
from genretagger.errors import TrackError
from genretagger.hearing import hear, predict_segments
from genretagger.records import Prediction
from genretagger.scan import find_tracks

MARGINS = (0.0, 0.05, 0.1, 0.15, 0.2)
SPREADS = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
MOST_WINDOWS = 40  # of the whole track


def timed(path, network):
    """Hear a track; give what was heard, and the seconds of processors that it took."""
    begin = sum(os.times()[:4])  # with those of ffmpeg, where that decodes
    heard = hear(path, network)
    return heard, sum(os.times()[:4]) - begin


def whole(path, network):
    """Predict a track from all of it."""
    model = network.bundle
    windows = audio.decode_windows(
        path,
        sr=model.features.sr,
        window_s=model.features.segment_s,
        hop_s=model.features.segment_s,
        most=MOST_WINDOWS,
    )
    sounding = [window.y for window in windows if not audio.is_silent(window.y)]
    return aggregate(predict_segments(sounding, network)[1], model.calibration)


def listen(path, without, doubting, always):
    """Hear a track in every way that is compared."""
    few, few_s = timed(path, without)
    if not len(few.by_segment):
        raise TrackError("silent")
    more, more_s = timed(path, doubting)
    return {
        "whole": whole(path, without),
        "few": few.by_segment,
        "most": hear(path, always).by_segment,
        "more": more.prediction.probabilities,
        "n": len(more.by_segment),
        "few_s": few_s,
        "more_s": more_s,
    }


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("music", type=Path, nargs="+", help="folders of full tracks")
    parser.add_argument("--bundle", default="default", metavar="MODEL")
    parser.add_argument("--doubt", nargs=3, type=float, metavar=("MARGIN", "SPREAD", "EXCERPTS"))
    parser.add_argument("--grid", action="store_true", help="try other margins and spreads")
    args = parser.parse_args()
    model = bundle.read(bundle.locate(args.bundle))
    doubt = Doubt(args.doubt[0], args.doubt[1], int(args.doubt[2])) if args.doubt else model.doubt
    if doubt is None:
        parser.error("the bundle does not say what doubt is: give --doubt")
    networks = [
        Classifier(replace(model, doubt=d))
        # a spread of 0 makes every track one to be heard more of
        for d in (None, doubt, doubt._replace(spread=0.0))
    ]
    tracks = []
    for path in find_tracks(args.music, on_error=print):
        try:
            tracks.append(listen(path, *networks))
        except TrackError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
    report(tracks, model, doubt)
    if args.grid:
        grid(tracks, model, doubt)


def decisions(probabilities, model):
    """Decide on each track, by the bundle's thresholds."""
    policy = DecisionPolicy(model.thresholds)
    return [decide(Prediction(tuple(p)), policy).genres for p in probabilities]


def compare(tracks, model, more, n_excerpts):
    """Give the figures of one rule: its decisions against those of few excerpts and of all."""
    few = [aggregate(track["few"], model.calibration) for track in tracks]
    everything = [track["whole"] for track in tracks]
    before, after, best = (decisions(p, model) for p in (few, more, everything))
    changed = [i for i in range(len(tracks)) if before[i] != after[i]]
    distance = [np.abs(np.array(p) - np.array(everything)).mean() for p in (few, more)]
    n_few = sum(len(track["few"]) for track in tracks)
    return {
        "in doubt": sum(n > len(track["few"]) for n, track in zip(n_excerpts, tracks, strict=True)),
        "excerpts": f"{sum(n_excerpts) / len(tracks):.2f}",
        "cost in excerpts": f"{sum(n_excerpts) / n_few:.2f}",
        "decision changed": len(changed),
        "as of the whole, before": sum(a == b for a, b in zip(before, best, strict=True)),
        "and after": sum(a == b for a, b in zip(after, best, strict=True)),
        "distance of a probability": f"{distance[0]:.4f} -> {distance[1]:.4f}",
    }


def report(tracks, model, doubt):
    """Print the figures of the product."""
    found = compare(tracks, model, [t["more"] for t in tracks], [t["n"] for t in tracks])
    cost = sum(t["more_s"] for t in tracks) / sum(t["few_s"] for t in tracks)
    print(f"{len(tracks)} tracks; model {model.bundle_id}; {doubt}")
    print("".join(f"{name}: {value}\n" for name, value in found.items()), end="")
    print(f"cost in time: {cost:.2f}")


def grid(tracks, model, doubt):
    """Print the figures of other rules."""
    header = None
    for margin, spread in itertools.product(MARGINS, SPREADS):
        tried = Doubt(margin, spread, doubt.excerpts)
        heard = [
            t["most"]
            if why_in_doubt(t["few"], model.calibration, tried, model.vocabulary.genres)
            else t["few"]
            for t in tracks
        ]
        more = [aggregate(by_segment, model.calibration) for by_segment in heard]
        found = compare(tracks, model, more, [len(by_segment) for by_segment in heard])
        if header is None:
            header = f"| margin | spread | {' | '.join(found)} |"
            print(f"\n{header}\n|{'--:|' * (2 + len(found))}")
        print(f"| {margin} | {spread} | {' | '.join(map(str, found.values()))} |", flush=True)


if __name__ == "__main__":
    main()
