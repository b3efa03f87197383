"""How this program was installed, so that a hint names the command that fits."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def command_for(extra: str) -> str:
    """Give the command that installs what an extra of the package needs.

    Parameters
    ----------
    extra : str
        Such as ``review``.

    Returns
    -------
    str
        For pipx, for uv, for a checkout, or for pip.
    """
    environment = Path(sys.prefix)
    if (environment / "pipx_metadata.json").exists():
        return f"pipx runpip genretagger install 'genretagger[{extra}]'"
    checkout = Path(__file__).resolve().parents[1]
    package = f"'genretagger[{extra}]'"
    if (checkout / "pyproject.toml").exists():
        package = f"-e {shlex.quote(f'{checkout}[{extra}]')}"
    return f"{_installer(environment)} {package}"


def _installer(environment: Path) -> str:
    """Say what installs into this environment."""
    python = shlex.quote(sys.executable)
    if _is_made_by_uv(environment):  # and has no pip
        return f"uv pip install --python {python}"
    pip = shutil.which("pip")
    is_own = pip is not None and Path(pip).parent == Path(sys.executable).parent
    return "pip install" if is_own else f"{python} -m pip install"


def _is_made_by_uv(environment: Path) -> bool:
    """Tell whether ``uv venv`` or ``uv tool`` made an environment."""
    try:
        lines = (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(line.partition("=")[0].strip() == "uv" for line in lines)
