"""Install the checkout by pipx and by uv, as the README has it, and follow a hint to an extra."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALLERS = {"pipx": ["pipx", "install", "."], "uv": ["uv", "tool", "install", "."]}
SMALL = "watch"  # an extra of one small package, and the command that needs it


def smoke(name: str, folder: Path) -> None:
    """Install, say a version, find an extra missing, do what the hint says, and find it there."""
    bin_ = folder / "bin"
    env = os.environ | {
        "PATH": os.pathsep.join((str(bin_), os.environ["PATH"])),
        "PIPX_HOME": str(folder / "home"),
        "PIPX_BIN_DIR": str(bin_),
        "PIPX_MAN_DIR": str(folder / "man"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "UV_TOOL_DIR": str(folder / "home"),
        "UV_TOOL_BIN_DIR": str(bin_),
        "UV_PYTHON": sys.executable,
        "XDG_STATE_HOME": str(folder),
    }
    missing = folder / "missing"

    def watched() -> str:
        words = [str(bin_ / "genretagger"), SMALL, str(missing)]
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        return done.stderr.strip()

    subprocess.run(INSTALLERS[name], cwd=ROOT, env=env, check=True, capture_output=True)
    subprocess.run(
        [bin_ / "genretagger", "model", "--verify"], env=env, check=True, stdout=subprocess.DEVNULL
    )
    before, separator, hint = watched().partition(f"{SMALL} needs: ")
    assert separator, before
    assert hint.startswith(name), hint
    subprocess.run(hint, shell=True, env=env, check=True, capture_output=True)
    assert "is no folder" in watched(), watched()


def main() -> None:
    """Try each that is here."""
    for name, command in INSTALLERS.items():
        if shutil.which(name) is None:
            print(f"{name} is not here, not tried")
            continue
        with tempfile.TemporaryDirectory() as folder:
            smoke(name, Path(folder))
        print(f"{' '.join(command)} works, and its hint for an extra does", flush=True)


if __name__ == "__main__":
    main()
