"""Files that were moved since a run are found, and only as the run left them."""

import json
import shutil

import changes
import pytest

from genretagger.records import State
from genretagger.writing import journal
from genretagger.writing.change import undo
from genretagger.writing.journal import Journal
from genretagger.writing.moved import Elsewhere

pytestmark = pytest.mark.quick


def take_back(record=None, *, dry=False, known=()):
    head, entries = journal.read(record or journal.history()[-1])
    elsewhere = Elsewhere.of_run(head, entries, known)
    return list(undo(entries, None if dry else Journal("undo"), elsewhere=elsewhere))


@pytest.fixture
def tagged(audio_file, tmp_path):
    """Tracks in a folder that a run has changed, and their bytes of before."""
    folder = tmp_path / "Music/Album"
    folder.mkdir(parents=True)
    paths = [
        audio_file("MP3", name=name, title=name).rename(folder / f"{name}.mp3") for name in "ab"
    ]
    before = [path.read_bytes() for path in paths]
    record = Journal("tag", roots=[tmp_path / "Music"])
    for path in paths:
        changes.write(path, "Rock", to=record)
    return paths, before


def test_moved_and_renamed_files_get_their_bytes_back_where_they_are(tagged, tmp_path):
    (a, b), before = tagged
    (tmp_path / "Music/Rock/One").mkdir(parents=True)
    moved = a.rename(tmp_path / "Music/Rock/One/01 First.mp3")
    dry, done = take_back(dry=True), take_back()
    assert dry == done
    assert [(line.path, line.state) for line in done] == [(b, State.CHANGE), (moved, State.CHANGE)]
    assert [moved.read_bytes(), b.read_bytes()] == before
    take_back()  # the undo's own journal knows where it lies
    assert changes.genres_in(moved) == ["Rock"]


def test_a_folder_that_was_renamed_is_found_beside(tagged, tmp_path):
    (a, b), before = tagged
    (tmp_path / "Music").rename(tmp_path / "Musik")
    assert [line.state for line in take_back()] == [State.CHANGE] * 2
    there = [tmp_path / "Musik/Album" / path.name for path in (a, b)]
    assert [path.read_bytes() for path in there] == before


def test_two_files_that_changed_names_are_both_found(tagged):
    (a, b), before = tagged
    aside = a.rename(a.with_name("aside.mp3"))
    b.rename(a)
    aside.rename(b)
    # of the same size, so that only the content tells
    assert [line.state for line in take_back()] == [State.CHANGE] * 2
    assert [b.read_bytes(), a.read_bytes()] == before


def test_a_moved_file_that_has_changed_since_is_not_taken_back(tagged, tmp_path):
    (a, b), _ = tagged
    moved = a.rename(tmp_path / "Music/a.mp3")
    moved.write_bytes(moved.read_bytes()[:-1] + b"\0")
    content = moved.read_bytes()
    lines = {line.path: line for line in take_back()}
    assert lines[b].state is State.CHANGE
    assert lines[a].reason == ("it is not there, nor found elsewhere; was it removed?",)
    assert moved.read_bytes() == content


def test_a_copy_of_a_file_does_not_stand_in_for_another_that_is_gone(audio_file, tmp_path):
    paths = [audio_file("MP3", name=name, title="same") for name in "ab"]
    record = Journal("tag", roots=[tmp_path])
    for path in paths:
        changes.write(path, "Rock", to=record)
    paths[0].unlink()
    for dry in (True, False):
        b, a = take_back(dry=dry)
        assert (a.path, a.state, b.state) == (paths[0], State.FAILED, State.CHANGE)


def test_a_file_that_one_run_changed_twice_is_followed(audio_file, tmp_path):
    path = audio_file("FLAC")
    before = path.read_bytes()
    record = Journal("tag", roots=[path])
    changes.write(path, "Rock", to=record)
    changes.write(path, "Jazz", to=record)
    moved = path.rename(tmp_path / "moved.flac")
    assert [line.state for line in take_back()] == [State.CHANGE] * 2
    assert moved.read_bytes() == before


def test_a_journal_without_folders_and_sizes_seeks_beside_its_files(tagged):
    (a, b), before = tagged
    (record,) = journal.history()
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    for line in lines:
        line.pop("roots", None)
        line.pop("sizes", None)
    record.write_text("".join(json.dumps(line) + "\n" for line in lines))
    moved = a.rename(a.with_name("else.mp3"))
    take_back()
    assert [moved.read_bytes(), b.read_bytes()] == before


def test_known_files_are_looked_at_and_need_not_exist(tagged, tmp_path):
    (a, _), before = tagged
    (tmp_path / "far").mkdir()
    moved = shutil.move(a, tmp_path / "far/x.mp3")
    assert take_back(dry=True)[-1].state is State.FAILED
    take_back(known=[tmp_path / "gone.mp3", moved])
    assert moved.read_bytes() == before[0]
