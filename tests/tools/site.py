"""Hooks of mkdocs: pages that lie elsewhere in the repository are part of the site, too.

Links between pages are written as the repository needs them, which also shows them on its own
pages; here they become the site's.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]

ELSEWHERE = {
    "training.md": "training/README.md",
    "model-default.md": "genretagger/bundles/default/MODEL_CARD.md",
    "model-accurate.md": "genretagger/bundles/accurate/MODEL_CARD.md",
    "contributing.md": "CONTRIBUTING.md",
}
"""Pages of the site by their names there, and where they lie in the repository."""

_NAMES = {path: name for name, path in ELSEWHERE.items()}
_LINK = re.compile(r"(\]\()([^)#\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie elsewhere."""
    for name, path in ELSEWHERE.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Make links between places in the repository links between pages of the site."""
    name = page.file.src_uri
    folder = posixpath.dirname(ELSEWHERE.get(name, f"docs/{name}"))

    def linked(match: re.Match[str]) -> str:
        before, target = match.groups()
        if "://" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        return before + _NAMES.get(path, path.removeprefix("docs/"))

    return _LINK.sub(linked, markdown)
