"""The files of a run, and what more than one stage does with them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genretagger.errors import FatalError
from training import config as configuration
from training import files
from training.arrays import Bools
from training.config import Config
from training.data import split
from training.data.clips import Clip, read_clips
from training.features import shards
from training.learn import models


class Run:
    """The files of a run, and what more than one stage does with them."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.folder: Path = args.run
        self.config: Config = configuration.load(args.config)
        self.manifest = self.folder / "manifest.jsonl"
        self.shards = self.folder / "shards"
        self.metrics = self.folder / "metrics.json"

    def clips(self) -> list[Clip]:
        """Read the manifest."""
        clips = read_clips(self.manifest)
        if [clip.split for clip in clips] != split.named(clips, self.config.split):
            raise FatalError(
                f"{self.manifest} is split otherwise than the configuration says: run the stage "
                "`manifest` again"
            )
        return clips

    def manifest_sha256(self) -> str:
        """Hash the manifest."""
        return files.sha256(self.manifest)

    def open_shards(self) -> shards.Shards:
        """Open the shards."""
        return shards.read(
            self.shards, self.config.features, manifest_sha256=self.manifest_sha256()
        )

    def folds(self, clips: Sequence[Clip]) -> dict[str, int]:
        """Assign artist groups to folds."""
        return split.assign(clips, self.config.split.n_folds, self.config.split.seed)

    def models(self) -> list[str]:
        """Name the models: one for each fold and the final one, or the final one alone."""
        if self.config.split.is_holdout:
            return [models.FINAL]
        return [*(str(k) for k in range(self.config.split.n_folds)), models.FINAL]

    def measured(self) -> list[str]:
        """Name the models that are measured."""
        return self.models() if self.config.split.is_holdout else self.models()[:-1]

    def learns(self, name: str, clips: Sequence[Clip]) -> Bools:
        """Tell which clips a model learns from."""
        splits = np.array([clip.split for clip in clips])
        mine = splits == split.TRAIN if self.config.split.is_holdout else splits != name
        sure = [clip.confidence >= self.config.train.least_confidence for clip in clips]
        return np.asarray(mine & np.array(sure))

    def model(self, name: str) -> Path:
        """Name the folder of a model."""
        return self.folder / "models" / name

    def heads(self, name: str) -> tuple[int, int]:
        """Tell the sizes of a trained model's heads for teachers."""
        meta = models.check(self.config, self.model(name), self.open_shards().sha256)
        if not (self.model(name) / models.WEIGHTS).exists():
            raise FatalError(f"{self.model(name)} is half trained: run the stage `train` again")
        return int(meta["n_sounds"]), int(meta["n_tags"])

    def made_from(self) -> dict[str, str]:
        """Hash what the metrics follow from, so that `export` refuses those of other models."""
        return {
            "manifest": self.manifest_sha256(),
            "evaluate": configuration.sha256(self.config.evaluate),
            **{name: files.sha256(self.model(name) / models.WEIGHTS) for name in self.measured()},
        }
