"""Files that come into folders are given once they are whole, and once."""

import contextlib
import os
import shutil
import sys
import threading
import time

import pytest

pytest.importorskip("watchdog")

from genretagger import arrival
from genretagger.arrival import Arrivals

SETTLE_S = 0.4
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is open")


@pytest.fixture
def arrivals(folder):
    """Open arrivals; what is told of them is in `told`."""
    with contextlib.ExitStack() as stack:

        def get(*folders, **options):
            told = []
            settings = {"settle_s": SETTLE_S, "rescan_s": 3600.0, **options}
            new = Arrivals(
                folders or (folder,),
                on_error=lambda path, why: told.append((path.name, why)),
                warn=told.append,
                **settings,
            )
            new.told = told
            return stack.enter_context(contextlib.closing(new))

        yield get


def within(arrivals, seconds):
    """Give what becomes whole within some seconds."""
    end_s = time.monotonic() + seconds
    given = []
    while time.monotonic() < end_s:
        given += next_whole(arrivals)
    return given


def next_whole(arrivals):
    """Give what is whole now, without waiting for more: one round of `Arrivals.wait`."""
    if arrivals._next_scan_s is None or time.monotonic() >= arrivals._next_scan_s:
        arrivals._look_through()
    whole = arrivals._whole()
    arrivals._take_events()
    return whole


def test_what_lies_there_is_given_first_and_once(folder, arrivals):
    (folder / "Album").mkdir()
    names = ["a.mp3", "Album/b.flac", ".hidden.mp3", "cover.jpg", "c.mp3.part", "d.aac"]
    for name in names:
        (folder / name).write_bytes(b"x")
    here = arrivals()
    assert here.wait() == [folder / "a.mp3", folder / "Album/b.flac"]
    assert here.was_there == {folder / "a.mp3", folder / "Album/b.flac"}
    assert within(here, 1.5) == []


def test_a_file_that_comes_slowly_is_given_when_its_last_byte_is_there(
    folder, arrivals, monkeypatch
):
    # other systems do not tell who has it open, so that its size and times must do
    monkeypatch.setattr(arrival, "is_open_for_writing", lambda _: False)
    here, done_s = arrivals(settle_s=1.5), []
    within(here, 0.2)

    def write():
        for _ in range(8):
            with (folder / "slow.flac").open("ab") as file:
                file.write(b"x" * 1000)
            time.sleep(0.3)
        done_s.append(time.monotonic())

    writer = threading.Thread(target=write)
    writer.start()
    assert here.wait() == [folder / "slow.flac"]
    writer.join()
    assert time.monotonic() > done_s[0]
    assert (folder / "slow.flac").stat().st_size == 8000
    assert folder / "slow.flac" not in here.was_there
    assert within(here, 1.0) == []


@ON_LINUX
def test_a_stalled_download_of_full_size_waits_for_the_program_that_writes_it(folder, arrivals):
    here = arrivals()
    within(here, 0.2)
    with (folder / "torrent.flac").open("wb") as file:
        file.truncate(100_000)
        assert within(here, 4 * SETTLE_S) == []
    assert here.wait() == [folder / "torrent.flac"]


def test_names_of_downloaders_are_passed_over_until_the_file_has_its_own(folder, arrivals):
    here = arrivals(ignore=["INCOMPLETE*", "*.temp.*"])
    within(here, 0.2)
    for name in (".track.mp3.Xa81", "b.mp3.part", "INCOMPLETE~c.mp3", "d.temp.mp3"):
        (folder / name).write_bytes(b"x")
    assert within(here, 3 * SETTLE_S) == []
    (folder / "b.mp3.part").rename(folder / "b.mp3")
    assert here.wait() == [folder / "b.mp3"]
    (folder / "d.temp.mp3").rename(folder / "d.mp3")
    assert here.wait() == [folder / "d.mp3"]


