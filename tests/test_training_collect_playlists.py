"""From playlists on a server that answers as Deezer does to labelled tracks."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from fake_deezer import QUICK, row, serve

from genretagger.errors import FatalError
from training import files
from training.__main__ import main
from training.collect import deezer
from training.collect.config import COLLECT, load_collect
from training.collect.tracks import read_tracks
from training.collect.wanted import read_list
from training.progress import Progress

SETTINGS = load_collect(COLLECT)


@pytest.fixture
def server(monkeypatch):
    with serve() as running:
        monkeypatch.setenv(deezer.API, running.base)
        yield running


@pytest.fixture
def quick(tmp_path):
    """Give a config without waits, and pages of two tracks."""
    text = COLLECT.read_text(encoding="utf-8")
    for old, new in QUICK.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / "quick.toml"
    path.write_text(text, encoding="utf-8")
    return path


def impatient(quick):
    """Wait half as long as the server's fault "slow" takes; on a busy machine that is short."""
    text = quick.read_text(encoding="utf-8").replace("timeout_s = 20.0", "timeout_s = 0.8")
    quick.write_text(text, encoding="utf-8")


@pytest.fixture
def stage(tmp_path, quick, capsys):
    """Run the stage on the text of a list; give its exit code, output and errors."""

    def run(text, *options):
        path = tmp_path / "list.toml"
        path.write_text(text, encoding="utf-8")
        music = str(tmp_path / "music")
        code = main(["playlists", str(path), "--config", str(quick), "--music", music, *options])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def result(tmp_path):
    """Read what the stage wrote: the tracks by id, and the rule of each rejected id."""

    def read():
        tracks = files.read_jsonl(tmp_path / "music" / "tracks.jsonl")
        rejected = files.read_jsonl(tmp_path / "music" / "rejected.jsonl")
        rules = {r.get("track_id"): r["rule"] for r in rejected}
        return {t["track_id"]: t for t in tracks}, rules

    return read


LIST = """
[playlists]
"https://www.deezer.com/en/playlist/1?utm_source=copy" = "Rock"
2 = "Pop"
"""


# ---- The list ----


@pytest.mark.parametrize(
    "name",
    [
        "1313621735",
        " 1313621735 ",
        "https://www.deezer.com/playlist/1313621735",
        "https://www.deezer.com/en/playlist/1313621735",
        "http://deezer.com/pt-br/playlist/1313621735/?a=b&c=d#x",
        "www.deezer.com/us/playlist/1313621735?deferredFl=1",
    ],
)
def test_an_id_and_every_form_of_link_name_the_same_playlist(name):
    assert deezer.playlist_id(name) == "1313621735"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"https://link.deezer.com/s/31abc" = "Rock"', "line 2: .*short link.*browser"),
        ('"https://deezer.page.link/abc" = "Rock"', "short link"),
        ('"https://www.deezer.com/en/album/12" = "Rock"', "is no playlist"),
        ('"https://example.com/playlist/12" = "Rock"', "is no playlist"),
        ('1 = "Blues"', "line 2: '1' has the genre 'Blues', which is none of Ambient"),
        ('1 = "Classical; Punk"', "no fusion: Classical; Punk"),
        ('1 = "Folk; Pop; Rock"', "more than two genres"),
        ('1 = "Pop; pop music"', "names a genre twice"),
        ("1 = 5", "has no genre"),
        ('1 = "Pop"\n"https://www.deezer.com/en/playlist/1" = "Pop"', "line 3: .*comes twice"),
        ('1 = "Pop"\n[by_hand]\nkep = [1]', "`keep` and `drop` only"),
        ('1 = "Pop"\n[by_hand]\nkeep = ["x"]', "line 4: `keep` is a list of track ids"),
        ('1 = "Pop"\n[by_hand]\nkeep = [5]\ndrop = [5]', "track 5 is to be kept and dropped"),
        ("", "no playlists"),
        ("1 = Pop", "list of playlists .*Invalid value"),
    ],
)
def test_a_wrong_line_is_named_with_its_remedy(tmp_path, line, message):
    path = tmp_path / "list.toml"
    path.write_text(f"[playlists]\n{line}\n", encoding="utf-8")
    with pytest.raises(FatalError, match=message) as raised:
        read_list(path)
    assert str(path) in str(raised.value)


