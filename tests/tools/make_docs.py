"""Write the parts of the documentation that come from the code.

``python tests/tools/make_docs.py``; tests/test_docs.py fails while they are out of date.
"""

import argparse
import ast
import os
import re
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import shtab
from argparse_manpage.manpage import Manpage
from test_architecture import GROUND, ROOMS, USED_BY_TRAINING, folder

from genretagger.cli.options import COMMANDS, commands_of, parser
from genretagger.containers import BLOCKS, CONTAINERS, HEARD_ONLY

DOCS = Path(__file__).resolve().parents[2] / "docs"


def options() -> str:
    """Describe every command and option."""
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    lines = []
    for name, command in commands.choices.items():
        summary = next(c.help for c in commands._choices_actions if c.dest == name)
        lines += ["", f"## genretagger {name}", "", f"{summary[0].upper()}{summary[1:]}.", ""]
        lines += ["| option | meaning |", "|---|---|"]
        for action in command._actions:
            names = ", ".join(f"`{string}`" for string in action.option_strings)
            value = action.metavar or ""
            if action.choices is not None:
                value = " or ".join(f"`{choice}`" for choice in action.choices)
            elif value:
                value = f"`{value}`"
            help_ = (action.help or "") % {"default": f"`{action.default}`"}
            lines.append(f"| {names} {value} | {help_} |".replace("|  ", "| "))
    return "\n".join(lines)


def formats() -> str:
    """Describe every container and how it holds a genre."""
    lines = [
        "| container | files | decoded by | genre in | several values (`--genre-style multi`) "
        "| `--field NAME` | also read and kept in step |",
        "|---|---|---|---|---|---|---|",
    ]
    for c in CONTAINERS:
        block = BLOCKS[c.native]
        several = block.several or "joined, no native way"
        suffixes = " ".join(f"`{suffix}`" for suffix in c.suffixes)
        beside = ", ".join(c.beside) or "-"
        lines.append(
            f"| {c.name} | {suffixes} | {c.decoder} | {c.native} `{block.key}` "
            f"| {several} | `{block.custom}` | {beside} |"
        )
    others = " ".join(f"`{suffix}`" for suffix in sorted(HEARD_ONLY))
    lines += ["", f"Heard by `predict` and `show`, by ffmpeg, but not tagged: {others}."]
    return "\n".join(lines)


def rooms() -> str:
    """List the rooms of each package: what each is for, and which others it imports."""
    lines = []
    for package, arrows in ROOMS.items():
        lines += ["", f"### {package}", "", "| room | what for | imports |", "|---|---|---|"]
        lines += [_room(package, name, imports) for name, imports in arrows.items()]
        lines += [_room(package, name, "(ground)") for name in GROUND[package].split()]
    return "\n".join(lines)


def _room(package: str, name: str, imports: str) -> str:
    """Describe a room by the first paragraph of its docstring."""
    place = folder(package) / name
    path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    purpose = text.partition("\n\n")[0].replace("\n", " ").replace("``", "`").removesuffix(".")
    if package == "training" and name in USED_BY_TRAINING:
        imports = f"{imports}; of the product: {USED_BY_TRAINING[name]}".removeprefix("; ")
    return f"| `{name}` | {purpose} | {imports} |"


SPEED = {
    "decoding alone: soundfile, the same seeks": "decoding the three excerpts alone",
    "decoding + resampling + features + model": (
        "genretagger: decoding, resampling, features, model"
    ),
    "decoding the whole track": "decoding the whole track",
    "librosa: the whole track loaded, its log-mel": "librosa: load the whole track, log-mel",
    "MusiCNN, network loaded before, our 30 s": (
        "MusiCNN on the same 30 s, its network loaded before"
    ),
    "MusiCNN, as packaged, whole track": "MusiCNN as packaged, whole track",
}
"""Rows of docs/performance.md that README shows, and what they are called there."""


def speed() -> str:
    """Show the rows of `SPEED`, as far as they were measured, without their ranges."""
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    rows = (line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| "))
    measured = {name: cells for name, *cells in rows if name in SPEED}
    lines = ["", "| a track | MP3 | x decoding alone |", "|---|--:|--:|"]
    for name, shown in SPEED.items():
        if name in measured:
            ms, ratio = (float(cell.split()[0]) for cell in measured[name][:2])
            time = f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
            times = f"{ratio:.2g}" if ratio < 100 else f"{ratio:.0f}"
            lines.append(f"| {shown} | {time} | {times} |")
    return "\n".join([*lines, ""])


SHELLS = ("bash", "zsh", "fish")


def completion(shell: str) -> str:
    """Make the script that completes commands, options and file names in a shell."""
    front = parser()
    for name, command in commands_of(front).items():
        command.description = COMMANDS[name].help  # a shell has one line for it
        for action in command._actions:
            if str(action.metavar).startswith(("PATH", "FILE", "PLAN", "TRACK", "MODEL")):
                action.complete = shtab.FILE
    return shtab.complete(front, shell)


def manual() -> str:
    """Make the man page."""
    front = parser()
    front.man_short_description = front.description[0].lower() + front.description[1:-1]
    os.environ["COLUMNS"] = "80"
    page = Manpage(front, format="pretty")
    page.date, page.source, page.manual = "", "genretagger", "User Commands"
    return re.sub(
        "^'", r"\\&'", str(page), flags=re.MULTILINE
    )  # roff takes such a line for its own


WHOLE = {
    DOCS / "genretagger.1": manual,
    **{
        DOCS.parent / f"genretagger/cli/completions/genretagger.{shell}": partial(completion, shell)
        for shell in SHELLS
    },
}
"""Files that are made as a whole."""

PARTS = {
    "../README.md": ("speed", speed),
    "options.md": ("options", options),
    "formats.md": ("formats", formats),
    "development.md": ("rooms", rooms),
}


def renewed(name: str) -> str:
    """Return a page with its part made from the code."""
    mark, make = PARTS[name]
    begin, end = f"<!-- {mark}:begin, made by tests/tools/make_docs.py -->", f"<!-- {mark}:end -->"
    before, _, rest = (DOCS / name).read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{make()}\n{end}{after}"


if __name__ == "__main__":
    for page in PARTS:
        (DOCS / page).write_text(renewed(page), encoding="utf-8")
    for path, make in WHOLE.items():
        path.write_text(make(), encoding="utf-8")
