"""Where this user's files lie."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path, user_state_path


def state_folder() -> Path:
    """Say where this user's state is kept: the platform's place for it."""
    return user_state_path("genretagger", appauthor=False)


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


def cache_file() -> Path:
    """Say where the cache lies: the platform's place for what can be made again."""
    return user_cache_path("genretagger", appauthor=False) / "cache.sqlite"
