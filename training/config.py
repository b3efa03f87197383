"""The configuration of a run: one TOML file, read strictly."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from genretagger.errors import FatalError
from genretagger.features import FeatureConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]


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
    large_sets : tuple of str
        Sources of clips that are balanced on their own; all others count as one.
    """

    n_folds: int
    seed: int
    n_validation: int
    n_test: int
    large_sets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse settings that leave no fold to learn from, to choose on or to measure on."""
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
    """How a CNN of our own is fitted; see `training.learn.cnn`."""

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
    """Sounds that heads learn to say nothing about; see `training.features.negatives`."""

    packages: tuple[str, ...]
    seed: int
    n_segments: int
    n_noises: int
    share: float


@dataclass(frozen=True)
class CompactConfig:
    """The smaller MusiCNN, and its distillation; see `training.learn.compact`."""

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
class Subset:
    """Clips whose figures are quoted apart, by their sources.

    Attributes
    ----------
    only : tuple of str
        The sources that belong to it; empty for all.
    without : tuple of str
        Sources that do not.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class OwnCnn:
    """A CNN of our own, from random weights."""

    network: NetworkConfig
    train: TrainConfig


@dataclass(frozen=True)
class MusicnnHeads:
    """Heads on MusiCNN as published."""

    train: HeadConfig
    negatives: NegativesConfig


@dataclass(frozen=True)
class CompactHeads(MusicnnHeads):
    """Heads on a smaller MusiCNN, distilled from the published one."""

    corpus: CorpusConfig
    compact: CompactConfig


Kind_co = TypeVar("Kind_co", bound="OwnCnn | MusicnnHeads", covariant=True)


@dataclass(frozen=True)
class Config(Generic[Kind_co]):
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
    model : OwnCnn, MusicnnHeads or CompactHeads
        What is trained, and how.
    subsets : dict of str to Subset
        What is quoted apart in metrics and card, beside all clips.
    """

    name: str
    version: str
    card: str
    features: FeatureConfig
    split: SplitConfig
    evaluate: EvaluateConfig
    model: Kind_co
    subsets: dict[str, Subset] = field(default_factory=dict)


AnyConfig = Config["OwnCnn | MusicnnHeads"]


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


def load(path: Path) -> AnyConfig:
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
    parts = sections(
        path, table, {"features": FeatureConfig, "split": SplitConfig, "evaluate": EvaluateConfig}
    )
    subsets = table.pop("subsets", {})
    parts["subsets"] = sections(path, subsets, dict.fromkeys(subsets, Subset))
    parts["model"] = _model(path, table)
    config = section(Config, table | parts, f"config {path}")
    return replace(config, card=str(path.with_name(config.card)))


def _model(path: Path, table: dict[str, Any]) -> OwnCnn | MusicnnHeads:
    """Take a model's tables out of a configuration; its kind follows from which it has."""
    if "head" not in table:
        return OwnCnn(**sections(path, table, {"network": NetworkConfig, "train": TrainConfig}))
    parts = sections(path, table, {"head": HeadConfig, "negatives": NegativesConfig})
    heads = {"train": parts["head"], "negatives": parts["negatives"]}
    if "compact" not in table:
        return MusicnnHeads(**heads)
    kinds: dict[str, type[Any]] = {"corpus": CorpusConfig, "compact": CompactConfig}
    return CompactHeads(**heads, **sections(path, table, kinds))


def with_heads(config: AnyConfig) -> Config[MusicnnHeads]:
    """Check that a configuration trains heads on MusiCNN, or on a smaller one.

    Raises
    ------
    FatalError
        If it has none.
    """
    if not isinstance(config.model, MusicnnHeads):
        raise FatalError(f"config {config.name} has no table [head]: use accurate.toml")
    return cast("Config[MusicnnHeads]", config)


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    FatalError
        If it cannot be read or is not TOML; the message says `what` it is.
    """
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{what} {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FatalError(f"{what} {path}: {error}") from error
    return table


def sections(path: Path, table: dict[str, Any], kinds: Mapping[str, type[Any]]) -> dict[str, Any]:
    """Take the sections out of a table; other keys stay in it."""
    return {
        name: section(kind, table.pop(name, {}), f"config {path} [{name}]")
        for name, kind in kinds.items()
    }


def fingerprint(config: AnyConfig) -> str:
    """Hash the settings that a trained model depends on, in hex; those of measuring are no part.

    Neither is `SplitConfig.large_sets`, which was no setting when the first models were
    trained: `training.learn.models` checks it apart.
    """
    split = asdict(config.split)
    del split["large_sets"]
    model = [asdict(getattr(config.model, part.name)) for part in fields(config.model)]
    return digest([asdict(config.features), split, *model])


def sha256(section: Any) -> str:
    """Hash one table of a configuration, in hex."""
    return digest(asdict(section))


def digest(value: Any) -> str:
    """Hash a value that JSON can hold, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
