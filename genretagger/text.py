"""Text for one line of a terminal or a report."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def printable(text: str) -> str:
    r"""Make text from a tag or a file name safe for one line of a terminal.

    Examples
    --------
    >>> printable("a\x1b[2Jb\nc")
    'a\\x1b[2Jb\\nc'
    """
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def counted(n: int, noun: str) -> str:
    """Put a number before a noun.

    Examples
    --------
    >>> counted(1, "track"), counted(8, "track")
    ('1 track', '8 tracks')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def reason_text(parts: tuple[str, ...]) -> str:
    """Join the parts of a reason for one line.

    Examples
    --------
    >>> reason_text(("Rock 0.81", 'kept: file has "Blues"'))
    'Rock 0.81 | kept: file has "Blues"'
    """
    return " | ".join(parts)


def nearest(name: str, names: Iterable[str]) -> str:
    """Say which of some names may have been meant, in any case; empty if none is like it.

    Examples
    --------
    >>> nearest("--existng", ["--existing", "--exclude"]), nearest("--xyz", ["--existing"])
    ('; did you mean --existing?', '')
    """
    # hyphens make all options alike
    folded = {known.casefold().lstrip("-"): known for known in names}
    close = difflib.get_close_matches(name.casefold().lstrip("-"), folded, n=1)
    return f"; did you mean {folded[close[0]]}?" if close else ""


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def apart(probability: float, threshold: float) -> tuple[str, str]:
    """Show a probability and a threshold with two digits, or as many as tell them apart.

    Examples
    --------
    >>> apart(0.31, 0.42), apart(0.507, 0.512), apart(0.5, 0.5)
    (('0.31', '0.42'), ('0.507', '0.512'), ('0.50', '0.50'))
    """
    n_digits = range(2, 18)  # enough for any two from 0.1 on
    shown = ((f"{probability:.{n}f}", f"{threshold:.{n}f}") for n in n_digits)
    same = f"{probability:.2f}", f"{threshold:.2f}"
    return next((pair for pair in shown if pair[0] != pair[1]), same)
