"""The configuration, and what a run makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import genretagger

DEFAULTS: dict[str, Any] = {
    "auto": True,
    "pretend": False,
    "force": False,
    "write": None,
    "threshold": None,
    "max_genres": 2,
    "jobs": 0,
    "bundle": "default",
}
"""The configuration, as docs/beets.md explains it."""


@dataclass(frozen=True)
class Settings:
    bundle: genretagger.Bundle
    policy: genretagger.DecisionPolicy
    force: bool
    pretend: bool
    write: bool
    jobs: int
