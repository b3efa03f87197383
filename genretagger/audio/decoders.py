"""The two decoders: soundfile, which is fast and exact, and ffmpeg, which reads almost anything."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import soundfile

from genretagger.containers import container_of
from genretagger.content import complaint, content_of
from genretagger.errors import DamagedError, TrackError
from genretagger.lengths import SHORTFALL_S, flac_length_s, is_chained, says_its_length, truncated
from genretagger.mpeg import mpeg_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Channels = NDArray[np.float32]

_MAY_LACK = 0.05
"""So much of a track a second decoder may leave out where the first lost its way."""

_ABSURD_S, _LEAST_BYTES = 24 * 3600.0, 100
"""A day of music, at fewer bytes a second than silence takes in FLAC: not a length, but a header
that was never filled in."""

_MOST_BYTES = 400_000
"""A second of a CD takes half of them: what has more, and claims to be shorter, is wrong."""

_FFMPEG_TIMEOUT_S = 120.0
_WHOLE_TIMEOUT_S = 600.0  # ten hours at 60 times the speed of sound
_PIPE_FRAMES = 1 << 16

_ASK_FFMPEG = "install ffmpeg and put it on the PATH to read this format"

_ASK_ANOTHER = "install ffmpeg and put it on the PATH to try another decoder"

_ESTIMATING = {"aac", "ac3", "eac3", "dts", "dtshd", "mp3", "loas", "amr", "g722", "truehd"}
"""ffmpeg's names of bare streams, whose length it makes out of their size."""

_T = TypeVar("_T")


class Reader(Protocol):
    """A decoder of one file.

    Attributes
    ----------
    sr : int
        The file's own sampling rate in Hz.
    duration_s : float
        Length in seconds.
    states_length : bool
        The file's header says so; otherwise it is estimated from the file's size.
    """

    sr: int
    duration_s: float
    states_length: bool

    def read(self, start_s: float, length_s: float) -> Channels:
        """Decode one stretch, shape (n_samples, n_channels); shorter where the audio ends."""
        ...


