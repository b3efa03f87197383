"""Find how two contents of a file differ.

The contents are files of any size whose tags differ in a few places, of which some are far
apart, and between which the audio may have moved. So they are not compared in every way, as
text would be, but *anchors* are sought: short runs of bytes of the old content that stand in
the new one, too. Each is extended in both directions as far as the contents are equal, and
what is left on either side is searched in the same way. The result is exact whatever is
found; only how small it is depends on the anchors.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from genretagger.writing.delta import (
    CHUNK,
    PAGE,
    AnyStretch,
    Delta,
    Entries,
    MismatchError,
    Pages,
    Stretch,
    fits_in_page,
    number_of,
    page_at,
    read_at,
    renumbered,
    serial_of,
    unpacked,
)

_ANCHOR = 32
"""Bytes of an anchor: about what a stretch more costs in the journal."""

_DISTINCT = 12
"""How many different bytes an anchor has that is unlikely to stand somewhere else, too. Bytes
of compressed audio have about 30; silence and padding have one."""

_AROUND = (1 << 12, 1 << 16, 1 << 20, 16 << 20)
"""How far from where it is expected an anchor is sought, in bytes: tags are rarely larger."""

_MOST = 512
"""How many anchors are followed; what is then left is one stretch."""

_SEARCHED = 31
"""At how many places of the old content an anchor is taken that is then sought."""

_COMPARED = 8
"""How many finds are compared: in music made of loops, one may be another repetition."""

_MIN_ENTRIES = 8
"""Fewer are no table."""


def difference(old: Path, new: Path) -> Delta:
    """Find how one file becomes another.

    Parameters
    ----------
    old, new : pathlib.Path

    Returns
    -------
    Delta
        If both are equally long and differ within one page only, it has one stretch.
    """
    with contextlib.ExitStack() as stack:
        contents = [stack.enter_context(path.open("rb")) for path in (old, new)]
        return _Search(*contents).delta()


class _Region(NamedTuple):
    """The part of both contents from `old` to `old_end` and from `new` to `new_end`.

    `before` and `after` are numbers of bytes next to it that are equal in both.
    """

    old: int
    old_end: int
    new: int
    new_end: int
    before: int = 0
    after: int = 0

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of either content."""
        return self.old_end - self.old, self.new_end - self.new

    @property
    def growth(self) -> int:
        """By how many bytes what follows has moved."""
        return self.new_end - self.old_end


class _Match(NamedTuple):
    """Equal bytes in both contents."""

    old: int
    new: int
    size: int


