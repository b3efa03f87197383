"""What moved the network: parts of a segment are hidden from it, and it is asked again.

This is occlusion (Zeiler and Fergus, ECCV 2014, section 4.2): it needs no gradients, so the
network that ships is asked as it is. It says what the answer hangs on, not what is right, and
not what would happen if two parts were hidden at once.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genretagger.arrays import Bools, Floats

N_BANDS = 8
"""Rows of patches: 12 of 96 mel bands each, about half an octave in the middle of the range."""

N_SPANS = 20
"""Columns of patches: 0.5 s of a 10-s segment each, about a beat."""

N_PARTS = 1 + N_BANDS * N_SPANS + N_BANDS + N_SPANS
"""How often the network is asked: as it is, without each patch, each band and each span."""


def n_shown(bands_hz: Floats) -> int:
    """Count the bands of the first filterbank, which is the one that pictures show.

    Examples
    --------
    >>> n_shown(np.array([100.0, 900.0, 4000.0])), n_shown(np.array([100.0, 4000.0, 200.0, 3900.0]))
    (3, 2)
    """
    falls = np.flatnonzero(np.diff(bands_hz) < 0)
    return int(falls[0]) + 1 if len(falls) else len(bands_hz)


def occlude(
    log_mel: Floats, log_odds: Callable[[Floats], Floats], bands_hz: Floats
) -> tuple[Floats, Floats, Floats]:
    """Hide patches of a segment, one after the other, and see what becomes of a genre.

    A hidden patch holds, in each band, that band's mean over the segment: the sound goes on as
    it does on average, but nothing happens. Silence in its place would be an event of its own.

    Parameters
    ----------
    log_mel : numpy.ndarray, shape (n_mels, n_frames), float32
        In dB.
    log_odds : callable
        Maps log-mels, shape (n, n_mels, n_frames), to the genre's log-odds in each, shape (n,).
    bands_hz : numpy.ndarray, shape (n_mels,)
        From `Bundle.bands_hz`. A patch is hidden from all filterbanks.

    Returns
    -------
    patches : numpy.ndarray, shape (`N_BANDS`, `N_SPANS`), float32
        By how much the log-odds fall where the patch is hidden; lowest band first. Negative
        where the patch spoke against the genre.
    bands : numpy.ndarray, shape (`N_BANDS`,), float32
        The same where these bands are hidden all the way through.
    spans : numpy.ndarray, shape (`N_SPANS`,), float32
        The same where all bands are hidden for that time.
    """
    n_mels, n_frames = log_mel.shape
    edges = np.linspace(0, n_shown(bands_hz), N_BANDS + 1).round().astype(int)
    part = np.searchsorted(bands_hz[edges[1:-1]], bands_hz, side="right")  # of the picture
    frames = np.linspace(0, n_frames, N_SPANS + 1).round().astype(int)
    quiet = np.broadcast_to(log_mel.mean(axis=1, keepdims=True), log_mel.shape)

    def without(mels: Bools, begin: int, end: int) -> Floats:
        masked: Floats = log_mel.copy()
        masked[mels, begin:end] = quiet[mels, begin:end]
        return masked

    def fall(masked: list[Floats]) -> Floats:
        return np.asarray(whole - log_odds(np.stack(masked)), dtype=np.float32)

    whole = log_odds(log_mel[np.newaxis])[0]
    rows = [part == n for n in range(N_BANDS)]
    columns = list(pairwise(frames))
    everywhere = np.ones(n_mels, dtype=bool)
    return (
        np.stack([fall([without(row, *column) for column in columns]) for row in rows]),
        fall([without(row, 0, n_frames) for row in rows]),
        fall([without(everywhere, *column) for column in columns]),
    )


def turns(leaders: list[str | None], least: int) -> list[tuple[int, str | None]]:
    """Say where a track turns from one genre to another.

    Parameters
    ----------
    leaders : list of str or None
        The genre that leads in each window; None where none does.
    least : int
        A stretch of fewer windows than this counts as part of the one before it.

    Returns
    -------
    list of (int, str or None)
        From which window on which genre leads.

    Examples
    --------
    >>> turns(["Folk", "Folk", "Pop", "Folk", "Rock", "Rock"], 2)
    [(0, 'Folk'), (4, 'Rock')]
    """
    passages: list[tuple[int, str | None]] = []
    begin = 0
    for end in range(1, len(leaders) + 1):
        if end < len(leaders) and leaders[end] == leaders[begin]:
            continue
        is_long = end - begin >= least or not passages
        if is_long and (not passages or passages[-1][1] != leaders[begin]):
            passages.append((begin, leaders[begin]))
        begin = end
    return passages
