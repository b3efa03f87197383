"""Commands run in this process over a few small tracks, and what they hear."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import make_audio
import pytest
import soundfile

from genretagger import cli, pipeline, places
from genretagger.cache import Cache
from genretagger.records import Seen

LINES = json.loads(
    (Path(__file__).parents[1] / "docs/lines.schema.json").read_text(encoding="utf-8")
)
"""What ``--format json`` writes, whichever command it is."""


@cache
def line_validator() -> Any:
    """Give what tells whether a line is as the schema says."""
    import jsonschema  # tests of the plugin alone do without

    return jsonschema.Draft202012Validator(LINES)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any, str]:
    """Run a command in this process; return exit code, rows or text, and messages."""
    capsys.readouterr()
    words = [str(a) for a in arguments]
    if words[0] in ("tag", "predict"):
        words += ["--format", "json"] if "--jobs" in words else ["--jobs", "1", "--format", "json"]
    code = cli.main(words)
    out, err = capsys.readouterr()
    if "json" not in words:
        return code, out, err
    rows = [json.loads(line) for line in out.splitlines()]
    for row in rows:
        line_validator().validate(row)
    return code, rows, err


def opened(
    path: Path | None = None, warn: Callable[[str], Any] = pytest.fail
) -> contextlib.closing[Cache]:
    """Open a cache; a warning fails the test."""
    return contextlib.closing(Cache(path or places.cache_file(), warn=warn))


def encode(path: Path, *, seconds: float = 2.0, seed: int = 0, gain: float = 1.0) -> None:
    """Encode some music."""
    soundfile.write(path, gain * make_audio.music(seconds, 44100, 2, seed), 44100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for music, and nothing in it yet."""
    path = tmp_path / "Music"
    path.mkdir()
    return path


@pytest.fixture
def music(folder: Path) -> Path:
    """Three tracks in a folder, all different."""
    for number, suffix in enumerate((".flac", ".mp3", ".ogg")):
        encode(folder / f"{number}{suffix}", seed=number)
    return folder


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are heard rather than recalled, to be cleared at will."""
    names: list[str] = []
    hear = pipeline.hear_tracks

    def watched(files: Sequence[Seen], **rest: Any) -> Iterator[Any]:
        names.extend(file.path.name for file in files)
        return hear(files, **rest)

    monkeypatch.setattr(pipeline, "hear_tracks", watched)
    return names
