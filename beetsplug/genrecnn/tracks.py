"""Tracks of the library: predict, decide, store, write, and take back."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import beets
from beets import plugins, ui
from beets.library import FileOperationError, Item
from mediafile import MediaFile, UnreadableFileError

import genretagger
from beetsplug.genrecnn.outcomes import Outcome, own_genres, shown, tags_of
from beetsplug.genrecnn.settings import Settings
from genretagger import State

UNWRITTEN = "genrecnn_unwritten"
"""The flexible field of a track whose file has yet to get the library's genres: those before."""

_OTHER_FIELDS = ("genrecnn_reason", "genrecnn_bundle", UNWRITTEN)

STAYS = "the file has other names (links), and stays as it is"
"""Said of a track whose file is not written; `Settings.write_links` would have it written."""


def fields_of(genres: Sequence[str]) -> list[str]:
    """Name the flexible field that holds each genre's probability.

    Examples
    --------
    >>> fields_of(["Hip Hop", "Drum & Bass", "Drum 'n' Bass", "Drum/Bass"])
    ['genrecnn_hip_hop', 'genrecnn_drum_bass', 'genrecnn_drum_n_bass', 'genrecnn_drum_bass_2']
    """
    names: list[str] = []
    for genre in genres:
        name = "genrecnn_" + re.sub(r"\W+", "_", genre.casefold()).strip("_")
        taken = {*names, "genrecnn_", *_OTHER_FIELDS}
        numbers = (f"{name}_{n}" for n in itertools.count(2))
        names.append(name if name not in taken else next(x for x in numbers if x not in taken))
    return names


_Answer: TypeAlias = "genretagger.Prediction | genretagger.TrackError | None"
"""None stands for a track that keeps its genres, whatever is to be heard in it."""


def tag_items(
    items: Sequence[Item], settings: Settings, journal: genretagger.Journal | None
) -> Iterator[Outcome[Item]]:
    """Predict and decide on tracks; change each before the next, unless it is to pretend.

    Parameters
    ----------
    items : sequence of beets.library.Item
    settings : Settings
    journal : genretagger.Journal or None
        Without one no file is written, but each that has to be is marked, see `UNWRITTEN`.

    Yields
    ------
    Outcome
        One for each track, in their order.

    Raises
    ------
    beets.ui.UserError
        If the model fails.
    genretagger.FatalError
        If the journal cannot be written.
    """
    for item, answer, together in _answers(items, settings):
        # Ctrl-C waits until what is done is also reported
        with genretagger.uninterrupted():
            finished = _finish(item, settings, journal)
            if finished is not None and (finished.state is State.FAILED or answer is None):
                yield finished
            else:
                is_heard = isinstance(answer, genretagger.Prediction)
                rests_on = together if is_heard and together else answer
                yield _tag(item, answer, rests_on, settings, journal)


def _answers(
    items: Sequence[Item], settings: Settings
) -> Iterator[tuple[Item, _Answer, genretagger.Prediction | None]]:
    """Hear tracks; give with each what those that belong together sound like, if it is one."""
    if settings.by == "track":
        yield from ((item, answer, None) for item, answer in _predict(items, settings))
        return
    # those that keep their genres have a say, too
    answers = [answer for _, answer in _predict(items, settings, all_of_them=True)]
    heard = [a if isinstance(a, genretagger.Prediction) else None for a in answers]
    named = [genretagger.Named(item.filepath, tags_of(item)) for item in items]
    together = genretagger.combine_each(named, heard, settings.by)
    for item, answer, combined in zip(items, answers, together, strict=True):
        yield item, None if _keeps(item, settings) else answer, combined


def _keeps(item: Item, settings: Settings) -> bool:
    return bool(genretagger.why_kept(tags_of(item), settings.tags_policy(item)))


