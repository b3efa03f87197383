"""What the network has to predict comes from the training clips alone."""

import numpy as np
import pytest

from training.features import shards, teachers
from training.learn.batches import sound_targets, tag_targets
from training.networks import musicnn


def cached(seed=0, n_clips=40, n_windows=6):
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((8, teachers.SOUNDS_SIZE))
    sounds = np.maximum(rng.standard_normal((n_clips * n_windows, 8)) @ mixing, 0)
    return shards.Shards(
        mel=np.zeros((n_clips * 500, 96), np.float16),
        frames=np.arange(n_clips + 1) * 500,
        sounds=sounds.astype(np.float16),
        windows=np.arange(n_clips + 1) * n_windows,
        tags=rng.standard_normal((n_clips, musicnn.SIZE)).astype(np.float32),
    )


TRAINING = range(30)


def test_clips_that_are_left_out_do_not_touch_the_targets_of_the_others():
    """Ten times louder teachers on the left-out clips change nothing for the rest."""
    clean, other = cached(), cached()
    other.sounds[30 * 6 :] *= 10
    other.tags[30:] *= 10
    for targets in (lambda s: sound_targets(s, TRAINING, 16), tags_of):
        expected, found = targets(clean), targets(other)
        n = len(expected) * 30 // 40
        assert np.array_equal(expected[:n], found[:n])
        assert not np.array_equal(expected[n:], found[n:])


def tags_of(found):
    return tag_targets(found, TRAINING)


def test_predicting_the_mean_costs_one():
    """So that a loss reads as the share of variance left unexplained."""
    sounds = sound_targets(cached(), TRAINING, 16)[: 30 * 6]
    assert sounds.shape == (180, 16)
    assert sounds.var(axis=0).mean() == pytest.approx(1.0, rel=1e-3)
    tags = tags_of(cached())[:30]
    assert (tags**2).mean() == pytest.approx(0.83, abs=0.03)  # damped by a tenth: 1 / 1.1**2


def test_the_hidden_layer_and_the_tags_weigh_the_same():
    tags = tags_of(cached())[:30]
    hidden = (tags[:, : musicnn.N_HIDDEN] ** 2).sum()
    assert hidden / (tags**2).sum() == pytest.approx(0.5, abs=0.02)


def test_a_value_that_hardly_ever_moves_cannot_rule_the_loss():
    found = cached()
    found.sounds[:, 0] = 0
    found.sounds[31 * 6, 0] = 8.0  # never in the training clips
    targets = sound_targets(found, TRAINING, 16)
    assert np.abs(targets[31 * 6]).max() < 20


def test_musicnn_predicts_four_patches_of_three_seconds_however_long_the_clip():
    pytest.importorskip("librosa")
    for seconds in (3, 30):
        y = np.random.default_rng(0).standard_normal(seconds * 16000).astype(np.float32)
        assert musicnn.patches(y).shape == (musicnn.N_PATCHES, musicnn.N_FRAMES, 96)


def made_up_weights(rng):
    """Weights of MusiCNN's shapes, as its checkpoint names them."""
    shapes = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51)]
    shapes += [(7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)]
    weights = {}
    for i, shape in enumerate(shapes):
        name = "conv2d" if i == 0 else f"conv2d_{i}"
        scale = 1 / np.sqrt(shape[0] * shape[1])
        weights[f"{name}/kernel"] = scale * rng.standard_normal(shape).astype(np.float32)
        weights[f"{name}/bias"] = np.zeros(shape[-1], np.float32)
    widths = [1, 204, 204, 51, 51, 51, 64, 64, 64, 2 * 753, 200]
    for i, width in enumerate(widths):
        name = "batch_normalization" if i == 0 else f"batch_normalization_{i}"
        for key, value in (("gamma", 1), ("moving_variance", 1), ("beta", 0), ("moving_mean", 0)):
            weights[f"{name}/{key}"] = np.full(width, value, np.float32)
    for name, shape in (("dense", (1506, 200)), ("dense_1", (200, 50))):
        weights[f"{name}/kernel"] = rng.standard_normal(shape).astype(np.float32) / 40
        weights[f"{name}/bias"] = np.zeros(shape[1], np.float32)
    return weights


def test_musicnn_has_the_published_shapes_from_end_to_end():
    pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)
    run = musicnn.network(made_up_weights(rng))
    found = np.asarray(run(rng.random((2, musicnn.N_FRAMES, 96)).astype(np.float32)))
    assert found.shape == (2, musicnn.SIZE)
    assert np.isfinite(found).all()
    assert not np.allclose(found[0], found[1])
