"""What differs between two contents is small, whatever moved, and leads both ways."""

import random
import struct
import tracemalloc

import numpy as np
import pytest
from mutagen.ogg import OggPage

from genretagger.errors import TrackError
from genretagger.writing import exchange
from genretagger.writing.delta import Delta, Entries, Pages, Stretch
from genretagger.writing.difference import difference

pytestmark = pytest.mark.quick

NOISE = np.random.default_rng(0).integers(0, 256, 3 << 20, dtype=np.uint8).tobytes()
"""As compressed audio looks: no two stretches are the same."""


@pytest.fixture
def compared(tmp_path):
    """Find how one content becomes another, and make sure that it leads both ways."""

    def compare(old, new):
        a, b, c = (tmp_path / name for name in "abc")
        a.write_bytes(old)
        b.write_bytes(new)
        delta = difference(a, b)
        exchange.patch(a, c, delta)
        assert c.read_bytes() == new
        exchange.patch(b, c, delta.reversed())
        assert c.read_bytes() == old
        assert delta.reversed().reversed() == delta
        return delta

    return compare


def kept(delta):
    """Count the bytes that have to be kept."""
    return sum(len(s.old) + len(s.new) for s in delta.stretches if isinstance(s, Stretch))


@pytest.mark.parametrize("size", [0, 1, 5, (1 << 20) + 3, 3 << 20])
@pytest.mark.parametrize("change", ["none", "first", "last", "inside", "grow", "shrink", "all"])
def test_the_difference_of_two_files_is_the_shortest_and_leads_both_ways(compared, size, change):
    rng = np.random.default_rng(size)
    old = rng.integers(0, 255, size, dtype=np.uint8).tobytes()
    at = size // 2
    new = {
        "none": old,
        "first": b"\xff" + old[1:],
        "last": old[:-1] + b"\xff",
        "inside": old[:at] + b"\xff\xff" + old[at + 2 :],
        "grow": old[:at] + b"\xff\xff\xff" + old[at:],
        "shrink": old[:at] + old[at + 3 :],
        "all": bytes(b ^ 255 for b in old),
    }[change]
    delta = compared(old, new)
    assert old[: delta.start] == new[: delta.start]
    for stretch in delta.stretches:
        if stretch.old and stretch.new:
            assert stretch.old[0] != stretch.new[0]
            assert stretch.old[-1] != stretch.new[-1]


@pytest.mark.parametrize(
    "stretch",
    [
        Stretch(1, b"x", b"y"),
        Stretch(100, b"", b"y"),
        Entries(0, 2, 4, 1),
        Entries(1 << 40, 1, 8, 1),
        Pages(0, 6, 0, 1),
        Pages(0, 1 << 40, 0, 1),
    ],
)
def test_a_delta_that_does_not_fit_is_refused(tmp_path, stretch):
    (tmp_path / "a").write_bytes(b"abcdef")
    with pytest.raises(TrackError, match="changed since"):
        exchange.patch(tmp_path / "a", tmp_path / "b", Delta((stretch,)))


SIZE = "<I"  # as RIFF has it


@pytest.mark.parametrize("audio", [NOISE, bytes(len(NOISE)), NOISE[:5000] * 600])
@pytest.mark.parametrize("at_start", [(b"", b""), (b"ID3" + bytes(90), b"ID3x" + bytes(2000))])
@pytest.mark.parametrize("at_end", [(b"", b"tag" * 40), (b"APE" * 50, b"APE" * 20)])
def test_audio_that_moved_is_not_kept(compared, audio, at_start, at_end):
    old, new = (
        b"RIFF" + struct.pack(SIZE, len(start + audio + end)) + start + audio + end
        for start, end in zip(at_start, at_end, strict=True)
    )
    assert kept(compared(old, new)) < 4096 + sum(map(len, at_start + at_end))


def test_the_largest_of_several_equal_parts_is_found_wherever_it_moved(compared):
    picture = NOISE[:200_000]
    old = b"head" + b"a" * 70_000 + picture + b"b" * 9 + NOISE + b"end"
    new = b"HEAD" + b"a" * 9 + picture + b"b" * 70_000 + b"c" * 555 + NOISE + b"END."
    assert kept(compared(old, new)) < 250_000


