"""A run: one configuration and one folder, and the checks that its stages share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.errors import FatalError
from training import config as configuration
from training import files
from training.data import split, trials
from training.data.clips import Clip, read_clips
from training.data.trials import Trial
from training.features import shards
from training.folders import RunFolder
from training.learn import models
from training.learn.recipes import recipe
from training.networks import start_tensorflow

DATA = "GENRETAGGER_DATA"
"""The environment variable that may name the data folder."""


def add_arguments(parser: argparse.ArgumentParser, *, data: bool = False) -> None:
    """Add the options that name a run.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    data : bool
        Also the one that names the folder of the audio.
    """
    parser.add_argument("--config", type=Path, default=configuration.DEFAULT, metavar="TOML")
    parser.add_argument("--run", type=Path, default=Path("runs/default"), metavar="FOLDER")
    parser.add_argument(
        "--jobs", type=_count, default=os.cpu_count() or 1, help="processes or threads"
    )
    if data:
        parser.add_argument(
            "--data",
            type=Path,
            default=os.environ.get(DATA, "."),
            metavar="FOLDER",
            help=f"what the manifest's paths are relative to; or set {DATA}; default: here",
        )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of 1 or more")
    return int(text)


class Run:
    """One run: its configuration, folder and recipe.

    Parameters
    ----------
    args : argparse.Namespace
        With the options of `add_arguments`.

    Attributes
    ----------
    folder : RunFolder
    config : Config
    recipe : Recipe
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.folder = RunFolder(args.run)
        self.config = configuration.load(args.config)
        self.recipe = recipe(self.config)

    def clips(self) -> list[Clip]:
        """Read the manifest.

        Raises
        ------
        FatalError
            If it is split otherwise than the configuration says.
        """
        clips = read_clips(self.folder.manifest)
        if [clip.split for clip in clips] != split.named(clips, self.config.split):
            raise FatalError(
                f"{self.folder.manifest} is split otherwise than the configuration says: run the "
                "stage `manifest` again"
            )
        return clips

    def check_split(self, clips: Sequence[Clip]) -> None:
        """Refuse a split by which nothing can be learned or measured; see `split.check`.

        Raises
        ------
        FatalError
            Also if a set that is held out leaves no clip with a genre to learn from.
        """
        least = self.config.model.train.least_confidence
        split.check([clip for clip in clips if clip.confidence >= least])
        for trial in self.trials(clips):
            if not any(clips[i].genres for i in np.flatnonzero(trial.learns).tolist()):
                raise FatalError(
                    f"the model {trial.name} has no clip with a genre to learn from: all of them "
                    "are in its set, or by artists of its set; change [unseen]"
                )

    def manifest_sha256(self) -> str:
        """Hash the manifest."""
        return files.sha256(self.folder.manifest)

    def open_shards(self) -> shards.Shards:
        """Open the shards; refuse those of another manifest or with other features."""
        return shards.read(
            self.folder.shards, self.config.features, manifest_sha256=self.manifest_sha256()
        )

    def folds(self, clips: Sequence[Clip]) -> dict[str, int]:
        """Assign artist groups to folds."""
        config = self.config.split
        return split.assign(clips, config.n_folds, config.seed, config.large_sets)

    def trials(self, clips: Sequence[Clip]) -> list[Trial]:
        """Lay out the run's models; none learns from a label that is a guess."""
        laid_out = trials.trials(clips, self.config.split, self.config.unseen)
        least = self.config.model.train.least_confidence
        sure = np.array([clip.confidence >= least for clip in clips])
        return [replace(trial, learns=trial.learns & sure) for trial in laid_out]

    def trial(self, name: str, clips: Sequence[Clip]) -> Trial:
        """Find a model by its name."""
        (trial,) = (trial for trial in self.trials(clips) if trial.name == name)
        return trial

    def teachers(self, trial: Trial, clips: Sequence[Clip]) -> tuple[int, int]:
        """Look up the sizes of a trained model's heads for its teachers.

        Raises
        ------
        FatalError
            If it is not trained, or with another configuration or on other clips.
        """
        folder = self.folder.model(trial.name)
        learned = models.stamp(clips[i] for i in np.flatnonzero(trial.learns).tolist())
        about = models.check(self.config, folder, learned)
        if not folder.weights.exists():
            raise FatalError(f"{folder.path} is half trained: run the stage `train` again")
        return int(about["n_sounds"]), int(about["n_tags"])

    def load_model(self, trial: Trial, clips: Sequence[Clip]) -> Any:
        """Build a trained model for inference."""
        start_tensorflow()
        weights = self.folder.model(trial.name).weights
        return self.recipe.load(weights, self.teachers(trial, clips))

    def made_from(self) -> dict[str, str]:
        """Hash the origin of the metrics, so that `export` refuses those of other models."""
        names = [trial.name for trial in self.trials(self.clips()) if trial.measured.any()]
        weights = {name: self.folder.model(name).weights for name in names}
        config = self.config
        return {
            "manifest": self.manifest_sha256(),
            "evaluate": configuration.sha256(config.evaluate),
            "subsets": configuration.digest({k: asdict(v) for k, v in config.subsets.items()}),
            "unseen": configuration.digest({k: asdict(v) for k, v in config.unseen.items()}),
            **{name: files.sha256(path) for name, path in weights.items()},
        }
