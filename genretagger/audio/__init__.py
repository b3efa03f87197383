"""Step 2, decode: a file becomes segments; seeks, and decodes only what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import soxr

from genretagger.audio.decoders import (
    DoubtError,
    Reader,
    by_either,
    ends_early,
    first_reader,
    in_order,
    second_reader,
    track_errors,
)
from genretagger.content import complaint
from genretagger.errors import DamagedError
from genretagger.lengths import SHORTFALL_S
from genretagger.records import Excerpts, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]
    Channels = NDArray[np.float32]

HEARING_VERSION = 4
"""Part of what a remembered prediction is kept by. Raise it when other samples are heard than
before: other places, another downmix, another choice of decoder."""

MIN_DURATION_S = 1.0
"""Below this nothing is said of a track: a genre takes a beat and a chord."""

LONG_S = 20 * 60.0
"""A file longer than this may be a whole album or a mix."""

_FEW = 3  # a quarter, half and three quarters: the founding report's excerpts
_LONG_EVERY_S = 4 * 60.0  # about one excerpt for each song of a long file
_MANY = 24  # at most, so that a ten-hour file costs what eight songs cost

_SILENCE = 1e-4
"""Peak amplitude under which an excerpt is silence: -80 dBFS, below 16-bit dither and hiss."""

_QUIET, _QUIET_POWER = 10**-3.5, 10**-4.5
"""An excerpt is quiet if its power is 35 dB under the loudest one's and under -45 dBFS. Between
the excerpts of one piece of music there is less: up to 14 dB in the tracks that were measured."""

_EVERY_S = 1.0
"""Of the places where a track could be heard, too, so many are weighed against each other."""

_PROBE_S, _PROBE_EVERY_S, _MOST_PROBES = 0.25, 2.5, 240
"""Where an excerpt is quiet, so much is listened to, so often, to find where the music is."""

_OFFSET = 5e-3
"""A constant offset from here on is a fault: the mean of 10 s of music stays under 3e-3."""

_CANCELS = 0.4
"""Channels cancel if the power of their mean is under so much of what unrelated channels leave.
Of two channels it is that of their difference that is then four times as strong; in music the
difference is weaker than the sum (by 2 dB and more in the tracks that were measured)."""

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


def further_starts(
    starts_s: Sequence[float], places_s: Sequence[float], n: int, apart_s: float
) -> list[float]:
    """Choose where to listen, too: each time as far as can be from where it is done already.

    Parameters
    ----------
    starts_s : sequence of float
        Where excerpts begin, in seconds.
    places_s : sequence of float
        Where others may begin, in time order. The outermost are no places to listen at, but
        mark where the track begins and ends.
    n : int
        At most so many.
    apart_s : float
        Each is more than this from every other.

    Returns
    -------
    list of float
        Most wanted first.

    Examples
    --------
    >>> further_starts([45.0, 95.0, 145.0], [float(s) for s in range(191)], 4, 5.0)
    [70.0, 120.0, 22.0, 167.0]
    """
    if not places_s:
        return []
    places = np.asarray(places_s, dtype=np.float64)
    taken = np.array([*starts_s, places[0], places[-1]])
    distance = np.abs(places[:, np.newaxis] - taken).min(axis=1)
    chosen: list[float] = []
    while len(chosen) < n and distance.max() > apart_s:
        chosen.append(float(places[distance.argmax()]))
        distance = np.minimum(distance, np.abs(places - chosen[-1]))
    return chosen


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


def _read(reader: Reader, start_s: float, length_s: float) -> Samples:
    """Decode a stretch to mono, at the file's own rate."""
    return _mono(reader.read(start_s, length_s))[0]


def _mono(y: Channels) -> tuple[Samples, bool]:
    """Mix channels, without a constant offset, and say whether they cancel each other."""
    with np.errstate(invalid="ignore", over="ignore"):
        mono, cancel = _mean(y), False
        if not (abs(mono.mean()) <= _OFFSET and _survives(mono, y)):
            y = np.asarray(y - y.mean(axis=0, dtype=np.float64), dtype=np.float32)
            mono = _mean(y)
            cancel = not _survives(mono, y)
        if cancel and y.shape[1] == 2:
            mono = y @ np.array([0.5, -0.5], dtype=np.float32)
        elif cancel:
            mono = y[:, np.argmax((y * y).mean(axis=0))]
    if not np.isfinite(mono).all():
        raise DamagedError("the audio holds NaN or infinite samples; encode it again")
    return mono, cancel


