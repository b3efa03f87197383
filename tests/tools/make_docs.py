"""Write the parts of the documentation that come from the code.

``python tests/tools/make_docs.py``; tests/test_docs.py fails while they are out of date.
"""

import argparse
from pathlib import Path

from genretagger.cli.options import parser
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


PARTS = {"options.md": ("options", options), "formats.md": ("formats", formats)}


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
