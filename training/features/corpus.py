"""Free music without labels, for distillation; not part of any fold.

Debian carries some twenty hours of music in its games, under free licences. Every fold may
share what was learned from it, because nothing of it is ever measured: a file that holds a
labelled clip's recording, by Chromaprint, is left out.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import joblib
import numpy as np

from genretagger import audio
from genretagger.errors import FatalError, TrackError
from genretagger.features import FeatureConfig
from training.arrays import Floats, Halves
from training.config import CorpusConfig
from training.data import duplicates
from training.features import mel, stored
from training.files import check_room, read_jsonl, write_array, write_jsonl
from training.progress import Progress

SUFFIXES = (".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav", ".m4a")
"""What is taken out of a package."""

_ARCHIVES = (".zip", ".pk3", ".pk4", ".nxl", ".data")  # zip files under game engines' names
_ORIGINS = "origins.jsonl"
_MEASURED = "measured.jsonl"
_LEAST_BYTES = 40_000  # 20 s of music at 16 kbit/s; most sound effects are smaller
_REMEDY = "or name folders of your own: --audio (music that is not measured), --speech"


def _download(name: str, folder: Path) -> Path:
    """Fetch a package by apt, without installing it, unless it is there."""
    if shutil.which("apt-get") is None:
        raise FatalError(
            f"the packages are Debian's, and apt-get is missing: use Debian, {_REMEDY}"
        )
    packages = sorted(folder.glob(f"{name}_*.deb"))
    if packages:
        return packages[-1]
    check_room(folder, _needed_bytes(name), f"free some, {_REMEDY}")
    with tempfile.TemporaryDirectory(dir=folder) as part:
        command = ["apt-get", "download", "-qq", name]
        done = subprocess.run(command, cwd=part, capture_output=True, text=True, check=False)
        files = list(Path(part).glob("*.deb"))
        if done.returncode or not files:
            message = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise FatalError(f"apt-get download {name}: {message}; try `apt-get update`, {_REMEDY}")
        return files[0].rename(folder / files[0].name)


def _needed_bytes(name: str) -> float:
    """Look up how much a package and what is in it take; 0 where apt does not say."""
    command = ["apt-cache", "show", "--no-all-versions", name]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0.0
    sizes = dict(re.findall(r"(?m)^(Size|Installed-Size): (\d+)$", told))
    return int(sizes.get("Size", 0)) + 1024 * int(sizes.get("Installed-Size", 0))  # in KiB


def _sounds(
    name: str, size: int, file: IO[bytes], least_bytes: int
) -> Iterator[tuple[str, IO[bytes]]]:
    """Find the sound in one file of a package: itself, or in a zip file."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in SUFFIXES and size >= least_bytes:
        yield name, file
    elif suffix in _ARCHIVES:
        with tempfile.TemporaryFile() as copy:  # zip needs to seek, a pipe cannot
            shutil.copyfileobj(file, copy)
            if not zipfile.is_zipfile(copy):
                return
            with zipfile.ZipFile(copy) as archive:
                for info in archive.infolist():
                    with archive.open(info) as inner:
                        inside = f"{name}/{info.filename}"
                        yield from _sounds(inside, info.file_size, inner, least_bytes)


