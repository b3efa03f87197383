"""What the file system says of a file: what tells one state of it from another."""

from __future__ import annotations

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
        stat = path.stat()
    except OSError as error:
        raise TrackError(f"cannot be examined: {error.strerror}") from error
    return Identity(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


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