def _predict(
    items: Sequence[Item], settings: Settings, *, all_of_them: bool = False
) -> Iterator[tuple[Item, _Answer]]:
    """Hear the tracks that have to be, and whose prediction the library does not hold."""
    keeps = [not all_of_them and _keeps(item, settings) for item in items]
    known = [
        None if keep else _stored_prediction(item, settings.bundle)
        for item, keep in zip(items, keeps, strict=True)
    ]
    unheard = [
        item.filepath
        for item, keep, prediction in zip(items, keeps, known, strict=True)
        if not keep and prediction is None
    ]
    try:
        with genretagger.opened_cache(ui.print_) if unheard else nullcontext() as cache:
            answers = genretagger.predict_tracks(
                unheard, settings.bundle, settings.jobs, cache=cache
            )
            for item, keep, prediction in zip(items, keeps, known, strict=True):
                yield item, prediction if keep or prediction else next(answers)[1]
    except genretagger.FatalError as error:
        raise ui.UserError(str(error)) from error


def _stored_prediction(item: Item, bundle: genretagger.Bundle) -> genretagger.Prediction | None:
    """Read what this very model predicted before, so that nothing is heard twice."""
    fields = {key: item[key] for key in item.keys(with_album=False)}
    if fields.get("genrecnn_bundle") != genretagger.hearing_id(bundle):
        return None
    names = fields_of(bundle.vocabulary.genres)
    try:
        # texts, where the configuration names another model and so other fields
        probabilities = tuple(float(fields[name]) for name in names if name in fields)
    except ValueError:
        return None
    if len(probabilities) not in (0, len(names)) or not item.filepath.is_file():
        return None
    return genretagger.Prediction(probabilities or None, ("heard before",))


def _decide(item: Item, answer: _Answer, settings: Settings) -> Outcome[Item]:
    """Decide what becomes of a track, as of the tags of a file; nothing is changed yet."""
    old = own_genres(item)
    if isinstance(answer, genretagger.TrackError):
        return Outcome(item, State.FAILED, old, old, (str(answer),))
    decision = genretagger.decide_genres(answer, settings.policy) if answer else None
    policy = settings.tags_policy(item)
    line = genretagger.plan_genres(item.filepath, tags_of(item), policy, decision, answer)
    return Outcome(item, line.state, old, list(line.new), line.reason, answer, line.genres)


def _tag(
    item: Item,
    answer: _Answer,
    rests_on: _Answer,
    settings: Settings,
    journal: genretagger.Journal | None,
) -> Outcome[Item]:
    """Decide on a track, store that in the library, and write the file.

    What the library keeps of `answer` is the track's own, also if the decision rests on more.

    The library comes first, with the mark that the file is `UNWRITTEN`: a run that is killed
    in between leaves what the next one needs to finish. If the file cannot be written, the
    library gets its genres back.
    """
    outcome = _decide(
        item, rests_on if isinstance(answer, genretagger.Prediction) else answer, settings
    )
    may_write = settings.write and journal is not None and may_write_file(item, settings)
    if outcome.state is State.CHANGE and settings.write and journal is not None and not may_write:
        outcome = replace(outcome, reason=(*outcome.reason, STAYS))
    if settings.pretend and outcome.state is State.CHANGE and may_write:
        return _rehearsed(outcome)
    if settings.pretend or not isinstance(answer, genretagger.Prediction):
        return outcome
    before = item.genres, item.mtime
    _store(item, answer, outcome, settings)
    if UNWRITTEN in item and journal is not None and may_write:
        try:
            write_item(item, journal)
        except (FileOperationError, genretagger.TrackError) as error:
            cause = cause_of(error)
            del item[UNWRITTEN]
            item.genres, item.mtime = before
            item["genrecnn_reason"] = f"failed: {cause}"
            item.store()
            return replace(outcome, state=State.FAILED, new=outcome.old, reason=(cause,))
    return outcome


def _rehearsed(outcome: Outcome[Item]) -> Outcome[Item]:
    """Let a change fail whose file the run would find read-only."""
    try:
        genretagger.check_writable(outcome.model.filepath)
    except genretagger.TrackError as error:
        return replace(outcome, state=State.FAILED, new=outcome.old, reason=(str(error),))
    return outcome


def _store(
    item: Item, prediction: genretagger.Prediction, outcome: Outcome[Item], settings: Settings
) -> None:
    """Put genres, probabilities and reason into the library, and mark a file to be written."""
    _clear_fields(item)  # of another model, which may have heard something where this one does not
    names = fields_of(settings.bundle.vocabulary.genres)
    for name, probability in zip(names, prediction.probabilities or (), strict=False):
        item[name] = probability
    item["genrecnn_reason"] = genretagger.reason_text(outcome.reason)
    item["genrecnn_bundle"] = genretagger.hearing_id(settings.bundle)
    if outcome.state is State.CHANGE:
        item.genres = outcome.new
        if settings.write:
            item[UNWRITTEN] = json.dumps(outcome.old)
    item.store()


