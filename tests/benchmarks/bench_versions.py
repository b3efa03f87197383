"""Does a track sound the same in every format? ``bench_versions.py MUSIC [--bundle MODEL]``.

Each track (its first 90 s) is made into a lossless original, and this into versions: other
codecs and bit rates, sampling rates, one channel, 20 dB less. The product hears all of them;
printed is how far the probabilities of each version are from the original's, and how often
the first genre is the same: the one that would be written, or is the best guess of those that
the model may write. Tracks whose original is undecided are counted apart.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from genretagger import bundle
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import TrackError
from genretagger.pipeline import predict
from genretagger.records import Prediction
from genretagger.scan import find_tracks

VERSIONS = {
    "FLAC, 48 kHz": ("48.flac", "-ar", "48000"),
    "FLAC, 96 kHz": ("96.flac", "-ar", "96000"),
    "FLAC, one channel": ("mono.flac", "-ac", "1"),
    "FLAC, 20 dB less": ("quiet.flac", "-af", "volume=-20dB"),
    "MP3, 320 kbit/s": ("320.mp3", "-b:a", "320k"),
    "MP3, 128 kbit/s": ("128.mp3", "-b:a", "128k"),
    "MP3, 64 kbit/s, one channel": ("64.mp3", "-ac", "1", "-b:a", "64k"),
    "M4A (AAC), 256 kbit/s": ("256.m4a", "-b:a", "256k"),
    "M4A (AAC), 96 kbit/s": ("96.m4a", "-b:a", "96k"),
    "Opus, 128 kbit/s": ("128.opus", "-b:a", "128k"),
    "Opus, 48 kbit/s": ("48.opus", "-b:a", "48k"),
    "Ogg Vorbis, 128 kbit/s": ("128.ogg", "-c:a", "libvorbis", "-b:a", "128k"),
}


def convert(source, target, *options):
    """Make a version with ffmpeg."""
    command = ["ffmpeg", "-v", "error", "-y", "-i", source, "-t", "90", "-map", "0:a:0"]
    subprocess.run([*command, *options, target], check=True, stdin=subprocess.DEVNULL)


def hear(paths, model):
    """Hear files as ``genretagger predict`` does; NaN where that fails."""
    rows = []
    for path, answer in predict(paths, model, jobs=2):
        if isinstance(answer, TrackError) or answer.probabilities is None:
            print(f"{path.name}: {answer}", file=sys.stderr)
            rows.append(np.full(len(model.thresholds), np.nan))
        else:
            rows.append(np.array(answer.probabilities))
    return np.array(rows)


def first_genres(probabilities, policy):
    """Give the first genre of each row, as ``--always`` writes it."""
    forced = replace(policy, always=True)
    rows = [Prediction(None if np.isnan(p[0]) else tuple(p)) for p in probabilities]
    return np.array(["".join(decide(row, forced).genres[:1]) for row in rows])


def main():
    """Print one line for each version, and the sum."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("music", type=Path, help="a folder of full tracks in full bandwidth")
    parser.add_argument("--bundle", default="default", metavar="MODEL")
    args = parser.parse_args()
    model = bundle.read(bundle.locate(args.bundle))
    policy = DecisionPolicy(model.thresholds, 1)
    with tempfile.TemporaryDirectory() as folder:
        originals = []
        for i, source in enumerate(find_tracks([args.music], on_error=print)):
            original = Path(folder) / f"{i}.flac"
            try:
                convert(source, original, "-ar", "44100")
            except subprocess.CalledProcessError:
                print(f"{source.name}: left out, ffmpeg does not read it", file=sys.stderr)
            else:
                originals.append(original)
        heard = hear(originals, model)
        decided = np.array([bool(decide(Prediction(tuple(p)), policy).genres) for p in heard])
        print(f"{len(originals)} tracks, {decided.sum()} decided; model {model.bundle_id}")
        print("| version | mean change of a probability | same first genre, decided | all |")
        print("|---|--:|--:|--:|")
        changes, same = [], []
        for name, (ending, *options) in VERSIONS.items():
            made = [path.with_name(f"{path.stem}-{ending}") for path in originals]
            for original, version in zip(originals, made, strict=True):
                convert(original, version, *options)
            found = hear(made, model)
            changes.append(np.abs(found - heard).mean(axis=1))
            same.append(first_genres(found, policy) == first_genres(heard, policy))
            line(name, changes[-1], same[-1], decided)
        line("all", np.concatenate(changes), np.concatenate(same), np.tile(decided, len(same)))


def line(name, change, same, decided):
    """Print a row of the table."""
    print(
        f"| {name} | {change.mean():.3f} | {same[decided].sum()}/{decided.sum()} "
        f"| {same.sum()}/{len(same)} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
