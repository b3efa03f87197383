"""Genres heard in the audio itself, for beets: ``beet genrecnn``, and at import.

Where nothing is to be heard, as in ``beet ls``, this loads nothing heavy: what needs numpy
is imported by `genretagger` when it is first used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from beets import plugins, ui
from beets.dbcore import types
from beets.importer import Action
from beets.library import Album, FileOperationError, Item
from beets.plugins import BeetsPlugin

import genretagger
from beetsplug.genrecnn.albums import remember_album, tag_album, tag_albums
from beetsplug.genrecnn.auditing import audit_items
from beetsplug.genrecnn.id3v23 import Id3v23
from beetsplug.genrecnn.outcomes import Outcome, Tally, named, own_genres
from beetsplug.genrecnn.page import report_page
from beetsplug.genrecnn.progress import shown_progress
from beetsplug.genrecnn.runs import (
    IMPORT,
    RUN,
    UNDO,
    last_run,
    library_folder,
    named_run,
    only_writer,
    recover,
    undo,
)
from beetsplug.genrecnn.settings import DEFAULTS, Settings, genres_of_bundle, read_settings
from beetsplug.genrecnn.tracks import (
    STAYS,
    UNWRITTEN,
    cause_of,
    fields_of,
    may_write_file,
    tag_items,
    write_item,
)
from genretagger import State

if TYPE_CHECKING:
    from optparse import Values

    from beets.importer import ImportSession, ImportTask
    from beets.library import LibModel, Library


# beets loads the last plugin class of a module: this one
class GenreCnnPlugin(BeetsPlugin):
    """Sets ``genres`` from what a neural network hears."""

    @property
    def item_types(self) -> dict[str, types.Type]:
        """The fields of the model that the configuration names."""
        probability = types.Float(4)
        return {
            **dict.fromkeys(fields_of(genres_of_bundle(self.config["bundle"])), probability),
            "genrecnn_reason": types.STRING,
            "genrecnn_bundle": types.STRING,
            UNWRITTEN: types.STRING,
        }

    def __init__(self) -> None:
        super().__init__()
        self.config.add(DEFAULTS)
        Id3v23()
        if self.config["auto"].get(bool):
            self.early_import_stages = [self._look_before_others]
            self.import_stages = [self._import_task]
            self.register_listener("import_begin", self._begin_import)
            self.register_listener("import_task_files", self._write_imported)
            self.register_listener("import", self._end_import)

    def commands(self) -> list[ui.Subcommand]:
        """Give ``beet genrecnn``."""
        command = ui.Subcommand("genrecnn", help="set genres from what is heard in the audio")
        add = command.parser.add_option
        command.parser.add_album_option()
        add("-p", "--pretend", action="store_true", help="show what would change; change nothing")
        add(
            "--existing",
            metavar="WHAT",
            help="where there is a genre: 'skip' (the default), 'replace', 'append' or 'prepend'",
        )
        add(
            *("-f", "--force"),
            action="store_const",
            const="replace",
            dest="existing",
            help="replace genres that are there: --existing replace",
        )
        add(
            *("-F", "--no-force"),
            action="store_const",
            const="skip",
            dest="existing",
            help="keep them: --existing skip",
        )
        add("-w", "--write", action="store_true", help="write the files' tags, too")
        add("-W", "--nowrite", action="store_false", dest="write", help="change the library only")
        add("--write-links", action="store_true", help="also files with other names: links")
        add(
            *("-t", "--threshold"),
            type="float",
            metavar="P",
            help="one threshold for all genres, 0 to 1 (default: the model's own for each)",
        )
        add("--max-genres", type="int", metavar="N", help="at most so many for a track")
        add("--always", action="store_true", help="take the best genre even below its threshold")
        add("--only", metavar="GENRES", help="decide among these alone")
        add("--exclude", metavar="GENRES", help="never decide for these")
        add("--by", metavar="WHAT", help="one decision for each 'track', 'album' or 'artist'")
        add("--protect", metavar="GENRES", help="leave alone what has one of these")
        add(
            "--protect-if",
            action="append",
            metavar="CONDITION",
            help="the same for 'genre matches REGEX' or 'comment matches REGEX'",
        )
        add("--junk", metavar="NAMES", help="names that say nothing, and count as no genre")
        add("--map", metavar="FILE", help="set genres under other names: 'Hip Hop = Rap'")
        add("-j", "--jobs", type="int", metavar="N", help="processes; 0: one for each core")
        add("--bundle", metavar="MODEL", help="'default', 'accurate' (slower), or a folder")
        add(
            "--undo",
            action="store_true",
            help="take back the last run that wrote files and is in force, or the one that is "
            "named: by its number in 'genretagger history', or its journal's path",
        )
        add(
            "--audit",
            action="store_true",
            help="say which genres of the library deserve a look; change nothing",
        )
        add("--mapping", metavar="FILE", help="for --audit: what names mean: 'Lied = Classical'")
        add("--report", metavar="FILE.html", help="also write a page for the browser")
        command.func = self._command
        return [command]

    # the command

    def _command(self, lib: Library, opts: Values, args: list[str]) -> None:
        own = ("undo", "audit", "report", "album")
        self.config.set_args({k: v for k, v in vars(opts).items() if k not in own})
        try:
            if opts.undo:
                if len(args) > 1 or opts.album or opts.audit:
                    raise ui.UserError("--undo takes back a whole run: name one, or none")
                path = named_run(args[0]) if args else last_run()
                undo(lib, path, pretend=self.config["pretend"].get(bool))
            else:
                self._run(lib, opts, args)
        except genretagger.FatalError as error:
            raise ui.UserError(str(error)) from error

    def _run(self, lib: Library, opts: Values, args: list[str]) -> None:
        settings = read_settings(self.config)
        report = Path(opts.report).expanduser() if opts.report else None
        flags = [f"--{name}" for name in ("audit", "album") if getattr(opts, name)]
        command = " ".join([RUN, *flags, *args])
        if opts.audit:
            audit_items(_found(lib, opts, args), settings, command, report)
            return
        writes = settings.write and not settings.pretend
        with only_writer(command) if writes else contextlib.nullcontext():
            if writes:
                recover()
            with report_page(report, command, settings) as report_track:
                _tag(_found(lib, opts, args), lib, settings, command, report_track)

    # at import

    def _begin_import(self, session: ImportSession, **_: object) -> None:
        """Refuse what cannot work before anything is imported."""
        # one task is heard while the next is matched; more processes would get in the way
        self._at_import = replace(read_settings(self.config), jobs=1)
        if self._comes_before_lastgenre():
            raise ui.UserError(
                "name genrecnn after lastgenre in 'plugins:', or genres are lost; whose genre "
                "counts is said by 'genrecnn: prefer:'"
            )
        self._before: dict[tuple[type[LibModel], int | None], list[str]] = {}
        self._tally = Tally()
        self._journal = genretagger.Journal(
            IMPORT, program="beets", roots=[library_folder(session.lib)]
        )
        self._albums: dict[int | None, Outcome[Album]] = {}
        self._unwritable: list[Outcome[Item]] = []  # filled by another thread than the tally

    def _comes_before_lastgenre(self) -> bool:
        stages = {plugin.name: plugin.import_stages for plugin in plugins.find_plugins()}
        names = list(stages)
        asks = bool(stages.get("lastgenre"))
        return asks and names.index(self.name) < names.index("lastgenre")

    def _look_before_others(self, _: ImportSession, task: ImportTask) -> None:
        """Note which genres are there before lastgenre gives others, or takes them away."""
        for item in task.imported_items():
            self._before[Item, item.id] = own_genres(item)
        if task.is_album:
            self._before[Album, task.album.id] = own_genres(task.album)

    def _had_genre(self, model: Item | Album) -> bool:
        """Tell whether a track or album had a genre before lastgenre; give it back if it counts.

        lastgenre empties the tracks of an album of which Last.fm knows nothing.
        """
        now, settings = own_genres(model), self._at_import
        before = self._before.pop((type(model), model.id), now)
        if not settings.is_telling(before):
            return False
        is_last_fm_preferred = settings.prefer == "lastgenre" and settings.is_telling(now)
        if not is_last_fm_preferred and now != before:
            model.genres = before
            if isinstance(model, Album) and not settings.pretend:
                model.store(inherit=False)
            elif not settings.pretend:
                model.store()
        return True

    def _import_task(self, session: ImportSession, task: ImportTask) -> None:
        # the items' files are the originals until beets has copied them: not to be written yet
        writes = self._at_import.write and not _is_beets_to_write(session, task)
        settings = replace(self._at_import, write=writes)
        items = task.imported_items()
        bare = frozenset([item.id for item in items if not self._had_genre(item)])
        giving_way = bare if settings.prefer == "genrecnn" else frozenset()
        genres: dict[int | None, list[str]] = {}
        for outcome in tag_items(items, replace(settings, giving_way=giving_way), None):
            self._tally.add(outcome)
            genres[outcome.model.id] = outcome.new
            say = self._log.warning if outcome.state is State.FAILED else self._log.info
            say("{}", outcome)
        if not task.is_album:
            return
        if not self._had_genre(task.album) and settings.prefer == "genrecnn":
            settings = replace(settings, tags=replace(settings.tags, existing="replace"))
        if on_album := tag_album(task.album, genres, settings):
            self._tally.add(on_album)
            self._albums[task.album.id] = on_album
            self._log.info("album {}", on_album)

    def _write_imported(self, session: ImportSession, task: ImportTask) -> None:
        """Write what beets itself does not: as-is imports, or all with ``import.write: no``."""
        if not self._at_import.write or _is_beets_to_write(session, task):
            return
        for item in task.imported_items():
            if UNWRITTEN not in item:
                continue
            if not may_write_file(item, self._at_import):
                self._log.info("{}: {}", named(item), STAYS)
                continue
            try:
                with only_writer(IMPORT):
                    write_item(item, self._journal)
            except (FileOperationError, genretagger.GenreTaggerError) as error:
                reason = f"the library has the genres, the file has not: {cause_of(error)}"
                outcome = Outcome(item, State.FAILED, [], [], (reason,))
                self._unwritable.append(outcome)
                self._log.warning("{}", outcome)
        if task.is_album and (on_album := self._albums.pop(task.album.id, None)):
            remember_album(on_album, self._journal)

    def _end_import(self, **_: object) -> None:
        for outcome in self._unwritable:
            self._tally.tracks[State.CHANGE] -= 1
            self._tally.add(outcome)
        for line in self._tally.lines(self._at_import.words):
            self._log.info("{}", line)


def _found(lib: Library, opts: Values, args: list[str]) -> list[Item]:
    """List the tracks that a query finds, or those of the albums that it finds."""
    if opts.album:
        return [item for album in lib.albums(args) for item in album.items()]
    return list(lib.items(args))


def _tag(
    items: list[Item],
    lib: Library,
    settings: Settings,
    command: str,
    report: Callable[[Outcome[Item]], None],
) -> None:
    """Tag tracks, then the albums that they are on, and say what has become of all.

    Ctrl-C, or a model or journal that fails, leaves out the rest of the tracks and is raised
    at the end: the albums of those that are done are finished, and the run is summed up.
    """
    journal = genretagger.Journal(command, program="beets", roots=[library_folder(lib)])
    tally = Tally()
    done: list[Outcome[Item]] = []
    stopped: BaseException | None = None
    try:
        with shown_progress(len(items)) as say:
            for outcome in tag_items(items, settings, journal):
                tally.add(outcome)
                done.append(outcome)
                say(str(outcome))
                report(outcome)
    except (KeyboardInterrupt, ui.UserError, genretagger.FatalError) as error:
        stopped = error
    for on_album in tag_albums(lib, done, settings):
        tally.add(on_album)
        remember_album(on_album, journal)
        ui.print_(f"album {on_album}")
    if stopped is not None:
        left = genretagger.counted(len(items) - len(done), "track")
        ui.print_(f"stopped: {left} left for the next run")
    ui.print_("\n".join(tally.lines(settings.words)))
    if journal.path is not None:
        ui.print_(f"to take it back: {UNDO}")
        if message := genretagger.journals_warning():
            ui.print_(message)
    if stopped is not None:
        raise stopped


def _is_beets_to_write(session: ImportSession, task: ImportTask) -> bool:
    applied = task.apply or task.choice_flag is Action.RETAG  # RETAG: edited by hand
    return applied and session.config["write"].get(bool)
