"""Genres heard in the audio itself, for beets: ``beet genrecnn``, and at import.

Where nothing is to be heard, as in ``beet ls``, this module costs a millisecond: what
needs numpy is imported by `genretagger` when it is first used.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import beets
import confuse
from beets import plugins, ui
from beets.dbcore import types
from beets.importer import Action
from beets.library import FileOperationError, Item
from beets.plugins import BeetsPlugin
from beets.util import displayable_path
from mediafile import MediaFile, UnreadableFileError

import genretagger

if TYPE_CHECKING:
    from optparse import Values

    from beets.importer import ImportSession, ImportTask
    from beets.library import Album, Library

DEFAULTS: dict[str, Any] = {
    "auto": True,
    "pretend": False,
    "force": False,
    "write": None,
    "threshold": None,
    "max_genres": 2,
    "jobs": 0,
    "bundle": "default",
}
"""The configuration, as docs/beets.md explains it."""

FIELDS: dict[str, str] = {
    genre: f"genrecnn_{genre.lower().replace(' ', '_')}" for genre in genretagger.GENRES
}
"""The flexible field that holds each genre's probability."""

UNWRITTEN = "genrecnn_unwritten"
"""The flexible field of a track whose file has yet to get the library's genres: those before."""

REPLACED = "genrecnn_replaced"
"""The flexible field of an album: which genres a run replaced by which, and its journal."""

RUN, IMPORT, UNDO = "beet genrecnn", "beet import with genrecnn", "beet genrecnn --undo"
"""How the journals begin that the plugin writes."""

CHANGED, KEPT, UNDECIDED, FAILED = "changed", "kept", "undecided", "failed"


@dataclass(frozen=True)
class _Settings:
    bundle: genretagger.Bundle
    policy: genretagger.DecisionPolicy
    force: bool
    pretend: bool
    write: bool
    jobs: int


@dataclass(frozen=True)
class _Outcome:
    """What has become of one track or album, or would have."""

    of: Item | Album
    state: str
    old: list[str]
    new: list[str]
    reason: str
    heard: genretagger.Prediction | None = None

    def __str__(self) -> str:
        if self.state == FAILED:
            return f"{self.of}: failed: {self.reason}"
        arrow = f" -> {_shown(self.new)}" if self.state == CHANGED else ""
        return f"{self.of}: {_shown(self.old)}{arrow} | {self.reason}"


@dataclass
class _Tally:
    """What has become of all tracks and albums so far."""

    tracks: Counter[str] = field(default_factory=Counter)
    albums: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, outcome: _Outcome) -> None:
        self.tracks[outcome.state] += 1
        if outcome.state == FAILED:
            self.failures.append(f"{displayable_path(outcome.of.path)}: {outcome.reason}")

    def lines(self, pretend: bool) -> Iterator[str]:
        changed = "to change" if pretend else CHANGED
        counts = ", ".join(
            f"{self.tracks[state]} {changed if state == CHANGED else state}"
            for state in (CHANGED, KEPT, UNDECIDED, FAILED)
        )
        yield f"{self.tracks.total()} tracks: {counts}; albums: {self.albums[CHANGED]} {changed}"
        if self.failures:
            yield "failed:"
            yield from (f"  {failure}" for failure in self.failures)


class _Id3v23(BeetsPlugin):
    """Keeps several genres whole in ID3v2.3 tags, which have no native way.

    beets writes ``Pop/Rock`` there, and reads that back as one genre. ``Pop; Rock`` it
    reads back as two. This is a plugin of its own, which `GenreCnnPlugin` loads, because
    beets forbids that a plugin's listener causes an event that the same plugin listens to.
    """

    def __init__(self) -> None:
        super().__init__("genrecnn-id3v23")
        self.register_listener("write", self.join)

    def join(self, item: Item, path: bytes, tags: dict[str, Any]) -> None:
        """Join the genres that are about to be written, if this plugin set them."""
        genres = tags.get("genres") or []
        is_ours = item.get("genrecnn_bundle", with_album=False)
        is_mp3 = path.lower().endswith(b".mp3")
        if len(genres) > 1 and is_ours and is_mp3 and beets.config["id3v23"].get(bool):
            tags["genres"] = ["; ".join(genres)]