def test_a_list_takes_aliases_and_puts_fusions_in_order(tmp_path):
    path = tmp_path / "list.toml"
    path.write_text('[playlists]\n1 = "rap; Jazz"\n2 = "R&B"\n[by_hand]\nkeep = [7]\ndrop = ["8"]')
    found = read_list(path)
    assert found.playlists == {"1": ("Hip Hop", "Jazz"), "2": ("RNB",)}
    assert (found.keep, found.drop) == ({"7"}, {"8"})


def test_an_unknown_setting_is_refused(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(COLLECT.read_text(encoding="utf-8").replace("batch =", "bach ="))
    with pytest.raises(FatalError, match=r"\[download\]: unknown setting bach"):
        load_collect(path)


# ---- The whole stage ----


def test_three_pages_a_quota_error_and_duplicates_become_tracks(server, stage, result, tmp_path):
    server.playlists["1"] = [
        row(11, "One"),
        row(12, "Both", "Band"),
        row(13, "Sung (Karaoke Version)"),
        row(14, "Gone", readable=False),
        row(15, "Same", isrc="XXAAA2400011"),  # the ISRC of 11, without hyphens
    ]
    server.playlists["2"] = [
        row(21, "Both (Remastered 2011)", "The Band"),  # 12 under another ISRC
        row(22, "Two", isrc=None),
        row(12, "Both", "Band"),
    ]
    server.tracks["22"] = {"id": 22, "isrc": "GBXYZ9900001"}
    server.faults[2] = "quota"
    code, out, err = stage(LIST)
    assert (code, err) == (0, "")
    tracks, rules = result()
    assert {i: t["genres"] for i, t in tracks.items()} == {
        "11": ["Rock"],
        "12": ["Pop", "Rock"],
        "22": ["Pop"],
    }
    assert tracks["12"]["playlists"] == ["1", "2"]
    assert tracks["22"]["isrc"] == "GBXYZ9900001"
    assert tracks["11"]["isrc"] == "XXAAA2400011"
    assert tracks["11"]["duration_s"] == 200.0
    assert rules == {
        "13": "karaoke",
        "14": "unreadable",
        "15": "duplicate-isrc",
        "21": "duplicate-artist-title",
    }
    # three pages, one of them twice; two pages; an alternative and an ISRC
    assert [re.sub(r"&limit=\d+", "", r) for r in server.requests] == [
        "/playlist/1/tracks?index=0",
        "/playlist/1/tracks?index=2",
        "/playlist/1/tracks?index=2",
        "/playlist/1/tracks?index=4",
        "/playlist/2/tracks?index=0",
        "/playlist/2/tracks?index=2",
        "/track/14",
        "/track/22",
    ]
    found = json.loads((tmp_path / "music/yield.json").read_text(encoding="utf-8"))
    assert found["labels"] == {
        "Pop": {"listed": 3, "taken": 2, "tracks": 1},
        "Pop; Rock": {"listed": 0, "taken": 0, "tracks": 1},
        "Rock": {"listed": 5, "taken": 2, "tracks": 1},
    }
    assert found["genres"]["Rock"] == 2
    assert "no tracks at all of Ambient" in found["warnings"][0]
    assert "fewer than 97 tracks of Pop (2), Rock (2)" in found["warnings"][1]
    assert "rejected, karaoke: 1" in out
    assert "3 tracks in" in out


def test_every_rejection_says_which_words_in_which_field_and_on_which_list(server, stage, tmp_path):
    server.playlists["1"] = [row(1, "A"), row(2, "B", album="Live in Paris")]
    server.playlists["2"] = [row(1, "A"), {"id": "x"}, "no object", row(3, "C", duration=20)]
    assert stage(LIST)[0] == 0
    rejected = files.read_jsonl(tmp_path / "music/rejected.jsonl")
    by_rule = {r["rule"]: r for r in rejected}
    live = by_rule["live"]
    assert (live["field"], live["matched"], live["track_id"]) == ("album", "Live in Paris", "2")
    assert (live["playlists"], live["title"]) == (["1"], "B")
    assert by_rule["too-short"]["matched"] == "20 s"
    assert sum(r["rule"] == "incomplete" for r in rejected) == 2


def test_labels_that_contradict_each_other_reject_the_track(server, stage, result):
    server.playlists = {
        "1": [row(1, "A"), row(2, "B")],
        "2": [row(1, "A"), row(3, "C")],
        "3": [row(3, "C"), row(4, "D")],
        "4": [row(3, "C")],
    }
    text = '[playlists]\n1 = "Classical"\n2 = "Punk"\n3 = "Pop; Rock"\n4 = "Pop"'
    assert stage(text)[0] == 0
    tracks, rules = result()
    assert set(tracks) == {"2", "4"}
    assert rules == {"1": "no-fusion", "3": "more-than-two-genres"}


def test_a_readable_copy_carries_the_labels_of_the_unreadable_one(server, stage, result):
    server.playlists = {
        "1": [row(1, "A", readable=False, isrc="XX1")],
        "2": [row(2, "A", isrc="XX1")],
    }
    assert stage(LIST)[0] == 0
    tracks, rules = result()
    assert tracks["2"]["genres"] == ["Pop", "Rock"]
    assert rules == {"1": "duplicate-isrc"}


def test_a_judgement_by_ear_stands_above_the_names(server, stage, result):
    server.playlists = {"1": [row(1, "A (Cover)"), row(2, "B")], "2": [row(3, "C (Live)")]}
    assert stage(LIST + "[by_hand]\nkeep = [1]\ndrop = [2]")[0] == 0
    tracks, rules = result()
    assert set(tracks) == {"1"}
    assert rules == {"2": "by-hand", "3": "live"}


@pytest.fixture
def listening(server, stage, tmp_path):
    """Give a page with tracks that were kept, rejected by name, and dropped by hand."""
    hostile = "</script><script>document.title = 'owned'</script>"
    server.playlists = {
        "1": [
            row(1, hostile, preview="https://example.com/1.mp3"),
            row(2, "B (Piano)", preview="https://example.com/2.mp3"),
            row(3, "C", preview="javascript:alert(1)"),
            row(6, "F (Karaoke)"),
            *(row(n, f"N {n}") for n in range(10, 20)),
        ],
        "2": [row(4, "D", duration=20)],
    }
    path = tmp_path / "page.html"
    by_hand = "[by_hand]\nkeep = [6, 99]\ndrop = [3]"
    code, out, _ = stage(LIST + by_hand, "--page", str(path))
    assert code == 0
    assert f"to listen: {path}" in out
    return path


def test_the_page_shows_a_sample_of_each_label_and_each_rule(listening):
    text = listening.read_text(encoding="utf-8")
    assert "<h3>Rock: 6 of 12</h3>" in text
    assert "<h3>rendition: 1 of 1</h3>" in text
    assert "B (Piano)</a><br>Album (title: Piano)" in text
    assert "Dropped by hand" in text
    assert "too-short" not in text  # there is nothing to hear about a length
    assert 'src="https://example.com/2.mp3"' in text
    assert "javascript:" not in text


def test_the_page_writes_the_table_that_the_next_run_reads(listening, browser, tmp_path):
    browser.get(listening.as_uri())
    assert browser.title == "Listen: kept and rejected"

    def table():
        return browser.execute_script("return document.getElementById('text').value")

    assert table() == "[by_hand]\nkeep = [6, 99]\ndrop = [3]\n"
    click = "document.querySelector(`input[data-side=${arguments[0]}][value='${arguments[1]}']`)"
    browser.execute_script(f"{click}.click()", "keep", "2")
    browser.execute_script(f"{click}.click()", "drop", "3")
    path = tmp_path / "again.toml"
    path.write_text(LIST + table(), encoding="utf-8")
    found = read_list(path)
    assert (found.keep, found.drop) == ({"2", "6", "99"}, set())


def test_a_playlist_that_is_gone_is_reported_and_the_others_count(server, stage, tmp_path):
    server.playlists["2"] = [row(1, "A")]
    code, out, _ = stage(LIST)
    assert code == 0
    assert "playlist 1 (Rock) cannot be had" in out
    assert "'no data' (code 800)" in out
    found = json.loads((tmp_path / "music/yield.json").read_text(encoding="utf-8"))
    assert found["playlists"][0]["refused"]
    assert any("playlist 1 cannot be had" in w for w in found["warnings"])
    # the answer is remembered, until it is asked for anew
    asked = len(server.requests)
    assert stage(LIST)[0] == 0
    assert len(server.requests) == asked
    server.playlists["1"] = [row(5, "B")]
    assert stage(LIST, "--refresh")[0] == 0
    assert len(files.read_jsonl(tmp_path / "music/tracks.jsonl")) == 2


def test_all_playlists_gone_is_an_error(server, stage, tmp_path):
    code, _, err = stage(LIST)
    assert code == 1
    assert "none of the playlists in" in err
    assert not (tmp_path / "music/tracks.jsonl").exists()


def test_an_isrc_that_deezer_does_not_know_stays_empty_and_is_not_asked_for_again(
    server, stage, result
):
    server.playlists = {"1": [row(1, "A", isrc=None)], "2": [row(2, "B", isrc="")]}
    server.tracks["2"] = {"id": 2, "isrc": "gb-abc-12-34567"}
    assert stage(LIST)[0] == 0
    asked = len(server.requests)
    assert stage(LIST)[0] == 0
    assert len(server.requests) == asked == 4
    assert {i: t["isrc"] for i, t in result()[0].items()} == {"1": "", "2": "GBABC1234567"}


@pytest.mark.parametrize("fault", ["cut", "not json", "not an object", "slow", "busy", 503, 429])
def test_a_passing_fault_costs_a_second_request_and_nothing_else(
    server, stage, result, quick, fault
):
    if fault == "slow":
        impatient(quick)
    server.playlists = {"1": [row(1, "A"), row(2, "B"), row(3, "C")], "2": [row(4, "D")]}
    server.faults[2] = fault
    code, _, err = stage(LIST)
    assert (code, err) == (0, "")
    assert len(result()[0]) == 4
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("quota", r"Quota limit exceeded' \(code 4\), 3 times; run this again later"),
        (503, "answers HTTP 503 every time"),
        ("not json", "playlist 1: .*no JSON, 3 times.*take it off the list"),
        ("cut", "connection was cut or too slow, 3 times"),
        ("slow", "no connection to 127.0.0.1"),
        (403, "playlist 1: .*HTTP 403"),  # a gate before Deezer: not its own "no data"
    ],
)
def test_a_lasting_fault_ends_with_its_reason_and_the_next_run_goes_on(
    server, stage, result, quick, fault, message
):
    if fault == "slow":
        impatient(quick)
    server.playlists = {"1": [row(n, f"T{n}") for n in range(1, 6)], "2": [row(9, "Z")]}
    server.faults = dict.fromkeys(range(3, 40), fault)
    code, _, err = stage('[playlists]\n2 = "Pop"\n1 = "Rock"')
    assert code == 1
    assert re.search(message, err)
    server.faults = {}
    asked = len(server.requests)
    assert stage('[playlists]\n2 = "Pop"\n1 = "Rock"')[0] == 0
    assert len(result()[0]) == 6
    assert not any("playlist/2/" in request for request in server.requests[asked:])


