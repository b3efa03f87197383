"""Stage 1, playlists: Deezer playlists become labelled tracks; the others get a reason.

A track's label is the union of what the playlists say that it stands on: one genre, or
two that make one of the 19 fusions. Two others, or three, contradict each other, and the
track is rejected: which list errs cannot be known from the lists.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genretagger.errors import FatalError
from training.collect import page, playlists
from training.collect.config import add_collection_arguments, load_collect
from training.collect.deezer import Api
from training.collect.recordings import fill_quotas, merge, yields
from training.collect.tracks import REJECTED, TRACKS, YIELD
from training.collect.wanted import FORM, read_list
from training.files import sha256, write_jsonl, write_text

NAME = "playlists"
HELP = "playlists on Deezer -> tracks.jsonl, rejected.jsonl, yield.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's own options to its parser."""
    parser.add_argument(
        "list",
        type=Path,
        nargs="?",
        metavar="LIST.toml",
        help=f"below [playlists] lines such as {FORM}; ids do as well as links",
    )
    add_collection_arguments(parser)
    parser.add_argument(
        "--refresh", action="store_true", help="read playlists again that were read before"
    )
    parser.add_argument(
        "--search",
        action="append",
        metavar="WORDS",
        help="only show playlists to choose from, as lines for the list; repeatable",
    )
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FILE.html",
        help="write a page to listen through a sample of what was kept and rejected",
    )


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage; a killed one resumes with the playlists that it has not read."""
    settings = load_collect(args.config)
    api = Api(settings.deezer)
    for words in args.search or ():
        found = playlists.search(api, words) or ["# no playlist has these words: try others"]
        say("\n".join([f"# {words}", *found]))
    if args.search:
        return
    if args.list is None:
        raise FatalError("name a LIST.toml, or look for playlists with --search 'Ambient playlist'")
    wanted = read_list(args.list)
    playlists.fetch(api, wanted, args.music, say, refresh=args.refresh)
    rejected: list[dict[str, Any]] = []
    candidates, lists = playlists.gather(wanted, args.music, rejected)
    if not candidates:
        raise FatalError(f"none of the playlists in {args.list} has a track; see above")
    passed = []
    for candidate in candidates.values():
        row = playlists.reject_by_name(candidate, wanted, settings.playlists)
        if row is None:
            passed.append(candidate)
        else:
            rejected.append(row)
    playlists.replace_unreadable(api, passed, args.music, say)
    listed: dict[str, set[str]] = defaultdict(set)  # by the ids of those that are taken instead
    for candidate in candidates.values():
        for number in candidate.lists:
            listed["; ".join(wanted.playlists[number])].add(candidate.track.track_id)
    playlists.look_up_isrcs(api, passed, args.music, say)
    tracks = fill_quotas(wanted, merge(wanted, passed, rejected), rejected)
    report = yields(settings.playlists, lists, listed, tracks, rejected)
    write_jsonl(args.music / TRACKS, (asdict(track) for track in tracks))
    write_jsonl(args.music / REJECTED, rejected)
    report["inputs"] = {
        "list": str(args.list.resolve()),
        "list_sha256": sha256(args.list),
        "exports": {str(p.resolve()): sha256(p) for p in wanted.exports.values()},
        "settings": asdict(settings.playlists),
        "tracks_sha256": sha256(args.music / TRACKS),
    }
    # the last: its being there says that the others are whole
    write_text(args.music / YIELD, json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    _tell(report, say)
    if args.page is not None:
        write_text(args.page, page.lay_out(tracks, rejected, wanted))
        say(f"to listen: {args.page}")
    say(f"{len(tracks)} tracks in {args.music / TRACKS}, {len(rejected)} rejected")


def _tell(report: dict[str, Any], say: Callable[[str], None]) -> None:
    for label, n in report["labels"].items():
        say(f"{label}: {n['taken']} of {n['listed']} tracks of its playlists; now {n['tracks']}")
    for rule, n_tracks in report["rejected"].items():
        say(f"rejected, {rule}: {n_tracks}")
    for warning in report["warnings"]:
        say(f"warning: {warning}")
