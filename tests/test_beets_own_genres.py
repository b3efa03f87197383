"""From a library of genres of one's own to a model of them, and back into the library."""

import os
import re
import subprocess
import sys

import embedding_bundle
import mutagen
import pytest

pytest.importorskip("beets")
pytest.importorskip("sklearn")
from beets_library import genres_in
from runs import encode


def test_a_library_teaches_a_model_and_is_tagged_by_it(tmp_path):
    folder, late = tmp_path / "Music", tmp_path / "late"
    folder.mkdir()
    late.mkdir()
    for n in range(19):
        path = (late if n == 18 else folder) / f"{n:02}.flac"
        encode(path, seconds=1.2, seed=n)
        file = mutagen.File(path, easy=True)
        file["title"], file["artist"] = f"Track {n}", f"Artist {n % 6}"
        if n < 16:
            file["genre"] = ["Shoegaze", "Deep House"][n % 2] if n not in (0, 2) else "Gaze"
        file.save()
    mapping = tmp_path / "genres.txt"
    mapping.write_text("Gaze = Shoegaze\n")
    network = embedding_bundle.write(tmp_path / "network")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"directory: {folder}\nlibrary: {tmp_path / 'library.db'}\nplugins: genrecnn\n"
        "genrecnn: {auto: no}\nimport: {copy: no}\n"
    )
    environ = {**os.environ, "BEETSDIR": str(tmp_path), "HOME": str(tmp_path)}

    def run(*words, stdin=""):
        done = subprocess.run(
            [sys.executable, "-m", *map(str, words)],
            input=stdin,
            capture_output=True,
            text=True,
            env=environ,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    run("beets", "import", "-qA", folder)
    with_genre = run("beets", "ls", "-p", "genres::.")
    said = run(
        *("genretagger", "learn", "--files-from", "-", "--out", "mine", "--map", mapping),
        *("--bundle", network.path, "--jobs", "1"),
        stdin=with_genre,
    )
    assert "16 tracks: 16 learned from, 0 without a genre, 0 failed" in said

    config.write_text(
        config.read_text().replace("{auto: no}", "{bundle: mine, always: yes, jobs: 1}")
    )
    assert "18 tracks: 2 changed, 16 kept, 0 undecided, 0 failed" in run("beets", "genrecnn")
    rows = run("beets", "ls", "-f", "$path\t$genres\t$genrecnn_deep_house", "genrecnn_shoegaze:0..")
    found = [row.split("\t") for row in rows.splitlines()]
    assert len(found) == 2
    for path, genre, probability in found:
        assert genres_in(path) == [genre]
        assert genre in ("Shoegaze", "Deep House")
        assert re.fullmatch(r"[01]\.\d{4}", probability)
    no_such_field = run("beets", "ls", "-f", "$genrecnn_rock", "title:16")
    assert no_such_field == "$genrecnn_rock\n"

    run("beets", "import", "-qA", late)
    (genre,) = run("beets", "ls", "-f", "$genres", "title:18").split("\n")[:-1]
    assert genres_in(late / "18.flac") == [genre]
    assert genre in ("Shoegaze", "Deep House")

    audit = run("beets", "genrecnn", "--audit")
    assert "19 tracks: " in audit
    assert re.search("not compared, .*: Gaze 2;", audit)
    audit = run("beets", "genrecnn", "--audit", "--mapping", mapping)
    assert "not compared" not in audit  # the model knows all these genres
    run("beets", "genrecnn", "--undo")
    assert genres_in(late / "18.flac") == []