def test_no_server_at_all_is_one_clear_line(stage, monkeypatch):
    monkeypatch.setenv(deezer.API, "http://127.0.0.1:9")
    code, _, err = stage(LIST)
    assert code == 1
    assert "no connection to 127.0.0.1:9" in err
    assert "Traceback" not in err


def test_pages_that_go_round_in_a_circle_are_noticed(server):
    server.playlists["1"] = [row(n, "T") for n in range(4)]
    api = deezer.Api(replace(SETTINGS.deezer, page_size=2, attempts=1), server.base)
    server.answer = lambda path, query: {"data": [row(1, "A")], "next": "x?index=0", "total": 9}
    with pytest.raises(deezer.BrokenError, match="circle"):
        list(api.playlist("1"))


# ---- Other sources ----


def test_words_find_playlists_to_choose_from(server, stage, capsys):
    user = {"id": 5, "name": "Deezer Ambient Editor"}
    server.found["hip hop classics"] = [
        {"id": 71, "title": "Old\nSchool", "nb_tracks": 60, "user": user, "type": "playlist"},
        {"id": 72, "title": "Boom", "nb_tracks": 9, "type": "playlist"},
    ]
    assert main(["playlists", "--search", "hip hop classics"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# hip hop classics"
    assert lines[1].startswith('71 = "Hip Hop" # Old')
    assert lines[1].endswith("School, 60 tracks, by Deezer Ambient Editor")
    assert lines[2] == '72 = "Hip Hop" # Boom, 9 tracks, by unknown'
    server.playlists = {"71": [row(1, "A")]}
    assert stage(f"[playlists]\n{lines[1]}\n")[0] == 0


def test_without_a_list_or_words_the_remedy_is_named(capsys):
    assert main(["playlists"]) == 1
    assert "name a LIST.toml, or look for playlists with --search" in capsys.readouterr().err


OLD = (
    '"Track URI","Track Name","Artist URI(s)","Artist Name(s)","Album Name",'
    '"Track Duration (ms)","ISRC"'
)
NEW = '"Track URI","Track Name","Album Name","Artist Name(s)","Release Date","Duration (ms)"'


def test_an_export_of_spotify_is_found_by_isrc_or_by_artist_and_title(
    server, stage, result, tmp_path
):
    (tmp_path / "old.csv").write_text(
        f"{OLD}\n"
        "x,One,y,Band,Album,200000,gb-abc-12-00001\n"
        'x,"Two, Again",y,"Band, Guest",Album,200000,GBABC1200002\n'
        "x,Gone,y,Band,Album,200000,GBABC1200003\n",
        encoding="utf-8",
    )
    (tmp_path / "new.csv").write_text(
        f"\ufeff{NEW}\nx,Three,Album,Band;Guest,2001,200000\nx,Long,Album,Band,2001,900000\n"
        'x,Fi\u2028ve,Album,"Tyler, The Creator",2001,200000\n',
        encoding="utf-8",
    )
    server.tracks["isrc:GBABC1200001"] = row(11, "One", "Band")
    server.found['artist:"Band" track:"Two, Again"'] = [
        row(20, "Two, Again (Live)", "Band"),
        row(21, "Two, Again", "Other"),
        row(22, "Two, Again (Remastered)", "Band"),
    ]
    server.found['artist:"Band" track:"Three"'] = [row(30, "Three", "Band", duration=203)]
    five = row(50, "Fi\u2028ve", "Tyler, The Creator")
    server.found['artist:"Tyler, The Creator" track:"Fi\u2028ve"'] = [five]
    server.found['artist:"Band" track:"Long"'] = [row(31, "Long", "Band")]
    text = '[exports]\n"old.csv" = "Rock"\n"new.csv" = "Jazz"\n'
    assert stage(text)[0] == 0
    tracks, _ = result()
    assert {i: t["genres"] for i, t in tracks.items()} == {
        "11": ["Rock"],
        "22": ["Rock"],
        "30": ["Jazz"],
        "50": ["Jazz"],
    }
    rejected = files.read_jsonl(tmp_path / "music/rejected.jsonl")
    assert [(r["rule"], r["title"]) for r in rejected] == [
        ("not-found", "Gone"),
        ("not-found", "Long"),
    ]
    asked = len(server.requests)
    assert stage(text)[0] == 0
    assert len(server.requests) == asked
    # a row more costs one look-up; and what was chosen before is stale
    with (tmp_path / "old.csv").open("a", encoding="utf-8") as file:
        file.write("x,Four,y,Band,Album,200000,GBABC1200004\n")
    with pytest.raises(FatalError, match=r"old\.csv has changed since"):
        read_tracks(tmp_path / "music", SETTINGS.playlists)
    server.tracks["isrc:GBABC1200004"] = row(14, "Four", "Band")
    assert stage(text)[0] == 0
    assert len(server.requests) == asked + 1
    assert set(result()[0]) == {"11", "14", "22", "30", "50"}


@pytest.mark.parametrize(
    "content",
    [
        "Track name,Artist name,Album,Playlist name,Type,ISRC,Spotify - id\nOne,Band,,,,GBABC1,x\n",
        "title;artist;album;isrc;addedDate\r\nOne;Band;Album;GBABC1;2020\r\n",
        "#\tSong\tArtist\tTime\tISRC\n1\tOne\tBand\t03:20\tGB-ABC-1\n",
        "Track URI,Track Name,Artist Name(s),ISRC\nx,,,GBABC1\n\n",
        "Name;Artists\nOne;Band, Guest\n",
    ],
    ids=("TuneMyMusic", "Soundiiz", "Chosic", "ISRC alone", "names alone"),
)
def test_other_tables_of_a_playlist_are_read_too(server, stage, result, tmp_path, content):
    (tmp_path / "x.csv").write_text(content, encoding="utf-8", newline="")
    server.tracks["isrc:GBABC1"] = server.tracks["11"] = row(11, "One", "Band")
    server.found['artist:"Band" track:"One"'] = [row(11, "One", "Band")]
    assert stage('[exports]\n"x.csv" = "Rock"\n')[0] == 0
    assert set(result()[0]) == {"11"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Titel,Interpret\nA,B\n", "has no rows with title and artist"),
        ("Track Name,ISRC\nA,XX\n", "has no rows with artist"),
        (f"{NEW}\n", "has no rows with a track"),
        ("", "has no rows with title and artist"),
        ('Title,Artist\n"A,B\n', "cannot be read: unexpected end of data"),
        (None, "'x.csv' cannot be read: No such file"),
    ],
)
def test_an_export_that_is_none_is_named(server, stage, tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.csv").write_text(content, encoding="utf-8")
    code, _, err = stage('[exports]\n"x.csv" = "Rock"\n')
    assert code == 1
    assert re.search(message, err)


def test_what_is_not_played_here_is_replaced_by_deezers_alternative(
    server, stage, result, tmp_path
):
    server.playlists = {
        "1": [row(1, "A", readable=False, isrc="XX1"), row(2, "B", readable=False, isrc="XX2")],
        "2": [row(3, "C")],
    }
    server.tracks["1"] = row(1, "A", readable=False) | {"alternative": row(101, "A", isrc="XX101")}
    server.tracks["2"] = row(2, "B", readable=False)
    assert stage(LIST)[0] == 0
    tracks, rules = result()
    assert set(tracks) == {"3", "101"}
    assert (tracks["101"]["genres"], tracks["101"]["isrc"]) == (["Rock"], "XX101")
    assert rules == {"2": "unreadable"}
    report = json.loads((tmp_path / "music" / "yield.json").read_text(encoding="utf-8"))
    assert report["labels"]["Rock"]["taken"] == 1
    asked = len(server.requests)
    assert stage(LIST)[0] == 0
    assert len(server.requests) == asked


def test_a_quota_takes_as_many_tracks_of_each_part_of_a_genre(server, stage, result):
    server.playlists = {
        "1": [row(100 + n, f"Shoegaze {n}") for n in range(9)],
        "2": [row(200 + n, f"Surf {n}") for n in range(2)],
        "3": [row(300 + n, f"Garage {n}") for n in range(7)],
        "4": [row(400 + n, f"Pop {n}") for n in range(5)],
    }
    text = """
[playlists]
1 = { genre = "Rock", part = "Shoegaze" }
2 = { genre = "Rock", part = "Surf" }
3 = { genre = "Rock", part = "Garage" }
4 = "Pop"
[quotas]
Rock = 10
"""
    assert stage(text)[0] == 0
    tracks, rules = result()
    parts = [number[0] for number in tracks]
    assert {part: parts.count(part) for part in "1234"} == {"1": 4, "2": 2, "3": 4, "4": 5}
    assert sorted(rules.values()) == ["over-quota"] * 8
    assert stage(text)[0] == 0
    assert set(result()[0]) == set(tracks)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('1 = { genre = "Rock", prat = "X" }', "has to be .* part = "),
        ('1 = "Rock"\n[quotas]\nRock = 0', "Rock = 0, but a number of tracks is wanted"),
        ('1 = "Rock"\n[quotas]\nBlues = 9', "line 4: 'Blues' has the genre 'Blues', which is none"),
    ],
)
def test_a_wrong_part_or_quota_is_named(tmp_path, text, message):
    path = tmp_path / "list.toml"
    path.write_text(f"[playlists]\n{text}\n", encoding="utf-8")
    with pytest.raises(FatalError, match=message):
        read_list(path)


