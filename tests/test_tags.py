"""Genres in every block of every container, and nothing else touched.

What a block or a layout does alone stands in ``test_tags_BLOCK`` and ``test_tags_LAYOUT``.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import make_audio
import pytest
from make_audio import FORMS
from tag_files import (
    AudioFile,
    audio_md5,
    blocks_of,
    changes_to,
    everything_else,
    seen_by_mutagen,
    set_genres,
    texts_for,
    writable,
)

from genretagger import tags
from genretagger.containers import CONTAINERS, stored_values
from genretagger.errors import TrackError
from genretagger.identity import check_writable
from genretagger.records import BlockChange, State, TagChange
from genretagger.tags.layouts import LAYOUTS
from genretagger.writing.change import apply
from genretagger.writing.journal import Journal


@pytest.mark.parametrize("style", ["combined", "multi"])
@pytest.mark.parametrize(
    "start", [None, (), ("Rock",), ("Pop", "Rock")], ids=["bare", "none", "one", "several"]
)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_is_read_back_by_us_and_by_mutagen(
    audio_file: AudioFile, form: str, start: tuple[str, ...] | None, style: str
) -> None:
    path = audio_file(form) if start is None else audio_file(form, genre=start, title="T")
    kinds = [writable(b.kind) for b in tags.read(path).blocks] or [tags.read(path).native]
    for genres in [("Jazz",), ("Pop", "Electronic", "Hip Hop"), (), ("Ambient", "Rock")]:
        set_genres(path, genres, style=style)
        for kind in kinds:
            expected = stored_values(kind, genres, style=style)
            assert blocks_of(path).get(kind, ()) == expected
            if kind in blocks_of(path):
                assert seen_by_mutagen(path, kind) == expected


@pytest.mark.parametrize("form", FORMS)
def test_the_genres_of_a_file_made_by_another_program_are_read(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Pop", "Rock"), **texts_for(form))
    for kind, values in blocks_of(path).items():
        expected = {"ID3v1": ("Pop",), "RIFF INFO": ("Pop; Rock",)}
        assert values == expected.get(kind, ("Pop", "Rock"))
    assert blocks_of(path)


def test_every_container_of_the_table_is_made_by_these_tests() -> None:
    made = {form.suffix for form in FORMS.values()}
    assert all(made & set(container.suffixes) for container in CONTAINERS)


def test_every_layout_belongs_to_a_container() -> None:
    assert {container.layout for container in CONTAINERS} == set(LAYOUTS)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_but_the_genre_changes_and_the_audio_least_of_all(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",), **texts_for(form))
    if form == "MP3 ID3v2.2":
        set_genres(path, ("Rock",))  # the conversion has a test of its own
    before, md5 = everything_else(path), audio_md5(path)
    long = tuple(f"Genre {i} {'x' * 60}" for i in range(60))  # more than any padding holds
    old = tags.read(path).blocks
    tags.write(
        path,
        [
            BlockChange(b.kind, b.values, long[:1] if b.kind == "RIFF INFO" else long)
            for b in old
            if b.kind != "ID3v1"
        ],
    )
    assert everything_else(path) == before
    assert audio_md5(path) == md5
    set_genres(path, ("Folk",))
    assert everything_else(path) == before
    set_genres(path, ())
    assert everything_else(path) == before
    assert audio_md5(path) == md5


@pytest.mark.parametrize("form", FORMS)
def test_changing_the_genre_and_back_restores_every_byte(audio_file: AudioFile, form: str) -> None:
    path = audio_file(form, **texts_for(form))
    set_genres(path, ("Rock", "Pop"))
    before = path.read_bytes()
    set_genres(path, ("Jazz",))
    assert path.read_bytes() != before
    set_genres(path, ("Rock", "Pop"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["MP3", "FLAC", "WAV", "WAV INFO", "AIFF", "WavPack", "DSF"])
def test_taking_back_a_genre_in_a_file_without_tags_restores_every_byte(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form)
    before = path.read_bytes()
    had = tags.read(path).blocks
    set_genres(path, ("Rock",))
    tags.write(path, [BlockChange(b.kind, b.values, ()) for b in tags.read(path).blocks])
    if had:  # a FLAC keeps its Vorbis comment
        assert [b.values for b in tags.read(path).blocks] == [()]
    assert len(path.read_bytes()) == len(before)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "form", ["MP3", "MP3 ID3v2.3", "FLAC", "Opus", "WAV", "AIFF", "DSF", "WMA"]
)
def test_a_tag_that_fits_its_padding_leaves_the_length_of_the_file(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",), title="A")
    set_genres(path, ("Rock",))
    before = path.stat().st_size
    for genres in [("Psychedelia", "Experimental", "Electronic"), ("Pop",), ()]:
        set_genres(path, genres)
        assert path.stat().st_size == before


def test_a_name_that_is_not_text_or_has_a_line_break_is_no_obstacle(
    audio_file: AudioFile, tmp_path: Path
) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe\nx.flac"))
    try:
        audio_file("FLAC", genre=("Rock",)).rename(strange)
    except OSError:
        pytest.skip("this file system wants names in UTF-8")
    set_genres(strange, ("Pop",))
    assert blocks_of(strange) == {"Vorbis comment": ("Pop",)}
    strange.write_bytes(b"")
    with pytest.raises(TrackError) as caught:
        tags.read(strange)
    assert str(caught.value).isprintable()


def test_the_native_block_comes_first_and_all_are_listed(audio_file: AudioFile) -> None:
    kinds = {
        "MP3 ID3v2.3 + APEv2": ["ID3v2.3", "APEv2"],
        "MP3 ID3v2.4 + ID3v1": ["ID3v2.4", "ID3v1"],
        "FLAC amid ID3": ["Vorbis comment", "ID3v2.3", "ID3v1"],
        "WAV INFO + ID3": ["ID3v2.4", "RIFF INFO"],
        "WavPack + ID3v1": ["APEv2", "ID3v1"],
    }
    for i, (form, expected) in enumerate(kinds.items()):
        path = audio_file(form, name=str(i), genre=("Rock",), title="T")
        assert [b.kind for b in tags.read(path).blocks] == expected


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda c: c.name)
def test_a_file_without_tags_says_which_block_to_make(audio_file: AudioFile, container) -> None:
    form = next(name for name, f in FORMS.items() if f.suffix in container.suffixes)
    track = tags.read(audio_file(form))
    assert track.native == container.native
    assert all(b.values == () for b in track.blocks)


@pytest.mark.parametrize("form", FORMS)
def test_a_genre_that_changed_since_the_plan_was_made_is_left_alone(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",), title="T")
    planned = changes_to(path, ("Jazz",))
    set_genres(path, ("Pop",))
    before = path.read_bytes()
    with pytest.raises(TrackError, match="the genre changed since the plan was made"):
        tags.write(path, planned)
    assert path.read_bytes() == before


def test_one_changed_block_keeps_all_from_being_written(audio_file: AudioFile) -> None:
    path = audio_file("MP3 ID3v2.3 + APEv2", genre=("Rock",))
    before = path.read_bytes()
    changes = [BlockChange("ID3v2.3", ("Rock",), ("Pop",)), BlockChange("APEv2", ("X",), ("Pop",))]
    with pytest.raises(TrackError, match=r'APEv2 holds "Rock", not "X"\); make a new plan'):
        tags.write(path, changes)
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["MP3", "FLAC", "Opus", "WAV", "M4A AAC", "WMA", "WavPack"])
def test_a_write_that_does_not_arrive_is_noticed(
    audio_file: AudioFile, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = audio_file(form, genre=("Rock",))
    monkeypatch.setattr(tags, "apply_splices", lambda file, splices: None)
    with pytest.raises(TrackError, match='reads back "Rock" instead of "Pop"'):
        set_genres(path, ("Pop",))


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("MP3", "17"),
        ("MP3", "(17)"),
        ("MP3 ID3v2.3", "CR"),
        ("FLAC", ""),
        ("WMA", "a\0b"),
        ("Opus", "\udcff"),
    ],
)
def test_a_value_that_would_read_back_as_another_is_refused(
    audio_file: AudioFile, form: str, value: str
) -> None:
    path = audio_file(form, genre=("Rock",))
    before = path.read_bytes()
    (block,) = tags.read(path).blocks
    if value == "(17)":  # written as ((17), which is what the format prescribes
        tags.write(path, [BlockChange(block.kind, ("Rock",), (value,))])
        assert blocks_of(path) == {block.kind: ("(17)",)}
        return
    with pytest.raises(TrackError):
        tags.write(path, [BlockChange(block.kind, ("Rock",), (value,))])
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["MP3", "FLAC", "WAV INFO", "M4A AAC"])
def test_a_file_without_write_permission_is_refused_also_to_root(
    audio_file: AudioFile, form: str
) -> None:
    path = audio_file(form, genre=("Rock",))
    before = path.read_bytes()
    path.chmod(0o444)
    with pytest.raises(TrackError, match="the file is read-only"):
        check_writable(path)
    with pytest.raises(TrackError, match="the file is read-only"):
        tags.write(path, changes_to(path, ("Pop",)))
    assert path.read_bytes() == before
    path.chmod(0o644)
    check_writable(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.skipif(os.name == "nt", reason="Windows marks folders for purposes of its own")
def test_a_file_in_a_read_only_folder_is_refused(audio_file: AudioFile, tmp_path: Path) -> None:
    path = audio_file("MP3", genre=("Rock",))
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(TrackError, match="its folder is read-only"):
            tags.write(path, changes_to(path, ("Pop",)))
    finally:
        tmp_path.chmod(0o755)
    assert blocks_of(path) == {"ID3v2.4": ("Rock",)}


def test_a_link_is_followed_and_stays_a_link(audio_file: AudioFile, tmp_path: Path) -> None:
    path = audio_file("MP3", genre=("Rock",))
    symbolic, hard = tmp_path / "symbolic.mp3", tmp_path / "hard.mp3"
    symbolic.symlink_to(path)
    hard.hardlink_to(path)
    set_genres(symbolic, ("Pop",))
    assert symbolic.is_symlink()
    assert blocks_of(hard) == blocks_of(path) == {"ID3v2.4": ("Pop",)}
    assert path.stat().st_ino == hard.stat().st_ino


def test_what_is_no_file_at_all_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.mp3"
    folder.mkdir()
    for path in [folder, tmp_path / "missing.mp3", tmp_path / "missing" / "x.flac"]:
        with pytest.raises(TrackError):
            tags.read(path)
        with pytest.raises(TrackError):
            check_writable(path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp3")
        with pytest.raises(TrackError, match="not a regular file"):
            tags.read(tmp_path / "pipe.mp3")


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cover.jpg"
    path.write_bytes(make_audio.PICTURE)
    with pytest.raises(TrackError, match="not a kind of audio file"):
        tags.read(path)


def test_the_time_of_modification_is_kept_only_on_request(audio_file: AudioFile) -> None:
    for i, form in enumerate(["MP3", "FLAC", "Ogg Vorbis", "M4A AAC", "WMA", "WavPack"]):
        path = audio_file(form, name=str(i), genre=("Rock",))
        line = TagChange(path, State.CHANGE, blocks=tuple(changes_to(path, ("Pop",))))
        os.utime(path, ns=(1_000_000_000_987_654_300,) * 2)
        assert apply(line, Journal("test"), preserve_mtime=True) == line
        assert path.stat().st_mtime_ns == 1_000_000_000_987_654_300
        tags.write(path, changes_to(path, ("Jazz",)))
        assert path.stat().st_mtime_ns > 1_500_000_000_000_000_000
