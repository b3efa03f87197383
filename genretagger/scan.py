"""Step 1, scan: folders, playlists and file names become a list of audio files."""

from __future__ import annotations

import os
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from genretagger.containers import container_of
from genretagger.errors import FatalError

OnError = Callable[[Path, str], None]
"""Called with a path that cannot be walked and the reason, in words."""


def find_tracks(
    paths: Sequence[Path], *, ignore: Sequence[str] = (), on_error: OnError
) -> Iterator[Path]:
    """Walk folders for audio files.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Files, which are taken as they are, and folders, which are walked: files before
        subfolders, both sorted by name. Names that begin with a dot (and so macOS'
        ``._*``) are skipped in folders.
    ignore : sequence of str
        Shell patterns; a file or folder whose name or path matches one is skipped.
    on_error : callable
        Told of what is missing, unreadable or no audio file.

    Yields
    ------
    pathlib.Path
        Every file once, also where links or overlapping folders lead to it again.
    """
    seen: set[int] = set()
    for path in paths:
        try:
            stat = path.stat()
        except OSError as error:
            on_error(path, f"cannot be read: {error.strerror}")
            continue
        except ValueError:  # from a playlist: file:///%00
            on_error(path, "cannot be read: no file has a NUL in its name")
            continue
        if S_ISDIR(stat.st_mode):
            yield from _walk(path, ignore, on_error, seen)
        elif container_of(path) is None or not S_ISREG(stat.st_mode):
            on_error(path, "not an audio file that genretagger knows, see docs/formats.md")
        elif _is_new(stat, seen):
            yield path


def _walk(folder: Path, ignore: Sequence[str], on_error: OnError, seen: set[int]) -> Iterator[Path]:
    try:
        if not _is_new(folder.stat(), seen):
            return
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        on_error(folder, f"cannot be read: {error.strerror}")
        return
    folders = []
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith(".") or _matches(path, ignore):
            continue
        try:
            if entry.is_dir():
                folders.append(path)
            elif container_of(path) is not None:
                # what Windows lists with a folder lacks the inode
                stat = path.stat() if os.name == "nt" else entry.stat()
                if S_ISREG(stat.st_mode) and _is_new(stat, seen):
                    yield path
        except OSError as error:  # a link to nowhere, or to itself
            on_error(path, f"cannot be read: {error.strerror}")
    for subfolder in folders:
        yield from _walk(subfolder, ignore, on_error, seen)


def _is_new(stat: os.stat_result, seen: set[int]) -> bool:
    identity = stat.st_dev << 64 | stat.st_ino  # one number takes half the memory of a pair
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _matches(path: Path, patterns: Sequence[str]) -> bool:
    return any(fnmatch(path.name, p) or fnmatch(str(path), p) for p in patterns)


def read_list(source: Path, data: bytes) -> list[Path]:
    """Read a list of paths: an M3U playlist, plain lines, or NUL-separated names.

    Parameters
    ----------
    source : pathlib.Path
        Where the list lies; relative entries are relative to its folder. ``-`` stands
        for standard input, whose entries are relative to the working directory.
    data : bytes
        Its content. With a NUL in it, entries are separated by NULs and taken as they
        are; else by lines, of which empty ones and ``#`` comments are passed over.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    FatalError
        If an entry is an address on the network.
    """
    if b"\0" in data:
        entries = [os.fsdecode(entry) for entry in data.split(b"\0") if entry]
    else:
        lines = (line.strip() for line in data.removeprefix(b"\xef\xbb\xbf").splitlines())
        entries = [os.fsdecode(line) for line in lines if line and not line.startswith(b"#")]
    folder = Path() if str(source) == "-" else source.parent
    paths = []
    for entry in entries:
        scheme, colon_slashes, rest = entry.partition("://")
        if not colon_slashes or not scheme.isalnum():
            paths.append(folder / entry)
        elif scheme.lower() == "file":
            local = "/" + rest.partition("/")[2]
            paths.append(Path(urllib.request.url2pathname(local)))
        else:
            raise FatalError(f"{source}: {entry} is not a file on this machine; take it out")
    return paths
