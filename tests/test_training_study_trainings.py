"""The study: its protocols, its trainings, and one tiny variant through the whole stage."""

import json
from dataclasses import replace

import make_audio
import numpy as np
import pytest
import soundfile

from genretagger.errors import FatalError
from training import config, files
from training.__main__ import main
from training.data import split
from training.data.clips import Clip, read_clips, with_splits, write_clips
from training.networks import report
from training.study import grid, protocols, trainings, variants
from training.study.config import DEFAULT, load
from training.study.plan import Training

pytest.importorskip("librosa")
CONFIG = load(DEFAULT)

# ---- Figures ---------------------------------------------------------------------------------


def test_the_reports_accuracy_is_that_of_keras_ties_to_the_first():
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    labels = rng.random((500, 14)) < 0.2
    labels[0] = False
    estimated = rng.random((500, 14)).astype(np.float32)
    estimated[:50] = 0.5
    metric = keras.metrics.CategoricalAccuracy()
    metric.update_state(labels.astype(np.float32), estimated)
    assert trainings.category_hits(labels, estimated).mean() == pytest.approx(
        float(metric.result())
    )


# ---- Networks --------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [30, 10, 3])
@pytest.mark.parametrize("mfcc", [False, True])
def test_the_reports_networks_take_its_shapes(mfcc, seconds):
    pytest.importorskip("keras")
    variant = grid.Variant(mfcc, True, False, seconds)
    model = report.build(variant.shape(44100))
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 5
    assert kinds.count("MaxPooling2D") == 4
    assert [layer.filters for layer in model.layers if hasattr(layer, "filters")] == [
        *(8, 16, 32, 64, 128)
    ]
    before_flatten = model.layers[kinds.index("Flatten") - 1].output.shape
    frames = {30: 157, 10: 50, 3: 14}[seconds]
    assert before_flatten == (None, 3 if mfcc else 4, frames, 128)
    assert model.output.shape == (None, 14)


def test_the_network_with_global_pooling_takes_any_length():
    pytest.importorskip("keras")
    model = report.build((13, 105, 3), pooling="global")
    for frames in (105, 313, 938):
        assert model(np.zeros((2, 13, frames, 3), np.float32)).shape == (2, 14)
    with pytest.raises(FatalError, match="no pooling 'none'"):
        report.build((13, 105, 3), pooling="none")


def test_masks_and_mixup_change_what_they_should():
    train = replace(CONFIG.train, mixup_share=1.0, n_masks=2)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 20, 40, 3)).astype(np.float32)
    y = np.eye(8, 14, dtype=np.float32)
    mixed, targets = x.copy(), y.copy()
    trainings._mix(mixed, targets, replace(train, n_masks=0), np.random.default_rng(1))
    assert np.allclose(targets.sum(axis=1), 1)
    for row in range(8):
        other = int(np.argmax(np.where(np.arange(14) == row, -1, targets[row])))
        expected = targets[row, row] * x[row]
        if targets[row, row] < 1:
            expected = expected + targets[row, other] * x[other]
        assert np.allclose(mixed[row], expected, atol=1e-5)
    masked = x.copy()
    trainings._mix(masked, y, replace(train, mixup_share=0.0), np.random.default_rng(2))
    changed = masked != x
    assert 0.02 < changed.mean() < 0.5
    lowest = np.broadcast_to(x.min(axis=(1, 2), keepdims=True), x.shape)
    assert np.array_equal(masked[changed], lowest[changed])


