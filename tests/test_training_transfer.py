"""MusiCNN as the body of a network, with heads of our own."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training import config, musicnn, transfer
from training.manifest import Clip

pytestmark = pytest.mark.skipif(not find_spec("tensorflow"), reason="needs tensorflow")

ACCURATE = config.DEFAULT.with_name("accurate.toml")


NOTHING = np.empty((0, musicnn.SIZE), np.float32)


@pytest.fixture(scope="module")
def settings():
    found = config.load(ACCURATE)
    return replace(found, train=replace(found.train, hidden=16, n_heads=2, epochs=30))


def checkpoint(rng):
    """Make weights of the names and shapes that the published checkpoint has."""
    weights = {}

    def norm(i, n):
        name = "batch_normalization" + (f"_{i}" if i else "")
        for part in ("gamma", "beta", "moving_mean"):
            weights[f"{name}/{part}"] = rng.normal(0.5, 0.2, n)
        weights[f"{name}/moving_variance"] = rng.uniform(0.5, 2.0, n)

    def conv(i, *shape):
        name = "conv2d" + (f"_{i}" if i else "")
        weights[f"{name}/kernel"] = rng.normal(0, 0.05, shape)
        weights[f"{name}/bias"] = rng.normal(0, 0.1, shape[-1])

    norm(0, 1)
    for i, width in enumerate(transfer.WIDTHS):
        conv(i, 7, width, 1, 204)
        norm(i + 1, 204)
    for i, length in enumerate(transfer.LENGTHS, 2):
        conv(i, length, 1, 1, 51)
        norm(i + 1, 51)
    for i, entering in ((5, 561), (6, 64), (7, 64)):
        conv(i, 7, entering, 1, 64)
        norm(i + 1, 64)
    norm(9, 2 * (561 + 3 * 64))
    norm(10, 200)
    for name, shape in (("dense", (1506, 200)), ("dense_1", (200, 50))):
        weights[f"{name}/kernel"] = rng.normal(0, 0.05, shape)
        weights[f"{name}/bias"] = rng.normal(0, 0.1, shape[-1])
    return {name: value.astype(np.float32) for name, value in weights.items()}


@pytest.fixture(scope="module")
def published():
    return checkpoint(np.random.default_rng(0))


@pytest.fixture(scope="module")
def trunk(published):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(musicnn, "load", lambda _: published)
        return transfer.load_body("a wheel")


def decibels(*shape):
    return (-80 * np.random.default_rng(1).random(shape)).astype(np.float32)


def test_the_body_says_what_the_published_network_says(published, trunk):
    x = decibels(2, musicnn.N_FRAMES, 96)
    power = 10.0 ** (transfer.LOG_RANGE - 4 + x.astype(float) / 10)
    expected = musicnn.network(published)(np.log10(10000 * power + 1).astype(np.float32))
    assert np.ptp(expected) > 1
    assert trunk.predict_on_batch(x) == pytest.approx(np.asarray(expected), abs=1e-4)


def test_a_segment_is_heard_in_patches_of_three_seconds(settings, trunk):
    inner, heads, inference = transfer.build(settings)
    inner.set_weights(trunk.get_weights())
    x = decibels(1, 96, settings.features.n_frames, 1)
    n = musicnn.N_FRAMES
    patches = np.stack([x[0, :, i * n : (i + 1) * n, 0].T for i in range(3)])
    said = trunk.predict_on_batch(patches).mean(axis=0, keepdims=True)
    logits = np.asarray(heads(said, training=False)).mean(axis=1)
    assert np.ptp(logits) > 0.01
    found = np.asarray(inference(x, training=False))
    assert found == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-5)


def test_heads_learn_from_the_training_clips_alone_and_are_not_trained_twice(
    settings, trunk, tmp_path
):
    rng = np.random.default_rng(2)
    clips = [Clip(f"t{i}", f"a{i}", "panda", "", (GENRES[i % 3],), 3, 30.0) for i in range(120)]
    owner = np.repeat(np.arange(120), 2)
    embeddings = rng.normal(0, 1, (240, musicnn.SIZE)).astype(np.float32)
    embeddings[np.arange(240), owner % 3] += 6.0
    embeddings[200:] = np.nan  # what is left out must not be looked at
    heard = transfer.Heard(embeddings, owner, NOTHING, trunk, "shards")
    said = []
    settings = replace(settings, train=replace(settings.train, batch_size=20, learning_rate=0.01))

    def fit(config):
        transfer.fit(
            config, clips, heard, rows=range(100), name="0", folder=tmp_path, say=said.append
        )

    fit(settings)
    _, heads, inference = transfer.build(settings)
    inference.load_weights(tmp_path / transfer.WEIGHTS)
    logits = np.asarray(heads(embeddings[:200], training=False)).mean(axis=1)
    assert (
        logits.argmax(axis=1) == [GENRES.index(GENRES[i % 3]) for i in owner[:200]]
    ).mean() > 0.9
    fit(settings)
    assert said[-1] == "0: trained before"
    with pytest.raises(FatalError, match="another configuration"):
        fit(replace(settings, train=replace(settings.train, hidden=8)))


def test_heads_learn_to_say_nothing_about_speech(settings, trunk, tmp_path):
    rng = np.random.default_rng(3)
    clips = [Clip(f"t{i}", f"a{i}", "panda", "", (GENRES[i % 3],), 3, 9.0) for i in range(100)]
    embeddings = rng.normal(0, 0.3, (100, musicnn.SIZE)).astype(np.float32)
    embeddings[np.arange(100), np.arange(100) % 3] += 6.0
    speech = rng.normal(0, 0.3, (30, musicnn.SIZE)).astype(np.float32)
    speech[:, [0, 5]] += 6.0  # as the first genre, and something of its own
    changed = replace(
        settings,
        train=replace(settings.train, batch_size=20, learning_rate=0.01),
        negatives=replace(settings.negatives, share=0.5),
    )

    def probability_of(negatives, name):
        heard = transfer.Heard(embeddings, np.arange(100), negatives, trunk, "shards")
        folder = tmp_path / name
        rows = range(100)
        transfer.fit(changed, clips, heard, rows=rows, name="0", folder=folder, say=lambda _: None)
        _, heads, inference = transfer.build(changed)
        inference.load_weights(folder / transfer.WEIGHTS)
        logits = np.asarray(heads(speech[20:], training=False)).mean(axis=1)
        return 1 / (1 + np.exp(-logits[:, 0].mean()))

    without, taught = probability_of(NOTHING, "without"), probability_of(speech[:20], "taught")
    assert taught < without / 2


def test_the_configuration_of_the_accurate_bundle_is_complete():
    found = config.load(ACCURATE)
    assert found.network is None
    assert (found.features.n_frames, found.features.n_mels) == (626, 96)
