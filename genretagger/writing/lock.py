"""One writing run at a time.

The lock is the system's own, on an open file, so that it ends with the process that holds it,
however that ends. What the file says serves the message only, and is never trusted.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from io import FileIO
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from genretagger.errors import FatalError

if sys.platform == "win32":
    import msvcrt

    # Windows locks bytes against readers, too, so one far behind the text is locked
    _FAR = 1 << 20

    def lock(file: BinaryIO | FileIO) -> None:
        """Lock an open file as long as it is open; raise OSError if another process has."""
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: BinaryIO | FileIO) -> None:
        """Lock an open file as long as it is open; raise OSError if another process has."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class OtherWriterError(FatalError):
    """Another run is writing.

    Parameters
    ----------
    holder : str
        Which one, in words.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(f"another run is writing ({holder}); wait for it, or stop it")
        self.holder = holder


@contextlib.contextmanager
def only_writer(folder: str | PathLike[str], command: str) -> Iterator[None]:
    """Keep every other writing run of this user away while the block runs.

    Parameters
    ----------
    folder : str or path-like
        Where the lock lies; made if missing.
    command : str
        What this run is, for the message that another one shows.

    Raises
    ------
    OtherWriterError
        If another run is writing.
    FatalError
        If the lock cannot be had.
    """
    path = Path(folder, "writing.lock")
    with _locked(path) as file:
        try:
            _sign(file, command)
        except OSError as error:  # a full disk: the journal could not be written, either
            raise _unusable(path, error) from error
        yield


def _locked(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # neither emptied nor ever removed: it may be another run's, or about to be
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        lock(file)
    except (BlockingIOError, PermissionError) as error:  # what Unix and Windows say
        holder = path.read_text(encoding="utf-8", errors="replace").strip()
        file.close()
        raise OtherWriterError(holder or "just begun") from error
    except OSError as error:  # a file system without locks
        file.close()
        raise _unusable(path, error) from error
    return file


def _unusable(path: Path, error: OSError) -> FatalError:
    return FatalError(f"the lock {path} cannot be used: {error.strerror}; nothing was done")


def _sign(file: BinaryIO, command: str) -> None:
    since = time.strftime("%Y-%m-%d %H:%M")
    shown = command.encode("utf-8", "backslashreplace").replace(b"\n", b" ")
    os.ftruncate(file.fileno(), 0)
    file.seek(0)
    # past the buffer, which would fail once more when it is closed
    os.write(file.fileno(), b"PID %d, since %s: %s\n" % (os.getpid(), since.encode(), shown))
