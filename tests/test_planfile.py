"""A plan is saved, edited, and carried out, and never trusted further than it was made."""

import json
import os

import pytest

from genretagger import cli, places, planfile, tags
from genretagger.errors import FatalError
from genretagger.genres import GENRES
from genretagger.records import BlockChange


@pytest.fixture
def music(audio_file, tmp_path):
    """Three tracks in a folder of their own."""
    folder = tmp_path / "Music"
    folder.mkdir()
    for form, name in (("FLAC", "a"), ("MP3", "b"), ("MP3 ID3v2.4 + ID3v1", "c")):
        path = audio_file(form, name=name, seconds=2.0, title="T")
        path.rename(folder / path.name)
    return folder


def make(music, *more):
    """Save a plan and return where, and its head and lines."""
    path = music.parent / "plan.jsonl"
    arguments = ["tag", "--dry-run", "--always", "--jobs", "1", "--plan", str(path), *more]
    assert cli.main([*arguments, str(music)]) == 0
    head, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    return path, head, lines


def save(path, head, lines):
    path.write_text("".join(json.dumps(row) + "\n" for row in (head, *lines)))


def apply(capsys, *arguments):
    capsys.readouterr()
    code = cli.main(["apply", "--format", "json", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def genres_in(path):
    return [v for block in tags.read(path).blocks for v in block.values]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_plan_does_exactly_what_the_run_would_have_done(music, capsys):
    before = contents(music)
    path, head, lines = make(music)
    assert contents(music) == before
    assert head["roots"] == [str(music)]
    assert [row["state"] for row in lines] == ["change"] * 3
    code, rows, err = apply(capsys, path)
    assert (code, len(rows)) == (0, 3)
    assert "3 changed" in err
    for row in lines:
        found = {block.kind: block.values for block in tags.read(music / row["path"]).blocks}
        for block in row["blocks"]:
            assert list(found[block["kind"]]) == block["new"]
    assert cli.main(["undo", "--yes"]) == 0
    assert contents(music) == before


def test_a_plan_keeps_what_was_heard(music):
    path, head, lines = make(music)
    plan = planfile.read(path, [])
    assert dict(zip(GENRES, plan.thresholds, strict=True)) == head["thresholds"]
    for change, row in zip(plan.changes, lines, strict=True):
        assert dict(zip(GENRES, change.probabilities, strict=True)) == row["probabilities"]
        assert list(change.genres) == row["genres"]
    del head["thresholds"]  # as plans were before they said so
    save(path, head, lines)
    assert planfile.read(path, []).thresholds is None


def test_lines_may_be_edited_and_deleted(music, capsys):
    path, head, lines = make(music)
    lines[0]["blocks"][0]["new"] = ["Blues", "Soul"]
    save(path, head, lines[:1])
    code, _, _ = apply(capsys, path)
    assert code == 0
    assert genres_in(music / "a.flac") == ["Blues", "Soul"]
    assert genres_in(music / "b.mp3") == []


def test_a_plan_for_another_field_leaves_the_genre_alone(music, capsys):
    path, _, _ = make(music, "--field", "HEARD")
    assert apply(capsys, path)[0] == 0
    assert genres_in(music / "a.flac") == []
    assert tags.read(music / "a.flac", field="HEARD").blocks[0].values


def test_a_file_that_changed_since_is_refused_and_the_rest_is_done(music, capsys):
    path, _, _ = make(music)
    changed = music / "b.mp3"
    stamp = changed.stat()
    with changed.open("r+b") as file:  # as a tagger does that restores the time
        file.seek(-1, os.SEEK_END)
        file.write(b"\x00")
    os.utime(changed, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    now = changed.read_bytes()
    code, rows, err = apply(capsys, path)
    assert code == 1
    assert [row["state"] for row in rows] == ["change", "failed", "change"]
    assert f"{changed}: changed since the plan was made" in err
    assert changed.read_bytes() == now


def test_a_genre_edited_meanwhile_is_found_even_behind_the_same_identity(music, capsys):
    path, head, lines = make(music)
    target = music / "a.flac"
    tags.write(target, [BlockChange("Vorbis comment", (), ("Blues",))])
    stat = target.stat()
    now = {"device": stat.st_dev, "inode": stat.st_ino, "size": stat.st_size}
    now |= {"mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns}
    lines[0]["identity"] = now
    save(path, head, lines)
    code, rows, _ = apply(capsys, path)
    assert code == 1
    assert "the genre changed since the plan was made" in rows[0]["reason"]
    assert genres_in(target) == ["Blues"]


def test_a_second_apply_changes_nothing(music, capsys):
    path, _, _ = make(music)
    apply(capsys, path)
    before = contents(music)
    code, rows, _ = apply(capsys, path)
    assert code == 1
    assert {row["state"] for row in rows} == {"failed"}
    assert contents(music) == before


@pytest.mark.parametrize("how", ["absolute", "dots", "link"])
def test_a_plan_never_leaves_the_folder_it_was_made_for(music, audio_file, capsys, how):
    victim = audio_file("FLAC", name="victim", seconds=2.0)
    before = victim.read_bytes()
    path, head, lines = make(music)
    row = lines[0]
    if how == "link":
        (music / "link.flac").symlink_to(victim)
    places = {"absolute": victim, "dots": music / "../victim.flac", "link": music / "link.flac"}
    stat = victim.stat()
    row["path"] = str(places[how])
    row["identity"] = {"device": stat.st_dev, "inode": stat.st_ino, "size": stat.st_size}
    row["identity"] |= {"mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns}
    save(path, head, [row])
    code, rows, err = apply(capsys, path)
    assert (code, rows[0]["state"]) == (1, "failed")
    assert "outside of what you named" in err
    assert victim.read_bytes() == before


def test_a_plan_from_elsewhere_reaches_only_what_is_named_now(music, capsys, monkeypatch):
    path, head, lines = make(music)
    save(path, head | {"roots": ["/"]}, lines)  # its seal is no longer right
    (music.parent / "elsewhere").mkdir()
    monkeypatch.chdir(music.parent / "elsewhere")
    before = contents(music)
    code, rows, _ = apply(capsys, path)
    assert code == 1
    assert {row["state"] for row in rows} == {"failed"}
    assert contents(music) == before
    assert apply(capsys, path, music)[0] == 0
    assert contents(music) != before


def test_what_lies_outside_of_the_named_paths_is_passed_over_and_counted(music, capsys):
    path, _, _ = make(music)
    before = contents(music)
    code, rows, err = apply(capsys, path, music.parent / "elsewhere")
    assert (code, rows) == (1, [])
    assert "passed over 3 tracks of the plan outside of what you named" in err
    assert "failed" not in err
    assert contents(music) == before
    code, rows, err = apply(capsys, path, music / "a.flac", music / "b.mp3")
    assert (code, [row["state"] for row in rows]) == (0, ["change"] * 2)
    assert "2 changed, 0 failed" in err
    assert "passed over 1 track of the plan outside of what you named" in err
    assert contents(music)["c.mp3"] == before["c.mp3"]
    assert genres_in(music / "a.flac")


def test_of_a_plan_from_elsewhere_too_what_is_not_named_is_passed_over(music, capsys):
    path, head, lines = make(music)
    save(path, head | {"roots": ["/"]}, lines)
    code, rows, err = apply(capsys, path, music / "a.flac")
    assert (code, len(rows)) == (0, 1)
    assert "passed over 2 tracks" in err


def test_a_link_out_of_what_is_named_is_refused_rather_than_passed_over(
    music, audio_file, capsys, tmp_path
):
    victim = audio_file("FLAC", name="victim", seconds=2.0)
    before = victim.read_bytes()
    path, head, lines = make(music)
    (music / "link.flac").symlink_to(victim)
    (tmp_path / "name").symlink_to(music)
    for name in (music / "link.flac", tmp_path / "name/link.flac", music / "../victim.flac"):
        save(path, head, [lines[1], lines[0] | {"path": str(name)}])
        code, rows, err = apply(capsys, path, tmp_path / "name")
        assert (code, rows[-1]["state"]) == (1, "failed")
        assert "outside of what you named" in err
        assert "passed over" not in err
    assert victim.read_bytes() == before


def test_a_plan_with_nothing_to_change_says_so(music, capsys):
    path, head, _ = make(music)
    save(path, head, [])
    code, rows, err = apply(capsys, path)
    assert (code, rows) == (0, [])
    assert "the plan has nothing to change there" in err


@pytest.mark.parametrize("content", [b"", b"OggS\xaa", b"[]", b'{"schema": 1, "path": "a.mp3"}'])
def test_a_file_of_another_kind_is_called_no_plan_in_a_persons_words(tmp_path, content):
    path = tmp_path / "report.jsonl"
    path.write_bytes(content)
    with pytest.raises(FatalError) as refused:
        planfile.read(path, [])
    saves = "'genretagger tag --dry-run --plan FILE' saves one"
    assert str(refused.value) == f"plan {path}: this is no plan; {saves}"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "[]",
        "null",
        "{}",
        '{"genretagger_plan": 2}',
        '{"genretagger_plan": 1}',
        '{"genretagger_plan": 1, "field": 3, "roots": [], "seal": ""}',
        "[" * 100000,
    ],
)
def test_what_is_no_plan_is_refused(tmp_path, content):
    (tmp_path / "plan").write_text(content)
    with pytest.raises(FatalError, match=r"plan .*plan: (this is no plan|written by another)"):
        planfile.read(tmp_path / "plan", [])


@pytest.mark.parametrize(
    "damage",
    [
        {"path": "relative.flac"},
        {"path": "/a\0b"},
        {"path": 3},
        {"path": "/\ud800.flac"},
        {"path": "/a" * 90_000},
        {"state": "x" * 10_000},
        {"state": "explode"},
        {"identity": None},
        {"identity": {"inode": 1}},
        {"blocks": []},
        {"blocks": [{"kind": "ID3v9", "old": [], "new": ["Rock"]}]},
        {"blocks": [{"kind": "APEv2", "old": [], "new": "Rock"}]},
        {"blocks": [{"kind": "APEv2", "old": [], "new": [""]}]},
        {"genres": ["Rock", 3]},
        {"probabilities": [0.5] * 14},
        {"probabilities": {"Rock": 0.5}},
        {"probabilities": dict.fromkeys(GENRES, 10**400)},
        {"probabilities": dict.fromkeys(GENRES, "0.5")},
        {"reason": "x" * (1 << 20)},
    ],
)
def test_a_line_that_makes_no_sense_stops_before_anything_is_done(music, capsys, damage):
    path, head, lines = make(music)
    before = contents(music)
    save(path, head, [lines[0], lines[1] | damage])
    code, rows, err = apply(capsys, path)
    assert (code, rows) == (3, [])
    assert "line 3: " in err
    assert "correct or delete the line" in err
    assert contents(music) == before


def test_a_plan_needs_a_dry_run(music):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["tag", "--plan", "x", str(music)])


def test_the_key_that_signs_plans_is_the_users_alone(music):
    make(music)
    assert (places.state_folder() / "plan-key").stat().st_mode & 0o077 == 0
