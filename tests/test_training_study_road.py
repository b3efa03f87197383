"""The founding report's own road: pictures and a table, its network, 80 % and 20 %."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training.study import config, road

TRAIN = config.load(config.DEFAULT).train
COLUMNS = [genre.replace(" ", "") for genre in GENRES]


def pictures(folder, n, n_channels=1):
    """Write pictures that are bright above for the first genre, and below for the second."""
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "images_0_0_0_1.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Filename", *COLUMNS])
        for i in range(n):
            pixels = rng.integers(0, 60, (80, 80, n_channels))
            pixels[40 * (i % 2) :][:40] += 150
            Image.fromarray(pixels.astype(np.uint8).squeeze()).save(folder / f"{i}.png")
            table.writerow([f"{i}.png", *(int(k == i % 2 or k == 5) for k in range(len(GENRES)))])
    return folder


@pytest.mark.parametrize("n_channels", [1, 3])
def test_grey_and_coloured_pictures_train_the_reports_network(tmp_path, n_channels):
    folder = pictures(tmp_path / "mel", 20, n_channels)
    said = []
    log = road.fit(folder, replace(TRAIN, most_passes=2, batch_size=4), said.append)
    assert [set(line) for line in log] == [{"loss", "accuracy", "val_loss", "val_accuracy"}] * 2
    assert log[1]["loss"] < log[0]["loss"]
    assert json.loads((folder / road.LOG).read_text(encoding="utf-8")) == log
    assert said[0].startswith("pass 1/2  ")
    assert "left" in said[0]


@pytest.mark.quick
def test_labels_are_read_as_they_were_written_by_their_columns_names(tmp_path):
    folder = pictures(tmp_path / "mel", 4)
    names, labels = road.read(folder)
    assert names == ["0.png", "1.png", "2.png", "3.png"]
    assert labels.shape == (4, len(GENRES))
    assert np.flatnonzero(labels[1]).tolist() == [1, 5]


@pytest.mark.quick
def test_a_folder_that_cannot_be_walked_is_named(tmp_path):
    folder = pictures(tmp_path / "mel", 3)
    (folder / "2.png").unlink()
    with pytest.raises(FatalError, match=r"lacks 1 pictures, the first is 2\.png"):
        road.read(folder)
    table = folder / "images_0_0_0_1.csv"
    whole = table.read_text(encoding="utf-8")
    for old, new, message in (
        ("2.png,1,0", "2.png,1,", r"line 4: Classical is empty, but 0 or 1 is allowed"),
        ("1.png,0,1", "1.png,0,yes", r"line 3: Classical is yes, but 0 or 1 is allowed"),
        ("0.png,1", ",1", r"line 2: Filename is empty, but a picture's name is allowed"),
        (whole.splitlines()[3], "2.png,1", r"line 4: Classical is empty, but 0 or 1"),
    ):
        assert old in whole
        table.write_text(whole.replace(old, new), encoding="utf-8")
        with pytest.raises(FatalError, match=message):
            road.read(folder)
    table.write_text(whole, encoding="utf-16")
    with pytest.raises(FatalError, match="is no table in UTF-8"):
        road.read(folder)
    table.write_text(whole, encoding="utf-8")
    table.write_text(table.read_text(encoding="utf-8").replace("Ambient,", "Polka,"))
    with pytest.raises(FatalError, match="has no rows with Ambient"):
        road.read(folder)
    table.unlink()
    assert road.shape_of(folder, ["0.png", "1.png"]) == (80, 80, 1)
    half = folder / "1.png"
    half.write_bytes(half.read_bytes()[:2000])
    with pytest.raises(FatalError, match=r"1\.png cannot be read as a picture"):
        road.shape_of(folder, ["0.png", "1.png"])
    coloured = pictures(tmp_path / "rgb", 1, 3)
    shutil.copy(coloured / "0.png", half)
    with pytest.raises(FatalError, match=r"has the shape \(80, 80, 3\), but 0\.png has"):
        road.shape_of(folder, ["0.png", "1.png"])
    with pytest.raises(FatalError, match="has 0 tables"):
        road.read(folder)
