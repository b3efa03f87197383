"""Step 2, decode: a file becomes segments; seeks, and decodes only what it needs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import soundfile
import soxr

from genretagger.containers import container_of
from genretagger.errors import DamagedError, TrackError
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

_SHORTFALL_S = 1.0
"""How much may be missing at an excerpt's end: length estimates of VBR files are not exact."""

_STRETCH_S = 60.0
"""So much of a track is decoded at a time where all of it is heard: 21 MB of 44.1-kHz stereo."""

_FFMPEG_TIMEOUT_S = 120.0
_ASK_FFMPEG = "install ffmpeg and put it on the PATH to read this format"


class _Reader(Protocol):
    """A decoder that can seek."""

    sr: int
    duration_s: float

    def read(self, start_s: float, length_s: float) -> Samples:
        """Decode one stretch to mono, at the file's own rate."""
        ...


class _SoundFileReader:
    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.sr = file.samplerate
        self.duration_s = file.frames / file.samplerate

    def read(self, start_s: float, length_s: float) -> Samples:
        try:
            self._file.seek(min(round(start_s * self.sr), self._file.frames))
            y = self._file.read(round(length_s * self.sr), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise TrackError(f"{_said(error)} at {start_s:.0f} s; it may be truncated") from error
        return np.asarray(y.mean(axis=1), dtype=np.float32)


class _FFmpegReader:
    def __init__(self, path: Path) -> None:
        if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
            raise TrackError(_ASK_FFMPEG)
        self._path = path
        entries = "stream=sample_rate,channels,duration:format=duration"
        answer = self._run(
            *("ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", entries),
            *("-of", "json", self._url),
        )
        probe = json.loads(answer)
        try:
            stream = probe["streams"][0]
            self.sr = int(stream["sample_rate"])
            self._channels = int(stream["channels"])
            self.duration_s = float(stream.get("duration") or probe["format"]["duration"])
        except (KeyError, IndexError, ValueError) as error:
            raise TrackError("ffmpeg finds no audio in it") from error
        if self.sr <= 0 or self._channels <= 0:
            raise TrackError("ffmpeg finds no audio in it")

    @property
    def _url(self) -> str:
        # "file:" keeps names with a colon or a leading dash from being read as anything else
        return f"file:{self._path}"

    def read(self, start_s: float, length_s: float) -> Samples:
        raw = self._run(
            *("ffmpeg", "-v", "error", "-nostdin", "-ss", f"{start_s:.6f}", "-i", self._url),
            *("-map", "0:a:0", "-t", f"{length_s:.6f}"),
            *("-ac", str(self._channels), "-ar", str(self.sr), "-f", "f32le", "-"),
        )
        whole = len(raw) - len(raw) % (4 * self._channels)
        y = np.frombuffer(raw[:whole], dtype="<f4").reshape(-1, self._channels)
        return np.asarray(y.mean(axis=1), dtype=np.float32)

    @staticmethod
    def _run(*command: str) -> bytes:
        try:
            done = subprocess.run(
                command, capture_output=True, check=True, timeout=_FFMPEG_TIMEOUT_S
            )
        except subprocess.CalledProcessError as error:
            lines = error.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            message = lines[-1].rpartition(": ")[2]
            raise TrackError(f"{command[0]} cannot decode it: {message}") from error
        except subprocess.TimeoutExpired as error:
            raise TrackError(f"{command[0]} hung for {_FFMPEG_TIMEOUT_S:.0f} s") from error
        return done.stdout


def _said(error: soundfile.LibsndfileError) -> str:
    message = error.error_string.strip().removeprefix("Error :").strip(" .")
    return f"cannot be decoded: {message}"


@contextlib.contextmanager
def _open(path: Path) -> Iterator[_Reader]:
    container = container_of(path)
    if container is not None and container.decoder == "ffmpeg":
        yield _FFmpegReader(path)
        return
    # bytes, because soundfile cannot encode the surrogates of a name that is not UTF-8
    name = str(path) if sys.platform == "win32" else os.fsencode(path)
    try:
        file = soundfile.SoundFile(name)
    except soundfile.LibsndfileError as error:
        raise TrackError(_said(error)) from error
    with file:
        yield _SoundFileReader(file)


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise TrackError(f"cannot be read: {error.strerror}") from error
    if empty:
        raise DamagedError("the file is empty")


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
    _check_readable(path)
    with _open(path) as reader:
        y = _checked(reader.read(0.0, reader.duration_s))
        return _resampled(y, reader.sr, sr)


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
    _check_readable(path)
    with _open(path) as reader:
        starts = window_starts(reader.duration_s, window_s, hop_s, most)
        while starts:
            n = _in_one_stretch(starts, window_s)
            begin_s, end_s = starts[0], min(starts[n - 1] + window_s, reader.duration_s)
            y = _checked(reader.read(begin_s, end_s - begin_s))
            y = _resampled(y, reader.sr, sr)
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
    _check_readable(path)
    with _open(path) as reader:
        many = _may_hold_many(reader.duration_s, has_cuesheet=has_cuesheet)
        return reader.duration_s, excerpt_starts(reader.duration_s, segment_s, many=many)


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
    _check_readable(path)
    with _open(path) as reader:
        y = reader.read(start_s, length_s)
        return _resampled(y, reader.sr, sr)


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
    _check_readable(path)
    notes = []
    segments = []
    with _open(path) as reader:
        duration_s = reader.duration_s
        if duration_s < MIN_DURATION_S:
            raise DamagedError(f"too short: {duration_s:.1f} s of audio, 1 s is needed")
        many = _may_hold_many(duration_s, has_cuesheet=has_cuesheet)
        starts = excerpt_starts(duration_s, segment_s, many=many)
        wanted_s = min(segment_s, duration_s)
        for start_s in starts:
            y = _checked(reader.read(start_s, wanted_s))
            if len(y) < (wanted_s - _SHORTFALL_S) * reader.sr or len(y) == 0:
                ends_s = start_s + len(y) / reader.sr
                raise DamagedError(
                    f"truncated: its header says {duration_s:.0f} s, but the audio ends "
                    f"before {ends_s + _SHORTFALL_S:.0f} s; get a whole copy"
                )
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
