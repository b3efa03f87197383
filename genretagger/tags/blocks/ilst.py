"""iTunes' list of tags in an MP4: the atoms within ``ilst``.

References
----------
Atoms: ISO/IEC 14496-12 section 4.2. ``data`` atoms and their types: Apple, "QuickTime File
Format", "Metadata", "Well-known types".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mutagen.id3 import TCON

from genretagger.tags.base import Block, Edit, gathered, replaced

_UTF8, _UTF16 = 1, 2


class Atom(NamedTuple):
    """Where an atom lies: its name, its first byte, that of its content, the one behind it."""

    name: bytes
    start: int
    content: int
    end: int


def walk_atoms(
    at: Callable[[int, int], bytes], start: int, end: int, *, may_be_cut: bool = False
) -> Iterator[Atom]:
    """Cut a stretch into atoms.

    Parameters
    ----------
    at : callable
        Reads bytes: (offset, size).
    start, end : int
        Less than eight bytes at the end are no atom.
    may_be_cut : bool
        Let the last atom end before the size that it states.

    Raises
    ------
    ValueError
        If an atom is smaller than its head, or runs past the end.
    """
    while start + 8 <= end:
        size, name = struct.unpack(">I4s", at(start, 8))
        head = 8
        if size == 1:  # a 64-bit size follows
            head, (size,) = 16, struct.unpack(">Q", at(start + 8, 8))
        elif size == 0:  # up to the end
            size = end - start
        if may_be_cut:
            size = min(size, end - start)
        if not head <= size <= end - start:
            raise ValueError("the atoms do not add up")
        yield Atom(name, start, start + head, start + size)
        start += size


def pack_atom(name: bytes, content: bytes) -> bytes:
    """Put size and name before the content of an atom."""
    return struct.pack(">I4s", 8 + len(content), name) + content


def _parts(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Cut bytes into atoms: (name, content) each."""
    atoms = walk_atoms(lambda start, size: raw[start : start + size], 0, len(raw))
    return [(atom.name, raw[atom.content : atom.end]) for atom in atoms]


def parse_ilst(raw: bytes) -> Block:
    """Read the texts; a flag is 1 or 0, an old numbered genre is spelled out."""
    return Block("MP4", gathered((_key(*item), _texts(*item)) for item in _parts(raw)))


def _key(name: bytes, content: bytes) -> str:
    if name == b"gnre":
        return "©gen"
    if name != b"----":
        return name.decode("latin-1")
    texts = {part: text[4:].decode("utf-8", "replace") for part, text in _parts(content)}
    return f"----:{texts.get(b'mean', '')}:{texts.get(b'name', '')}"


def _texts(name: bytes, content: bytes) -> Iterator[str]:
    for part, data in _parts(content):
        if part != b"data" or len(data) < 8:
            continue
        kind, value = int.from_bytes(data[1:4], "big"), data[8:]
        if name == b"gnre":
            number = int.from_bytes(value, "big")  # ID3v1's, from 1 on
            yield from TCON.GENRES[number - 1 : number] if number else ()
        elif name == b"cpil":
            yield str(int(any(value)))
        elif kind == _UTF16:
            yield value.decode("utf-16-be", "replace")
        elif kind == _UTF8 or name in {b"----", b"aART"} or name[:1] == b"\xa9":
            yield value.decode("utf-8", "replace")


def edit_ilst(raw: bytes, edit: Edit) -> bytes:
    """Put values into the list; an atom of one's own keeps its spelling, all others stay."""
    items = _parts(raw)
    are_ours = [_key(*item).upper() == edit.key.upper() for item in items]
    name, head = edit.key[:4].encode("latin-1"), b""
    if name == b"----":
        ours = next((item for item, is_ours in zip(items, are_ours, strict=True) if is_ours), None)
        head = _head(ours[1]) if ours else _new_head(edit.key)
    data = (struct.pack(">II", _UTF8, 0) + value.encode() for value in edit.values)
    content = head + b"".join(pack_atom(b"data", value) for value in data)
    wholes = [pack_atom(*item) for item in items]
    return b"".join(replaced(wholes, are_ours, [pack_atom(name, content)] if edit.values else []))


def _head(content: bytes) -> bytes:
    """Take what stands before the data of an atom of one's own: who calls it what."""
    return b"".join(pack_atom(*part) for part in _parts(content) if part[0] in {b"mean", b"name"})


def _new_head(key: str) -> bytes:
    _, mean, name = key.split(":", 2)
    return b"".join(
        pack_atom(part, bytes(4) + text.encode())
        for part, text in ((b"mean", mean), (b"name", name))
    )


def quicktime_genres(keys: bytes, ilst: bytes) -> Iterator[str]:
    """Find genres among QuickTime's tags, which a table of keys names by number.

    Parameters
    ----------
    keys, ilst : bytes
        The contents of both atoms.
    """
    names = [name for _, name in _parts(keys[8:])]
    for name, content in _parts(ilst):
        number = int.from_bytes(name, "big")
        key = names[number - 1] if 0 < number <= len(names) else b""
        if key.lower().rpartition(b".")[2] == b"genre":
            yield from _texts(b"----", content)


def user_data_texts(name: bytes, content: bytes) -> Iterator[str]:
    """Read the texts of an atom that stands in ``udta`` itself, each once for a language.

    Parameters
    ----------
    name : bytes
        One that begins with © is QuickTime's, with a length and a language before each text.
        Others are 3GPP's, with a version and a language before the one text.
    content : bytes

    References
    ----------
    Apple, "QuickTime File Format", "User Data Text Strings and Language Codes". 3GPP TS 26.244,
    section 8.2.
    """
    if name[:1] != b"\xa9":
        yield _in_some_unicode(content[6:])
        return
    while len(content) > 4:
        size, language = struct.unpack(">HH", content[:4])
        text, content = content[4 : 4 + size], content[4 + size :]
        is_macintosh = language < 0x400
        yield text.decode("mac-roman") if is_macintosh else _in_some_unicode(text)


def _in_some_unicode(text: bytes) -> str:
    is_wide = text[:2] in {b"\xfe\xff", b"\xff\xfe"}
    return text.decode("utf-16" if is_wide else "utf-8", "replace").split("\0")[0]
