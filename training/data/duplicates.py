"""Near-duplicates: the same recording under two names, by Chromaprint's fingerprints.

A fingerprint is a row of 32-bit words, one for each 0.124 s. Copies of a recording share
many words exactly, at one and the same lag, so candidates are found by sorting words, not
by comparing each track with each other; then the two rows are laid over one another at
that lag, and the share of bits that differ decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from genretagger.errors import FatalError
from training.arrays import Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint32]


SR = 16000
"""Sampling rate in Hz of what is fingerprinted; Chromaprint goes down to 11,025 itself."""

WORD_S = 1365 / 11025
"""Time from one word to the next, in seconds (Chromaprint: frames of 4096, two thirds overlap)."""

LISTEN_S = 120
"""Only so much of the start is fingerprinted, as `fpcalc` does."""

MAX_ERROR = 0.25
"""Share of bits that may differ; docs/experiments.md has the two distributions."""

MIN_OVERLAP_S = 6.0
"""Shorter overlaps are no evidence."""

_MIN_SHARED = 3  # words at the same lag; with 2, held tones of one pitch are taken for copies
_MOST_WORDS = 1 << 11  # of a fingerprint: twice what `LISTEN_S` gives
_COMMON = 40  # a word in more tracks than this is a hum or silence, and tells nothing


class Pair(NamedTuple):
    """Two tracks that sound the same.

    Attributes
    ----------
    first, second : int
        Indices, the lower one first.
    error : float
        Share of bits that differ, in [0, 1].
    overlap_s : float
        In seconds.
    lag_s : float
        What is at 0 in `second` is here in `first`.
    """

    first: int
    second: int
    error: float
    overlap_s: float
    lag_s: float


def fingerprint(y: Floats) -> str:
    """Fingerprint a track.

    Parameters
    ----------
    y : numpy.ndarray, shape (n_samples,), float32
        At `SR`, in [-1, 1].

    Returns
    -------
    str
        Chromaprint's compressed form in base64; few words, or none, for a short track.

    Raises
    ------
    FatalError
        If the library is not installed.
    """
    try:
        import chromaprint
    except ImportError as error:
        raise FatalError(
            "near-duplicates are found by Chromaprint: install its library (Debian: "
            "libchromaprint1, macOS: chromaprint) and `pip install pyacoustid`"
        ) from error
    pcm = np.clip(np.round(y[: LISTEN_S * SR] * 32767), -32768, 32767).astype("<i2")
    printer = chromaprint.Fingerprinter()
    printer.start(SR, 1)
    printer.feed(pcm.tobytes())
    return bytes(printer.finish()).decode("ascii")


def words(text: str) -> Words:
    """Unpack what `fingerprint` returned.

    Returns
    -------
    numpy.ndarray, shape (n_words,), uint32
    """
    import chromaprint

    numbers, _ = chromaprint.decode_fingerprint(text.encode("ascii"))
    return np.array(numbers, dtype=np.int64).astype(np.uint32)


def _error_at(a: Words, b: Words, lag: int) -> tuple[float, int]:
    """Compare ``a[lag + i]`` with ``b[i]``: the share of bits that differ, and how many words."""
    start_a, start_b = max(0, lag), max(0, -lag)
    n = min(len(a) - start_a, len(b) - start_b)
    if n <= 0:
        return 1.0, 0
    differ = a[start_a : start_a + n] ^ b[start_b : start_b + n]
    return float(np.unpackbits(differ.view(np.uint8)).mean()), n


def find(fingerprints: Sequence[Words], max_error: float = MAX_ERROR) -> list[Pair]:
    """Find the tracks that share a recording.

    Parameters
    ----------
    fingerprints : sequence of numpy.ndarray, uint32
        One for each track, from `words`.
    max_error : float
        See `MAX_ERROR`.

    Returns
    -------
    list of Pair
        Sorted by indices. Time and memory grow with the number of words, not with the
        square of the number of tracks.
    """
    lengths = np.array([len(f) for f in fingerprints])
    if not lengths.sum():
        return []
    value = np.concatenate(list(fingerprints))
    track = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    place = np.concatenate([np.arange(n, dtype=np.int32) for n in lengths])
    order = np.argsort(value, kind="stable")
    value, track, place = value[order], track[order], place[order]
    # a sound that lasts repeats its word: the first of a track will do
    first = np.ones(len(value), dtype=bool)
    first[1:] = (value[1:] != value[:-1]) | (track[1:] != track[:-1])
    value, track, place = value[first], track[first], place[first]
    starts = np.flatnonzero(np.append(True, value[1:] != value[:-1]))
    sizes = np.diff(np.append(starts, len(value)))
    usable = (sizes > 1) & (sizes <= _COMMON)
    starts, sizes = starts[usable], sizes[usable]
    keys_of_pairs = []
    for step in range(1, int(sizes.max(initial=1))):
        # the words `step` apart within their run: all pairs, without a loop over words
        long_enough = sizes > step
        at = np.repeat(starts[long_enough], sizes[long_enough] - step)
        inside = np.arange(len(at)) - np.repeat(
            np.cumsum(sizes[long_enough] - step) - (sizes[long_enough] - step),
            sizes[long_enough] - step,
        )
        i, j = at + inside, at + inside + step
        key = track[i].astype(np.int64) * len(lengths) + track[j]
        keys_of_pairs.append(key * (2 * _MOST_WORDS) + place[i] - place[j] + _MOST_WORDS)
    if not keys_of_pairs:
        return []
    keys, counts = np.unique(np.concatenate(keys_of_pairs), return_counts=True)
    keys, counts = keys[counts >= _MIN_SHARED], counts[counts >= _MIN_SHARED]
    both, lags = np.divmod(keys, 2 * _MOST_WORDS)
    firsts, seconds = np.divmod(both, len(lengths))
    best: dict[tuple[int, int], Pair] = {}
    shared = zip(firsts.tolist(), seconds.tolist(), (lags - _MOST_WORDS).tolist(), strict=True)
    for a, b, lag in shared:
        error, n = _error_at(fingerprints[a], fingerprints[b], lag)
        if n * WORD_S < MIN_OVERLAP_S or error > max_error:
            continue
        pair = Pair(a, b, round(error, 4), round(n * WORD_S, 1), round(lag * WORD_S, 2))
        if (a, b) not in best or error < best[a, b].error:
            best[a, b] = pair
    return [best[key] for key in sorted(best)]
