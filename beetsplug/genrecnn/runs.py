"""Runs that write files: one at a time, each with a journal, so that it can be taken back."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from beets import ui

import genretagger
from beetsplug.genrecnn.albums import take_album_back
from beetsplug.genrecnn.outcomes import shown
from beetsplug.genrecnn.tracks import take_back

if TYPE_CHECKING:
    from beets.library import Library

RUN, IMPORT, UNDO = "beet genrecnn", "beet import with genrecnn", "beet genrecnn --undo"
"""What is run, as journals, messages and the lock say it."""


def only_writer(command: str) -> contextlib.AbstractContextManager[None]:
    """Keep other runs from writing meanwhile.

    Raises
    ------
    genretagger.FatalError
        If one is writing.
    """
    return genretagger.only_writer(genretagger.state_folder(), command)


def recover() -> None:
    """Finish what a killed run left half done, before anything else is written."""
    with genretagger.uninterrupted():
        for message in genretagger.recover():
            ui.print_(message)


def undo(lib: Library, path: Path, *, pretend: bool) -> None:
    """Take back a run, and say what is done.

    Parameters
    ----------
    lib : beets.library.Library
    path : pathlib.Path
        The run's journal.
    pretend : bool
        Only say what would be.

    Raises
    ------
    genretagger.FatalError
        If it is no journal, if another run is writing, or if this one's journal cannot be.
    """
    head, entries = genretagger.read_journal(path)
    ui.print_(f"{head.time}, {len(entries)} files: {head.title}")
    if pretend:
        for entry in reversed(entries):
            ui.print_(f"{entry.path}: {shown(entry.new)} -> {shown(entry.old)}")
        return
    journal = genretagger.Journal.reversing(path, head)
    with only_writer(f"{UNDO} {path}"):
        recover()
        failures = _take_tracks_back(lib, entries, journal)
        for album in lib.albums():
            take_album_back(album, path, journal)
    ui.print_(f"{len(entries) - len(failures)} tracks are as before, {len(failures)} failed")
    if failures:
        ui.print_("\n".join(["failed:", *failures]))
    if journal.path is not None:
        ui.print_(f"to do it again: {UNDO} {journal.path}")


def _take_tracks_back(
    lib: Library, entries: Sequence[genretagger.Entry], journal: genretagger.Journal
) -> list[str]:
    """Take changes back, the last one first; return those that failed, and why."""
    tracks = {item.filepath.resolve(): item for item in lib.items()}
    failures = []
    for entry in reversed(entries):
        track = tracks.get(entry.path)
        with genretagger.uninterrupted():  # file and library
            try:
                done = take_back(entry, track, journal)
            except genretagger.TrackError as error:
                done = f"failed: {error}"
                failures.append(f"  {entry.path}: {error}")
            ui.print_(f"{track or entry.path}: {done}")
    return failures


def last_run() -> Path:
    """Find the journal of the plugin's last run that is no undo, so that undo can be resumed.

    Raises
    ------
    beets.ui.UserError
        If there is none.
    """
    for path in reversed(genretagger.list_journals()):
        head, _ = genretagger.read_journal(path)
        if head.kind == "run" and head.program == "beets":
            return path
    raise ui.UserError("there is no run of beet genrecnn to take back")
