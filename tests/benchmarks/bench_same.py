"""How similar two encodings of one recording are, and how similar different recordings get.

``python tests/benchmarks/bench_same.py [--bundle FOLDER] [--run RUN] --made FOLDER`` makes other
versions of tracks and of some labelled clips by ffmpeg, hears them, and looks in all clips for
what is most similar to each track but another recording. That is what `genretagger.similarity.SAME`
is chosen by. `--run` names a training run that lists which clips hold the same recording.
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

LENGTH_S = 45  # of full tracks: they are heard in as many excerpts, and encoded sooner
VERSIONS = {
    "as it is": (".flac", ()),
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


def same_recordings(run: Path | None) -> dict[str, set[str]]:
    """Read which clips hold the same recording, if a run has found that out."""
    known: dict[str, set[str]] = {}
    if run is not None:
        from training.folders import RunFolder

        for line in RunFolder(run).duplicates.read_text(encoding="utf-8").splitlines():
            pair = json.loads(line)
            known.setdefault(pair["first"], set()).add(pair["second"])
            known.setdefault(pair["second"], set()).add(pair["first"])
    return known


def likeness(x: np.ndarray, owners: Sequence[str], same: dict[str, set[str]]) -> np.ndarray:
    """Compare recordings with one another, (n, n); what is one recording counts as -1.

    Parameters
    ----------
    x : numpy.ndarray, shape (n, n_values)
        Of unit length.
    owners : sequence of str, length n
    same : dict of str to set of str
        Recordings under several names.
    """
    place = {owner: i for i, owner in enumerate(owners)}
    alike = x @ x.T
    np.fill_diagonal(alike, -1.0)
    for owner, others in same.items():
        if owner in place:
            alike[place[owner], [place[other] for other in others if other in place]] = -1.0
    return alike


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    clips.add_arguments(parser)
    parser.add_argument("--made", type=Path, required=True, help="keeps the other versions")
    parser.add_argument("--clips", type=int, default=60, metavar="N", help="that are encoded anew")
    options = parser.parse_args(arguments)
    options.made.mkdir(parents=True, exist_ok=True)
    model = bundle.read(bundle.locate(options.bundle))
    table = options.data / "labels.tsv"
    # the artists of this set are not known
    artist_of = {clip.id: clip.artist for clip in clips.read(table) if clip.set != "gtzan"}
    encoded = clips.read(table, options.clips)
    sources = [options.data / "clips" / f"{clip.id}.opus" for clip in encoded]
    tracks = sorted(p for p in (options.data / "tracks").iterdir() if p.suffix in (".mp3", ".ogg"))
    made = [
        (source.stem, name, path)
        for source in (*sources, *tracks)
        for name, path in make(source, options.made)
    ]
    heard = clips.hear_files([path for _, _, path in made], model, options)
    recordings = clips.embed(clips.read(table, options.sample), options) | {
        owner: heard[path].embedding for owner, name, path in made if name == "as it is"
    }
    made = [version for version in made if version[1] != "as it is"]
    owners = list(recordings)
    originals = [owners.index(owner) for owner, _, _ in made]
    vectors = np.stack([*recordings.values(), *(heard[path].embedding for _, _, path in made)])
    names = np.array([name for _, name, _ in made])
    artists = np.array([artist_of.get(owner, owner) for owner in owners])
    is_track = np.isin([owner for owner, _, _ in made], [path.stem for path in tracks])
    for title, standardise in (("standardised", True), ("as they are", False)):
        x = directions(vectors.astype(np.float32), standardise=standardise)
        own = (x[len(owners) :] * x[originals]).sum(axis=1)
        alike = likeness(x[: len(owners)], owners, same_recordings(options.run))
        by_its_artist = np.where(artists[:, None] == artists[None], alike, -1.0)
        others = {"anybody": alike.max(axis=1), "its artist": by_its_artist.max(axis=1)}
        report(title, own, others, names, is_track)


def report(
    title: str,
    own: np.ndarray,
    others: dict[str, np.ndarray],
    names: np.ndarray,
    is_track: np.ndarray,
) -> None:
    """Print how well the two kinds of similarity are told apart."""
    print(f"## Embeddings {title}\n\n| similarity of | lowest | 5 % below | median |")
    print("|---|--:|--:|--:|")
    for name, values in (
        *((name, own[names == name]) for name in VERSIONS if (names == name).any()),
        ("all versions of tracks", own[is_track]),
        ("all versions of clips", own[~is_track]),
    ):
        low, middle = np.percentile(values, (5, 50))
        print(f"| {name} | {values.min():.3f} | {low:.3f} | {middle:.3f} |")
    lost = [f"tracks that would lose another recording by {by}" for by in others]
    print(f"\n| at | versions found | of tracks | {' | '.join(lost)} |\n|--:|--:|--:|--:|--:|")
    for at in sorted({*CANDIDATES, SAME}):
        shares = (own, own[is_track], *others.values())
        print(f"| {at:.2f} | {' | '.join(f'{(share >= at).mean():.1%}' for share in shares)} |")
    print()


if __name__ == "__main__":
    main()
