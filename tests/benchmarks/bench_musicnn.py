"""MusiCNN for comparison: sets up an environment of its own, and talks to it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "musicnn==0.1.0"

PINNED = (PACKAGE, "numpy==1.16.6", "tensorflow==2.7.4", "librosa==0.8.1", "numba==0.53.1")
"""What pip chooses on Python 3.7; musicnn asks for numpy < 1.17, so for Python 3.7 at most."""

_WORKER = Path(__file__).with_name("bench_musicnn_worker.py")


def default_folder() -> Path:
    """Where MusiCNN is set up: outside the repository."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "genretagger-benchmarks" / "musicnn"


def set_up(folder: Path, python37: str | None) -> None:
    """Unpack its code and weights, and install it where a Python 3.7 is found.

    Parameters
    ----------
    folder : pathlib.Path
        Made, or replaced.
    python37 : str or None
        A Python 3.7; None looks on the PATH and among pyenv's.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run(sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder), PACKAGE)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "wheel")
    python = python37 or _find_python37()
    if python is None:
        print("no Python 3.7 found: only its published code and weights can be measured")
        return
    _run(python, "-m", "venv", str(folder / "env"))
    pip = (str(_env_python(folder)), "-m", "pip", "install", "--quiet")
    _run(*pip, "--upgrade", "pip", "wheel")
    _run(*pip, *PINNED)


def _run(*command: str) -> None:
    print("+", *command, flush=True)
    subprocess.run(command, check=True)


def _find_python37() -> str | None:
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.7.*/bin/python"))
    for candidate in (shutil.which("python3.7"), *map(str, pyenv)):
        if candidate is None:
            continue
        # pyenv's shim is on the PATH even where it leads nowhere
        done = subprocess.run([candidate, "--version"], capture_output=True, check=False)
        if done.returncode == 0:
            return candidate
    return None


def _env_python(folder: Path) -> Path:
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    return folder / "env" / scripts / "python"


class MusicnnError(Exception):
    """It is not set up, or does not run; the message says why."""


def is_packaged(folder: Path) -> bool:
    """Tell whether `set_up` could install the package."""
    return _env_python(folder).exists()


class Musicnn:
    """A running MusiCNN, kept to one core.

    Parameters
    ----------
    folder : pathlib.Path
        As `set_up` left it.
    core : int or None
        The core to run on; None lets it have all.
    packaged : bool
        Its package on Python 3.7, or its code and weights on this Python and TensorFlow.

    Raises
    ------
    MusicnnError
        If it is not set up, or does not start.
    """

    def __init__(self, folder: Path, core: int | None, *, packaged: bool) -> None:
        wheel = [] if packaged else [str(folder / "wheel")]
        if not (folder / "wheel").exists():
            raise MusicnnError("not set up, run `bench.py musicnn` first")
        missing = [n for n in ("tensorflow", "librosa") if not importlib.util.find_spec(n)]
        if missing and not packaged:
            raise MusicnnError(f"its weights need {' and '.join(missing)}, not installed")
        python = str(_env_python(folder)) if packaged else sys.executable
        self._process = subprocess.Popen(
            [python, str(_WORKER), str(-1 if core is None else core), *wheel],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        versions = self._answer()
        how = "its package" if packaged else "its published code and weights, our layers"
        self.description = (
            f"{how}, Python {versions['python']}, TensorFlow {versions['tensorflow']}, "
            f"librosa {versions['librosa']}"
        )

    def _answer(self) -> dict:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise MusicnnError(f"it ended with exit code {self._process.wait()}")
        return json.loads(line)

    def measure(self, what: str, path: Path) -> tuple[float, list[float]]:
        """Run it on a file.

        Parameters
        ----------
        what : {"packaged", "loaded", "network"}
            Its extractor as it is, which loads the network in every call; the same steps
            with the network loaded before; the network alone.
        path : pathlib.Path

        Returns
        -------
        seconds : float
        mean : list of float
            The 50 tags' mean scores.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"what": what, "path": str(path)}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        return answer["seconds"], answer["mean"]

    def close(self) -> None:
        """End it."""
        self._process.communicate()
