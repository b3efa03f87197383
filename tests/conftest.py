"""Fixtures for every test module."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import make_audio
import pytest
from browser import browser, chromium  # noqa: F401 - fixtures
from runs import folder, heard, music  # noqa: F401 - fixtures

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts what it puts in the background so, and tests of Ctrl-C would wait for ever
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests out of all that is the user's; other processes inherit this."""
    places = ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "BEETSDIR")
    for name in places:
        monkeypatch.setenv(name, str(tmp_path_factory.mktemp(name)))


@pytest.fixture(scope="session", autouse=True)
def _encoded_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let all tests share what is encoded, in all processes of the run."""
    base = tmp_path_factory.getbasetemp()
    is_one_of_several = "PYTEST_XDIST_WORKER" in os.environ
    make_audio.KEPT = (base.parent if is_one_of_several else base) / "encoded"
    make_audio.KEPT.mkdir(exist_ok=True)


@pytest.fixture(scope="session")
def encoded(_encoded_once: None) -> Callable[..., Path]:
    """Give a form of `make_audio.FORMS` without tags, a file that nobody may change."""

    def get(form: str, **options: float) -> Path:
        try:
            return make_audio.encoded(form, make_audio.KEPT, **options)
        except make_audio.MissingToolError as error:
            pytest.skip(str(error))

    return get


@pytest.fixture
def audio_file(encoded: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Give a fresh tagged copy: ``audio_file("FLAC", genre=("Pop",), title="A", seconds=2)``.

    `name` chooses another file name; `seconds`, `sr`, `channels` go to the encoder, the
    rest are tags as in `make_audio.make`.
    """

    def get(form: str, *, name: str = "track", genre: tuple[str, ...] = (), **rest: object) -> Path:
        options = {k: rest.pop(k) for k in ("seconds", "sr", "channels") if k in rest}
        path = tmp_path / f"{name}{make_audio.FORMS[form].suffix}"
        shutil.copyfile(encoded(form, **options), path)
        make_audio.FORMS[form].tag(path, genre, rest)
        return path

    return get


_CRASHING_DECODER = """
import ctypes, importlib.machinery, importlib.util, os, sys
elsewhere = [p for p in sys.path if p != os.path.dirname(__file__)]
spec = importlib.machinery.PathFinder.find_spec("soundfile", elsewhere)
real = importlib.util.module_from_spec(spec)
sys.modules["soundfile"] = real
spec.loader.exec_module(real)
class SoundFile(real.SoundFile):
    def __init__(self, file, *args, **kwargs):
        if b"crash" in os.path.basename(os.fsencode(file)).lower():
            ctypes.string_at(0)
        super().__init__(file, *args, **kwargs)
real.SoundFile = SoundFile
"""


@pytest.fixture
def crashing_decoder(tmp_path: Path) -> dict[str, str]:
    """Give an environment in which reading a file named "crash" is a segmentation fault."""
    modules = tmp_path / "decoder"
    modules.mkdir()
    (modules / "soundfile.py").write_text(_CRASHING_DECODER)
    return {**os.environ, "PYTHONPATH": str(modules)}