# beets loads the last plugin class of a module: this one
class GenreCnnPlugin(BeetsPlugin):
    """Sets ``genres`` from what a neural network hears."""

    item_types = {  # noqa: RUF012 - as every beets plugin has it
        **dict.fromkeys(FIELDS.values(), types.Float(4)),
        "genrecnn_reason": types.STRING,
        "genrecnn_bundle": types.STRING,
        UNWRITTEN: types.STRING,
    }

    def __init__(self) -> None:
        super().__init__()
        self.config.add(DEFAULTS)
        _Id3v23()
        if self.config["auto"].get(bool):
            self.import_stages = [self._import_task]
            self.register_listener("import_begin", self._begin_import)
            self.register_listener("import_task_files", self._write_imported)
            self.register_listener("import", self._end_import)

    def commands(self) -> list[ui.Subcommand]:
        """Give ``beet genrecnn``."""
        command = ui.Subcommand("genrecnn", help="set genres from what is heard in the audio")
        add = command.parser.add_option
        add("-p", "--pretend", action="store_true", help="show what would change; change nothing")
        add("-f", "--force", action="store_true", help="replace genres that are there")
        add("-F", "--no-force", action="store_false", dest="force", help="keep them (the default)")
        add("-w", "--write", action="store_true", help="write the files' tags, too")
        add("-W", "--nowrite", action="store_false", dest="write", help="change the library only")
        add(
            *("-t", "--threshold"),
            type="float",
            metavar="P",
            help="one threshold for all genres, 0 to 1 (default: the model's own for each)",
        )
        add("--max-genres", type="int", metavar="N", help="at most so many for a track")
        add("-j", "--jobs", type="int", metavar="N", help="processes; 0: one for each core")
        add("--bundle", metavar="MODEL", help="'default', 'accurate' (slower), or a folder")
        add(
            "--undo",
            action="store_true",
            help="take back the last run that wrote files, or the one whose JOURNAL is named",
        )
        add("--report", metavar="FILE.html", help="also write a page for the browser")
        command.func = self._command
        return [command]

    # the command

    def _command(self, lib: Library, opts: Values, args: list[str]) -> None:
        own = ("undo", "report")
        self.config.set_args({k: v for k, v in vars(opts).items() if k not in own})
        try:
            if opts.undo:
                self._undo(lib, args)
            else:
                self._run(lib, args, Path(opts.report).expanduser() if opts.report else None)
        except genretagger.FatalError as error:
            raise ui.UserError(str(error)) from error

    def _run(self, lib: Library, args: list[str], report: Path | None) -> None:
        settings = self._settings()
        command = " ".join([RUN, *args])
        writes = settings.write and not settings.pretend
        with _only_writer(command) if writes else contextlib.nullcontext():
            if writes:
                _recover()
            with _report(report, command, settings) as report_row:
                self._run_alone(lib, args, settings, genretagger.Journal(command), report_row)

    def _run_alone(
        self,
        lib: Library,
        args: list[str],
        settings: _Settings,
        journal: genretagger.Journal,
        report: Callable[[_Outcome], None],
    ) -> None:
        items = list(lib.items(args))
        tally = _Tally()
        new: dict[int, list[str]] = {}
        stopped: BaseException | None = None
        try:
            for outcome in self._tag(items, settings, journal):
                tally.add(outcome)
                new[outcome.of.id] = outcome.new
                ui.print_(str(outcome))
                report(outcome)
        except (KeyboardInterrupt, ui.UserError, genretagger.FatalError) as why:
            stopped = why
        album_ids = dict.fromkeys(i.album_id for i in items if i.album_id and i.id in new)
        for album in filter(None, map(lib.get_album, album_ids)):
            if on_album := _tag_album(album, new, settings):
                tally.albums[on_album.state] += 1
                _remember_album(on_album, journal)
                ui.print_(f"album {on_album}")
        if stopped is not None:
            ui.print_(f"stopped: {len(items) - len(new)} tracks are left for the next run")
        ui.print_("\n".join(tally.lines(settings.pretend)))
        if journal.path is not None:
            ui.print_(f"to take it back: {UNDO}")
        if stopped is not None:
            raise stopped

    def _undo(self, lib: Library, args: list[str]) -> None:
        if len(args) > 1:
            raise ui.UserError("--undo takes back a whole run: name one journal, or none")
        path = Path(args[0]).expanduser() if args else _last_journal()
        head, entries = genretagger.read_journal(path)
        ui.print_(f"{head['time']}, {len(entries)} files: {head['command']}")
        if self.config["pretend"].get(bool):
            for entry in reversed(entries):
                ui.print_(f"{entry.path}: {_shown(entry.new)} -> {_shown(entry.old)}")
            return
        journal = genretagger.Journal(f"{UNDO} {path.name}")
        with _only_writer(f"{UNDO} {path}"):
            _recover()
            at = {item.filepath.resolve(): item for item in lib.items()}
            failures = []
            for entry in reversed(entries):
                with genretagger.uninterrupted():  # file and library
                    where = f"{at.get(entry.path, entry.path)}: "
                    try:
                        ui.print_(where + _take_back(entry, at.get(entry.path), journal))
                    except genretagger.TrackError as error:
                        ui.print_(f"{where}failed: {error}")
                        failures.append(f"  {entry.path}: {error}")
            for album in lib.albums():
                _take_album_back(album, path, journal)
        ui.print_(f"{len(entries) - len(failures)} tracks are as before, {len(failures)} failed")
        if failures:
            ui.print_("\n".join(["failed:", *failures]))
        if journal.path is not None:
            ui.print_(f"to do it again: {UNDO} {journal.path}")

    # at import

    def _begin_import(self) -> None:
        """Refuse what cannot work before anything is imported."""
        # one task is heard while the next is matched; more processes would get in the way
        self._at_import = replace(self._settings(), jobs=1)
        self._tally = _Tally()
        self._journal = genretagger.Journal(IMPORT)
        self._albums: dict[int, _Outcome] = {}
        self._unwritable: list[_Outcome] = []  # filled by another thread than the tally

    def _import_task(self, session: ImportSession, task: ImportTask) -> None:
        # the items' files are the originals until beets has copied them: not to be written yet
        writes = self._at_import.write and not _is_beets_to_write(session, task)
        settings = replace(self._at_import, write=writes)
        new: dict[int, list[str]] = {}
        for outcome in self._tag(task.imported_items(), settings, None):
            self._tally.add(outcome)
            new[outcome.of.id] = outcome.new
            say = self._log.warning if outcome.state == FAILED else self._log.info
            say("{}", outcome)
        if task.is_album and (on_album := _tag_album(task.album, new, settings)):
            self._tally.albums[on_album.state] += 1
            self._albums[task.album.id] = on_album
            self._log.info("album {}", on_album)

    def _write_imported(self, session: ImportSession, task: ImportTask) -> None:
        """Write what beets itself does not: as-is imports, or all with ``import.write: no``."""
        if not self._at_import.write or _is_beets_to_write(session, task):
            return
        for item in task.imported_items():
            if UNWRITTEN not in item:
                continue
            try:
                with _only_writer(IMPORT):
                    _write(item, self._journal)
            except (FileOperationError, genretagger.GenreTaggerError) as error:
                reason = f"the library has the genres, the file has not: {_why(error)}"
                outcome = _Outcome(item, FAILED, [], [], reason)
                self._unwritable.append(outcome)
                self._log.warning("{}", outcome)
        if task.is_album and (on_album := self._albums.pop(task.album.id, None)):
            _remember_album(on_album, self._journal)

    def _end_import(self) -> None:
        for outcome in self._unwritable:
            self._tally.tracks[CHANGED] -= 1
            self._tally.add(outcome)
        for line in self._tally.lines(self._at_import.pretend):
            self._log.info("{}", line)

    # both

    def _settings(self) -> _Settings:
        threshold = self.config["threshold"].get(confuse.Optional(confuse.Number()))
        max_genres = self.config["max_genres"].get(int)
        jobs = self.config["jobs"].get(int)
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise confuse.ConfigValueError(f"genrecnn.threshold: {threshold} is not within 0 to 1")
        if max_genres < 1:
            raise confuse.ConfigValueError(f"genrecnn.max_genres: {max_genres} is less than 1")
        if jobs < 0:
            raise confuse.ConfigValueError(f"genrecnn.jobs: {jobs} is less than 0")
        named = self.config["bundle"].get(str)
        path = genretagger.locate_bundle(named)
        if path == Path(named):  # none that ships: a folder, seen from the configuration
            path = Path(self.config["bundle"].get(confuse.Filename()))
        try:
            bundle = genretagger.read_bundle(path)
        except genretagger.FatalError as error:
            raise ui.UserError(str(error)) from error
        thresholds = bundle.thresholds
        if threshold is not None:
            thresholds = (float(threshold),) * len(genretagger.GENRES)
        return _Settings(
            bundle=bundle,
            policy=genretagger.DecisionPolicy(thresholds, max_genres),
            force=self.config["force"].get(bool),
            pretend=self.config["pretend"].get(bool),
            write=ui.should_write(self.config["write"].get(confuse.Optional(bool))),
            jobs=jobs or _cpu_count(),
        )

    def _tag(
        self, items: Sequence[Item], settings: _Settings, journal: genretagger.Journal | None
    ) -> Iterator[_Outcome]:
        """Hear and decide on tracks; change each before the next, unless it is to pretend.

        Without a journal no file is written, but what is to be written is marked.
        """
        for item, heard in _hear(items, settings):
            # what is done is also reported: Ctrl-C waits for both
            with genretagger.uninterrupted():
                finished = _finish(item, settings, journal)
                if finished is not None and (finished.state == FAILED or heard is None):
                    yield finished
                else:
                    yield _tag_one(item, heard, settings, journal)