# ---- Time ----


class Clock:
    """Time that passes only in sleep."""

    def __init__(self):
        self.now_s = 0.0
        self.slept = []

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds


def test_never_more_than_the_quota_in_any_five_seconds(server):
    clock = Clock()
    api = deezer.Api(SETTINGS.deezer, server.base, sleep=clock.sleep, clock=clock)
    server.tracks["1"] = {"id": 1}
    times = []
    for _ in range(120):
        api.track(1)
        times.append(clock())
    assert max(sum(t <= u < t + 5.0 for u in times) for t in times) <= 46
    assert times[-1] == pytest.approx(119 * 5 / 45)


def test_waits_for_the_quota_double_and_stay_bounded(server):
    clock = Clock()
    settings = replace(SETTINGS.deezer, attempts=8, longest_wait_s=20.0, requests=10**6)
    api = deezer.Api(settings, server.base, sleep=clock.sleep, clock=clock)
    server.always = "quota"
    with pytest.raises(FatalError, match="8 times"):
        api.track(1)
    assert [s for s in clock.slept if s > 0.1] == [2, 4, 8, 16, 20, 20, 20]


def test_a_server_cannot_make_us_wait_longer_than_the_bound(server):
    retry = deezer._Retry(backoff_max=3.0)

    class Response:
        def __init__(self):
            self.headers = {"Retry-After": "86400"}

    assert retry.get_retry_after(Response()) == 3.0


