"""Genres heard in the audio itself, for beets: ``beet genrecnn``, and at import.

Where nothing is to be heard, as in ``beet ls``, this module costs a millisecond: what
needs numpy is imported by `genretagger` when it is first used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import beets
import confuse
from beets import ui
from beets.dbcore import types
from beets.importer import Action
from beets.library import FileOperationError
from beets.plugins import BeetsPlugin
from beets.util import displayable_path

import genretagger

if TYPE_CHECKING:
    from optparse import Values

    from beets.importer import ImportSession, ImportTask
    from beets.library import Album, Item, Library

DEFAULTS: dict[str, Any] = {
    "auto": True,
    "pretend": False,
    "force": False,
    "write": None,
    "threshold": None,
    "max_genres": 2,
    "jobs": 0,
    "bundle": None,
}
"""The configuration, as docs/beets.md explains it."""

FIELDS: dict[str, str] = {
    genre: f"genrecnn_{genre.lower().replace(' ', '_')}" for genre in genretagger.GENRES
}
"""The flexible field that holds each genre's probability."""

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
        add("--bundle", metavar="DIR", help="the model to use (default: the one shipped)")
        command.func = self._command
        return [command]

    # the command

    def _command(self, lib: Library, opts: Values, args: list[str]) -> None:
        self.config.set_args(vars(opts))
        settings = self._settings()
        items = list(lib.items(args))
        tally = _Tally()
        new: dict[int, list[str]] = {}
        stopped: BaseException | None = None
        try:
            for outcome in self._tag(items, settings):
                tally.add(outcome)
                new[outcome.of.id] = outcome.new
                ui.print_(str(outcome))
        except (KeyboardInterrupt, ui.UserError) as why:
            stopped = why
        album_ids = dict.fromkeys(i.album_id for i in items if i.album_id and i.id in new)
        for album in filter(None, map(lib.get_album, album_ids)):
            if on_album := _tag_album(album, new, settings):
                tally.albums[on_album.state] += 1
                ui.print_(f"album {on_album}")
        if stopped is not None:
            ui.print_(f"stopped: {len(items) - len(new)} tracks are left as they were")
        ui.print_("\n".join(tally.lines(settings.pretend)))
        if stopped is not None:
            raise stopped

    # at import

    def _begin_import(self) -> None:
        """Refuse what cannot work before anything is imported."""
        # one task is heard while the next is matched; more processes would get in the way
        self._at_import = replace(self._settings(), jobs=1)
        self._tally = _Tally()
        self._unwritten: set[int] = set()
        self._unwritable: list[_Outcome] = []  # filled by another thread than the tally

    def _import_task(self, _: ImportSession, task: ImportTask) -> None:
        # the items' files are the originals until beets has copied them: not to be written
        settings = replace(self._at_import, write=False)
        new: dict[int, list[str]] = {}
        for outcome in self._tag(task.imported_items(), settings):
            self._tally.add(outcome)
            new[outcome.of.id] = outcome.new
            if outcome.state == CHANGED and not settings.pretend:
                self._unwritten.add(outcome.of.id)
            say = self._log.warning if outcome.state == FAILED else self._log.info
            say("{}", outcome)
        if task.is_album and (on_album := _tag_album(task.album, new, settings)):
            self._tally.albums[on_album.state] += 1
            self._log.info("album {}", on_album)

    def _write_imported(self, session: ImportSession, task: ImportTask) -> None:
        """Write what beets itself does not: as-is imports, or all with ``import.write: no``."""
        applied = task.apply or task.choice_flag is Action.RETAG  # RETAG: edited by hand
        written = applied and session.config["write"].get(bool)
        for item in task.imported_items():
            if item.id not in self._unwritten:
                continue
            self._unwritten.remove(item.id)
            if written or not self._at_import.write:
                continue
            try:
                with genretagger.uninterrupted():
                    item.write()
                    item.store()
            except FileOperationError as error:
                reason = f"the library has the genres, the file has not: {error.reason}"
                outcome = _Outcome(item, FAILED, [], [], reason)
                self._unwritable.append(outcome)
                self._log.warning("{}", outcome)

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
        path = self.config["bundle"].get(confuse.Optional(confuse.Filename()))
        try:
            bundle = genretagger.read_bundle(Path(path) if path else genretagger.DEFAULT_BUNDLE)
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

    def _tag(self, items: Sequence[Item], settings: _Settings) -> Iterator[_Outcome]:
        """Hear and decide on tracks; change each before the next, unless it is to pretend."""
        for item, heard in _hear(items, settings):
            # what is done is also reported: Ctrl-C waits for both
            with genretagger.uninterrupted():
                outcome = _decide(item, heard, settings)
                if not settings.pretend and isinstance(heard, genretagger.Prediction):
                    try:
                        _apply(outcome, heard, settings)
                    except FileOperationError as error:
                        item.load()
                        reason = f"cannot be written: {error.reason}"
                        outcome = replace(outcome, state=FAILED, new=outcome.old, reason=reason)
                yield outcome


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
        return _Outcome(item, UNDECIDED, old, old, reason)
    new = list(genretagger.in_order(decision.genres))
    if sorted(new) == sorted(old):
        return _Outcome(item, KEPT, old, old, f"{decision.reason} | kept: already there")
    return _Outcome(item, CHANGED, old, new, decision.reason)


def _apply(outcome: _Outcome, heard: genretagger.Prediction, settings: _Settings) -> None:
    item = outcome.of
    # of another model, which may have heard something where this one hears nothing
    for name in set(FIELDS.values()) & set(item.keys(with_album=False)):
        del item[name]
    for name, probability in zip(FIELDS.values(), heard.probabilities or (), strict=False):
        item[name] = probability
    item["genrecnn_reason"] = outcome.reason
    item["genrecnn_bundle"] = settings.bundle.bundle_id
    if outcome.state == CHANGED:
        item.genres = outcome.new
        if settings.write:
            item.write()  # first, so that a run broken off here would do it again
    item.store()


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


def _shown(genres: list[str]) -> str:
    return "; ".join(genres) or "(none)"


def _cpu_count() -> int:
    import joblib  # noqa: PLC0415 - 0.1 s

    return int(joblib.cpu_count())
