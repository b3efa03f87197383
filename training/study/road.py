"""The founding report's own road: its network, trained on 8-bit pictures and a table of labels."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training.arrays import Integers
from training.files import write_text
from training.networks import report, start_tensorflow
from training.progress import Progress
from training.study.config import TrainConfig

if TYPE_CHECKING:
    import tensorflow as tf

LOG = "road.json"
"""Losses and accuracies of each pass, in the folder of the pictures."""

_VALIDATION = 0.2  # of the rows, as in the report
_PIXELS = 255.0


def read(folder: Path) -> tuple[list[str], Integers]:
    """Read the table that `training.study.pictures.export_png` wrote.

    Parameters
    ----------
    folder : pathlib.Path
        With one ``images_*.csv``: ``Filename``, and a column of 0 and 1 for each genre.

    Returns
    -------
    names : list of str
        Of the pictures in the folder.
    labels : numpy.ndarray, shape (n_pictures, n_genres), int64

    Raises
    ------
    FatalError
        If there is no such table, or several, a column or picture is missing, or a cell is
        neither 0 nor 1.
    """
    tables = sorted(folder.glob("images_*.csv"))
    if len(tables) != 1:
        raise FatalError(
            f"{folder} has {len(tables)} tables images_*.csv, one is wanted: name the folder of "
            "one variant, as `shards --variant ID --png FOLDER` writes it"
        )
    columns = [genre.replace(" ", "") for genre in GENRES]
    try:
        with tables[0].open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise FatalError(f"{tables[0]} is no table in UTF-8: {error}") from error
    missing = sorted({"Filename", *columns} - set(rows[0] if rows else ()))
    if missing:
        raise FatalError(f"{tables[0]} has no rows with {', '.join(missing)}")
    for n, row in enumerate(rows, 2):
        wrong = [column for column in columns if row[column] not in ("0", "1")]
        if wrong or not row["Filename"]:
            column = wrong[0] if wrong else "Filename"
            allowed = "0 or 1" if wrong else "a picture's name"
            raise FatalError(
                f"{tables[0]}, line {n}: {column} is {row[column] or 'empty'}, but {allowed} is "
                "allowed"
            )
    names = [row["Filename"] for row in rows]
    gone = [name for name in names if not (folder / name).is_file()]
    if gone:
        raise FatalError(f"{folder} lacks {len(gone)} pictures, the first is {gone[0]}")
    return names, np.array([[int(row[column]) for column in columns] for row in rows])


def shape_of(folder: Path, names: Sequence[str]) -> tuple[int, int, int]:
    """Find the shape that all pictures have: rows, columns, and 1 or 3 channels.

    Raises
    ------
    FatalError
        If one is damaged, is no picture, or has another shape than the first.
    """
    from PIL import Image

    first = None
    for name in names:
        try:
            with Image.open(folder / name) as picture:
                found = (*picture.size[::-1], 1 if picture.mode == "L" else 3)
                picture.verify()
        except (OSError, SyntaxError) as error:  # Pillow's errors of damage
            raise FatalError(
                f"{folder / name} cannot be read as a picture: write the pictures again, with "
                "`shards --png`"
            ) from error
        first = first or found
        if found != first:
            raise FatalError(
                f"{folder / name} has the shape {found}, but {names[0]} has {first}: all pictures "
                "have to be of one variant"
            )
    if first is None:
        raise FatalError(f"{folder} has no pictures")
    return first


def fit(folder: Path, train: TrainConfig, say: Callable[[str], None]) -> list[dict[str, float]]:
    """Train the report's network as the report did: rows shuffled, then 80 % and 20 %.

    Until the loss on the 20 % has not fallen for `patience` passes.
    Parts and copies of one track are on both sides: this is the report's figure, and no
    measure of what is learned.

    Parameters
    ----------
    folder : pathlib.Path
        See `read`.
    train : TrainConfig
        Passes at most, patience, batch size, learning rate and seed.
    say : callable
        Takes a line for each pass.

    Returns
    -------
    list of dict
        Of each pass ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy`` by Keras' own
        names; also in `LOG`.
    """
    start_tensorflow()
    import keras

    names, labels = read(folder)
    keras.utils.set_random_seed(train.seed)
    order = np.random.default_rng(train.seed).permutation(len(names))
    n_validation = round(_VALIDATION * len(names))
    if not 0 < n_validation < len(names):
        raise FatalError(f"{folder} has {len(names)} pictures: too few for 80 % and 20 %")
    shape = shape_of(folder, names)
    model = report.build(shape, pooling=train.pooling, variance=_PIXELS**2)
    model.compile(
        optimizer=keras.optimizers.Adam(train.learning_rate),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    parts = [
        _pictures(folder, [names[i] for i in rows], labels[rows], shape[2], seed).batch(
            train.batch_size
        )
        for rows, seed in ((order[n_validation:], train.seed), (order[:n_validation], None))
    ]
    progress = Progress(train.most_passes, say, every_s=0)
    log: list[dict[str, float]] = []

    def tell(epoch: int, logs: dict[str, Any]) -> None:
        log.append({key: round(float(value), 4) for key, value in logs.items()})
        shown = "  ".join(f"{key} {value:.4f}" for key, value in log[-1].items())
        progress.at(epoch + 1, f"pass {epoch + 1}/{train.most_passes}  {shown}")

    model.fit(
        parts[0].prefetch(2),
        validation_data=parts[1],
        epochs=train.most_passes,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=tell),
            keras.callbacks.EarlyStopping("val_loss", patience=train.patience),
        ],
        verbose=0,
        shuffle=False,  # tf.data has shuffled already
    )
    write_text(folder / LOG, json.dumps(log, indent=1) + "\n")
    return log


def _pictures(
    folder: Path, names: Sequence[str], labels: Integers, n_channels: int, seed: int | None
) -> tf.data.Dataset:
    """Load pictures when they are needed, in another order each time if there is a seed."""
    import tensorflow as tf

    def load(path: Any, label: Any) -> tuple[Any, Any]:
        picture = tf.io.decode_png(tf.io.read_file(path), channels=n_channels)
        return tf.cast(picture, tf.float32), label

    paths = [str(folder / name) for name in names]
    rows = tf.data.Dataset.from_tensor_slices((paths, labels.astype(np.float32)))
    if seed is not None:
        rows = rows.shuffle(len(names), seed=seed)  # names: pictures would fill the memory
    return rows.map(load, num_parallel_calls=tf.data.AUTOTUNE)