def test_progress_says_the_time_left_and_not_too_often():
    clock, lines = Clock(), []
    progress = Progress(100, lines.append, every_s=5.0, clock=clock)
    for n in range(1, 101):
        clock.sleep(1.0)
        progress.at(n, f"{n} done")
    assert lines[0] == "1 done; about 99 s left"
    assert lines[1] == "6 done; about 94 s left"
    assert lines[-1] == "100 done"
    assert len(lines) == 21


# ---- Killed, stale, changed ----


def test_a_killed_run_goes_on_with_what_it_has_not_read(server, quick, tmp_path, result):
    server.playlists = {str(n): [row(10 * n + k, f"{n} {k}") for k in range(5)] for n in (1, 2)}
    path = tmp_path / "list.toml"
    path.write_text(LIST, encoding="utf-8")
    music = tmp_path / "music"
    command = [sys.executable, "-m", "training", "playlists", str(path)]
    command += ["--config", str(quick), "--music", str(music)]
    # the fifth request is in the middle of the second playlist
    server.on_request = lambda n: time.sleep(60) if n == 5 else None
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ) as process:
        limit_s = time.monotonic() + 30
        while len(server.requests) < 5 and time.monotonic() < limit_s:
            time.sleep(0.02)
        process.kill()
    assert len(server.requests) == 5
    assert not (music / "tracks.jsonl").exists()
    server.on_request = lambda n: None
    again = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True)
    assert "10 tracks in" in again.stdout
    assert [r.partition("?")[0] for r in server.requests[5:]] == ["/playlist/2/tracks"] * 3
    assert len(result()[0]) == 10


