"""Previews and streamrip: only a file that decodes and is long enough counts."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import make_audio
import pytest
from fake_deezer import QUICK, row, serve

from genretagger import tags
from genretagger.errors import FatalError
from training import files
from training.__main__ import main
from training.collect import deezer, download, streamrip
from training.collect.config import COLLECT, load_collect
from training.collect.tracks import TRACKS, YIELD, Track

SETTINGS = load_collect(COLLECT)
ARL = hashlib.sha256(b"not a cookie of anybody").hexdigest() * 3
TEMPLATE = """
[downloads]
folder = ""
max_connections = 6
[deezer]
quality = 2
arl = ""
use_deezloader = true
[database]
downloads_enabled = true
failed_downloads_enabled = true
[artwork]
embed = true
save_artwork = true
[filepaths]
add_singles_to_folder = false
folder_format = "{albumartist}"
[cli]
progress_bars = true
[misc]
version = "2.0.6"
check_for_updates = true
"""

on_posix = pytest.mark.skipif(os.name == "nt", reason="modes and process groups are POSIX")


def track(number, title, *, artist="Artist", duration_s=4.0, preview="", isrc=None):
    isrc = f"XX{number}" if isrc is None else isrc
    return Track(
        str(number), isrc, "9", artist, title, "Album", duration_s, ("Rock",), ("1",), preview
    )


@pytest.fixture
def music(tmp_path):
    """Write a finished stage `playlists`: ``music([track, ...])`` gives the folder."""

    def write(tracks):
        folder = tmp_path / "music"
        files.write_jsonl(folder / TRACKS, map(asdict, tracks))
        inputs = {
            "list": "gone.toml",
            "list_sha256": "",
            "settings": asdict(SETTINGS.playlists),
            "tracks_sha256": files.sha256(folder / TRACKS),
        }
        files.write_text(folder / YIELD, json.dumps({"inputs": inputs}))
        return folder

    return write


@pytest.fixture
def quick(tmp_path):
    text = COLLECT.read_text(encoding="utf-8")
    changes = {
        **QUICK,
        "silence_s = 300.0": "silence_s = 60.0",
        "timeout_s = 1800.0": "timeout_s = 60.0",
        "preview_s = 30.0": "preview_s = 4.0",
        "tolerance_s = 3.0": "tolerance_s = 1.0",
        "batch = 20": "batch = 2",
    }
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / "quick.toml"
    path.write_text(text, encoding="utf-8")
    return path


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def stage(tmp_path, quick, capsys):
    def run(*options):
        command = ["download", "--config", str(quick), "--music", str(tmp_path / "music")]
        code = main([*command, *options])
        return code, *capsys.readouterr()

    return run


def table(folder):
    found = {r["track_id"]: r for r in files.read_jsonl(folder / download.DOWNLOADS)}
    return found, {i: r["status"] for i, r in found.items()}


# ---- Previews ----


@pytest.fixture
def server(monkeypatch):
    with serve() as running:
        monkeypatch.setenv(deezer.API, running.base)
        yield running


@pytest.fixture(scope="module")
def mp3(tmp_path_factory):
    def make(seconds):
        path = tmp_path_factory.mktemp("mp3") / "a.mp3"
        make_audio.encode("MP3", path, seconds=seconds)
        return path.read_bytes()

    return {seconds: make(seconds) for seconds in (2.0, 4.0)}


def test_previews_are_judged_by_what_they_hold(server, music, stage, mp3):
    server.files = {
        "/good.mp3": mp3[4.0],
        "/new.mp3": mp3[4.0],
        "/short.mp3": mp3[2.0],
        "/text.mp3": b"<html>" * 999,
        "/half.mp3": mp3[4.0][: len(mp3[4.0]) // 2],
    }
    server.tracks = {
        "2": row(2, "Expired", preview=f"{server.base}/new.mp3"),
        "4": row(4, "Has none"),
    }
    wanted = [
        track(1, "Good", preview=f"{server.base}/good.mp3", duration_s=200),
        track(2, "Expired", preview=f"{server.base}/old.mp3", duration_s=200),
        track(3, "Short", preview=f"{server.base}/short.mp3", duration_s=200),
        track(4, "Has none", duration_s=200),
        track(5, "No audio", preview=f"{server.base}/text.mp3", duration_s=200),
        track(6, "Cut off", preview=f"{server.base}/half.mp3", duration_s=200),
        track(7, "Short itself", preview=f"{server.base}/short.mp3", duration_s=2),
    ]
    folder = music(wanted) / "preview"
    code, out, err = stage()
    assert (code, err) == (0, "")
    found, status = table(folder)
    assert status == {
        "1": "found",
        "2": "found",
        "3": "wrong duration",
        "4": "missing",
        "5": "damaged",
        "6": "wrong duration",
        "7": "found",
    }
    assert found["1"]["path"] == "audio/1.mp3"
    assert (folder / found["1"]["path"]).read_bytes() == mp3[4.0]
    assert found["1"]["duration_s"] == pytest.approx(4.0, abs=0.1)
    assert (found["1"]["listed_s"], found["1"]["genres"]) == (200, ["Rock"])
    assert (folder / found["3"]["path"]).is_file()  # aside, not lost
    assert found["3"]["reason"] == "2.0 s of audio, 4 s expected"
    assert "no preview" in found["4"]["reason"]
    assert "found: 3 of 7" in out
    assert "own use" in out
    summary = json.loads((folder / download.SUMMARY).read_text(encoding="utf-8"))
    assert summary["labels"]["Rock"]["found"] == 3
    assert summary["downloads_sha256"] == files.sha256(folder / download.DOWNLOADS)


def test_both_stages_go_together_from_a_list_to_audio_on_the_disk(
    server, stage, quick, tmp_path, mp3
):
    server.files = {"/1.mp3": mp3[4.0], "/3.mp3": mp3[4.0]}
    server.playlists["1"] = [row(1, "A", preview=f"{server.base}/1.mp3"), row(2, "B (Karaoke)")]
    server.playlists["2"] = [row(3, "C", "D", preview=f"{server.base}/3.mp3"), row(1, "A")]
    path = tmp_path / "list.toml"
    path.write_text('[playlists]\n1 = "Rock"\n2 = "Pop"', encoding="utf-8")
    music = tmp_path / "music"
    common = ["--config", str(quick), "--music", str(music)]
    assert main(["playlists", str(path), *common]) == 0
    assert stage()[0] == 0
    found, status = table(music / "preview")
    assert status == {"1": "found", "3": "found"}
    assert found["1"]["genres"] == ["Pop", "Rock"]
    # another label takes effect without a second download
    path.write_text('[playlists]\n1 = "Rock"\n2 = "Folk"', encoding="utf-8")
    assert "has changed since" in stage()[2]
    assert main(["playlists", str(path), *common]) == 0
    asked = len(server.requests)
    assert stage()[0] == 0
    assert len(server.requests) == asked
    assert table(music / "preview")[0]["1"]["genres"] == ["Folk", "Rock"]


def test_a_second_run_fetches_only_what_is_gone_and_retry_what_was_missing(
    server, music, stage, mp3
):
    server.files = {"/a.mp3": mp3[4.0], "/b.mp3": mp3[4.0]}
    wanted = [track(n, name, preview=f"{server.base}/{name}.mp3") for n, name in enumerate("abc")]
    folder = music(wanted) / "preview"
    assert stage()[0] == 0
    asked = len(server.requests)
    assert stage()[0] == 0
    assert len(server.requests) == asked
    (folder / "audio/0.mp3").unlink()
    assert stage()[0] == 0
    assert server.requests[asked:] == ["/a.mp3"]
    server.files["/c.mp3"] = mp3[4.0]
    assert stage("--retry")[0] == 0
    assert server.requests[asked + 1 :] == ["/c.mp3"]
    assert set(table(folder)[1].values()) == {"found"}


def test_a_killed_run_goes_on_and_loses_no_outcome(server, music, quick, stage, mp3):
    server.files = {f"/{n}.mp3": mp3[4.0] for n in range(6)}
    wanted = [track(n, f"T{n}", preview=f"{server.base}/{n}.mp3") for n in range(6)]
    folder = music(wanted)
    server.on_request = lambda n: time.sleep(60) if n == 4 else None
    command = [sys.executable, "-m", "training", "download", "--config", str(quick)]
    with subprocess.Popen([*command, "--music", str(folder)], stdout=subprocess.DEVNULL) as run:
        limit_s = time.monotonic() + 30
        while len(server.requests) < 4 and time.monotonic() < limit_s:
            time.sleep(0.02)
        run.kill()
    assert len(server.requests) == 4
    server.on_request = lambda n: None
    journal = folder / "preview/outcomes.jsonl"
    assert len(files.read_jsonl(journal)) == 3
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"track_id": "3", "sta')  # as a kill in mid-write leaves it
    assert stage()[0] == 0
    assert server.requests[4:] == ["/3.mp3", "/4.mp3", "/5.mp3"]
    assert set(table(folder / "preview")[1].values()) == {"found"}
    assert len(files.read_jsonl(journal)) == 6


def test_a_lost_connection_stops_the_stage_and_the_table_says_what_is_untried(
    server, music, stage, mp3
):
    server.files = {"/a.mp3": mp3[4.0]}
    gone = "http://127.0.0.1:9/b.mp3"
    folder = music([track(1, "A", preview=f"{server.base}/a.mp3"), track(2, "B", preview=gone)])
    code, _, err = stage()
    assert code == 1
    assert "no connection to 127.0.0.1:9" in err
    assert table(folder / "preview")[1] == {"1": "found", "2": "not tried"}


def test_stale_tracks_are_refused_before_anything_is_fetched(server, music, stage):
    folder = music([track(1, "A", preview=f"{server.base}/a.mp3")])
    with (folder / TRACKS).open("a", encoding="utf-8") as file:
        file.write("{}\n")
    code, _, err = stage()
    assert code == 1
    assert "run the stage `playlists` again" in err
    assert server.requests == []


def test_what_the_disk_cannot_hold_is_not_begun(music, stage, monkeypatch):
    music([track(1, "A", duration_s=10**6)])
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**4))
    code, _, err = stage()
    assert code == 1
    assert re.search(r"MB are to come, .* has 0.01 MB free: choose another --music", err)


# ---- The account ----


def test_without_an_account_the_error_says_what_to_set(music, stage, monkeypatch):
    monkeypatch.delenv(streamrip.ARL, raising=False)
    music([track(1, "A")])
    code, _, err = stage("--source", "streamrip")
    assert code == 1
    assert "set GENRETAGGER_DEEZER_ARL to the `arl` cookie of your own account" in err
    assert "--arl-file" in err


def test_without_streamrip_the_error_says_how_to_install_it(music, stage, monkeypatch):
    monkeypatch.setenv(streamrip.ARL, ARL)
    music([track(1, "A")])
    code, _, err = stage("--source", "streamrip")
    assert code == 1
    assert "--install-streamrip" in err


@on_posix
def test_a_cookie_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "arl"
    path.write_text(f"{ARL}\n", encoding="utf-8")
    path.chmod(0o640)
    with pytest.raises(FatalError, match="chmod 600") as raised:
        streamrip.read_arl(path)
    assert ARL not in str(raised.value)
    path.chmod(0o600)
    assert streamrip.read_arl(path) == ARL


def test_what_is_no_cookie_is_refused_and_not_repeated(monkeypatch):
    monkeypatch.setenv(streamrip.ARL, "secret with spaces")
    with pytest.raises(FatalError, match="is no arl cookie") as raised:
        streamrip.read_arl(None)
    assert "secret" not in str(raised.value)


def test_a_secret_is_blotted_out_whole_and_in_pieces():
    text = f"a {ARL} b {ARL[:70]}\n{ARL[70:]} c"
    cleaned = streamrip.scrub(text, ARL)
    assert len(cleaned) == len(text)
    assert not any(ARL[i : i + 8] in cleaned for i in range(len(ARL) - 7))
    assert re.fullmatch(r"a \*+ b \*+\n\*+ c", cleaned)


def test_the_help_states_the_rights(capsys):
    with pytest.raises(SystemExit):
        main(["download", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "your own account, for your own use" in text


# ---- streamrip, with a program at the network's edge that does as it is told ----


@pytest.fixture
def edge(tmp_path, monkeypatch, stage):
    """Make an environment whose `rip` obeys ``edge(files, rest)``, and run the stage with it."""
    home = tmp_path / "env"
    (home / "bin").mkdir(parents=True)
    (home / "lib/site-packages/streamrip").mkdir(parents=True)
    (home / "lib/site-packages/streamrip/config.toml").write_text(TEMPLATE, encoding="utf-8")
    code = Path(__file__).with_name("fake_rip.py").read_text(encoding="utf-8")
    rip = home / "bin/rip"
    rip.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    rip.chmod(0o755)
    monkeypatch.setenv(streamrip.ARL, ARL)

    def run(arriving, rest="", *options, code=0):
        given = {str(k): [str(p) for p in v] for k, v in arriving.items()}
        orders = {"files": given, "rest": rest, "code": code}
        (home / "bin/orders.json").write_text(json.dumps(orders), encoding="utf-8")
        return stage("--source", "streamrip", "--streamrip", str(home), *options)

    run.home = home
    run.runs = lambda: files.read_jsonl(home / "bin/runs.jsonl")
    return run


@pytest.fixture
def flac(audio_file):
    """Give a tagged FLAC: ``flac("name", isrc="XX1", title=..., artist=..., seconds=4)``."""

    def make(name, *, seconds=4.0, **texts):
        return audio_file("FLAC", name=name, seconds=seconds, **texts)

    return make


def somewhere(secret, folder):
    """List the files below a folder that hold eight letters of a secret in a row."""
    pieces = [secret[i : i + 8].encode() for i in range(len(secret) - 8)]
    files = [p for p in folder.rglob("*") if p.is_file()]
    return [p for p in files if any(piece in p.read_bytes() for piece in pieces)]


@on_posix
def test_files_that_arrived_are_told_apart_by_isrc_then_by_name(edge, music, flac, tmp_path):
    folder = music([track(n, f"T{n}") for n in range(1, 7)]) / "streamrip"
    files = {
        1: [flac("one", isrc="XX-1", title="whatever", artist="X")],
        2: [flac("two", title="T2 (Remastered 2011)", artist="Artist, Guest")],
        3: [flac("three", isrc="XX3", seconds=1.0, title="T3", artist="Artist")],
        4: [flac("four", isrc="ZZ9", title="Other", artist="Stranger")],
        5: [flac("five")],  # no tags: it could be any track
    }
    code, out, err = edge(files, code=1)  # the exit code says nothing
    assert (code, err) == (0, "")
    found, status = table(folder)
    assert status == {
        "1": "found",
        "2": "found",
        "3": "wrong duration",
        "4": "missing",
        "5": "missing",
        "6": "missing",
    }
    assert found["1"]["path"] == "audio/1.flac"
    assert tags.names(folder / "audio/1.flac")["isrc"] == "XX-1"
    assert (folder / "aside/3.flac").is_file()
    assert out.count("its tags name no track that was asked for") == 2
    assert {p.name for p in (folder / "aside").iterdir()} == {"3.flac", "four.flac", "five.flac"}
    assert sorted(p.name for p in (folder / "audio").iterdir()) == ["1.flac", "2.flac"]
    assert not (folder / "incoming").exists()


@on_posix
def test_an_exit_code_of_0_without_files_is_believed_no_more(edge, music):
    folder = music([track(n, f"T{n}") for n in range(1, 4)]) / "streamrip"
    code, out, _ = edge({}, code=0)
    assert code == 0
    assert set(table(folder)[1].values()) == {"missing"}
    assert "missing: 3 of 3" in out


@on_posix
def test_rip_gets_the_list_the_settings_and_no_secret_but_in_the_config(edge, music, tmp_path):
    music([track(n, f"T{n}") for n in range(1, 4)])
    edge({}, "tells")
    runs = edge.runs()
    assert [r["ids"] for r in runs] == [["1", "2"], ["3"]]
    for run in runs:
        assert (run["mode"], run["folder_mode"], run["has_arl"]) == ("0o600", "0o700", True)
        assert ARL not in json.dumps(run)
        assert streamrip.ARL not in run["environment"]
        assert run["settings"]["deezer"] == {"quality": 2, "use_deezloader": False}
        assert run["settings"]["database"]["downloads_enabled"] is False
        assert run["settings"]["misc"] == {"version": "2.0.6", "check_for_updates": False}
        assert run["argv"][-2] == "file"
        assert run["environment"]["HOME"].startswith(str(tmp_path))


@on_posix
def test_the_cookie_is_in_no_file_and_no_output_afterwards(edge, music, flac, tmp_path):
    folder = music([track(1, "T1")])
    _, out, err = edge({1: [flac("one", isrc="XX1")]}, "tells")
    assert not any(ARL[i : i + 8] in out + err for i in range(len(ARL) - 7))
    assert somewhere(ARL, tmp_path) == []
    log = (folder / "streamrip/streamrip.log").read_text(encoding="utf-8")
    assert re.search(r"^cookie \*{192}$", log, re.MULTILINE)
    assert not (folder / "streamrip/.private").exists()


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@on_posix
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks /proc what still runs")
def test_a_hanging_rip_is_ended_with_all_its_children_and_what_came_is_kept(
    edge, music, flac, quick
):
    change(quick, "silence_s = 60.0", "silence_s = 4.0")
    folder = music([track(1, "T1"), track(2, "T2")]) / "streamrip"
    began_s = time.monotonic()
    code, _, _ = edge({1: [flac("one", isrc="XX1")]}, "hangs")
    assert code == 0
    assert time.monotonic() - began_s < 30
    found, status = table(folder)
    assert status == {"1": "found", "2": "missing"}
    assert "it did nothing for 4 s" in found["2"]["reason"]
    pids = (edge.home / "bin/pids").read_text().split()
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


@on_posix
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks /proc what still runs")
def test_ctrl_c_ends_rip_and_removes_the_config(edge, music, quick, tmp_path):
    folder = music([track(1, "T1")])
    orders = {"files": {}, "rest": "hangs"}
    (edge.home / "bin/orders.json").write_text(json.dumps(orders), encoding="utf-8")
    command = [sys.executable, "-m", "training", "download", "--config", str(quick)]
    command += ["--music", str(folder), "--source", "streamrip", "--streamrip", str(edge.home)]
    pids = edge.home / "bin/pids"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as stage:
        limit_s = time.monotonic() + 30
        while not (pids.exists() and pids.read_text()) and time.monotonic() < limit_s:
            time.sleep(0.02)
        assert somewhere(ARL, tmp_path) == [folder / "streamrip/.private/config.toml"]
        stage.send_signal(signal.SIGINT)
        out = stage.communicate(timeout=20)[0].decode()
    assert not any(alive(pid) for pid in pids.read_text().split())
    assert somewhere(ARL, tmp_path) == []
    assert ARL[:8] not in out


@on_posix
def test_a_rip_that_brings_nothing_and_hangs_stops_the_stage_without_a_verdict(edge, music, quick):
    change(quick, "silence_s = 60.0", "silence_s = 4.0")
    folder = music([track(1, "T1"), track(2, "T2"), track(3, "T3")]) / "streamrip"
    code, _, err = edge({}, "hangs")
    assert code == 1
    assert "it did nothing for 4 s; check the network" in err
    assert set(table(folder)[1].values()) == {"not tried"}
    assert len(edge.runs()) == 1


@on_posix
def test_a_rip_that_talks_for_ever_is_ended_too(edge, music, quick):
    music([track(1, "T1")])
    change(quick, "timeout_s = 60.0", "timeout_s = 3.0")
    code, _, err = edge({}, "talks")
    assert code == 1
    assert "it ran for 3 s" in err


@on_posix
def test_a_crash_is_told_with_its_last_words(edge, music):
    music([track(1, "T1")])
    code, _, err = edge({}, "crashes")
    assert code == 1
    assert "the last it said was 'RuntimeError: boom'" in err


@on_posix
def test_a_second_run_asks_only_for_what_is_not_there(edge, music, flac):
    folder = music([track(1, "T1"), track(2, "T2"), track(3, "T3")]) / "streamrip"
    files = {1: [flac("one", isrc="XX1")], 3: [flac("three", isrc="XX3")]}
    assert edge(files)[0] == 0
    assert edge(files)[0] == 0
    assert len(edge.runs()) == 2  # two batches of the first run
    (folder / "audio/3.flac").unlink()
    assert edge(files)[0] == 0
    assert edge.runs()[-1]["ids"] == ["3"]
    assert edge({2: [flac("two", isrc="XX2")]}, "", "--retry")[0] == 0
    assert edge.runs()[-1]["ids"] == ["2"]
    assert set(table(folder)[1].values()) == {"found"}


@on_posix
def test_what_a_killed_run_left_arriving_is_taken_first(edge, music, flac):
    folder = music([track(1, "T1"), track(2, "T2")]) / "streamrip"
    (folder / "incoming/7").mkdir(parents=True)
    shutil.copyfile(flac("one", isrc="XX1"), folder / "incoming/7/x.flac")
    (folder / "incoming/7/y.flac").write_bytes(flac("two", isrc="XX2").read_bytes()[:5000])
    shutil.copyfile(flac("three"), folder / "incoming/7/z.flac")  # its tags were to come
    (folder / ".private").mkdir()
    (folder / ".private/config.toml").write_text(ARL, encoding="utf-8")
    assert edge({2: [flac("again", isrc="XX2")]})[0] == 0
    assert [r["ids"] for r in edge.runs()] == [["2"]]
    assert table(folder)[1] == {"1": "found", "2": "found"}
    assert list((folder / "aside").iterdir()) == []
    assert somewhere(ARL, folder) == []


def test_a_truncated_file_is_no_find_whatever_its_header_says(tmp_path, flac):
    whole = flac("whole", seconds=8.0)
    assert download.check(whole, 8.0, 1.0)[0] == "found"
    part = tmp_path / "part.flac"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert download.check(part, 8.0, 1.0)[0] in {"damaged", "wrong duration"}


@pytest.mark.parametrize("form", ["FLAC", "MP3", "MP3 ID3v2.3", "M4A AAC", "Ogg Vorbis", "WMA"])
def test_names_are_read_from_every_container_that_may_arrive(audio_file, form):
    path = audio_file(form, artist="Ä", title="B", album="C")
    assert tags.names(path) == {"artist": "Ä", "title": "B", "album": "C", "isrc": ""}


def test_an_isrc_is_read_where_streamrip_writes_it(audio_file):
    from mutagen import id3, mp4

    mp3 = audio_file("MP3", title="B")
    frames = id3.ID3(mp3)
    frames.add(id3.TSRC(encoding=3, text=["GBAYE0601477"]))
    frames.save(mp3)
    m4a = audio_file("M4A AAC", title="B")
    file = mp4.MP4(m4a)
    file.tags["----:com.apple.iTunes:ISRC"] = [b"GBAYE0601477"]
    file.save()
    flac = audio_file("FLAC", isrc="GBAYE0601477")
    assert {tags.names(p)["isrc"] for p in (mp3, m4a, flac)} == {"GBAYE0601477"}


# ---- The real streamrip, as far as it goes without an account ----


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """Install streamrip by our own command, once; it takes a quarter of a minute."""
    home = tmp_path_factory.mktemp("streamrip") / "env"
    command = [sys.executable, "-m", "training", "download", "--install-streamrip"]
    done = subprocess.run(
        [*command, "--streamrip", str(home)], capture_output=True, text=True, check=False
    )
    if "No matching distribution found" in done.stderr:
        pytest.skip("pip reaches no index that has streamrip")
    assert done.returncode == 0, done.stderr
    assert "2.1.0" in done.stdout
    return home


@pytest.fixture
def one_run(real, tmp_path):
    def run(arl, **settings):
        return streamrip.rip(
            ["3135556"],
            tmp_path / "incoming",
            real,
            arl=arl,
            settings=replace(SETTINGS.download, **settings),
            private=tmp_path / "private",
        )

    return run


@contextlib.contextmanager
def proxy(answer):
    """Stand in for the network: plain HTTP gets one JSON answer, TLS is refused."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(f"{self.path} {self.headers.get('Cookie')}")
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


