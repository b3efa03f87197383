"""Tracks of the library: predict, decide, store, write, and take back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import beets
from beets import plugins, ui
from beets.library import FileOperationError, Item
from mediafile import MediaFile, UnreadableFileError

import genretagger
from beetsplug.genrecnn.outcomes import (
    CHANGED,
    FAILED,
    KEPT,
    UNDECIDED,
    Outcome,
    Settings,
    own_genres,
    shown,
)

FIELDS: dict[str, str] = {
    genre: f"genrecnn_{genre.lower().replace(' ', '_')}" for genre in genretagger.GENRES
}
"""The flexible field that holds each genre's probability."""

UNWRITTEN = "genrecnn_unwritten"
"""The flexible field of a track whose file has yet to get the library's genres: those before."""


def hear_items(
    items: Sequence[Item], settings: Settings
) -> Iterator[tuple[Item, genretagger.Prediction | genretagger.TrackError | None]]:
    """Hear the tracks that have to be; None stands for those that keep what they have."""
    keeps = [not settings.force and bool(own_genres(item)) for item in items]
    known = [
        None if keep else _remembered(item, settings.bundle.bundle_id)
        for item, keep in zip(items, keeps, strict=True)
    ]
    unheard = [
        item.filepath
        for item, keep, prediction in zip(items, keeps, known, strict=True)
        if not keep and prediction is None
    ]
    heard = genretagger.predict_tracks(unheard, settings.bundle, settings.jobs)
    try:
        for item, keep, prediction in zip(items, keeps, known, strict=True):
            yield item, prediction if keep or prediction else next(heard)[1]
    except genretagger.FatalError as error:
        raise ui.UserError(str(error)) from error


def _remembered(item: Item, bundle_id: str) -> genretagger.Prediction | None:
    """Look up what this very model heard before, so that nothing is heard twice."""
    own = {key: item[key] for key in item.keys(with_album=False)}
    if own.get("genrecnn_bundle") != bundle_id or not item.filepath.is_file():
        return None
    probabilities = tuple(own[name] for name in FIELDS.values() if name in own)
    if probabilities and len(probabilities) < len(FIELDS):
        return None
    return genretagger.Prediction(probabilities or None, ("heard before",))


def _decide(
    item: Item,
    heard: genretagger.Prediction | genretagger.TrackError | None,
    settings: Settings,
) -> Outcome:
    old = own_genres(item)
    has = f'kept: has "{shown(old)}"'
    if heard is None:
        return Outcome(item, KEPT, old, old, has)
    if isinstance(heard, genretagger.TrackError):
        return Outcome(item, FAILED, old, old, str(heard))
    decision = genretagger.decide_genres(heard, settings.policy)
    if not decision.genres:
        reason = genretagger.reason_text((*decision.reason, has) if old else decision.reason)
        return Outcome(item, UNDECIDED, old, old, reason, heard)
    new = list(genretagger.in_order(decision.genres))
    if sorted(new) == sorted(old):
        reason = genretagger.reason_text((*decision.reason, "kept: already there"))
        return Outcome(item, KEPT, old, old, reason, heard)
    return Outcome(item, CHANGED, old, new, genretagger.reason_text(decision.reason), heard)


def tag_one(
    item: Item,
    heard: genretagger.Prediction | genretagger.TrackError | None,
    settings: Settings,
    journal: genretagger.Journal | None,
) -> Outcome:
    outcome = _decide(item, heard, settings)
    if settings.pretend or not isinstance(heard, genretagger.Prediction):
        return outcome
    forget(item)  # of another model, which may have heard something where this one does not
    for name, probability in zip(FIELDS.values(), heard.probabilities or (), strict=False):
        item[name] = probability
    item["genrecnn_reason"] = outcome.reason
    item["genrecnn_bundle"] = settings.bundle.bundle_id
    before = item.genres, item.mtime
    if outcome.state == CHANGED:
        item.genres = outcome.new
        if settings.write:
            item[UNWRITTEN] = json.dumps(outcome.old)
    item.store()
    if UNWRITTEN in item and journal is not None:
        try:
            write_item(item, journal)
        except (FileOperationError, genretagger.TrackError) as error:
            outcome = replace(outcome, state=FAILED, new=outcome.old, reason=cause_of(error))
            del item[UNWRITTEN]
            item.genres, item.mtime = before
            item["genrecnn_reason"] = f"failed: {outcome.reason}"
            item.store()
    return outcome


def finish(item: Item, settings: Settings, journal: genretagger.Journal | None) -> Outcome | None:
    """Write the file that a run broken off has left behind the library, if there is one."""
    if UNWRITTEN not in item.keys(with_album=False) or not settings.write or journal is None:
        return None
    old, new = json.loads(item[UNWRITTEN]), list(item.genres)
    if not settings.pretend:
        try:
            write_item(item, journal)
        except (FileOperationError, genretagger.TrackError) as error:
            return Outcome(item, FAILED, new, new, cause_of(error))
    return Outcome(item, CHANGED, old, new, "finishes what was broken off")


def write_item(item: Item, journal: genretagger.Journal) -> None:
    """Write a file as `Item.write` does, but so that it can be taken back, and store the item.

    `Item.write` can write elsewhere, into the copy, but would then tell listeners of the copy.
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


def take_back(entry: genretagger.Entry, item: Item | None, journal: genretagger.Journal) -> str:
    """Give a file its bytes back, and a track its genres; say what was done."""
    if item is None:
        raise genretagger.TrackError(
            "no track of this library lies there; 'genretagger undo' takes back files alone"
        )
    (line,) = genretagger.undo([entry], journal)
    if line.state is genretagger.State.FAILED:
        raise genretagger.TrackError(genretagger.reason_text(line.reason))
    forget(item)
    if item.genres == list(entry.new):
        item.genres = list(entry.old)
    item.mtime = item.current_mtime()
    item.store()
    return " | ".join((f"{shown(entry.new)} -> {shown(item.genres)}", *line.reason))


def forget(item: Item) -> None:
    own = {*FIELDS.values(), "genrecnn_reason", "genrecnn_bundle", UNWRITTEN}
    for name in own & set(item.keys(with_album=False)):
        del item[name]


def cause_of(error: Exception) -> str:
    return str(error.reason if isinstance(error, FileOperationError) else error)
