"""Conditions on what is heard, such as ``Rock > 0.6 and Folk > 0.3``: read, never evaluated."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from genretagger.genres import SHIPPED, Vocabulary
from genretagger.text import nearest

_TOKEN = re.compile(
    r"\s*(?:(?P<sign>>=|<=|>|<|\(|\))|(?P<number>\d*\.?\d+)(?=[\s()<>]|$)"
    r"|(?P<quoted>\"[^\"]*\"|'[^']*')|(?P<word>[^\s()<>\"]+))"
)
_COMPARE = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_DEEPEST = 50  # brackets in brackets; far below what Python can recurse
_EXAMPLE = "write it as 'Rock > 0.6 and not (Folk > 0.3 or Pop > 0.5)'"


class Fit(NamedTuple):
    """How a track fits a condition.

    Attributes
    ----------
    holds : bool
    margin : float
        By how much the probability is on the right side; of ``and`` the least, of ``or`` the most.
    """

    holds: bool
    margin: float


Condition = Callable[[Mapping[str, float]], Fit]
"""From probabilities by genre to how they fit."""


def parse(text: str, vocabulary: Vocabulary = SHIPPED) -> Condition:
    """Read a condition.

    Parameters
    ----------
    text : str
        Comparisons of a genre with a number from 0 to 1, joined by ``and``, ``or``, ``not`` and
        brackets; ``and`` binds more closely than ``or``. Names in any spelling, also in quotes.
    vocabulary : Vocabulary, optional
        The genres that are heard.

    Returns
    -------
    callable
        Takes probabilities by genre and returns a `Fit`.

    Raises
    ------
    ValueError
        If it makes no sense; the message says where.

    Examples
    --------
    >>> parse("Rock > 0.5 and not hip-hop >= 0.2")({"Rock": 0.75, "Hip Hop": 0.1}).holds
    True
    """
    return _Parser(text, vocabulary).condition()


class _Parser:
    """A parser by recursive descent."""

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def condition(self) -> Condition:
        whole = self._either()
        if (kind_text := self._peek()) is not None:
            raise ValueError(f"{kind_text[1]!r} is not expected there; {_EXAMPLE}")
        return whole

    def _peek(self) -> tuple[str, str] | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *texts: str) -> str | None:
        """Take the next token if it is one of these words or signs."""
        token = self._peek()
        if token is None or token[0] == "quoted" or token[1].casefold() not in texts:
            return None
        self._at += 1
        return token[1].casefold()

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return _joined(parts, any, max)

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return _joined(parts, all, min)

    def _one(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} brackets or 'not' within one another")
        try:
            if self._take("not"):
                return _negated(self._one())
            if self._take("("):
                inner = self._either()
                if not self._take(")"):
                    raise ValueError(f"a bracket is not closed; {_EXAMPLE}")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        name = self._name()
        sign = self._take(*_COMPARE)
        number = self._peek()
        if sign is None or number is None or number[0] != "number":
            raise ValueError(f"{name!r} is compared with no number; {_EXAMPLE}")
        limit = float(number[1])
        if limit > 1:
            raise ValueError(f"{number[1]} is no probability; they go from 0 to 1")
        self._at += 1
        genre = self._vocabulary.canonical(name)
        if genre is None:
            hint = nearest(name, self._vocabulary.genres) or "; see 'genretagger genres'"
            raise ValueError(f"{name!r} is no genre of the model{hint}")
        return _compared(genre, sign, limit)

    def _name(self) -> str:
        words: list[str] = []
        while (token := self._peek()) is not None and token[0] in ("word", "quoted", "number"):
            kind, text = token
            if kind == "word" and text.casefold() in ("and", "or", "not") and not words:
                break
            words.append(text[1:-1] if kind == "quoted" else text)
            self._at += 1
        if not words:
            raise ValueError(f"a genre is missing; {_EXAMPLE}")
        return " ".join(words)


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"a quotation mark is not closed; {_EXAMPLE}")
        tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return tokens


def _compared(genre: str, sign: str, limit: float) -> Condition:
    compare = _COMPARE[sign]
    direction = 1 if sign.startswith(">") else -1

    def fit(probabilities: Mapping[str, float]) -> Fit:
        p = probabilities[genre]
        return Fit(compare(p, limit), direction * (p - limit))

    return fit


def _joined(
    parts: list[Condition],
    holds: Callable[[list[bool]], bool],
    margin: Callable[[list[float]], float],
) -> Condition:
    if len(parts) == 1:
        return parts[0]

    def fit(probabilities: Mapping[str, float]) -> Fit:
        fits = [part(probabilities) for part in parts]
        return Fit(holds([each.holds for each in fits]), margin([each.margin for each in fits]))

    return fit


def _negated(part: Condition) -> Condition:
    def fit(probabilities: Mapping[str, float]) -> Fit:
        inner = part(probabilities)
        return Fit(not inner.holds, -inner.margin)

    return fit
