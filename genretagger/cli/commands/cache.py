"""``genretagger cache``."""

from __future__ import annotations

import argparse
import contextlib

from genretagger import places
from genretagger.cache import Cache
from genretagger.cli.codes import OK
from genretagger.cli.output import tell, warn
from genretagger.cli.settings import chosen_bundle
from genretagger.hearing import hearing_id
from genretagger.identity import identify


def run(options: argparse.Namespace) -> int:
    """Show what the cache holds, after it was pruned or cleared if asked to."""
    now_id = hearing_id(chosen_bundle(options).network)
    with contextlib.closing(Cache(places.cache_file(), warn=warn)) as cache:
        if options.prune:
            cache.prune(now_id, identify)
        if options.clear:
            cache.clear()
        contents = cache.contents()
    tell(f"cache: {contents.path}")
    tell(f"size: {contents.size / 1e6:.1f} MB")
    tell(f"tracks: {contents.n_tracks}")
    tell("heard by model:")
    for heard_by, n_heard in (contents.n_predictions or {now_id: 0}).items():
        now = " (the one in use)" if heard_by == now_id else ""
        tell(f"  {heard_by}: {n_heard}{now}")
    return OK