@pytest.fixture
def no_network(monkeypatch):
    """Send whatever rip asks for to a port of this machine where nobody listens."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def test_streamrip_stays_out_of_our_own_environment(real):
    ours = subprocess.run(
        [sys.executable, "-c", "import streamrip"], capture_output=True, text=True, check=False
    )
    assert "ModuleNotFoundError" in ours.stderr
    assert streamrip.executable(real).parent.parent == real.resolve()


def test_the_real_rip_accepts_our_config_and_asks_for_an_account(one_run, no_network, tmp_path):
    ended = one_run("")
    assert ended.hung == ""
    assert "Detected json file. Loading 1 items" in ended.output
    assert "Enter your ARL" in ended.output
    assert "Outdated" not in ended.output
    assert "updating" not in ended.output
    assert not (tmp_path / "private").exists()
    assert list((tmp_path / "incoming").rglob("*.*")) == []


@on_posix
def test_the_real_rip_without_a_network_hangs_and_is_ended(one_run, no_network, tmp_path):
    began_s = time.monotonic()
    one_run("")
    start_s = time.monotonic() - began_s  # a busy machine needs longer to begin
    ended = one_run(ARL, silence_s=2 + 2 * start_s)
    assert ended.hung.startswith("it did nothing for")
    assert time.monotonic() - began_s < 20 + 10 * start_s
    assert "Loading 1 items" in ended.output
    assert somewhere(ARL, tmp_path) == []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            assert str(tmp_path).encode() not in command.read_bytes()


@on_posix
def test_the_real_rip_with_an_expired_account_ends_with_our_explanation(
    real, music, stage, monkeypatch, no_network, tmp_path
):
    # what Deezer answers to a cookie that it does not know: a visitor
    visitor = {"error": [], "results": {"USER": {"USER_ID": 0}, "checkForm": "x"}}
    folder = music([track(3135556, "T")])
    monkeypatch.setenv(streamrip.ARL, ARL)
    with proxy(visitor) as (address, asked):
        monkeypatch.setenv("HTTP_PROXY", address)
        monkeypatch.setenv("http_proxy", address)
        code, out, err = stage("--source", "streamrip", "--streamrip", str(real))
    assert code == 1
    assert "Deezer refuses the account" in err
    # and as training/README.md warns, it does so by plain HTTP
    assert any(a.startswith("http://www.deezer.com/") and f"arl={ARL}" in a for a in asked)
    assert table(folder / "streamrip")[1] == {"3135556": "not tried"}
    assert not any(ARL[i : i + 8] in out + err for i in range(len(ARL) - 7))
    assert somewhere(ARL, tmp_path) == []