def album_genres(tracks: Iterable[list[str]], max_genres: int) -> tuple[list[str], str]:
    """Find the genres that stand for an album.

    From the tracks' genres, whoever set them, rather than from probabilities: so an album
    never has a genre that none of its tracks has, and a person's own genres count.

    Parameters
    ----------
    tracks : iterable of list of str
        The genres of each track; a track without any does not count.
    max_genres : int

    Returns
    -------
    tuple of list of str, and str
        The genres that at least half of the tracks have, the most common ones if there
        are too many, and the reason in words. None where the tracks have little in common.

    Examples
    --------
    >>> album_genres([["Pop", "Rock"], ["Rock"], ["Rock"], []], 2)
    (['Rock'], 'Rock on 3 of 3 tracks')
    """
    having = [track for track in tracks if track]
    counts = Counter(genre for track in having for genre in dict.fromkeys(track))
    taken = [genre for genre, n in counts.most_common() if 2 * n >= len(having)][:max_genres]
    if all(genre in genretagger.GENRES for genre in taken):
        taken = list(genretagger.in_order(tuple(taken)))
    if not taken:
        return [], f"undecided: no genre on half of {len(having)} tracks"
    on = ", ".join(f"{genre} on {counts[genre]}" for genre in taken)
    return taken, f"{on} of {len(having)} tracks"


