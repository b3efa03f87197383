"""What the documentation promises."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import make_docs
import make_tutorial
import pytest

from genretagger.cli.options import COMMANDS

pytestmark = pytest.mark.quick

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("genretagger", "beetsplug", "training")
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "training/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("page", make_docs.PARTS)
def test_the_parts_made_from_the_code_are_up_to_date(page):
    text = (make_docs.DOCS / page).read_text(encoding="utf-8")
    assert text == make_docs.renewed(page), "run: python tests/tools/make_docs.py"


@pytest.mark.parametrize("path", make_docs.WHOLE, ids=lambda p: p.name)
def test_completion_and_the_man_page_are_up_to_date(path):
    if path.suffix == ".1" and sys.version_info >= (3, 13):
        pytest.skip("argparse words options with a value otherwise since Python 3.13")
    text = path.read_text(encoding="utf-8")
    assert text == make_docs.WHOLE[path](), "run: python tests/tools/make_docs.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_between_pages_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_is_built_strictly_and_has_every_page(tmp_path):
    pytest.importorskip("mkdocs")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "-f",
        ".mkdocs.yml",
        "--strict",
        "--site-dir",
        tmp_path,
    ]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, (
        built.stderr
    )  # a page without its place in the contents, a dead link
    pages = {path.stem for path in tmp_path.glob("*.html")}
    assert pages >= {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages >= {"contributing", "model-accurate", "model-default", "training"}
    contents = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="model-default.html"' in contents
    for page in tmp_path.glob("*.html"):  # nothing of it is fetched from elsewhere
        html = page.read_text(encoding="utf-8")
        assert not re.findall(r'(?:<script|<link rel="stylesheet"|<img)[^>]*"(?:https?:)?//', html)


def test_what_commands_say_is_put_into_the_blocks_after_them():
    block = "```{}\n{{}}\n```\n"
    first, again = block.format(""), "and again\n" + block.format("")
    page = f"```sh\na\n```\n{first}{again}```sh\nb\n```\n{block.format('json')}"
    ran = []
    said = make_tutorial.renewed(page, lambda words: f"{ran.append(words) or len(ran)}\n")
    assert said == page.format(1, 2, 3)
    assert ran == ["a\n", "a\n", "b\n"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix terminal")
def test_what_commands_ask_is_answered_and_their_home_is_not_told(tmp_path):
    said = make_tutorial.said("printf 'sure? [y/N] '; read x; echo $x; echo $HOME/Music", tmp_path)
    assert said == "sure? [y/N] y\ny\n/home/me/Music\n"


def test_the_readme_has_the_line_that_installs_what_commands_need():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (extras,) = re.findall(r"^For .* `pip install '\.\[(.*)\]'`\.$", readme, re.MULTILINE)
    (sentence,) = (line for line in readme.splitlines() if f"[{extras}]" in line)
    needed = set()
    for name, command in COMMANDS.items():
        if extra := re.search(r"Needs the extra '(\w+)'", command.description or ""):
            assert re.search(rf"`(genretagger )?{name}`", sentence), name
            needed.add(extra[1])
    assert set(extras.split(",")) == needed


def test_no_line_of_the_man_page_is_taken_for_a_command_of_roff():
    page = (ROOT / "docs/genretagger.1").read_text(encoding="utf-8")
    commands = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert commands == {".TH", ".SH", ".TP", ".B"}


def test_ci_runs_the_readmes_test_command_to_the_letter():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^pip install .* python -m pytest .*$", readme, re.MULTILINE)
    script = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert command in script


def _with_examples():
    """Name every module that has examples, without importing it, and who makes the tests' audio."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield name.removesuffix(".__init__")
    yield "make_audio"


@pytest.mark.parametrize("name", list(_with_examples()))
def test_the_examples_in_docstrings_are_true(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] in PACKAGES:
            raise
        pytest.skip(f"needs {error.name}")
    outcome = doctest.testmod(module)
    assert outcome.failed == 0
    assert outcome.attempted > 0


def test_the_library_page_runs(encoded, tmp_path, monkeypatch, capsys):
    (tmp_path / "Music").mkdir()
    (tmp_path / "Music/a.flac").write_bytes(encoded("FLAC", seconds=2.0).read_bytes())
    (tmp_path / "Music/b.flac").write_bytes(b"no music")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    (tmp_path / "x.mp3").write_bytes(encoded("MP3", seconds=2.0).read_bytes())
    one, many = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(one, "docs/library.md", "exec"), {"__name__": "__main__"})
    genres, jazz, reason = capsys.readouterr().out.splitlines()
    assert genres.startswith("(")
    assert 0.0 <= float(jazz) <= 1.0
    assert re.search(r"\d\.\d\d", reason)
    exec(compile(many, "docs/library.md", "exec"), {"__name__": "__main__"})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Music/a.flac (")
    assert second.startswith("Music/b.flac failed: this is text, not audio")
