"""Stage 3, manifest: labelled tracks of any source become the list that all stages read."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from genretagger.errors import FatalError
from genretagger.subgenres import Names
from training import run as runs
from training.data import manifest, sources, split
from training.data.clips import Clip, with_splits, write_clips
from training.data.sources import Entry, Rejects
from training.files import write_jsonl
from training.folders import RunFolder

NAME = "manifest"
HELP = "labelled audio of any source -> manifest.jsonl"

LABELS = "labels.tsv"
"""The table in the data folder that is read if no source is named."""

_MOST_SHOWN = 10  # rows that are left out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's options; all sources may be named, and more than once."""
    runs.add_arguments(parser, data=True)
    for option, what in (
        ("--labels", "a table with id, genres, artist_group or artist; path, set, confidence"),
        ("--downloads", "downloads.jsonl of the stage `download`"),
        ("--tree", "a folder for each genre: GTZAN's layout, Artist - Title, Artist/Album/x"),
        ("--collection", "a folder of tagged files: the genres are what their tags say now"),
    ):
        parser.add_argument(
            option, type=Path, action="append", default=[], metavar="PATH", help=what
        )
    parser.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE",
        help="what names mean that are not known: lines 'Lied = Folk', 'Zouglou ='",
    )
    parser.add_argument(
        "--artists",
        type=Path,
        metavar="TSV",
        help="artists of files in a --tree: a file's name, a tab, its artist",
    )
    parser.add_argument(
        "--keep-groups",
        action="store_true",
        help="report near-duplicates, but leave artist groups as they are",
    )
    parser.add_argument(
        "--keep-contradictions",
        action="store_true",
        help="learn from near-duplicates without a common genre, too",
    )


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    this = runs.Run(args)
    clips = collect(args, this.folder, say)
    clips = with_splits(clips, split.named(clips, this.config.split))
    write_clips(this.folder.manifest, clips)
    folds = this.folds(clips)
    say(f"{len(clips)} clips, {len(folds)} artist groups, manifest {this.manifest_sha256()[:12]}")
    counts = dict(sorted(Counter(clip.split for clip in clips).items()))
    say(f"split {split.sha256(folds)[:12]}: clips in each {counts}")
    say(split.counts(clips))
    try:
        this.check_split(clips)
    except FatalError as error:
        say(f"WARNING: {str(error).splitlines()[0]}; the stage `train` refuses it")


def collect(args: argparse.Namespace, folder: RunFolder, say: Callable[[str], None]) -> list[Clip]:
    """Build a manifest's clips from what the command line names, and report on it.

    Returns
    -------
    list of Clip
        Without splits. What is left out and what sounds the same is written beside the
        manifest.

    Raises
    ------
    FatalError
        If nothing is left, or a source cannot be read.
    """
    rejects = Rejects()
    meaning = sources.read_names(args.mapping)
    entries = list(_entries(args, meaning, rejects))
    clips, pairs = manifest.build(
        entries,
        args.data,
        folder.decoded,
        rejects,
        n_jobs=args.jobs,
        say=say,
        keep_groups=args.keep_groups,
        keep_contradictions=args.keep_contradictions,
    )
    write_jsonl(folder.rejected, rejects.rows)
    write_jsonl(folder.duplicates, pairs)
    _report(rejects.rows, folder.rejected, say)
    for name in meaning.unmatched() if args.tree or args.collection else ():
        say(f"{args.mapping}: {name!r} is in no tag and no folder's name; is it spelled so?")
    done = "reported only" if args.keep_groups else "now one group"
    across = sum(pair["across_artists"] for pair in pairs)
    say(f"{len(pairs)} pairs sound the same, {across} of them across artists ({done})")
    contradict = sum(pair["labels_contradict"] for pair in pairs)
    if contradict:
        done = "learned from all the same" if args.keep_contradictions else "left out, both of each"
        say(f"{contradict} of these pairs have no genre in common ({done}): {folder.duplicates}")
    _report_artists(args, entries, say)
    unknown = sum(not entry.keys for entry in entries)
    if unknown:
        say(
            f"WARNING: nothing tells the artist of {unknown} of {len(entries)} tracks. Each counts "
            "as an artist of its own, so an artist's tracks may be on both sides of a split, and "
            "every figure is too good. Tag them, or give --artists TSV"
        )
    if not clips:
        raise FatalError(f"no track can be used: {folder.rejected} says why")
    return clips


def _entries(args: argparse.Namespace, meaning: Names, rejects: Rejects) -> Iterator[Entry]:
    listed = sources.read_artists(args.artists)
    labels = args.labels
    if not (labels or args.downloads or args.tree or args.collection):
        labels = [args.data / LABELS]
        if not labels[0].exists():
            raise FatalError(
                f"{labels[0]} does not exist: name --labels, --downloads, --tree, --collection, "
                "or the folder --data"
            )
    for path in labels:
        yield from sources.from_labels(path, rejects)
    for path in args.downloads:
        yield from sources.from_downloads(path, rejects)
    for path in args.tree:
        yield from sources.from_tree(path, meaning, rejects, listed)
    for path in args.collection:
        yield from sources.from_collection(path, meaning, rejects)


def _report_artists(
    args: argparse.Namespace, entries: Sequence[Entry], say: Callable[[str], None]
) -> None:
    """Tell which names in the list of artists are of no file: a spelling, or another set."""
    listed = sources.read_artists(args.artists)
    unused = sorted(listed.keys() - {entry.path.stem for entry in entries})
    if unused:
        say(
            f"{args.artists}: {len(unused)} of {len(listed)} names are of no file in a --tree, "
            f"such as {unused[0]!r}"
        )


def _report(rows: Sequence[dict[str, str]], path: Path, say: Callable[[str], None]) -> None:
    """Print the first rows that are left out, and the number of tracks of each unmapped genre."""
    for row in rows[:_MOST_SHOWN]:
        say(f"left out: {row['where']}: {row['reason']}; {row['remedy']}")
    if len(rows) > _MOST_SHOWN:
        say(f"{len(rows)} rows left out, all in {path}")
    reasons = Counter(row["reason"] for row in rows if row["reason"].startswith("unmapped"))
    for reason, count in reasons.most_common():
        say(f"{reason}: {count} tracks")
