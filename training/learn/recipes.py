"""Recipes: how each kind of model is built, fitted and described.

A configuration has one of three kinds: a CNN of our own, heads on MusiCNN, heads on a smaller
MusiCNN. The stages call a recipe and do not ask which kind it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from genretagger.errors import FatalError
from training.config import AnyConfig, CompactHeads, Config, MusicnnHeads, OwnCnn
from training.data.clips import Clip
from training.features import corpus, negatives
from training.features.shards import Shards
from training.folders import FINAL, RunFolder
from training.learn import compact
from training.learn.cnn import train_cnn
from training.learn.embed import embed
from training.learn.heads import train_heads
from training.networks import body, cnn, heads

if TYPE_CHECKING:
    import keras

Kind = TypeVar("Kind", bound="OwnCnn | MusicnnHeads")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Material:
    """Data that models learn from.

    Attributes
    ----------
    folder : RunFolder
    clips : sequence of Clip
        The whole manifest.
    shards : Shards
    rows : mapping of str to list of int
        For each model that is wanted, the indices of the clips that it may learn from.
    wheel : pathlib.Path or None
        MusiCNN's.
    n_jobs : int
        Processes.
    """

    folder: RunFolder
    clips: Sequence[Clip]
    shards: Shards
    rows: Mapping[str, Sequence[int]]
    wheel: Path | None
    n_jobs: int


@dataclass(frozen=True)
class Sources:
    """Sources of sound without labels.

    Attributes
    ----------
    music, speech : sequence of pathlib.Path
        Folders instead of the packages of the configuration.
    fingerprints : callable
        Gives those of the labelled clips, by their ids.
    n_jobs : int
        Processes.
    """

    music: Sequence[Path]
    speech: Sequence[Path]
    fingerprints: Callable[[], Mapping[str, str]]
    n_jobs: int


class Recipe(ABC, Generic[Kind]):
    """How models of one kind are built, fitted and described.

    Parameters
    ----------
    config : Config

    Attributes
    ----------
    licence : str
        Of the bundle.
    """

    licence = "MIT"

    def __init__(self, config: Config[Kind]) -> None:
        self.config = config

    @abstractmethod
    def collect(self, folder: RunFolder, sources: Sources, say: Say) -> None:
        """Collect the sound without labels that models learn from.

        Parameters
        ----------
        folder : RunFolder
        sources : Sources
        say : callable
            Takes a line of progress.

        Raises
        ------
        FatalError
            If this kind learns from none, or it cannot be had.
        """

    @abstractmethod
    def fit(self, material: Material, say: Say) -> None:
        """Train the models that are not trained yet; a killed training resumes.

        Raises
        ------
        FatalError
            If something to learn from is missing, or a model is of another configuration.
        """

    @abstractmethod
    def load(self, weights: Path, teachers: tuple[int, int]) -> keras.Model:
        """Build the network and load trained weights into it.

        Parameters
        ----------
        weights : pathlib.Path
        teachers : (int, int)
            Sizes of the training heads for sounds and tags, as the model's description has them.

        Returns
        -------
        keras.Model
            For inference: (1, n_mels, n_frames, 1) in dB to probabilities (1, n_genres).
        """

    @abstractmethod
    def n_macs(self) -> int:
        """Count the multiply-accumulates of its convolutions for one segment."""

    @abstractmethod
    def summary(self, folder: RunFolder) -> dict[str, Any]:
        """Describe the network for ``bundle.json``."""


class OwnCnnRecipe(Recipe[OwnCnn]):
    """A CNN from random weights, which learns from labels and two teachers."""

    def collect(self, folder: RunFolder, sources: Sources, say: Say) -> None:
        """Refuse: see `Recipe.collect`."""
        raise FatalError("the configuration has no table [corpus]: nothing is learned from one")

    def fit(self, material: Material, say: Say) -> None:
        """Train one model after the other: see `Recipe.fit`."""
        for name, rows in material.rows.items():
            train_cnn(
                self.config,
                material.clips,
                material.shards,
                rows=rows,
                name=name,
                folder=material.folder.model(name),
                say=say,
            )

    def load(self, weights: Path, teachers: tuple[int, int]) -> keras.Model:
        """Load the network as it was trained, and drop the heads for the teachers."""
        training, inference = cnn.build(self.config.model.network, self.config.features, *teachers)
        training.load_weights(weights)
        return inference

    def n_macs(self) -> int:
        """Count as `Recipe.n_macs`."""
        return cnn.n_macs(self.config.model.network, self.config.features)

    def summary(self, folder: RunFolder) -> dict[str, Any]:
        """Give the network's shape."""
        return {"network": asdict(self.config.model.network)}


