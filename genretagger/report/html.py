"""The page for the browser: tracks, predictions and changes in one file by itself.

The report is this page on disk; the review serves the same page with a script of its own
beside. What the scripts in it offer to each other stands at the top of assets/report.js.
"""

from __future__ import annotations

import contextlib
import os
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from genretagger.errors import FatalError
from genretagger.genres import SEPARATORS, SHIPPED, Vocabulary, split_values
from genretagger.records import Remark, State, TagChange
from genretagger.report.inline import asset, render
from genretagger.report.remarks import cards
from genretagger.rows import Row
from genretagger.text import printable, reason_text
from genretagger.words import PLANNED, Words

TEXTS = {"reason": "Reason"}
"""Keys of rows whose text is shown as it is, and the titles of their columns: in the list, in
print and where no script runs; in the detail, and found by the search."""

OTHER, NONE = "other genres", "no genre"
"""Counted beside the model's genres."""

_STATES = tuple(State)
_REASON = list(TEXTS).index("reason")
_N_BINS = 10  # of the histogram of confidence


class _Line(NamedTuple):
    """A row in compact form: some hundred bytes, so that 100,000 tracks fit.

    The script gets its values under these names. Texts that recur are numbers: of a folder, of a
    state, of a list of genre values.
    """

    folder: int
    name: str
    state: int
    old: int
    now: int
    genres: int
    p: array[int] | None  # of each genre, in thousandths
    texts: tuple[str, ...]  # in the order of TEXTS


@dataclass(frozen=True)
class Extra:
    """Additions of the review to the page.

    Attributes
    ----------
    script, style : str
        Text of JavaScript and CSS, put into the page after its own.
    states : mapping of str to str
        What the tracks may come to be beside the states of a plan, and what that is called.
    connect, media : str
        From where the page may fetch data and sound, as a Content-Security-Policy lists
        sources, such as ``"'self'"``.
    """

    script: str
    style: str
    states: Mapping[str, str] = field(default_factory=dict)
    connect: str = "'none'"
    media: str = "'none'"


