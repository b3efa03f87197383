"""The configuration of a run: one TOML file, read strictly."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

from genretagger.doubt import MOST_FURTHER
from genretagger.errors import FatalError
from genretagger.features import FeatureConfig
from training.settings import (
    Amount,
    Confidence,
    Count,
    Inside,
    Positive,
    Range,
    Rate,
    Seed,
    Share,
    Weight,
    check,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]


DEFAULT = Path(__file__).with_name("configs") / "default.toml"

T = TypeVar("T")


@dataclass(frozen=True)
class MelConfig(FeatureConfig):
    """The product's features, and how their filterbank is made.

    Attributes
    ----------
    scales : tuple of str
        One filterbank for each, with the same number of bands, one behind the other: Slaney's
        scale with filters of equal areas, HTK's with filters of equal heights.
    """

    scales: tuple[Literal["slaney", "htk"], ...] = ("slaney",)

    def each_scale(self) -> list[MelConfig]:
        """Give the features by each filterbank alone, as deep as is usual."""
        n_mels = self.n_mels // len(self.scales)
        top_db = FeatureConfig.top_db
        return [replace(self, scales=(s,), n_mels=n_mels, top_db=top_db) for s in self.scales]


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

    n_folds: Annotated[int, Range(2, 100)]
    seed: Seed
    n_validation: Amount
    n_test: Amount
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

    stem: Count
    blocks: tuple[tuple[Count, Count], ...]
    dropout: Rate
    embedding: Count
    pool_frames: Count

    def __post_init__(self) -> None:
        """Refuse strides by which moments are not 32 frames apart, as the teachers' targets are."""
        if 2 * math.prod(stride for _, stride in self.blocks) != 32:
            raise TypeError("the strides in blocks have to make 16, multiplied")


@dataclass(frozen=True)
class TrainConfig:
    """How a CNN of our own is fitted; see `training.learn.cnn`."""

    seed: Seed
    epochs: Count
    batch_size: Count
    crop_frames: Count
    learning_rate: Positive
    warmup_epochs: Weight
    weight_decay: Weight
    clip_norm: Positive
    label_smoothing: Rate
    group_power: Share
    set_power: Share
    least_confidence: Confidence
    sounds_weight: Weight
    sounds_components: Annotated[int, Range(1, 1024)]
    tags_weight: Weight
    mixup_share: Share
    mixup_alpha: Positive
    tilt_db: Weight
    bandlimit_share: Share
    pitch_semitones: Weight
    tempo: Rate
    n_time_masks: Amount
    time_mask_frames: Amount
    n_mel_masks: Amount
    mel_mask_bands: Amount


@dataclass(frozen=True)
class HeadConfig:
    """How heads on a published network are fitted; see `training.learn.heads`."""

    seed: Seed
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    weight_decay: Weight
    n_heads: Count
    hidden: Count
    input_dropout: Rate
    dropout: Rate
    mixup_alpha: Positive
    group_power: Share
    set_power: Share
    least_confidence: Confidence
    tags_share: Share
    tags_shift: float


@dataclass(frozen=True)
class CorpusConfig:
    """Which free music is collected; see `training.features.corpus`."""

    packages: tuple[str, ...]
    shortest_s: Positive
    most_segments: Count


@dataclass(frozen=True)
class NegativesConfig:
    """Sounds that heads learn to say nothing about; see `training.features.negatives`."""

    packages: tuple[str, ...]
    seed: Seed
    n_segments: Amount
    n_noises: Amount
    share: Rate


@dataclass(frozen=True)
class StudentConfig:
    """The student of a published network, and its fit; see `training.learn.student`.

    Attributes
    ----------
    units : tuple of int, length 5
        Of each layer; but for the first, as many as its teacher's.
    ranks : tuple of int, length 5
        Values by way of which a layer's units look; 0 for directly.
    seed : int
    n_segments : int
        Segments of free music that it is fitted on.
    n_patches : int
        Patches of each eight of them, for the first two layers.
    passes, batch_size : int
        Over these patches, and of them at a time.
    learning_rate : float
        Of Adam, for them.
    """

    units: tuple[Count, ...]
    ranks: tuple[Amount, ...]
    seed: Seed
    n_segments: Count
    n_patches: Count
    passes: Count
    batch_size: Count
    learning_rate: Positive

    def __post_init__(self) -> None:
        """Refuse another number of layers."""
        if len(self.units) != 5 or len(self.ranks) != 5:
            raise TypeError("units and ranks have to have five values each")


