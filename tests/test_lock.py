"""One writing run at a time."""

import pytest

from genretagger.errors import FatalError
from genretagger.writing import lock


def test_a_lock_that_cannot_be_had_stops_the_run(tmp_path):
    (tmp_path / "blocked").write_text("a file where a folder should be")
    with (
        pytest.raises(FatalError, match=r"the lock .*writing\.lock cannot be used: .*nothing was"),
        lock.only_writer(tmp_path / "blocked", "tag"),
    ):
        raise AssertionError("it must not be reached")


def test_errors_inside_of_the_lock_are_left_alone(tmp_path):
    for error in (OSError("something else"), BrokenPipeError(), KeyboardInterrupt()):
        with pytest.raises(type(error)), lock.only_writer(tmp_path, "tag"):
            raise error
    with lock.only_writer(tmp_path, "tag"):
        pass
