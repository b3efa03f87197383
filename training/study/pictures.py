"""Examples as 8-bit pictures, as the founding report stored them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training.data.clips import Clip, reference
from training.files import write_text
from training.study.variants import Examples

_PICTURES = 64  # in memory at a time


def export_png(folder: Path, examples: Examples, clips: Sequence[Clip]) -> Iterator[int]:
    """Write examples as 8-bit pictures, as the founding report stored them.

    One PNG for each example, low rows at the bottom, grey or, with derivatives, RGB; and the
    report's table ``images_AUG_DELTAS_MFCC_PARTS.csv`` with ``Filename`` and a column for each
    genre, as its ``ImageDataGenerator.flow_from_dataframe`` reads it. A channel's lowest value
    is 0 and its highest 255: ``range.json`` has both, and the largest error, half a step.

    Yields
    ------
    int
        Pictures done so far.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise FatalError("--png needs Pillow: pip install 'genretagger[training]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    everything = np.arange(len(examples))
    blocks = np.array_split(everything, -(-len(everything) // _PICTURES))
    low, high = np.full(examples.shape[2], np.inf), np.full(examples.shape[2], -np.inf)
    for block in blocks:
        x = examples.read(block).astype(np.float32)
        low = np.minimum(low, x.min(axis=(0, 1, 2)))
        high = np.maximum(high, x.max(axis=(0, 1, 2)))
    step = np.maximum(high - low, 1e-6) / 255
    about = {"low": low.tolist(), "high": high.tolist(), "largest_error": (step / 2).tolist()}
    write_text(folder / "range.json", json.dumps(about, indent=1) + "\n")
    variant = examples.variant
    flags = (variant.augmented, variant.deltas, variant.mfcc)
    name = f"images_{'_'.join(str(int(f)) for f in flags)}_{variant.n_parts}.csv"
    labels = reference(clips).astype(int)
    (folder / name).unlink(missing_ok=True)  # the last that is written: it vouches for the others
    rows = io.StringIO(newline="")
    table = csv.writer(rows)
    table.writerow(["Filename", *(genre.replace(" ", "") for genre in GENRES)])
    for block in blocks:
        pixels = np.round((examples.read(block) - low) / step).astype(np.uint8)[:, ::-1]
        for i, picture in zip(block, pixels, strict=True):
            picture_name = f"{i:06d}.png"
            Image.fromarray(picture.squeeze()).save(folder / picture_name)
            table.writerow([picture_name, *labels[examples.track[i]]])
        if block is blocks[-1]:
            write_text(folder / name, rows.getvalue())
        yield int(block[-1]) + 1