def _finish(
    item: Item, settings: Settings, journal: genretagger.Journal | None
) -> Outcome[Item] | None:
    """Write the file that a run broken off has left behind the library, if there is one."""
    if UNWRITTEN not in item.keys(with_album=False) or not settings.write or journal is None:
        return None
    if not may_write_file(item, settings):
        return None
    old, new = json.loads(item[UNWRITTEN]), list(item.genres)
    if not settings.pretend:
        try:
            write_item(item, journal)
        except (FileOperationError, genretagger.TrackError) as error:
            return Outcome(item, State.FAILED, new, new, (cause_of(error),))
    return Outcome(item, State.CHANGE, old, new, ("finishes what was broken off",))


def may_write_file(item: Item, settings: Settings) -> bool:
    """Tell whether to write a file changes no other name of it, or is wished all the same."""
    try:
        has_other_names = item.filepath.is_symlink() or item.filepath.stat().st_nlink > 1
    except OSError:  # who writes it says what is wrong
        has_other_names = False
    return settings.write_links or not has_other_names


def write_item(item: Item, journal: genretagger.Journal) -> None:
    """Write a file as `Item.write` does, but so that it can be taken back, and store the item.

    `Item.write` can write elsewhere, into the copy, but would then tell listeners of the copy.

    Parameters
    ----------
    item : beets.library.Item
        Marked as `UNWRITTEN`; the mark goes.
    journal : genretagger.Journal

    Raises
    ------
    beets.library.FileOperationError, genretagger.TrackError
        If the file cannot be written. It is then as it was, and still marked.
    genretagger.FatalError
        If the journal cannot be written.
    """
    old = json.loads(item[UNWRITTEN])
    values = {name: value for name, value in dict(item).items() if name in Item._media_fields}
    plugins.send("write", item=item, path=item.path, tags=values)

    def write(copy: Path) -> None:
        try:
            file = MediaFile(os.fspath(copy), id3v23=beets.config["id3v23"].get(bool))
            file.update(values)
            file.save()
        except UnreadableFileError as error:
            raise genretagger.TrackError(f"cannot be written: {error}") from error

    genretagger.rewrite(item.filepath, write, journal, old=old, new=item.genres)
    item.mtime = item.current_mtime()
    plugins.send("after_write", item=item, path=item.path)
    del item[UNWRITTEN]
    item.store()


def take_back(
    entry: genretagger.Entry, item: Item | None, journal: genretagger.Journal | None
) -> str:
    """Give a file its bytes back, and a track its genres.

    Parameters
    ----------
    entry : genretagger.Entry
        What a run changed.
    item : beets.library.Item or None
        The track of that file, if the library has one.
    journal : genretagger.Journal or None
        Of this run. Without one, nothing is changed.

    Returns
    -------
    str
        What was done, in words.

    Raises
    ------
    genretagger.TrackError
        If the file cannot be taken back, or is no track's. Both are then as they were.
    """
    if item is None and entry.path.exists():
        raise genretagger.TrackError(
            "no track of this library lies there; 'genretagger undo' takes back files alone"
        )
    (line,) = genretagger.undo([entry], journal)
    if line.state is State.FAILED or item is None:
        raise genretagger.TrackError(genretagger.reason_text(line.reason))
    genres = list(entry.old) if item.genres == list(entry.new) else item.genres
    reason = line.reason if journal is not None else ()
    done = genretagger.reason_text((f"{shown(entry.new)} -> {shown(genres)}", *reason))
    if journal is not None:
        _clear_fields(item)
        item.genres = genres
        item.mtime = item.current_mtime()
        item.store()
    return done


def _clear_fields(item: Item) -> None:
    for name in set(item.keys(with_album=False)):  # beets 2.9 may list a field twice
        if name.startswith("genrecnn_"):  # all of a track's are of its last prediction
            del item[name]


def cause_of(error: Exception) -> str:
    """Say why a file could not be written, without its path where beets puts that first."""
    return str(error.reason if isinstance(error, FileOperationError) else error)