def _hear(
    items: Sequence[Item], settings: _Settings
) -> Iterator[tuple[Item, genretagger.Prediction | genretagger.TrackError | None]]:
    """Hear the tracks that have to be; None stands for those that keep what they have."""
    keeps = [not settings.force and bool(_own_genres(item)) for item in items]
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
    settings: _Settings,
) -> _Outcome:
    old = _own_genres(item)
    has = f'kept: has "{_shown(old)}"'
    if heard is None:
        return _Outcome(item, KEPT, old, old, has)
    if isinstance(heard, genretagger.TrackError):
        return _Outcome(item, FAILED, old, old, str(heard))
    decision = genretagger.decide_genres(heard, settings.policy)
    if not decision.genres:
        reason = f"{decision.reason} | {has}" if old else decision.reason
        return _Outcome(item, UNDECIDED, old, old, reason, heard)
    new = list(genretagger.in_order(decision.genres))
    if sorted(new) == sorted(old):
        reason = f"{decision.reason} | kept: already there"
        return _Outcome(item, KEPT, old, old, reason, heard)
    return _Outcome(item, CHANGED, old, new, decision.reason, heard)


def _tag_one(
    item: Item,
    heard: genretagger.Prediction | genretagger.TrackError | None,
    settings: _Settings,
    journal: genretagger.Journal | None,
) -> _Outcome:
    outcome = _decide(item, heard, settings)
    if settings.pretend or not isinstance(heard, genretagger.Prediction):
        return outcome
    _forget(item)  # of another model, which may have heard something where this one does not
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
            _write(item, journal)
        except (FileOperationError, genretagger.TrackError) as error:
            outcome = replace(outcome, state=FAILED, new=outcome.old, reason=_why(error))
            del item[UNWRITTEN]
            item.genres, item.mtime = before
            item["genrecnn_reason"] = f"failed: {outcome.reason}"
            item.store()
    return outcome


