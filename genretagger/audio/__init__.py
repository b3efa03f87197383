"""Step 2, decode: a file becomes segments; seeks, and decodes only what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

from genretagger.audio.decoders import (
    SHORTFALL_S,
    DoubtError,
    Reader,
    by_either,
    ends_early,
    first_reader,
    second_reader,
    track_errors,
)
from genretagger.errors import DamagedError
from genretagger.records import Excerpts, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

MIN_DURATION_S = 1.0
"""Below this nothing is said of a track: a genre takes a beat and a chord."""

LONG_S = 20 * 60.0
"""A file longer than this may be a whole album or a mix."""

_FEW = 3  # a quarter, half and three quarters: the founding report's excerpts
_LONG_EVERY_S = 4 * 60.0  # about one excerpt for each song of a long file
_MANY = 24  # at most, so that a ten-hour file costs what eight songs cost

_SILENCE = 1e-4
"""Peak amplitude under which an excerpt is silence: -80 dBFS, below 16-bit dither and hiss."""

_STRETCH_S = 60.0
"""So much of a track is decoded at a time where all of it is heard: 21 MB of 44.1-kHz stereo."""


def excerpt_starts(duration_s: float, segment_s: float, *, many: bool = False) -> list[float]:
    """Choose where in a track to listen.

    Parameters
    ----------
    duration_s, segment_s : float
        Length of the track and of a segment, in seconds.
    many : bool
        The track may hold many songs: one excerpt for about every four minutes.

    Returns
    -------
    list of float
        Starts in seconds. Three segments around the quarter, half and three-quarter
        point; where the track is shorter than three segments, as many as cover it.

    Examples
    --------
    >>> excerpt_starts(200.0, 10.0)
    [45.0, 95.0, 145.0]
    >>> excerpt_starts(25.0, 10.0)
    [0.0, 7.5, 15.0]
    >>> excerpt_starts(4.0, 10.0)
    [0.0]
    """
    if duration_s <= _FEW * segment_s:
        n = max(1, int(np.ceil(duration_s / segment_s)))
        return [float(s) for s in np.linspace(0.0, max(0.0, duration_s - segment_s), n)]
    n = int(np.clip(round(duration_s / _LONG_EVERY_S), _FEW, _MANY)) if many else _FEW
    return [duration_s * (i + 1) / (n + 1) - segment_s / 2 for i in range(n)]


def fit_length(y: Samples, n_samples: int) -> Samples:
    """Cut samples to a length, or repeat them until they reach it.

    Repeated rather than zero-padded: silence at the end would tell the network how
    long the file is, and so, in some data sets, which genre it is likely to have.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,), float32
        Not empty.
    n_samples : int

    Returns
    -------
    numpy.ndarray, shape (n_samples,), float32
    """
    return np.resize(y, n_samples)


def window_starts(duration_s: float, window_s: float, hop_s: float, most: int) -> list[float]:
    """Choose where the windows begin that cover a track from end to end.

    Parameters
    ----------
    duration_s, window_s : float
        Length of the track and of a window, in seconds.
    hop_s : float
        At most so many seconds lie between two beginnings ...
    most : int
        ... unless that makes more windows than this.

    Returns
    -------
    list of float
        Evenly spaced; the last window ends with the track.

    Examples
    --------
    >>> window_starts(19.0, 10.0, 3.0, 100)
    [0.0, 3.0, 6.0, 9.0]
    >>> window_starts(7.0, 10.0, 3.0, 100)
    [0.0]
    """
    last_s = max(0.0, duration_s - window_s)
    n = min(most, 1 + int(np.ceil(last_s / hop_s)))
    return [float(start_s) for start_s in np.linspace(0.0, last_s, n)]


def _checked(y: Samples) -> Samples:
    if not np.isfinite(y).all():
        raise DamagedError("the audio holds NaN or infinite samples; encode it again")
    return y


def _read(reader: Reader, start_s: float, length_s: float) -> Samples:
    """Decode a stretch to mono, at the file's own rate."""
    y = reader.read(start_s, length_s)
    return _checked(np.asarray(y.mean(axis=1), dtype=np.float32))


def _resampled(y: Samples, from_sr: int, to_sr: int) -> Samples:
    return np.asarray(soxr.resample(y, from_sr, to_sr, quality="HQ"), dtype=np.float32)


def decode_whole(path: Path, sr: int) -> Samples:
    """Decode a whole file to mono.

    Parameters
    ----------
    path : pathlib.Path
    sr : int
        Wanted sampling rate in Hz.

    Returns
    -------
    numpy.ndarray, shape (n_samples,), float32

    Raises
    ------
    TrackError
        If the file cannot be read or decoded.
    """

    def work(reader: Reader) -> Samples:
        return _resampled(_read(reader, 0.0, reader.duration_s), reader.sr, sr)

    return by_either(path, work)


def decode_windows(
    path: Path, *, sr: int, window_s: float, hop_s: float, most: int
) -> Iterator[Segment]:
    """Decode a track from end to end, in windows that overlap.

    Parameters
    ----------
    path : pathlib.Path
    sr : int
        Wanted sampling rate in Hz.
    window_s, hop_s, most
        As in `window_starts`.

    Yields
    ------
    Segment
        ``round(window_s * sr)`` samples each. They end early where the audio does.

    Raises
    ------
    TrackError
        If the file cannot be read or decoded.
    """
    options = (sr, window_s, hop_s, most)
    done_s = -1.0
    with track_errors():
        try:
            with first_reader(path) as reader:
                for window in _windows(reader, *options):
                    yield window
                    done_s = window.start_s
        except DoubtError as doubt:
            with second_reader(path, doubt) as reader:
                yield from (w for w in _windows(reader, *options) if w.start_s > done_s)