def _mean(y: Channels) -> Samples:
    n = y.shape[1]
    # a product with constants takes a twentieth of the time of y.mean(axis=1)
    return y[:, 0] if n == 1 else y @ np.full(n, 1 / n, dtype=np.float32)


def _survives(mono: Samples, y: Channels) -> bool:
    return not _power(mono) * y.shape[1] < _CANCELS * _power(y)


def _power(y: Samples | Channels) -> float:
    flat = y.reshape(-1)
    return float(np.dot(flat, flat)) / max(1, len(flat))


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
        If the file cannot be read or decoded, or holds no sample.
    """

    def work(reader: Reader) -> Samples:
        y = reader.read(0.0, reader.duration_s)
        if not len(y):
            raise DamagedError("there is no audio in it; get a whole copy")
        return _resampled(_mono(y)[0], reader.sr, sr)

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


def duration(path: Path) -> float:
    """Say how long a track is.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    float
        In seconds.

    Raises
    ------
    TrackError
        If the file cannot be read.
    """
    return by_either(path, lambda reader: reader.duration_s)


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
    """Tell whether there is nothing to hear: its peak, without an offset, is under -80 dBFS."""
    return not (y.max() - y.min()) / 2 > _SILENCE


def decode(path: Path, *, sr: int, segment_s: float, has_cuesheet: bool = False) -> Excerpts:
    """Decode the excerpts of a track that are listened to.

    Channels are averaged, or where they cancel, subtracted, and resampled by soxr's HQ filter.
    Excerpts that would be silent, or far quieter than the others, are taken from where there is
    sound instead. The notes say so.

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

    excerpts = by_either(path, work)
    # heard all the same, by what it is; its tags cannot be written under that name
    wrong_name = complaint(path)
    return replace(excerpts, notes=(*excerpts.notes, wrong_name)) if wrong_name else excerpts


def decode_further(
    path: Path, excerpts: Excerpts, n: int, *, sr: int, segment_s: float
) -> tuple[Segment, ...]:
    """Decode further excerpts of a track, from between those that were decoded.

    Parameters
    ----------
    path : pathlib.Path
    excerpts : Excerpts
        As `decode` gave them; not silent.
    n : int
        At most so many.
    sr, segment_s
        As in `decode`.

    Returns
    -------
    tuple of Segment
        In time order; fewer where the track is short, or quiet at the places chosen; none if it
        may be a whole album.

    Raises
    ------
    TrackError
        As in `decode`.
    """
    heard = [segment.y for segment in excerpts.segments]
    heard_s = [segment.start_s for segment in excerpts.segments]
    chosen = sorted(further_starts(heard_s, excerpts.places_s, n, apart_s=segment_s / 2))

    def work(reader: Reader) -> tuple[Segment, ...]:
        # another decoder than before may find the track a little shorter
        last_s = max(0.0, reader.duration_s - segment_s)
        starts = [min(start_s, last_s) for start_s in chosen]
        further = [
            _segment(reader, start_s, y, sr, segment_s)
            for start_s, y in zip(starts, _read_all(reader, starts, segment_s)[0], strict=True)
        ]
        quiet = _are_quiet([*heard, *(segment.y for segment in further)])[len(heard) :]
        return tuple(s for s, is_quiet in zip(further, quiet, strict=True) if not is_quiet)

    return by_either(path, work) if chosen else ()


def _segment(reader: Reader, start_s: float, y: Samples, sr: int, segment_s: float) -> Segment:
    y = fit_length(_resampled(y, reader.sr, sr), round(segment_s * sr))
    return Segment(y, sr, start_s)


def _excerpts(reader: Reader, sr: int, segment_s: float, *, has_cuesheet: bool) -> Excerpts:
    heard = _hear(reader, segment_s, has_cuesheet=has_cuesheet)
    segments = [
        _segment(reader, start_s, y, sr, segment_s)
        for start_s, y in zip(heard.starts_s, heard.excerpts, strict=True)
        if not is_silent(y)
    ]
    notes = list(heard.notes)
    if not segments:
        notes.append("silent where it was heard")
    elif len(segments) < len(heard.starts_s):
        n = len(heard.starts_s)
        notes.append(f"silent in {n - len(segments)} of {n} places")
    return Excerpts(tuple(segments), reader.duration_s, tuple(notes), tuple(heard.places_s))


