"""What lies in folders and what comes into them, each file once it is whole."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from genretagger.containers import container_of
from genretagger.errors import TrackError
from genretagger.identity import identify, is_file, is_folder, is_open_for_writing, stamp
from genretagger.scan import OnError, find_tracks, is_met
from genretagger.text import counted

_MOST = 256
"""Files that are given at once, so that what comes next does not wait for a whole collection."""

_TICK_S = 1.0  # where the system has no other way to interrupt a wait, Ctrl-C waits so long

_BREATH_S = 0.2  # what happens in so short a time is taken together

_TOLD = frozenset(("attrib", "closed", "created", "modified", "moved"))
"""Types of events after which a file is another."""


class _Expected(NamedTuple):
    """A file that may still be written: how it was when seen last, and when to look again."""

    state: str
    due_s: float


class Arrivals:
    """The tracks below some folders: those that are there, and then those that come.

    A file is whole when nothing of it has changed for a while and, where the system tells, no
    program has it open for writing. Events of the file system say which files to look at. All
    folders are looked through now and then as well, because events get lost, and disks of the
    network tell nothing of what other machines write.

    Parameters
    ----------
    folders : sequence of pathlib.Path
    ignore : sequence of str
        As in `scan.find_tracks`.
    settle_s : float
        For how long a file must be as it is, in seconds.
    rescan_s : float
        How often all folders are looked through, in seconds.
    together : bool
        Hold a file back while another one in its folder is not whole.
    on_error : callable
        Told of what cannot be read, once.
    warn : callable
        Told if there are no events.

    Attributes
    ----------
    was_there : set of pathlib.Path
        The files that lay there at the beginning, as far as nothing has happened to them since.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        ignore: Sequence[str] = (),
        settle_s: float,
        rescan_s: float,
        together: bool = False,
        on_error: OnError,
        warn: Callable[[str], object],
    ) -> None:
        self._folders, self._ignore = folders, ignore
        self._settle_s, self._rescan_s = settle_s, rescan_s
        self._together = together
        self._on_error, self._warn = on_error, warn
        self._events: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._expected: dict[Path, _Expected] = {}
        self._known: dict[Path, str] = {}
        self._errors: set[tuple[Path, str]] = set()
        self._next_scan_s: float | None = None
        self._listener: _Listener | None = None
        self.was_there: set[Path] = set()

    def close(self) -> None:
        """Listen to events no more."""
        if self._listener is not None:
            self._listener.stop()

    def wait(self) -> list[Path]:
        """Wait until some files are whole, and give them, the longest expected first."""
        while True:
            if self._next_scan_s is None or time.monotonic() >= self._next_scan_s:
                self._look_through()
            if whole := self._whole():
                return whole
            self._take_events()

    def known(self) -> list[Path]:
        """List the files that were given, and are still there and as they were."""
        return [path for path in self._known if self.is_known(path)]

    def is_known(self, path: Path) -> bool:
        """Tell whether a file is as it was when it was given, or written here."""
        state = _state(path)
        return state is not None and state == self._known.get(path)

    def expect(self, path: Path) -> None:
        """Give a file again once it is whole, unless it is as it was."""
        state = _state(path)
        if state is None or state == self._known.get(path):
            self._expected.pop(path, None)
        else:
            self._expected[path] = _Expected(state, time.monotonic() + self._settle_s)

    def note_written(self, path: Path) -> None:
        """Take a file as known as it is now: it was written here."""
        if state := _state(path):
            self._known[path] = state

    def _look_through(self) -> None:
        is_first = self._next_scan_s is None
        self._listen()  # anew: a folder may have come back; first: so that nothing comes unseen
        errors: set[tuple[Path, str]] = set()
        for path in self._tracks(self._folders, errors):
            self.expect(path)
            if is_first:
                self.was_there.add(path)
        self._errors = errors
        self._next_scan_s = time.monotonic() + self._rescan_s

    def _listen(self) -> None:
        before, self._listener = self._listener, None
        try:
            self._listener = _Listener(self._folders, self._events)
        except OSError as error:
            self._warn(
                f"there are no events of files ({error.strerror}); the folders are looked through "
                f"every {counted(round(self._rescan_s / 60), 'minute')} only"
            )
        if before is not None:
            before.stop()

    def _tracks(self, paths: Sequence[Path], errors: set[tuple[Path, str]]) -> Iterator[Path]:
        """Find tracks; tell of errors that were not there before, and collect all."""

        def on_error(path: Path, why: str) -> None:
            if (path, why) not in self._errors:
                self._on_error(path, why)
            errors.add((path, why))

        yield from find_tracks(paths, ignore=self._ignore, on_error=on_error)

    def _take_events(self) -> None:
        """Wait for an event, or until there is something to do, and take all there are."""
        now_s = time.monotonic()
        # what is due already was looked at, and waits for others in its folder
        dues_s = [e.due_s + _BREATH_S for e in self._expected.values() if e.due_s > now_s]
        until_s = min([self._next_scan_s or 0.0, *dues_s])
        paths = set()
        try:
            timeout_s = min(max(until_s - now_s, 0.0), _TICK_S)
            paths.add(self._events.get(timeout=timeout_s))
            time.sleep(_BREATH_S)
            while True:
                paths.add(self._events.get_nowait())
        except queue.Empty:
            pass
        if any(map(is_folder, paths)):
            self._listen()  # watchdog before 7.1 does not watch a folder that was moved in
        for path in sorted(paths):
            self._take(path)

    def _take(self, path: Path) -> None:
        """Look at what an event tells of."""
        below = (folder for folder in self._folders if folder in path.parents)
        if not any(is_met(path, folder, self._ignore) for folder in below):
            return
        if is_folder(path):
            new = list(self._tracks([path], self._errors))
        else:
            new = [path] if container_of(path) else []
        for track in new:
            self.expect(track)
            if track in self._expected:
                self.was_there.discard(track)

    def _whole(self) -> list[Path]:
        """Take those files that are whole, and put off when to look at the others."""
        now_s = time.monotonic()
        later_s = now_s + self._settle_s
        whole = []
        for path in [path for path, expected in self._expected.items() if expected.due_s <= now_s]:
            state = _state(path)
            if state is None:
                del self._expected[path]
            elif state != self._expected[path].state or is_open_for_writing(path):
                self._expected[path] = _Expected(state, later_s)
            else:
                whole.append(path)
            if len(whole) == _MOST and not self._together:
                break
        if self._together:
            partial = {path.parent for path in self._expected.keys() - set(whole)}
            whole = [path for path in whole if path.parent not in partial]
        for path in whole:
            self._known[path] = self._expected.pop(path).state
        return whole


