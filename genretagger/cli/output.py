"""Write messages, reports and other files beside the collection."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from genretagger.containers import container_of, is_heard_only
from genretagger.errors import FatalError
from genretagger.identity import is_folder
from genretagger.text import printable

if TYPE_CHECKING:
    from genretagger.bundle import Bundle

_ERRORS = "surrogateescape"  # file names need not be UTF-8


def warn(message: str) -> None:
    """Write a message to standard error."""
    say(f"genretagger: {message}")


def say(message: str) -> None:
    """Write a line to standard error; on a terminal, break it between words."""
    sys.stderr.write(f"{fitted(printable(message), sys.stderr)}\n")


@contextlib.contextmanager
def remarks_muted() -> Iterator[None]:
    """Keep what C libraries remark off the terminal; what goes to `sys.stderr` comes through."""
    is_ours = sys.stderr is not None and sys.stderr is sys.__stderr__
    if not is_ours:  # it goes nowhere, or to somebody else
        yield
        return
    stderr, shared = sys.stderr, sys.stderr.fileno()
    with (
        Path(os.devnull).open("wb") as nowhere,
        os.fdopen(os.dup(shared), "w", 1, stderr.encoding, stderr.errors) as own,
        contextlib.redirect_stderr(own),
    ):
        os.dup2(nowhere.fileno(), shared)
        try:
            yield
        finally:
            os.dup2(own.fileno(), shared)


def say_address(what: str, address: str) -> None:
    """Say where the browser finds what is shown until Ctrl-C."""
    say(f"{what}: {address}")
    say("Ctrl-C ends it")


def tell(message: str) -> None:
    """Write a line to standard output, where it is what was asked for; broken as by `say`."""
    utf8_output()
    print(fitted(printable(message), sys.stdout), flush=True)


def fitted(line: str, stream: TextIO) -> str:
    """Break a line between words if it goes to a terminal, and is longer than that is wide."""
    width = shutil.get_terminal_size().columns - 1
    if not stream.isatty() or len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())] + "  "
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def described(bundle: Bundle) -> str:
    """Say which model it is."""
    known = (bundle.info.get("name", bundle.path.name), bundle.info.get("version"))
    name = " ".join(str(part) for part in known if part)
    return f"model: {name} ({bundle.bundle_id}) in {bundle.path}"


def spare_audio(path: Path | None) -> None:
    """Refuse to write a report, a plan or a picture over an audio file.

    Raises
    ------
    FatalError
        If the path is named as audio is.
    """
    if path is not None and (container_of(path) is not None or is_heard_only(path)):
        raise FatalError(f"{path} is an audio file, and stays; nothing was done")


def _refusal(option: str, path: Path, error: OSError) -> FatalError:
    """Say why the file that an option names cannot be written, and what to do."""
    if is_folder(path):
        why = "it is a folder; name a file"
    elif isinstance(error, FileNotFoundError) and not is_folder(path.parent):
        why = f"there is no folder {path.parent}; make it, or name a file in another"
    else:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = f"{error.strerror}; {'free some, or ' if is_full else ''}name another place"
    return FatalError(f"{option} {path}: {why}")


class _Named(io.FileIO):
    """A file that says which one it is when it cannot be written, at the first byte or the last."""

    def __init__(self, option: str, path: Path) -> None:
        self._option, self._path = option, path
        try:
            super().__init__(path, "w")
        except OSError as error:
            raise _refusal(option, path, error) from error

    def write(self, data: Any) -> int:
        """Write some bytes, or raise FatalError."""
        try:
            return super().write(data) or 0
        except OSError as error:
            raise _refusal(self._option, self._path, error) from error


@contextlib.contextmanager
def output_file(
    option: str, path: Path, *, errors: str = "strict", newline: str | None = None
) -> Iterator[TextIO]:
    """Open the file that an option names, to write text as UTF-8.

    Raises
    ------
    FatalError
        If it cannot be opened or written; the message names the option.
    """
    binary = io.BufferedWriter(_Named(option, path))
    with io.TextIOWrapper(binary, encoding="utf-8", errors=errors, newline=newline) as stream:
        yield stream


def check_file(option: str, path: Path | None) -> None:
    """Refuse, before hours of hearing, a file that could not be written after them.

    Raises
    ------
    FatalError
        If it cannot be opened; the message names the option.
    """
    if path is None:
        return
    try:
        if path.is_fifo():  # who reads from >(...) would take that for the end
            return
        target = Path(os.path.realpath(path))  # a link to what is not there yet stays
        is_new = not target.exists()
        target.open("ab").close()
        if is_new:
            target.unlink()
    except OSError as error:
        raise _refusal(option, path, error) from error


def make_folder(option: str, folder: Path) -> None:
    """Make a folder for what an option has written, unless it is there.

    Raises
    ------
    FatalError
        If it cannot be made; the message names the option.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "it is no folder" if isinstance(error, FileExistsError) else error.strerror
        raise FatalError(f"{option} {folder}: {why}; name another") from error


def write_file(option: str, path: Path, data: bytes) -> None:
    """Write the file that an option names.

    Raises
    ------
    FatalError
        If it cannot be written; the message names the option.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise _refusal(option, path, error) from error


@contextlib.contextmanager
def report_stream(path: Path | None) -> Iterator[TextIO]:
    """Open the file of ``--output``, or else standard output; file names need not be UTF-8.

    Raises
    ------
    FatalError
        If the file cannot be opened or written.
    """
    if path is None:
        utf8_output()
        yield sys.stdout
        return
    with output_file("--output", path, errors=_ERRORS, newline="") as stream:
        yield stream


def utf8_output() -> None:
    """Write UTF-8 to standard output, whatever the locale is."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors=_ERRORS)
