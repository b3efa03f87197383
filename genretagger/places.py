"""Where this user's files lie."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path, user_state_path


def state_folder() -> Path:
    """Say where this user's state is kept: the platform's place for it."""
    return user_state_path("genretagger", appauthor=False)


def default_path() -> Path:
    """Say where the cache lies: the platform's place for what can be made again."""
    return user_cache_path("genretagger", appauthor=False) / "cache.sqlite"