class _Heard(NamedTuple):
    starts_s: list[float]
    excerpts: list[Samples]
    notes: list[str]
    places_s: Sequence[float]


def _hear(reader: Reader, segment_s: float, *, has_cuesheet: bool) -> _Heard:
    """Decode excerpts at the file's own rate, from where there is sound."""
    duration_s = reader.duration_s
    if duration_s < MIN_DURATION_S:
        raise DamagedError(f"too short: {duration_s:.1f} s of audio, 1 s is needed")
    many = _may_hold_many(duration_s, has_cuesheet=has_cuesheet)
    starts = excerpt_starts(duration_s, segment_s, many=many)
    wanted_s = min(segment_s, duration_s)
    excerpts, cancel = _read_all(reader, starts, wanted_s)
    notes = []
    if duration_s < segment_s:
        notes.append(f"short: {duration_s:.1f} s, repeated to {segment_s:.0f} s")
    if many:
        why = "has a cue sheet" if has_cuesheet else f"{duration_s / 60:.0f} min long"
        notes.append(f"{why}, may be a whole album: heard in {len(starts)} places")
    n_quiet = sum(_are_quiet(excerpts))
    is_long = duration_s > _FEW * segment_s
    places = _everywhere(duration_s, segment_s) if is_long else []
    if n_quiet and is_long:
        louder = _where_sound_is(reader, segment_s)
        if louder:
            notes.append(f"quiet in {n_quiet} of {len(starts)} places: heard where there is sound")
            places = louder
            starts = _evenly(louder, len(starts))
            excerpts, cancel = _read_all(reader, starts, wanted_s)
    if cancel:
        notes.append("its channels cancel each other: their difference is heard")
    # an album is heard at many points already, and will go on to disagree
    return _Heard(starts, excerpts, notes, [] if many else places)


def _everywhere(duration_s: float, segment_s: float) -> list[float]:
    return [float(start_s) for start_s in np.arange(0.0, duration_s - segment_s, _EVERY_S)]


def _read_all(
    reader: Reader, starts: Sequence[float], wanted_s: float
) -> tuple[list[Samples], bool]:
    """Decode excerpts, and say whether the channels of any cancel each other."""
    excerpts, cancel = [], False
    for start_s in starts:
        channels = reader.read(start_s, wanted_s)
        if len(channels) < (wanted_s - SHORTFALL_S) * reader.sr or len(channels) == 0:
            raise ends_early(reader, start_s + len(channels) / reader.sr)
        y, is_cancelled = _mono(channels)
        excerpts.append(y)
        cancel |= is_cancelled
    return excerpts, cancel


def _are_quiet(excerpts: Sequence[Samples]) -> list[bool]:
    powers = [_power(y) for y in excerpts]
    quiet = min(_QUIET * max(powers), _QUIET_POWER)
    return [is_silent(y) or power < quiet for y, power in zip(excerpts, powers, strict=True)]


def _where_sound_is(reader: Reader, segment_s: float) -> list[float]:
    """List where excerpts may begin that are not quiet; none if the track always is.

    The track is probed at even distances, and around these places most probes sound.
    """
    every_s = max(_PROBE_EVERY_S, reader.duration_s / _MOST_PROBES)
    times = np.arange(0.0, reader.duration_s - _PROBE_S, every_s)
    with in_order(reader) as ordered:
        probes = [_read(ordered, float(at_s), _PROBE_S) for at_s in times]
    powers = np.array([0.0 if not len(y) or is_silent(y) else _power(y) for y in probes])
    sounds = (powers > _QUIET * powers.max()).astype(float)
    around = np.ones(1 + 2 * int(segment_s / 2 / every_s))
    share = np.convolve(sounds, around / len(around), mode="same") * sounds
    if not share.any():
        return []
    middles = times[share > share.max() - 1e-6] + _PROBE_S / 2
    starts = np.clip(middles - segment_s / 2, 0.0, reader.duration_s - segment_s)
    return [float(start_s) for start_s in starts]


def _evenly(places: Sequence[float], n: int) -> list[float]:
    """Take n of some places, at even parts of the way through them."""
    at = [round((len(places) - 1) * (i + 1) / (n + 1)) for i in range(n)]
    return sorted({places[i] for i in at})
