"""What differs between two contents is small, whatever moved, and leads both ways."""

import numpy as np
import pytest

from genretagger.errors import TrackError
from genretagger.writing import exchange
from genretagger.writing.delta import Delta, Stretch
from genretagger.writing.difference import difference


@pytest.mark.parametrize("size", [0, 1, 5, (1 << 20) + 3, 3 << 20])
@pytest.mark.parametrize("change", ["none", "first", "last", "inside", "grow", "shrink", "all"])
def test_the_difference_of_two_files_is_the_shortest_and_leads_both_ways(tmp_path, size, change):
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
    a, b, c = (tmp_path / name for name in "abc")
    a.write_bytes(old)
    b.write_bytes(new)
    delta = difference(a, b)
    assert old[: delta.start] == new[: delta.start]
    for stretch in delta.stretches:
        if stretch.old and stretch.new:
            assert stretch.old[0] != stretch.new[0]
            assert stretch.old[-1] != stretch.new[-1]
    exchange.patch(a, c, delta)
    assert c.read_bytes() == new
    exchange.patch(b, c, delta.reversed())
    assert c.read_bytes() == old


def test_a_delta_that_does_not_fit_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"abcdef")
    for stretch in (Stretch(1, b"x", b"y"), Stretch(100, b"", b"y")):
        with pytest.raises(TrackError, match="changed since"):
            exchange.patch(tmp_path / "a", tmp_path / "b", Delta((stretch,)))
