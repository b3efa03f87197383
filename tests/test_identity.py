"""What tells one state of a file from another."""

import os
import time

import pytest

from genretagger.errors import TrackError
from genretagger.identity import has_ticked_since, identify, is_settled, stamp
from genretagger.records import Identity

pytestmark = pytest.mark.quick


def test_the_identity_of_a_file_that_is_gone_cannot_be_told(tmp_path):
    with pytest.raises(TrackError, match="cannot be examined"):
        identify(tmp_path / "gone")


def test_every_change_to_a_file_shows_in_its_stamp(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(b"one")
    stamps = {stamp(identify(path))}
    path.write_bytes(b"two more")  # its size
    stamps.add(stamp(identify(path)))
    os.utime(path, ns=(1, 1))  # its modification time
    stamps.add(stamp(identify(path)))
    path.replace(tmp_path / "b.mp3")
    path.write_bytes(b"two more")  # another file
    os.utime(path, ns=(1, 1))
    stamps.add(stamp(identify(path)))
    assert len(stamps) == 4


@pytest.mark.parametrize(
    ("age_s", "fraction_ns", "is_sure"),
    [(0, 1, True), (0, 0, False), (10, 0, True), (10, 1, True)],
    ids=["just now, fine clock", "just now, coarse clock", "long ago, coarse", "long ago, fine"],
)
def test_two_changes_within_one_tick_of_a_coarse_clock_would_look_alike(
    age_s, fraction_ns, is_sure
):
    at = time.time_ns() // 10**9 * 10**9 - age_s * 10**9 + fraction_ns
    assert is_settled(Identity(1, 2, 3, at, at)) is is_sure
    assert has_ticked_since(at) is (age_s == 10)
