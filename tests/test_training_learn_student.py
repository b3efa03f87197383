"""A student is fitted to its teacher, layer by layer."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from test_training_networks_student import FEATURES as WHOLE
from test_training_networks_student import weights

from genretagger.errors import FatalError
from training.config import StudentConfig
from training.features import corpus
from training.learn import student
from training.learn.regression import Moments

pytestmark = pytest.mark.skipif(not find_spec("tensorflow"), reason="needs tensorflow")

FEATURES = replace(WHOLE, segment_s=3.0)

SETTINGS = StudentConfig(
    units=(24, 5, 5, 5, 3),
    ranks=(0, 0, 0, 0, 0),
    seed=0,
    n_segments=240,
    n_patches=2000,
    passes=4,
    batch_size=256,
    learning_rate=0.004,
)


def music(rng, n, features=FEATURES):
    """Make spectrograms that are smooth over frames and bands, in dB."""
    noise = rng.normal(size=(n, features.n_frames, features.n_mels))
    for axis in (1, 2):
        noise = sum(np.roll(noise, shift, axis=axis) for shift in range(4))
    return (noise * 4 - 40).astype(np.float16)


@pytest.fixture
def teacher(tmp_path):
    np.savez(tmp_path / "fcn.npz", **weights(np.random.default_rng(0)))
    return tmp_path / "fcn.npz"


@pytest.fixture(scope="module", autouse=True)
def segments():
    made = [music(np.random.default_rng(1), 300)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "read", lambda folder: (made, "a hash"))
        yield made


def fit(folder, teacher, settings=SETTINGS):
    lines = []
    network = student.fit(
        folder / "student",
        settings,
        FEATURES,
        teacher=teacher,
        music=folder / "corpus",
        say=lines.append,
    )
    return network, lines


def explained(folder):
    return json.loads((folder / "student" / "made.json").read_text())["explained"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A student, fitted once for all tests: its folder, itself, and what was said."""
    folder = tmp_path_factory.mktemp("fitted")
    np.savez(folder / "fcn.npz", **weights(np.random.default_rng(0)))
    return folder, *fit(folder, folder / "fcn.npz")


def test_a_student_says_what_its_teacher_says_of_music_it_has_not_learned_from(fitted):
    folder, _, lines = fitted
    shares = explained(folder)
    assert list(shares) == ["layer 3", "layer 4", "layer 5", "tags"]
    assert shares["layer 3"] > 0.4
    assert lines[0].startswith("student: layers 1 and 2, error ")
    about = student.summary(folder / "student", SETTINGS, folder / "corpus")
    assert about["corpus_segments"] == 300
    assert about["explained"] == shares


def test_a_student_is_fitted_again_only_if_something_has_changed(
    fitted, segments, tmp_path, monkeypatch
):
    class Begun(Exception):
        pass

    def begin(*_, **__):
        raise Begun

    monkeypatch.setattr(student.front, "learn", begin)
    folder, network, _ = fitted
    again, lines = fit(folder, folder / "fcn.npz")
    assert not lines
    for before, after in zip(network.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(before, after)
    with pytest.raises(Begun):
        fit(folder, folder / "fcn.npz", replace(SETTINGS, seed=1))
    np.savez(tmp_path / "fcn.npz", **weights(np.random.default_rng(1)))
    with pytest.raises(Begun):
        fit(folder, tmp_path / "fcn.npz")
    monkeypatch.setattr(corpus, "read", lambda folder: (segments, "another hash"))
    with pytest.raises(Begun):
        fit(folder, folder / "fcn.npz")


@pytest.mark.parametrize("layer", [1, 2])
def test_a_narrow_layer_explains_less(fitted, teacher, tmp_path, monkeypatch, layer):
    folder, wide, _ = fitted

    def learn(network, *_):
        for name in ("before_0", "before_1"):
            network.get_layer(name).set_weights(wide.get_layer(name).get_weights())

    if layer > 1:  # what lies before it would become the same
        monkeypatch.setattr(student.front, "learn", learn)
    narrow = [0] * 5
    narrow[layer] = 1
    fit(tmp_path, teacher, replace(SETTINGS, ranks=tuple(narrow)))
    assert explained(tmp_path)["layer 3"] < explained(folder)["layer 3"] - 0.05


def test_units_that_are_not_the_teachers_are_refused(tmp_path, teacher):
    with pytest.raises(FatalError, match=r"units = \[3, 5, 5, 5, 3\] are .*fcn.npz's"):
        fit(tmp_path, teacher, replace(SETTINGS, units=(24, 5, 4, 5, 3)))


def test_a_full_regression_is_exact_where_units_are_linear():
    rng = np.random.default_rng(0)
    x, true, bias = rng.normal(size=(500, 9)), rng.normal(size=(9, 4)), rng.normal(size=4)
    moments = Moments()
    for part in np.split(np.arange(500), 5):
        moments.add(x[part], x[part] @ true + bias)
    narrow, wide, offset, explained = moments.regression(0)
    assert narrow @ wide == pytest.approx(true, abs=1e-3)
    assert offset == pytest.approx(bias, abs=1e-3)
    assert explained == pytest.approx(1, abs=1e-3)


def test_a_narrow_regression_keeps_each_units_variance_and_mean():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 9)) + 3
    y = x @ rng.normal(size=(9, 4)) + rng.normal(size=(2000, 4))
    moments = Moments()
    moments.add(x, y)
    narrow, wide, offset, explained = moments.regression(2)
    assert narrow.shape == (9, 2)
    assert (explained < 0.99).all()
    told = x @ narrow @ wide + offset
    assert told.std(axis=0) == pytest.approx(y.std(axis=0), rel=1e-3)
    assert told.mean(axis=0) == pytest.approx(y.mean(axis=0), rel=1e-3)
