"""Runs that write files: one at a time, each with a journal, so that it can be taken back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from beets import ui

import genretagger
from beetsplug.genrecnn.albums import take_album_back
from beetsplug.genrecnn.outcomes import named
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


def library_folder(lib: Library) -> Path:
    """Name the folder of a library, where its files are sought that were moved."""
    return Path(os.fsdecode(lib.directory))


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
    beets.ui.UserError
        At the end, if files cannot be taken back.
    """
    head, entries = genretagger.read_journal(path)
    ui.print_(f"{head.time}, {genretagger.counted(len(entries), 'file')}: {head.title}")
    if pretend:
        n_failures = _take_tracks_back(lib, head, entries, None)
    else:
        with only_writer(f"{UNDO} {path}"):
            recover()
            n_failures = _take_back(lib, path, head, entries)
    if n_failures:
        were = "would not be" if pretend else "was not" if n_failures == 1 else "were not"
        files = genretagger.counted(len(entries), "file")
        raise ui.UserError(f"{n_failures} of {files} {were} taken back")


def _take_back(
    lib: Library, path: Path, head: genretagger.Head, entries: Sequence[genretagger.Entry]
) -> int:
    """Take a run back, and return how many files could not be."""
    journal = genretagger.Journal.reversing(path, head)
    n_failures = _take_tracks_back(lib, head, entries, journal)
    for album in lib.albums():
        take_album_back(album, path, journal)
    journal.finish()
    if journal.path is not None:
        number = genretagger.read_journal(journal.path)[0].number
        ui.print_(f"to do it again: {UNDO} {number}")
    return n_failures


def _take_tracks_back(
    lib: Library,
    head: genretagger.Head,
    entries: Sequence[genretagger.Entry],
    journal: genretagger.Journal | None,
) -> int:
    """Take changes back, the last one first, or only say so; return how many failed."""
    tracks = {item.filepath.resolve(): item for item in lib.items()}
    failures = []
    with genretagger.opened_cache(ui.print_) as cache:
        known = chain(tracks, cache.files() if cache else ())
        elsewhere = genretagger.Elsewhere.of_run(head, entries, known)
        for entry in genretagger.located(entries, elsewhere):
            track = tracks.get(entry.path)
            with genretagger.uninterrupted():  # file and library
                try:
                    done = take_back(entry, track, journal)
                except genretagger.TrackError as error:
                    done = f"failed: {error}"
                    failures.append(f"  {entry.path}: {error}")
                name = entry.path if track is None or journal is None else named(track)
                ui.print_(f"{name}: {done}")
    n = len(entries) - len(failures)
    are = "would be" if journal is None else "is" if n == 1 else "are"
    ui.print_(f"{genretagger.counted(n, 'track')} {are} as before, {len(failures)} failed")
    if failures:
        ui.print_("\n".join(["failed:", *failures]))
    return len(failures)


def last_run() -> Path:
    """Find the journal of the plugin's last run that is in force.

    Raises
    ------
    beets.ui.UserError
        If there is none.
    """
    path = genretagger.last_journal_in_force(("run", "redo"), program="beets")
    if path is None:
        raise ui.UserError("there is no run of beet genrecnn to take back")
    return path


def named_run(name: str) -> Path:
    """Find the journal of the run with that number, as it was done last, or the one at that path.

    Raises
    ------
    genretagger.FatalError
        If there is no run of that number.
    """
    if not name.isdecimal():
        return Path(name).expanduser()
    path = genretagger.numbered_journal(int(name))
    if genretagger.read_journal(path)[0].kind == "undo":
        return path
    return genretagger.last_journal_in_force(("run", "redo"), like=path) or path
