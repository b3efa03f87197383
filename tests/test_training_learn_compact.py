"""The smaller MusiCNN."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from musicnn_stand_in import checkpoint, decibels

from genretagger.features import FeatureConfig
from training import config
from training.data.clips import Clip
from training.features.shards import Shards
from training.learn import compact, lessons
from training.learn.patches import ClipSegments, CorpusSegments, Patches
from training.networks import body, low_rank, musicnn
from training.networks.low_rank import approximate, front

pytestmark = pytest.mark.skipif(not find_spec("tensorflow"), reason="needs tensorflow")

RANK = 3


@pytest.fixture(autouse=True)
def _little_to_predict(monkeypatch):
    monkeypatch.setattr(compact, "_FITTED", 12)
    monkeypatch.setattr(low_rank, "_WINDOWS", 1000)


@pytest.fixture(scope="module")
def settings():
    found = config.load(config.DEFAULT)
    wanted = replace(
        found.model.compact,
        rank=RANK,
        n_patches=40,
        patches_per_clip=3,
        epochs=2,
        clip_epochs=1,
        batch_size=4,
        mixed_share=0.5,
    )
    return replace(found, model=replace(found.model, compact=wanted))


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
        return body.load("a wheel")


def test_filters_of_low_rank_are_found_exactly(settings, large):
    whole = replace(settings.model.compact, time_stride=1, timbral_stride=1, temporal_stride=1)
    small = body.build(whole)
    x = decibels(6, musicnn.N_FRAMES, 96)
    approximate(small, large, x[:4], whole)
    expected = large.predict_on_batch(x[4:])
    assert np.ptp(expected) > 1
    assert small.predict_on_batch(x[4:]) == pytest.approx(
        expected, abs=0.02 * float(np.ptp(expected))
    )
    assert small.count_params() < large.count_params()


def test_fewer_frames_and_bands_are_compared(settings, large):
    small = body.build(settings.model.compact)
    x = decibels(6, musicnn.N_FRAMES, 96)
    approximate(small, large, x[:4], settings.model.compact)
    given = front(small).predict_on_batch(x[4:])
    goal = front(large).predict_on_batch(x[4:])[:, :: settings.model.compact.time_stride]
    assert given.shape == goal.shape
    left = ((given - goal) ** 2).mean() / goal.var()
    assert left < 0.5
    features = FeatureConfig(n_fft=512, hop_length=256)
    assert body.n_macs(features, settings.model.compact) < body.n_macs(features) / 10


def music(settings, n=4, seed=0):
    features = settings.features
    shape = (n, features.n_frames, features.n_mels)
    return np.random.default_rng(seed).normal(-40, 9, shape).astype(np.float16)


def shards_of(n_frames, settings):
    """Clips of so many frames, each at a level of its own."""
    rng = np.random.default_rng(0)
    mel = [rng.normal(-30 - 9 * i, 1, (n, 96)) for i, n in enumerate(n_frames)]
    frames = np.cumsum([0, *n_frames])
    windows = np.zeros(len(frames), dtype=int)
    return Shards(np.concatenate(mel).astype(np.float16), frames, None, windows, None, "of a test")


def test_patches_are_under_their_segments_peak(settings):
    features = settings.features
    draw = CorpusSegments([music(settings, 2), music(settings, 1)])
    patches = Patches(settings.model.compact, features, draw)
    drawn = [patches.draw(np.random.default_rng(i)) for i in range(12)]
    assert {x.shape for x in drawn} == {(musicnn.N_FRAMES, features.n_mels)}
    assert all(-features.top_db <= x.min() and x.max() <= 0 for x in drawn)
    assert len({float(x.mean()) for x in drawn}) == 12
    assert np.array_equal(drawn[3], patches.draw(np.random.default_rng(3)))


def test_segments_come_from_the_clips_that_may_be_learned_from(settings):
    shards = shards_of([900, 625, 300], settings)
    draw = ClipSegments(shards, [0, 2], 625)
    drawn = [draw(np.random.default_rng(i)) for i in range(20)]
    assert {x.shape for x in drawn} == {(625, 96)}
    assert {round(float(x.mean()) / 9) for x in drawn} == {-3, -5}  # -30 and -48, not -39
    short = next(x for x in drawn if x.mean() < -40)
    assert np.array_equal(short[:300], short[300:600])


@pytest.fixture
def course(settings, large, tmp_path, monkeypatch):
    monkeypatch.setattr(body, "load", lambda _: large)
    monkeypatch.setattr(lessons, "_runners", {})
    shards = shards_of([700, 650, 640, 300], settings)
    clips = [Clip(f"{i}", f"{i}", "x", "", (), 3, 9.0, split=str(i % 2)) for i in range(4)]

    def run(settings=settings, say=lambda _: None, learns=None):
        learns = learns or {"0": [1, 3], "1": [0, 2]}
        distillation = compact.Distillation(
            tmp_path,
            settings,
            clips,
            shards,
            wheel="a wheel",
            music=([music(settings)], "of the corpus"),
            learns=learns,
            n_jobs=1,
            say=say,
        )
        return dict(distillation.networks())

    return run


def test_models_share_the_corpus_and_part_over_their_clips(settings, course):
    said = []
    trunks = course(say=said.append)
    assert list(trunks) == ["0", "1"]
    epochs = [line for line in said if line.startswith("epoch")]
    assert len(epochs) == settings.model.compact.epochs + 2 * settings.model.compact.clip_epochs
    predicted = [line.partition(" ")[0] for line in said if "patches predicted" in line]
    assert predicted == ["40/40", "6/6", "6/6"]
    x = decibels(2, musicnn.N_FRAMES, 96)
    given = {name: trunk.predict_on_batch(x) for name, trunk in trunks.items()}
    assert not np.array_equal(given["0"], given["1"])
    for layer in (f"basis_{i}" for i in range(5)):
        mine, other = (t.get_layer(layer).get_weights()[0] for t in trunks.values())
        assert np.array_equal(mine, other)

    before = said.copy()
    again = course(say=said.append)
    assert said == before
    assert np.array_equal(again["1"].predict_on_batch(x), given["1"])


def test_another_training_predicts_nothing_again_and_resumes_where_it_was_killed(settings, course):
    one = {"0": [1, 3]}  # a second model of clips would be made in the same way
    course(learns=one)
    compact_longer = replace(settings.model.compact, epochs=3)
    longer = replace(settings, model=replace(settings.model, compact=compact_longer))

    def kill(line):
        if line.startswith("epoch 2:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        course(longer, say=kill, learns=one)
    said = []
    course(longer, say=said.append, learns=one)
    assert not [line for line in said if "predicted" in line]
    assert "resumes after epoch 2" in said
    assert [line[:8] for line in said if line.startswith("epoch")][:1] == ["epoch 3:"]


def test_what_a_model_is_measured_on_changes_nothing_in_it(settings, course, tmp_path):
    """The model of fold 0 is the same whether or not the clips of fold 0 are ever embedded."""
    alone = course(learns={"0": [1, 3]})["0"].get_weights()
    for path in tmp_path.glob("*.json"):
        path.unlink()
    both = course()["0"].get_weights()
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(alone, both, strict=True))
