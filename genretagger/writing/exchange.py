"""Exchange a file's content for another so that it is old or new in full, never between.

The new content is made in a copy beside the file. What differs is one stretch of bytes, the
*delta*: audio that only moved is not part of it, so it is small, and it is all that undo needs.

A delta that fits in one page and keeps the length is written in place with one call, which
keeps inode, links and attributes. Anything else is a rename of the synced copy; a file with
several hard links, whose other names a rename would leave behind, is overwritten in place,
and the synced copy stays beside it until that is done: `finish` goes on from there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from genretagger.errors import FatalError, TrackError
from genretagger.identity import identify
from genretagger.records import Identity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]


_CHUNK = 1 << 20  # bytes compared or moved at a time

_PAGE = 4096
"""The most that is written in place: a signal cannot cut a write inside one page (Linux,
``generic_perform_write``), and the journal restores it after a power failure."""


class HalfWrittenError(FatalError):
    """A file that had to be overwritten in place is half old, half new, and stays so for now.

    Its working copy, which is new in full, is kept beside it, and the run stops, so that the
    next one can `finish` it.
    """


@dataclass(frozen=True)
class Delta:
    """How two contents differ: the bytes from `start` on, up to what both end with.

    Attributes
    ----------
    start : int
        Offset in bytes.
    old, new : bytes
    """

    start: int
    old: bytes
    new: bytes

    def reversed(self) -> Delta:
        """Return the way back."""
        return Delta(self.start, self.new, self.old)


def difference(old: Path, new: Path) -> Delta:
    """Find the one stretch in which two files differ.

    Parameters
    ----------
    old, new : pathlib.Path

    Returns
    -------
    Delta
        The shortest one: both files are equal before it and after it.
    """
    with old.open("rb") as a, new.open("rb") as b:
        sizes = old.stat().st_size, new.stat().st_size
        start = _common(a, b, min(sizes), from_end=None)
        tail = _common(a, b, min(sizes) - start, from_end=sizes)
        contents = []
        for file, size in zip((a, b), sizes, strict=True):
            file.seek(start)
            contents.append(file.read(size - start - tail))
    return Delta(start, *contents)


def _common(a: BinaryIO, b: BinaryIO, most: int, *, from_end: tuple[int, int] | None) -> int:
    """Count the equal bytes at the beginning, or backwards from both ends."""
    equal = 0
    while equal < most:
        n = min(_CHUNK, most - equal)
        chunks = []
        for file, size in zip((a, b), from_end or (0, 0), strict=True):
            file.seek(size - equal - n if from_end else equal)
            chunk = np.frombuffer(file.read(n), dtype=np.uint8)
            chunks.append(chunk[::-1] if from_end else chunk)
        different = np.flatnonzero(chunks[0] != chunks[1])
        if len(different):
            return equal + int(different[0])
        equal += n
    return equal


@contextlib.contextmanager
def working_copy(path: Path) -> Iterator[Path]:
    """Copy a file beside itself, to be changed there; the copy is gone afterwards.

    Its name comes from the inode: what a killed run left behind, the next one overwrites. It
    stays only where it is all that a half-written file can be finished with.

    Yields
    ------
    pathlib.Path
        Hidden, with the same suffix.

    Raises
    ------
    TrackError
        If there is no room, or no right, to make it.
    """
    try:
        real = path.resolve(strict=True)
        copy = copy_of(real)
        copy.unlink(missing_ok=True)
        is_needed = False
        try:
            # made new and closed to others; its rights are set when it takes the file's place
            os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            shutil.copyfile(real, copy)
            yield copy
        except HalfWrittenError:
            is_needed = True
            raise
        finally:
            if not is_needed:
                # one that stays says nothing of the file, and the next run clears it away
                with contextlib.suppress(OSError):
                    copy.unlink(missing_ok=True)
    except OSError as error:
        raise TrackError(f"cannot be rewritten: {error.strerror}; it stays as it was") from error


def copy_of(real: Path) -> Path:
    """Say where the working copy of a file lies."""
    return real.with_name(f".genretagger-{real.stat().st_ino}{real.suffix}")


def patch(source: Path, copy: Path, delta: Delta) -> None:
    """Write into a working copy what a file becomes by a delta.

    Raises
    ------
    TrackError
        If the file does not hold the old bytes where they should be.
    """
    with source.open("rb") as old, copy.open("wb") as new:
        left = delta.start
        while left and (chunk := old.read(min(left, _CHUNK))):
            new.write(chunk)
            left -= len(chunk)
        if left or old.read(len(delta.old)) != delta.old:
            raise TrackError("changed since; it stays as it is")
        new.write(delta.new)
        shutil.copyfileobj(old, new, _CHUNK)


def exchange(
    path: Path, copy: Path, delta: Delta, before: Identity, *, preserve_mtime: bool
) -> None:
    """Give a file the content of its changed working copy.

    Parameters
    ----------
    path, copy : pathlib.Path
    delta : Delta
        How they differ.
    before : Identity
        Of the file, when it was copied.
    preserve_mtime : bool
        Leave the modification time as it was.

    Raises
    ------
    TrackError
        If the file has changed since it was copied, or the change cannot be made. It is
        then as it was.
    HalfWrittenError
        If it had to be overwritten in place, the system failed in the middle, and failed
        again when the old bytes were to be put back.
    """
    if identify(path) != before:
        raise TrackError("changed while it was being tagged; it stays as it is")
    is_page = len(delta.new) == len(delta.old) <= _PAGE - delta.start % _PAGE
    try:
        real = path.resolve(strict=True)
        stat = real.stat()
        times = (stat.st_atime_ns, stat.st_mtime_ns) if preserve_mtime else None
        if not is_page and stat.st_nlink == 1:
            _replace(real, copy, stat, keep_times=preserve_mtime)
            return
        if times:
            os.utime(real, ns=times)  # who may not do this, shall find out before
        if not is_page:
            _sync(copy)
        # by what is open, as the names of both may be taken away meanwhile
        source, target = copy.open("rb"), real.open("r+b", buffering=0)
    except OSError as error:
        raise _as_it_was(error) from error
    with source, target:
        try:
            if is_page:
                _write(target, delta.start, delta.new)
            else:
                _overwrite(target, source, delta.start)
            if times:
                os.utime(real, ns=times)
        except OSError as error:
            _put_back(target, source, delta, error)
            raise _as_it_was(error) from error


def _as_it_was(error: OSError) -> TrackError:
    return TrackError(f"cannot be rewritten: {error.strerror}; it stays as it was")


def _replace(real: Path, copy: Path, stat: os.stat_result, *, keep_times: bool) -> None:
    """Put the copy in the file's place, with all that the file's attributes say."""
    shutil.copystat(real, copy)
    if hasattr(os, "chown") and (stat.st_uid, stat.st_gid) != _owner(copy):
        os.chown(copy, stat.st_uid, stat.st_gid)
        shutil.copymode(real, copy)  # chown clears set-id bits
    if not keep_times:
        os.utime(copy)
    _sync(copy)
    copy.replace(real)
    # The file is new in full by now. Where a folder cannot be synced (some network drives),
    # a power failure may bring back the name's old file, which is whole, too.
    with contextlib.suppress(OSError):
        _sync(real.parent)


def _overwrite(target: FileIO, source: BinaryIO, start: int) -> None:
    """Give a file the copy's bytes from `start` on, where other names lead to it, too."""
    size = os.fstat(source.fileno()).st_size
    if hasattr(os, "posix_fallocate"):  # fails before anything is overwritten
        os.posix_fallocate(target.fileno(), 0, size)
    for at in range(start, size, _CHUNK):
        source.seek(at)
        _write(target, at, source.read(_CHUNK), sync=False)
    target.truncate(size)
    os.fsync(target.fileno())