class Page:
    """A page in the making.

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
    vocabulary : Vocabulary
        Of the model.
    remarks : callable, optional
        Says, when the page is written, what an audit found; it is shown first.
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
        vocabulary: Vocabulary = SHIPPED,
        remarks: Callable[[], Sequence[Remark]] | None = None,
    ) -> None:
        self._head = {"title": title, "command": command, "model": model}
        self._thresholds = thresholds
        self._vocabulary = vocabulary
        self._words = words
        self._remarks = remarks
        self._ours = {name.casefold(): genre for genre, name in (names or {}).items()}
        self._folders: dict[str, int] = {}
        self._values: dict[tuple[str, ...], int] = {}
        self._lines: list[_Line] = []

    def add(self, row: Row) -> None:
        """Take one row, as `genretagger.rows.plan_row` makes it; its id is its number."""
        folder, name = os.path.split(row["path"])
        p = row["probabilities"]
        self._lines.append(
            _Line(
                folder=self._folders.setdefault(folder, len(self._folders)),
                name=printable(name),
                state=_STATES.index(State(row["state"])),
                old=self._number(row["old"]),
                now=self._number(row["new"]),
                genres=self._number(row["genres"]),
                p=p and array("H", (_thousandths(p[g]) for g in self._vocabulary.genres)),
                texts=tuple(printable(row[key]) for key in TEXTS),
            )
        )

    @contextlib.contextmanager
    def written_to(self, path: str | PathLike[str]) -> Iterator[None]:
        """Write the page when the block ends, even if the run is stopped before its end.

        Raises
        ------
        FatalError
            If the file cannot be written: told before the work is done.
        """
        path = Path(path)
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
        from importlib.metadata import version  # noqa: PLC0415 - 0.1 s

        styles = [asset("tabulator.min.css"), asset("report.css")]
        scripts = [asset("tabulator.min.js"), asset("report.js")]
        if extra is not None:
            styles.append(extra.style)
            scripts.append(extra.script)
        root, folders = below_root(self._folders)
        words = {state.value: self._word(state) for state in _STATES}
        words |= extra.states if extra else {}
        overview = self._overview()
        return render(
            "page.html",
            styles,
            scripts,
            self._data(root, folders, words, overview["failures"]),
            connect=extra.connect if extra else "'none'",
            media=extra.media if extra else "'none'",
            **self._head,
            is_review=extra is not None,
            licence=asset("tabulator.LICENSE"),
            made=datetime.now().astimezone(),
            version=version("genretagger"),
            remarks=cards(self._remarks()) if self._remarks else [],
            tiles=self._tiles(words),
            gist=self._gist(),
            overview=overview,
            texts=TEXTS,
            folders=self._by_folder(folders),
        )

    def _number(self, values: Iterable[str]) -> int:
        shown = tuple(printable(value) for value in values)
        return self._values.setdefault(shown, len(self._values))

    def _data(
        self,
        root: str,
        folders: list[str],
        words: Mapping[str, str],
        failures: Mapping[str, list[int]],
    ) -> dict[str, Any]:
        """Return the data of the script; rows are lists, and recurring texts are numbers."""
        return {
            "genres": self._vocabulary.genres,
            "thresholds": self._thresholds and [_thousandths(t) for t in self._thresholds],
            "states": list(words),
            "words": list(words.values()),
            "failures": failures,
            "other": OTHER,
            "none": NONE,
            "separators": SEPARATORS,
            "root": root,
            "folders": folders,
            "values": list(self._values),
            "counted": [self._counted(values) for values in self._values],
            "columns": [*_Line._fields[:-1], *TEXTS],
            "texts": list(TEXTS.items()),
            "rows": [[*line[:-1], *line.texts] for line in self._lines],
        }

    def _word(self, state: State) -> str:
        return self._words.get(state, PLANNED[state])

    def _counted(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """List the genres that a file's values stand for; other parts count as OTHER."""
        counted = []
        for value in values:
            whole = self._genre(value)
            parts = [whole] if whole else [self._genre(part) for part in split_values(value)]
            counted += [genre or OTHER for genre in parts]
        return tuple(dict.fromkeys(counted)) or (NONE,)

    def _genre(self, name: str) -> str | None:
        return self._ours.get(name.casefold()) or self._vocabulary.canonical(name)

    def _tiles(self, words: Mapping[str, str]) -> list[dict[str, Any]]:
        counts = Counter(_STATES[line.state].value for line in self._lines)
        usual = {state.value for state in _STATES} - {state.value for state in self._words}
        return [
            {"state": state, "word": word, "n": counts[state]}
            for state, word in words.items()
            if counts[state] or state not in usual
        ]

    def _gist(self) -> str:
        """Say in a sentence what becomes of the genres."""
        i, none = _STATES.index(State.CHANGE), self._number(())
        changed = [line for line in self._lines if line.state == i]
        n_first = sum(line.old == none for line in changed)
        parts = [(n_first, "without a genre before"), (len(changed) - n_first, "with another one")]
        said = ", ".join(f"{n:,} {what}" for n, what in parts if n)
        return f"{self._word(State.CHANGE).capitalize()}: {said}." if said else ""

    def _overview(self) -> dict[str, Any]:
        """Count tracks for the charts."""
        genres = self._vocabulary.genres
        counted = [self._counted(values) for values in self._values]
        ours = [tuple(genre for genre in genres if genre in names) for names in counted]
        before, after = Counter[str](), Counter[str]()
        together, failures = Counter[tuple[str, ...]](), defaultdict[str, list[int]](list)
        decided, undecided, unheard = [0] * _N_BINS, [0] * _N_BINS, 0
        for n, line in enumerate(self._lines):
            before.update(counted[line.old])
            after.update(counted[line.now])
            if len(ours[line.now]) > 1:
                together[ours[line.now]] += 1
            if _STATES[line.state] is State.FAILED:
                failures[_kind_of_failure(line.texts[_REASON])].append(n)
            if line.p is None:
                unheard += 1
                continue
            is_decided = line.genres != self._values.get(())
            names = counted[line.genres] if is_decided else genres
            best = max(line.p[genres.index(genre)] for genre in names if genre in genres)
            bins = decided if is_decided else undecided
            bins[min(best * _N_BINS // 1000, _N_BINS - 1)] += 1
        shown = [genre for genre in (*genres, OTHER, NONE) if before[genre] or after[genre]]
        most = max((*before.values(), *after.values()), default=1)
        return {
            "genres": [
                {"name": genre, "before": before[genre], "after": after[genre]} for genre in shown
            ],
            "most": most,
            "together": together.most_common(),
            "confidence": list(zip(decided, undecided, strict=True)),
            "unheard": unheard,
            "failures": dict(sorted(failures.items(), key=lambda kind: -len(kind[1]))),
        }

    def _by_folder(self, folders: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the folders of the plain table, which is shown where no script runs."""
        values = ["; ".join(value) for value in self._values]
        tracks: dict[int, list[_Line]] = {}
        for line in self._lines:
            tracks.setdefault(line.folder, []).append(line)
        for folder, lines in tracks.items():
            counts = Counter(values[line.now] or NONE for line in lines)
            yield {
                "name": folders[folder],
                "genres": ", ".join(f"{value} {n}" for value, n in counts.most_common()),
                "rows": [
                    {
                        "state": self._word(_STATES[line.state]),
                        "name": line.name,
                        "old": values[line.old],
                        "new": values[line.now] if line.old != line.now else "",
                        "heard": _strongest(line.p, self._vocabulary),
                        "texts": line.texts,
                    }
                    for line in lines
                ],
            }


def patch(number: int, change: TagChange) -> dict[str, Any]:
    """Return the changed values of a row, for `refreshRow` of the script.

    Parameters
    ----------
    number : int
        Of the row.
    change : TagChange
    """
    return {
        "id": number,
        "state": change.state.value,
        "now": [printable(value) for value in change.new],
        "reason": printable(reason_text(change.reason)),
    }


def below_root(folders: Iterable[str]) -> tuple[str, list[str]]:
    """Return what folders have in common, and the rest of each: together, its name as it is.

    The last folder that all have in common is part of the rest, so that none is without a name.
    """
    folders = list(folders)
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # some absolute and some not, or none at all
        common = ""
    above = os.path.dirname(common)  # noqa: PTH120 - texts, as they are
    root = os.path.join(above, "") if above != os.path.dirname(above) else ""  # noqa: PTH118, PTH120
    if not all(folder.startswith(root) for folder in folders):
        root = ""
    return printable(root), [printable(folder[len(root) :]) or "." for folder in folders]


def _thousandths(probability: float) -> int:
    """Round to thousandths that, rounded again, give the hundredths that a reason names."""
    hundredths = 10 * round(100 * probability)
    return min(max(round(1000 * probability), hundredths - 4), hundredths + 4)


def _kind_of_failure(reason: str) -> str:
    """Remove from a reason the parts that differ from file to file."""
    what = reason.partition(";")[0]
    return re.sub(r"\d+(\.\d+)?", "…", what)


def _strongest(heard: array[int] | None, vocabulary: Vocabulary) -> str:
    if heard is None:
        return ""
    ranked = sorted(zip(heard, vocabulary.genres, strict=True), reverse=True)
    return ", ".join(f"{genre} {p / 1000:.2f}" for p, genre in ranked[:3])