# ---- The stage -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Fifteen artists with two tracks each, in three timbres that are genres, as shards."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny.toml").write_text(
        DEFAULT.read_text(encoding="utf-8")
        .replace("sr = 16000", "sr = 8000")
        .replace("least_s = 29.5", "least_s = 30.0")
        .replace("patience = 8", "patience = 20")
        .replace("most_passes = 100", "most_passes = 20")
        .replace("least_positives = 10", "least_positives = 1")
        .replace("n_resamples = 1000", "n_resamples = 50"),
        encoding="utf-8",
    )
    clips = []
    one = make_audio.music(5.0, 8000, 1)[:, 0]
    rng = np.random.default_rng(0)
    for i in range(30):
        kind = i % 3
        y = np.tile(one, 6) if kind == 0 else 0.2 * rng.standard_normal(240000)
        y = np.convolve(y, [0.5, 0.5], "same") if kind == 2 else y
        path = folder / f"{i}.wav"
        soundfile.write(path, y + 0.001 * rng.standard_normal(240000), 8000)
        genre = ("Classical", "Punk", "Rock")[kind]
        clips.append(Clip(f"t{i:02}", f"a{i // 2}", "panda", path.name, (genre,), 3, 30.0))
    clips.append(replace(clips[0], track_id="short", duration_s=20.0))
    splits = split.named(clips, config.load(config.DEFAULT).split)
    write_clips(folder / "run/manifest.jsonl", with_splits(clips, splits))
    assert command("shards", folder, "--variant", "mfcc-10s-augmented", "--copy-all") == 0
    return folder


def command(stage, folder, *options):
    common = ["--run", folder / "run", "--grid", folder / "tiny.toml", "--jobs", "2"]
    common += ["--data", folder] if stage == "shards" else []
    return main([stage, *map(str, [*common, *options])])


@pytest.fixture(scope="module")
def store(begun):
    tiny = load(begun / "tiny.toml")
    clips = protocols.eligible(read_clips(begun / "run/manifest.jsonl"), tiny)
    variant = grid.parse("mfcc-10s-augmented")
    return tiny, clips, variants.read(begun / "run/variants", clips, variant, tiny.features)


def tracks(examples, indices):
    return set(examples.track[indices].tolist())


def test_shuffled_examples_leak_tracks_and_artists_apart_do_not(store):
    tiny, clips, examples = store
    artists = np.array([clip.artist_id for clip in clips])
    for protocol in protocols.PROTOCOLS:
        parts = protocols.divide(examples, clips, tiny, protocol)
        train, test = tracks(examples, parts.train), tracks(examples, parts.test)
        validation = tracks(examples, parts.validation)
        n = sum(len(part) for part in (parts.train, parts.validation, parts.test))
        if protocol == "shuffled":
            assert n == len(examples)
            assert train & test
            assert set(examples.copy[parts.test]) == {0, 1, 2}
            continue
        assert train | validation | test == set(range(30))
        assert not (train & test or train & validation or test & validation)
        assert set(examples.copy[parts.test]) == set(examples.copy[parts.validation]) == {0}
        assert set(examples.copy[parts.train]) == {0, 1, 2}
        shared = set(artists[list(train)]) & set(artists[list(test)])
        assert bool(shared) == (protocol == "tracks")
        assert len(test) == pytest.approx(6, abs=2)


def test_on_all_folds_each_track_is_tested_once(store):
    tiny, clips, examples = store
    folds = [
        protocols.divide(examples, clips, tiny, "artists", fold)
        for fold in range(tiny.split.n_rotations)
    ]
    assert len(folds) == 5
    tested = [track for parts in folds for track in tracks(examples, parts.test)]
    assert sorted(tested) == list(range(30))
    for parts in folds:
        held_out = tracks(examples, parts.test) | tracks(examples, parts.validation)
        assert not held_out & tracks(examples, parts.train)


def test_a_genre_of_too_few_tracks_may_stand_on_one_side_and_others_may_not(store):
    tiny, clips, _ = store
    rare = [replace(clip, genres=("Jazz",)) if clip.artist_id == "a0" else clip for clip in clips]
    with pytest.raises(FatalError, match=r"training or the test lacks Jazz"):
        for fold in range(5):
            protocols.check(rare, replace(tiny, split=tiny.split.rotated(fold)))
    least = replace(tiny.evaluate, least_positives=3)
    with pytest.raises(FatalError, match="no genre has 3 tracks in the test part"):
        protocols.check(rare[:12], replace(tiny, evaluate=least))
    bulky = [replace(clip, genres=("Jazz",)) if i < 2 else clip for i, clip in enumerate(clips)]
    common = [replace(clip, genres=("Pop", *clip.genres)) for clip in bulky]
    for fold in range(5):
        protocols.check(
            common, replace(tiny, split=tiny.split.rotated(fold), evaluate=least)
        )  # Pop is measured, Jazz with its two tracks is not