def test_a_folder_that_is_moved_in_comes_with_all_that_is_in_it(folder, arrivals, tmp_path):
    here = arrivals()
    within(here, 0.2)
    (tmp_path / "elsewhere/CD 1").mkdir(parents=True)
    (tmp_path / "elsewhere/a.mp3").write_bytes(b"x")
    (tmp_path / "elsewhere/CD 1/b.mp3").write_bytes(b"x")
    (tmp_path / "elsewhere").rename(folder / "Album")
    assert set(within(here, 3 * SETTLE_S)) == {folder / "Album/a.mp3", folder / "Album/CD 1/b.mp3"}
    (folder / "Album/CD 1/c.mp3").write_bytes(b"x")  # and it is watched from then on
    assert here.wait() == [folder / "Album/CD 1/c.mp3"]


def test_a_file_is_given_again_only_when_something_else_has_changed_it(folder, arrivals):
    path = folder / "a.mp3"
    path.write_bytes(b"x")
    here = arrivals()
    assert here.wait() == [path]
    assert here.is_known(path)
    path.write_bytes(b"written here")
    assert not here.is_known(path)
    here.note_written(path)
    assert within(here, 3 * SETTLE_S) == []
    path.write_bytes(b"by another program")
    assert here.wait() == [path]
    assert path not in here.was_there


def test_a_file_that_goes_before_it_is_whole_is_not_given(folder, arrivals):
    here = arrivals()
    within(here, 0.2)
    (folder / "a.mp3").write_bytes(b"x")
    within(here, SETTLE_S / 2)
    (folder / "a.mp3").unlink()
    assert within(here, 3 * SETTLE_S) == []
    assert here.known() == []


@ON_LINUX
def test_an_album_is_held_back_until_all_of_its_folder_is_whole(folder, arrivals):
    here = arrivals(together=True)
    within(here, 0.2)
    (folder / "1.mp3").write_bytes(b"x")
    with (folder / "2.mp3").open("wb") as file:
        file.write(b"x")
        assert within(here, 4 * SETTLE_S) == []
    assert set(here.wait()) == {folder / "1.mp3", folder / "2.mp3"}
    assert set(here.known()) == {folder / "1.mp3", folder / "2.mp3"}


def test_without_events_the_folders_are_looked_through(folder, arrivals, monkeypatch):
    class NoMore:
        def __init__(self, *_):
            raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(arrival, "_Listener", NoMore)
    here = arrivals(rescan_s=1.0)
    within(here, 0.2)
    (message,) = here.told
    assert message.startswith("there are no events of files (inotify watch limit reached)")
    (folder / "a.mp3").write_bytes(b"x")
    assert here.wait() == [folder / "a.mp3"]


def test_a_folder_that_was_away_is_watched_again_and_told_of_once(folder, arrivals, tmp_path):
    here = arrivals(rescan_s=0.5)
    within(here, 0.2)
    folder.rename(tmp_path / "unplugged")
    within(here, 2.0)
    assert here.told == [("Music", "cannot be read: No such file or directory")]
    (tmp_path / "unplugged").rename(folder)
    within(here, 1.0)
    here._rescan_s = here._next_scan_s = time.monotonic() + 3600.0  # from here on by events alone
    (folder / "a.mp3").write_bytes(b"x")
    assert here.wait() == [folder / "a.mp3"]


def test_below_a_link_files_have_the_name_by_which_they_are_watched(folder, arrivals, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    here = arrivals(link)
    within(here, 0.2)
    (folder / "a.mp3").write_bytes(b"x")
    assert here.wait() == [link / "a.mp3"]


def test_no_more_than_some_hundred_files_are_given_at_once(folder, arrivals, monkeypatch):
    monkeypatch.setattr(arrival, "_MOST", 3)
    for n in range(7):
        (folder / f"{n}.mp3").write_bytes(b"x")
    here = arrivals()
    assert [len(here.wait()) for _ in range(3)] == [3, 3, 1]


def test_a_pipe_or_a_folder_that_is_named_as_audio_is_does_no_harm(folder, arrivals):
    here = arrivals()
    within(here, 0.2)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.mp3")
    (folder / "folder.mp3").mkdir()
    assert within(here, 3 * SETTLE_S) == []
    shutil.rmtree(folder / "folder.mp3")
    (folder / "a.mp3").write_bytes(b"x")
    assert here.wait() == [folder / "a.mp3"]
