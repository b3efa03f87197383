"""A bundle: the final network, with all that it assumes."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from genretagger import bundle
from genretagger.classifier import Classifier
from genretagger.errors import FatalError
from genretagger.features import FeatureConfig, log_mel
from genretagger.genres import GENRES
from genretagger.hearing import hear, predict_segments
from training.arrays import Floats
from training.config import AnyConfig
from training.features import mel
from training.networks import litert
from training.ship import card

TOLERANCE = 1e-4
"""How far LiteRT's probabilities may be from Keras' on real clips."""


def golden_signal(features: FeatureConfig) -> Floats:
    """Make the segment that every installation must predict alike: no music, a formula.

    A chord of sawtooth-like harmonics that changes each two seconds, a beat of decaying
    noise twice a second, and a slow sweep: something in every mel band.

    Returns
    -------
    numpy.ndarray, shape (n_samples,), float32
        Multiples of 2**-15, so that 16 bits hold it.
    """
    rng = np.random.default_rng(0)
    t = np.arange(features.n_samples) / features.sr
    y = 0.1 * np.sin(2 * np.pi * (100.0 * t + 300.0 * t**2 / 2))
    for part, root_hz in enumerate((110.0, 146.83, 98.0, 130.81, 110.0)):  # A D G C A
        inside = (t // 2).astype(int) == part
        for ratio in (1.0, 1.25, 1.5):  # a major chord in just intonation
            for harmonic in range(1, 9):
                wave = np.sin(2 * np.pi * root_hz * ratio * harmonic * t)
                y += inside * 0.08 / harmonic * wave
    y += 0.3 * rng.standard_normal(len(t)) * np.exp(-30.0 * (t % 0.5))
    return np.asarray(np.round(0.5 * y / np.abs(y).max() * 2**15) / 2**15, dtype=np.float32)


def compare(inference: Any, written: bundle.Bundle, paths: Iterable[Path]) -> float:
    """Run Keras and LiteRT over the same clips.

    Parameters
    ----------
    inference : keras.Model
    written : genretagger.bundle.Bundle
    paths : iterable of pathlib.Path

    Returns
    -------
    float
        The largest difference of a segment's probability.
    """
    classifier = Classifier(written)
    worst = 0.0
    for path in paths:
        heard = hear(path, classifier)
        for x, by_litert in zip(heard.log_mels, heard.by_segment, strict=True):
            worst = max(worst, float(np.abs(by_litert - _probabilities(inference, x)).max()))
    return worst


def _probabilities(inference: Any, log_mel_db: Floats) -> Floats:
    """Run the Keras network on a segment; an embedding is its second output."""
    outputs = inference(log_mel_db[np.newaxis, ..., np.newaxis], training=False)
    first = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
    probabilities: Floats = np.asarray(first)[0]
    return probabilities


def code_version() -> str:
    """Look up the version of the installed `genretagger`."""
    try:
        return metadata.version("genretagger")
    except metadata.PackageNotFoundError:
        return "not installed"


def versions() -> dict[str, str]:
    """Look up the versions of the libraries that make the bundle."""
    import tensorflow as tf

    return {
        "genretagger": code_version(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "librosa": metadata.version("librosa"),
        "tensorflow": str(tf.__version__),
    }


def export(
    config: AnyConfig,
    inference: Any,
    *,
    licence: str,
    n_macs: int,
    measured: dict[str, Any],
    data: dict[str, Any],
    training: dict[str, Any],
    template: str,
    folder: Path,
    paths: Iterable[Path],
) -> tuple[bundle.Bundle, float, float]:
    """Write the bundle and verify it.

    Parameters
    ----------
    config : Config
    inference : keras.Model
        The final model.
    licence : str
        Of the bundle.
    n_macs : int
        Multiply-accumulates for a segment.
    measured : dict
        From `evaluate.evaluate`.
    data, training : dict
        For ``bundle.json``: what it learned from, and how.
    template : str
        Of the model card, see `training.ship.card`.
    folder : pathlib.Path
        Where the bundle goes.
    paths : iterable of pathlib.Path
        Clips to compare Keras and LiteRT on.

    Returns
    -------
    written : genretagger.bundle.Bundle
    difference : float
        Keras against LiteRT, on `paths`.
    golden_difference : float
        Of the golden segment, as the product verifies it.

    Raises
    ------
    FatalError
        If they differ by more than `TOLERANCE`, or the bundle does not verify.
    """
    model = litert.to_tflite(inference)
    filterbank = mel.filterbank(config.features)
    y = golden_signal(config.features)
    golden = {
        "y": y,
        "log_mel": log_mel(y, config.features, filterbank),
        "probabilities": np.zeros(len(GENRES), dtype=np.float32),
    }
    about = {
        "name": config.name,
        "version": config.version,
        "created": datetime.now(timezone.utc).date().isoformat(),
        "licence": licence,
        "code_version": code_version(),
        "versions": versions(),
        "data": data,
        "training": training,
        "network": {
            "parameters": int(inference.count_params()),
            "macs_per_segment": n_macs,
            "bytes": len(model),
        },
        "metrics": measured["metrics"],
        **litert.named_embedding(model),
    }
    if config.doubt is not None:
        about["doubt"] = asdict(config.doubt)
    apart = [name for name, subset in config.subsets.items() if subset.only]
    calibration = tuple((slope, intercept) for slope, intercept in measured["calibration"])

    def write(place: Path) -> bundle.Bundle:
        return bundle.write(
            place,
            model=model,
            golden=golden,
            features=config.features,
            filterbank=filterbank,
            thresholds=tuple(measured["thresholds"]),
            calibration=calibration,
            about=about,
            card=card.render(template, about, tuple(measured["thresholds"]), apart),
        )

    # twice: the golden probabilities are what the bundle itself says, once Keras agrees
    with tempfile.TemporaryDirectory() as draft:
        first = write(Path(draft))
        golden["probabilities"] = predict_segments([y], Classifier(first))[1][0]
        by_keras = _probabilities(inference, golden["log_mel"])
        difference = float(np.abs(golden["probabilities"] - by_keras).max())
        difference = max(difference, compare(inference, first, paths))
    if not difference <= TOLERANCE:
        raise FatalError(f"LiteRT's probabilities differ from Keras' by {difference:.2g}")
    about["network"]["largest_difference_from_keras"] = float(f"{difference:.2g}")
    written = write(folder)
    return written, difference, Classifier(written).verify()
