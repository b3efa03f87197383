"""Folds by artist: no artist is in both training and measuring.

Deterministic without a random number: groups are ordered by size and then by the
SHA-256 of their name, and each goes to the fold that it balances best.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training.arrays import Integers, Numbers
from training.config import SplitConfig
from training.data.clips import Clip
from training.markdown import table

TRAIN, VALIDATION, TEST = "train", "validation", "test"

_OTHERS = ""
"""The stratum of the sources that are not large."""


def stratum(clip: Clip, large_sets: Sequence[str]) -> str:
    """Tell which stratum a clip belongs to: its source, if that is large, or the rest."""
    return clip.source if clip.source in large_sets else _OTHERS


def _traits(clip: Clip, large_sets: Sequence[str]) -> Numbers:
    genres = [genre in clip.genres for genre in GENRES]
    strata = [stratum(clip, large_sets) == name for name in (*large_sets, _OTHERS)]
    return np.array([*genres, not clip.genres, *strata, True], dtype=float)


def assign(
    clips: Sequence[Clip], n_folds: int, seed: int = 0, large_sets: Sequence[str] = ()
) -> dict[str, int]:
    """Assign each artist group to a fold, stratified by genre and source.

    Greedy iterative stratification over groups (after Sechidis, Tsoumakas and Vlahavas,
    "On the stratification of multi-label data", ECML PKDD 2011): the largest groups
    first, ties in the order of the SHA-256 of the group's name; each goes to the fold
    where it adds least to the squared relative deviation from an even share, summed
    over genres, "no genre", strata of sources and the number of clips.

    Parameters
    ----------
    clips : sequence of Clip
        In any order.
    n_folds : int
    seed : int
        Others than 0 break ties otherwise.
    large_sets : sequence of str
        Sources that are balanced on their own; all others count as one.

    Returns
    -------
    dict of str to int
        From artist group to fold, 0 to ``n_folds - 1``.

    Examples
    --------
    >>> from training.data.clips import Clip
    >>> clips = [Clip(f"t{i}", f"a{i // 2}", "mine", "", ("Pop",), 3, 30.0) for i in range(8)]
    >>> folds = assign(clips, 2)
    >>> sorted(folds), sorted(folds.values())
    (['a0', 'a1', 'a2', 'a3'], [0, 0, 1, 1])
    """
    groups: dict[str, Numbers] = {}
    for clip in clips:
        traits = _traits(clip, large_sets)
        groups[clip.artist_id] = groups.get(clip.artist_id, np.zeros_like(traits)) + traits
    n_traits = len(GENRES) + 1 + len(large_sets) + 2
    share = sum(groups.values(), np.zeros(n_traits)) / n_folds
    scale = 1.0 / np.maximum(share, 1.0)
    filled = np.zeros((n_folds, n_traits))

    def order(name: str) -> tuple[float, str]:
        salted = f"{seed} {name}" if seed else name
        return -groups[name][-1], hashlib.sha256(salted.encode()).hexdigest()

    folds = {}
    for name in sorted(groups, key=order):
        traits = groups[name]
        before = (((filled - share) * scale) ** 2).sum(axis=1)
        after = (((filled + traits - share) * scale) ** 2).sum(axis=1)
        # rounded, so that the last bits of a sum cannot decide between equal folds
        fold = int(np.argmin(np.round(after - before, 9)))
        filled[fold] += traits
        folds[name] = fold
    return folds


def check(clips: Sequence[Clip]) -> None:
    """Refuse a split by which nothing can be learned, or of which figures would mean nothing.

    Parameters
    ----------
    clips : sequence of Clip
        With splits, and only those whose labels are learned.

    Raises
    ------
    FatalError
        If there is one artist group only, no clip with a genre, or a genre that stands on one
        side: only in training or only in the test, or, where each fold is measured in turn,
        in one fold. The message has the table of counts.
    """
    names = {clip.split for clip in clips}
    sides = {
        genre: {clip.split for clip in clips if genre in clip.genres}
        for genre in GENRES
        if any(genre in clip.genres for clip in clips)
    }
    held_out = not names.isdisjoint({TRAIN, VALIDATION, TEST})
    parted = [
        genre
        for genre, found in sides.items()
        if (held_out and not {TRAIN, TEST} <= found) or len(found) < 2
    ]
    wrong = []
    if len({clip.artist_id for clip in clips}) < 2:
        wrong.append("all clips are one artist group")
    if not sides:
        wrong.append("no clip has one of the genres")
    if parted:
        where = "training or the test lacks" if held_out else "all folds but one lack"
        wrong.append(f"{where} {', '.join(parted)}")
    if wrong:
        raise FatalError(
            f"the split is of no use: {'; '.join(wrong)}. Add artists of these genres, or leave "
            f"the genres out, and run the stage `manifest` again\n\n{counts(clips)}"
        )


def counts(clips: Sequence[Clip]) -> str:
    """Lay out a table in Markdown: clips of each genre in each split, and artist groups."""
    names = sorted({clip.split for clip in clips})
    rows = []
    for genre in (*GENRES, None):
        having = [clip for clip in clips if (genre in clip.genres if genre else not clip.genres)]
        by_split = Counter(clip.split for clip in having)
        groups = len({clip.artist_id for clip in having})
        cells = [genre or "none of these", str(groups), *(str(by_split[name]) for name in names)]
        rows.append(cells)
    return table(["", "artist groups", *names], rows)


def sha256(folds: Mapping[str, int]) -> str:
    """Hash an assignment, in hex: equal hashes mean equal folds."""
    return hashlib.sha256(json.dumps(sorted(folds.items())).encode()).hexdigest()


def fold_of(clips: Sequence[Clip], folds: Mapping[str, int]) -> Integers:
    """Look up the fold of each clip.

    Returns
    -------
    numpy.ndarray, shape (n_clips,), int64
    """
    return np.array([folds[clip.artist_id] for clip in clips], dtype=np.int64)


def named(clips: Sequence[Clip], config: SplitConfig) -> list[str]:
    """Name the split of each clip.

    Parameters
    ----------
    clips : sequence of Clip
    config : SplitConfig
        With folds for validation, the last folds but those for the test; without, each
        fold is measured in turn.

    Returns
    -------
    list of str
        ``0`` to ``n_folds - 1``; or ``train``, ``validation`` and ``test``.
    """
    folds = assign(clips, config.n_folds, config.seed, config.large_sets)
    first_test = config.n_folds - config.n_test
    first_validation = first_test - config.n_validation
    names = []
    for fold in fold_of(clips, folds):
        if not config.is_holdout:
            names.append(str(fold))
        elif fold >= first_test:
            names.append(TEST)
        else:
            names.append(VALIDATION if fold >= first_validation else TRAIN)
    return names
