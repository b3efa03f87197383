"""The smaller MusiCNN."""

from dataclasses import replace

import numpy as np
import pytest
from test_training_transfer import checkpoint, decibels

from genretagger.features import FeatureConfig
from training import compact, config, musicnn, transfer

pytest.importorskip("tensorflow")

RANK = 3


@pytest.fixture(autouse=True)
def _little_to_hear(monkeypatch):
    monkeypatch.setattr(compact, "_FITTED", 12)
    monkeypatch.setattr(compact, "_WINDOWS", 1000)


@pytest.fixture(scope="module")
def settings():
    found = config.load(config.DEFAULT)
    wanted = replace(
        found.compact, rank=RANK, n_patches=40, epochs=2, batch_size=8, mixed_share=0.5
    )
    return replace(found, compact=wanted)


@pytest.fixture(scope="module")
def large():
    """A network whose filters are combinations of few."""
    rng = np.random.default_rng(0)
    weights = checkpoint(rng)
    for i in range(5):
        name = musicnn.numbered("conv2d", i)
        kernel = weights[f"{name}/kernel"]
        flat = kernel.reshape(-1, kernel.shape[-1])
        few = rng.normal(0, 0.02, (len(flat), RANK)) @ rng.normal(0, 1, (RANK, flat.shape[1]))
        weights[f"{name}/kernel"] = few.reshape(kernel.shape).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(musicnn, "load", lambda _: weights)
        return transfer.load_body("a wheel")


def test_filters_of_low_rank_are_found_exactly(settings, large):
    whole = replace(settings.compact, time_stride=1, timbral_stride=1, temporal_stride=1)
    small = transfer.body(whole)
    x = decibels(6, musicnn.N_FRAMES, 96)
    compact.approximate(small, large, x[:4], whole)
    expected = large.predict_on_batch(x[4:])
    assert np.ptp(expected) > 1
    assert small.predict_on_batch(x[4:]) == pytest.approx(
        expected, abs=0.02 * float(np.ptp(expected))
    )
    assert small.count_params() < large.count_params()


def test_fewer_frames_and_bands_are_heard(settings, large):
    small = transfer.body(settings.compact)
    x = decibels(6, musicnn.N_FRAMES, 96)
    compact.approximate(small, large, x[:4], settings.compact)
    given = compact.front(small).predict_on_batch(x[4:])
    goal = compact.front(large).predict_on_batch(x[4:])[:, :: settings.compact.time_stride]
    assert given.shape == goal.shape
    left = ((given - goal) ** 2).mean() / goal.var()
    assert left < 0.5
    features = FeatureConfig(n_fft=512, hop_length=256)
    assert transfer.n_macs(features, settings.compact) < transfer.n_macs(features) / 10


def test_patches_are_under_their_segments_peak(settings):
    features = settings.features
    rng = np.random.default_rng(0)
    segments = [rng.normal(-40, 9, (n, features.n_frames, features.n_mels)) for n in (2, 1)]
    patches = compact.Patches(settings.compact, features, [s.astype(np.float16) for s in segments])
    drawn = [patches.draw(np.random.default_rng(i)) for i in range(12)]
    assert {x.shape for x in drawn} == {(musicnn.N_FRAMES, features.n_mels)}
    assert all(-features.top_db <= x.min() and x.max() <= 0 for x in drawn)
    assert len({float(x.mean()) for x in drawn}) == 12
    assert np.array_equal(drawn[3], patches.draw(np.random.default_rng(3)))


def test_it_learns_what_the_large_one_says_and_is_not_made_twice(
    settings, large, tmp_path, monkeypatch
):
    features = settings.features
    rng = np.random.default_rng(0)
    shape = (4, features.n_frames, features.n_mels)
    music = ([rng.normal(-40, 9, shape).astype(np.float16)], "of the corpus")
    monkeypatch.setattr(transfer, "load_body", lambda _: large)
    said = []
    small = compact.load(tmp_path, settings, "a wheel", music, say=said.append)
    explained = [line for line in said if "explained" in line]
    assert len(explained) == 1 + settings.compact.epochs

    before = said.copy()
    again = compact.load(tmp_path, settings, "a wheel", music, say=said.append)
    assert said == before
    x = decibels(2, musicnn.N_FRAMES, 96)
    assert np.array_equal(small.predict_on_batch(x), again.predict_on_batch(x))

    # another training hears nothing again, and goes on where it was killed
    longer = replace(settings, compact=replace(settings.compact, epochs=3))
    _kill_after(2, longer, large, tmp_path, music, monkeypatch)
    said.clear()
    compact.load(tmp_path, longer, "a wheel", music, say=said.append)
    assert not [line for line in said if "heard" in line]
    assert "goes on after epoch 2" in said
    assert [line[:8] for line in said if line.startswith("epoch")] == ["epoch 3:"]


def _kill_after(epoch, settings, large, folder, music, monkeypatch):
    def say(line):
        if line.startswith(f"epoch {epoch}:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compact.load(folder, settings, "a wheel", music, say=say)
