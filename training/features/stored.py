"""Segments that are stored source by source, and what vouches that they are those wanted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genretagger.errors import FatalError
from genretagger.features import FeatureConfig
from training.config import digest
from training.files import write_text


@dataclass(frozen=True)
class Wanted:
    """What is to be stored.

    Attributes
    ----------
    sources : tuple of str
        Packages, or names of folders instead of them.
    are_packages : bool
    settings : str
        The hash of all else that the segments follow from.
    """

    sources: tuple[str, ...]
    are_packages: bool
    settings: str

    @classmethod
    def of(
        cls,
        sources: Sequence[str],
        settings: Sequence[Any],
        features: FeatureConfig,
        *,
        are_packages: bool,
    ) -> Wanted:
        """Put it together."""
        return cls(tuple(sources), are_packages, digest([*settings, asdict(features)]))


def _vouching(folder: Path) -> Path:
    return folder / "wanted.json"


def begin(folder: Path, wanted: Wanted) -> Path:
    """Remove what is stored and not wanted any more.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is missing.
    wanted : Wanted

    Returns
    -------
    pathlib.Path
        The folder for the files, each of which is named for its source.
    """
    place = folder / "mel"
    place.mkdir(parents=True, exist_ok=True)
    is_current = _read(folder).get("settings") == wanted.settings
    for path in place.iterdir():
        if not (is_current and path.stem in wanted.sources):
            path.unlink()
    _write(folder, wanted, is_whole=False)
    return place


def finish(folder: Path, wanted: Wanted) -> None:
    """Vouch that all of it is stored."""
    _write(folder, wanted, is_whole=True)


def check(folder: Path, wanted: Wanted) -> None:
    """Refuse what was stored under other settings.

    Folders that stood for packages are taken as they are.

    Raises
    ------
    FatalError
        If other packages or settings are wanted, or not all is there.
    """
    found = _read(folder)
    if not found.get("is_whole"):
        raise FatalError(f"{folder} is not whole: run the stage `corpus` first")
    are_others = found["are_packages"] and tuple(found["sources"]) != wanted.sources
    if are_others or found["settings"] != wanted.settings:
        raise FatalError(f"{folder} was made with other settings: run the stage `corpus` again")


def _write(folder: Path, wanted: Wanted, *, is_whole: bool) -> None:
    told = asdict(wanted) | {"is_whole": is_whole}
    write_text(_vouching(folder), json.dumps(told) + "\n")


def _read(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(_vouching(folder).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found
