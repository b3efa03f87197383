"""The configuration of the grid: ``configs/study.toml``, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from genretagger.errors import FatalError
from training import config as configuration
from training.settings import Amount, Count, Inside, Positive, Range, Share
from training.study.grid import GridConfig

DEFAULT = configuration.DEFAULT.with_name("study.toml")


@dataclass(frozen=True)
class SplitConfig:
    """Which folds by artist are for what; the other protocols take the same shares."""

    n_folds: Annotated[int, Range(3)]
    test: tuple[Amount, ...]
    validation: tuple[Amount, ...]
    large_sets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse folds that are not there, have two purposes, or leave none to learn from."""
        held_out = (*self.test, *self.validation)
        if not self.test or not self.validation or len(set(held_out)) < len(held_out):
            raise TypeError("test and validation each need a fold, and none twice")
        if max(held_out) >= self.n_folds or len(held_out) >= self.n_folds:
            raise TypeError("test and validation are of the folds 0 to n_folds - 1, but not all")


@dataclass(frozen=True)
class TrainConfig:
    """How a variant is fitted."""

    seed: Amount
    passes: Count
    measure_every: Count
    batch_size: Count
    learning_rate: Positive
    pooling: Literal["flatten", "global"]
    positive_power: Share
    mixup_share: Share
    mixup_alpha: Positive
    n_masks: Amount
    mask_frames: Share
    mask_rows: Share


@dataclass(frozen=True)
class EvaluateConfig:
    """How it is measured."""

    seed: Amount
    least_positives: Count
    least_tuned: Count
    n_resamples: Count
    interval: Inside


@dataclass(frozen=True)
class StudyConfig:
    """All of ``configs/study.toml``."""

    features: GridConfig
    split: SplitConfig
    train: TrainConfig
    evaluate: EvaluateConfig


def load(path: Path) -> StudyConfig:
    """Read a configuration of the grid.

    Raises
    ------
    FatalError
        If it cannot be read, or a setting is missing, unknown or out of its range.
    """
    kinds = {
        "features": GridConfig,
        "split": SplitConfig,
        "train": TrainConfig,
        "evaluate": EvaluateConfig,
    }
    table = configuration.read_toml(path, "config")
    parts = configuration.sections(path, table, kinds)
    if table:
        raise FatalError(f"config {path}: unknown setting {', '.join(sorted(table))}")
    return StudyConfig(**parts)
