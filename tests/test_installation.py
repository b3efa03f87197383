"""Hints name the command that fits how the program was installed."""

import sys

import pytest

from genretagger import installation

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        ("/home/me/.local/share/pipx/venvs/genretagger", "pipx runpip genretagger install "),
        ("/home/me/.local/share/uv/tools/genretagger", "uv pip install --python "),
        ("/home/me/.venv", "pip install "),
    ],
)
def test_the_hint_fits_pipx_uv_and_pip(monkeypatch, tmp_path, prefix, command):
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "genretagger/installation.py"))
    hint = installation.command_for("review")
    assert hint.startswith(command)
    assert hint.endswith("'genretagger[review]'")


def test_in_a_checkout_the_hint_names_it(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", "/home/me/.venv")
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "genretagger/installation.py"))
    assert installation.command_for("review") == f"pip install -e '{tmp_path}[review]'"
