"""How music is collected: ``configs/collect.toml``, read strictly."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from training.config import DEFAULT, read_toml, section, sections
from training.settings import Amount, Count, Positive, Range, Weight

COLLECT = DEFAULT.with_name("collect.toml")


@dataclass(frozen=True)
class DeezerConfig:
    """How Deezer's API is asked; see `training.collect.deezer`."""

    requests: Count
    window_s: Positive
    page_size: Annotated[int, Range(1, 2000)]
    timeout_s: Positive
    attempts: Count
    first_wait_s: Weight
    longest_wait_s: Weight


@dataclass(frozen=True)
class PlaylistsConfig:
    """Which tracks of the playlists are taken; see `training.collect.playlists`."""

    reject_live: bool
    shortest_s: Weight
    longest_s: Positive
    few_tracks: Amount
    uneven: Annotated[float, Range(1)]

    def __post_init__(self) -> None:
        """Refuse lengths that no track has."""
        if self.shortest_s >= self.longest_s:
            raise TypeError("longest_s has to be more than shortest_s")


@dataclass(frozen=True)
class DownloadConfig:
    """How audio is fetched and checked; see `training.collect.download`."""

    preview_s: Positive
    tolerance_s: Weight
    quality: Annotated[int, Range(0, 2)]
    batch: Count
    silence_s: Positive
    timeout_s: Positive


@dataclass(frozen=True)
class CollectConfig:
    """How music is collected: apart from `Config`, because many experiments share it."""

    deezer: DeezerConfig
    playlists: PlaylistsConfig
    download: DownloadConfig


def load_collect(path: Path) -> CollectConfig:
    """Read how music is collected, a file as ``configs/collect.toml``; raises as `load` does."""
    kinds = {"deezer": DeezerConfig, "playlists": PlaylistsConfig, "download": DownloadConfig}
    table = read_toml(path, "config")
    parts = sections(path, table, kinds)
    return section(CollectConfig, table | parts, f"config {path}")


def add_collection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a collection."""
    parser.add_argument("--config", type=Path, default=COLLECT, metavar="TOML")
    parser.add_argument(
        "--music",
        type=Path,
        default=Path("runs/music"),
        metavar="FOLDER",
        help="the collection (default: runs/music)",
    )
