"""Exchange a file's content for another so that it is old or new in full, never between.

The new content is made in a copy beside the file. How it differs, the *delta*, is all that
undo needs.

A delta of one stretch that fits in one page and keeps the length is written in place with one
call, which keeps inode, links and attributes. Anything else is a rename of the synced copy; a
file with several hard links, whose other names a rename would leave behind, or whose owner or
rights its copy cannot be given, is overwritten in place, and the synced copy stays beside it until
that is done: `finish` goes on from there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from functools import partial
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from genretagger.errors import FatalError, TrackError
from genretagger.identity import identify
from genretagger.records import Identity
from genretagger.writing.delta import CHUNK, Delta, MismatchError, Stretch, fits_in_page


class HalfWrittenError(FatalError):
    """A file that had to be overwritten in place is half old, half new, and stays so for now.

    Its working copy, which is new in full, is kept beside it, and the run stops, so that the
    next one can `finish` it.
    """


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
                # a copy that cannot be removed is harmless; the next run removes it
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
    try:
        with source.open("rb") as old, copy.open("wb") as new:
            new.writelines(delta.changed(old))
    except MismatchError as error:
        raise TrackError("changed since; it stays as it is") from error


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
    page = _page_of(delta)
    try:
        real = path.resolve(strict=True)
        stat = real.stat()
        times = (stat.st_atime_ns, stat.st_mtime_ns) if preserve_mtime else None
        if page is None and stat.st_nlink == 1 and _dress(real, copy, stat):
            _replace(real, copy, keep_times=preserve_mtime)
            return
        if times:
            os.utime(
                real, ns=times
            )  # fail here, before a byte is written, if we may not set the times
        if page is None:
            _sync(copy)
        # by what is open, as the names of both may be taken away meanwhile
        source, target = copy.open("rb"), real.open("r+b", buffering=0)
    except OSError as error:
        raise _as_it_was(error) from error
    with source, target:
        try:
            if page is not None:
                _write(target, page.start, page.new)
            else:
                _overwrite(target, source, delta)
            if times:
                os.utime(real, ns=times)
        except OSError as error:
            _put_back(target, source, delta, error)
            raise _as_it_was(error) from error


def _as_it_was(error: OSError) -> TrackError:
    return TrackError(f"cannot be rewritten: {error.strerror}; it stays as it was")


_NOT_ALLOWED = {errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
"""What systems say to who may not give a file away, and file systems that know no owners."""


def _dress(real: Path, copy: Path, stat: os.stat_result) -> bool:
    """Give the copy all that the file's attributes say; tell whether we may."""
    try:
        shutil.copystat(real, copy)
        if hasattr(os, "chown") and (stat.st_uid, stat.st_gid) != _owner(copy):
            os.chown(copy, stat.st_uid, stat.st_gid)
            shutil.copymode(real, copy)  # chown clears set-id bits
    except OSError as error:
        if error.errno not in _NOT_ALLOWED:
            raise
        with contextlib.suppress(OSError):
            copy.chmod(0o600)  # a mode that shuts out an owner that we are not
        return False
    return True


def _replace(real: Path, copy: Path, *, keep_times: bool) -> None:
    """Put the copy in the file's place."""
    if not keep_times:
        os.utime(copy)
    _sync(copy)
    copy.replace(real)
    # The file is new in full by now. Where a folder cannot be synced (some network drives),
    # a power failure may bring back the name's old file, which is whole, too.
    with contextlib.suppress(OSError):
        _sync(real.parent)


def _page_of(delta: Delta) -> Stretch | None:
    """Return the only stretch of a delta that can be written with one call."""
    if len(delta.stretches) != 1 or delta.growth or not fits_in_page(delta):
        return None
    (only,) = delta.stretches
    return only if isinstance(only, Stretch) else None


def _overwrite(target: FileIO, source: BinaryIO, delta: Delta) -> None:
    """Give a file the copy's bytes where they differ, if it has to stay the same file."""
    size = os.fstat(source.fileno()).st_size
    if hasattr(os, "posix_fallocate"):  # fails before anything is overwritten
        try:
            os.posix_fallocate(target.fileno(), 0, size)
        except OSError as error:
            if error.errno not in _NOT_ALLOWED:  # some file systems cannot set room aside
                raise
    for at in range(delta.start, size if delta.growth else delta.end, CHUNK):
        source.seek(at)
        _write(target, at, source.read(CHUNK), sync=False)
    target.truncate(size)
    os.fsync(target.fileno())


def _put_back(target: FileIO, source: BinaryIO, delta: Delta, why: OSError) -> None:
    """Give an overwritten file its old bytes back, which the copy and the delta tell."""
    try:
        at, is_overwritten = 0, False
        for piece in delta.reversed().changed(source):
            target.seek(at)
            if target.read(len(piece)) != piece:
                _write(target, at, piece, sync=False)
                is_overwritten = True
            at += len(piece)
        if is_overwritten or target.seek(0, os.SEEK_END) != at:
            target.truncate(at)
            os.fsync(target.fileno())
    except (OSError, MismatchError) as error:
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
    page = _page_of(delta)
    if not copy.is_file() and page is not None and page.end <= real.stat().st_size:
        shutil.copyfile(real, copy)  # all that is missing is in the delta
        with copy.open("r+b", buffering=0) as file:
            _write(file, page.start, page.new)
    if not copy.is_file() or sha256(copy) != after:
        return False
    is_ours = _is_between(real, copy, delta)
    if is_ours:
        _sync(copy)
        with copy.open("rb") as source, real.open("r+b", buffering=0) as target:
            _overwrite(target, source, delta)
    copy.unlink()
    return is_ours


def _is_between(real: Path, copy: Path, delta: Delta) -> bool:
    """Tell whether every byte of a file is one of the new content, a copy, or of the old."""
    size, new_size = real.stat().st_size, copy.stat().st_size
    if not min(new_size - delta.growth, new_size) <= size <= max(new_size - delta.growth, new_size):
        return False
    with real.open("rb") as now, copy.open("rb") as new, copy.open("rb") as source:
        old = _in_chunks(delta.reversed().changed(source))
        try:
            return all(
                # a file that is made longer ends in zeros at first
                _is_mixture(chunk, new.read(CHUNK), next(old, b"").ljust(len(chunk), b"\0"))
                for chunk in iter(partial(now.read, CHUNK), b"")
            )
        except MismatchError:
            return False


def _in_chunks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    kept = bytearray()
    for piece in pieces:
        kept += piece
        while len(kept) >= CHUNK:
            yield bytes(kept[:CHUNK])
            del kept[:CHUNK]
    yield bytes(kept)


def _is_mixture(now: bytes, new: bytes, old: bytes) -> bool:
    n = len(now)
    if now in (old[:n], new[:n]):
        return True
    is_old = now[len(new) :] == old[len(new) : n]
    return is_old and all(x in pair for x, *pair in zip(now, new, old, strict=False))


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
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
