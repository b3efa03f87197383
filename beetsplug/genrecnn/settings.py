"""The configuration, and what a run makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import confuse
from beets import ui

import genretagger

DEFAULTS: dict[str, Any] = {
    "auto": True,
    "pretend": False,
    "force": False,
    "write": None,
    "write_links": False,
    "threshold": None,
    "max_genres": 2,
    "by": "track",
    "junk": ",".join(genretagger.JUNK),
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
    force : bool
        Replace the genres that tracks and albums have.
    pretend : bool
        Change neither library nor files.
    write : bool
        Write files, too.
    write_links : bool
        Also those that have other names: symbolic and hard links.
    by : {"track", "album", "artist"}
        What gets one decision.
    junk : tuple of str
        Names that say nothing: a genre of such a name counts as none.
    jobs : int
        Worker processes; 0: one for each core.
    """

    bundle: genretagger.Bundle
    policy: genretagger.DecisionPolicy
    force: bool
    pretend: bool
    write: bool
    write_links: bool
    by: Literal["track", "album", "artist"]
    junk: tuple[str, ...]
    jobs: int

    def telling(self, genres: Iterable[str]) -> list[str]:
        """Leave out genres that say nothing."""
        return [genre for genre in genres if not genretagger.says_nothing(genre, self.junk)]

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
    threshold = config["threshold"].get(confuse.Optional(confuse.Number()))
    max_genres = config["max_genres"].get(int)
    jobs = config["jobs"].get(int)
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        raise confuse.ConfigValueError(f"genrecnn.threshold: {threshold} is not within 0 to 1")
    if max_genres < 1:
        raise confuse.ConfigValueError(f"genrecnn.max_genres: {max_genres} is less than 1")
    if jobs < 0:
        raise confuse.ConfigValueError(f"genrecnn.jobs: {jobs} is less than 0")
    bundle = _read_bundle(config["bundle"])
    thresholds = bundle.thresholds
    if threshold is not None:
        thresholds = (float(threshold),) * len(thresholds)
    return Settings(
        bundle=bundle,
        policy=genretagger.DecisionPolicy(thresholds, max_genres, vocabulary=bundle.vocabulary),
        force=config["force"].get(bool),
        pretend=config["pretend"].get(bool),
        write=ui.should_write(config["write"].get(confuse.Optional(bool))),
        write_links=config["write_links"].get(bool),
        by=config["by"].as_choice(("track", "album", "artist")),
        junk=_names(config["junk"]),
        jobs=jobs,
    )


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