@pytest.mark.parametrize(("letter", "width"), [("I", 4), ("Q", 8)])
@pytest.mark.parametrize("added", [1, 256, 3000, 1 << 16, -1, -70_000])
def test_a_table_of_offsets_is_kept_as_what_was_added(compared, letter, width, added):
    chance = random.Random(added)
    offsets = [100_000]
    for _ in range(20_000):
        offsets.append(offsets[-1] + chance.randrange(1, 50_000))

    def moov(added, tag):
        table = struct.pack(f">{len(offsets)}{letter}", *(n + added for n in offsets))
        size = (len(table) + len(tag)).to_bytes(4, "big")
        return size + b"moov" + NOISE[:3000] + b"stco" + table + tag + NOISE

    delta = compared(moov(0, b"udta1234"), moov(added, b"udta12345678longer"))
    assert kept(delta) < 200
    (entries,) = [s for s in delta.stretches if isinstance(s, Entries)]
    # a table that is read one byte off has grown by the same, too
    assert abs(entries.count - len(offsets)) <= 1


def ogg(*pages):
    """Let mutagen write pages of (serial, number, content)."""
    data = b""
    for serial, number, content in pages:
        page = OggPage()
        page.serial, page.sequence, page.packets = serial, number, [content]
        data += page.write()
    return data


def stream(serial, first, n=300):
    return [(serial, first + k, NOISE[k * 4000 : k * 4000 + 3900 + k]) for k in range(n)]


def test_ogg_pages_are_numbered_anew_rather_than_kept(compared):
    old = ogg((7, 0, b"head"), (7, 1, b"comment"), *stream(7, 2))
    new = ogg((7, 0, b"head"), (7, 1, b"comment" * 99), (7, 2, b"more" * 999), *stream(7, 3))
    delta = compared(old, new)
    assert kept(delta) < 6000
    (pages,) = [s for s in delta.stretches if isinstance(s, Pages)]
    assert (pages.serial, pages.added) == (7, 1)


def test_pages_of_other_streams_and_gaps_in_the_numbers_are_no_hindrance(compared):
    ours, other = stream(7, 2, 100), stream(8, 0, 100)
    mixed = [page for pair in zip(ours, other, strict=True) for page in pair]
    moved = [page for pair in zip(stream(7, 4, 100), other, strict=True) for page in pair]
    head, chained = (7, 0, b"head"), stream(9, 0, 50)
    # what numbers anew closes the gap
    old = ogg(head, (7, 1, b"comment"), *mixed, *stream(7, 500), *chained)
    new = ogg(head, (7, 1, b"com" * 2000), (7, 2, b"ment"), *moved, *stream(7, 104), *chained)
    delta = compared(old, new)
    assert kept(delta) < 8000
    assert [s.added for s in delta.stretches if isinstance(s, Pages)] == [2, (104 - 500) % 2**32]


def test_a_broken_ogg_page_costs_no_more_than_that_page(compared):
    old, new = (
        bytearray(ogg((7, 0, b"head"), (7, 1, comment), *more, *stream(7, 2 + len(more))))
        for comment, more in ((b"comment", []), (b"comment" * 99, [(7, 2, b"more")]))
    )
    for content in (old, new):
        content[-600_000] ^= 1  # its checksum is wrong, and stays what it was
    assert kept(compared(bytes(old), bytes(new))) < 2000


def test_changes_without_order_lead_both_ways(compared):
    chance = random.Random(1)
    for _ in range(60):
        old = bytes(chance.choices(range(chance.choice((1, 2, 256))), k=chance.randrange(6000)))
        new = bytearray(old)
        for _ in range(chance.randrange(6)):
            at, n = chance.randrange(len(new) + 1), chance.choice((1, 4, 40, 400))
            piece = chance.choice((b"", chance.randbytes(n), bytes(new[:n])))
            new[at : at + chance.choice((0, n))] = piece
        compared(old, bytes(new))


def test_memory_does_not_grow_with_the_file(tmp_path):
    a, b, c = (tmp_path / name for name in "abc")
    for path, size in ((a, b"size"), (b, b"SIZE")):
        with path.open("wb") as file:  # sparse
            file.write(b"FORM" + size)
            file.truncate(100 << 20)
    with b.open("ab") as file:
        file.write(b"a tag at its end")
    tracemalloc.start()
    delta = difference(a, b)
    exchange.patch(a, c, delta)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert c.stat().st_size == b.stat().st_size
    assert (kept(delta), peak < 10 << 20) == (24, True)
