"""``genretagger discover``."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genretagger.bundle import Bundle, require_embedding
from genretagger.cli.caching import opened_cache
from genretagger.cli.choosing import HeardTrack, heard_tracks
from genretagger.cli.output import check_file, make_folder, say_address, warn, write_file
from genretagger.cli.run import Run
from genretagger.cli.settings import chosen_bundle
from genretagger.discover.portrait import Genres, portray
from genretagger.errors import FatalError
from genretagger.installation import command_for
from genretagger.playlist import Candidate, m3u
from genretagger.report.groups import Collection, json_lines, lines, page
from genretagger.review.sound import Sounds
from genretagger.words import HEARD

if TYPE_CHECKING:
    from genretagger.arrays import Floats

try:
    from genretagger.discover.layout import lay_out
    from genretagger.discover.mixture import find_groups
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise FatalError(f"discover needs: {command_for('learn')}") from error

try:
    from genretagger.review import server
except ModuleNotFoundError as error:
    if error.name not in ("starlette", "uvicorn"):
        raise
    server = None  # type: ignore[assignment]


def run(options: argparse.Namespace) -> int:
    """Find groups by sound, and show them; never write but playlists and the page."""
    if options.listen and server is None:
        raise FatalError(f"--listen needs: {command_for('review')}")
    run = Run(options, HEARD)
    roots = run.named_paths(options)
    bundle = chosen_bundle(options)
    require_embedding(bundle)
    run.hear_with(bundle)
    _check_places(options)
    paths = run.tracks(roots, options.ignore, heard_only=True)
    tracks: list[HeardTrack] = []
    is_heard = False
    with opened_cache(options, run.remark) as known, run.reporting(shown=False) as add:
        jobs = options.jobs
        tracks += heard_tracks(paths, bundle, jobs, known, add, embedding=True)
        is_heard = True
    code = run.summary()
    if not is_heard:  # Ctrl-C
        return code
    collection, components = _grouped(tracks, bundle)
    places = cache(partial(lay_out, components))  # takes the most time, and is not always needed
    is_json = options.format == "json"
    run.write_report(json_lines(collection, places()) if is_json else lines(collection))
    if options.m3u:
        _write_playlists(options.m3u, collection)
    names = ", ".join(root.name or str(root) for root in roots)
    html = partial(
        page,
        collection,
        title=f"Groups in {names[:80]}",
        command=f"genretagger {options.command_line}",
        model=bundle.bundle_id,
    )
    if options.report:
        write_file("--report", options.report, html(places(), is_served=False).encode("utf-8"))
    if options.listen:
        sounds = Sounds(collection.paths, bundle)
        _serve(html(places(), is_served=True), sounds, browse=not options.no_browser)
    return code


def _check_places(options: argparse.Namespace) -> None:
    """Refuse, before hours of hearing, what could not be written after them."""
    if options.m3u:
        make_folder("--m3u", options.m3u)
    check_file("--report", options.report)


def _grouped(tracks: Sequence[HeardTrack], bundle: Bundle) -> tuple[Collection, Floats]:
    """Find the groups, and give with them the components in which they were found."""
    embeddings = [track.prediction.embedding for track in tracks]
    groups = find_groups([embedding for embedding in embeddings if embedding is not None])
    heard = np.asarray([track.prediction.probabilities for track in tracks], dtype=np.float32)
    tags = Genres([track.genres for track in tracks])
    candidates = [Candidate(t.path, 0.0, t.artist, t.recording) for t in tracks]
    collection = Collection(
        paths=[track.path for track in tracks],
        artists=[track.artist for track in tracks],
        genres=[tags[n] for n in range(len(tracks))],
        vocabulary=bundle.vocabulary.genres,
        probabilities=heard,
        group=groups.group.tolist(),
        sureness=groups.sureness.tolist(),
        portraits=portray(groups, candidates, tags, (bundle.vocabulary.genres, heard)),
        agreement=groups.agreement,
    )
    return collection, groups.components


def _write_playlists(folder: Path, collection: Collection) -> None:
    """Write a playlist for each group, the most typical tracks first."""
    written = set()
    for number, portrait in enumerate(collection.portraits, 1):
        path = folder / f"group-{number:02}.m3u"
        write_file("--m3u", path, m3u([collection.paths[n] for n in portrait.tracks], path))
        written.add(path)
    if others := sorted(set(folder.glob("group-[0-9][0-9].m3u")) - written):
        warn(f"{folder}: of an earlier run, and left alone: {', '.join(p.name for p in others)}")


def _serve(html: str, sounds: Sounds, *, browse: bool) -> None:
    """Show the map in the browser, and let it play, until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        server.serve(
            server.map_application(html, sounds),
            say=partial(say_address, "map"),
            browse=browse,
        )
