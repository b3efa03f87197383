"""A file gets its new content in full, with everything that its attributes say."""

import os
import stat

import changes
import pytest

from genretagger.writing import exchange

pytestmark = pytest.mark.quick


def test_mode_attributes_links_and_mtime_survive(audio_file):
    path = audio_file("MP3")  # without a tag: the file must grow, so it is replaced
    path.chmod(0o640)
    os.utime(path, ns=(10**18, 10**18))
    try:
        os.setxattr(path, "user.colour", b"blue")
        has_attributes = True
    except OSError:  # not every file system has them
        has_attributes = False
    link = path.with_name("link.mp3")
    link.symlink_to(path.name)
    changes.write(link, "Rock", preserve_mtime=True)
    assert link.is_symlink()
    assert changes.genres_in(path) == ["Rock"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_mtime_ns == 10**18
    assert not has_attributes or os.getxattr(path, "user.colour") == b"blue"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_the_owner_survives(audio_file):
    path = audio_file("MP3")
    os.chown(path, 12345, 54321)
    changes.write(path, "Rock")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


@pytest.mark.parametrize("form", ["MP3", "FLAC"])
def test_hard_links_stay_one_file(audio_file, form):
    path = audio_file(form)
    other = path.with_name("other" + path.suffix)
    os.link(path, other)
    before = path.read_bytes()
    changes.write(path, "Rock", "Pop")
    assert path.samefile(other)
    assert changes.genres_in(other) == ["Pop; Rock"]
    changes.take_back()
    assert path.samefile(other)
    assert other.read_bytes() == before


def test_a_small_change_keeps_the_inode(audio_file):
    path = audio_file("FLAC", genre=("Rock",))
    inode = path.stat().st_ino
    changes.write(path, "Jazz")
    assert path.stat().st_ino == inode


def test_what_a_killed_run_left_beside_a_file_is_cleared_by_the_next(audio_file):
    path = audio_file("MP3")
    exchange.copy_of(path).write_bytes(b"half a copy")
    changes.write(path, "Rock")
    assert changes.genres_in(path) == ["Rock"]
    assert not list(path.parent.glob(".genretagger-*"))
