"""Settings once: defaults of options from the user's settings file."""

import json
import os
from pathlib import Path

import pytest
from runs import run

from genretagger import cli, places
from genretagger.cli.options import COMMANDS, commands_of, parser


@pytest.fixture
def settings():
    """Write the settings file."""

    def write(text):
        path = places.config_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def states(rows):
    return {row["state"] for row in rows}


def test_an_options_default_is_given_once_for_all_commands_or_for_one(audio_file, capsys, settings):
    path = audio_file("FLAC", seconds=2.0)
    settings("threshold = 1.0\n[tag]\nthreshold = 0.0\n")
    assert states(run(capsys, "predict", path)[1]) == {"undecided"}
    assert states(run(capsys, "tag", "-n", path)[1]) == {"change"}
    assert states(run(capsys, "tag", "-n", "--threshold", "1", path)[1]) == {"undecided"}
    assert states(run(capsys, "tag", "-n", "--no-config", "--threshold", "1", path)[1]) == {
        "undecided"
    }
    assert states(run(capsys, "predict", "--no-config", "--always", path)[1]) == {"decided"}


def test_lists_flags_and_files_are_written_as_toml_has_them(audio_file, capsys, settings):
    path = audio_file("FLAC", genre=("Blues",), seconds=2.0)
    text = """
    [tag]
    always = true
    existing = "replace"
    only = ["rock", "hip-hop"]
    max-genres = 1
    map = "names.txt"
    protect-if = ["comment matches ^hand", "genre matches ^Reggae"]
    """
    (settings(text).parent / "names.txt").write_text("Hip Hop = Rap\nRock = Stone\n")
    _, (row,), err = run(capsys, "tag", path)
    assert row["new"] in (["Rap"], ["Stone"])
    assert f"settings of {places.config_file()}: " in err
    assert 'existing = "replace"' in err
    assert 'only = ["rock", "hip-hop"]' in err
    other = audio_file("FLAC", name="other", genre=("Reggae",), seconds=2.0)
    _, (row,), _ = run(capsys, "tag", other)
    assert row["state"] == "keep"


