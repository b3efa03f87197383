"""The description of a trained model, so that none is used for what it did not learn from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from genretagger.errors import FatalError
from training.config import AnyConfig, digest, fingerprint
from training.data.clips import Clip
from training.files import write_text
from training.folders import ModelFolder


def stamp(clips: Iterable[Clip]) -> str:
    """Hash what a model learns from its clips, in hex: their sound, labels, artists and sources.

    Whatever changes which clips a model learns from (folds, sets that are held out, labels)
    changes this; what happens to clips that it does not learn from does not, nor does an order.

    Examples
    --------
    >>> clips = [Clip(f"t{i}", "a", "mine", "", ("Pop",), 3, 30.0) for i in range(3)]
    >>> stamp(clips) == stamp(clips[::-1]), stamp(clips) == stamp(clips[:2])
    (True, False)
    """
    return digest(sorted([c.track_id, c.sha256, c.artist_id, c.source, c.genres] for c in clips))


@dataclass(frozen=True)
class LearnedFrom:
    """What a model learns from.

    Attributes
    ----------
    clips : str
        Their `stamp`.
    besides : str
        The hash of what it learns from beside clips and labels: teachers, an embedder, negatives.
    """

    clips: str
    besides: str


def describe(
    folder: ModelFolder,
    config: AnyConfig,
    learned_from: LearnedFrom,
    *,
    n_clips: int,
    n_sounds: int = 0,
    n_tags: int = 0,
) -> None:
    """Write the settings and data that a model is about to be trained with.

    Parameters
    ----------
    folder : ModelFolder
        Made if it is not there.
    config : Config
    learned_from : LearnedFrom
    n_clips : int
        That it learns from.
    n_sounds, n_tags : int
        Sizes of its heads for the teachers, which are for training alone.
    """
    about = {
        "n_sounds": n_sounds,
        "n_tags": n_tags,
        "n_clips": n_clips,
        "config": fingerprint(config),
        "clips": learned_from.clips,
        "besides": learned_from.besides,
    }
    write_text(folder.description, json.dumps(about) + "\n")


def _read(config: AnyConfig, folder: ModelFolder) -> dict[str, Any]:
    """Read a description; refuse one of another configuration."""
    try:
        about: dict[str, Any] = json.loads(folder.description.read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{folder.path} holds no model: run the stage `train` first") from error
    if about.get("config") != fingerprint(config):
        raise FatalError(
            f"{folder.path} was trained with another configuration, or by an older version: "
            "remove it, or use another --run"
        )
    return about


def check(config: AnyConfig, folder: ModelFolder, clips: str) -> dict[str, Any]:
    """Read a model's description; refuse a model that learned from other clips.

    Parameters
    ----------
    config : Config
    folder : ModelFolder
    clips : str
        The `stamp` of those that it has to have learned from.

    Returns
    -------
    dict
        What `describe` wrote.

    Raises
    ------
    FatalError
        If there is none, or it was trained with other settings or on other clips.
    """
    about = _read(config, folder)
    if about.get("clips") != clips:
        raise FatalError(
            f"{folder.path} learned from other clips than the manifest and the configuration "
            "now say: run the stage `train` again"
        )
    return about


def is_trained(
    config: AnyConfig, folder: ModelFolder, learned_from: LearnedFrom, say: Callable[[str], None]
) -> bool:
    """Tell whether a model is finished; remove one, whole or begun, that learned from other data.

    Raises
    ------
    FatalError
        If it is one of another configuration.
    """
    if folder.description.exists():
        about = _read(config, folder)
        if LearnedFrom(about.get("clips", ""), about.get("besides", "")) == learned_from:
            return folder.weights.exists()
        say(f"{folder.path.name}: what it learned from has changed; it is trained anew")
    if folder.path.exists():  # without a description: what is left of a removal that was killed
        shutil.rmtree(folder.path)
    return False