def _put_back(target: FileIO, source: BinaryIO, delta: Delta, why: OSError) -> None:
    """Give an overwritten file its old bytes back: those of the copy, but for the delta."""
    try:
        if len(delta.old) == len(delta.new):
            _write(target, delta.start, delta.old)
            return
        source.seek(0)
        new = source.read()
        old = new[: delta.start] + delta.old + new[delta.start + len(delta.new) :]
        target.seek(0)
        if target.readall() == old:  # nothing was overwritten yet
            return
        _write(target, delta.start, old[delta.start :], sync=False)
        target.truncate(len(old))
        os.fsync(target.fileno())
    except OSError as error:
        raise HalfWrittenError(
            f"{target.name}: half written, because of: {why.strerror}; see that its disk works "
            "and has room, and start again: that finishes it"
        ) from error


def finish(path: Path, delta: Delta, after: str) -> bool:
    """Go on where a killed run stopped while it overwrote a file in place.

    Parameters
    ----------
    path : pathlib.Path
        Neither what it was before nor what it was to become.
    delta : Delta
        How those two differ.
    after : str
        SHA-256 of what it was to become.

    Returns
    -------
    bool
        Whether it is that now. If not, somebody else has changed it, or the copy beside it
        is gone, and it is untouched.

    Raises
    ------
    OSError
        If it cannot be read or written.
    """
    real = path.resolve(strict=True)
    copy = copy_of(real)
    is_within = delta.start + len(delta.old) <= real.stat().st_size
    if not copy.is_file() and len(delta.old) == len(delta.new) and is_within:
        shutil.copyfile(real, copy)  # all that is missing is in the delta
        with copy.open("r+b", buffering=0) as file:
            _write(file, delta.start, delta.new)
    if not copy.is_file() or sha256(copy) != after:
        return False
    is_ours = _is_between(np.fromfile(real, np.uint8), np.fromfile(copy, np.uint8), delta)
    if is_ours:
        _sync(copy)
        with copy.open("rb") as source, real.open("r+b", buffering=0) as target:
            _overwrite(target, source, delta.start)
    copy.unlink()
    return is_ours


def _is_between(now: Bytes, new: Bytes, delta: Delta) -> bool:
    """Tell whether every byte is one of the new content or of the old."""
    middle = np.frombuffer(delta.old, np.uint8)
    old = np.concatenate([new[: delta.start], middle, new[delta.start + len(delta.new) :]])
    if not min(len(old), len(new)) <= len(now) <= max(len(old), len(new)):
        return False
    # a file that is made longer ends in zeros at first
    is_old = now == np.pad(old, (0, max(0, len(now) - len(old))))[: len(now)]
    n = min(len(now), len(new))
    return bool(is_old[n:].all() and (is_old[:n] | (now[:n] == new[:n])).all())


def _write(file: FileIO, start: int, data: bytes, *, sync: bool = True) -> None:
    file.seek(start)
    while data:  # a signal or a full disk may cut a write short
        data = data[file.write(data) :]
    if sync:
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle on a folder to sync
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _owner(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_uid, stat.st_gid


def sha256(path: Path) -> str:
    """Hash a whole file.

    Returns
    -------
    str
        Hexadecimal digits.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
