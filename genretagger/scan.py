"""Step 1, scan: folders, playlists and file names become a list of audio files."""

from __future__ import annotations

import codecs
import contextlib
import itertools
import os
import re
import socket
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote_to_bytes, urljoin
from xml.etree import ElementTree

from genretagger.containers import container_of, is_heard_only
from genretagger.errors import FatalError
from genretagger.identity import is_folder

OnError = Callable[[Path, str], None]
"""Called with a path that cannot be walked and the reason, in words."""

_MARKS = (  # the longer ones first: UTF-32's little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)

_UTF16 = re.compile(rb"(?:[^\0]\0){3}|(?:\0[^\0]){3}")
"""Every second byte is NUL. Lists that NULs separate are not like this: audio files' names are
longer than a letter."""

_SYSTEM = re.compile(
    r"\.Trash(es|-\d+)?|\$(RECYCLE\.BIN|Recycle\.Bin)|#recycle|@Recycle|\.git|\.stversions"
    r"|\.AppleDouble|@eaDir"
)
"""Folders, by their whole name, in which systems keep what is no collection: what was deleted
(macOS and freedesktop.org, Windows, Synology, QNAP), older versions (Git, Syncthing), companions of
files (Netatalk, Synology)."""

_NO_MUSIC = ("._", ".genretagger-")
"""How files' names begin that are named as audio is, but hold what macOS keeps of another file, or
half of one, see `writing.exchange.copy_of`."""

_MOST_LOOKED_AT = 1000
"""Names in a hidden folder: enough for an album, and a home's caches hold millions."""

_PIECE = 1 << 16  # bytes of a list; some hundred entries

_PLS = re.compile(r"\s*\[playlist\][ \t]*(?:[\r\n]|$)", re.IGNORECASE)
_PLS_ENTRY = re.compile(r"\s*File\d+\s*=(.+)", re.IGNORECASE)
_MARKUP = re.compile(r"\s*<(?:\?|!|playlist\b|html\b|smil\b|asx\b|plist\b)", re.IGNORECASE)
_FILE_URI = re.compile(r"\s*file:(?://([^/\\]*))?(?=[/\\])", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # C:// is a drive
_NO_PLAYLIST = "is no playlist that genretagger reads (M3U, PLS, XSPF)"
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"


def find_tracks(
    paths: Iterable[Path],
    *,
    ignore: Sequence[str] = (),
    on_error: OnError,
    heard_only: bool = False,
    once: bool = True,
    on_hidden: Callable[[Path], None] | None = None,
) -> Iterator[Path]:
    """Walk folders for audio files.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        Files, which are taken as they are, and folders, which are walked: files before
        subfolders, both sorted by name. In folders, names that begin with one dot (hidden files)
        are skipped, and what systems keep, as ``@eaDir`` and ``$RECYCLE.BIN``; names that begin
        with several dots are names, as that of *...And Oceans* is.
    ignore : sequence of str
        Shell patterns; a file or folder whose name or path matches one is skipped.
    on_error : callable
        Told of what is missing, unreadable or no audio file.
    heard_only : bool
        Yield also the kinds of audio that can be heard, but not tagged.
    once : bool
        Remember every file, about 100 bytes each. Otherwise folders alone are remembered.
    on_hidden : callable, optional
        Told at the end of hidden files that are named as audio is, and of hidden folders that
        hold some, unless a system keeps them, or they were met under another name.

    Yields
    ------
    pathlib.Path
        Every file once, also where links or overlapping folders lead to it again; or, unless
        `once`, under each of its names.
    """

    def is_wanted(path: Path) -> bool:
        return container_of(path) is not None or (heard_only and is_heard_only(path))

    seen = _Seen(once=once)
    hidden: list[Path] = []
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
            yield from _walk(path, is_wanted, ignore, on_error=on_error, hidden=hidden, seen=seen)
        elif not (is_wanted(path) and S_ISREG(stat.st_mode)):
            on_error(path, "not an audio file that genretagger knows, see docs/formats.md")
        elif seen.is_new_file(stat):
            yield path
    if on_hidden is None:
        return
    for path in hidden:
        with contextlib.suppress(OSError):  # it is gone, or a link to nowhere
            if _may_be_music(path, is_wanted) and seen.is_new(path.stat()):
                on_hidden(path)


class _Seen:
    """The folders, and the files unless each name of a file counts, that a walk has met."""

    def __init__(self, *, once: bool) -> None:
        self._once = once
        self._identities: set[int] = set()

    def is_new_file(self, stat: os.stat_result) -> bool:
        return not self._once or self.is_new(stat)

    def is_new(self, stat: os.stat_result) -> bool:
        identity = stat.st_dev << 64 | stat.st_ino  # one number takes half the memory of a pair
        is_new = identity not in self._identities
        self._identities.add(identity)
        return is_new


def _walk(
    folder: Path,
    is_wanted: Callable[[Path], bool],
    ignore: Sequence[str],
    *,
    on_error: OnError,
    hidden: list[Path],
    seen: _Seen,
) -> Iterator[Path]:
    try:
        if not seen.is_new(folder.stat()):
            return
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        on_error(folder, f"cannot be read: {error.strerror}")
        return
    folders = []
    for entry in entries:
        path = folder / entry.name
        if _is_passed_over(path, ignore):
            continue
        if _is_hidden(entry.name):
            hidden.append(path)
            continue
        try:
            if entry.is_dir():
                folders.append(path)
            elif is_wanted(path):
                # what Windows lists with a folder lacks the inode
                stat = path.stat() if os.name == "nt" else entry.stat()
                if S_ISREG(stat.st_mode) and seen.is_new_file(stat):
                    yield path
        except OSError as error:  # a link to nowhere, or to itself
            on_error(path, f"cannot be read: {error.strerror}")
    for subfolder in folders:
        yield from _walk(subfolder, is_wanted, ignore, on_error=on_error, hidden=hidden, seen=seen)


def _is_passed_over(path: Path, ignore: Sequence[str]) -> bool:
    """Tell whether a file or folder is passed over in silence."""
    if _SYSTEM.fullmatch(path.name):
        return True
    return any(fnmatch(path.name, p) or fnmatch(str(path), p) for p in ignore)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") and not name.startswith("..")


def _may_be_music(hidden: Path, is_wanted: Callable[[Path], bool]) -> bool:
    """Tell whether a hidden file is named as audio is, or one of a hidden folder's first files."""
    below = (name for _, _, names in os.walk(hidden) for name in names)
    names = [hidden.name, *itertools.islice(below, _MOST_LOOKED_AT)]
    return any(is_wanted(Path(name)) for name in names if not name.startswith(_NO_MUSIC))


def is_met(path: Path, folder: Path, ignore: Sequence[str] = ()) -> bool:
    """Tell whether a walk of a folder meets what lies below it, as far as names tell.

    Examples
    --------
    >>> is_met(Path("music/a/b.mp3"), Path("music")), is_met(Path("music/.a/b.mp3"), Path("music"))
    (True, False)
    """
    steps = [path, *path.parents][: len(path.relative_to(folder).parts)]
    return not any(_is_hidden(step.name) or _is_passed_over(step, ignore) for step in steps)


def _stop(path: Path, why: str) -> None:
    raise FatalError(f"{path}: {why}")


def read_list(source: Path, data: bytes, on_error: OnError = _stop) -> list[Path]:
    """Read a list of files: a playlist (M3U, PLS, XSPF), plain lines, or NUL-separated names.

    Parameters
    ----------
    source : pathlib.Path
        Where the list lies; relative entries are relative to its folder. ``-`` stands
        for standard input, whose entries, as those of a pipe, are relative to the working
        directory.
    data : bytes
        Its content, in UTF-8, UTF-16 or Windows-1252. If NULs separate the entries, they
        are taken as they are. Otherwise an entry is first sought exactly as it stands, then
        without blanks around it, percent-decoded, from Windows-1252, with slashes for
        backslashes, and in the other Unicode normal form. A line that begins with ``#`` is
        a comment unless an audio file has that very name.
    on_error : callable, optional
        Told of addresses on the network and of folders. By default they are errors.

    Returns
    -------
    list of pathlib.Path
        Files, and what does not exist.

    Raises
    ------
    FatalError
        If it is no list, or damaged.

    References
    ----------
    XSPF version 1: https://xspf.org/spec.
    """
    if container_of(source) is not None:
        raise FatalError(f"{source} is an audio file, not a list of files")
    # <(find ...) is a pipe somewhere under /dev
    folder = Path() if str(source) == "-" or source.is_fifo() else source.parent
    paths, disk = [], _Disk()
    for entry in _entries(source, folder, data, disk):
        if not entry.candidates:
            on_error(source, f"{entry.text.strip()} is not a file on this machine")
            continue
        path = disk.existing(entry.candidates) or entry.candidates[0]
        if is_folder(path):
            on_error(path, "it is a folder, and a list names files; name it as an argument")
        else:
            paths.append(path)
    return paths


def read_long_list(source: Path, stream: BinaryIO, on_error: OnError = _stop) -> Iterator[Path]:
    """Read a list as `read_list` does, in pieces, so that millions of entries fill no memory.

    Parameters
    ----------
    source, on_error
        As in `read_list`.
    stream : file object
        Its content, not read yet. XSPF, PLS and UTF-16 are read in one piece.

    Yields
    ------
    pathlib.Path

    Raises
    ------
    FatalError
        As `read_list` does.
    """
    head = stream.read(_PIECE)
    text = head.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    is_wide = _UTF16.search(head) or head.startswith(tuple(mark for mark, _ in _MARKS[:-1]))
    if is_wide or _MARKUP.match(text) or _PLS.match(text):
        yield from read_list(source, head + stream.read(), on_error)
        return
    separator = b"\0" if b"\0" in head else b"\n"
    begun = b""
    while head:
        entries, last, begun = (begun + head).rpartition(separator)
        if last:
            yield from read_list(source, entries + last, on_error)
        head = stream.read(_PIECE)
    if begun:
        yield from read_list(source, begun + separator, on_error)


class _Entry(NamedTuple):
    """What a list names once: its text, and the paths that it may mean, the likeliest first."""

    text: str
    candidates: list[Path]


def _entries(source: Path, folder: Path, data: bytes, disk: _Disk) -> Iterator[_Entry]:
    text = _text(source, data)
    if text is None:
        for name in map(os.fsdecode, data.split(b"\0")):
            if name:
                yield _Entry(name, [folder / name])
    elif _MARKUP.match(text):
        for uris in _xspf_locations(source, data):
            candidates = (_candidates(folder, uri, is_uri=True) for uri in uris)
            yield _Entry(uris[0], [path for paths in candidates for path in paths])
    else:
        for line in _pls_values(text) if _PLS.match(text) else _lines(folder, text, disk):
            yield _Entry(line, _candidates(folder, line))


def _text(source: Path, data: bytes) -> str | None:
    """Decode a list; None if NULs separate its entries."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decoded(source, data[len(mark) :], encoding)
    if b"\0" not in data:
        return _decoded(source, data, "utf-8")
    if _UTF16.search(data) is None:
        return None
    is_little = data[1::2].count(0) > data[::2].count(0)
    return _decoded(source, data, "utf-16-le" if is_little else "utf-16-be")


def _decoded(source: Path, data: bytes, encoding: str) -> str:
    try:
        # names on a disk, and so lists of them, may hold any byte
        return data.decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as error:
        raise FatalError(f"{source} is damaged {encoding.upper()}; save it as UTF-8") from error


def _xspf_locations(source: Path, data: bytes) -> Iterator[list[str]]:
    """Give each track's places, of which a player takes the first that it can play."""
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise FatalError(f"{source} {_NO_PLAYLIST}: {error}") from error
    if root.tag.rpartition("}")[2].lower() != "playlist":
        raise FatalError(f"{source} {_NO_PLAYLIST}")
    base = root.get(_XML_BASE, "")
    for track in root.iterfind("{*}trackList/{*}track"):
        locations = [(location.text or "").strip() for location in track.iterfind("{*}location")]
        if any(locations):
            yield [urljoin(base, location) for location in locations if location]


def _pls_values(text: str) -> Iterator[str]:
    for line in re.split("\r\n|\n|\r", text):
        match = _PLS_ENTRY.match(line)
        if match and match[1].strip():
            yield match[1]


def _lines(folder: Path, text: str, disk: _Disk) -> Iterator[str]:
    for line in re.split("\r?\n", text):
        # old Macs end lines by CR, which a name elsewhere may hold
        is_one = "\r" not in line or disk.existing(_candidates(folder, line))
        for part in [line] if is_one else line.split("\r"):
            if part.strip() and not _is_comment(folder, part, disk):
                yield part


def _is_comment(folder: Path, line: str, disk: _Disk) -> bool:
    if not line.lstrip().startswith("#"):
        return False
    return container_of(Path(line.strip())) is None or not disk.existing(_candidates(folder, line))


def _candidates(folder: Path, entry: str, *, is_uri: bool = False) -> list[Path]:
    """List the paths that an entry may mean; none if it is an address on the network."""
    local = _without_scheme(entry)
    if local is None:
        return []
    is_uri |= local != entry
    # as it stands, then with ever more explained away
    readings = [_percent_decoded(local), local] if is_uri else [local]
    for step in (str.strip, _percent_decoded, _from_windows_1252, _with_slashes):
        readings += [step(reading) for reading in readings]
    return [folder / reading for reading in dict.fromkeys(readings)]


def _without_scheme(entry: str) -> str | None:
    """Take ``file:`` off an entry; None if it is an address on the network."""
    uri = _FILE_URI.match(entry)
    if uri is None:
        return None if _ADDRESS.match(entry) else entry
    if (uri[1] or "localhost").lower() not in {"localhost", socket.gethostname().lower()}:
        return None
    path = entry[uri.end() :]
    # file:///C:/Music, and of old file:///C|/Music
    return re.sub(r"^/([A-Za-z])[:|]", r"\1:", path) if sys.platform == "win32" else path


def _percent_decoded(text: str) -> str:
    return unquote_to_bytes(_raw(text)).decode("utf-8", "surrogateescape")


def _from_windows_1252(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # it holds bytes that are not UTF-8
        return _raw(text).decode("cp1252", "replace")
    return text


def _with_slashes(text: str) -> str:
    return text.replace("\\", "/")


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class _Disk:
    """What exists, under either Unicode normal form; a folder is listed once."""

    def __init__(self) -> None:
        self._listings: dict[Path, dict[str, list[Path]]] = {}

    def existing(self, candidates: Sequence[Path]) -> Path | None:
        """Give the first path that exists as it stands, or else in the other normal form."""
        existing = next((path for path in candidates if _exists(path)), None)
        if existing is None:
            normal = map(self._in_other_normal_form, candidates)
            existing = next((path for path in normal if path is not None), None)
        return existing

    def _in_other_normal_form(self, path: Path) -> Path | None:
        """Find a path whose names macOS has decomposed, or another system composed."""
        if str(path).isascii():
            return None
        here = Path(path.anchor)
        for name in path.parts[1 if path.anchor else 0 :]:
            if _exists(here / name):
                here /= name
                continue
            same = self._listing(here).get(_composed(name), [])
            if len(same) != 1:
                return None
            here = same[0]
        return here

    def _listing(self, folder: Path) -> dict[str, list[Path]]:
        """List a folder by composed names."""
        if folder not in self._listings:
            listing: dict[str, list[Path]] = {}
            with contextlib.suppress(OSError, ValueError):
                for path in folder.iterdir():
                    listing.setdefault(_composed(path.name), []).append(path)
            self._listings[folder] = listing
        return self._listings[folder]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a NUL, or half a character of UTF-16
        return False
