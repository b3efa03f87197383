import os
from pathlib import Path

import pytest

from genretagger.errors import FatalError
from genretagger.scan import find_tracks, read_list

pytestmark = pytest.mark.quick


@pytest.fixture
def music(tmp_path):
    for name in ("b/2.flac", "b/1.mp3", "a/z.opus", "c.wav", "cover.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def found(*paths, **options):
    problems = []
    tracks = list(find_tracks(paths, on_error=lambda p, why: problems.append((p, why)), **options))
    return tracks, problems


def names(folder, tracks):
    return [str(track.relative_to(folder)) for track in tracks]


def test_folders_are_walked_in_a_stable_order_files_first(music):
    tracks, problems = found(music)
    assert names(music, tracks) == ["c.wav", "a/z.opus", "b/1.mp3", "b/2.flac"]
    assert not problems


def test_hidden_files_and_macos_companions_are_skipped(music):
    for name in (".hidden.mp3", "._1.mp3", "b/._2.flac"):
        (music / name).write_text("x")
    (music / ".Trash").mkdir()
    (music / ".Trash/3.mp3").write_text("x")
    assert len(found(music)[0]) == 4


def test_symlink_loops_are_survived_and_linked_files_come_once(music):
    (music / "b/loop").symlink_to(music)
    (music / "self").symlink_to(music / "self")
    (music / "again.mp3").symlink_to(music / "b/1.mp3")
    os.link(music / "c.wav", music / "hard.wav")
    tracks, problems = found(music)
    assert len(tracks) == len({track.resolve() for track in tracks}) == 4
    assert [p.name for p, _ in problems] == ["self"]


def test_overlapping_paths_give_each_file_once(music):
    assert len(found(music, music / "b", music / "b/1.mp3")[0]) == 4


def test_a_named_file_is_taken_even_if_hidden(music):
    hidden = music / ".hidden.mp3"
    hidden.write_text("x")
    assert found(hidden)[0] == [hidden]


def test_what_is_missing_or_no_audio_is_told_and_the_rest_is_found(music):
    tracks, problems = found(music / "gone", music / "notes.txt", music / "c.wav")
    assert tracks == [music / "c.wav"]
    assert [p.name for p, _ in problems] == ["gone", "notes.txt"]
    assert "No such file" in problems[0][1]
    assert "not an audio file" in problems[1][1]


def test_a_pipe_with_an_audio_name_is_not_opened(music):
    os.mkfifo(music / "pipe.mp3")
    assert len(found(music)[0]) == 4
    assert len(found(music / "pipe.mp3")[1]) == 1


def test_a_link_to_nowhere_is_told(music):
    (music / "gone.mp3").symlink_to("nowhere.mp3")
    tracks, problems = found(music)
    assert len(tracks) == 4
    assert [p.name for p, _ in problems] == ["gone.mp3"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [("*.flac", 3), ("b", 2), ("*/b/*", 2), ("1.*", 3), ("*", 0)],
)
def test_ignored_names_and_paths_are_left_out(music, pattern, left):
    assert len(found(music, ignore=[pattern])[0]) == left


def test_names_that_are_not_utf8_are_found(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.mp3"
    Path(os.fsdecode(raw)).write_text("x")
    assert os.fsencode(found(tmp_path)[0][0]) == raw


def test_an_m3u_playlist_is_relative_to_its_folder():
    data = b"\xef\xbb\xbf#EXTM3U\r\n#EXTINF:1,a\r\nsub/a.mp3\r\n\r\n/abs/b.mp3\r\nfile:///c%20d.mp3\r\n"
    paths = read_list(Path("lists/x.m3u"), data)
    assert paths == [Path("lists/sub/a.mp3"), Path("/abs/b.mp3"), Path("/c d.mp3")]


def test_nul_separated_names_are_taken_as_they_are():
    data = b"#1 hit.mp3\0new\nline.mp3\0caf\xe9.mp3\0"
    paths = read_list(Path("-"), data)
    assert [os.fsencode(p) for p in paths] == [b"#1 hit.mp3", b"new\nline.mp3", b"caf\xe9.mp3"]


def test_an_address_in_a_playlist_stops_with_what_to_do():
    with pytest.raises(FatalError, match="http://radio/x is not a file on this machine"):
        read_list(Path("x.m3u"), b"http://radio/x\n")
