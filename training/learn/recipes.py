"""Recipes: how each kind of model is built, fitted and described.

A configuration has one of four kinds: a CNN of our own, heads on MusiCNN, heads on a student,
heads on both.
The stages call a recipe and do not ask which kind it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from genretagger.errors import FatalError
from training.config import AnyConfig, Config, MusicnnHeads, OwnCnn, PairHeads, StudentHeads
from training.data.clips import Clip
from training.data.trials import Trial
from training.features import corpus, negatives, stored
from training.features.shards import Shards
from training.files import check_room
from training.folders import RunFolder
from training.learn import student
from training.learn.cnn import train_cnn
from training.learn.embed import embed
from training.learn.heads import train_heads
from training.networks import body, cnn, heads, musicnn
from training.networks import student as networks_student

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
    trials : sequence of Trial
        The models that are wanted.
    musicnn, fcn : pathlib.Path or None
        The published networks: that heads stand on, and that a student learns from.
    """

    folder: RunFolder
    clips: Sequence[Clip]
    shards: Shards
    trials: Sequence[Trial]
    musicnn: Path | None = None
    fcn: Path | None = None

    def check_room(self, n_bytes: int) -> None:
        """Refuse to begin if the disk cannot hold the models that are missing, of so many bytes."""
        folders = [self.folder.model(trial.name) for trial in self.trials]
        missing = sum(not folder.weights.exists() for folder in folders)
        check_room(self.folder.path, missing * n_bytes, "free some, or choose another --run")


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
        network, _ = cnn.build(self.config.model.network, self.config.features, 0, 0)
        # weights, and two checkpoints with both moments of each
        material.check_room(4 * network.count_params() * 7)
        for trial in material.trials:
            train_cnn(
                self.config,
                material.clips,
                material.shards,
                rows=np.flatnonzero(trial.learns).tolist(),
                validated=trial.validated(material.clips),
                name=trial.name,
                folder=material.folder.model(trial.name),
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

    def embedder(self) -> keras.Model:
        """Build what embeds a segment, with random weights."""
        return heads.on_musicnn(self.config.features, body.build())

    def fitted(self, material: Material, say: Say) -> keras.Model:
        """Build what embeds a segment, with its weights.

        Raises
        ------
        FatalError
            If a published network that it needs is not named.
        """
        published = body.load(_named(material.musicnn, "--musicnn WHEEL"))
        return heads.on_musicnn(self.config.features, published)

    def sizes(self) -> list[int]:
        """Give the sizes of the parts that heads learn from."""
        return [musicnn.SIZE]

    def tags_at(self) -> int:
        """Say where in what embeds a segment the tags begin."""
        return musicnn.N_HIDDEN

    def build(self) -> tuple[keras.Model, keras.Model, keras.Model]:
        """Build embedder, heads, and both as one: see `heads.on_embedder`."""
        embedder = self.embedder()
        head, features = self.config.model.train, self.config.features
        both = heads.on_embedder(features, head, embedder, self.sizes(), self.tags_at())
        return embedder, *both

    def collect(self, folder: RunFolder, sources: Sources, say: Say) -> None:
        """Collect speech and noise."""
        model, features = self.config.model, self.config.features
        negatives.collect(folder.negatives, model.negatives, features, sources.speech, say=say)

    def fit(self, material: Material, say: Say) -> None:
        """Embed all segments, and train the heads of each model on the embeddings."""
        sounds, features = self.config.model.negatives, self.config.features
        stored.check(material.folder.negatives, negatives.wanted(sounds, features))
        embedded = embed(
            material.folder.embeddings,
            self.config.features,
            material.clips,
            material.shards,
            self.fitted(material, say),
            negatives=negatives.read(material.folder.negatives, self.config.features),
            say=say,
        )
        material.check_room(4 * self.build()[2].count_params())
        for trial in material.trials:
            train_heads(
                self.config,
                material.clips,
                embedded,
                self.build,
                rows=np.flatnonzero(trial.learns).tolist(),
                validated=trial.validated(material.clips),
                name=trial.name,
                folder=material.folder.model(trial.name),
                say=say,
            )

    def load(self, weights: Path, teachers: tuple[int, int]) -> keras.Model:
        """Load embedder and heads; there are no teachers beside them."""
        _, _, inference = self.build()
        inference.load_weights(weights)
        return inference

    def n_macs(self) -> int:
        """Count as `Recipe.n_macs`."""
        return body.n_macs(self.config.features)

    def summary(self, folder: RunFolder) -> dict[str, Any]:
        """Name the published network."""
        return {"network": "MSD_musicnn (Pons and Serra; Million Song Dataset; ISC) with heads"}


class StudentHeadsRecipe(MusicnnHeadsRecipe):
    """Heads on a student, which learned from free music alone: one serves all models."""

    config: Config[StudentHeads]
    licence = "MIT"

    def embedder(self) -> keras.Model:
        """Build the student, with random weights."""
        shape = student.shape(self.config.model.student)
        return networks_student.build(shape, self.config.features)

    def sizes(self) -> list[int]:
        """Give the size of its only part."""
        return [student.shape(self.config.model.student).embedding]

    def tags_at(self) -> int:
        """Say that the student's tags stand behind the embedding."""
        return sum(self.sizes())

    def fitted(self, material: Material, say: Say) -> keras.Model:
        """Fit the student to its teacher."""
        music, features = self.config.model.corpus, self.config.features
        stored.check(material.folder.corpus, corpus.wanted(music, features))
        return student.fit(
            material.folder.student,
            self.config.model.student,
            self.config.features,
            teacher=_named(material.fcn, "--fcn NPZ"),
            music=material.folder.corpus,
            say=say,
        )

    def collect(self, folder: RunFolder, sources: Sources, say: Say) -> None:
        """Collect speech and noise, and free music that holds no labelled clip."""
        super().collect(folder, sources, say)
        self.collect_music(folder, sources, say)

    def collect_music(self, folder: RunFolder, sources: Sources, say: Say) -> None:
        """Collect the music that the student learns from."""
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
        return networks_student.n_macs(
            student.shape(self.config.model.student), self.config.features
        )

    def summary(self, folder: RunFolder) -> dict[str, Any]:
        """Name the network, and describe how the student learned."""
        return {
            "network": "a student of an FCN (Choi et al.; Won et al.; MIT) with heads",
            "student": student.summary(folder.student, self.config.model.student, folder.corpus),
        }


class PairHeadsRecipe(StudentHeadsRecipe):
    """Heads on MusiCNN as published, and on a student, each with a filterbank of its own.

    Of the student the last two layers are heard, so that an embedding has fewer than 480 values;
    its tags, since with MusiCNN's less of what has no genre was left undecided.
    """

    config: Config[PairHeads]
    licence = MusicnnHeadsRecipe.licence

    def __init__(self, config: Config[PairHeads]) -> None:
        super().__init__(config)
        first, second = config.features.each_scale()
        self._musicnn = MusicnnHeadsRecipe(replace(config, features=first))
        self._student = StudentHeadsRecipe(replace(config, features=second))

    def collect_music(self, folder: RunFolder, sources: Sources, say: Say) -> None:
        """Collect the music that the student learns from, as it hears it."""
        self._student.collect_music(folder, sources, say)

    def embedder(self) -> keras.Model:
        """Build both, with random weights."""
        return self._together(self._musicnn.embedder(), self._student.embedder())

    def fitted(self, material: Material, say: Say) -> keras.Model:
        """Read the one, and fit the other to its teacher."""
        both = [part.fitted(material, say) for part in (self._musicnn, self._student)]
        return self._together(*both)

    def _together(self, published: keras.Model, learned: keras.Model) -> keras.Model:
        import keras

        begin = self._student.tags_at() - self.sizes()[1]
        last = keras.Model(learned.input, learned.output[:, begin:])
        return heads.side_by_side(self.config.features, [published, last])

    def sizes(self) -> list[int]:
        """Give the sizes of both parts."""
        return [*self._musicnn.sizes(), sum(self.config.model.student.units[-2:])]

    def n_macs(self) -> int:
        """Count as `Recipe.n_macs`."""
        return self._musicnn.n_macs() + self._student.n_macs()

    def summary(self, folder: RunFolder) -> dict[str, Any]:
        """Name both networks, and describe how the student learned."""
        both = [part.summary(folder) for part in (self._musicnn, self._student)]
        return both[1] | {"network": " beside ".join(part["network"] for part in both)}


_RECIPES: dict[type, Callable[[Any], Recipe[Any]]] = {
    OwnCnn: OwnCnnRecipe,
    MusicnnHeads: MusicnnHeadsRecipe,
    StudentHeads: StudentHeadsRecipe,
    PairHeads: PairHeadsRecipe,
}


def _named(path: Path | None, option: str) -> Path:
    if path is None:
        raise FatalError(f"the configuration stands on a published network: give {option}")
    return path


def recipe(config: AnyConfig) -> Recipe[Any]:
    """Choose the recipe for the kind of model that a configuration has.

    Examples
    --------
    >>> from training.config import DEFAULT, load
    >>> recipe(load(DEFAULT.with_name("cnn.toml"))).licence
    'MIT'
    """
    return _RECIPES[type(config.model)](config)
