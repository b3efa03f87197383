"""What the models are compared with, in one table."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training import config, files
from training.data.clips import Clip, reference
from training.features.shards import Shards
from training.measure import baselines
from training.networks import musicnn

pytestmark = pytest.mark.skipif(not find_spec("tensorflow"), reason="needs tensorflow")

N_CLIPS, N_FRAMES = 84, 250


@pytest.fixture(scope="module")
def settings():
    found = config.load(config.DEFAULT.with_name("accurate.toml"))
    head = replace(
        found.model.train, epochs=40, hidden=32, n_heads=1, batch_size=8, learning_rate=0.01
    )
    return replace(
        found,
        model=replace(found.model, train=head),
        evaluate=replace(found.evaluate, n_resamples=10, least_positives=2),
    )


@pytest.fixture(scope="module")
def clips():
    return [
        Clip(
            *(f"t{i}", f"a{i // 2}", ("panda", "lists")[i % 2], "", (GENRES[i // 2 % 4],), 3, 4.0),
            split=str(i // 2 % 8 // 4),
        )
        for i in range(N_CLIPS)
    ]


@pytest.fixture(scope="module")
def shards(clips):
    rng = np.random.default_rng(0)
    genre = reference(clips).argmax(axis=1)
    tags = rng.normal(0, 1, (N_CLIPS, musicnn.SIZE)).astype(np.float32)
    blocks = tags[:, : musicnn.N_HIDDEN].reshape(N_CLIPS, 4, -1)  # a view
    blocks[np.arange(N_CLIPS), genre] += 3.0
    return Shards(
        mel=rng.normal(-40, 9, (N_CLIPS * N_FRAMES, 96)).astype(np.float16),
        frames=np.arange(N_CLIPS + 1) * N_FRAMES,
        sounds=rng.normal(0, 1, (N_CLIPS, 1024)).astype(np.float16),
        windows=np.arange(N_CLIPS + 1),
        tags=tags,
        sha256="shards",
    )


def test_every_baseline_is_measured_and_put_in_the_table(
    settings, clips, shards, tmp_path, monkeypatch
):
    monkeypatch.setattr(baselines, "_REPORT_EPOCHS", 1)
    found = baselines.predict(settings, clips, shards, tmp_path, say=lambda _: None)
    assert all(np.isfinite(logits).all() for logits in found.values())
    perfect = np.where(reference(clips), 5.0, -5.0)
    results = baselines.measure(settings, clips, found | {"`perfect`": perfect}, say=lambda _: None)
    top1 = {
        name: result["ranking"]["all"]["top1_in_labels"]["value"]
        for name, result in results.items()
    }
    assert top1["`perfect`"] == 1.0
    assert top1["majority"] < 0.5
    # the made-up MusiCNN tells the genre, the made-up YAMNet does not
    assert top1["MusiCNN, logistic"] > 0.8
    said = found["MusiCNN, perceptron"].argmax(axis=1)
    assert (said == reference(clips).argmax(axis=1)).mean() > 0.6
    assert top1["YAMNet, logistic"] < 0.6
    floor = results[baselines.FLOOR]["against_floor"]["panda"]["macro_map"]
    assert floor == {"value": 0.0, "low": 0.0, "high": 0.0}
    laid_out = baselines.write(tmp_path / "baselines", results)
    assert all(laid_out.count(f"| {name} |") == 4 for name in results)
    written = json.loads((tmp_path / "baselines.json").read_text(encoding="utf-8"))
    assert written.keys() == results.keys()

    # what was predicted is not predicted again, unless the heads or the shards are others
    class Again(Exception):
        pass

    def again(*_, **__):
        raise Again

    for name in ("_majority", "_report", "_logistic", "_perceptron"):
        monkeypatch.setattr(baselines, name, again)
    recalled = baselines.predict(settings, clips, shards, tmp_path, say=lambda _: None)
    assert all(np.array_equal(found[name], recalled[name]) for name in found)
    head = replace(settings.model.train, weight_decay=0.5)
    changed = replace(settings, model=replace(settings.model, train=head))
    with pytest.raises(Again):
        baselines.predict(changed, clips, shards, tmp_path, say=lambda _: None)
    with pytest.raises(Again):
        other = replace(shards, sha256="other shards")
        baselines.predict(settings, clips, other, tmp_path, say=lambda _: None)


def test_tags_that_mean_a_genre_are_found():
    tags = np.zeros((1, musicnn.SIZE), dtype=np.float32)
    tags[0, musicnn.N_HIDDEN + musicnn.TAGS.index("soul")] = 3.0
    assert GENRES[baselines.zero_shot(tags).argmax()] == "RNB"


def test_what_a_run_said_is_read_only_if_its_folds_are_the_same(clips, tmp_path):
    path = tmp_path / "predictions.npz"
    with pytest.raises(FatalError, match="run the stage `evaluate` of that run first"):
        baselines.of_run(path, clips)
    logits = np.random.default_rng(0).normal(0, 1, (N_CLIPS - 1, len(GENRES)))
    measured = clips[:-1]

    def save(splits):
        np.savez(
            path,
            logits=logits,
            split=np.array(splits),
            track_id=np.array([clip.track_id for clip in measured]),
        )

    save([clip.split for clip in measured])
    found = baselines.of_run(path, clips)
    assert np.array_equal(found[:-1], logits)
    assert np.isnan(found[-1]).all()
    save(["9"] * len(measured))
    with pytest.raises(FatalError, match="other folds"):
        baselines.of_run(path, clips)


def test_a_full_disk_is_seen_before_an_hour_of_predictions(
    settings, clips, shards, tmp_path, monkeypatch
):
    usage = files.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(FatalError, match=r"are to come, .* free some, or move the run"):
        baselines.predict(settings, clips, shards, tmp_path / "new", say=lambda _: None)
    assert not (tmp_path / "new").exists()


def test_without_teachers_there_is_nothing_to_compare_with(settings, clips, shards, tmp_path):
    with pytest.raises(FatalError, match="both teachers"):
        baselines.predict(settings, clips, replace(shards, tags=None), tmp_path, say=lambda _: None)
