"""Stage 8, export: the final network becomes a bundle, with all that it assumes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from genretagger.errors import FatalError
from training import files
from training import run as runs
from training.data import split
from training.data.clips import Clip
from training.folders import FINAL
from training.progress import Progress
from training.ship import export

NAME = "export"
HELP = "the final model -> bundle/"

_TEACHERS = (
    "YAMNet (Google; AudioSet; Apache-2.0)",
    "MusiCNN, MSD_musicnn (Pons and Serra; Million Song Dataset; ISC)",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's options."""
    runs.add_arguments(parser, data=True)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: bundle/ in the run")
    parser.add_argument("--compare", type=int, default=100, help="clips for LiteRT against Keras")


def run(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Run the stage."""
    this = runs.Run(args)
    clips = this.clips()
    measured = _read_metrics(this, clips)
    folder = args.out or this.folder.bundle
    _check_room(this, folder)
    compared = clips[:: max(1, len(clips) // args.compare)]
    written, difference, golden = export.export(
        this.config,
        this.load_model(this.trial(FINAL, clips), clips),
        licence=this.recipe.licence,
        n_macs=this.recipe.n_macs(),
        measured=measured,
        data=_data_summary(this, clips),
        training=_training_summary(this, clips),
        template=Path(this.config.card).read_text(encoding="utf-8"),
        folder=folder,
        paths=_told([args.data / clip.path for clip in compared], say),
    )
    size = sum(path.stat().st_size for path in written.path.iterdir())
    say(f"bundle {written.bundle_id} in {written.path}, {size / 1e6:.2f} MB")
    say(f"LiteRT against Keras: {difference:.2g}; golden segment: {golden:.2g}")


def _told(paths: Sequence[Path], say: Callable[[str], None]) -> Iterator[Path]:
    """Give paths one after the other, and say how many are done."""
    progress = Progress(len(paths), say)
    for n, path in enumerate(paths, 1):
        yield path
        progress.at(n, f"LiteRT compared with Keras: {n}/{len(paths)} clips")


def _check_room(this: runs.Run, folder: Path) -> None:
    """Refuse to begin if the disk cannot hold the bundle."""
    features = this.config.features
    n_bytes = this.folder.model(FINAL).weights.stat().st_size
    n_bytes += 4 * (features.n_samples + features.n_mels * features.n_frames)  # golden.npz
    files.check_room(folder, n_bytes, "free some, or choose another --out")


def _read_metrics(this: runs.Run, clips: Sequence[Clip]) -> dict[str, Any]:
    path = this.folder.metrics
    try:
        measured: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{path} is missing: run the stage `evaluate` first") from error
    for trial in this.trials(clips):
        this.teachers(trial, clips)  # refuses those of another configuration or of other clips
    if measured.pop("made_from", {}) != this.made_from():
        raise FatalError(f"{path} is of other models or settings: run the stage `evaluate` again")
    return measured


def _data_summary(this: runs.Run, clips: Sequence[Clip]) -> dict[str, Any]:
    """Describe the final model's training data for ``bundle.json``."""
    learned = [clips[i] for i in np.flatnonzero(this.trial(FINAL, clips).learns).tolist()]
    return {
        "description": f"{len({c.source for c in learned})} sources of labels; see MODEL_CARD.md",
        "n_clips": len(learned),
        "n_groups": len({clip.artist_id for clip in learned}),
        "hours": round(sum(clip.duration_s for clip in learned) / 3600, 1),
        "manifest_sha256": this.manifest_sha256(),
        "split_sha256": split.sha256(this.folds(clips)),
    }


def _training_summary(this: runs.Run, clips: Sequence[Clip]) -> dict[str, Any]:
    """Describe the final model's training for ``bundle.json``."""
    log = this.folder.model(FINAL).log
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    sizes = this.teachers(this.trial(FINAL, clips), clips)
    return {
        **asdict(this.config.model.train),
        **this.recipe.summary(this.folder),
        "minutes": round(sum(line["seconds"] for line in lines) / 60, 1),
        "teachers": [name for name, n in zip(_TEACHERS, sizes, strict=True) if n],
    }
