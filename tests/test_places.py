"""Where this user's files lie, and what happens to a user who has no place for them."""

from pathlib import Path

import pytest
from runs import run

from genretagger import places
from genretagger.errors import FatalError

pwd = pytest.importorskip("pwd")  # Windows has no such list of users

VARIABLES = ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


@pytest.fixture
def homeless(monkeypatch):
    """Be a user without HOME, whom the system does not know, as ``docker --user`` makes one."""

    def unknown(_):
        raise KeyError("no such user")

    for name in VARIABLES:
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.fixture
def closed_home(monkeypatch, tmp_path):
    """Have a HOME in which nothing can be made, also by root."""
    home = tmp_path / "home"
    home.write_text("not a folder")
    for name in VARIABLES:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))


@pytest.mark.parametrize("place", [places.state_folder, places.cache_file, places.plan_key])
def test_a_user_without_a_home_is_told_what_to_set(homeless, place):
    with pytest.raises(FatalError, match=r"no home folder; set HOME, or XDG_(STATE|CACHE)_HOME"):
        place()


def test_a_place_that_is_set_needs_no_home(homeless, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert places.state_folder() == tmp_path / "genretagger"


def test_a_home_that_older_platformdirs_leaves_unknown_is_not_taken_for_a_folder(monkeypatch):
    monkeypatch.setattr(places, "user_state_path", lambda *_, **__: Path("~/.local/state/x"))
    with pytest.raises(FatalError, match="no home folder"):
        places.state_folder()


def test_without_a_home_hearing_goes_on_without_a_cache(homeless, audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    for arguments in (["predict"], ["tag", "-n", "--always"]):
        code, (row,), message = run(capsys, *arguments, path)
        assert code == 0
        assert row["probabilities"]
        assert message.count("no home folder; set HOME, or XDG_CACHE_HOME, to a folder;") == 1


def test_without_a_home_nothing_is_written_and_one_line_says_why(homeless, audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    before = path.read_bytes()
    code, _, message = run(capsys, "tag", "--always", path)
    assert code == 3
    assert message.splitlines()[-1].endswith("set HOME, or XDG_STATE_HOME, to a folder")
    assert path.read_bytes() == before


def test_with_a_closed_home_hearing_goes_on_and_writing_stops(closed_home, audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    before = path.read_bytes()
    code, (row,), message = run(capsys, "predict", path)
    assert (code, bool(row["probabilities"])) == (0, True)
    assert "going on without it" in message
    code, _, message = run(capsys, "tag", "--always", path)
    assert code == 3
    assert "cannot be used" in message.splitlines()[-1]
    assert path.read_bytes() == before
