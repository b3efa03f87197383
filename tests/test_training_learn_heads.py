"""MusiCNN as the body of a network, with heads of our own."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from musicnn_stand_in import checkpoint, decibels

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training import config
from training.data.clips import Clip
from training.files import read_jsonl
from training.folders import ModelFolder
from training.learn import recipes
from training.learn.embed import Embedded
from training.learn.heads import train_heads
from training.networks import body, heads, musicnn
from training.networks.tags import MEANT

pytestmark = pytest.mark.skipif(not find_spec("tensorflow"), reason="needs tensorflow")

ACCURATE = config.DEFAULT.with_name("accurate.toml")


NOTHING = np.empty((0, musicnn.SIZE), np.float32)


@pytest.fixture(scope="module")
def settings():
    found = config.load(ACCURATE)
    head = replace(found.model.train, hidden=16, n_heads=2, epochs=30)
    model = config.MusicnnHeads(head, found.model.negatives)
    return replace(found, features=found.features.each_scale()[0], model=model)


def changed(settings, **head):
    """Change settings of the heads."""
    return replace(
        settings, model=replace(settings.model, train=replace(settings.model.train, **head))
    )


def networks(settings):
    """Build embedder, heads, and both as one."""
    embedder = heads.on_musicnn(settings.features, body.build())
    head, features = settings.model.train, settings.features
    return embedder, *heads.on_embedder(features, head, embedder, [musicnn.SIZE], musicnn.N_HIDDEN)


@pytest.fixture(scope="module")
def published():
    return checkpoint(np.random.default_rng(0))


@pytest.fixture(scope="module")
def embedder(published):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(musicnn, "load", lambda _: published)
        return body.load("a wheel")


def test_the_body_gives_what_the_published_network_gives(published, embedder):
    x = decibels(2, musicnn.N_FRAMES, 96)
    power = 10.0 ** (body.LOG_RANGE - 4 + x.astype(float) / 10)
    expected = musicnn.network(published)(np.log10(10000 * power + 1).astype(np.float32))
    assert np.ptp(expected) > 1
    assert embedder.predict_on_batch(x) == pytest.approx(np.asarray(expected), abs=1e-4)


def test_a_segment_is_predicted_in_patches_of_three_seconds(settings, embedder):
    inner, top, inference = networks(settings)
    inner.set_weights(embedder.get_weights())
    x = decibels(1, 96, settings.features.n_frames, 1)
    n = musicnn.N_FRAMES
    patches = np.stack([x[0, :, i * n : (i + 1) * n, 0].T for i in range(3)])
    said = embedder.predict_on_batch(patches).mean(axis=0, keepdims=True)
    logits = np.asarray(top(said, training=False)).mean(axis=1)
    assert np.ptp(logits) > 0.01
    head = settings.model.train
    for genre, meant in MEANT.items():
        strongest = said[0, musicnn.N_HIDDEN + np.array(meant)].max() + head.tags_shift
        logits[0, genre] += head.tags_share * (strongest - logits[0, genre])
    found, embedding = map(np.asarray, inference(x, training=False))
    standard = top.get_layer("standard")(said, training=False)
    assert embedding == pytest.approx(np.asarray(standard), abs=1e-4)
    assert found == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-5)


def test_heads_learn_from_the_training_clips_alone_and_are_not_trained_twice(
    settings, embedder, tmp_path
):
    rng = np.random.default_rng(2)
    clips = [Clip(f"t{i}", f"a{i}", "panda", "", (GENRES[i % 3],), 3, 30.0) for i in range(120)]
    owner = np.repeat(np.arange(120), 2)
    embeddings = rng.normal(0, 1, (240, musicnn.SIZE)).astype(np.float32)
    embeddings[np.arange(240), owner % 3] += 6.0
    embeddings[200:] = np.nan  # what is left out must not be looked at
    embedded = Embedded(embeddings, owner, NOTHING, embedder, "shards")
    said = []
    settings = changed(settings, batch_size=20, learning_rate=0.01)
    folder = ModelFolder(tmp_path)

    def train(config):
        train_heads(
            config,
            clips,
            embedded,
            lambda: networks(config),
            rows=range(100),
            validated=(),
            name="0",
            folder=folder,
            say=said.append,
        )

    train(settings)
    _, top, inference = networks(settings)
    inference.load_weights(folder.weights)
    logits = np.asarray(top(embeddings[:200], training=False)).mean(axis=1)
    assert (
        logits.argmax(axis=1) == [GENRES.index(GENRES[i % 3]) for i in owner[:200]]
    ).mean() > 0.9
    train(settings)
    assert said[-1] == "0: trained before"
    with pytest.raises(FatalError, match="another configuration"):
        train(changed(settings, hidden=8))


def test_heads_learn_to_say_nothing_about_speech(settings, embedder, tmp_path):
    rng = np.random.default_rng(3)
    clips = [Clip(f"t{i}", f"a{i}", "panda", "", (GENRES[i % 3],), 3, 9.0) for i in range(100)]
    embeddings = rng.normal(0, 0.3, (100, musicnn.SIZE)).astype(np.float32)
    embeddings[np.arange(100), np.arange(100) % 3] += 6.0
    speech = rng.normal(0, 0.3, (30, musicnn.SIZE)).astype(np.float32)
    speech[:, [0, 5]] += 6.0  # as the first genre, and something of its own
    taught_by_half = changed(settings, batch_size=20, learning_rate=0.01)
    half = replace(settings.model.negatives, share=0.5)
    taught_by_half = replace(taught_by_half, model=replace(taught_by_half.model, negatives=half))

    def probability_of(negatives, name):
        folder = ModelFolder(tmp_path / name)
        train_heads(
            taught_by_half,
            clips,
            Embedded(embeddings, np.arange(100), negatives, embedder, "shards"),
            lambda: networks(taught_by_half),
            rows=range(80),
            validated=range(80, 100),
            name="0",
            folder=folder,
            say=lambda _: None,
        )
        losses = [line["validation"] for line in read_jsonl(folder.log)]
        assert len(losses) == taught_by_half.model.train.epochs
        assert losses[-1] < losses[0] / 2
        _, top, inference = networks(taught_by_half)
        inference.load_weights(folder.weights)
        logits = np.asarray(top(speech[20:], training=False)).mean(axis=1)
        return 1 / (1 + np.exp(-logits[:, 0].mean()))

    without, taught = probability_of(NOTHING, "without"), probability_of(speech[:20], "taught")
    assert taught < without / 2


def test_networks_side_by_side_each_hear_their_own_bands_under_their_own_peak(settings):
    import keras
    from keras import ops

    two = replace(settings.features, n_mels=192, top_db=120.0)
    x = keras.Input((two.n_frames, 96))
    peaks, means = keras.Model(x, ops.max(x, axis=1)), keras.Model(x, ops.mean(x, axis=1))
    together = heads.side_by_side(two, [peaks, means])
    bands = [decibels(1, two.n_frames, 96) - below for below in (30.0, 0.0)]
    given = together.predict_on_batch(np.concatenate(bands, axis=2))
    heard = [np.maximum(part - part.max(), -80.0) for part in bands]
    expected = np.concatenate([heard[0].max(axis=1), heard[1].mean(axis=1)], axis=1)
    assert np.ptp(expected) > 1
    assert given == pytest.approx(expected, abs=1e-3)


def test_each_part_of_an_embedding_has_heads_of_its_own(settings):
    top = heads.build([3, 5], settings.model.train)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 8)).astype(np.float32)
    before = np.asarray(top(x, training=False))
    assert before.shape == (1, 4, len(GENRES))
    x[:, :3] = 0
    moved = np.abs(np.asarray(top(x, training=False)) - before).max(axis=(0, 2))
    assert (moved[:2] > 0).all()
    assert (moved[2:] == 0).all()


def test_the_accurate_bundle_has_musicnn_beside_the_student_of_the_default():
    accurate, default = config.load(ACCURATE), config.load(config.DEFAULT)
    assert isinstance(accurate.model, config.PairHeads)
    slaney, htk = accurate.features.each_scale()
    assert (slaney.n_frames, slaney.n_mels, slaney.scales) == (626, 96, ("slaney",))
    assert htk == default.features
    assert accurate.model.student == default.model.student
    recipe = recipes.recipe(accurate)
    embedder, top, _ = recipe.build()
    assert recipe.tags_at() == sum(recipe.sizes()) == 250 + 128 + 64 <= 480
    assert embedder.output.shape[1] == recipe.tags_at() + 50
    assert top.output.shape[1] == 2 * accurate.model.train.n_heads
