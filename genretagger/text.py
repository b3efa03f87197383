"""Text for one line of a terminal or a report."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Make text from a tag or a file name safe for one line of a terminal.

    Examples
    --------
    >>> printable("a\x1b[2Jb\nc")
    'a\\x1b[2Jb\\nc'
    """
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def reason_text(parts: tuple[str, ...]) -> str:
    """Join the parts of a reason for one line.

    Examples
    --------
    >>> reason_text(("Rock 0.81", 'kept: file has "Blues"'))
    'Rock 0.81 | kept: file has "Blues"'
    """
    return " | ".join(parts)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
