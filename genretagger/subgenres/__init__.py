"""What the names of genres that people and shops use mean among the 14, or that none of them fits.

The list is names.txt, beside this module.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from genretagger.genres import SHIPPED, Vocabulary, read_mapping

_ABBREVIATED = {
    "rnb": "randb",
    "rhythmandblues": "randb",
    "dnb": "drumandbass",
    "dandb": "drumandbass",
    "altrock": "alternativerock",
    "psychrock": "psychedelicrock",
    "progrock": "progressiverock",
}
"""Short forms that are the same name to whoever reads them."""


def folded(name: str) -> str:
    """Reduce a name to what all its spellings share.

    Case, accents, blanks and punctuation go; "&", "+" and "n" are "and".

    Examples
    --------
    >>> folded("Hip-Hop"), folded("Drum 'n' Bass"), folded("RnB"), folded("Musique concrète")
    ('hiphop', 'drumandbass', 'randb', 'musiqueconcrete')
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = re.sub(r"[&+]|\bn\b", " and ", plain)
    bare = re.sub(r"[\W_]+", "", plain)
    # a name of signs alone is a name
    return _ABBREVIATED.get(bare, bare) or plain.strip()


class Names:
    """What names mean: lines of one's own, then the genres and their aliases, then the list.

    Parameters
    ----------
    text : str, optional
        Lines of one's own such as ``disco = Dance; RNB``; ``blues =`` means that none of the 14
        fits, which is a meaning, too. A mapping for ``--map`` (``Hip Hop = Rap``) is read
        backwards, so that tags written by it are understood. Empty lines and ``#`` comments are
        passed over.
    vocabulary : Vocabulary
        Of the model. What the list says counts as far as it has these genres.

    Raises
    ------
    ValueError
        If a line has neither form; the message names it.

    Examples
    --------
    >>> names = Names("Cosmic = Ambient")
    >>> names("cosmic"), names("Drum & Bass"), names("Reggae"), names("Gravelwave")
    (('Ambient',), ('Dance', 'Electronic'), (), None)
    """

    def __init__(self, text: str = "", vocabulary: Vocabulary = SHIPPED) -> None:
        own = _read(text, vocabulary)
        self._vocabulary = vocabulary
        self._genres = {folded(genre): genre for genre in vocabulary.genres}
        self._unmatched = {folded(name): name for name in own}
        self._meanings = {folded(name): genres for name, genres in own.items()}

    def __call__(self, name: str) -> tuple[str, ...] | None:
        """Say what a name means.

        Returns
        -------
        tuple of str or None
            Genres in the order of the vocabulary; empty where none of them fits, None where the
            name is not known.
        """
        key = folded(name)
        self._unmatched.pop(key, None)
        if key in self._meanings:
            return self._meanings[key]
        genre = self._vocabulary.canonical(name) or self._genres.get(key)
        return (genre,) if genre else self._listed(key)

    def _listed(self, key: str) -> tuple[str, ...] | None:
        known = _shipped()
        genres = known.get(key, known.get(key.removesuffix("music")))
        if not genres:
            return genres
        ours = tuple(genre for genre in genres if genre in self._vocabulary.genres)
        return self._vocabulary.in_order(ours) or None

    def unmatched(self) -> list[str]:
        """List the names in one's own lines that nobody has asked for: misspelled, or not there."""
        return list(self._unmatched.values())


@lru_cache(maxsize=1)
def _shipped() -> Mapping[str, tuple[str, ...]]:
    text = Path(__file__).with_name("names.txt").read_text(encoding="utf-8")
    return {folded(name): genres for name, genres in _read(text, SHIPPED).items()}


def _read(text: str, vocabulary: Vocabulary) -> dict[str, tuple[str, ...]]:
    """Read lines such as ``disco = Dance; RNB``; see `Names`."""
    known: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        name, equals, right = (part.strip() for part in content.partition("="))
        genres = _genres(right, vocabulary)
        if equals and name and genres is not None:
            known[name] = genres
            continue
        try:
            known |= {other: (genre,) for genre, other in read_mapping(content, vocabulary).items()}
        except ValueError as error:
            raise ValueError(
                f"line {number}: write it as 'disco = Dance; RNB', or 'blues =' for none"
            ) from error
    return known


def _genres(text: str, vocabulary: Vocabulary) -> tuple[str, ...] | None:
    """Read genres with semicolons between them; None if one is not ours."""
    genres = [vocabulary.canonical(name) for name in map(str.strip, text.split(";")) if name]
    return None if None in genres else vocabulary.in_order({genre for genre in genres if genre})
