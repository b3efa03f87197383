"""The whole chain on synthetic clips gives a bundle that the product accepts."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

from genretagger import bundle
from genretagger.errors import FatalError
from genretagger.features import FeatureConfig
from genretagger.genres import GENRES
from training import config, files
from training.__main__ import main
from training.config import MelConfig
from training.data.clips import read_clips
from training.learn import models
from training.ship import card

TINY = """
name = "tiny"
version = "0"
card = "card.md"
[features]
[split]
n_folds = 2
seed = 0
n_validation = 0
n_test = 0
large_sets = ["panda"]
[subsets]
panda = { only = ["panda"] }
others = { without = ["panda"] }
[network]
stem = 4
blocks = [[4, 2], [4, 2], [4, 1], [4, 2], [8, 2]]
embedding = 8
dropout = 0.1
pool_frames = 4
[train]
seed = 0
epochs = 2
batch_size = 4
crop_frames = 128
learning_rate = 0.002
warmup_epochs = 1.0
weight_decay = 0.02
clip_norm = 5.0
label_smoothing = 0.02
group_power = 0.5
set_power = 0.7
least_confidence = 2
sounds_weight = 1.0
sounds_components = 4
tags_weight = 1.0
mixup_share = 0.5
mixup_alpha = 0.4
tilt_db = 6.0
bandlimit_share = 0.5
pitch_semitones = 1.0
tempo = 0.1
n_time_masks = 1
time_mask_frames = 8
n_mel_masks = 1
mel_mask_bands = 8
[evaluate]
seed = 0
least_confidence = 2
least_positives = 2
n_resamples = 20
interval = 0.95
precision = 0.75
threshold_prior = 4.0
lowest_threshold = 0.15
calibration_c = 1.0
"""


MSD = MelConfig(n_fft=512, hop_length=256, fmin_hz=0.0, fmax_hz=8000.0)


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("cnn", MelConfig()),
        ("default", replace(MSD, scales=("htk",))),
        ("accurate", replace(MSD, n_mels=192, top_db=120.0, scales=("slaney", "htk"))),
    ],
)
def test_a_configuration_is_complete_and_names_its_card(name, features):
    found = config.load(config.DEFAULT.with_name(f"{name}.toml"))
    assert found.features == features
    assert found.card.endswith(f"{name}.card.md")
    assert isinstance(found.model, config.StudentHeads) == (name != "cnn")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 2", "epoch = 2", r"\[train\]: unknown setting epoch"),
        ("n_folds = 2\n", "", r"\[split\]: .*missing.*n_folds"),
        ("[split]", "[spilt]", "missing.*n_folds"),
        ('name = "tiny"', "name = tiny", "Invalid value|config"),
    ],
)
def test_a_typing_error_in_the_configuration_is_refused(tmp_path, old, new, message):
    path = tmp_path / "c.toml"
    path.write_text(TINY.replace(old, new))
    with pytest.raises(FatalError, match=message):
        config.load(path)


def test_a_configuration_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FatalError, match="cannot be read"):
        config.load(tmp_path / "none.toml")


def test_a_card_that_asks_for_what_is_not_known_is_refused():
    about = json.loads((bundle.DEFAULT / "bundle.json").read_text(encoding="utf-8"))
    thresholds = tuple(about["thresholds"])
    assert about["name"] in card.render("$name", about, thresholds)
    with pytest.raises(FatalError, match="template: 'nmae'"):
        card.render("$nmae", about, thresholds)


def test_the_card_of_the_cnn_names_what_the_run_left_unheard_and_who_taught_it():
    about = json.loads((bundle.DEFAULT / "bundle.json").read_text(encoding="utf-8"))
    about["metrics"]["unheard"] = ["Jazz", "Metal"]
    about["training"]["teachers"] = []
    template = config.DEFAULT.with_name("cnn.card.md").read_text(encoding="utf-8")
    said = card.render(template, about, tuple(about["thresholds"]))
    assert "**Unheard: Jazz, Metal.**" in said
    assert "say of the same clips: none." in said
    about["training"]["teachers"] = ["YAMNet", "MusiCNN"]
    said = card.render(template, about, tuple(about["thresholds"]))
    assert "say of the same clips: YAMNet; MusiCNN." in said


def test_the_table_of_genres_has_columns_of_sets_that_were_measured_alone():
    about = json.loads((bundle.DEFAULT / "bundle.json").read_text(encoding="utf-8"))
    thresholds = tuple(about["thresholds"])
    head = card.genre_table(about["metrics"], thresholds, ["panda", "nobody's"]).splitlines()[0]
    assert "| on panda |" in head
    assert "nobody's" not in head


def test_the_shipped_bundle_loads_and_verifies_and_is_small():
    classifier = pytest.importorskip("genretagger.classifier")
    shipped = bundle.read(bundle.DEFAULT)
    trained = asdict(config.load(config.DEFAULT).features)
    assert trained.pop("scales")
    assert asdict(shipped.features) == trained
    assert classifier.Classifier(shipped).verify() <= classifier.GOLDEN_TOLERANCE
    assert sum(path.stat().st_size for path in bundle.DEFAULT.iterdir()) < 10e6
    assert shipped.info["licence"] == "MIT"
    assert shipped.embedding.size == 312
    assert "macro_map" in shipped.info["metrics"]["ranking"]["panda"]


def test_the_shipped_golden_segment_is_the_formulas():
    pytest.importorskip("librosa")
    from genretagger.features import log_mel
    from training.ship import export

    shipped = bundle.read(bundle.DEFAULT)
    with np.load(bundle.DEFAULT / "golden.npz") as golden:
        y = golden["y"]
        assert np.abs(y - export.golden_signal(shipped.features)).max() <= 2**-15
        assert np.array_equal(np.round(y * 2**15), y * 2**15)
        found = log_mel(y, shipped.features, shipped.filterbank)
        assert np.abs(found - golden["log_mel"]).max() < 1e-3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of all stages over 24 clips of 12 s by 12 artists."""
    pytest.importorskip("tensorflow")
    pytest.importorskip("librosa")
    import soundfile

    folder = tmp_path_factory.mktemp("chain")
    data, run = folder / "data", folder / "run"
    (data / "clips").mkdir(parents=True)
    (folder / "card.md").write_text(
        "# $name\n\n$ranking_table\n\n$decision_table\n\n$threshold_table\n\n$genre_table\n"
    )
    (folder / "tiny.toml").write_text(TINY)
    rng = np.random.default_rng(0)
    rows = ["id\tset\tgenres\tconfidence\tartist_group"]
    for i in range(24):
        genre = ["Rock", "Classical", "Dance; Electronic", ""][i // 2 % 4]
        # a clip of 8 s, shorter than a segment, among them
        t = np.arange(16000 * (8 if i == 5 else 12)) / 16000
        y = 0.2 * np.sin(2 * np.pi * (200 + 300 * (i // 2 % 4)) * t)
        # a melody of its own, or all would be one recording
        y += 0.05 * np.sin(
            2 * np.pi * np.cumsum(rng.integers(300, 900, 60)[(4 * t).astype(int)]) / 16000
        )
        y += 0.02 * rng.standard_normal(len(t))
        path = data / "clips" / f"c{i}.opus"
        soundfile.write(path, y.astype(np.float32), 16000, format="OGG", subtype="OPUS")
        name = "quiz" if i < 4 else "chill" if i < 8 else "panda" if i % 2 else "atar"
        rows.append(f"c{i}\t{name}\t{genre}\t{1 if i == 23 else 3}\ta{i // 2}")
    (data / "labels.tsv").write_text("\n".join(rows) + "\n")

    def stage(name, *options):
        common = ["--config", str(folder / "tiny.toml"), "--run", str(run), "--jobs", "1"]
        with_data = [] if name == "train" else ["--data", str(data)]
        return main([name, *common, *with_data, *options])

    assert stage("manifest") == 0
    assert stage("shards") == 0
    assert stage("train") == 0
    assert stage("evaluate") == 0
    assert stage("export", "--compare", "4") == 0
    return folder, run, stage


def test_the_chain_gives_a_bundle_that_verifies(made):
    from genretagger.classifier import Classifier

    _, run, _ = made
    written = bundle.read(run / "bundle")
    assert Classifier(written).verify() < 1e-5
    assert written.info["data"]["n_clips"] == 23
    assert written.info["data"]["n_groups"] == 12
    assert written.info["training"]["teachers"] == []
    assert "# tiny" in (run / "bundle" / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_nothing_of_the_training_clips_is_in_the_bundle(made):
    _, run, _ = made
    for path in (run / "bundle").iterdir():
        assert not any(f"c{i}.opus".encode() in path.read_bytes() for i in range(24))


def test_metrics_say_what_they_are_of(made):
    _, run, _ = made
    found = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    ranking = found["metrics"]["ranking"]
    assert ranking["all"]["n_clips"] == 23  # confidence 1 is left out
    assert ranking["panda"]["n_clips"] + ranking["others"]["n_clips"] == 23
    assert ranking["all"]["top1_in_labels"]["majority"] == pytest.approx(6 / 18, abs=1e-4)
    assert ranking["all"]["macro_map"]["genres"] == ["Classical", "Dance", "Electronic", "Rock"]
    assert len(found["thresholds"]) == len(found["calibration"]) == len(GENRES)


def test_a_finished_model_is_not_trained_again(made, capsys):
    _, _, stage = made
    assert stage("train", "--model", "0") == 0
    assert "0: trained before" in capsys.readouterr().out


def test_the_log_tells_the_loss_on_clips_that_are_not_learned_from_and_a_plot_shows_it(made):
    _, run, _ = made
    logs = {
        name: files.read_jsonl(run / "models" / name / "log.jsonl") for name in ("0", "1", "final")
    }
    assert [line["epoch"] for line in logs["0"]] == [1, 2]
    assert all(0 < line["validation"] < 3 for name in ("0", "1") for line in logs[name])
    assert not any("validation" in line for line in logs["final"])  # it learns from all
    assert (run / "plots" / "losses.png").stat().st_size > 1000


def test_tensorflow_starts_without_a_word():
    pytest.importorskip("tensorflow")
    code = (
        "from training.networks import start_tensorflow as t; t(); import sys; print(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "tensorflow" in run.stdout.split()
    assert not run.stderr


def test_a_model_of_another_configuration_is_refused(made, capsys):
    folder, _, stage = made
    other = folder / "other.toml"
    other.write_text(TINY.replace("epochs = 2", "epochs = 3"))
    for name, options in (("train", ["--model", "0"]), ("evaluate", []), ("export", [])):
        assert stage(name, *options, "--config", str(other)) == 1
        assert "was trained with another configuration" in capsys.readouterr().err


def test_a_model_that_is_missing_names_the_stage_to_run(made, tmp_path):
    from training.folders import ModelFolder

    folder, _, _ = made
    with pytest.raises(FatalError, match="run the stage `train` first"):
        models.check(config.load(folder / "tiny.toml"), ModelFolder(tmp_path), "any")


def test_shards_of_another_manifest_are_refused(made, capsys):
    folder, run, stage = made
    text = (run / "manifest.jsonl").read_text()
    (run / "manifest.jsonl").write_text(text.replace('"Rock"', '"Pop"'))
    try:
        assert stage("train", "--model", "final") == 1
        assert "run the stage `shards` again" in capsys.readouterr().err
    finally:
        (run / "manifest.jsonl").write_text(text)
    assert folder.exists()


def test_metrics_of_other_models_are_refused(made, capsys):
    _, run, stage = made
    weights = run / "models" / "1" / "model.weights.h5"
    before = weights.read_bytes()
    weights.write_bytes(before + b"x")
    try:
        assert stage("export") == 1
        assert "run the stage `evaluate` again" in capsys.readouterr().err
    finally:
        weights.write_bytes(before)


UNSEEN = """
[unseen]
quiz = { only = ["quiz"] }
chill = { only = ["chill"] }
"""


def test_a_set_that_has_changed_trains_its_model_again_and_no_other(made, tmp_path, capsys):
    folder, before, stage = made
    run = tmp_path / "run"
    shutil.copytree(before, run)
    settings = folder / "unseen.toml"
    here = ("--config", str(settings), "--run", str(run))

    def trained_anew():
        weights = {path.parent.name: path for path in run.glob("models/*/model.weights.h5")}
        times = {name: path.stat().st_mtime_ns for name, path in weights.items()}
        assert stage("train", *here) == 0
        return {
            path.parent.name
            for path in run.glob("models/*/model.weights.h5")
            if path.stat().st_mtime_ns != times.get(path.parent.name)
        }

    settings.write_text(TINY + UNSEEN)
    assert trained_anew() == {"unseen-quiz", "unseen-chill"}
    assert stage("evaluate", *here) == 0
    settings.write_text(TINY + UNSEEN.replace("[unseen]", '[unseen]\nnone = { only = ["none"] }'))
    assert stage("export", *here) == 1
    assert "run the stage `evaluate` again" in capsys.readouterr().err
    settings.write_text(TINY + UNSEEN.replace('["quiz"]', '["quiz", "panda"]'))
    for name in ("evaluate", "export"):
        assert stage(name, *here) == 1
        assert "unseen-quiz learned from other clips than the manifest" in capsys.readouterr().err
    assert trained_anew() == {"unseen-quiz"}
    assert "unseen-quiz: what it learned from has changed" in capsys.readouterr().out
    assert trained_anew() == set()


def test_models_of_other_large_sets_are_refused(made, capsys):
    folder, _, stage = made
    other = folder / "sets.toml"
    other.write_text(TINY.replace('large_sets = ["panda"]', 'large_sets = ["panda", "none"]'))
    assert stage("train", "--model", "0", "--config", str(other)) == 1
    assert "was trained with another configuration" in capsys.readouterr().err


def test_a_split_that_the_configuration_no_longer_says_is_refused(made, capsys):
    folder, _, stage = made
    other = folder / "split.toml"
    other.write_text(TINY.replace("n_folds = 2", "n_folds = 3"))
    assert stage("shards", "--config", str(other)) == 1
    assert "run the stage `manifest` again" in capsys.readouterr().err


def test_evaluate_draws_and_resumes_from_what_was_predicted(made, capsys, monkeypatch):
    from training.measure import evaluate

    _, run, stage = made
    drawn = json.loads((run / "curves.json").read_text())
    assert sum(map(sum, drawn["confusion"]["counts"])) >= 23
    assert set(drawn["precision_recall"]) == {"Classical", "Dance", "Electronic", "Rock"}
    names = {path.name for path in (run / "plots").iterdir()}
    assert {"confusion.png", "calibration.svg", "precision_recall.svg"} <= names
    assert "precision_coverage.png" in names
    before = json.loads((run / "metrics.json").read_text())
    monkeypatch.setattr(evaluate, "predict_clips", None)  # nothing is predicted again
    assert stage("evaluate") == 0
    assert json.loads((run / "metrics.json").read_text()) == before


def test_one_holdout_model_is_chosen_on_validation_and_measured_on_test(made):
    from training.measure import evaluate

    folder, run, _ = made
    settings = config.load(folder / "tiny.toml")
    choices = (settings.evaluate, settings.subsets)
    clips = read_clips(run / "manifest.jsonl")
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (len(clips), len(GENRES)))
    is_test = np.arange(len(clips)) % 2 == 0
    found, _ = evaluate.evaluate_holdout(clips, is_test, logits, *choices)
    assert found["metrics"]["ranking"]["all"]["n_clips"] == is_test.sum()
    other = logits.copy()
    other[is_test] += 1.0  # what is chosen does not look at the test
    again, _ = evaluate.evaluate_holdout(clips, is_test, other, *choices)
    assert again["calibration"] == found["calibration"]
    assert again["thresholds"] == found["thresholds"]
    assert again["metrics"]["calibration_error"] != found["metrics"]["calibration_error"]


def test_a_killed_training_resumes_where_it_stopped(made, tmp_path):
    from training.features import shards
    from training.folders import ModelFolder
    from training.learn.cnn import train_cnn

    folder, run, _ = made
    settings = config.load(folder / "tiny.toml")
    clips = read_clips(run / "manifest.jsonl")
    cached = shards.read(
        run / "shards", settings.features, manifest_sha256=files.sha256(run / "manifest.jsonl")
    )

    class Killed(Exception):
        pass

    def fit(epochs, stop_after):
        lines = []

        def say(line):
            lines.append(line)
            if len(lines) == stop_after:
                raise Killed

        train = replace(settings.model.train, epochs=epochs)
        chosen = replace(settings, model=replace(settings.model, train=train))
        rows = list(range(len(clips)))
        folder = ModelFolder(tmp_path)
        train_cnn(chosen, clips, cached, rows=rows, validated=(), name="x", folder=folder, say=say)
        return lines

    with pytest.raises(Killed):
        fit(5, stop_after=4)  # a checkpoint is written after the third
    assert [line.split()[2] for line in fit(5, stop_after=None)] == ["4/5", "5/5"]


def test_batches_are_the_same_each_time_and_hold_what_the_product_would_extract(made):
    from training.features import shards
    from training.learn.batches import Batches

    folder, run, _ = made
    settings = config.load(folder / "tiny.toml")
    clips = read_clips(run / "manifest.jsonl")
    cached = shards.read(
        run / "shards", settings.features, manifest_sha256=files.sha256(run / "manifest.jsonl")
    )
    batches = Batches(settings, clips, cached, range(20))
    first, again = (list(batches.epoch("0", 3)) for _ in range(2))
    other = next(iter(batches.epoch("1", 3)))
    assert len(first) == 5
    for a, b in zip(first, again, strict=True):
        assert all(np.array_equal(a[key], b[key]) for key in a)
    assert not np.array_equal(first[0]["x"], other["x"])
    for parts in first:
        assert parts["x"].shape == (4, 96, 128, 1)
        assert parts["x"].min() >= -80.0
        assert parts["x"].max() <= 0.0
        assert parts["logits"].min() >= 0.01 - 1e-6


def test_without_augmentation_a_crop_is_what_the_product_computes(made):
    from genretagger import audio
    from genretagger.features import log_mel
    from training.features import mel, shards
    from training.features.augment import Cropper

    folder, run, _ = made
    settings = config.load(folder / "tiny.toml")
    plain = replace(
        settings.model.train,
        crop_frames=501,
        tilt_db=0.0,
        bandlimit_share=0.0,
        pitch_semitones=0.0,
        tempo=0.0,
        n_time_masks=0,
        n_mel_masks=0,
    )
    clips = read_clips(run / "manifest.jsonl")
    cached = shards.read(
        run / "shards", settings.features, manifest_sha256=files.sha256(run / "manifest.jsonl")
    )
    segment = np.asarray(cached.mel[cached.frames[3] : cached.frames[3] + 501], dtype=np.float32)
    crop, first, last = Cropper(plain, settings.features).crop(segment, np.random.default_rng(0))
    assert (first, last) == (0, 501)
    y = audio.decode_whole(folder / "data" / clips[3].path, 16000)[:160000]
    expected = log_mel(y, settings.features, mel.filterbank(settings.features)).T
    # the last windows look beyond the segment in the clip, and at zeros in the product
    assert np.abs(crop - expected)[:-2].max() < 0.07


def test_a_pitch_shift_moves_a_tone_to_the_next_bands():
    pytest.importorskip("librosa")
    from training.features.augment import mel_centres, pitch_matrix

    centres = mel_centres(FeatureConfig())
    spectrum = -(((centres - 2000.0) / 200.0) ** 2)
    shifted = pitch_matrix(centres, 2.0) @ spectrum
    assert centres[shifted.argmax()] == pytest.approx(2000.0 * 2 ** (2 / 12), rel=0.03)
    assert np.allclose(pitch_matrix(centres, 0.0), np.eye(96), atol=1e-6)
    assert np.allclose(pitch_matrix(centres, -1.0).sum(axis=1), 1.0, atol=1e-6)


def test_artists_with_many_clips_are_drawn_less_often_for_each_clip(made):
    from training.data.clips import Clip
    from training.learn.sampling import draw_weights

    folder, _, _ = made
    settings = config.load(folder / "tiny.toml")
    clips = [
        Clip(f"t{i}", "many" if i < 9 else f"a{i}", "panda", "", (), 3, 30.0) for i in range(12)
    ]
    weights = draw_weights(clips, settings.model.train, settings.split.large_sets)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] == pytest.approx(weights[-1] / 3)  # 1 / sqrt(9)