class DoubtError(Exception):
    """A decoder gave up or stopped early; another may do better.

    Parameters
    ----------
    error : TrackError
        What to say of the file if the other does not.
    stated_s : float, optional
        The length that the file's header states.
    """

    def __init__(self, error: TrackError, stated_s: float | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.stated_s = stated_s


def ends_early(reader: Reader, ends_s: float) -> DoubtError:
    """Say that the audio ends before the header says, as far as this decoder can tell."""
    if not reader.states_length:
        return DoubtError(TrackError(f"cannot be decoded past {ends_s:.0f} s"))
    return DoubtError(truncated(reader.duration_s, ends_s), reader.duration_s)


def by_either(path: Path, work: Callable[[Reader], _T]) -> _T:
    """Work with a file's own decoder; where that fails or ends early, with ffmpeg from the start.

    Parameters
    ----------
    path : pathlib.Path
    work : callable
        Given a `Reader`. It may raise `DoubtError`, and is then called once more.

    Raises
    ------
    TrackError
        If neither can read the file, or if it ends before its header says.
    """
    with track_errors():
        try:
            with first_reader(path) as reader:
                return work(reader)
        except DoubtError as doubt:
            with second_reader(path, doubt) as reader:
                return work(reader)


@contextlib.contextmanager
def track_errors() -> Iterator[None]:
    """Turn what remains in doubt, and what the system raises, into a `TrackError`."""
    try:
        yield
    except DoubtError as doubt:
        raise doubt.error from doubt
    except OSError as error:
        raise TrackError(f"cannot be read: {error.strerror or error}") from error


@contextlib.contextmanager
def first_reader(path: Path) -> Iterator[Reader]:
    """Open a file by the decoder of its container.

    Raises
    ------
    DoubtError
        If it cannot be opened, or does not say how long it is.
    TrackError
        If nothing else would do better.
    """
    with path.open("rb") as opened:
        if not opened.read(1):
            raise DamagedError("the file is empty")
        is_said = says_its_length(opened)
    container = container_of(path)
    if container is None or container.decoder == "ffmpeg":
        by_ffmpeg = FFmpegReader(path)
        if not (by_ffmpeg.states_length and 0 < by_ffmpeg.duration_s < math.inf):
            raise DoubtError(TrackError("cannot be decoded: it does not say how long it is"))
        yield by_ffmpeg
        return
    # bytes, because soundfile cannot encode the surrogates of a name that is not UTF-8
    name = str(path) if sys.platform == "win32" else os.fsencode(path)
    try:
        file = soundfile.SoundFile(name)
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        raise DoubtError(TrackError("cannot be decoded: no audio is found in it")) from error
    with file:
        reader = _SoundFileReader(path, file)
        if not (is_said or file.frames):
            raise DoubtError(TrackError("cannot be decoded: it does not say how long it is"))
        _check_length(path, reader)
        yield reader


def _is_absurd(length_s: float, path: Path) -> bool:
    size = path.stat().st_size
    is_too_long = length_s > max(_ABSURD_S, size / _LEAST_BYTES)
    is_too_short = length_s < SHORTFALL_S < size / _MOST_BYTES
    return is_too_long or is_too_short


def _check_length(path: Path, reader: _SoundFileReader) -> None:
    if _is_absurd(reader.duration_s, path):
        raise DoubtError(TrackError("cannot be decoded: it does not say how long it is"))
    if reader.is_rough and _has_ffmpeg():
        raise DoubtError(TrackError("cannot be decoded: its length can only be estimated"))


class _SoundFileReader:
    def __init__(self, path: Path, file: soundfile.SoundFile) -> None:
        self._file = file
        self.sr = file.samplerate
        self.duration_s = file.frames / file.samplerate
        known = mpeg_length(path) if file.format in {"MP3", "MPEG"} else "stated"
        self.states_length = known == "stated"
        self.is_rough = known == "estimated" or (file.format == "OGG" and is_chained(path))

    def read(self, start_s: float, length_s: float) -> Channels:
        try:
            self._file.seek(min(round(start_s * self.sr), self._file.frames))
            y = self._file.read(round(length_s * self.sr), dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError, ValueError, MemoryError) as error:
            message = f"cannot be decoded at {start_s:.0f} s; it may be truncated"
            stated_s = self.duration_s if self.states_length else None
            raise DoubtError(TrackError(message), stated_s) from error
        return np.asarray(y, dtype=np.float32)


@contextlib.contextmanager
def second_reader(path: Path, doubt: DoubtError) -> Iterator[Reader]:
    """Decode a file by ffmpeg from its beginning, and count how long it is.

    Raises
    ------
    TrackError
        What the first decoder said, if ffmpeg does not do better.
    """
    if not _has_ffmpeg():
        # nothing that a cache may keep: another day ffmpeg is there
        hint = "" if isinstance(doubt.error, DamagedError) else f"; {_ASK_ANOTHER}"
        raise TrackError(complaint(path) or f"{doubt.error}{hint}") from doubt
    try:
        reader = SequentialReader(path)
        stated_s = doubt.stated_s or reader.stated_s or flac_length_s(path) or 0.0
        counted_s = reader.count()
    except TrackError as error:
        raise _worst(path, doubt.error) from error
    if not counted_s:
        raise _worst(path, doubt.error) from doubt
    is_short = counted_s < stated_s - max(SHORTFALL_S, _MAY_LACK * stated_s)
    if is_short and not _is_absurd(stated_s, path):
        raise truncated(stated_s, counted_s) from doubt
    with contextlib.closing(reader):
        yield reader


def _worst(path: Path, error: TrackError) -> TrackError:
    message = complaint(path)
    return TrackError(message) if message else error


def _has_ffmpeg() -> bool:
    return shutil.which("ffmpeg") is not None and shutil.which("ffprobe") is not None


class FFmpegReader:
    """ffmpeg, started anew for each stretch, for which it seeks.

    Attributes
    ----------
    path : pathlib.Path
    sr : int
    duration_s : float
        As ffmpeg says; infinite if it does not know.
    states_length : bool
        It stands in the file, rather than being estimated from the file's size.
    stated_s : float or None
        What the header states.

    Raises
    ------
    TrackError
        If ffmpeg is missing, or finds no audio.
    """

    def __init__(self, path: Path) -> None:
        if not _has_ffmpeg():
            raise TrackError(_ASK_FFMPEG)
        self.path = path
        self._refuse_text()
        entries = "stream=sample_rate,channels,duration:format=duration,format_name"
        answer = self._run(
            *("ffprobe", "-v", "error", *_LOCAL, "-select_streams", "a:0"),
            *("-show_entries", entries, "-of", "json", self._url),
        )
        try:
            probe = json.loads(answer)
            stream, form = probe["streams"][0], probe["format"]
            self.sr = int(stream["sample_rate"])
            self._channels = int(stream["channels"])
            self.duration_s = float(stream.get("duration") or form.get("duration") or "inf")
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise TrackError("ffmpeg finds no audio in it") from error
        if self.sr <= 0 or self._channels <= 0:
            raise TrackError("ffmpeg finds no audio in it")
        names = set(form.get("format_name", "").split(","))
        is_mp3 = "mp3" in names and mpeg_length(path) == "stated"
        self.states_length = is_mp3 or not names & _ESTIMATING
        # of a chain in Ogg it is the length of one link
        is_known = self.states_length and self.duration_s < math.inf and "ogg" not in names
        self.stated_s = self.duration_s if is_known else None

    def _refuse_text(self) -> None:
        """Keep ffmpeg from what it would follow to other files: a playlist under an audio name."""
        content = content_of(self.path)
        if content is not None and not content.suffix:
            raise TrackError(complaint(self.path))

    @property
    def _url(self) -> str:
        # "file:" keeps names with a colon or a leading dash from being read as anything else
        return f"file:{self.path}"

    def _command(self, *seeking: str) -> list[str]:
        return [
            *("ffmpeg", "-v", "error", "-nostdin", *_LOCAL, *seeking, "-i", self._url),
            *("-map", "0:a:0", "-ac", str(self._channels), "-ar", str(self.sr)),
        ]

    def read(self, start_s: float, length_s: float) -> Channels:
        """Decode one stretch."""
        command = self._command("-ss", f"{start_s:.6f}")
        try:
            raw = self._run(*command, "-t", f"{length_s:.6f}", "-f", "f32le", "-")
        except TrackError as error:
            raise DoubtError(error, self.duration_s) from error
        return self._samples(raw)

    def _samples(self, raw: bytes) -> Channels:
        whole = len(raw) - len(raw) % (4 * self._channels)
        return np.frombuffer(raw[:whole], dtype="<f4").reshape(-1, self._channels)

    @staticmethod
    def _run(*command: str) -> bytes:
        try:
            done = subprocess.run(
                command, capture_output=True, check=True, timeout=_FFMPEG_TIMEOUT_S
            )
        except subprocess.CalledProcessError as error:
            raise TrackError(f"{command[0]} cannot decode it; get the file again") from error
        except subprocess.TimeoutExpired as error:
            raise TrackError(f"{command[0]} hung for {_FFMPEG_TIMEOUT_S:.0f} s") from error
        except OSError as error:
            raise TrackError(f"{command[0]} cannot be started: {error.strerror}") from error
        return done.stdout


_LOCAL = ("-protocol_whitelist", "file")


@contextlib.contextmanager
def in_order(reader: Reader) -> Iterator[Reader]:
    """Give a reader that can be asked for many stretches, one behind the other, at little cost."""
    if not isinstance(reader, FFmpegReader) or isinstance(reader, SequentialReader):
        yield reader
        return
    with contextlib.closing(SequentialReader(reader.path)) as sequential:
        yield sequential


class SequentialReader(FFmpegReader):
    """ffmpeg, from the beginning on: for files in which nobody can seek.

    Stretches that begin behind the one before cost no more than one pass.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: threading.Timer | None = None
        self._kept = np.empty((0, self._channels), dtype=np.float32)
        self._at = 0  # in samples: what comes next out of the process

    def count(self) -> float:
        """Decode all of it, and set and return its length in seconds."""
        self._start()
        while len(self._next(_PIPE_FRAMES)):
            pass
        self.duration_s, self.states_length = self._at / self.sr, True
        if self._process is not None and self._process.wait() < 0:
            raise TrackError(f"ffmpeg was not done with it in {_WHOLE_TIMEOUT_S:.0f} s")
        self.close()
        return self.duration_s

    def read(self, start_s: float, length_s: float) -> Channels:
        """Decode one stretch."""
        first, n = round(start_s * self.sr), round(length_s * self.sr)
        if self._process is None or first < self._at - len(self._kept):
            self._start()
        while self._at < first and len(self._next(min(_PIPE_FRAMES, first - self._at))):
            pass
        if self._at < first:
            return self._kept[:0]
        kept = self._kept[len(self._kept) - (self._at - first) :]
        parts = [kept[:n]]
        while (missing := n - sum(map(len, parts))) > 0:
            more = self._next(min(_PIPE_FRAMES, missing))
            if not len(more):
                break
            parts.append(more)
        y = np.concatenate(parts)
        if len(y) >= len(kept):
            self._kept = y
        return y

    def _start(self) -> None:
        self.close()
        self._process = subprocess.Popen(
            [*self._command(), "-f", "f32le", "-"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._watch = threading.Timer(_WHOLE_TIMEOUT_S, self._process.kill)
        self._watch.daemon = True
        self._watch.start()
        self._kept, self._at = self._kept[:0], 0

    def _next(self, n: int) -> Channels:
        if self._process is None or self._process.stdout is None:
            return self._kept[:0]
        self._kept = self._samples(self._process.stdout.read(n * 4 * self._channels))
        self._at += len(self._kept)
        return self._kept

    def close(self) -> None:
        """End ffmpeg."""
        if self._watch is not None:
            self._watch.cancel()
        if self._process is not None and self._process.stdout is not None:
            self._process.kill()
            self._process.stdout.close()
            self._process.wait()
        self._process = self._watch = None
