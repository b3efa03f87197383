"""Renew the output that README.md and pages in docs/ show, from real runs.

``python tests/tools/make_tutorial.py FOLDER``, where FOLDER holds the free music that `MUSIC`
names; ``python tests/tools/make_tutorial.py FOLDER DATA HOME`` renews `OWN_PAGES`, with a
collection made of the labelled clips in DATA, in the folder HOME, where it leaves the pages that
the commands write, for `make_pictures`. A block of output gets what the block of commands before it
says on a terminal of 100 columns; a second one gets what the same commands say when they are run
again. Needs ffmpeg.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from mutagen.oggopus import OggOpus

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs/tutorial.md")
OWN_PAGES = (ROOT / "docs/own-genres.md", ROOT / "docs/discover.md")

MUSIC = {
    "Brahms/Hungarian Dance 5.ogg": "Hungarian_Dance*",
    "Loose/Confession.mp3": "Confession*",
    "Loose/Miedo.mp3": "Yuanan_-_Miedo*",
    "Loose/Sugar Plum Fairy.m4a": "Kevin_MacLeod_-_P_I*",
    "Loose/Veränderung.opus": "Ver*nderung*",  # however the file system spells the letter
    "Loose/half a download.mp3": "te_amo*",
    "Loose/solo trumpet.ogg": "sorohanro*",
    "RAOUL DE QSM/Le royaume des glous glous.flac": "Le_royaume*",
}
"""From the name in the pages to the file that it is made of."""

TERMINAL = {"TERM": "dumb", "LINES": "50"}
"""A terminal on which a bar is shown once, at its end."""

GENRES = """\
Pop/Rock = Pop Rock      # one genre of AllMusic's
Comedy/Spoken =          # no music
"""
"""What `learn` shall make of some genres in the collection of clips."""

_SHARE = 0.26  # of a file that was half a download
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def collect(folder: Path, music: Path) -> None:
    """Copy or convert the tracks, without tags where they are converted."""
    for name, pattern in MUSIC.items():
        (source,) = folder.glob(pattern)
        target = music / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == target.suffix:
            whole = source.read_bytes()
            size = round(_SHARE * len(whole)) if "download" in name else len(whole)
            target.write_bytes(whole[:size])
        else:
            command = ["ffmpeg", "-v", "error", "-i", source, "-map", "0:a", "-map_metadata", "-1"]
            subprocess.run([*command, "-map_metadata:s:a", "-1", target], check=True)


def collect_clips(data: Path, music: Path) -> None:
    """Copy the clips whose genres are AllMusic's, with those genres as tags."""
    with (data / "labels.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        if row["set"] == "panda" and row["source_genre"] and row["artist"]:
            artist, title = (row[key].replace("/", "_")[:60].strip() for key in ("artist", "title"))
            target = music / artist / f"{title}.opus"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(data / "clips" / f"{row['id']}.opus", target)
            file = OggOpus(target)
            file["artist"], file["title"] = row["artist"], row["title"]
            file["genre"] = row["source_genre"].split("; ")
            file.save()


def renewed(page: str, run: Callable[[str], str]) -> str:
    """Put what commands say into the blocks after them.

    Parameters
    ----------
    page : str
        Markdown.
    run : callable
        Runs shell commands, and gives what they say.
    """
    commands = ""

    def block(match: re.Match[str]) -> str:
        nonlocal commands
        language, text = match.groups()
        if language == "sh":
            commands = text
            return match[0]
        return f"```{language}\n{run(commands)}```"

    return _BLOCK.sub(block, page)


def said(commands: str, home: Path, columns: int = 100) -> str:
    """Run shell commands on a terminal of their own, answer yes, and give what it shows.

    Parameters
    ----------
    commands : str
    home : pathlib.Path
        The folder in which they run, and which is ``/home/me`` in what they say.
    columns : int
        How wide the terminal is.
    """
    import pty  # only Unix has it, and test modules import this one

    environment = {
        **os.environ,
        **{f"XDG_{kind}_HOME": f"{home}/{kind}" for kind in ("STATE", "CACHE", "CONFIG", "DATA")},
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "HOME": str(home),
        "COLUMNS": str(columns),
        **TERMINAL,
    }
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execvpe("sh", ["sh", "-c", commands], environment)
    shown = b""
    while data := _read(terminal):
        shown += data
        if data.endswith(b"[y/N] "):
            os.write(terminal, b"y\n")
    os.close(terminal)
    os.waitpid(pid, 0)
    text = shown.decode("utf-8").replace("\r\n", "\n").replace(str(home), "/home/me")
    # of the blank lines that stand where a bar was, none is left
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines() if line.strip())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # on Linux, the end
        return b""


def renew(page: Path, home: Path) -> None:
    """Renew a page by what its commands say in a folder."""
    text = renewed(page.read_text(encoding="utf-8"), lambda words: said(words, home))
    page.write_text(text, encoding="utf-8")


def main(folder: Path, data: Path | None = None, home: Path | None = None) -> None:
    """Renew the pages."""
    if data is not None and home is not None:
        collect_clips(data, home / "Music")
        collect(folder, home / "New")
        (home / "genres.txt").write_text(GENRES, encoding="utf-8")
        for page in OWN_PAGES:
            renew(page, home)
        return
    for page in PAGES:
        with tempfile.TemporaryDirectory() as name:
            collect(folder, Path(name) / "Music")
            renew(page, Path(name))


if __name__ == "__main__":
    shutil.which("ffmpeg") or sys.exit("needs ffmpeg")
    main(*map(Path, sys.argv[1:]))
