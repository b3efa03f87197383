"""Build the wheel and use it in an empty environment of each supported Python found.

The plain install must stay under 300 MB, without TensorFlow, librosa, numba or
scikit-learn, and hear a track with the bundle that it carries.
"""

import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import wave
import zipfile
from pathlib import Path

VERSIONS = ("3.10", "3.11", "3.12", "3.13")
LIMIT_MB = 300


def run(*command: object, **options: object) -> str:
    """Run a command and return what it prints."""
    words = [str(word) for word in command]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **options)
    return done.stdout


def interpreters() -> dict[str, Path]:
    """Find one interpreter of each supported version, on the PATH or under pyenv."""
    found = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in VERSIONS:
        candidates = [
            shutil.which(f"python{version}"),
            *sorted(pyenv.glob(f"{version}*/bin/python")),
        ]
        if f"{sys.version_info[0]}.{sys.version_info[1]}" == version:
            candidates.insert(0, sys.executable)
        for candidate in filter(None, candidates):
            # pyenv's shims stand on the PATH also for versions that are not switched on
            probe = subprocess.run(
                [candidate, "-c", "import venv"], capture_output=True, check=False
            )
            if probe.returncode == 0:
                found[version] = Path(candidate)
                break
    return found


def write_chord(path: Path) -> None:
    """Write four seconds of a chord, 16-bit mono."""
    samples = (
        sum(math.sin(2 * math.pi * hz * i / 22050) for hz in (220, 277.2, 329.6)) / 4
        for i in range(4 * 22050)
    )
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", round(32767 * s)) for s in samples))


def smoke(python: Path, wheel: Path, folder: Path) -> float:
    """Install the wheel into an empty environment, hear a file, and return its size in MB."""
    environment = folder / "venv"
    run(python, "-m", "venv", environment)
    bin_ = environment / ("Scripts" if os.name == "nt" else "bin")
    before = size_mb(environment)
    run(bin_ / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    installed_mb = size_mb(environment) - before
    packages = run(bin_ / "python", "-m", "pip", "list", "--format", "freeze").lower()
    for heavy in ("tensorflow", "librosa", "numba", "scikit-learn", "beets"):
        assert heavy not in packages, f"{heavy} was installed:\n{packages}"
    assert installed_mb < LIMIT_MB, f"{installed_mb:.0f} MB were installed"
    track = folder / "chord.wav"
    write_chord(track)
    options = {"cwd": folder, "env": os.environ | {"XDG_STATE_HOME": str(folder)}}
    assert "verified" in run(bin_ / "genretagger", "model", "--verify", **options)
    row = json.loads(run(bin_ / "genretagger", "predict", "--format", "json", track, **options))
    assert len(row["probabilities"]) == 14, row
    page = folder / "report.html"
    run(bin_ / "genretagger", "tag", "--dry-run", "--report", page, track, **options)
    assert "chord.wav" in page.read_text(encoding="utf-8")
    tag = [bin_ / "genretagger", "tag", "--always", "--format", "json", track]
    row = json.loads(run(*tag, **options))
    assert row["state"] == "change", row
    assert json.loads(run(*tag, **options))["state"] == "keep"
    run(bin_ / "python", "-c", "import importlib.util as u; assert u.find_spec('beetsplug')")
    return installed_mb


def size_mb(folder: Path) -> float:
    """Add up the files below a folder."""
    return sum(f.lstat().st_size for f in folder.rglob("*") if not f.is_symlink()) / 1e6


def main() -> None:
    """Build, inspect, and try."""
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, root)
        (wheel,) = folder.glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
        tops = {
            name.partition("/")[0]
            for name in names
            if ".dist-info/" not in name and ".data/" not in name
        }
        assert tops == {"genretagger", "beetsplug"}, tops
        for needed in (
            "genretagger/py.typed",
            "genretagger/cli/completions/genretagger.bash",
            "genretagger/cli/demo/LICENCES.txt",
            "genretagger/bundles/default/model.tflite",
            "genretagger/report/assets/tabulator.min.js",
            "beetsplug/genrecnn/__init__.py",
        ):
            assert needed in names, f"{needed} is missing from the wheel"
        found = interpreters()
        for version, python in found.items():
            place = folder / version
            place.mkdir()
            installed_mb = smoke(python, wheel, place)
            print(
                f"wheel works under Python {version}: {installed_mb:.0f} MB installed", flush=True
            )
            shutil.rmtree(place)
        missing = ", ".join(v for v in VERSIONS if v not in found)
        print(f"not found here, not tried: {missing}" if missing else "all supported Pythons tried")


if __name__ == "__main__":
    main()