def _windows(
    reader: Reader, sr: int, window_s: float, hop_s: float, most: int
) -> Iterator[Segment]:
    starts = window_starts(reader.duration_s, window_s, hop_s, most)
    while starts:
        n = _in_one_stretch(starts, window_s)
        begin_s, end_s = starts[0], min(starts[n - 1] + window_s, reader.duration_s)
        y = _resampled(_read(reader, begin_s, end_s - begin_s), reader.sr, sr)
        for start_s in starts[:n]:
            at = round((start_s - begin_s) * sr)
            heard = y[at : at + round(window_s * sr)]
            if not len(heard):
                return
            yield Segment(fit_length(heard, round(window_s * sr)), sr, start_s)
        starts = starts[n:]


def _in_one_stretch(starts: Sequence[float], window_s: float) -> int:
    """Count the windows that are decoded together: few enough for the memory, none apart."""
    n = 1
    while (
        n < len(starts)
        and starts[n] - starts[n - 1] <= window_s
        and starts[n] + window_s - starts[0] <= _STRETCH_S
    ):
        n += 1
    return n


def where_heard(
    path: Path, *, segment_s: float, has_cuesheet: bool = False
) -> tuple[float, list[float]]:
    """Say where `decode` listens.

    Parameters
    ----------
    path, segment_s, has_cuesheet
        As in `decode`.

    Returns
    -------
    duration_s : float
        Length of the track in seconds.
    starts_s : list of float
        Where the excerpts begin, those that turn out to be silent, too.

    Raises
    ------
    TrackError
        If the file cannot be read.
    """

    def work(reader: Reader) -> tuple[float, list[float]]:
        many = _may_hold_many(reader.duration_s, has_cuesheet=has_cuesheet)
        return reader.duration_s, excerpt_starts(reader.duration_s, segment_s, many=many)

    return by_either(path, work)


def _may_hold_many(duration_s: float, *, has_cuesheet: bool) -> bool:
    return duration_s > LONG_S or (has_cuesheet and duration_s > _LONG_EVERY_S)


def decode_stretch(path: Path, *, sr: int, start_s: float, length_s: float) -> Samples:
    """Decode one stretch of a track to mono, to be listened to.

    Parameters
    ----------
    path : pathlib.Path
    sr : int
        Wanted sampling rate in Hz.
    start_s, length_s : float
        In seconds.

    Returns
    -------
    numpy.ndarray, shape (n_samples,), float32
        Shorter, or empty, where the track ends before.

    Raises
    ------
    TrackError
        If the file cannot be read or decoded.
    """

    def work(reader: Reader) -> Samples:
        return _resampled(_read(reader, start_s, length_s), reader.sr, sr)

    return by_either(path, work)


def is_silent(y: Samples) -> bool:
    """Tell whether there is nothing to hear: its peak is under -80 dBFS."""
    return not np.abs(y).max() > _SILENCE


def decode(path: Path, *, sr: int, segment_s: float, has_cuesheet: bool = False) -> Excerpts:
    """Decode the excerpts of a track that are listened to.

    Channels are averaged and resampled by soxr's HQ filter.

    Parameters
    ----------
    path : pathlib.Path
    sr : int
        Wanted sampling rate in Hz.
    segment_s : float
        Length of a segment in seconds.
    has_cuesheet : bool
        The file may be a whole album, so listen at more points.

    Returns
    -------
    Excerpts
        Every segment has exactly ``round(segment_s * sr)`` samples.

    Raises
    ------
    TrackError
        If the file cannot be read or decoded, is shorter than `MIN_DURATION_S`, ends
        before its header says, or holds samples that are not finite numbers.
    """

    def work(reader: Reader) -> Excerpts:
        return _excerpts(reader, sr, segment_s, has_cuesheet=has_cuesheet)

    return by_either(path, work)


def _excerpts(reader: Reader, sr: int, segment_s: float, *, has_cuesheet: bool) -> Excerpts:
    duration_s = reader.duration_s
    if duration_s < MIN_DURATION_S:
        raise DamagedError(f"too short: {duration_s:.1f} s of audio, 1 s is needed")
    many = _may_hold_many(duration_s, has_cuesheet=has_cuesheet)
    starts = excerpt_starts(duration_s, segment_s, many=many)
    wanted_s = min(segment_s, duration_s)
    segments, notes = [], []
    for start_s in starts:
        y = _read(reader, start_s, wanted_s)
        if len(y) < (wanted_s - SHORTFALL_S) * reader.sr or len(y) == 0:
            raise ends_early(reader, start_s + len(y) / reader.sr)
        if not is_silent(y):
            y = _resampled(y, reader.sr, sr)
            segments.append(Segment(fit_length(y, round(segment_s * sr)), sr, start_s))
    if duration_s < segment_s:
        notes.append(f"short: {duration_s:.1f} s, repeated to {segment_s:.0f} s")
    if many:
        why = "has a cue sheet" if has_cuesheet else f"{duration_s / 60:.0f} min long"
        notes.append(f"{why}, may be a whole album: heard at {len(starts)} points")
    if not segments:
        notes.append("silent where it was heard")
    elif len(segments) < len(starts):
        notes.append(f"silent at {len(starts) - len(segments)} of {len(starts)} points")
    return Excerpts(tuple(segments), duration_s, tuple(notes))
