"""Artist groups: credits that share a name are one group, and a split never cuts a group."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence

_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_CUTS = re.compile(r"\b(?:feat|ft|featuring|vs|with|and|x)\b\.?|[&,;/+]", re.IGNORECASE)
_UNKNOWN = {"", "unknown", "unknown artist", "various", "various artists", "va"}


def names(credit: str) -> list[str]:
    """Cut a credit into the names that make one artist of two credits.

    Cut at ``feat``, ``ft``, ``&``, ``,``, ``;``, ``/``, ``+``, ``x``, ``vs``, ``with`` and
    ``and``; brackets and a leading "the" go, and so do case, accents and punctuation.

    Parameters
    ----------
    credit : str
        As a tag or a table has it.

    Returns
    -------
    list of str
        Empty if it names nobody, such as "Various Artists".

    Examples
    --------
    >>> names("The Roots feat. Erykah Badu & Eve (live)")
    ['roots', 'erykah badu', 'eve']
    >>> names("Various Artists")
    []
    """
    if credit.strip().casefold() in _UNKNOWN:
        return []
    cut = []
    for part in _CUTS.split(_BRACKETS.sub(" ", credit)):
        plain = unicodedata.normalize("NFKD", part.casefold())
        plain = "".join(c for c in plain if not unicodedata.combining(c))
        # a name of signs alone, such as "!!!", is a name
        plain = " ".join(re.sub(r"[^\w]+", " ", plain).split()) or plain.strip()
        plain = re.sub(r"^the (?=.)", "", plain)
        if plain not in _UNKNOWN:
            cut.append(plain)
    return cut


def join(keys: Sequence[Sequence[Hashable]]) -> list[int]:
    """Join the items that share a key, directly or over others.

    Parameters
    ----------
    keys : sequence of sequence
        The keys of each item; an item without any stays alone.

    Returns
    -------
    list of int
        For each item the lowest index in its group.

    Examples
    --------
    >>> join([["a"], ["b"], ["a", "c"], [], ["c"]])
    [0, 1, 0, 3, 0]
    """
    parent = list(range(len(keys)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    seen: dict[Hashable, int] = {}
    for i, of_item in enumerate(keys):
        for key in of_item:
            a, b = root(i), root(seen.setdefault(key, i))
            parent[max(a, b)] = min(a, b)
    return [root(i) for i in range(len(keys))]


def groups(labels: Sequence[str], keys: Sequence[Sequence[Hashable]]) -> list[str]:
    """Name the group of each item after the commonest label in it.

    Parameters
    ----------
    labels : sequence of str
        What each item's group would be called if it stood alone.
    keys : sequence of sequence
        As for `join`.

    Returns
    -------
    list of str
    """
    roots = join(keys)
    counts: dict[int, Counter[str]] = {}
    for label, root in zip(labels, roots, strict=True):
        counts.setdefault(root, Counter())[label] += 1
    called = {
        root: min(labels_of, key=lambda label: (-labels_of[label], label))
        for root, labels_of in counts.items()
    }
    return [called[root] for root in roots]
