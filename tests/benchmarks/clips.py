"""Labelled clips for the benchmarks beside this module: read, heard once, and kept.

`add_arguments` gives a benchmark the options that say where clips lie, what hears them, and where
what was heard is kept, so that benchmarks share it and a run with another bundle hears no more than
it must.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from genretagger import audio, bundle, cache, pipeline
from genretagger.bundle import Bundle
from genretagger.records import Prediction

LEAST_CONFIDENCE = "2"
"""Labels below it are guesses."""

_SR = 16000
_SAVED_EVERY = 100  # clips


class Clip(NamedTuple):
    """A row of ``labels.tsv``.

    Attributes
    ----------
    id, set, artist : str
        Clips of one ``artist_group`` have one artist.
    genres : tuple of str
        The label, the most important one first; empty if none of the 14 fits.
    source_genre : tuple of str
        What the source of the clip says.
    """

    id: str
    set: str
    artist: str
    genres: tuple[str, ...]
    source_genre: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where clips lie, what hears them, and where that is kept."""
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="has labels.tsv and clips/"
    )
    parser.add_argument("--bundle", default="default", help="what hears the clips")
    parser.add_argument("--sample", type=int, metavar="N", help="so many clips only, by chance")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--kept", type=Path, metavar="FOLDER", help="keeps what was heard for the next run"
    )
    parser.add_argument(
        "--run", type=Path, help="a training run that was evaluated, for what it knows of the clips"
    )


def read(table: Path, sample: int | None = None) -> list[Clip]:
    """Read the clips whose labels are no guesses; `sample` of them, drawn by chance."""
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    clips = [
        Clip(
            row["id"],
            row["set"],
            row["artist_group"],
            _values(row["genres"]),
            _values(row["source_genre"]),
        )
        for row in rows
        if row["confidence"] >= LEAST_CONFIDENCE
    ]
    order = np.random.default_rng(0).permutation(len(clips))[:sample]
    return [clips[i] for i in sorted(order.tolist())]


def _values(cell: str) -> tuple[str, ...]:
    return tuple(cell.split("; ")) if cell else ()


def hear(
    clips: Sequence[Clip], model: Bundle, options: argparse.Namespace
) -> dict[str, Prediction]:
    """Hear clips as `hear_files` does; by their ids."""
    paths = {options.data / "clips" / f"{clip.id}.opus": clip.id for clip in clips}
    return {paths[path]: p for path, p in hear_files(list(paths), model, options).items()}


def hear_files(
    paths: Sequence[Path], model: Bundle, options: argparse.Namespace
) -> dict[Path, Prediction]:
    """Hear files as the product does, or recall them; those without sound are left out.

    The embedding comes along, if the bundle has one.
    """
    is_embedded = model.network.embedding is not None
    with _opened_cache(options.kept) as known:
        answers = pipeline.predict(paths, model, options.jobs, cache=known, embedding=is_embedded)
        return {
            path: answer
            for path, answer in answers
            if isinstance(answer, Prediction) and answer.probabilities is not None
        }


@contextlib.contextmanager
def _opened_cache(kept: Path | None) -> Iterator[cache.Cache | None]:
    if kept is None:
        with cache.opened(print) as known:
            yield known
        return
    kept.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(cache.Cache(kept / "cache.sqlite", warn=print)) as known:
        yield known


def embed(clips: Sequence[Clip], options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Give the embedding that a bundle has of each clip."""
    model = bundle.read(bundle.locate(options.bundle))
    bundle.require_embedding(model)
    heard = hear(clips, model, options)
    return {clip: p.embedding for clip, p in heard.items() if p.embedding is not None}


def mel_statistics(clips: Sequence[Clip], options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Give the mean and the deviation of each of 96 mel bands of whole clips, in dB.

    Of a training run's shards, if it has them; else by librosa.
    """
    if options.run:
        return _mel_statistics_of_run(clips, options.run)
    return _vectors("mel", clips, _mel_statistics, options)


def _mel_statistics_of_run(clips: Sequence[Clip], run: Path) -> dict[str, np.ndarray]:
    from training import config, files
    from training.data.clips import read_clips
    from training.features import shards
    from training.folders import RunFolder

    folder = RunFolder(run)
    manifest = {clip.track_id: i for i, clip in enumerate(read_clips(folder.manifest))}
    features = config.load(config.DEFAULT).features
    kept = shards.read(folder.shards, features, manifest_sha256=files.sha256(folder.manifest))
    statistics = {}
    for clip in clips:
        i = manifest[clip.id]
        statistics[clip.id] = _mean_and_deviation(kept.segment(i, 0, kept.n_frames(i)))
    return statistics


def _mean_and_deviation(decibels: np.ndarray) -> np.ndarray:
    """Reduce (n_frames, n_bands) to (2 * n_bands,)."""
    return np.concatenate([decibels.mean(axis=0), decibels.std(axis=0)]).astype(np.float16)


def musicnn(
    clips: Sequence[Clip], wheel: Path, options: argparse.Namespace
) -> dict[str, np.ndarray]:
    """Give MusiCNN's last hidden layer, 200 values, by the published weights: see `training`."""
    return _vectors("musicnn", clips, partial(_musicnn, wheel), options)


def _mel_statistics(y: np.ndarray) -> np.ndarray:
    import librosa

    power = librosa.feature.melspectrogram(y=y, sr=_SR, n_fft=512, hop_length=256, n_mels=96)
    return _mean_and_deviation(librosa.power_to_db(power).T)


def _musicnn(wheel: Path, y: np.ndarray) -> np.ndarray:
    from training.features.teachers import musicnn_runner
    from training.networks.musicnn import N_HIDDEN, patches

    run = musicnn_runner(wheel)
    return np.concatenate([run(patch[None]) for patch in patches(y)]).mean(axis=0)[:N_HIDDEN]


def _vectors(
    name: str,
    clips: Sequence[Clip],
    compute: Callable[[np.ndarray], np.ndarray],
    options: argparse.Namespace,
) -> dict[str, np.ndarray]:
    """Compute a vector from the sound of each clip, unless it was kept."""
    file = options.kept / f"{name}.npz" if options.kept else None
    known: dict[str, np.ndarray] = {}
    if file and file.exists():
        with np.load(file) as arrays:
            known = dict(arrays)
    missing = [clip.id for clip in clips if clip.id not in known]
    for n, clip in enumerate(missing, 1):
        y = audio.decode_whole(options.data / "clips" / f"{clip}.opus", _SR)
        known[clip] = compute(y).astype(np.float16)
        if file and (n % _SAVED_EVERY == 0 or n == len(missing)):
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, **known)
    return {clip.id: known[clip.id] for clip in clips}


def predictions_of_run(run: Path) -> dict[str, tuple[float, ...]]:
    """Read what a training run predicts of each clip, by models that do not know its artist."""
    from training.folders import RunFolder
    from training.measure import calibrate

    folder = RunFolder(run)
    chosen: Mapping = json.loads(folder.metrics.read_text(encoding="utf-8"))
    with np.load(folder.predictions) as stored:
        p = calibrate.apply(stored["logits"], [tuple(pair) for pair in chosen["calibration"]])
        return dict(zip(stored["track_id"].tolist(), map(tuple, p.tolist()), strict=True))
