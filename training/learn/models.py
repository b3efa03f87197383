"""The folder of a trained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genretagger.errors import FatalError
from training.config import Config, fingerprint

FINAL = "final"
"""The name of the model that learns from all folds, and ships."""

WEIGHTS = "model.weights.h5"
"""What a finished training leaves in its folder, beside ``log.jsonl``."""

DESCRIPTION = "model.json"
"""What a model was trained with; written first."""


def check(config: Config, folder: Path, shards_sha256: str) -> dict[str, Any]:
    """Read a model's description and check that it belongs to a configuration and to shards.

    Parameters
    ----------
    config : Config
    folder : pathlib.Path
    shards_sha256 : str
        The fingerprint of the shards, and so of their manifest.

    Returns
    -------
    dict
        ``n_sounds``, ``n_tags``: sizes of its training heads; ``n_clips``.

    Raises
    ------
    FatalError
        If there is none, or it was trained with other settings.
    """
    try:
        meta = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{folder} holds no model: run the stage `train` first") from error
    for key, now, what in (
        ("config", fingerprint(config), "with another configuration"),
        ("shards", shards_sha256, "on other shards"),
    ):
        if meta.get(key) != now:
            raise FatalError(f"{folder} was trained {what}: remove it, or use another --run")
    return dict(meta)
