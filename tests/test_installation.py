"""Hints name the command that fits how the program was installed."""

import os
import sys

import pytest

from genretagger import installation

pytestmark = pytest.mark.quick


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Pretend that the program lies in an environment with these files, on the `PATH` or not."""

    def pretend(on_path=True, **files):
        bin_ = tmp_path / "env/bin"
        bin_.mkdir(parents=True)
        for name in ("python", "pip"):
            (bin_ / name).touch(mode=0o755)
        for name, text in files.items():
            (tmp_path / "env" / name.replace("_DOT_", ".")).write_text(text)
        monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
        monkeypatch.setattr(sys, "executable", str(bin_ / "python"))
        monkeypatch.setenv("PATH", str(bin_) if on_path else os.devnull)
        monkeypatch.setattr(installation, "__file__", str(tmp_path / "genretagger/installation.py"))
        return installation.command_for("review")

    return pretend


def test_pip_is_named_if_it_is_the_one_of_this_environment(installed):
    assert installed(pyvenv_DOT_cfg="home = /usr/bin\n") == "pip install 'genretagger[review]'"


def test_without_that_pip_on_the_path_python_is_named(installed, tmp_path):
    python = tmp_path / "env/bin/python"
    assert installed(on_path=False) == f"{python} -m pip install 'genretagger[review]'"


def test_pipx_installs_into_its_own(installed):
    hint = installed(pipx_metadata_DOT_json="{}")
    assert hint == "pipx runpip genretagger install 'genretagger[review]'"


def test_what_uv_made_has_no_pip(installed, tmp_path):
    hint = installed(pyvenv_DOT_cfg="home = /usr/bin\nuv = 0.9.1\nversion_info = 3.12.0\n")
    python = tmp_path / "env/bin/python"
    assert hint == f"uv pip install --python {python} 'genretagger[review]'"


def test_in_a_checkout_the_hint_names_it(installed, tmp_path):
    (tmp_path / "pyproject.toml").touch()
    assert installed() == f"pip install -e '{tmp_path}[review]'"
