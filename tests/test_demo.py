"""The main job without any music of one's own."""

import make_demo
import mutagen
from runs import run

from genretagger import cli


def test_the_demo_makes_a_folder_and_shows_the_dry_run_and_the_report(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo"]) == 0
    out, err = capsys.readouterr()
    folder = tmp_path / "genretagger-demo"
    states = [line.split("\t")[0] for line in out.splitlines()]
    assert len(states) == len(make_demo.CLIPS)
    assert {"change", "keep"} <= set(states)
    assert "nothing was written; to write it: genretagger tag genretagger-demo" in err
    assert f"the report, for the browser: file://{folder}/report.html" in err
    assert "Love Theme" in (folder / "report.html").read_text(encoding="utf-8")
    code, rows, _ = run(capsys, "tag", "genretagger-demo")
    assert code == 0
    assert [row["state"] for row in rows] == states


def test_a_folder_that_is_there_stays_as_it_is(tmp_path, capsys):
    assert cli.main(["demo", str(tmp_path)]) == 3
    assert "is there already; name a new folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_music_is_small_and_says_whose_it_is():
    licences = (make_demo.DEMO / "LICENCES.txt").read_text(encoding="utf-8")
    files = {path.name for path in make_demo.DEMO.iterdir()}
    assert files == {*make_demo.CLIPS, "LICENCES.txt"}
    assert sum(path.stat().st_size for path in make_demo.DEMO.iterdir()) < 1e6
    for name, (_, _, artist, genre) in make_demo.CLIPS.items():
        assert name.removesuffix(".ogg") in licences
        assert artist in licences
        tags = mutagen.File(make_demo.DEMO / name)
        assert tags["artist"] == [artist]
        assert tags.get("genre", [""]) == [genre]
        assert 7.9 < tags.info.length < 8.1
