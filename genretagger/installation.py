"""How this program was installed, so that a hint names the command that fits."""

from __future__ import annotations

import shlex
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
    package, prefix = f"genretagger[{extra}]", Path(sys.prefix).as_posix()
    if "/pipx/venvs/" in prefix:
        return f"pipx runpip genretagger install '{package}'"
    if "/uv/tools/" in prefix:
        return f"uv pip install --python {shlex.quote(sys.executable)} '{package}'"
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").exists():
        return f"pip install -e {shlex.quote(f'{checkout}[{extra}]')}"
    return f"pip install '{package}'"