class MusicnnHeadsRecipe(Recipe[MusicnnHeads]):
    """Heads on MusiCNN as published."""

    licence = "MIT; MusiCNN's weights ISC, see MODEL_CARD.md"

    def build(self) -> tuple[keras.Model, keras.Model, keras.Model]:
        """Build body, heads, and both as one: see `heads.with_body`."""
        return heads.with_body(self.config.features, self.config.model.train)

    def embedders(self, material: Material, wheel: Path, say: Say) -> Iterator[tuple[str, Any]]:
        """Yield the body of each model: the same for all."""
        published = body.load(wheel)
        for name in material.rows:
            yield name, published

    def collect(self, folder: RunFolder, sources: Sources, say: Say) -> None:
        """Collect speech and noise."""
        model, features = self.config.model, self.config.features
        negatives.collect(folder.negatives, model.negatives, features, sources.speech, say=say)

    def fit(self, material: Material, say: Say) -> None:
        """Embed all segments by each body, and train heads on the embeddings."""
        if material.wheel is None:
            raise FatalError("to train heads on MusiCNN, give --musicnn WHEEL")
        silent = negatives.read(material.folder.negatives, self.config.features)
        embedded = None
        for name, embedder in self.embedders(material, material.wheel, say):
            if embedded is None or embedded.embedder is not embedder:
                embedded = embed(
                    material.folder.embeddings,
                    self.config.features,
                    material.clips,
                    material.shards,
                    embedder,
                    negatives=silent,
                    say=say,
                )
            train_heads(
                self.config,
                material.clips,
                embedded,
                self.build,
                rows=material.rows[name],
                name=name,
                folder=material.folder.model(name),
                say=say,
            )

    def load(self, weights: Path, teachers: tuple[int, int]) -> keras.Model:
        """Load body and heads; there are no teachers beside the body."""
        _, _, inference = self.build()
        inference.load_weights(weights)
        return inference

    def n_macs(self) -> int:
        """Count as `Recipe.n_macs`."""
        return body.n_macs(self.config.features)

    def summary(self, folder: RunFolder) -> dict[str, Any]:
        """Name the published network."""
        return {"network": "MSD_musicnn (Pons and Serra; Million Song Dataset; ISC) with heads"}


class CompactHeadsRecipe(MusicnnHeadsRecipe):
    """Heads on a smaller MusiCNN, distilled anew for each model."""

    config: Config[CompactHeads]

    def build(self) -> tuple[keras.Model, keras.Model, keras.Model]:
        """Build body, heads, and both as one."""
        model = self.config.model
        return heads.with_body(self.config.features, model.train, model.compact)

    def embedders(self, material: Material, wheel: Path, say: Say) -> Iterator[tuple[str, Any]]:
        """Distil the body of each model."""
        distillation = compact.Distillation(
            material.folder.compact,
            self.config,
            material.clips,
            material.shards,
            wheel=wheel,
            music=corpus.read(material.folder.corpus),
            learns=material.rows,
            n_jobs=material.n_jobs,
            say=say,
        )
        return distillation.networks()

    def collect(self, folder: RunFolder, sources: Sources, say: Say) -> None:
        """Collect speech and noise, and free music that holds no labelled clip."""
        super().collect(folder, sources, say)
        corpus.collect(
            folder.corpus,
            self.config.model.corpus,
            self.config.features,
            sources.music,
            measured=sources.fingerprints(),
            n_jobs=sources.n_jobs,
            say=say,
        )

    def n_macs(self) -> int:
        """Count as `Recipe.n_macs`."""
        return body.n_macs(self.config.features, self.config.model.compact)

    def summary(self, folder: RunFolder) -> dict[str, Any]:
        """Name the network, and describe its distillation."""
        return {
            "network": "a smaller MSD_musicnn (Pons and Serra; ISC) with heads",
            "compact": compact.summary(folder, self.config, FINAL),
        }


_RECIPES: dict[type, Callable[[Any], Recipe[Any]]] = {
    OwnCnn: OwnCnnRecipe,
    MusicnnHeads: MusicnnHeadsRecipe,
    CompactHeads: CompactHeadsRecipe,
}


def recipe(config: AnyConfig) -> Recipe[Any]:
    """Choose the recipe for the kind of model that a configuration has.

    Examples
    --------
    >>> from training.config import DEFAULT, load
    >>> recipe(load(DEFAULT.with_name("cnn.toml"))).licence
    'MIT'
    """
    return _RECIPES[type(config.model)](config)