def test_the_summary_names_only_what_changes_what_is_written_and_holds(
    audio_file, capsys, settings
):
    path = audio_file("FLAC", seconds=2.0)
    settings('jobs = 1\n[tag]\nmax-genres = 1\nexisting = "append"\nno-cache = true\n')
    _, _, err = run(capsys, "tag", "-n", "--existing", "replace", path)
    (line,) = [line for line in err.splitlines() if line.startswith("settings of ")]
    assert line.endswith(": max-genres = 1")
    _, _, err = run(capsys, "tag", "-n", "--no-config", path)
    assert "settings of" not in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exsting = 1", "no command has an option 'exsting'; did you mean existing?"),
        ("[tga]", "there is no command 'tga'; did you mean tag?"),
        (
            "[tag]\nmax_genres = 1",
            "[tag]: there is no option 'max_genres'; did you mean max-genres?",
        ),
        ("[predict]\nexisting = 1", "[predict]: there is no option 'existing'"),
        ("[tag]\nexisting = 'burn'", "[tag]: existing: 'burn' is none of skip, replace"),
        ("[tag]\nthreshold = 7", "[tag]: threshold: 7 is not between 0 and 1"),
        ("[tag]\nalways = 1", "[tag]: always: write true or false"),
        ("[tag]\nexisting = true", "[tag]: existing: write one text or number"),
        ("[tag]\nhelp = true", "there is no option 'help'"),
        ("jobs = ", "Invalid value"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line_that_names_the_file(
    audio_file, capsys, settings, text, message
):
    path = settings(text)
    code, _, err = run(capsys, "tag", audio_file("FLAC", seconds=2.0))
    assert code == 3
    assert err.count("\n") == 1
    assert err.startswith(f"genretagger: {path}")
    assert message in err
    with pytest.raises(SystemExit, match="0"):
        cli.main(["tag", "--help"])


def test_a_wrong_value_for_one_command_leaves_the_others_alone(audio_file, capsys, settings):
    settings("[apply]\nformat = 'x'\n")
    code, _, _ = run(capsys, "predict", audio_file("FLAC", seconds=2.0))
    assert code == 0


def test_config_shows_what_holds_and_why(capsys, settings):
    path = settings('jobs = 2\n[tag]\nexisting = "append"\njobs = 3\n')
    assert cli.main(["config"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"# {path}\n")
    _, _, tag = out.partition("[tag]\n")
    lines = [line.split() for line in tag.partition("\n[")[0].splitlines()]
    assert lines == [
        ["existing", "=", '"append"', "#", "[tag]"],
        ["jobs", "=", "3", "#", "[tag]"],
    ]
    assert out.partition("[predict]\n")[2].split()[:7] == [
        "jobs",
        "=",
        "2",
        "#",
        "for",
        "all",
        "commands",
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_config_shows_of_a_command_may_stand_in_the_file(capsys, settings, name):
    assert cli.main(["config", name]) == 0
    lines = [line.removeprefix("# ") for line in capsys.readouterr().out.splitlines()[1:]]
    settings("\n".join(line for line in lines if " = " in line or line.startswith("[")))
    assert cli.main(["config", name]) == 0
    shown = {line.split(" ")[0] for line in lines if line and not line.startswith("[")}
    options = {
        text.lstrip("-")
        for action in commands_of(parser())[name]._actions
        for text in action.option_strings[-1:]
    }
    assert shown == options - {"help", "no-config"}


def test_a_user_without_a_home_has_no_settings(audio_file, capsys, monkeypatch):
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    code, _, err = run(capsys, "predict", audio_file("FLAC", seconds=2.0))
    assert code == 0, err


def test_settings_out_of_reach_are_none_and_settings_that_cannot_be_read_are_named(
    audio_file, capsys
):
    track, path = audio_file("FLAC", seconds=2.0), places.config_file()
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.touch()  # as where a container's user may not enter the home that it is given
    code, _, err = run(capsys, "predict", track)
    assert code == 0, err
    path.parent.unlink()
    path.mkdir(parents=True)
    code, _, err = run(capsys, "predict", track)
    assert code != 0
    assert str(path) in err


def test_quiet_says_what_failed_and_nothing_else(audio_file, capsys):
    path = audio_file("FLAC", seconds=2.0)
    assert cli.main(["tag", "-q", "--always", str(path)]) == 0
    assert capsys.readouterr() == ("", "")
    path.with_name("b.mp3").write_bytes(b"no music")
    assert cli.main(["tag", "-q", str(path.parent)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "failed:"
    assert len(err.splitlines()) == 2


def test_changes_only_is_silent_if_nothing_changed(audio_file, capsys, tmp_path):
    path = audio_file("FLAC", seconds=2.0)
    kept = audio_file("FLAC", name="kept", genre=("Blues",), seconds=2.0)
    command = ["tag", "--changes-only", "--always", "--jobs", "1", str(tmp_path)]
    assert cli.main(command) == 0
    out, err = capsys.readouterr()
    assert str(path) in out
    assert str(kept) not in out
    assert "1 file was changed; to take it back: genretagger undo" in err
    assert cli.main(command) == 0
    assert capsys.readouterr() == ("", "")


def test_changes_only_tells_of_a_damaged_file_once(audio_file, capsys, tmp_path):
    audio_file("FLAC", genre=("Blues",), seconds=2.0)
    bad, empty = tmp_path / "bad.mp3", tmp_path / "empty.flac"
    for path, data in ((bad, b"no music"), (empty, b"")):
        path.write_bytes(data)
        os.utime(path, (1e9, 1e9))
    command = ["tag", "--changes-only", "--jobs", "1", str(tmp_path)]
    assert cli.main(command) == 1
    out, err = capsys.readouterr()
    assert out.count("failed") == 2
    assert "3 tracks: 0 changed, 1 kept, 0 undecided, 2 failed" in err
    assert cli.main(command) == 1
    assert capsys.readouterr() == ("", "")
    bad.write_bytes(b"other noise")
    assert cli.main(command) == 1
    out, err = capsys.readouterr()
    assert str(bad) in out
    assert str(empty) not in out + err


def test_verbose_says_which_model_settings_cache_and_journal(audio_file, capsys):
    assert cli.main(["tag", "-v", "--always", str(audio_file("FLAC", seconds=2.0))]) == 0
    said = capsys.readouterr().err
    for what in ("model: default ", "settings: ", "cache: ", "journal: "):
        assert what in said


CHOOSING = {
    "audit": ["{music}"],
    "similar": ["{music}/0.flac", "--from", "{music}"],
    "playlist": ["Rock >= 0", "--from", "{music}"],
}


@pytest.mark.parametrize("command", CHOOSING)
def test_commands_that_choose_are_quiet_and_verbose_in_the_same_way(command, music, capsys):
    (music / "bad.flac").write_bytes(b"no music")
    words = [command, *(word.format(music=music) for word in CHOOSING[command]), "--jobs", "1"]
    assert cli.main([*words, "-v"]) == 1
    out, err = capsys.readouterr()
    for what in ("model: default ", "settings: ", "cache: ", "4 tracks: "):
        assert what in err
    assert ("1.mp3" in out) == (command != "audit")
    assert cli.main([*words, "-q"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"failed:\n  {music}/bad.flac: ")
    assert len(err.splitlines()) == 2
    assert cli.main([*words, "-q", "--format", "json"]) == 1
    assert ("1.mp3" in capsys.readouterr().out) == (command != "audit")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shells_completion_knows_every_command(capsys, shell):
    assert cli.main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


def test_bash_completes_commands_options_and_choices(capsys, tmp_path):
    import shutil
    import subprocess

    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    cli.main(["completion", "bash"])
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out, encoding="utf-8")

    def completed(*words):
        line = " ".join(json.dumps(word) for word in words)
        code = f"""
source {script}
COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
{_function(script)} genretagger "${{COMP_WORDS[COMP_CWORD]}}"
printf "%s\\n" "${{COMPREPLY[@]}}"
"""
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    assert {"undo"} <= completed("genretagger", "und")
    assert "--dry-run" in completed("genretagger", "tag", "--dr")
    assert {"skip", "append"} <= completed("genretagger", "tag", "--existing", "")


def _function(script: Path) -> str:
    """Name the function that the script gives to bash's complete."""
    lines = script.read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith("complete ")]
    return line.split("-F ")[1].split()[0]
