"""The configuration of a run: one TOML file, read strictly."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from genretagger.errors import FatalError
from genretagger.features import FeatureConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


DEFAULT = Path(__file__).with_name("configs") / "default.toml"

T = TypeVar("T")


@dataclass(frozen=True)
class SplitConfig:
    """How groups of clips become folds; see `training.data.split`.

    Attributes
    ----------
    n_folds : int
    seed : int
        Breaks ties.
    n_validation, n_test : int
        Folds held out for choosing and for measuring. Both 0: cross-validation, where
        each fold is measured in turn and the final model learns from all.
    """

    n_folds: int
    seed: int
    n_validation: int
    n_test: int

    def __post_init__(self) -> None:
        """Refuse what leaves nothing to learn from, or to choose or measure on."""
        if self.n_folds < 2 or self.n_validation + self.n_test >= self.n_folds:
            raise TypeError("n_folds has to be 2 at least, and more than those held out")
        if (self.n_validation > 0) != (self.n_test > 0):
            raise TypeError("n_validation and n_test have to be both 0, or both more")

    @property
    def is_holdout(self) -> bool:
        """Whether there is one split into train, validation and test."""
        return self.n_test > 0


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of the network; see `training.networks.cnn`."""

    stem: int
    blocks: tuple[tuple[int, int], ...]
    dropout: float
    embedding: int
    pool_frames: int


@dataclass(frozen=True)
class TrainConfig:
    """How the network is fitted; see `training.learn.train`."""

    seed: int
    epochs: int
    batch_size: int
    crop_frames: int
    learning_rate: float
    warmup_epochs: float
    weight_decay: float
    clip_norm: float
    label_smoothing: float
    group_power: float
    set_power: float
    least_confidence: int
    sounds_weight: float
    sounds_components: int
    tags_weight: float
    mixup_share: float
    mixup_alpha: float
    tilt_db: float
    bandlimit_share: float
    pitch_semitones: float
    tempo: float
    n_time_masks: int
    time_mask_frames: int
    n_mel_masks: int
    mel_mask_bands: int


@dataclass(frozen=True)
class HeadConfig:
    """How heads on a published network are fitted; see `training.learn.heads`."""

    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    n_heads: int
    hidden: int
    input_dropout: float
    dropout: float
    mixup_alpha: float
    group_power: float
    set_power: float
    least_confidence: int


@dataclass(frozen=True)
class CorpusConfig:
    """Which free music is collected; see `training.features.corpus`."""

    packages: tuple[str, ...]
    shortest_s: float
    most_segments: int


@dataclass(frozen=True)
class NegativesConfig:
    """What heads are taught to say nothing about; see `training.features.negatives`."""

    packages: tuple[str, ...]
    seed: int
    n_segments: int
    n_noises: int
    share: float


@dataclass(frozen=True)
class CompactConfig:
    """The smaller MusiCNN, and how it learns the large one; see `training.learn.compact`."""

    time_stride: int
    timbral_stride: int
    temporal_stride: int
    rank: int
    seed: int
    n_patches: int
    patches_per_clip: int
    mixed_share: float
    tilt_db: float
    bandlimit_share: float
    pitch_semitones: float
    epochs: int
    clip_epochs: int
    batch_size: int
    learning_rate: float
    warmup_share: float


@dataclass(frozen=True)
class EvaluateConfig:
    """How it is measured; see `training.measure.evaluate`."""

    seed: int
    least_confidence: int
    least_positives: int
    n_resamples: int
    interval: float
    precision: float
    threshold_prior: float
    lowest_threshold: float
    calibration_c: float


@dataclass(frozen=True)
class Config:
    """All of a run's configuration.

    Attributes
    ----------
    name : str
        The bundle's name.
    version : str
        The bundle's version.
    card : str
        The model card's template, relative to the configuration file.
    features : genretagger.features.FeatureConfig
    split, evaluate
        One for each stage.
    network : NetworkConfig or None
        None if the network is MusiCNN, or a smaller one made of it, with heads of our own.
    train : TrainConfig or HeadConfig
    negatives : NegativesConfig or None
    corpus : CorpusConfig or None
    compact : CompactConfig or None
        None if MusiCNN is used as it is.
    """

    name: str
    version: str
    card: str
    features: FeatureConfig
    split: SplitConfig
    network: NetworkConfig | None
    train: TrainConfig | HeadConfig
    evaluate: EvaluateConfig
    negatives: NegativesConfig | None = None
    corpus: CorpusConfig | None = None
    compact: CompactConfig | None = None


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def section(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Make one section, or refuse what is missing or unknown in it."""
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(table) - known)
    if unknown:
        raise FatalError(f"{where}: unknown setting {', '.join(unknown)}")
    try:
        return kind(**{key: _frozen(value) for key, value in table.items()})
    except TypeError as error:
        raise FatalError(f"{where}: {error}") from error


def load(path: Path) -> Config:
    """Read a configuration.

    Parameters
    ----------
    path : pathlib.Path
        A TOML file with the tables of ``configs/default.toml``, or with ``head`` instead
        of ``network`` and ``train``, as in ``configs/accurate.toml``.

    Returns
    -------
    Config

    Raises
    ------
    FatalError
        If the file cannot be read, or a setting is missing or unknown: a typing error
        must not silently train something else.
    """
    table = read_toml(path, "config")
    kinds: dict[str, Any] = {
        "features": FeatureConfig,
        "split": SplitConfig,
        "evaluate": EvaluateConfig,
    }
    if "head" in table:
        kinds |= {"head": HeadConfig, "negatives": NegativesConfig}
        if "compact" in table:
            kinds |= {"corpus": CorpusConfig, "compact": CompactConfig}
    else:
        kinds |= {"network": NetworkConfig, "train": TrainConfig}
    found = sections(path, table, kinds)
    if "head" in found:
        found |= {"network": None, "train": found.pop("head")}
    config = section(Config, table | found, f"config {path}")
    return replace(config, card=str(path.with_name(config.card)))


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    FatalError
        If it cannot be read or is not TOML; the message says `what` it is.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{what} {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FatalError(f"{what} {path}: {error}") from error


def sections(path: Path, table: dict[str, Any], kinds: Mapping[str, type[Any]]) -> dict[str, Any]:
    """Take the sections out of a table; what stays behind is the caller's."""
    return {
        name: section(kind, table.pop(name, {}), f"config {path} [{name}]")
        for name, kind in kinds.items()
    }


def fingerprint(config: Config) -> str:
    """Hash all that a trained model depends on, in hex; how it is measured is no part."""
    used = (config.features, config.split, config.network, config.train)
    used += (config.negatives, config.corpus, config.compact)
    parts = [asdict(part) for part in used if part is not None]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def sha256(section: Any) -> str:
    """Hash one table of a configuration, in hex."""
    return hashlib.sha256(json.dumps(asdict(section), sort_keys=True).encode()).hexdigest()