def test_a_changed_list_needs_no_second_reading_but_a_second_run(server, stage, result, tmp_path):
    server.playlists = {"1": [row(1, "A")], "2": [row(2, "B")]}
    assert stage(LIST)[0] == 0
    settings = SETTINGS.playlists
    assert len(read_tracks(tmp_path / "music", settings)) == 2
    changed = LIST.replace('"Pop"', '"Jazz"')
    (tmp_path / "list.toml").write_text(changed, encoding="utf-8")
    with pytest.raises(FatalError, match=r"list\.toml has changed since .* run the stage"):
        read_tracks(tmp_path / "music", settings)
    asked = len(server.requests)
    assert stage(changed)[0] == 0
    assert len(server.requests) == asked
    assert result()[0]["2"]["genres"] == ["Jazz"]
    found = read_tracks(tmp_path / "music", settings)
    assert {track.track_id: track.genres for track in found} == {"1": ("Rock",), "2": ("Jazz",)}


def test_stale_settings_edited_tracks_and_an_unfinished_stage_are_refused(server, stage, tmp_path):
    settings, music = SETTINGS.playlists, tmp_path / "music"
    with pytest.raises(FatalError, match=r"no finished tracks\.jsonl: run the stage `playlists`"):
        read_tracks(music, settings)
    server.playlists = {"1": [row(1, "A")]}
    assert stage(LIST)[0] == 0
    with pytest.raises(FatalError, match=r"\[playlists\] in the config has changed"):
        read_tracks(music, replace(settings, reject_live=False))
    with (music / "tracks.jsonl").open("a", encoding="utf-8") as file:
        file.write("{}\n")
    with pytest.raises(FatalError, match=r"is not what yield\.json says"):
        read_tracks(music, settings)


def test_a_damaged_cache_is_read_again_and_a_torn_journal_loses_one_line(server, stage, tmp_path):
    server.playlists = {"1": [row(1, "A", isrc=None)], "2": [row(2, "B", isrc=None)]}
    assert stage(LIST)[0] == 0
    music = tmp_path / "music"
    (music / "playlists/1.json").write_text('{"id": "1", "ro', encoding="utf-8")
    journal = music / "isrc.jsonl"
    journal.write_text(journal.read_text(encoding="utf-8")[:-5], encoding="utf-8")
    asked = len(server.requests)
    assert stage(LIST)[0] == 0
    assert len(server.requests) == asked + 2
    assert len(files.read_jsonl(journal)) == 2


def test_unevenness_is_warned_of(server, stage):
    server.playlists = {"1": [row(n, f"T{n}") for n in range(1, 13)], "2": [row(90, "P")]}
    _, out, _ = stage(LIST)
    assert "warning: uneven: Rock has 12.0 times the tracks of Pop" in out
