"""The network gives what it gave when it was shipped, and what does not fit is refused."""

from dataclasses import replace

import numpy as np
import pytest

from genretagger import bundle
from genretagger.classifier import Classifier
from genretagger.errors import FatalError
from genretagger.features import log_mel
from genretagger.genres import GENRES


def written(folder, **changes):
    """Write the shipped bundle anew, with changes."""
    shipped = bundle.read(bundle.DEFAULT)
    with np.load(shipped.path / "golden.npz") as golden:
        arrays = dict(golden)
    settings = {
        "model": shipped.model_path.read_bytes(),
        "golden": arrays,
        "features": shipped.features,
        "filterbank": shipped.filterbank,
        "thresholds": shipped.thresholds,
        "calibration": shipped.calibration,
        "about": {"licence": "MIT", "embedding": shipped.info["embedding"]},
        "card": "MIT",
    }
    return bundle.write(folder, **settings | changes)


@pytest.mark.parametrize("name", ["default", "accurate"])
def test_the_golden_segment_gives_its_log_mel_and_its_probabilities(name):
    shipped = bundle.read(bundle.locate(name))
    with np.load(shipped.path / "golden.npz") as golden:
        found = log_mel(golden["y"], shipped.features, shipped.filterbank)
        np.testing.assert_allclose(found, golden["log_mel"], atol=1e-3)
    assert Classifier(shipped).verify() < 1e-3


@pytest.mark.parametrize("name", ["default", "accurate"])
def test_the_network_tells_music_from_music(name):
    # a network that always says the same would pass its golden test
    shipped = bundle.read(bundle.locate(name))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, shipped.features.n_samples).astype(np.float32)
    t = np.arange(shipped.features.n_samples) / shipped.features.sr
    beat = np.exp(-8 * (t % 0.5)) * np.sin(2 * np.pi * 60 * t)
    chord = sum(np.sign(np.sin(2 * np.pi * f * t)) for f in (220, 277, 330)) / 12
    music = (beat + chord * (t % 0.25 < 0.12)).astype(np.float32)
    log_mels = [log_mel(y, shipped.features, shipped.filterbank) for y in (noise, music)]
    first, second = Classifier(shipped).predict(np.stack(log_mels))
    assert first.shape == (len(GENRES),)
    assert np.abs(first - second).max() > 0.05


def test_a_network_of_another_shape_refuses_to_load(tmp_path):
    features = replace(bundle.read(bundle.DEFAULT).features, segment_s=5.0)
    with pytest.raises(FatalError, match=r"model\.tflite maps .* not \(1, 96, 313, 1\)"):
        Classifier(written(tmp_path, features=features))


def test_a_network_that_says_something_else_fails_its_golden_test(tmp_path):
    with np.load(bundle.DEFAULT / "golden.npz") as golden:
        arrays = dict(golden) | {"probabilities": golden["probabilities"] + 0.01}
    with pytest.raises(FatalError, match=r"differ by 0\.01"):
        Classifier(written(tmp_path, golden=arrays)).verify()
