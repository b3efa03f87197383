"""MP4."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from mutagen import PaddingInfo

from genretagger.errors import TrackError
from genretagger.tags.base import Block
from genretagger.tags.blocks.ilst import (
    Atom,
    pack_atom,
    quicktime_genres,
    user_data_texts,
    walk_atoms,
)
from genretagger.tags.layouts.base import Layout, Sound
from genretagger.tags.layouts.splices import Splice

_PARENTS = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"udta", b"meta"}
_ABOUT_AUDIO = {b"elst", b"stsd", b"stts", b"stsc", b"stsz"}
_OFFSET_TABLES = {b"stco": "I", b"co64": "Q"}
"""Tables of where in the file each chunk of audio begins, and how wide their entries are."""
_OTHER_OFFSETS = {b"saio", b"iloc"}


class _Node(NamedTuple):
    """An atom within another, and those around it, from the outside in."""

    atom: Atom
    parents: tuple[Atom, ...]


class _Place(NamedTuple):
    """Where a list of tags goes: the stretch, the atoms around it, those to be put around it."""

    start: int
    end: int
    parents: tuple[Atom, ...]
    new_parents: tuple[bytes, ...] = ()


class Mp4(Layout):
    """MP4: iTunes' tags in an ``ilst`` within ``moov``, which also says where the audio lies.

    ``ilst`` stands in a ``meta``: with a version, as ISO has it, or without, as QuickTime has it;
    in ``moov``, ``udta`` or ``trak``; and it may be made for other tags than iTunes'. QuickTime and
    mobile phones put texts into ``udta`` itself, too.

    References
    ----------
    ISO/IEC 14496-12 sections 8.7.5 (offsets), 8.11.1 (``meta``). Apple, "QuickTime File Format",
    "Metadata".
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.top = list(walk_atoms(self.at, 0, self.size, may_be_cut=True))
        if not any(atom.name == b"moov" for atom in self.top):
            raise ValueError("no moov atom")
        self.moov = next(atom for atom in self.top if atom.name == b"moov")
        self.nodes = [node for a in self.top if a.name in _PARENTS for node in self._walk(a, ())]
        if b"soun" not in [self._handler(node.atom) for node in self._named(b"hdlr")]:
            raise ValueError("no audio track")
        self.lists = [n for n in self._named(b"ilst") if self._purpose(n.parents[-1]) != b"mdta"]
        if self.lists:
            first, *others = (self._content(node.atom) for node in self.lists)
            self.raw["MP4"] = first
            self.further = [("MP4", content) for content in others]

    def _walk(self, parent: Atom, parents: tuple[Atom, ...]) -> Iterator[_Node]:
        """Yield the atoms within one, and those within them."""
        parents = (*parents, parent)
        for atom in walk_atoms(self.at, self._first_child(parent), parent.end):
            yield _Node(atom, parents)
            if atom.name in _PARENTS:
                yield from self._walk(atom, parents)

    def _first_child(self, parent: Atom) -> int:
        """Say where the atoms within one begin: in a ``meta`` behind its version, if it has one."""
        is_full = parent.name == b"meta" and self.at(parent.content, 8)[4:] != b"hdlr"
        return parent.content + (4 if is_full else 0)

    def _named(self, *names: bytes) -> list[_Node]:
        return [node for node in self.nodes if node.atom.name in names]

    def _content(self, atom: Atom) -> bytes:
        return self.at(atom.content, atom.end - atom.content)

    def _handler(self, hdlr: Atom) -> bytes:
        return self._content(hdlr)[8:12]

    def _purpose(self, meta: Atom) -> bytes:
        """Say whose tags a ``meta`` holds: ``mdir`` is for iTunes', ``mdta`` for QuickTime's."""
        handlers = [n.atom for n in self._named(b"hdlr") if n.parents[-1] == meta]
        return self._handler(handlers[0]) if handlers else b""

    def blocks(self) -> list[Block]:
        """Read iTunes' tags, and a genre among QuickTime's or 3GPP's as if it stood there, too."""
        blocks = super().blocks()
        if genres := self._quicktime_genres():
            items = blocks[0].items if blocks else {}
            return [Block("MP4", {**items, "©GEN": items.get("©GEN", ()) + genres})]
        return blocks

    def _quicktime_genres(self) -> tuple[str, ...]:
        others = [n for n in self._named(b"ilst") if n not in self.lists]
        in_user_data = tuple(
            genre
            for atom, parents in self._named(b"\xa9gen", b"gnre")
            if parents[-1].name == b"udta"
            for genre in user_data_texts(atom.name, self._content(atom))
            if genre
        )
        return in_user_data + tuple(
            genre
            for node in others
            for keys in self._named(b"keys")
            if keys.parents == node.parents
            for genre in quicktime_genres(self._content(keys.atom), self._content(node.atom))
        )

    def sound(self) -> Sound:
        """Take the largest ``mdat``, and of ``moov`` what describes the audio.

        Of where the chunks lie the first and the last of each track count, within their
        ``mdat``: they must go wherever it goes.
        """
        about = []
        largest = Sound(0, 0)
        for atom in (*self.top, *(node.atom for node in self.nodes)):
            if atom.name in _ABOUT_AUDIO:
                about.append(self._content(atom))
            elif atom.name in _OFFSET_TABLES:
                offsets = self._offsets(atom)
                about += [self._within(offset) for offset in (*offsets[:1], *offsets[-1:])]
            elif atom.name == b"mdat":
                size = atom.end - atom.content
                about.append(b"%d" % size)
                largest = max(largest, Sound(atom.content, size), key=lambda sound: sound.size)
        return largest._replace(about=b"".join(about))

    def _offsets(self, table: Atom) -> tuple[int, ...]:
        (count,) = struct.unpack(">I", self.at(table.content + 4, 4))
        letter = _OFFSET_TABLES[table.name]
        size = count * struct.calcsize(f">{letter}")
        if table.content + 8 + size > table.end:
            raise ValueError("a table of offsets runs past its end")
        return struct.unpack(f">{count}{letter}", self.at(table.content + 8, size))

    def _within(self, offset: int) -> bytes:
        """Say in which ``mdat`` an offset lies, and how far from its beginning."""
        data = [atom for atom in self.top if atom.name == b"mdat"]
        for number, atom in enumerate(data):
            if atom.content <= offset < atom.end:
                return b"%d+%d " % (number, offset - atom.content)
        return b"nowhere "

    def embed(self, new: dict[str, bytes]) -> list[Splice]:
        """Put the list in its place, and correct the sizes around it and the offsets behind it."""
        self._check()
        place = self._place()
        data = self._with_padding(pack_atom(b"ilst", new["MP4"]), place)
        growth = len(data) - (place.end - place.start)
        sizes = [self._resized(parent, growth) for parent in place.parents]
        tables = [
            self._moved(node.atom, place.end, growth) for node in self._named(*_OFFSET_TABLES)
        ]
        return [Splice(place.start, place.end - place.start, data)] + (
            [splice for splice in (*sizes, *tables) if splice] if growth else []
        )

    def _check(self) -> None:
        """Refuse what cannot be kept consistent."""
        if any(atom.name == b"moof" for atom in self.top):
            raise TrackError("a fragmented MP4; make it a plain one first with ffmpeg -c copy")
        if self._named(*_OTHER_OFFSETS):
            raise TrackError("an MP4 that is encrypted or holds items; convert it first")
        if self._quicktime_genres():
            raise TrackError("its genre is among QuickTime's tags, which cannot be changed")

    def _place(self) -> _Place:
        """Find where the list goes: in its own place, or in ``meta``, ``udta`` or ``moov``."""
        if self.lists:
            ilst, parents = self.lists[0]
            inside = [node.atom for node in self.nodes if node.parents == parents]
            at = inside.index(ilst)
            around = [a for a in inside[max(at - 1, 0) : at + 2] if a.name == b"free"][:1]
            places = sorted([ilst, *around], key=lambda atom: atom.start)
            return _Place(places[0].start, places[-1].end, parents)
        udta = next((n for n in self._named(b"udta") if n.parents == (self.moov,)), None)
        if udta is None:
            return _Place(self.moov.end, self.moov.end, (self.moov,), (b"meta", b"udta"))
        parents = (*udta.parents, udta.atom)
        meta = next((n for n in self._named(b"meta") if n.parents == parents), None)
        if meta is None:
            return _Place(udta.atom.content, udta.atom.content, parents, (b"meta",))
        if self._purpose(meta.atom) != b"mdir":
            raise TrackError("tags of another kind where iTunes' would go; leave it out")
        return _Place(meta.atom.end, meta.atom.end, (*parents, meta.atom))

    def _with_padding(self, ilst: bytes, place: _Place) -> bytes:
        """Put padding behind the list, as mutagen would, and new atoms around both."""
        left = place.end - place.start - len(ilst) - 8
        n = PaddingInfo(left, self.size - place.end).get_default_padding()
        data = ilst + pack_atom(b"free", bytes(n))
        for name in place.new_parents:
            head = bytes(4) + pack_atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
            data = pack_atom(name, (head if name == b"meta" else b"") + data)
        return data

    def _resized(self, atom: Atom, growth: int) -> Splice | None:
        """State an atom's new size, unless it ends with the file and states none."""
        size = atom.end - atom.start + growth
        stated = self.at(atom.start, 4)
        if stated == bytes(4):
            return None
        if stated == b"\0\0\0\1":
            return Splice(atom.start + 8, 8, struct.pack(">Q", size))
        return Splice(atom.start, 4, struct.pack(">I", size))

    def _moved(self, table: Atom, end: int, growth: int) -> Splice:
        """Correct the offsets in a table that point behind what has grown."""
        offsets = [offset + (growth if offset >= end else 0) for offset in self._offsets(table)]
        letter = _OFFSET_TABLES[table.name]
        if offsets and max(offsets) >> 8 * struct.calcsize(f">{letter}"):
            raise TrackError("an offset would exceed 4 GB; leave it out")
        data = struct.pack(f">{len(offsets)}{letter}", *offsets)
        return Splice(table.content + 8, len(data), data)
