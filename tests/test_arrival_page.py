"""The recipes of docs/arrival.md, each tried as far as this machine has what it is for."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import changes
import mutagen
import pytest
from runs import encode

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/arrival.md").read_text(encoding="utf-8")


@pytest.fixture
def home(tmp_path):
    """Make a home with genretagger at the place that the page names, and two tracks in ~/Music."""
    program = tmp_path / ".local/bin/genretagger"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m genretagger "$@"\n'
    )
    program.chmod(0o755)
    (tmp_path / ".config/genretagger").mkdir(parents=True)
    (tmp_path / ".config/genretagger/config.toml").write_text("always = true\n")  # a genre for all
    (tmp_path / "Music").mkdir()
    for n in range(2):
        track = tmp_path / f"Music/it's track {n}.flac"
        encode(track, seed=n)
        file = mutagen.File(track)
        file["title"], file["artist"], file["album"] = f"Track {n}", 'Some "One"', "It's"
        file.save()
    return tmp_path


def blocks(language, after):
    """Give the blocks of code of one language in a section."""
    section = PAGE.partition(f"\n## {after}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def run(command, home, **more):
    """Run a command with the environment of cron, which is barer than any other."""
    user = {"HOME": str(home), "LOGNAME": "me", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=home, env=user | more, capture_output=True, text=True, check=False
    )


def genres(home):
    return [changes.genres_in(path) for path in sorted((home / "Music").iterdir())]


def test_the_line_for_cron_tags_and_then_says_nothing(home):
    (line,) = blocks("crontab", "cron")
    command = re.fullmatch(r"15 3 \* \* \*  (.*)\n", line)[1]
    assert "%" not in command  # which cron takes for the end of a line
    done = run(["/bin/sh", "-c", command], home)
    assert done.returncode == 0, done.stderr
    assert "2 files were changed" in done.stderr
    assert all(genres(home))
    again = run(["/bin/sh", "-c", command], home)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def units():
    names = re.findall(r"genretagger-\w+\.(?:service|timer)(?=`)", PAGE)
    texts = blocks("ini", "systemd")
    assert len(names) == len(texts) == 3
    return dict(zip(names, texts, strict=True))


def test_systemd_takes_the_units_without_a_word(home):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    paths = []
    for name, text in units().items():
        paths.append(home / name)
        paths[-1].write_text(text)
    done = run(["systemd-analyze", "verify", "--user", *paths], home, XDG_RUNTIME_DIR=str(home))
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_nightly_unit_starts_tags(home):
    (start,) = re.findall(r"ExecStart=(.*)", units()["genretagger-tag.service"])
    done = run(start.replace("%h", str(home)).split(), home)
    assert done.returncode == 0, done.stderr
    assert all(genres(home))


def test_the_script_for_aria2_tags_what_was_downloaded(home):
    (script,) = (text for text in blocks("sh", "A downloader's hook") if "$3" in text)
    hook = home / "tag-download"
    hook.write_text(script)
    hook.chmod(0o755)
    path = f"{home / '.local/bin'}:/usr/bin:/bin"
    both = [
        subprocess.Popen(
            [hook, "2089b05ecca3d829", "1", track],
            env={"HOME": str(home), "PATH": path},
            stderr=subprocess.PIPE,
            text=True,
        )
        for track in (home / "Music").iterdir()
    ]
    for process in both:  # downloads that end together
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    assert all(genres(home))


def test_beets_calls_the_hook_for_an_album_and_for_a_single_track(home, tmp_path):
    pytest.importorskip("beets")
    (settings,) = blocks("yaml", "beets")
    library = tmp_path / "beets"
    library.mkdir()
    (library / "config.yaml").write_text(
        f"directory: {library / 'Music'}\nlibrary: {library / 'library.db'}\n"
        + settings.replace("flock /home/me ", f"flock {home} ")
    )
    for options in ([], ["--singletons"]):
        path = f"{home / '.local/bin'}{os.pathsep}{os.environ['PATH']}"
        beet = [sys.executable, "-m", "beets", "import", "-qA", *options, home / "Music"]
        done = run(beet, home, BEETSDIR=str(library), PATH=path)
        assert done.returncode == 0, done.stderr
        written = sorted((library / "Music").rglob("*.flac"))
        assert len(written) == 2
        assert all(changes.genres_in(path) for path in written), done.stderr
        shutil.rmtree(library / "Music")
        (library / "library.db").unlink()
    assert genres(home) == [[], []]  # what was imported from stays
