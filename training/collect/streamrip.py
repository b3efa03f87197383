"""Drive streamrip's ``rip`` as another program: its environment, its config, its end.

It lives in an environment of its own, because its deezer-py and pytest-asyncio break ours.
Its exit codes mean nothing, and without a network it hangs, so what counts is which files
arrive and whether anything happens at all. Version 2.1.0 was read and tried.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from genretagger.errors import FatalError
from training.collect.config import DownloadConfig
from training.config import read_toml

VERSION = "2.1.0"
ARL = "GENRETAGGER_DEEZER_ARL"
"""The environment variable that holds the account's ``arl`` cookie."""

_GRAM = 8
"""Letters of a secret in a row that are blotted out: output is wrapped, so not only the whole."""

_MOST_OUTPUT = 1 << 20
"""Bytes of output kept of one run; a start and 20 tracks write some 5 kB."""


class Ended(NamedTuple):
    """How a run of `rip` ended.

    Attributes
    ----------
    output : str
        What it printed, without the secret.
    hung : str
        Why it was ended; empty if it ended by itself.
    """

    output: str
    hung: str


def executable(environment: Path) -> Path:
    """Find ``rip`` in its environment.

    Raises
    ------
    FatalError
        If it is not there; the message says how to install it.
    """
    path = environment / ("Scripts/rip.exe" if os.name == "nt" else "bin/rip")
    if not path.is_file():
        raise FatalError(
            f"streamrip is not installed in {environment}: run "
            "`python -m training download --install-streamrip` with the same options"
        )
    return path.resolve()


