"""What the file system says of a file: what tells one state of it from another."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

from genretagger.errors import TrackError
from genretagger.records import Identity


def identify(path: Path) -> Identity:
    """Read a file's identity from the file system.

    Raises
    ------
    TrackError
        If there is no such file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise TrackError(f"cannot be examined: {error.strerror}") from error
    return Identity(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


def stamp(identity: Identity) -> str:
    """Write down an identity, without the device: its number changes when a disk is mounted."""
    return f"{identity.inode}-{identity.size}-{identity.mtime_ns}-{identity.ctime_ns}"


def is_settled(identity: Identity) -> bool:
    """Tell whether another change to the file would show in its identity.

    On a coarse clock two changes within one tick look alike. Elsewhere a tick takes some
    milliseconds, less than reading takes us; and should it happen all the same, `tags.write`
    still compares before it writes.
    """
    changed_ns = max(identity.mtime_ns, identity.ctime_ns)
    return changed_ns % 10**9 != 0 or has_ticked_since(changed_ns)


def has_ticked_since(changed_ns: int) -> bool:
    """Tell whether the clock of any file system has ticked since then.

    The clocks of FAT and HFS+ tick in whole seconds, up to two.

    Parameters
    ----------
    changed_ns : int
        The time of a change in nanoseconds, as a file system gives it.
    """
    return time.time_ns() - changed_ns > 2 * 10**9


if sys.platform == "linux":
    import fcntl
    import signal

    def is_open_for_writing(path: Path) -> bool:
        """Tell whether some program has a file open for writing, as far as the system says.

        Linux refuses a lease on such a file, and whoever asks for one learns it. Where there are
        no leases (other systems, files of others, disks of the network), nothing is told.

        References
        ----------
        fcntl(2), *Leases*.
        """
        try:
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            # should it be opened just now, the kernel tells us: by a signal that does no harm
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(file)  # and the lease ends
        return False

else:

    def is_open_for_writing(path: Path) -> bool:  # noqa: ARG001
        """Tell that nothing is known."""
        return False


def is_file(path: Path) -> bool:
    """Tell whether a regular file is there; nothing is under a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, half a character of UTF-16, no right to look
        return False


def is_folder(path: Path) -> bool:
    """Tell whether a folder is there; nothing is under a name that no folder can have."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def check_writable(path: Path) -> None:
    """Make sure that a file may be changed, by its mode bits as much as by our rights.

    A file or folder without a single write bit is somebody's wish, also for root, whom
    the system would let pass.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    TrackError
        If the file is missing, not a regular file, or read-only, or its folder is.
    """
    try:
        real = path.resolve(strict=True)
        mode, folder_mode = real.stat().st_mode, real.parent.stat().st_mode
    except OSError as error:
        raise TrackError(f"{error.strerror or error}; check the file and its folder") from error
    except (RuntimeError, ValueError) as error:  # links in a circle, before Python 3.13; a NUL
        raise TrackError(f"cannot be examined ({error}); check the file and its folder") from error
    if not stat.S_ISREG(mode):
        raise TrackError("not a regular file; leave it out")
    if not (mode & 0o222 and os.access(real, os.W_OK)):
        raise TrackError("the file is read-only; make it writable, or leave it out")
    # Windows sets the read-only bit of folders for purposes of its own
    folder_ok = os.name == "nt" or folder_mode & 0o222
    if not (folder_ok and os.access(real.parent, os.W_OK)):
        raise TrackError("its folder is read-only; make it writable, or leave the file out")
