"""``genretagger learn``."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import numpy as np

from genretagger import bundle, pipeline
from genretagger.bundle import Bundle
from genretagger.cache import Cache
from genretagger.cli.caching import opened_cache
from genretagger.cli.output import check_file, warn, write_file
from genretagger.cli.run import Run
from genretagger.cli.settings import chosen_bundle
from genretagger.errors import FatalError, TrackError
from genretagger.installation import command_for
from genretagger.plan import spelled_out
from genretagger.recall import look_at, read_tags
from genretagger.records import Prediction, State, TagChange, Track
from genretagger.report.learned import page
from genretagger.text import printable
from genretagger.words import LEARNED

try:
    from genretagger.learn import card, fit, labels
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise FatalError(f"learn needs: {command_for('learn')}") from error

_MOST_NAMED = 12  # genres in a message


def run(options: argparse.Namespace) -> int:
    """Learn a model for the genres in tags."""
    network = chosen_bundle(options).network
    bundle.require_embedding(network)
    place = bundle.place_of_own(options.out)
    synonyms = _synonyms(options)
    check_file("--report", options.report)
    run = Run(options, LEARNED)
    run.hear_with(network)
    paths = run.tracks(run.named_paths(options), options.ignore, heard_only=True)
    is_heard = False
    with opened_cache(options, run.remark) as cache, run.reporting(shown=False) as add:
        read = dict(_read(paths, options.field, cache, add))
        tagged = dict(_with_genre(read, synonyms, add))
        if not tagged:
            run.summary()  # which says why: no such folder, no tags
        labels.label(list(tagged.values()), synonyms)  # refuse before hours of hearing
        heard = dict(_heard(tagged, network, options.jobs, cache, add))
        is_heard = True
    if not is_heard:  # Ctrl-C
        return run.summary()
    learned_from = labels.label([tagged[path] for path in heard], synonyms)
    learned = fit.learn(
        np.stack([p.embedding for p in heard.values() if p.embedding is not None]).astype("f4"),
        learned_from,
        (network.vocabulary, np.asarray([p.probabilities for p in heard.values()])),
    )
    written = _write(place, network, learned_from, learned, len(heard))
    if options.report:
        write_file("--report", options.report, page(written).encode("utf-8"))
    code = run.summary()
    for spelling in labels.unmatched(read.values(), synonyms):
        warn(f"--map: no track has the genre {spelling!r}")
    for line in _left_out(learned_from.left_out):
        run.note(line)
    run.write_report(_lines(learned))
    name = written.path.name if written.path in bundle.own() else written.path
    run.note(f"to use it: genretagger tag --dry-run --bundle {shlex.quote(str(name))} PATH")
    return code


def _synonyms(options: argparse.Namespace) -> dict[str, str]:
    if options.map is None:
        return {}
    try:
        return labels.read_synonyms(options.map.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FatalError(f"--map {options.map}: {error.strerror}") from error
    except ValueError as error:
        raise FatalError(f"--map {options.map}, {error}") from error


def _read(
    paths: Iterable[Path],
    field: str | None,
    cache: Cache | None,
    add: Callable[[TagChange], None],
) -> Iterator[tuple[Path, labels.Tagged]]:
    """Yield what the tags of tracks say, where they can be read."""
    found = list(paths)
    for path, track in zip(found, read_tags(list(map(look_at, found)), field, cache), strict=True):
        if isinstance(track, Track):
            yield path, labels.Tagged(spelled_out(track.tags), _artist(track))
        else:
            add(TagChange(path, State.FAILED, reason=(str(track),)))


def _with_genre(
    read: dict[Path, labels.Tagged], synonyms: dict[str, str], add: Callable[[TagChange], None]
) -> Iterator[tuple[Path, labels.Tagged]]:
    """Yield the tracks that have a genre."""
    for path, track in read.items():
        if labels.genres_of(track.values, synonyms):
            yield path, track
        else:
            add(TagChange(path, State.UNDECIDED))


def _artist(track: Track) -> str:
    """Name a track's artist; without one, all tracks of its folder count as one artist's."""
    name = track.tags.artist or track.tags.album_artist
    return name.casefold() or str(track.file.path.parent)


def _heard(
    tagged: dict[Path, labels.Tagged],
    network: Bundle,
    jobs: int,
    cache: Cache | None,
    add: Callable[[TagChange], None],
) -> Iterator[tuple[Path, Prediction]]:
    """Yield the tracks in which there was something to hear."""
    for path, answer in pipeline.predict(tagged, network, jobs, cache=cache, embedding=True):
        if isinstance(answer, TrackError):
            line = TagChange(path, State.FAILED, reason=(str(answer),))
        elif answer.embedding is None:
            line = TagChange(path, State.FAILED, reason=("nothing to hear", *answer.notes))
        else:
            line = TagChange(path, State.KEEP)
            yield path, answer
        add(line)


def _write(
    place: Path, network: Bundle, from_: labels.Labels, learned: fit.Learned, n_tracks: int
) -> Bundle:
    about = {
        "name": place.name,
        "created": datetime.now(timezone.utc).date().isoformat(),
        "code_version": version("genretagger"),
        "versions": {name: version(name) for name in ("numpy", "scikit-learn")},
        "data": {"n_tracks": n_tracks, "n_artists": len(np.unique(from_.groups))},
        "network_id": network.bundle_id,
        "metrics": card.metrics(learned),
    }
    return bundle.write_own(
        place,
        network=network,
        own_heads=learned.heads,
        vocabulary=from_.vocabulary,
        thresholds=learned.thresholds,
        about=about,
        card=card.render(place.name, learned, n_tracks=n_tracks, left_out=from_.left_out),
    )


def _lines(learned: fit.Learned) -> Iterator[str]:
    """Say what each genre is worth, the best first."""
    width = max(len(genre.name) for genre in learned.genres)
    for genre in sorted(learned.genres, key=lambda genre: -genre.average_precision):
        verdict = "can be heard" if genre.is_heard else "never proposed"
        yield printable(
            f"{genre.name:<{width}}  {genre.n_tracks:>6} tracks  average precision "
            f"{genre.average_precision:.2f} (chance {genre.chance:.2f})  {verdict}"
        )
    yield f"the first genre is right in {learned.top1:.2f} of the tracks, by other artists"


def _left_out(left_out: Sequence[labels.LeftOut]) -> Iterator[str]:
    """Name the genres that are left out, the most common first."""
    few = f"they have fewer than {labels.LEAST_TRACKS} tracks of {labels.LEAST_ARTISTS} artists"
    for why, has_few in ((few, True), ("a genre has no such name", False)):
        genres = [genre for genre in left_out if genre.has_few == has_few]
        names = [f"{g.name} ({g.n_tracks} of {g.n_artists})" for g in genres[:_MOST_NAMED]]
        more = len(genres) - len(names)
        if names:
            yield f"left out, as {why}: {', '.join(names)}{f' and {more} more' if more else ''}"
