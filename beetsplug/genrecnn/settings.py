"""The configuration, and what a run makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args

import confuse
from beets import ui

import genretagger

if TYPE_CHECKING:
    from beets.library import Item

_Existing: TypeAlias = Literal["skip", "replace", "append", "prepend"]
_Parsed = TypeVar("_Parsed")

DEFAULTS: dict[str, Any] = {
    "auto": True,
    "prefer": "lastgenre",
    "pretend": False,
    "existing": None,
    "force": False,
    "write": None,
    "write_links": False,
    "threshold": None,
    "max_genres": 2,
    "always": False,
    "only": [],
    "exclude": [],
    "by": "track",
    "protect": [],
    "protect_if": [],
    "junk": ",".join(genretagger.JUNK),
    "map": None,
    "mapping": None,
    "jobs": 0,
    "bundle": "default",
}
"""The configuration, as docs/beets.md explains it."""


@dataclass(frozen=True)
class Settings:
    """Settings of a run, checked.

    Attributes
    ----------
    bundle : genretagger.Bundle
    policy : genretagger.DecisionPolicy
    tags : genretagger.TagPolicy
        What becomes of the genres that tracks and albums have, and under which names new ones
        are set.
    names : genretagger.Names
        What the names of genres mean, for an audit.
    pretend : bool
        Change neither library nor files.
    write : bool
        Write files, too.
    write_links : bool
        Also those that have other names: symbolic and hard links.
    by : {"track", "album", "artist"}
        What gets one decision.
    prefer : {"lastgenre", "genrecnn"}
        Whose genre an imported track gets where both know one.
    jobs : int
        Worker processes; 0: one for each core.
    giving_way : frozenset of (int or None)
        Ids of tracks whose genres give way to what is heard, whatever `tags` says.
    """

    bundle: genretagger.Bundle
    policy: genretagger.DecisionPolicy
    tags: genretagger.TagPolicy
    names: genretagger.Names
    pretend: bool
    write: bool
    write_links: bool
    by: Literal["track", "album", "artist"]
    prefer: Literal["lastgenre", "genrecnn"]
    jobs: int
    giving_way: frozenset[int | None] = frozenset()

    def is_telling(self, genres: Iterable[str]) -> bool:
        """Tell whether one of some genres says something."""
        return not all(genretagger.says_nothing(genre, self.tags.junk) for genre in genres)

    def tags_policy(self, item: Item) -> genretagger.TagPolicy:
        """Say what becomes of the genres that a track has."""
        return replace(self.tags, existing="replace") if item.id in self.giving_way else self.tags

    @property
    def words(self) -> Mapping[genretagger.State, str]:
        """Words for the states of a track: what would become of it, or what has."""
        return genretagger.PLANNED if self.pretend else genretagger.WRITTEN


def read_settings(config: confuse.ConfigView) -> Settings:
    """Check the plugin's configuration, and read the model that it names.

    Raises
    ------
    confuse.ConfigError
        If a value is out of its range or of another type.
    beets.ui.UserError
        If the model cannot be read.
    """
    jobs = config["jobs"].get(int)
    if jobs < 0:
        raise confuse.ConfigValueError(f"genrecnn.jobs: {jobs} is less than 0")
    bundle = _read_bundle(config["bundle"])
    return Settings(
        bundle=bundle,
        policy=_decision_policy(config, bundle),
        tags=_tag_policy(config, bundle.vocabulary),
        names=_read_file(
            config["mapping"], partial(genretagger.Names, vocabulary=bundle.vocabulary)
        ),
        pretend=config["pretend"].get(bool),
        write=ui.should_write(config["write"].get(confuse.Optional(bool))),
        write_links=config["write_links"].get(bool),
        by=config["by"].as_choice(("track", "album", "artist")),
        prefer=config["prefer"].as_choice(("lastgenre", "genrecnn")),
        jobs=jobs,
    )


def _decision_policy(
    config: confuse.ConfigView, bundle: genretagger.Bundle
) -> genretagger.DecisionPolicy:
    try:
        return genretagger.decision_policy(
            bundle.thresholds,
            threshold=config["threshold"].get(confuse.Optional(confuse.Number())),
            max_genres=config["max_genres"].get(int),
            always=config["always"].get(bool),
            only=_names(config["only"]) or None,
            exclude=_names(config["exclude"]),
            vocabulary=bundle.vocabulary,
        )
    except ValueError as error:
        raise confuse.ConfigValueError(f"genrecnn: {error}") from error


def _tag_policy(
    config: confuse.ConfigView, vocabulary: genretagger.Vocabulary
) -> genretagger.TagPolicy:
    by_force: _Existing = "replace" if config["force"].get(bool) else "skip"
    existing = config["existing"]
    return genretagger.TagPolicy(
        existing=by_force if existing.get() is None else existing.as_choice(get_args(_Existing)),
        style="multi",
        names=_read_file(config["map"], partial(genretagger.read_mapping, vocabulary=vocabulary)),
        protect=_names(config["protect"]),
        protect_if=tuple(map(_condition, config["protect_if"].as_str_seq(split=False))),
        junk=_names(config["junk"]),
        vocabulary=vocabulary,
        holder="library",
    )


def _condition(text: str) -> tuple[str, re.Pattern[str]]:
    try:
        return genretagger.read_condition(text)
    except ValueError as error:
        raise confuse.ConfigValueError(f"genrecnn.protect_if: {error}") from error


def _read_file(config: confuse.ConfigView, parse: Callable[[str], _Parsed]) -> _Parsed:
    """Read the file that the configuration names; without one, what an empty one holds."""
    path = config.get(confuse.Optional(confuse.Filename()))
    try:
        return parse("" if path is None else Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ui.UserError(f"{config.name}: {path}: {error.strerror}") from error
    except ValueError as error:
        raise ui.UserError(f"{config.name}: {path}, {error}") from error


def _names(config: confuse.ConfigView) -> tuple[str, ...]:
    """Read a list of names, or the names in one text with commas between them."""
    value: str | list[object] = config.get(confuse.OneOf([str, list]))
    names = value.split(",") if isinstance(value, str) else map(str, value)
    return tuple(name.strip() for name in names if name.strip())


def genres_of_bundle(config: confuse.ConfigView) -> tuple[str, ...]:
    """List the genres of the model that is configured; those of the shipped ones if it fails.

    Reading another model than those takes a tenth of a second.
    """
    try:
        if config.get(str) in (DEFAULTS["bundle"], "accurate"):
            return genretagger.GENRES
        return _read_bundle(config).vocabulary.genres
    except (confuse.ConfigError, ui.UserError):  # told when it is to hear
        return genretagger.GENRES


def _read_bundle(config: confuse.ConfigView) -> genretagger.Bundle:
    name = config.get(str)
    path = genretagger.locate_bundle(name)
    if path == Path(name):  # none that ships: a folder, seen from the configuration
        path = Path(config.get(confuse.Filename()))
    try:
        return genretagger.read_bundle(path)
    except genretagger.FatalError as error:
        raise ui.UserError(str(error)) from error