def install(environment: Path) -> str:
    """Make an environment and install streamrip there, over whatever it held.

    Returns
    -------
    str
        What ``rip --version`` says.

    Raises
    ------
    FatalError
        If pip cannot; the message ends with pip's last line.
    """
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(environment)],
        [str(python), "-m", "pip", "install", "--quiet", f"streamrip=={VERSION}"],
    )
    for step in steps:
        done = subprocess.run(
            step, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise FatalError(f"streamrip cannot be installed in {environment}: {last}")
    with _private(environment / "home") as home:
        done = subprocess.run(
            [str(executable(environment)), "--version"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=_environment(home),
            check=False,
        )
    if VERSION not in done.stdout:
        raise FatalError(f"rip in {environment} does not start: {done.stderr.strip()[-200:]}")
    return done.stdout.strip()


def read_arl(file: Path | None) -> str:
    """Read the account's cookie; never from the command line, which others can see.

    Parameters
    ----------
    file : pathlib.Path or None
        A file that only its owner can read; None for the variable `ARL`.

    Raises
    ------
    FatalError
        If there is none, or others could read the file; the message says what to set and
        never holds the cookie.
    """
    if file is not None:
        try:
            mode = file.stat().st_mode
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise FatalError(f"{file} cannot be read: {type(error).__name__}") from error
        if os.name != "nt" and stat.S_IMODE(mode) & 0o077:
            raise FatalError(f"others can read {file}: chmod 600 {file}")
        where = str(file)
    else:
        text, where = os.environ.get(ARL, "").strip(), ARL
        if not text:
            raise FatalError(
                f"no Deezer account: set {ARL} to the `arl` cookie of your own account, or name "
                "a file of mode 0600 that holds it with --arl-file; `--source preview` needs none"
            )
    if not re.fullmatch("[0-9A-Za-z]{32,}", text):
        raise FatalError(
            f"{where} is no arl cookie: some 190 letters and digits, copied from the browser"
        )
    return text


def write_config(path: Path, environment: Path, *, arl: str, folder: Path, quality: int) -> None:
    """Write the config for one run, readable by nobody else from its first byte on.

    It starts from the template that streamrip itself ships, so that its version check passes.

    Parameters
    ----------
    path : pathlib.Path
        Must not exist.
    environment : pathlib.Path
        Where streamrip is installed.
    arl : str
        The account's cookie.
    folder : pathlib.Path
        Where tracks go, each into a folder with its album's id.
    quality : int
        0 is MP3 at 128 kbit/s, 1 at 320, 2 is FLAC.

    Raises
    ------
    FatalError
        If the template lacks a setting: another version.
    """
    template = next(environment.glob("**/site-packages/streamrip/config.toml"), None)
    if template is None:
        raise FatalError(f"{environment} holds no streamrip {VERSION}: install it again")
    settings: dict[str, dict[str, Any]] = {
        # a file is written only when it is whole, so that two at a time tell more than six
        # whether anything moves
        "downloads": {"folder": str(folder), "max_connections": 2},
        "deezer": {"arl": arl, "quality": quality, "use_deezloader": False},
        # it would skip what it once had, also where the file is gone; we judge by files
        "database": {"downloads_enabled": False, "failed_downloads_enabled": False},
        "artwork": {"embed": False, "save_artwork": False},
        # tracks of one artist, title and number on two albums must not overwrite each other
        "filepaths": {"add_singles_to_folder": True, "folder_format": "{id}"},
        "cli": {"progress_bars": False},
        "misc": {"check_for_updates": False},
    }
    text = template.read_text(encoding="utf-8")
    for section, values in settings.items():
        for key, value in values.items():
            line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
            pattern = rf"(?ms)^(\[{section}\]\n(?:(?!^\[).)*?^){key} = [^\n]*$"
            text, n = re.subn(pattern, lambda m, line=line: m[1] + line, text, count=1)  # type: ignore[misc]
            if n != 1:
                raise FatalError(f"{template} has no [{section}] {key}: not streamrip {VERSION}")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text.encode())
    table = read_toml(path, "streamrip's config")
    for section, values in settings.items():
        if any(table[section][key] != value for key, value in values.items()):
            raise FatalError(f"{path} cannot hold the path {folder}; choose a plain one")


def rip(
    track_ids: Sequence[str],
    folder: Path,
    environment: Path,
    *,
    arl: str,
    settings: DownloadConfig,
    private: Path,
) -> Ended:
    """Run ``rip file`` once, to its end or ours.

    Parameters
    ----------
    track_ids : sequence of str
        Deezer's.
    folder : pathlib.Path
        Where files are to arrive.
    environment : pathlib.Path
        Where streamrip is installed.
    arl : str
        The account's cookie.
    settings : DownloadConfig
        Quality and times; ``silence_s`` without output or a growing file ends the run, and
        so does ``timeout_s`` in all.
    private : pathlib.Path
        A folder for config, list and home; made for the run, and removed after it.
    """
    program = executable(environment)
    folder.mkdir(parents=True, exist_ok=True)
    with _private(private) as home:
        config, items = home / "config.toml", home / "tracks.json"
        write_config(
            config, environment, arl=arl, folder=folder.resolve(), quality=settings.quality
        )
        rows = [{"source": "deezer", "media_type": "track", "id": i} for i in track_ids]
        items.write_text(json.dumps(rows), encoding="utf-8")
        command = [str(program), "--config-path", str(config), "-f", str(folder.resolve())]
        command += ["-q", str(settings.quality), "--no-progress", "file", str(items)]
        output, hung = _watch(command, folder, home, settings)
    return Ended(scrub(output, arl), hung)


def _watch(
    command: list[str], folder: Path, home: Path, settings: DownloadConfig
) -> tuple[str, str]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=home,
        env=_environment(home),
        # a group of its own, which can be ended with all its children
        start_new_session=True,
    )
    kept = bytearray()
    n_bytes = 0

    def read() -> None:
        nonlocal n_bytes
        assert process.stdout is not None
        while part := os.read(process.stdout.fileno(), 1 << 16):
            n_bytes += len(part)
            kept.extend(part)
            del kept[:-_MOST_OUTPUT]

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    hung = ""
    began_s = alive_s = time.monotonic()
    seen: tuple[int, int] = (-1, -1)
    try:
        while process.poll() is None and not hung:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(1.0, settings.silence_s / 4))
            now_s = time.monotonic()
            state = (n_bytes, _size(folder))
            if state != seen:
                seen, alive_s = state, now_s
            if now_s - alive_s > settings.silence_s:
                hung = f"it did nothing for {settings.silence_s:.0f} s"
            elif now_s - began_s > settings.timeout_s:
                hung = f"it ran for {settings.timeout_s:.0f} s"
    finally:
        _end(process)
        reader.join(timeout=5)
    return bytes(kept).decode(errors="replace"), hung


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, also if it has ended itself."""
    if os.name == "nt":
        process.kill()
        process.wait()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=3)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # renamed meanwhile
            total += path.stat().st_size
    return total


def _environment(home: Path) -> dict[str, str]:
    """Keep streamrip out of the user's own settings, and the cookie out of its environment."""
    kept = {name: value for name, value in os.environ.items() if name != ARL}
    # wide, so that its messages are not wrapped
    return kept | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "COLUMNS": "500"}


@contextlib.contextmanager
def _private(folder: Path) -> Iterator[Path]:
    """Make a folder that nobody else can enter, and remove it with its contents afterwards."""
    shutil.rmtree(folder, ignore_errors=True)  # a killed run left it
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder.resolve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scrub(text: str, secret: str) -> str:
    """Blot out a secret and every part of it from a text.

    Parameters
    ----------
    text, secret : str

    Returns
    -------
    str
        Of the same length; eight letters of the secret in a row become asterisks.

    Examples
    --------
    >>> scrub("cookie 0123456789abc, wrapped: 01234567", "0123456789abc")
    'cookie *************, wrapped: ********'
    """
    grams = {secret[i : i + _GRAM] for i in range(max(1, len(secret) - _GRAM + 1))}
    letters = list(text)
    for at in range(len(text) - _GRAM + 1):
        if text[at : at + _GRAM] in grams:
            letters[at : at + _GRAM] = "*" * _GRAM
    return "".join(letters)