@dataclass(frozen=True)
class EvaluateConfig:
    """How it is measured; see `training.measure.evaluate`."""

    seed: Seed
    least_confidence: Confidence
    least_positives: Count
    n_resamples: Count
    interval: Inside
    precision: Share
    threshold_prior: Weight
    lowest_threshold: Share
    calibration_c: Positive


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

    def holds(self, source: str) -> bool:
        """Tell whether the clips of a source belong to it."""
        return (not self.only or source in self.only) and source not in self.without


@dataclass(frozen=True)
class DoubtConfig:
    """When the product hears more of a track; see `genretagger.doubt.Doubt`."""

    margin: Share
    spread: Share
    excerpts: Annotated[int, Range(1, MOST_FURTHER)]


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
class StudentHeads(MusicnnHeads):
    """Heads on a student of a published network."""

    corpus: CorpusConfig
    student: StudentConfig


@dataclass(frozen=True)
class PairHeads(StudentHeads):
    """Heads on MusiCNN as published, and on a student, each with a filterbank of its own."""


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
    features : MelConfig
    split, evaluate
        One for each stage.
    model : OwnCnn, MusicnnHeads or StudentHeads
        What is trained, and how.
    subsets : dict of str to Subset
        What is quoted apart in metrics and card, beside all clips.
    unseen : dict of str to Subset
        Sets of sources that are held out as a whole, each in turn, beside the folds.
    doubt : DoubtConfig or None
        Travels in the bundle; it was measured apart, on whole tracks.
    """

    name: str
    version: str
    card: str
    features: MelConfig
    split: SplitConfig
    evaluate: EvaluateConfig
    model: Kind_co
    subsets: dict[str, Subset] = field(default_factory=dict)
    unseen: dict[str, Subset] = field(default_factory=dict)
    doubt: DoubtConfig | None = None


AnyConfig = Config["OwnCnn | MusicnnHeads"]


_FEATURES: dict[str, Any] = {
    "sr": Annotated[int, Range(8000, 192_000)],
    "n_fft": Annotated[int, Range(16, 65_536)],
    "hop_length": Count,
    "n_mels": Annotated[int, Range(1, 1024)],
    "fmin_hz": Weight,
    "fmax_hz": Positive,
    "segment_s": Annotated[float, Range(1, 60)],
    "top_db": Positive,
    "scales": tuple[Literal["slaney", "htk"], ...],
}
"""What the product's features may be trained with; the product itself reads bundles only."""


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def _is_wanted(setting: Field[Any]) -> bool:
    return setting.default is MISSING and setting.default_factory is MISSING


