"""Genres heard in the audio itself, for beets: ``beet genrecnn``, and at import.

Where nothing is to be heard, as in ``beet ls``, this module costs a millisecond: what
needs numpy is imported by `genretagger` when it is first used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import confuse
from beets import ui
from beets.dbcore import types
from beets.importer import Action
from beets.library import FileOperationError, Item
from beets.plugins import BeetsPlugin

import genretagger
from beetsplug.genrecnn.albums import remember_album, tag_album, take_album_back
from beetsplug.genrecnn.id3v23 import Id3v23
from beetsplug.genrecnn.outcomes import CHANGED, FAILED, Outcome, Settings, Tally, shown
from beetsplug.genrecnn.page import report_page
from beetsplug.genrecnn.tracks import (
    FIELDS,
    UNWRITTEN,
    cause_of,
    finish,
    hear_items,
    tag_one,
    take_back,
    write_item,
)

if TYPE_CHECKING:
    from optparse import Values

    from beets.importer import ImportSession, ImportTask
    from beets.library import Library


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

RUN, IMPORT, UNDO = "beet genrecnn", "beet import with genrecnn", "beet genrecnn --undo"
"""How the journals begin that the plugin writes."""


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
        Id3v23()
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
            with report_page(report, command, settings) as report_row:
                journal = genretagger.Journal(command, program="beets")
                self._run_alone(lib, args, settings, journal, report_row)

    def _run_alone(
        self,
        lib: Library,
        args: list[str],
        settings: Settings,
        journal: genretagger.Journal,
        report: Callable[[Outcome], None],
    ) -> None:
        items = list(lib.items(args))
        tally = Tally()
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
            if on_album := tag_album(album, new, settings):
                tally.albums[on_album.state] += 1
                remember_album(on_album, journal)
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
        ui.print_(f"{head.time}, {len(entries)} files: {head.title}")
        if self.config["pretend"].get(bool):
            for entry in reversed(entries):
                ui.print_(f"{entry.path}: {shown(entry.new)} -> {shown(entry.old)}")
            return
        journal = genretagger.Journal.reversing(path, head)
        with _only_writer(f"{UNDO} {path}"):
            _recover()
            at = {item.filepath.resolve(): item for item in lib.items()}
            failures = []
            for entry in reversed(entries):
                with genretagger.uninterrupted():  # file and library
                    where = f"{at.get(entry.path, entry.path)}: "
                    try:
                        ui.print_(where + take_back(entry, at.get(entry.path), journal))
                    except genretagger.TrackError as error:
                        ui.print_(f"{where}failed: {error}")
                        failures.append(f"  {entry.path}: {error}")
            for album in lib.albums():
                take_album_back(album, path, journal)
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
        self._tally = Tally()
        self._journal = genretagger.Journal(IMPORT, program="beets")
        self._albums: dict[int, Outcome] = {}
        self._unwritable: list[Outcome] = []  # filled by another thread than the tally

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
        if task.is_album and (on_album := tag_album(task.album, new, settings)):
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
                    write_item(item, self._journal)
            except (FileOperationError, genretagger.GenreTaggerError) as error:
                reason = f"the library has the genres, the file has not: {cause_of(error)}"
                outcome = Outcome(item, FAILED, [], [], reason)
                self._unwritable.append(outcome)
                self._log.warning("{}", outcome)
        if task.is_album and (on_album := self._albums.pop(task.album.id, None)):
            remember_album(on_album, self._journal)

    def _end_import(self) -> None:
        for outcome in self._unwritable:
            self._tally.tracks[CHANGED] -= 1
            self._tally.add(outcome)
        for line in self._tally.lines(self._at_import.pretend):
            self._log.info("{}", line)

    # both

    def _settings(self) -> Settings:
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
        return Settings(
            bundle=bundle,
            policy=genretagger.DecisionPolicy(thresholds, max_genres),
            force=self.config["force"].get(bool),
            pretend=self.config["pretend"].get(bool),
            write=ui.should_write(self.config["write"].get(confuse.Optional(bool))),
            jobs=jobs or _cpu_count(),
        )

    def _tag(
        self, items: Sequence[Item], settings: Settings, journal: genretagger.Journal | None
    ) -> Iterator[Outcome]:
        """Hear and decide on tracks; change each before the next, unless it is to pretend.

        Without a journal no file is written, but what is to be written is marked.
        """
        for item, heard in hear_items(items, settings):
            # what is done is also reported: Ctrl-C waits for both
            with genretagger.uninterrupted():
                finished = finish(item, settings, journal)
                if finished is not None and (finished.state == FAILED or heard is None):
                    yield finished
                else:
                    yield tag_one(item, heard, settings, journal)


def _last_journal() -> Path:
    """Find the last run that is no undo, so that an undo that was broken off goes on."""
    for path in reversed(genretagger.list_journals()):
        head, _ = genretagger.read_journal(path)
        if head.kind == "run" and head.program == "beets":
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


def _cpu_count() -> int:
    import joblib  # noqa: PLC0415 - 0.1 s

    return int(joblib.cpu_count())