def unpack(package: Path, folder: Path, least_bytes: int = _LEAST_BYTES) -> int:
    """Take the sound, and the terms of its use, out of a Debian package.

    Parameters
    ----------
    package : pathlib.Path
        A ``.deb``; nothing of it is run or installed.
    folder : pathlib.Path
        Takes the files, numbered in the package's order, and ``copyright``; replaced.
    least_bytes : int
        Smaller files are left.

    Returns
    -------
    int
        Files taken.

    Raises
    ------
    FatalError
        If the package cannot be read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    origins: list[dict[str, str]] = []
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as pipe:
        assert pipe.stdout is not None
        try:
            with tarfile.open(fileobj=pipe.stdout, mode="r|") as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.isreg() else None
                    if file is None:
                        continue
                    if member.name.startswith("./usr/share/doc/") and member.name.endswith(
                        "/copyright"
                    ):
                        (part / "copyright").write_bytes(file.read())
                    for name, sound in _sounds(member.name, member.size, file, least_bytes):
                        # our own names: those in an archive may lead anywhere
                        target = part / f"{len(origins):04d}{PurePosixPath(name).suffix.lower()}"
                        with target.open("wb") as out:
                            shutil.copyfileobj(sound, out)
                        origins.append({"file": target.name, "from": name})
        except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
            raise FatalError(f"{package} cannot be unpacked: {error}; remove it") from error
    if pipe.returncode:
        raise FatalError(f"{package} is no whole Debian package; remove it, and run again")
    write_jsonl(part / _ORIGINS, origins)
    part.rename(folder)
    return len(origins)


def fetch(name: str, folder: Path, least_bytes: int = _LEAST_BYTES) -> Path:
    """Get a package and unpack it, unless that was done before.

    Parameters
    ----------
    name : str
    folder : pathlib.Path
        Keeps the package in ``packages`` and its sound in ``audio``.
    least_bytes : int
        As in `unpack`.

    Returns
    -------
    pathlib.Path
        The folder of its sound.

    Raises
    ------
    FatalError
        If it cannot be had or read.
    """
    place = folder / "audio" / name
    if not place.exists():
        packages = folder / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        unpack(_download(name, packages), place, least_bytes)
    return place


def find(folder: Path) -> list[Path]:
    """Find the files of sound in a folder."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


@dataclass(frozen=True)
class _Extracted:
    mel: Halves
    fingerprints: list[str]