def section(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Make one section, or refuse what is missing, unknown or out of its range in it."""
    if not isinstance(table, Mapping):
        raise FatalError(f"{where}: a table is wanted, with a line for each setting")
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(table) - known)
    if unknown:
        raise FatalError(f"{where}: unknown setting {', '.join(unknown)}")
    missing = [f.name for f in fields(kind) if _is_wanted(f) and f.name not in table]  # type: ignore[arg-type]
    if missing:
        raise FatalError(f"{where}: missing setting {', '.join(missing)}")
    if wrong := check(kind, table, _FEATURES if kind is MelConfig else {}):
        raise FatalError(f"{where}: {wrong}")
    try:
        return kind(**{key: _frozen(value) for key, value in table.items()})
    except TypeError as error:
        raise FatalError(f"{where}: {error}") from error


def load(path: Path) -> AnyConfig:
    """Read a configuration.

    Parameters
    ----------
    path : pathlib.Path
        A TOML file with the tables of ``configs/default.toml``, or of ``configs/cnn.toml``. What
        it lacks is as in the file that it names as its ``base``, if it does.

    Returns
    -------
    Config

    Raises
    ------
    FatalError
        If the file cannot be read, the card is not there, or a setting is missing, unknown
        or out of its range: a typing error must not silently train something else.
    """
    table = _with_base(path, read_toml(path, "config"))
    parts = sections(
        path, table, {"features": MelConfig, "split": SplitConfig, "evaluate": EvaluateConfig}
    )
    _check_features(path, parts["features"])
    for name in ("subsets", "unseen"):
        sets = table.pop(name, {})
        if not isinstance(sets, dict):
            raise FatalError(
                f"config {path} [{name}]: lines like name = {{ only = [...] }} are wanted"
            )
        parts[name] = sections(path, sets, dict.fromkeys(sets, Subset))
    if "doubt" in table:
        parts |= sections(path, table, {"doubt": DoubtConfig})
    parts["model"] = _model(path, table, parts["features"])
    config = section(Config, table | parts, f"config {path}")
    card = path.parent / config.card
    if not card.is_file():
        raise FatalError(
            f'config {path}: card = "{config.card}", but {card} is not there: name the model '
            "card's template, such as plain.card.md, beside the configuration"
        )
    return replace(config, card=str(card))


def _with_base(path: Path, table: dict[str, Any]) -> dict[str, Any]:
    """Put a configuration's tables and settings in place of its base's, table by table."""
    base = table.pop("base", None)
    if base is None:
        return table
    if not isinstance(base, str) or not base:
        raise FatalError(
            f"config {path}: base = {base!r}, but the name of a configuration beside it, in "
            "quotes, is allowed"
        )
    return read_toml(path.with_name(base), f"config {path}: base") | table


def _check_features(path: Path, features: MelConfig) -> None:
    """Refuse features that contradict each other."""
    where = f"config {path} [features]"
    if not features.fmin_hz < features.fmax_hz <= features.sr / 2:
        raise FatalError(
            f"{where}: fmin_hz = {features.fmin_hz:g} and fmax_hz = {features.fmax_hz:g}, but "
            f"fmin_hz below fmax_hz, and that at most half of sr = {features.sr}, is allowed"
        )
    if features.hop_length > features.n_fft:
        raise FatalError(
            f"{where}: hop_length = {features.hop_length}, but at most n_fft = {features.n_fft} is "
            "allowed"
        )
    if not features.scales or features.n_mels % len(features.scales):
        raise FatalError(
            f"{where}: n_mels = {features.n_mels}, but the same number of bands for each of the "
            f"{len(features.scales)} scales is allowed"
        )


def _model(path: Path, table: dict[str, Any], features: MelConfig) -> OwnCnn | MusicnnHeads:
    """Take a model's tables out of a configuration; its kind follows from which it has.

    A student hears by HTK's scale, since its teacher does; MusiCNN by Slaney's.
    """
    if "head" not in table and (for_heads := {"negatives", "corpus", "student"} & set(table)):
        raise FatalError(f"config {path}: [{min(for_heads)}] goes with [head], which is missing")
    if "head" not in table:
        return OwnCnn(**sections(path, table, {"network": NetworkConfig, "train": TrainConfig}))
    parts = sections(path, table, {"head": HeadConfig, "negatives": NegativesConfig})
    heads = {"train": parts["head"], "negatives": parts["negatives"]}
    if "student" not in table:
        return MusicnnHeads(**heads)
    kinds: dict[str, type[Any]] = {"corpus": CorpusConfig, "student": StudentConfig}
    made = {("htk",): StudentHeads, ("slaney", "htk"): PairHeads}
    if features.scales not in made:
        raise FatalError(
            f'config {path} [features]: scales = {list(features.scales)}, but ["htk"] for a '
            'student, or ["slaney", "htk"] for MusiCNN beside it, is allowed'
        )
    return made[features.scales](**heads, **sections(path, table, kinds))


def with_heads(config: AnyConfig) -> Config[MusicnnHeads]:
    """Check that a configuration trains heads on MusiCNN, or on a student.

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

    Neither are those that say which clips it learns from: `training.learn.models.stamp` has
    the clips themselves.
    """
    model = [asdict(getattr(config.model, part.name)) for part in fields(config.model)]
    return digest([asdict(config.features), config.split.large_sets, *model])


def sha256(section: Any) -> str:
    """Hash one table of a configuration, in hex."""
    return digest(asdict(section))


def digest(value: Any) -> str:
    """Hash a value that JSON can hold, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
