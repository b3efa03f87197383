"""A file gets its new content in full, with everything that its attributes say."""

import codecs
import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path

import changes
import make_audio
import pytest

from genretagger.records import State
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


OURS, THEIRS, SHARED = 20002, 20001, 20050


@pytest.fixture
def shared_folder(audio_file, monkeypatch):
    """Give files of another user in a folder that our group may write, and become that group."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("needs root")
    # the folder of the tests is closed to others
    folder, state = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    groups = os.getgroups()

    def make(form, mode=0o664, folder_mode=0o2775, owner=THEIRS):
        path = folder / f"theirs{make_audio.FORMS[form].suffix}"
        shutil.copy(audio_file(form), path)
        for each, rights in ((folder, folder_mode), (path, mode)):
            os.chown(each, owner, SHARED)
            each.chmod(rights)
        os.chown(state, OURS, SHARED)
        codecs.lookup("ascii")  # the other user may not be allowed to read Python's own files
        os.setgroups([])
        os.setegid(SHARED)
        os.seteuid(OURS)
        return path

    yield make
    os.seteuid(0)
    os.setegid(0)
    os.setgroups(groups)
    for each in (folder, state):
        shutil.rmtree(each)


@pytest.mark.parametrize("form", ["MP3", "FLAC", "M4A AAC", "WAV", "Opus"])
def test_a_file_of_another_owner_is_changed_where_it_stands(shared_folder, form):
    path = shared_folder(form)
    before, was = path.read_bytes(), path.stat()
    changes.write(path, "Rock", "Pop")
    now = path.stat()
    assert changes.genres_in(path) == ["Pop; Rock"]
    assert (now.st_uid, now.st_gid, now.st_mode) == (THEIRS, SHARED, was.st_mode)
    assert now.st_ino == was.st_ino
    changes.take_back()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("mode", "folder_mode"),
    [(0o666, 0o3777), (0o060, 0o2775), (0o664, 0o3775)],
    ids=["sticky", "closed to its owner", "sticky, of the group"],
)
def test_whatever_the_rights_that_leave_it_writable_for_us(shared_folder, mode, folder_mode):
    path = shared_folder("MP3", mode, folder_mode)
    was = path.stat()
    changes.write(path, "Rock")
    assert changes.genres_in(path) == ["Rock"]
    assert (path.stat().st_uid, path.stat().st_mode) == (THEIRS, was.st_mode)


def test_a_time_that_we_may_not_set_is_found_out_before_anything_is_written(shared_folder):
    path = shared_folder("MP3")
    before = path.read_bytes()
    line = changes.write(path, "Rock", preserve_mtime=True)
    assert line.state is State.FAILED
    assert line.reason == ("cannot be rewritten: Operation not permitted; it stays as it was",)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["chown", "chmod", "utime"])
@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_on_a_drive_that_knows_no_owners_a_file_is_changed_where_it_stands(
    audio_file, monkeypatch, name, code
):
    path = audio_file("MP3")
    before, was = path.read_bytes(), path.stat()
    monkeypatch.setattr(exchange, "_owner", lambda path: (was.st_uid + 1, was.st_gid))

    def refuse(*arguments, **options):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, refuse)
        changes.write(path, "Rock")
        assert changes.genres_in(path) == ["Rock"]
        assert path.stat().st_ino == was.st_ino
    changes.take_back()
    assert path.read_bytes() == before


def test_a_drive_that_cannot_set_room_aside_is_written_without(audio_file, monkeypatch):
    path = audio_file("MP3")
    os.link(path, path.with_name("other.mp3"))

    def refuse(*arguments):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    changes.write(path, "Rock")
    assert changes.genres_in(path) == ["Rock"]


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