def _finish(
    item: Item, settings: _Settings, journal: genretagger.Journal | None
) -> _Outcome | None:
    """Write the file that a run broken off has left behind the library, if there is one."""
    if UNWRITTEN not in item.keys(with_album=False) or not settings.write or journal is None:
        return None
    old, new = json.loads(item[UNWRITTEN]), list(item.genres)
    if not settings.pretend:
        try:
            _write(item, journal)
        except (FileOperationError, genretagger.TrackError) as error:
            return _Outcome(item, FAILED, new, new, _why(error))
    return _Outcome(item, CHANGED, old, new, "finishes what was broken off")


def _write(item: Item, journal: genretagger.Journal) -> None:
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


def _take_back(entry: genretagger.Entry, item: Item | None, journal: genretagger.Journal) -> str:
    """Give a file its bytes back, and a track its genres; say what was done."""
    if item is None:
        raise genretagger.TrackError(
            "no track of this library lies there; 'genretagger undo' takes back files alone"
        )
    (line,) = genretagger.undo([entry], journal)
    if line.state is genretagger.State.FAILED:
        raise genretagger.TrackError(line.reason)
    _forget(item)
    if item.genres == list(entry.new):
        item.genres = list(entry.old)
    item.mtime = item.current_mtime()
    item.store()
    return f"{_shown(entry.new)} -> {_shown(item.genres)} | {line.reason}"


def _forget(item: Item) -> None:
    own = {*FIELDS.values(), "genrecnn_reason", "genrecnn_bundle", UNWRITTEN}
    for name in own & set(item.keys(with_album=False)):
        del item[name]


def _take_album_back(album: Album, path: Path, journal: genretagger.Journal) -> None:
    replaced = json.loads(album.get(REPLACED) or "{}")
    if replaced.get("journal") != path.name:
        return
    old, new = replaced["old"], replaced["new"]
    del album[REPLACED]
    if album.genres == new:
        album.genres = old
        _remember_album(_Outcome(album, CHANGED, new, old, ""), journal)
    album.store(inherit=False)


