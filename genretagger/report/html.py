"""The page for the browser: what was heard and what becomes of it, in one file by itself.

The report is this page on disk; the review serves the same page with a script of its own
beside. What the scripts in it offer to each other stands at the top of assets/report.js.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from genretagger.errors import FatalError
from genretagger.genres import FUSIONS, GENRES, canonical
from genretagger.records import State
from genretagger.report.text import printable
from genretagger.report.words import PLANNED, Words
from genretagger.rows import Row

OTHER, NONE = "other genres", "no genre"
"""What stands beside the 14 genres where genres are counted."""

_ASSETS = Path(__file__).with_name("assets")
_STATES = tuple(State)
_N_BINS = 10  # of the histogram of confidence


@dataclass(frozen=True)
class Extra:
    """What the review adds to the page.

    Attributes
    ----------
    script, style : str
        Text of JavaScript and CSS, put into the page after its own.
    connect, media : str
        From where the page may fetch data and sound, as a Content-Security-Policy lists
        sources, such as ``"'self'"``.
    """

    script: str
    style: str
    connect: str = "'none'"
    media: str = "'none'"


class Page:
    """The page, as rows come in.

    What is kept of a row takes some hundred bytes, so that 100,000 tracks fit.

    Parameters
    ----------
    title : str
        The heading.
    command : str
        What made it, shown below the heading.
    model : str
        The id of the model bundle, or empty.
    thresholds : tuple of float, length n_genres, optional
        At which each genre passes; not drawn if they are not known.
    words : mapping of State to str
        What the states are called.
    names : mapping of str to str
        Under which other name a genre is written; it counts as that genre.
    """

    def __init__(
        self,
        *,
        title: str,
        command: str = "",
        model: str = "",
        thresholds: tuple[float, ...] | None = None,
        words: Words = PLANNED,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self._head = {"title": title, "command": command, "model": model}
        self._thresholds = thresholds
        self._words = words
        self._ours = {name.casefold(): genre for genre, name in (names or {}).items()}
        self._folders: dict[str, int] = {}
        self._values: dict[tuple[str, ...], int] = {}
        self._rows: list[tuple[Any, ...]] = []

    def add(self, row: Row) -> None:
        """Take one row, as `genretagger.report.plan_row` makes it; its id is its number."""
        folder, name = os.path.split(row["path"])
        heard = row["probabilities"]
        self._rows.append(
            (
                self._folders.setdefault(folder, len(self._folders)),
                printable(name),
                _STATES.index(State(row["state"])),
                *(self._number(row[key]) for key in ("old", "new", "genres")),
                heard and array("H", (round(1000 * heard[genre]) for genre in GENRES)),
                printable(row["reason"]),
            )
        )

    @contextlib.contextmanager
    def written_to(self, path: Path) -> Iterator[None]:
        """Write the page at the end, also of a run that is stopped, of what was done until then.

        Raises
        ------
        FatalError
            If the file cannot be written: told before the work is done.
        """
        try:
            path.open("a").close()
        except OSError as error:
            raise FatalError(f"--report {path}: {error.strerror}") from error
        try:
            yield
        finally:
            self.write(path)

    def write(self, path: Path) -> None:
        """Write the report.

        Raises
        ------
        FatalError
            If the file cannot be written.
        """
        try:
            path.write_text(self.render(), encoding="utf-8", newline="\n")
        except OSError as error:
            raise FatalError(f"report {path}: {error.strerror}") from error

    def render(self, *, extra: Extra | None = None) -> str:
        """Return the page as HTML.

        Parameters
        ----------
        extra : Extra, optional
            What makes it a review.

        Returns
        -------
        str
            It asks nothing of the network, and its Content-Security-Policy forbids it to,
            except what `extra` allows.
        """
        from importlib.metadata import version  # noqa: PLC0415 - 0.1 s, as is the next

        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415
        from markupsafe import Markup  # noqa: PLC0415

        styles = [asset("tabulator.min.css"), asset("report.css")]
        scripts = [asset("tabulator.min.js"), asset("report.js")]
        if extra is not None:
            styles.append(extra.style)
            scripts.append(extra.script)
        environment = Environment(
            loader=FileSystemLoader(_ASSETS),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        root, folders = _below_root(self._folders)
        return environment.get_template("page.html").render(
            self._head,
            is_review=extra is not None,
            policy=_policy(styles, scripts, extra),
            styles=[Markup(text) for text in styles],
            scripts=[Markup(text) for text in scripts],
            licence=Markup(asset("tabulator.LICENSE")),
            data=Markup(_json(self._data(root, folders))),
            made=datetime.now().astimezone(),
            version=version("genretagger"),
            tiles=self._tiles(),
            overview=self._overview(),
            genres=GENRES,
            words=[self._words.get(state, PLANNED[state]) for state in _STATES],
            states=[state.value for state in _STATES],
            folders=self._by_folder(folders),
        )

    def _number(self, values: Iterable[str]) -> int:
        shown = tuple(printable(value) for value in values)
        return self._values.setdefault(shown, len(self._values))

    def _data(self, root: str, folders: list[str]) -> dict[str, Any]:
        """Give what the script draws from; rows are lists, and texts that recur are numbers."""
        return {
            "genres": GENRES,
            "thresholds": self._thresholds and [round(1000 * t) for t in self._thresholds],
            "states": [state.value for state in _STATES],
            "words": [self._words.get(state, PLANNED[state]) for state in _STATES],
            "other": OTHER,
            "none": NONE,
            "root": root,
            "folders": folders,
            "values": list(self._values),
            "counted": [self._counted(values) for values in self._values],
            "rows": [[*row[:6], row[6] and list(row[6]), row[7]] for row in self._rows],
        }

    def _counted(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Tell which of our genres a file's values are; a part that is none of them is other."""
        found = []
        for value in values:
            whole = self._genre(value)
            parts = [whole] if whole else [self._genre(part) for part in _SPLIT.split(value)]
            found += [genre or OTHER for genre in parts]
        return tuple(dict.fromkeys(found)) or (NONE,)

    def _genre(self, name: str) -> str | None:
        return self._ours.get(name.casefold()) or canonical(name)

    def _tiles(self) -> list[dict[str, Any]]:
        counts = Counter(row[2] for row in self._rows)
        return [
            {"state": s.value, "word": self._words.get(s, PLANNED[s]), "n": counts[i]}
            for i, s in enumerate(_STATES)
            if counts[i] or s in self._words
        ]

    def _overview(self) -> dict[str, Any]:
        """Count what the charts show."""
        counted = [self._counted(values) for values in self._values]
        before, after = Counter[str](), Counter[str]()
        pairs, failures = Counter[frozenset[str]](), Counter[str]()
        decided, undecided, unheard = [0] * _N_BINS, [0] * _N_BINS, 0
        for _, _, state, old, new, genres, heard, reason in self._rows:
            before.update(counted[old])
            after.update(counted[new])
            ours = [genre for genre in counted[new] if genre in GENRES]
            pairs.update(
                frozenset((a, b)) for i, a in enumerate(ours) for b in ours[i + (len(ours) > 1) :]
            )
            if _STATES[state] is State.FAILED:
                failures[_kind_of_failure(reason)] += 1
            if heard is None:
                unheard += 1
                continue
            names = counted[genres] if self._is_decided(genres) else GENRES
            best = max(heard[GENRES.index(genre)] for genre in names if genre in GENRES)
            bins = decided if self._is_decided(genres) else undecided
            bins[min(best * _N_BINS // 1000, _N_BINS - 1)] += 1
        shown = [genre for genre in (*GENRES, OTHER, NONE) if before[genre] or after[genre]]
        most = max((*before.values(), *after.values()), default=1)
        return {
            "genres": [
                {"name": genre, "before": before[genre], "after": after[genre]} for genre in shown
            ],
            "most": most,
            "matrix": _matrix(pairs),
            "confidence": list(zip(decided, undecided, strict=True)),
            "unheard": unheard,
            "failures": failures.most_common(),
        }

    def _is_decided(self, genres: int) -> bool:
        return genres != self._values.get(())

    def _by_folder(self, folders: list[str]) -> Iterator[dict[str, Any]]:
        """Give the plain table, which is read where no script runs, folder by folder."""
        values = ["; ".join(value) for value in self._values]
        tracks: dict[int, list[tuple[Any, ...]]] = {}
        for row in self._rows:
            tracks.setdefault(row[0], []).append(row)
        for folder, rows in tracks.items():
            counts = Counter(values[row[4]] or NONE for row in rows)
            yield {
                "name": folders[folder],
                "genres": ", ".join(f"{value} {n}" for value, n in counts.most_common()),
                "rows": [
                    {
                        "state": self._words.get(_STATES[state], PLANNED[_STATES[state]]),
                        "name": name,
                        "old": values[old],
                        "new": values[new] if old != new else "",
                        "heard": _strongest(heard),
                        "reason": reason,
                    }
                    for _, name, state, old, new, _, heard, reason in rows
                ],
            }


_SPLIT = re.compile(r"\s*[;/,|\\]\s*")


def asset(name: str) -> str:
    """Read a text that goes into the page.

    Parameters
    ----------
    name : str
        Of a file in assets/, such as ``"uplot.min.js"``.
    """
    return (_ASSETS / name).read_text(encoding="utf-8")


def _json(data: object) -> str:
    """Write JSON that may stand in a script element, whatever texts it holds."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # inside strings only, where the escape means the same; "</script>" would end the element
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _policy(styles: list[str], scripts: list[str], extra: Extra | None) -> str:
    """Allow what stands in the page, by its hash, and nothing else."""
    connect, media = (extra.connect, extra.media) if extra else ("'none'", "'none'")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {' '.join(map(_hash, styles))}",
            f"connect-src {connect}",
            f"media-src {media}",
            "img-src data:",  # the empty icon; without it, browsers ask a server for one
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _below_root(folders: Iterable[str]) -> tuple[str, list[str]]:
    """Find the folder that all are in, and name each from there."""
    folders = list(folders)
    try:
        root = os.path.dirname(os.path.commonpath(folders))  # noqa: PTH120 - texts, as they stand
    except ValueError:  # some absolute and some not, or none at all
        root = ""
    names = [os.path.relpath(folder, root) if root else folder or "." for folder in folders]
    return printable(root), [printable(name) for name in names]


def _matrix(pairs: Counter[frozenset[str]]) -> list[dict[str, Any]]:
    """Count tracks by genre, alone and with each other one; every cell once, below the diagonal."""
    most = max((n for pair, n in pairs.items() if len(pair) > 1), default=0)
    rows = []
    for i, genre in enumerate(GENRES):
        cells = []
        for other in GENRES[: i + 1]:
            pair = frozenset((genre, other))
            n = pairs[pair]
            # the genres alone are many more, and would wash out all pairs
            level = 0 if not n or len(pair) == 1 else 1 + (4 * n - 1) // most
            cells.append({"n": n, "level": level, "fusion": pair in FUSIONS, "other": other})
        rows.append({"name": genre, "cells": cells})
    return rows


def _kind_of_failure(reason: str) -> str:
    """Take out of a reason what differs from file to file."""
    what = reason.partition(";")[0]
    return re.sub(r"\d+(\.\d+)?", "…", what)


def _strongest(heard: array[int] | None) -> str:
    if heard is None:
        return ""
    ranked = sorted(zip(heard, GENRES, strict=True), reverse=True)
    return ", ".join(f"{genre} {p / 1000:.2f}" for p, genre in ranked[:3])