class _Search:
    """Compares two contents."""

    def __init__(self, old: BinaryIO, new: BinaryIO) -> None:
        self._old, self._new = old, new
        self._sizes = [file.seek(0, os.SEEK_END) for file in (old, new)]
        self._anchors = 0

    def delta(self) -> Delta:
        """Find the stretches, from the first to the last."""
        whole = self._trimmed(_Region(0, self._sizes[0], 0, self._sizes[1]))
        stretches: list[AnyStretch] = []
        waiting = list(self._around_pages(whole))[::-1]  # the next one is the last
        while waiting:
            part = waiting.pop()
            if isinstance(part, _Region):
                waiting += self._cut(self._trimmed(part))[::-1]
            else:
                stretches.append(part)
        return self._in_one_page(Delta(tuple(stretches)))

    def _cut(self, region: _Region) -> list[_Region | AnyStretch]:
        """Take a region apart at what is equal inside; if there is nothing, it is a stretch."""
        if not any(region.sizes):
            return []
        entries = self._entries(region)
        if entries is not None:
            size = entries.end - region.old
            rest = region._replace(old=entries.end, new=region.new + size, before=0)
            # the last entry may end in bytes that are equal, behind the region
            return [entries, rest] if size < max(region.sizes) else [entries]
        match = self._match(region)
        if match is None:
            return [self._stretch(region)]
        old, new, size = match
        before = region._replace(old_end=old, new_end=new, after=size)
        return [before, region._replace(old=old + size, new=new + size, before=size)]

    def _stretch(self, region: _Region) -> Stretch:
        old = read_at(self._old, region.old, region.sizes[0])
        return Stretch(region.old, old, read_at(self._new, region.new, region.sizes[1]))

    def _in_one_page(self, delta: Delta) -> Delta:
        """Join what can be written with one call."""
        if len(delta.stretches) < 2 or delta.growth or not fits_in_page(delta):
            return delta
        return Delta((self._stretch(_Region(delta.start, delta.end, delta.start, delta.end)),))

    # ---- what is equal -------------------------------------------------------------------

    def _trimmed(self, region: _Region) -> _Region:
        """Leave out what both begin and end with."""
        most = min(region.sizes)
        n = self._equal_after(region.old, region.new, most)
        m = self._equal_before(region.old_end, region.new_end, most - n)
        return _Region(
            region.old + n,
            region.old_end - m,
            region.new + n,
            region.new_end - m,
            region.before + n,
            region.after + m,
        )

    def _equal_after(self, old: int, new: int, most: int) -> int:
        """Count equal bytes from two places on."""
        n, step = 0, PAGE
        while n < most:
            step = min(step, most - n)
            a, b = read_at(self._old, old + n, step), read_at(self._new, new + n, step)
            if a != b:
                return n + _first_difference(a, b)
            n, step = n + step, min(2 * step, CHUNK)
        return n

    def _equal_before(self, old: int, new: int, most: int) -> int:
        """Count equal bytes from two places back."""
        n, step = 0, PAGE
        while n < most:
            step = min(step, most - n)
            a = read_at(self._old, old - n - step, step)
            b = read_at(self._new, new - n - step, step)
            if a != b:
                return n + _first_difference(a[::-1], b[::-1])
            n, step = n + step, min(2 * step, CHUNK)
        return n

    # ---- anchors -------------------------------------------------------------------------

    def _match(self, region: _Region) -> _Match | None:
        """Find equal bytes somewhere in a region, as many as there are in one piece."""
        is_small = min(region.sizes) < _ANCHOR or max(region.sizes) < 3 * _ANCHOR
        if is_small or self._anchors == _MOST:
            return None
        self._anchors += 1
        return (
            self._in_step(region, _is_rare)
            or self._searched(region, _is_rare)
            or self._in_step(region, lambda _: True)
            or self._searched(region, lambda anchor: len(set(anchor)) > 1)
        )

    def _in_step(self, region: _Region, is_good: Callable[[bytes], bool]) -> _Match | None:
        """Look as far from the beginning, or from the end, as in the old content."""
        for place in _places(region.sizes[0]):
            old = region.old + place
            anchor = read_at(self._old, old, _ANCHOR)
            if not is_good(anchor):
                continue
            for new in self._expected(region, place):
                is_inside = region.new <= new <= region.new_end - _ANCHOR
                if is_inside and read_at(self._new, new, _ANCHOR) == anchor:
                    return self._extended(region, old, new)
        return None

    def _searched(self, region: _Region, is_good: Callable[[bytes], bool]) -> _Match | None:
        """Look around there, nearby first, and take the longest of the first few."""
        matches: list[_Match] = []
        for place in islice(_places(region.sizes[0]), _SEARCHED):
            anchor = read_at(self._old, region.old + place, _ANCHOR)
            if not is_good(anchor):
                continue
            for around in _AROUND:
                news = list(islice(self._finds(anchor, region, place, around), _COMPARED))
                if news:
                    matches += [self._extended(region, region.old + place, new) for new in news]
                    break
            longest = max(matches, key=lambda match: match.size, default=None)
            if longest and (len(matches) >= _COMPARED or 2 * longest.size > min(region.sizes)):
                return longest
        return max(matches, key=lambda match: match.size, default=None)

    def _finds(self, anchor: bytes, region: _Region, place: int, around: int) -> Iterator[int]:
        """Yield where an anchor stands in the new content, not far from where it is expected."""
        expected = self._expected(region, place)
        start = max(region.new, min(expected) - around)
        end = min(region.new_end, max(expected) + around + _ANCHOR)
        for at in range(start, end - _ANCHOR + 1, CHUNK):
            data = read_at(self._new, at, min(CHUNK + _ANCHOR - 1, end - at))
            n = data.find(anchor)
            while n >= 0:
                yield at + n
                n = data.find(anchor, n + 1)

    def _expected(self, region: _Region, place: int) -> tuple[int, int]:
        return region.new + place, region.new_end - (region.sizes[0] - place)

    def _extended(self, region: _Region, old: int, new: int) -> _Match:
        n = self._equal_before(old, new, min(old - region.old, new - region.new))
        m = self._equal_after(old, new, min(region.old_end - old, region.new_end - new))
        return _Match(old - n, new - n, n + m)

    # ---- what a container forces -----------------------------------------------------------

    def _entries(self, region: _Region) -> Entries | None:
        """Find out whether a region begins with a table whose entries all grew by the same.

        Its first entry may begin, and its last one end, in bytes that are equal.
        """
        least = min(region.sizes)
        after = region.after if region.sizes[0] == region.sizes[1] else 0
        tables = []
        for width in (4, 8):
            for lead in range(min(width, region.before + 1)):
                most = (lead + least + min(after, width - 1)) // width
                if most >= _MIN_ENTRIES:
                    tables.append(self._table(region.old - lead, region.new - lead, most, width))
        best = max(tables, key=lambda table: table.end, default=None)
        return best if best is not None and best.count >= _MIN_ENTRIES else None

    def _table(self, old: int, new: int, most: int, width: int) -> Entries:
        """Count the entries, up to `most`, that differ by as much as the first one does."""
        count, added, step = 0, 0, _MIN_ENTRIES
        while count < most:
            size, at = min(step, most - count) * width, count * width
            a, b = (
                unpacked(read_at(file, start + at, size), width)
                for file, start in ((self._old, old), (self._new, new))
            )
            added = added or (b[0] - a[0]) % (1 << 8 * width)
            same = _leading(y == (x + added) % (1 << 8 * width) for x, y in zip(a, b, strict=True))
            count += same
            if not added or same < len(a):
                break
            step = CHUNK // width
        return Entries(old, count if added else 0, width, added)

    def _around_pages(self, region: _Region) -> Iterator[_Region | AnyStretch]:
        """Cut a region into Ogg pages that only have another number, and what is between."""
        rest = region
        for pages in self._pages(region):
            end = pages.start + region.growth
            yield rest._replace(old_end=pages.start, new_end=end, after=0)
            yield pages
            rest = rest._replace(old=pages.end, new=pages.end + region.growth, before=0)
        if rest.old < rest.old_end or rest.new < rest.new_end:
            yield rest

    def _pages(self, region: _Region) -> Iterator[Pages]:
        """Find runs of pages that are numbered anew, as far from the end as before."""
        run: Pages | None = None
        for at, page in _pages_of(self._old, region.old_end):
            new = at + region.growth
            is_inside = at >= region.old and new >= region.new
            added = self._added(page, new) if is_inside else None
            if run and added == 0 and serial_of(page) != run.serial:
                continue  # another stream
            if run and (run.serial, run.added) == (serial_of(page), added):
                run = replace(run, size=at + len(page) - run.start)
                continue
            if run:
                yield run
            run = Pages(at, len(page), serial_of(page), added) if added else None
        if run:
            yield run

    def _added(self, page: bytes, new: int) -> int | None:
        """Say by how much the page's number grew; None if more than that was changed."""
        try:
            other = page_at(self._new, new)
        except MismatchError:
            return None
        added = (number_of(other) - number_of(page)) % (1 << 32)
        return added if other == (renumbered(page, added) if added else page) else None


def _is_rare(anchor: bytes) -> bool:
    return len(set(anchor)) >= _DISTINCT


def _pages_of(content: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    at = 0
    with contextlib.suppress(MismatchError):  # no Ogg, or no more of it
        while at < end:
            page = page_at(content, at)
            yield at, page
            at += len(page)


def _places(size: int) -> Iterator[int]:
    """Choose where in a region to look for anchors: the middle first, then all over, the ends."""
    last = size - _ANCHOR
    for parts in (2, 4, 8, 16, 32, 64):
        yield from (last * n // parts for n in range(1, parts, 2))
    step = _ANCHOR
    while step < last // 64:
        yield step
        yield last - step
        step *= 2
    yield 0
    yield last


def _first_difference(a: bytes, b: bytes) -> int:
    """Find the first byte that differs in two sequences that do, by halves."""
    low, high = 0, len(a)
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _leading(truths: Iterable[bool]) -> int:
    return sum(1 for _ in takewhile(bool, truths))
