"""Cue sheets that lie beside an audio file."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from genretagger.identity import has_ticked_since


def cue_beside(path: Path) -> bool:
    """Tell whether ``stem.cue`` or ``name.cue`` lies beside a file, in any case."""
    # asked for every track of a second run, where a path made anew would cost the most
    folder = os.path.dirname(path) or os.curdir  # noqa: PTH120
    try:
        changed_ns = os.stat(folder).st_mtime_ns  # noqa: PTH116
    except OSError:
        return False
    # a listing of the same tick may be followed by another with the same time, so it is not kept
    is_sure = has_ticked_since(changed_ns)
    stems = (_cue_stems if is_sure else _cue_stems.__wrapped__)(folder, changed_ns)
    if not stems:
        return False
    return path.stem.casefold() in stems or path.name.casefold() in stems


@lru_cache(maxsize=16)
def _cue_stems(folder: str, changed_ns: int) -> frozenset[str]:  # noqa: ARG001 (cache key)
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return frozenset()
    return frozenset(n[:-4].casefold() for n in names if n[-4:].casefold() == ".cue")
