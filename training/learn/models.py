"""The description of a trained model, so that stale models are refused."""

from __future__ import annotations

import json
from typing import Any

from genretagger.errors import FatalError
from training.config import AnyConfig, fingerprint
from training.folders import ModelFolder


def describe(
    folder: ModelFolder,
    config: AnyConfig,
    shards_sha256: str,
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
    shards_sha256 : str
        The fingerprint of the shards, and so of their manifest.
    n_clips : int
        That it learns from.
    n_sounds, n_tags : int
        Sizes of its heads for the teachers, which are for training alone.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    about = {
        "n_sounds": n_sounds,
        "n_tags": n_tags,
        "n_clips": n_clips,
        "config": fingerprint(config),
        "shards": shards_sha256,
        "large_sets": config.split.large_sets,
    }
    folder.description.write_text(json.dumps(about) + "\n", encoding="utf-8")


def check(config: AnyConfig, folder: ModelFolder, shards_sha256: str) -> dict[str, Any]:
    """Read a model's description and check that it belongs to a configuration and to shards.

    Parameters
    ----------
    config : Config
    folder : ModelFolder
    shards_sha256 : str
        The fingerprint of the shards.

    Returns
    -------
    dict
        What `describe` wrote.

    Raises
    ------
    FatalError
        If there is none, or it was trained with other settings.
    """
    try:
        about = json.loads(folder.description.read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{folder.path} holds no model: run the stage `train` first") from error
    about.setdefault("large_sets", list(config.split.large_sets))  # once no setting
    for key, now, what in (
        ("config", fingerprint(config), "with another configuration"),
        ("large_sets", list(config.split.large_sets), "with another configuration"),
        ("shards", shards_sha256, "on other shards"),
    ):
        if about.get(key) != now:
            raise FatalError(f"{folder.path} was trained {what}: remove it, or use another --run")
    return dict(about)


def is_trained(config: AnyConfig, folder: ModelFolder, shards_sha256: str) -> bool:
    """Tell whether a model is finished; refuse one of another configuration, as `check` does."""
    if folder.description.exists():
        check(config, folder, shards_sha256)
    return folder.weights.exists()
