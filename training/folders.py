"""Names of the files in a run folder and in a model's folder; only here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FINAL = "final"
"""The model that learns from all folds, and ships."""


@dataclass(frozen=True)
class ModelFolder:
    """The folder of one trained model, ``models/NAME`` in a run.

    Attributes
    ----------
    path : pathlib.Path
    """

    path: Path

    @property
    def description(self) -> Path:
        """Settings and data that the model is trained with; written first."""
        return self.path / "model.json"

    @property
    def weights(self) -> Path:
        """In Keras' HDF5; there once training is finished."""
        return self.path / "model.weights.h5"

    @property
    def log(self) -> Path:
        """Losses and seconds of each epoch, one JSON object a line.

        ``labels`` is the loss on what it learns, ``validation`` on clips that it does not.
        """
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, to resume a killed training."""
        return self.path / "checkpoints"

    @property
    def predictions(self) -> Path:
        """Logits of the clips that the model is measured on."""
        return self.path / "predictions.npz"

    @property
    def bundle(self) -> Path:
        """The model in the form that the product loads, for measuring."""
        return self.path / "bundle"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one experiment.

    Attributes
    ----------
    path : pathlib.Path
    """

    path: Path

    @property
    def manifest(self) -> Path:
        """The clips; see `training.data.clips`."""
        return self.path / "manifest.jsonl"

    @property
    def decoded(self) -> Path:
        """Length, hash and fingerprint of each audio file; see `training.data.manifest`."""
        return self.path / "heard.jsonl"

    @property
    def rejected(self) -> Path:
        """Rows and files that cannot be used, with the remedy."""
        return self.path / "rejected.jsonl"

    @property
    def duplicates(self) -> Path:
        """Pairs of clips that hold the same recording."""
        return self.path / "duplicates.jsonl"

    @property
    def shards(self) -> Path:
        """See `training.features.shards`."""
        return self.path / "shards"

    @property
    def corpus(self) -> Path:
        """See `training.features.corpus`."""
        return self.path / "corpus"

    @property
    def negatives(self) -> Path:
        """See `training.features.negatives`."""
        return self.path / "negatives"

    @property
    def student(self) -> Path:
        """See `training.learn.student`."""
        return self.path / "student"

    @property
    def embeddings(self) -> Path:
        """See `training.learn.embed`."""
        return self.path / "embeddings"

    def model(self, name: str) -> ModelFolder:
        """Name the folder of a model: of a fold by its number, or of `FINAL`."""
        return ModelFolder(self.path / "models" / name)

    @property
    def predictions(self) -> Path:
        """Out-of-fold logits of all clips that are measured, for `baselines` to read."""
        return self.path / "predictions.npz"

    @property
    def metrics(self) -> Path:
        """Metrics, calibration and thresholds to ship, and their origin."""
        return self.path / "metrics.json"

    @property
    def curves(self) -> Path:
        """Data of the plots."""
        return self.path / "curves.json"

    @property
    def plots(self) -> Path:
        """Pictures of `curves`."""
        return self.path / "plots"

    @property
    def bundle(self) -> Path:
        """The bundle."""
        return self.path / "bundle"

    @property
    def baselines(self) -> Path:
        """Predictions of the baselines; tables beside it, as ``.json`` and ``.md``."""
        return self.path / "baselines"

    @property
    def variants(self) -> Path:
        """See `training.study.variants`."""
        return self.path / "variants"

    @property
    def study(self) -> Path:
        """See `training.study.trainings`."""
        return self.path / "study"