def _extract(
    path: Path, features: FeatureConfig, config: CorpusConfig, bank: Floats
) -> _Extracted | str:
    """Compute the mel power of a file's segments, in dB, or say why it is left out."""
    try:
        duration_s = audio.duration(path)
        if duration_s < config.shortest_s:
            return f"shorter than {config.shortest_s:g} s"
        if duration_s > audio.LONG_S:
            return f"longer than {audio.LONG_S / 60:.0f} min"
        y = audio.decode_whole(path, features.sr)
    except (TrackError, OSError) as error:
        return str(error)
    length = round(features.segment_s * features.sr)
    n = min(config.most_segments, len(y) // length)
    starts = np.linspace(0, len(y) - length, n).astype(int)
    segments = [y[start : start + length] for start in starts]
    extracted = [mel.decibels(s, features, bank) for s in segments if not audio.is_silent(s)]
    if not extracted:
        return "silent"
    # stretches that overlap by what two recordings must share to be told as one
    every = round((duplicates.LISTEN_S - duplicates.MIN_OVERLAP_S) * features.sr)
    stretches = [y[at:] for at in range(0, len(y), every)]
    return _Extracted(
        np.stack(extracted).astype(np.float16), [duplicates.fingerprint(s) for s in stretches]
    )


def names_of(folders: Sequence[Path]) -> list[str]:
    """Name what is stored of folders: each path by a name of its own, whatever its last part is.

    Examples
    --------
    >>> names_of([Path("/a/x"), Path("/b/x")])
    ['x-30388766', 'x-b03f96a3']
    """
    hashed = [hashlib.sha256(os.fsencode(path.resolve())).hexdigest() for path in folders]
    return [f"{path.name}-{h[:8]}" for path, h in zip(folders, hashed, strict=True)]


def collect(
    folder: Path,
    config: CorpusConfig,
    features: FeatureConfig,
    extra: Sequence[Path],
    *,
    measured: Mapping[str, str],
    n_jobs: int,
    say: Callable[[str], None],
) -> None:
    """Collect the music, and store the mel power of its segments; a killed run resumes.

    Parameters
    ----------
    folder : pathlib.Path
        ``mel/SOURCE.npy`` in it holds the segments of a package or folder, float16, shape
        (n_segments, n_frames, n_mels), in dB, and ``SOURCE.jsonl`` beside it the files.
    config : CorpusConfig
    features : FeatureConfig
    extra : sequence of pathlib.Path
        Folders of music instead of the packages.
    measured : mapping of str to str
        The fingerprints of the labelled clips, by their ids.
    n_jobs : int
        Processes.
    say : callable
        Takes a line of progress.

    Raises
    ------
    FatalError
        If a package cannot be had, or nothing is found.
    """
    bank = mel.filterbank(features)
    asked = wanted(config, features, names_of(extra))
    place_of_mel = stored.begin(folder, asked)
    names = asked.sources
    progress = Progress(len(names), say)
    n_files = n_segments = 0
    for i, name in enumerate(names):
        target = place_of_mel / f"{name}.npy"
        listed = target.with_suffix(".jsonl")
        if not listed.exists():
            place = extra[i] if extra else fetch(name, folder)
            files = find(place)
            with joblib.Parallel(n_jobs=n_jobs) as parallel:
                extracted = parallel(
                    joblib.delayed(_extract)(path, features, config, bank) for path in files
                )
            _store(target, listed, place, files, extracted)
        rows = read_jsonl(listed)
        n_files += sum(row["n_segments"] > 0 for row in rows)
        n_segments += sum(row["n_segments"] for row in rows)
        progress.at(i + 1, f"{i + 1}/{len(names)} sources, {n_files} files, {n_segments} segments")
    if not n_segments:
        raise FatalError(f"no music of {config.shortest_s:g} s or more was found: {_REMEDY}")
    shared = _find_measured(folder, measured)
    write_jsonl(folder / _MEASURED, shared)
    stored.finish(folder, asked)
    say(f"{len({(row['source'], row['file']) for row in shared})} files hold a labelled clip")


def wanted(
    config: CorpusConfig, features: FeatureConfig, folders: Sequence[str] = ()
) -> stored.Wanted:
    """Say what is to be stored; folders of music may stand for the packages."""
    sources, settings = folders or config.packages, [config.shortest_s, config.most_segments]
    return stored.Wanted.of(sources, settings, features, are_packages=not folders)


def _find_measured(folder: Path, measured: Mapping[str, str]) -> list[dict[str, Any]]:
    """Find the files that hold the recording of a labelled clip."""
    names: list[Any] = list(measured)
    words = [duplicates.words(text) for text in measured.values()]
    for listed in sorted((folder / "mel").glob("*.jsonl")):
        for row in read_jsonl(listed):
            for text in row.get("fingerprints", []):
                names.append({"source": listed.stem, "file": row["file"]})
                words.append(duplicates.words(text))
    return [
        names[pair.second] | {"clip": names[pair.first], "error": pair.error}
        for pair in duplicates.find(words)
        if pair.first < len(measured) <= pair.second
    ]


def _store(
    target: Path,
    listed: Path,
    place: Path,
    files: Sequence[Path],
    extracted: Sequence[_Extracted | str],
) -> None:
    """Write a source's segments, and then the list of its files that vouches for them."""
    origins = {row["file"]: row["from"] for row in read_jsonl(place / _ORIGINS)}
    rows, kept = [], []
    for path, what in zip(files, extracted, strict=True):
        name = path.relative_to(place).as_posix()
        row = {"file": origins.get(name, name), "n_segments": 0}
        if isinstance(what, str):
            rows.append(row | {"left_out": what})
        else:
            kept.append(what.mel)
            rows.append(row | {"n_segments": len(what.mel), "fingerprints": what.fingerprints})
    if kept:
        check_room(target.parent, sum(mels.nbytes for mels in kept), f"free some, {_REMEDY}")
        write_array(target, np.concatenate(kept))
    write_jsonl(listed, rows)  # last: it says that the segments are whole


def read(folder: Path) -> tuple[list[Halves], str]:
    """Open what `collect` has stored, but for files that hold a labelled clip.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    segments : list of numpy.ndarray, shape (n_segments, n_frames, n_mels), float16
        Memory maps, one for each file.
    sha256 : str
        Of the lists of files.

    Raises
    ------
    FatalError
        If there is nothing.
    """
    lists = sorted((folder / "mel").glob("*.jsonl"))
    if not (folder / _MEASURED).exists():
        raise FatalError(f"{folder} holds no music: run the stage `corpus` first")
    left_out = {(row["source"], row["file"]) for row in read_jsonl(folder / _MEASURED)}
    segments = []
    for listed in lists:
        path, first = listed.with_suffix(".npy"), 0
        mels = np.load(path, mmap_mode="r") if path.exists() else None
        for row in read_jsonl(listed):
            if row["n_segments"] and (listed.stem, row["file"]) not in left_out:
                assert mels is not None
                segments.append(mels[first : first + row["n_segments"]])
            first += row["n_segments"]
    hashed = [path.read_bytes() for path in (*lists, folder / _MEASURED)]
    return segments, hashlib.sha256(b"".join(hashed)).hexdigest()
