"""How similar two encodings of one recording are, and how similar different recordings get.

``python tests/benchmarks/bench_same.py --run RUN [--made FOLDER] [--bundle FOLDER]`` takes the
pairs of labelled clips that a training run has found to hold one recording, by fingerprints; with
``--made``, also versions of tracks and of some clips that it makes by ffmpeg. Then it looks in all
clips for what is most similar to each but another recording. `genretagger.similarity.SAME` is
chosen by that.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import clips
import numpy as np

from genretagger import bundle
from genretagger.similarity import SAME, directions

OVERLAP_S = 10  # of two clips of one recording, at least
ELSEWHERE = "another source's clip of it"
LENGTH_S = 45  # of full tracks: they are heard in as many excerpts, and encoded sooner
AS_IT_IS = "itself, as FLAC"
VERSIONS = {
    AS_IT_IS: (".flac", ()),
    "MP3 of 128 kbit/s": (".mp3", ("-b:a", "128k")),
    "MP3 of 64 kbit/s": (".mp3", ("-b:a", "64k")),
    "Ogg Vorbis of 96 kbit/s": (".ogg", ("-c:a", "libvorbis", "-b:a", "96k")),
    "without its first second": (".flac", ("-ss", "1")),
    "6 dB quieter": (".flac", ("-af", "volume=-6dB")),
}
CANDIDATES = (0.80, 0.85, 0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)


def make(source: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Make all versions of a file at once, unless they are there."""
    place = folder / source.stem
    if not place.exists():
        part = folder / "part"
        part.mkdir(exist_ok=True)
        command = ["ffmpeg", "-v", "error", "-y", "-t", str(LENGTH_S), "-i", str(source)]
        for n, (ending, options) in enumerate(VERSIONS.values()):
            command += ["-map", "0:a", *options, str(part / f"{n}{ending}")]
        subprocess.run(command, check=True)
        part.replace(place)
    for n, (name, (ending, _)) in enumerate(VERSIONS.items()):
        yield name, place / f"{n}{ending}"


def same_recordings(run: Path | None) -> list[tuple[str, str]]:
    """Read which clips hold the same recording, if a run has found that out by fingerprints."""
    if run is None:
        return []
    from training.folders import RunFolder

    lines = RunFolder(run).duplicates.read_text(encoding="utf-8").splitlines()
    pairs = [json.loads(line) for line in lines]
    return [(pair["first"], pair["second"]) for pair in pairs if pair["overlap_s"] >= OVERLAP_S]


def likeness(x: np.ndarray, same: Sequence[tuple[int, int]]) -> np.ndarray:
    """Compare recordings with one another, (n, n); what is one recording counts as -1.

    Parameters
    ----------
    x : numpy.ndarray, shape (n, n_values)
        Of unit length.
    same : sequence of (int, int)
        Recordings that stand there twice.
    """
    alike = x @ x.T
    np.fill_diagonal(alike, -1.0)
    for i, j in same:
        alike[i, j] = alike[j, i] = -1.0
    return alike


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    clips.add_arguments(parser)
    parser.add_argument("--made", type=Path, help="makes other versions, and keeps them here")
    parser.add_argument("--clips", type=int, default=60, metavar="N", help="that are encoded anew")
    options = parser.parse_args(arguments)
    table = options.data / "labels.tsv"
    every = clips.read(table)
    recordings = clips.embed(every, options)
    versions: list[tuple[str, str, np.ndarray]] = []
    if options.made:
        sources = [
            options.data / "clips" / f"{clip.id}.opus" for clip in clips.read(table, options.clips)
        ]
        tracks = (options.data / "tracks").iterdir()
        sources += sorted(path for path in tracks if path.suffix in (".mp3", ".ogg"))
        heard = hear_versions(sources, options)
        recordings |= {owner: vector for owner, name, vector in heard if name == AS_IT_IS}
        versions = [version for version in heard if version[1] != AS_IT_IS]
    place = {owner: i for i, owner in enumerate(recordings)}
    same = [(place[a], place[b]) for a, b in same_recordings(options.run) if {a, b} <= place.keys()]
    vectors = np.stack([*recordings.values(), *(vector for _, _, vector in versions)])
    # which vector is another version of which, and by what
    pairs = [(place[owner], len(place) + n) for n, (owner, _, _) in enumerate(versions)] + same
    names = np.array([name for _, name, _ in versions] + [ELSEWHERE] * len(same))
    # the artists of this set are not known
    artist_of = {clip.id: clip.artist for clip in every if clip.set != "gtzan"}
    artists = np.array([artist_of.get(owner, owner) for owner in recordings])
    for title, standardise in (("standardised", True), ("as they are", False)):
        x = directions(vectors.astype(np.float32), standardise=standardise)
        own = np.array([x[i] @ x[j] for i, j in pairs])
        alike = likeness(x[: len(place)], same)
        by_its_artist = np.where(artists[:, None] == artists[None], alike, -1.0)
        others = {"anybody": alike.max(axis=1), "its artist": by_its_artist.max(axis=1)}
        report(title, own, others, names)


def hear_versions(
    sources: Sequence[Path], options: argparse.Namespace
) -> list[tuple[str, str, np.ndarray]]:
    """Give the recording, the name and the embedding of each version."""
    options.made.mkdir(parents=True, exist_ok=True)
    made = [(source.stem, *version) for source in sources for version in make(source, options.made)]
    model = bundle.read(bundle.locate(options.bundle))
    heard = clips.hear_files([path for _, _, path in made], model, options)
    return [(owner, name, heard[path].embedding) for owner, name, path in made if path in heard]


def report(title: str, own: np.ndarray, others: dict[str, np.ndarray], names: np.ndarray) -> None:
    """Print how well the two kinds of similarity are told apart."""
    print(f"## Embeddings {title}\n\n| similarity of a recording with | pairs | lowest | median |")
    print("|---|--:|--:|--:|")
    for name in (*VERSIONS, ELSEWHERE):
        values = own[names == name]
        if values.size:
            print(f"| {name} | {values.size} | {values.min():.3f} | {np.median(values):.3f} |")
    lost = [f"recordings that would lose another one by {by}" for by in others]
    print(f"\n| at | pairs found | {' | '.join(lost)} |\n|--:|--:|--:|--:|")
    for at in sorted({*CANDIDATES, SAME}):
        shares = [f"{(values >= at).mean():.1%}" for values in (own, *others.values())]
        print(f"| {at:.2f} | {' | '.join(shares)} |")
    print()


if __name__ == "__main__":
    main()
