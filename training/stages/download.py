"""Stage 2, download: fetch the audio of the tracks that `playlists` chose, and check it.

A track counts as found when its file is there, decodes to its end, and is as long as
Deezer says; what a server or a program claims does not count.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from training.collect import download, streamrip
from training.collect.config import add_collection_arguments, load_collect
from training.collect.deezer import Api
from training.collect.tracks import TRACKS, read_tracks
from training.files import check_room, sha256

NAME = "download"
HELP = "tracks.jsonl -> audio and downloads.jsonl: 30-s previews, or streamrip and your account"
RIGHTS = (
    "Rights: `preview` fetches the samples that Deezer publishes for listening. `streamrip` acts "
    "with your own account, for your own use; what Deezer's terms and the law where you live "
    "allow is yours to know. Neither the audio nor a copy of it may be passed on."
)
_BYTES_PER_S = {"preview": 16_000, 0: 16_000, 1: 40_000, 2: 120_000}  # 128, 320, ~900 kbit/s


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's own options to its parser."""
    add_collection_arguments(parser)
    parser.epilog = RIGHTS
    parser.add_argument(
        "--source",
        choices=("preview", "streamrip"),
        default="preview",
        help="30-s previews, for which no account is needed (default), or whole tracks",
    )
    parser.add_argument("--retry", action="store_true", help="try again what was not found before")
    parser.add_argument(
        "--install-streamrip",
        action="store_true",
        help=f"only install streamrip {streamrip.VERSION} into its own environment",
    )
    parser.add_argument(
        "--streamrip",
        type=Path,
        metavar="FOLDER",
        help="streamrip's environment (default: streamrip-env in the collection)",
    )
    parser.add_argument(
        "--arl-file",
        type=Path,
        metavar="FILE",
        help=f"holds your account's arl cookie, mode 0600; or set {streamrip.ARL}",
    )


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage; a killed one resumes."""
    environment: Path = args.streamrip or args.music / "streamrip-env"
    if args.install_streamrip:
        say(f"{streamrip.install(environment)} in {environment}")
        return
    settings = load_collect(args.config)
    arl = streamrip.read_arl(args.arl_file) if args.source == "streamrip" else ""
    tracks = read_tracks(args.music, settings.playlists)
    source = download.Source(args.music / args.source, tracks, settings.download)
    _check_space(source, args.source, args.retry)
    say(RIGHTS)
    try:
        if args.source == "preview":
            download.fetch_previews(source, Api(settings.deezer), say, retry=args.retry)
        else:
            download.rip_tracks(source, environment, arl, say, retry=args.retry)
    finally:
        summary = source.write_table(args.source, sha256(args.music / TRACKS))
        for status, n in summary["status"].items():
            say(f"{status}: {n} of {len(tracks)}")
    say(f"the table is {source.folder / download.DOWNLOADS}")


def _check_space(source: download.Source, name: str, retry: bool) -> None:
    """Refuse to begin a download that the disk cannot hold."""
    cap_s = source.settings.preview_s if name == "preview" else float("inf")
    seconds = sum(min(track.duration_s, cap_s) for track in source.pending(retry=retry))
    rate = _BYTES_PER_S["preview" if name == "preview" else source.settings.quality]
    check_room(source.folder, seconds * rate, "choose another --music, or fewer playlists")
