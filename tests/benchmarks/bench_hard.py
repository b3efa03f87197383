"""How well are synthesizers and game music heard? ``bench_hard.py FOLDER [--bundle MODEL]``.

Free music out of Debian's games, made on synthesizers and with sampled orchestras, of which the
genre is certain because its author wrote it into the file; the shipped names of genres say what it
means among the 14 (*Death Metal* is Rock), and files without such a word are passed over. The
default's student has heard some of these recordings, but no genre of them. FOLDER keeps the
packages (2 GB).
"""

import argparse
from collections import defaultdict
from pathlib import Path

import mutagen

from genretagger import bundle, pipeline
from genretagger.audio import duration
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import TrackError
from genretagger.subgenres import Names
from training.features import corpus
from training.markdown import table

PACKAGES = (
    "fretsonfire-songs-muldjord",
    "marsshooter-data",
    "megaglest-data",
    "naev-data",
    "nexuiz-music",
    "openclonk-data",
    "supertuxkart-data",
    "unknown-horizons",
    "warmux-data",
    "wesnoth-1.16-music",
    "widelands-data",
    "flare-game",
    "freedroidrpg-data",
)
SHORTEST_S = 30.0  # a jingle is none of its genre


def named(path):
    """Read the genre that its author gave a file."""
    try:
        tags = mutagen.File(path, easy=True)
    except mutagen.MutagenError:
        return ""
    return "; ".join((tags and tags.get("genre")) or ())


def chosen(folder):
    """Give the files of which the genre is known, and what it means among the 14."""
    meaning = Names()
    files = {}
    for package in PACKAGES:
        for path in corpus.find(corpus.fetch(package, folder)):
            genres = meaning(named(path))
            try:
                if genres and duration(path) >= SHORTEST_S:
                    files[path] = genres
            except TrackError:
                continue
    return files


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bundle", default="default", metavar="MODEL")
    parser.add_argument("-v", action="store_true", help="a line for each file")
    args = parser.parse_args()
    files = chosen(args.folder)
    model = bundle.read(bundle.locate(args.bundle))
    policy = DecisionPolicy(model.thresholds)
    counts = defaultdict(lambda: [0, 0, 0, 0])
    for path, answer in pipeline.predict(list(files), model):
        if isinstance(answer, TrackError):
            print(answer)
            continue
        genres, written = files[path], decide(answer, policy).genres
        first = policy.vocabulary.genres[max(range(14), key=lambda g: answer.probabilities[g])]
        row = [1, first in genres, len(written), len(set(written) & set(genres))]
        if args.v:
            told = f"{first} {max(answer.probabilities):.2f}, {'; '.join(written) or 'undecided'}"
            print(f"{path.parent.name}/{path.name}: {named(path)}: {told}")
        for key in (named(path).casefold(), "all"):
            counts[key] = [a + int(b) for a, b in zip(counts[key], row, strict=True)]
    head = ["its author says", "files", "most probable genre is it", "genres written", "right"]
    print(f"model {model.bundle_id}")
    print(table(head, [[key, *map(str, row)] for key, row in sorted(counts.items())]))


if __name__ == "__main__":
    main()
