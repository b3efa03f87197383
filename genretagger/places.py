"""Where this user's files lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from platformdirs import (
    user_cache_path,
    user_config_path,
    user_data_path,
    user_state_path,
)

from genretagger.errors import FatalError


def state_folder() -> Path:
    """Say where this user's state is kept: the platform's place for it.

    Raises
    ------
    FatalError
        If the user has no home folder, and no other place is set.
    """
    return _folder(user_state_path, "XDG_STATE_HOME")


def journals_folder() -> Path:
    """Say where journals of what was written are kept."""
    return state_folder() / "journals"


def plans_folder() -> Path:
    """Say where plans under review are kept that were not given another place."""
    return state_folder() / "plans"


def reviews_folder() -> Path:
    """Say where the locks of reviews in progress lie."""
    return state_folder() / "reviews"


def plan_key() -> Path:
    """Say where the key lies that signs plans made here."""
    return state_folder() / "plan-key"


def bundles_folder() -> Path:
    """Say where this user's own model bundles lie: the platform's place for data.

    Raises
    ------
    FatalError
        As in `state_folder`.
    """
    return _folder(user_data_path, "XDG_DATA_HOME") / "bundles"


def cache_file() -> Path:
    """Say where the cache lies: the platform's place for what can be made again.

    Raises
    ------
    FatalError
        As in `state_folder`.
    """
    return _folder(user_cache_path, "XDG_CACHE_HOME") / "cache.sqlite"


def config_file() -> Path:
    """Say where this user's settings lie, if there are any.

    Raises
    ------
    FatalError
        As in `state_folder`.
    """
    return _folder(user_config_path, "XDG_CONFIG_HOME") / "config.toml"


def _folder(place: Callable[..., Path], variable: str) -> Path:
    try:
        folder = place("genretagger", appauthor=False)
    except RuntimeError:
        folder = Path("~")  # as other versions of platformdirs leave it
    if folder.parts[0] == "~":
        raise FatalError(f"this user has no home folder; set HOME, or {variable}, to a folder")
    return folder
