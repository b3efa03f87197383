"""The configuration of the grid: ``configs/study.toml``, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genretagger.errors import FatalError
from training import config as configuration
from training.study.grid import GridConfig

DEFAULT = configuration.DEFAULT.with_name("study.toml")


@dataclass(frozen=True)
class SplitConfig:
    """Which folds by artist are for what; the other protocols take the same shares."""

    n_folds: int
    test: tuple[int, ...]
    validation: tuple[int, ...]
    large_sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainConfig:
    """How a variant is fitted."""

    seed: int
    passes: int
    measure_every: int
    batch_size: int
    learning_rate: float
    pooling: str
    positive_power: float
    mixup_share: float
    mixup_alpha: float
    n_masks: int
    mask_frames: float
    mask_rows: float


@dataclass(frozen=True)
class EvaluateConfig:
    """How it is measured."""

    seed: int
    least_positives: int
    least_tuned: int
    n_resamples: int
    interval: float


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
        If it cannot be read, or a setting is missing or unknown.
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