class _Listener:
    """Puts the paths that events tell of into a queue, from a thread of its own."""

    def __init__(self, folders: Sequence[Path], paths: queue.SimpleQueue[Path]) -> None:
        self._observer = Observer()
        try:
            for folder in filter(is_folder, folders):
                real = folder.resolve()  # a link itself has no events
                self._observer.schedule(_Handler(folder, real, paths), str(real), recursive=True)
            self._observer.start()
        except OSError:
            self._observer.unschedule_all()
            raise

    def stop(self) -> None:
        self._observer.stop()
        self._observer.join()


class _Handler(FileSystemEventHandler):
    """Tells of what happens below a folder, under the name by which it is known here."""

    def __init__(self, folder: Path, real: Path, paths: queue.SimpleQueue[Path]) -> None:
        self._folder, self._real, self._paths = folder, real, paths

    def on_any_event(self, event: FileSystemEvent) -> None:
        is_news = event.event_type in ("created", "moved") or not event.is_directory
        path = Path(os.fsdecode(event.dest_path or event.src_path))
        if event.event_type in _TOLD and is_news and self._real in path.parents:
            self._paths.put(self._folder / path.relative_to(self._real))


def _state(path: Path) -> str | None:
    """Say how a file is; None if there is no regular file."""
    try:
        return stamp(identify(path)) if is_file(path) else None
    except TrackError:
        return None