def _remember_album(outcome: _Outcome, journal: genretagger.Journal) -> None:
    """Keep what an album had; files are what makes a journal, and it has none."""
    if outcome.state == CHANGED and journal.path is not None:
        row = {"journal": journal.path.name, "old": outcome.old, "new": outcome.new}
        outcome.of[REPLACED] = json.dumps(row)
        outcome.of.store(inherit=False)


def _last_journal() -> Path:
    """Find the last run that is no undo, so that an undo that was broken off goes on."""
    for path in reversed(genretagger.list_journals()):
        command = genretagger.read_journal(path)[0]["command"]
        if command.startswith((RUN, IMPORT)) and not command.startswith(UNDO):
            return path
    raise ui.UserError("there is no run of beet genrecnn to take back")


def _only_writer(command: str) -> contextlib.AbstractContextManager[None]:
    return genretagger.only_writer(genretagger.state_folder(), command)


def _recover() -> None:
    """Finish what a killed run left half done, before anything else is written."""
    with genretagger.uninterrupted():
        for message in genretagger.recover():
            ui.print_(message)


def _is_beets_to_write(session: ImportSession, task: ImportTask) -> bool:
    applied = task.apply or task.choice_flag is Action.RETAG  # RETAG: edited by hand
    return applied and session.config["write"].get(bool)


def _why(error: Exception) -> str:
    return str(error.reason if isinstance(error, FileOperationError) else error)


def _tag_album(album: Album, new: dict[int, list[str]], settings: _Settings) -> _Outcome | None:
    """Set an album's own genres from its tracks'; None if there is nothing to say."""
    old = _own_genres(album)
    if old and not settings.force:
        return None
    tracks = [new.get(item.id) or _own_genres(item) for item in album.items()]
    genres, reason = album_genres(tracks, settings.policy.max_genres)
    if not any(tracks) or (genres and sorted(genres) == sorted(old)):
        return None
    if not genres:
        return _Outcome(album, UNDECIDED, old, old, reason)
    if not settings.pretend:
        album.genres = genres
        album.store(inherit=False)  # the tracks keep theirs
    return _Outcome(album, CHANGED, old, genres, reason)


def _own_genres(model: Item | Album) -> list[str]:
    return [genre for genre in model.genres if genre.strip()]


_STATES = {
    CHANGED: genretagger.State.CHANGE,
    KEPT: genretagger.State.KEEP,
    UNDECIDED: genretagger.State.UNDECIDED,
    FAILED: genretagger.State.FAILED,
}


@contextlib.contextmanager
def _report(
    path: Path | None, command: str, settings: _Settings
) -> Iterator[Callable[[_Outcome], None]]:
    """Take outcomes for the page, and write it at the end, also of a run that is stopped."""
    if path is None:
        yield lambda _: None
        return
    changed = "to change" if settings.pretend else CHANGED
    page = genretagger.ReportPage(
        title="What would be set" if settings.pretend else "What was set",
        command=command,
        model=settings.bundle.bundle_id,
        thresholds=settings.policy.thresholds,
        words={state: changed if word == CHANGED else word for word, state in _STATES.items()},
    )

    def add(outcome: _Outcome) -> None:
        heard = outcome.heard.probabilities if outcome.heard else None
        page.add(
            {
                "path": os.fspath(outcome.of.filepath),
                "state": _STATES[outcome.state],
                "old": outcome.old,
                "new": outcome.new,
                "genres": outcome.new if outcome.state == CHANGED else [],
                "probabilities": heard and dict(zip(genretagger.GENRES, heard, strict=True)),
                "reason": outcome.reason,
            }
        )

    with page.written_to(path):
        yield add


def _shown(genres: Sequence[str]) -> str:
    return "; ".join(genres) or "(none)"


def _cpu_count() -> int:
    import joblib  # noqa: PLC0415 - 0.1 s

    return int(joblib.cpu_count())
