"""Ask the cache first: what it knows is not read, heard or rehearsed again.

How new tracks are heard is handed in, so that what is written can be remembered without a decoder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from genretagger import tags
from genretagger.cache import Cache, PredictionKey
from genretagger.errors import TrackError
from genretagger.identity import identify
from genretagger.records import BlockChange, Prediction, Seen, Track
from genretagger.tags.cue import cue_beside

_Other = TypeVar("_Other", TrackError, None)


def look_at(path: Path) -> Seen | TrackError:
    """Look at a file without opening it."""
    try:
        return Seen(path, identify(path), cue_beside=cue_beside(path))
    except TrackError as error:
        return error


def read_tags(
    files: Sequence[Seen | TrackError], field: str | None, cache: Cache | None
) -> Iterator[Track | TrackError]:
    """Recall the tags of files that are as they were, and read those of the others.

    Parameters
    ----------
    files : sequence of Seen or TrackError
        As `look_at` gives them.
    field : str or None
        As in `tags.read`.
    cache : Cache or None

    Yields
    ------
    Track or TrackError
        One for each file, in their order; an error as it came in, or one that says why the
        tags cannot be read.
    """
    seen = [file for file in files if isinstance(file, Seen)]
    recalled = iter(cache.tags(seen, field) if cache else [None] * len(seen))
    for file in files:
        if isinstance(file, TrackError):
            yield file
            continue
        held = next(recalled)
        if held is None:
            try:
                held = tags.read(file.path, field=field, cue_sheet=file.cue_beside)
            except TrackError as error:
                yield error
                continue
            if cache is not None:
                cache.keep_tags(file, field, held)
        yield Track(file._replace(has_cuesheet=held.has_cuesheet), held)


def recall_or_hear(
    files: Sequence[Seen | _Other],
    hear: Callable[[Sequence[Seen]], Iterator[Prediction | TrackError]],
    bundle_id: str,
    cache: Cache | None,
    *,
    embedding: bool = False,
) -> Iterator[Prediction | TrackError | _Other]:
    """Recall the predictions of tracks that were heard before, and hear the others.

    Parameters
    ----------
    files : sequence of Seen, and either TrackError or None
        What is no `Seen` is not heard, and comes back as it is.
    hear : callable
        Gives one answer for each file, in their order.
    bundle_id : str
        Of the model by which `hear` predicts, and its version, as `hearing.hearing_id` gives it.
    cache : Cache or None
    embedding : bool
        Hear again what was kept without its embedding.

    Yields
    ------
    Prediction or TrackError or None
        One for each of `files`, in their order.
    """
    seen = [file for file in files if isinstance(file, Seen)]
    if cache is None:
        answers = hear(seen)
    else:
        recalled = _recall(seen, bundle_id, cache, embedding=embedding)
        answers = _with_cache(seen, hear, recalled, cache)
    for file in files:
        yield next(answers) if isinstance(file, Seen) else file


def _with_cache(
    files: Sequence[Seen],
    hear: Callable[[Sequence[Seen]], Iterator[Prediction | TrackError]],
    recalled: Sequence[tuple[PredictionKey | None, Prediction | TrackError | None]],
    cache: Cache,
) -> Iterator[Prediction | TrackError]:
    fresh = hear([file for file, (_, answer) in zip(files, recalled, strict=True) if not answer])
    for file, (key, answer) in zip(files, recalled, strict=True):
        if answer is not None:
            yield answer
            continue
        predicted = next(fresh)
        # what has replaced the file while it waited to be heard has another identity
        if key is not None and _is_still(file):
            cache.keep_prediction(key, predicted)
        yield predicted


def _recall(
    files: Sequence[Seen], bundle_id: str, cache: Cache, *, embedding: bool
) -> list[tuple[PredictionKey | None, Prediction | TrackError | None]]:
    """Recall predictions; where there is none, give the key to keep it under, if there is one."""
    answers: list[tuple[PredictionKey | None, Prediction | TrackError | None]] = []
    known = cache.predictions(files, bundle_id, embedding=embedding)
    for file, answer in zip(files, known, strict=True):
        key = None if answer else _prediction_key(file, bundle_id, cache)
        answers.append((key, cache.prediction(key, embedding=embedding) if key else answer))
    return answers


def _prediction_key(file: Seen, bundle_id: str, cache: Cache) -> PredictionKey | None:
    try:
        heard_id = _audio_id(file, cache)
    except TrackError:
        return None  # the decoder may make something of it
    return PredictionKey(heard_id, file.identity, bundle_id, file.has_cuesheet)


def audio_id(file: Seen, cache: Cache | None) -> str | None:
    """Recall what a file's audio is told from others by, or find out; None if it cannot be."""
    try:
        return tags.audio_id(file.path) if cache is None else _audio_id(file, cache)
    except TrackError:
        return None


def _audio_id(file: Seen, cache: Cache) -> str:
    known = cache.audio_id(file)
    if known is None:
        known = tags.audio_id(file.path)
        cache.keep_audio_id(file, known)
    return known


def _is_still(file: Seen) -> bool:
    try:
        return identify(file.path) == file.identity
    except TrackError:
        return False


def rehearse(
    file: Seen, blocks: Sequence[BlockChange], field: str | None, cache: Cache | None
) -> None:
    """Make sure that a change can be written, or recall whether it could be.

    Parameters
    ----------
    file : Seen
    blocks : sequence of BlockChange
        What is to be written.
    field : str or None
        As in `tags.write`.
    cache : Cache or None

    Raises
    ------
    TrackError
        If `tags.write` would refuse it: with its very words.
    """
    if cache is None:
        tags.rehearse(file.path, blocks, field=field)
        return
    refusal = cache.rehearsal(file, field, blocks)
    if refusal is None:
        refusal = ""
        try:
            tags.rehearse(file.path, blocks, field=field)
        except TrackError as error:
            if isinstance(error.__cause__, OSError):  # the system's reason, not the file's
                raise
            refusal = str(error)
        cache.keep_rehearsal(file, field, blocks, refusal)
    if refusal:
        raise TrackError(refusal)


def remember(path: Path, field: str | None, cache: Cache | None) -> None:
    """Read what was just written, so that the next run need not.

    Parameters
    ----------
    path : pathlib.Path
    field : str or None
        As in `tags.read`.
    cache : Cache or None
        Without one, there is nothing to do.
    """
    if cache is None:
        return
    for track in read_tags([look_at(path)], field, cache):
        # it is written, whatever is wrong now: let the next run find out
        if isinstance(track, Track):
            with contextlib.suppress(TrackError):
                _audio_id(track.file, cache)
