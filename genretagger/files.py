"""Exchange a file's content for another so that it is old or new in full, never between.

The new content is made in a copy beside the file. What differs is one stretch of bytes, the
*delta*: audio that only moved is not part of it, so it is small, and it is all that undo needs.

A delta that fits in one page and keeps the length is written in place with one call, which
keeps inode, links and attributes. Anything else is a rename of the synced copy; a file with
several hard links, whose other names a rename would leave behind, is overwritten in place,
and the copy stays beside it until that is done.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from genretagger.errors import TrackError
from genretagger.records import Identity

_CHUNK = 1 << 20  # bytes compared or moved at a time

_PAGE = 4096
"""The most that is written in place: a signal cannot cut a write inside one page (Linux,
``generic_perform_write``), and the journal restores it after a power failure."""


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


def identify(path: Path) -> Identity:
    """Read a file's identity from the file system.

    Raises
    ------
    TrackError
        If there is no such file.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise TrackError(f"cannot be examined: {error.strerror}") from error
    return Identity(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


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

    Its name comes from the inode: what a killed run left behind, the next one overwrites.

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
        try:
            # made new and closed to others; its rights are set when it takes the file's place
            os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            shutil.copyfile(real, copy)
            yield copy
        finally:
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
    """
    real = path.resolve(strict=True)
    stat = real.stat()
    if identify(real) != before:
        raise TrackError("changed while it was being tagged; it stays as it is")
    try:
        if len(delta.new) == len(delta.old) <= _PAGE - delta.start % _PAGE:
            _write(real, delta.start, delta.new)
        elif stat.st_nlink > 1:
            with copy.open("rb") as source, real.open("r+b") as target:
                if hasattr(os, "posix_fallocate"):  # fails before anything is overwritten
                    os.posix_fallocate(target.fileno(), 0, copy.stat().st_size)
                source.seek(delta.start)
                target.seek(delta.start)
                shutil.copyfileobj(source, target, _CHUNK)
                target.truncate()
                os.fsync(target.fileno())
        else:
            shutil.copystat(real, copy)
            if hasattr(os, "chown") and (stat.st_uid, stat.st_gid) != _owner(copy):
                os.chown(copy, stat.st_uid, stat.st_gid)
                shutil.copymode(real, copy)  # chown clears set-id bits
            os.utime(copy)
            _sync(copy)
            copy.replace(real)
            _sync(real.parent)
        if preserve_mtime:
            os.utime(real, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    except OSError as error:
        raise TrackError(f"cannot be rewritten: {error.strerror}; it stays as it was") from error


def _write(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b", buffering=0) as file:
        file.seek(start)
        file.write(data)
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
