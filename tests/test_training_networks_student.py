"""The student's network, and the published one that it learns from."""

from importlib.util import find_spec

import numpy as np
import pytest

from genretagger.errors import FatalError
from training import config
from training.networks import fcn, student
from training.networks.student import Shape
from training.networks.tags import N_TAGS

pytestmark = pytest.mark.skipif(not find_spec("tensorflow"), reason="needs tensorflow")

FEATURES = config.load(config.DEFAULT).features
CHANNELS = (1, 4, 6, 5, 5, 3)
DEAD = {1: 2, 2: 0}
"""Units of the published network that were given up in training, by layer."""


def weights(rng):
    """Make weights as they are published, in PyTorch's layout."""

    def norm(name, n):
        return {
            f"{name}.weight": rng.uniform(0.5, 1.5, n),
            f"{name}.bias": rng.normal(size=n),
            f"{name}.running_mean": rng.normal(size=n),
            f"{name}.running_var": rng.uniform(0.5, 1.5, n),
        }

    made = norm("spec_bn", 1)
    made["spec_bn.bias"] = np.zeros(1)
    made["spec_bn.running_mean"] = np.full(1, student.ZERO_DB)
    for i in range(1, 6):
        shape = (CHANNELS[i], CHANNELS[i - 1], 3, 3)
        made |= norm(f"layer{i}.bn", CHANNELS[i])
        made[f"layer{i}.conv.weight"] = rng.normal(size=shape) / np.sqrt(9 * shape[1])
        made[f"layer{i}.conv.bias"] = rng.normal(size=CHANNELS[i])
    made["dense.weight"] = rng.normal(size=(N_TAGS, CHANNELS[5]))
    made["dense.bias"] = rng.normal(size=N_TAGS)
    for layer, unit in DEAD.items():
        made[f"layer{layer}.bn.weight"][unit] = 1e-9
        made[f"layer{layer}.bn.bias"][unit] = -1e-9
    return {name: value.astype(np.float32) for name, value in made.items()}


@pytest.fixture(scope="module")
def published():
    return weights(np.random.default_rng(0))


@pytest.fixture(scope="module")
def npz(published, tmp_path_factory):
    path = tmp_path_factory.mktemp("fcn") / "fcn.npz"
    np.savez(path, **published)
    return path


def by_hand(decibels, made):
    """Compute the first three layers' means as PyTorch would: bands first, a sum of products."""

    def norm(x, name):
        scale = made[f"{name}.weight"] / np.sqrt(made[f"{name}.running_var"] + 1e-5)
        wide = (slice(None), None, None)
        offset = made[f"{name}.bias"] - made[f"{name}.running_mean"] * scale
        return x * scale[wide] + offset[wide]

    x = norm((decibels + student.PEAK_DB).T[None], "spec_bn")
    for i in (1, 2, 3):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        x = np.einsum("cbtij,ocij->obt", windows, made[f"layer{i}.conv.weight"])
        x = x + made[f"layer{i}.conv.bias"][:, None, None]
        x = np.maximum(norm(x, f"layer{i}.bn"), 0)
        bands, frames = x.shape[1] // 2, x.shape[2] // 4
        x = x[:, : bands * 2, : frames * 4].reshape(-1, bands, 2, frames, 4).max(axis=(2, 4))
    return x.mean(axis=(1, 2))


def test_the_teacher_gives_what_the_published_network_gives_without_its_silent_units(
    published, npz
):
    network = fcn.load(npz, FEATURES)
    assert network.get_layer("before_0").filters == CHANNELS[1] - 1
    assert network.get_layer("before_1").filters == CHANNELS[2] - 1
    rng = np.random.default_rng(1)
    decibels = rng.uniform(-80, 0, (FEATURES.n_frames, FEATURES.n_mels)).astype(np.float32)
    embedding = network.predict_on_batch(decibels[None])[0]
    assert len(embedding) == sum(CHANNELS[3:]) + N_TAGS
    last = embedding[-N_TAGS - CHANNELS[5] : -N_TAGS]
    tags = published["dense.weight"] @ last + published["dense.bias"]
    assert np.ptp(tags) > 0.1
    assert embedding[-N_TAGS:] == pytest.approx(tags, rel=1e-3, abs=1e-3)
    expected = by_hand(decibels, published)
    assert np.ptp(expected) > 0.1
    assert embedding[: CHANNELS[3]] == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer5.conv.weight": None}, "does not hold the FCN's weights"),
        ({"spec_bn.running_mean": np.full(1, 30.0)}, "hears 30.0 dB as zero"),
    ],
)
def test_another_network_is_refused(published, tmp_path, change, message):
    made = {k: v for k, v in (published | change).items() if v is not None}
    np.savez(tmp_path / "other.npz", **made)
    with pytest.raises(FatalError, match=message):
        fcn.load(tmp_path / "other.npz", FEATURES)


def test_a_file_that_is_no_npz_file_is_refused(tmp_path):
    (tmp_path / "fcn.npz").write_text("no weights")
    with pytest.raises(FatalError, match="cannot be read as an npz file"):
        fcn.load(tmp_path / "fcn.npz", FEATURES)


@pytest.mark.parametrize("ranks", [(0, 0, 0, 0, 0), (0, 2, 3, 0, 0)])
def test_the_count_of_multiplications_is_that_of_the_network(ranks):
    shape = Shape((4, 5, 6, 7, 3), ranks)
    network = student.build(shape, FEATURES)
    total = 0
    for layer in network.layers:
        if layer.name.startswith(("before_", "narrow_")):
            places = layer.output.shape[1] * layer.output.shape[2]
            total += places * int(np.prod(layer.kernel.shape))
    assert student.n_macs(shape, FEATURES) == total
    assert shape.embedding == 6 + 7 + 3
    assert network.output.shape[1] == shape.embedding + N_TAGS
