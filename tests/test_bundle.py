import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from genretagger import bundle
from genretagger.errors import FatalError
from genretagger.genres import GENRES

pytestmark = pytest.mark.quick


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(bundle.DEFAULT, tmp_path / "bundle")


def edit(folder, **changes):
    """Change bundle.json; a value of None takes the key out."""
    info = json.loads((folder / "bundle.json").read_text()) | changes
    info = {key: value for key, value in info.items() if value is not None}
    (folder / "bundle.json").write_text(json.dumps(info))


@pytest.mark.parametrize("name", ["default", "accurate"])
def test_a_shipped_bundle_is_whole_and_small(name):
    shipped = bundle.read(bundle.locate(name))
    assert sum(f.stat().st_size for f in shipped.path.iterdir()) < 10e6
    assert {f.name for f in shipped.path.iterdir()} == {
        *("model.tflite", "bundle.json", "golden.npz", "MODEL_CARD.md")
    }
    assert "MIT" in shipped.info["licence"]
    assert "MIT" in (shipped.path / "MODEL_CARD.md").read_text()


def test_a_folder_is_no_bundle_that_ships(tmp_path):
    assert bundle.locate(tmp_path) == tmp_path
    assert bundle.locate("accurate") != bundle.locate("./accurate")


def test_a_model_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(FatalError, match=r"no model of that name; there are accurate, default$"):
        bundle.read("acurate")


@pytest.mark.parametrize("name", ["model.tflite", "bundle.json", "golden.npz"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(FatalError, match=rf"{name} cannot be read: No such file"):
        bundle.read(copy)


@pytest.mark.parametrize("name", ["model.tflite", "golden.npz"])
def test_one_wrong_bit_is_found(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(FatalError, match=f"{name} is damaged"):
        bundle.read(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\xff"])
def test_what_is_no_bundle_is_refused(copy, text):
    (copy / "bundle.json").write_text(text, encoding="latin-1")
    with pytest.raises(FatalError, match=r"bundle\.json is damaged|bundle format None"):
        bundle.read(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 3}, "bundle format 3, this version reads 1"),
        ({"genres": ["Rock"], "fusions": []}, "expected 1 numbers"),
        ({"genres": []}, "genres are a list of 1 to 1000 names"),
        ({"genres": [*GENRES[:-1], 7]}, "name at least one genre"),
        ({"genres": [*GENRES[:-1], "Rock/Pop"]}, "players split genres"),
        ({"genres": [*GENRES[:-1], "x" * 61]}, "at most 60 letters"),
        ({"genres": [*GENRES[:-1], "hip-hop"]}, "a genre stands there twice"),
        ({"fusions": [["Rock", "Blues"]]}, "fusions are pairs of the genres"),
        ({"fusions": [["Rock"]]}, "fusions are pairs of the genres"),
        ({"fusions": "Rock"}, "fusions are a list of pairs"),
        ({"thresholds": [0.5] * 13}, "expected 14 numbers between 0 and 1"),
        ({"thresholds": [0.5] * 13 + [float("nan")]}, "expected 14 numbers"),
        ({"thresholds": [0.5] * 13 + [1.5]}, "expected 14 numbers"),
        ({"calibration": {"slope": [1.0] * 14}}, "intercept"),
        ({"features": {"sr": 16000, "n_fftt": 3}}, "n_fftt"),
        ({"filterbank": []}, "0 mel bands, 96 expected"),
        ({"filterbank": [{"first_bin": 512, "weights": [1.0, 1.0]}] * 96}, "outside"),
        ({"sha256": None}, "sha256"),
        ({"sha256": {}}, "model.tflite"),
    ],
)
def test_a_mismatch_refuses_to_load(copy, changes, message):
    edit(copy, **changes)
    with pytest.raises(FatalError, match=message):
        bundle.read(copy)


def test_what_is_written_reads_back_to_the_last_bit(copy, tmp_path):
    read = bundle.read(copy)
    with np.load(copy / "golden.npz") as golden:
        arrays = dict(golden)
    written = bundle.write(
        tmp_path / "again",
        model=(copy / "model.tflite").read_bytes(),
        golden=arrays,
        features=read.features,
        filterbank=read.filterbank,
        thresholds=read.thresholds,
        calibration=read.calibration,
        about={},
        card="",
    )
    np.testing.assert_array_equal(written.filterbank, read.filterbank)
    assert written.thresholds == read.thresholds
    assert written.calibration == read.calibration
    assert written.features == read.features


@pytest.mark.parametrize(
    "damage",
    [
        {"features": asdict(bundle.read(bundle.DEFAULT).features) | {"n_fft": 2**31}},
        {"features": asdict(bundle.read(bundle.DEFAULT).features) | {"n_fft": float("inf")}},
        {"filterbank": [{"first_bin": float("inf"), "weights": []}] * 96},
        {"format": "x" * 10_000},
    ],
    ids=["huge", "infinite", "nowhere", "long"],
)
def test_absurd_numbers_and_texts_are_refused_in_a_few_words_and_without_memory(copy, damage):
    edit(copy, **damage)
    with pytest.raises(FatalError) as caught:
        bundle.read(copy)
    assert len(str(caught.value)) < 1000


def test_json_that_is_too_deep_is_refused(copy):
    (copy / "bundle.json").write_text("[" * 100_000)
    with pytest.raises(FatalError, match="it is not JSON"):
        bundle.read(copy)


def test_what_doubt_is_may_be_said_and_need_not(copy):
    edit(copy, doubt=None)
    assert bundle.read(copy).doubt is None
    edit(copy, doubt={"margin": 0.1, "spread": 0.5, "excerpts": 4})
    assert bundle.read(copy).doubt == (0.1, 0.5, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"excerpts": 7},
        {"excerpts": 0},
        {"margin": -0.1},
        {"spread": float("nan")},
        {"spread": "wide"},
        {"excerpts": None},
    ],
)
def test_a_doubt_that_makes_no_sense_is_refused(copy, wrong):
    edit(copy, doubt={"margin": 0.1, "spread": 0.5, "excerpts": 4} | wrong)
    with pytest.raises(FatalError, match=r"bundle\.json is damaged"):
        bundle.read(copy)
