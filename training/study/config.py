"""The configuration of the grid: ``configs/study.toml``, read strictly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from genretagger.errors import FatalError
from training import config as configuration
from training.settings import Amount, Count, Inside, Positive, Range, Seed, Share
from training.study.grid import VARIANTS, GridConfig

DEFAULT = configuration.DEFAULT.with_name("study.toml")

_WITHOUT_COPIES = tuple(variant.id for variant in VARIANTS if not variant.augmented)


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

    @property
    def n_rotations(self) -> int:
        """How often other folds can be the test before all have been."""
        return self.n_folds // len(self.test)

    def rotated(self, n: int) -> SplitConfig:
        """Move test and validation on by n tests: with 10 folds and [0, 1], to [2, 3] and so on."""
        by = n * len(self.test)
        test, validation = (
            tuple((fold + by) % self.n_folds for fold in folds)
            for folds in (self.test, self.validation)
        )
        return replace(self, test=test, validation=validation)


@dataclass(frozen=True)
class PlanConfig:
    """Which trainings there are; see `training.study.plan`."""

    decisive: tuple[str, ...]
    n_seeds: Count

    def __post_init__(self) -> None:
        """Refuse what is no variant, and one with copies: its pair is named without."""
        wrong = [name for name in self.decisive if name not in _WITHOUT_COPIES]
        if wrong:
            there = ", ".join(_WITHOUT_COPIES)
            raise TypeError(f"decisive has {', '.join(wrong)}, but there are {there}")


@dataclass(frozen=True)
class TrainConfig:
    """How a variant is fitted."""

    seed: Seed
    patience: Count
    most_passes: Count
    most_validated: Count
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

    seed: Seed
    least_positives: Count
    least_tuned: Count
    n_resamples: Count
    interval: Inside


@dataclass(frozen=True)
class StudyConfig:
    """All of ``configs/study.toml``."""

    features: GridConfig
    split: SplitConfig
    plan: PlanConfig
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
        "plan": PlanConfig,
        "train": TrainConfig,
        "evaluate": EvaluateConfig,
    }
    table = configuration.read_toml(path, "config")
    parts = configuration.sections(path, table, kinds)
    if table:
        raise FatalError(f"config {path}: unknown setting {', '.join(sorted(table))}")
    return StudyConfig(**parts)