def test_the_input_is_standardised_by_row_and_channel(store):
    _, _, examples = store
    chosen = np.arange(0, len(examples), 7)
    mean, variance = trainings._moments(examples, chosen)
    x = examples.read(chosen).astype(np.float64)
    assert np.allclose(mean, x.mean(axis=(0, 2)), rtol=1e-3, atol=1e-3)
    assert np.allclose(variance, x.var(axis=(0, 2)), rtol=1e-2, atol=1e-2)


def test_one_tiny_variant_goes_through_the_whole_stage(begun, capfd):
    pytest.importorskip("tensorflow")
    chosen = ("--variant", "mfcc-10s-augmented", "--protocol", "artists")
    assert command("study", begun, *chosen) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "30 of 31 clips are 30.0 s long or longer; sr = 8000" in out
    (line,) = [line for line in out.splitlines() if line.startswith("| mfcc-10s-augmented | 59.89")]
    results = begun / "run/study"
    assert line in (results / "study.md").read_text(encoding="utf-8")
    assert (results / "study.svg").stat().st_size > 5000
    path = results / "artists/mfcc-10s-augmented/fold-0-seed-0.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    assert [line["pass"] for line in about["log"]] == list(range(1, 21))
    assert not about["converged"]  # it may not wait longer than it may take
    assert "Not converged within 20 passes (*): artists mfcc-10s-augmented" in out
    assert about["log"][-1]["validation_loss"] < about["log"][0]["validation_loss"]
    (figures,) = json.loads((results / "study.json").read_text(encoding="utf-8"))["grid"][1:]
    assert figures["artists"]["accuracy"][0] > 0.6  # three timbres, a third by chance
    assert [path.name for path in path.parent.iterdir() if "state" in path.name] == []
    # what is there is not trained again, and results of other settings are refused
    before = path.stat().st_mtime_ns
    assert command("study", begun, *chosen) == 0
    assert "1 of 1 trainings are done" in capfd.readouterr().out
    assert path.stat().st_mtime_ns == before
    text = (begun / "tiny.toml").read_text(encoding="utf-8")
    (begun / "tiny.toml").write_text(
        text.replace("most_passes = 20", "most_passes = 21"), encoding="utf-8"
    )
    assert command("study", begun, *chosen) == 1
    assert "comes from other data or settings: remove" in capfd.readouterr().err
    (begun / "tiny.toml").write_text(text, encoding="utf-8")


def test_a_full_disk_is_seen_before_the_first_pass(begun, store, tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    tiny, clips, examples = store
    usage = files.shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: usage)
    training = Training(examples.variant, "artists", 0, 0)
    with pytest.raises(FatalError, match=r"are to come, .*: free some, or choose another --out"):
        trainings.train(tmp_path, begun / "run/variants", clips, training, tiny)
    assert not list(tmp_path.rglob("*.npz"))


def test_a_variant_without_shards_is_named_with_the_command_that_makes_them(begun, capfd):
    assert command("study", begun, "--variant", "mel-3s", "--protocol", "artists") == 1
    assert (
        "lacks mel-3s: run `python -m training shards --variant mel-3s`" in capfd.readouterr().err
    )


def test_no_track_long_enough_is_a_clear_error(store):
    tiny, clips, _ = store
    with pytest.raises(FatalError, match=r"no track of the manifest is 30\.0 s long"):
        protocols.eligible([replace(clip, duration_s=20.0) for clip in clips], tiny)
