"""genretagger review: decided in the browser, saved at once, done by apply."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import mutagen
import pytest
from browser import (  # noqa: F401
    axe,
    browser,
    chromium,
    console,
    cut_or_covered,
    network,
    scheme,
    size,
)

from genretagger import bundle, places, planfile, tags
from genretagger.cache import Cache
from genretagger.cli import main
from genretagger.genres import GENRES
from genretagger.identity import identify
from genretagger.plan import TagPolicy
from genretagger.plan import plan as make_plan
from genretagger.recall import look_at
from genretagger.records import Decision, Prediction
from genretagger.scan import find_tracks
from genretagger.verdicts import Decisions, Verdict

HOSTILE = "<img src=x onerror=alert(1)>"


class Server:
    """A review in a process of its own."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "genretagger", "review", *map(str, arguments), "--no-browser"],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = ""
        while "review: " not in self.said:
            line = self.process.stderr.readline()
            if not line:
                raise RuntimeError(self.said)
            self.said += line
        (self.address,) = re.findall(r"review: (http://\S+)", self.said)
        self.client = httpx.Client(base_url=self.address, timeout=60)

    @property
    def port(self):
        return httpx.URL(self.address).port

    def get(self, path, **options):
        return self.client.get(path, **options)

    def do(self, what, **wish):
        return self.client.post(f"do/{what}", json=wish)

    def wait(self):
        while (now := self.get("progress").json())["running"]:
            time.sleep(0.02)
        return now

    def end(self, number=signal.SIGINT):
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        if not self.process.stderr.closed:
            self.said += self.process.stderr.read()
            self.process.stderr.close()
        return self.process.wait(30)


@pytest.fixture
def start():
    """Start reviews that end with the test."""
    with contextlib.ExitStack() as stack:

        def starter(*arguments):
            server = Server(*arguments)
            stack.callback(server.end, signal.SIGKILL)
            return server

        yield starter


@pytest.fixture
def music(encoded, tmp_path):
    """Give a folder with two albums, one track of a hostile name, and one that has a genre."""
    folder = tmp_path / "music"
    for album, name in (("A", "1"), ("A", HOSTILE), ("A", "3"), ("B", "4"), ("B", "5")):
        (folder / album).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(encoded("FLAC", seconds=2.0), folder / album / f"{name}.flac")
    tagged = mutagen.File(folder / "B/5.flac")
    tagged["genre"] = ["<script>alert(2)</script>"]
    tagged.save()
    return folder


@pytest.fixture
def bundle_of_default():
    return bundle.read(bundle.DEFAULT)


@pytest.fixture
def plan(music, tmp_path):
    """Give a plan in which every track but the tagged one is to change."""
    path = tmp_path / "plan.jsonl"
    heard = Prediction(tuple(0.8 if genre == "Electronic" else 0.1 for genre in GENRES))
    decision = Decision(("Electronic",), ("Electronic 0.80",))
    with path.open("w", encoding="utf-8") as stream:
        file = planfile.PlanFile(stream, roots=[music], field=None, bundle_id="test")
        for track in find_tracks([music], on_error=print):
            identity, held = identify(track), tags.read(track)
            change = make_plan(track, held, TagPolicy(), decision, heard)
            file.add(replace(change, identity=identity))
    return path


def genre(path):
    return list(mutagen.File(path).get("genre", []))


def names(path):
    return [row.path.name for row in planfile.read(path, []).lines]


# ---- the plan ------------------------------------------------------------------------------


def decide(path, n, answer, **rest):
    line = planfile.read(path, []).lines[n]
    Decisions(path).add([(line.path, Verdict(answer, **rest))])


def test_of_a_reviewed_plan_apply_writes_only_what_was_accepted(plan, music):
    decide(plan, 0, "accepted")
    decide(plan, 1, "rejected")
    (change,) = planfile.read(plan, []).changes
    assert main(["apply", str(plan)]) == 0
    assert genre(change.path) == list(change.new)
    others = [p for p in music.rglob("*.flac") if p != change.path and p.name != "5.flac"]
    assert [genre(path) for path in others] == [[], [], []]


def test_the_last_decision_on_a_line_counts(plan):
    for answer in ("accepted", "rejected", "accepted", ""):
        decide(plan, 0, answer)
    assert planfile.read(plan, []).changes == []
    decide(plan, 0, "accepted")
    assert len(planfile.read(plan, []).changes) == 1


def test_a_plan_that_nobody_reviewed_is_applied_in_full(plan):
    assert len(planfile.read(plan, []).changes) == 4


@pytest.mark.parametrize("cut", [1, 5, 14, 40, -1])
def test_a_decision_that_was_half_written_is_passed_over_and_cut_off(plan, cut):
    decide(plan, 0, "accepted")
    whole = plan.read_bytes()
    decide(plan, 1, "accepted")
    added = plan.read_bytes()[len(whole) :]
    plan.write_bytes(whole + added[:cut])
    kept = 2 if cut == -1 else 1  # only the end of the line is missing
    assert len(planfile.read(plan, []).changes) == kept
    decide(plan, 2, "accepted")
    assert len(planfile.read(plan, []).changes) == kept + 1


@pytest.mark.parametrize(
    "row",
    [
        '{"decided": "/a", "answer": "perhaps"}',
        '{"decided": 1}',
        '{"decided": "/a", "answer": []}',
        '{"decided": "/a", "answer": "", "scope": 1}',
    ],
)
def test_a_decision_that_makes_no_sense_is_refused_with_its_line(plan, row, capsys):
    plan.write_text(plan.read_text(encoding="utf-8") + row + "\n{}\n", encoding="utf-8")
    assert main(["apply", str(plan)]) == 3
    assert "line 7" in capsys.readouterr().err


# ---- who may ask ---------------------------------------------------------------------------


def test_only_who_knows_the_address_gets_in(plan, start):
    server = start(plan)
    token = httpx.URL(server.address).path
    assert len(token) > 20
    assert server.get("").status_code == 200
    assert server.get("decided").json()["rows"] == []
    bare = f"http://127.0.0.1:{server.port}"
    for path in (
        "/",
        "/decided",
        "/x/decided",
        token[:-2] + "/",
        token.upper(),
        "//",
    ):
        assert httpx.get(bare + path).status_code == 403, path
    for header in (
        {"host": "evil.example"},
        {"host": f"localhost:{server.port}"},
        {"host": f"127.0.0.1:{server.port + 1}"},
        {"host": f"127.0.0.1:{server.port}.evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert server.get("decided", headers=header).status_code == 403, header
        assert server.client.post("do/apply", headers=header).status_code == 403, header
    page = server.get("")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert "set-cookie" not in page.headers
    assert "default-src &#39;none&#39;" in page.text or "default-src 'none'" in page.text


def test_it_listens_on_loopback_alone(plan, start):
    server = start(plan)
    port = f"{server.port:04X}"
    with Path("/proc/net/tcp").open(encoding="ascii") as tcp:
        bound = [line.split()[1] for line in tcp if f":{port} " in line and " 0A " in line]
    assert bound == [f"0100007F:{port}"]
    for address in {a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None)}:
        if not address.startswith("127."):
            with pytest.raises(OSError):
                socket.create_connection((address, server.port), 2)


def test_the_ticket_on_the_browsers_command_line_opens_once():
    from genretagger.review.server import Guard

    async def app(scope, receive, send):
        raise AssertionError("not reached")

    guard = Guard(app, "127.0.0.1:1", "t" * 32)
    ticket = guard.ticket

    async def ask():
        transport = httpx.ASGITransport(app=guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as client:
            return [await client.get(f"/{ticket}/") for _ in range(2)]

    first, second = asyncio.run(ask())
    assert (first.status_code, first.headers["location"]) == (303, f"/{'t' * 32}/")
    assert second.status_code == 403


def test_tracks_are_asked_for_by_number_and_nothing_else_is_served(plan, start):
    server = start(plan)
    for path in (
        *("tracks/5", "tracks/99999999999999999999", "tracks/-1", "tracks/5/sound/0.wav"),
        *("tracks/../../../../etc/passwd", "tracks/%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
        *("tracks//etc/passwd", "tracks/0/sound/%2Fetc%2Fpasswd", "plan.jsonl", "static/x"),
        *("tracks/0/heard/../../x.png", "tracks/0/heard/%2e%2e.png"),
    ):
        assert server.get(path).status_code in (403, 404, 409), path
    assert str(plan.parent) not in server.get("decided").text.replace(str(plan), "")


def test_a_plan_from_elsewhere_gives_no_sound_of_files_that_were_not_named(plan, start, tmp_path):
    lines = plan.read_text(encoding="utf-8").splitlines()
    head, row = json.loads(lines[0]), json.loads(lines[1])
    other = tmp_path / "elsewhere.flac"
    shutil.copyfile(row["path"], other)
    row["path"] = str(other)
    plan.write_text("\n".join([json.dumps(head), json.dumps(row)]) + "\n", encoding="utf-8")
    server = start(plan)
    for path in ("tracks/0", "tracks/0/sound/0.wav", "tracks/0/heard"):
        assert server.get(path).status_code == 409
    assert server.do("decide", ids=[0], answer="accepted").json()["rows"] == []
    assert server.do("edit", id=0, genres="Jazz").status_code == 409
    assert "outside" in server.get("decided").json()["rows"][0]["problem"]


# ---- what it does --------------------------------------------------------------------------


def test_the_excerpts_of_every_format_come_as_sound_in_ranges(audio_file, start, tmp_path):
    for form in ("MP3", "Opus", "AIFF", "M4A ALAC", "WMA", "WavPack", "DSF"):
        audio_file(form, seconds=2.0, name=form)
    server = start(tmp_path, "--plan", tmp_path / "plan.jsonl", "-j1")
    for n in range(7):
        where = server.get(f"tracks/{n}").json()
        assert where["duration_s"] == pytest.approx(2.0, abs=0.2)
        assert where["starts_s"] == [0.0]
        whole = server.get(f"tracks/{n}/sound/0.wav")
        assert whole.headers["content-type"] == "audio/wav"
        assert whole.content[:4] == b"RIFF"
        assert len(whole.content) == pytest.approx(44 + 2 * 48000 * 2, rel=0.1)
    n_bytes = len(whole.content)
    for asked, begin, end in (
        ("bytes=0-99", 0, 100),
        ("bytes=1000-", 1000, n_bytes),
        ("bytes=-50", n_bytes - 50, n_bytes),
        (f"bytes={n_bytes - 1}-{n_bytes + 99}", n_bytes - 1, n_bytes),
    ):
        part = server.get("tracks/6/sound/0.wav", headers={"range": asked})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {begin}-{end - 1}/{n_bytes}"
        assert part.content == whole.content[begin:end]
    beyond = server.get("tracks/6/sound/0.wav", headers={"range": f"bytes={n_bytes}-"})
    assert beyond.status_code == 416


def test_a_timeline_is_drawn_on_demand(plan, start):
    server = start(plan)
    assert server.get("tracks/0/heard", timeout=600).json()["duration_s"] == pytest.approx(
        2.0, abs=0.1
    )
    assert server.get("tracks/0/heard/dark.png").content.startswith(b"\x89PNG")
    assert server.get("tracks/0/heard/light.png?narrow&why", timeout=600).content.startswith(
        b"\x89PNG"
    )
    assert server.get("tracks/0/heard/pink.png").status_code == 404
    assert server.get("heard").json() == {"share": 1.0}
    left, top, right, bottom = server.get("tracks/0/heard").json()["narrow"]
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1


def test_decisions_outlive_a_killed_server_and_a_second_review_is_kept_away(plan, start):
    server = start(plan)
    server.do("decide", ids=[0, 1], answer="accepted")
    server.do("decide", ids=[2], answer="rejected")
    server.do("edit", id=4, genres="jazz; Blues")
    second = subprocess.run(
        [sys.executable, "-m", "genretagger", "review", plan, "--no-browser"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 3
    assert "another run" in second.stderr
    server.end(signal.SIGKILL)
    rows = start(plan).get("decided").json()["rows"]
    assert [(row["id"], row["answer"], row["edited"]) for row in rows] == [
        (0, "accepted", False),
        (1, "accepted", False),
        (2, "rejected", False),
        (4, "accepted", True),
    ]
    assert rows[3]["now"] == ["Jazz; Blues"]


def test_what_was_decided_by_hand_is_left_alone_where_more_is_decided_at_once(plan, start):
    server = start(plan)

    def decide(ids, answer, scope):
        reply = server.do("decide", ids=ids, answer=answer, scope=scope).json()
        return [row["id"] for row in reply["rows"]], reply["left"]

    def answers():
        return ["" if v is None else v.answer for v in planfile.read(plan, []).verdicts]

    everything = [0, 1, 2, 3, 4]
    assert decide([0], "rejected", "line") == ([0], 0)
    server.do("edit", id=1, genres="Jazz")
    assert decide([0, 1, 2], "accepted", "album") == ([2], 2)
    assert decide(everything, "rejected", "shown") == ([3, 4], 3)
    assert decide(everything, "accepted", "shown") == ([3], 3)  # 4 has a genre
    assert answers() == ["rejected", "accepted", "accepted", "accepted", "rejected"]
    server.end()
    server = start(plan)  # also in a second session
    assert decide(everything, "rejected", "shown") == ([3, 4], 3)
    server.do("take-back")
    assert decide([0, 1, 2], "rejected", "album") == ([2], 2)
    assert decide([0], "accepted", "line") == ([0], 0)
    assert decide([0], "", "line") == ([0], 0)  # taken back by hand: open to all again
    assert decide(everything, "accepted", "shown") == ([0, 3], 2)
    assert server.do("apply").status_code == 200
    server.wait()
    written = [genre(line.path) for line in planfile.read(plan, []).lines[:4]]
    assert written == [["Electronic"], ["Jazz"], [], ["Electronic"]]
    assert decide(everything, "rejected", "shown") == ([4], 1)


def test_decisions_of_before_there_were_scopes_are_by_hand(plan, start):
    decide(plan, 0, "rejected")
    lines = [json.loads(line) for line in plan.read_text(encoding="utf-8").splitlines()]
    assert lines[-1].pop("scope") == "line"
    plan.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    reply = start(plan).do("decide", ids=[0, 2], answer="accepted", scope="shown").json()
    assert ([row["id"] for row in reply["rows"]], reply["left"]) == ([2], 1)


def test_apply_writes_what_is_accepted_and_undo_gives_the_bytes_back(plan, music, start):
    before = {path: path.read_bytes() for path in music.rglob("*.flac")}
    server = start(plan)
    server.do("decide", ids=[0, 1, 3], answer="accepted")
    server.do("take-back")
    server.do("decide", ids=[0, 1], answer="accepted")
    server.do("decide", ids=[1], answer="rejected")
    server.do("edit", id=4, genres="Hip-Hop, Blues")
    assert server.get("progress").json()["waiting"] == 2
    server.do("apply")
    now = server.wait()
    assert (now["done"], now["failed"], now["waiting"], now["undoable"]) == (2, 0, 0, 2)
    changed = {path for path in before if path.read_bytes() != before[path]}
    assert {path.name for path in changed} == {names(plan)[0], "5.flac"}
    assert genre(music / "B/5.flac") == ["Hip Hop; Blues"]
    assert server.do("edit", id=4, genres="Jazz").status_code == 409  # it is written
    server.do("undo")
    assert server.wait()["waiting"] == 2
    assert {path: path.read_bytes() for path in before} == before
    server.do("apply")  # and once more
    assert server.wait()["undoable"] == 2
    assert genre(music / "B/5.flac") == ["Hip Hop; Blues"]
    assert server.end() == 0
    assert f"genretagger review {plan}" in server.said


def recalled(path):
    """Give the genres that the cache has for the file as it is now."""
    with contextlib.closing(Cache(places.cache_file(), warn=print)) as cache:
        (held,) = cache.tags([look_at(path)], None)
    assert held is not None, "the next run would have to read it"
    return [value for block in held.blocks for value in block.values]


def test_what_apply_and_undo_have_written_is_remembered(plan, start):
    path = planfile.read(plan, []).lines[0].path
    server = start(plan)
    server.do("decide", ids=[0], answer="accepted")
    server.do("apply")
    server.wait()
    assert recalled(path) == genre(path) == ["Electronic"]
    server.do("undo")
    server.wait()
    assert recalled(path) == genre(path) == []


def test_undo_finds_what_was_moved_since(plan, music, start):
    server = start(plan)
    server.do("decide", ids=[0, 3], answer="accepted")
    before = {n: planfile.read(plan, []).lines[n].path.read_bytes() for n in (0, 3)}
    server.do("apply")
    server.wait()
    path = planfile.read(plan, []).lines[0].path
    moved = music / "C" / "new name.flac"
    moved.parent.mkdir()
    path.rename(moved)
    server.do("undo")
    now = server.wait()
    assert (now["done"], now["failed"], now["undoable"]) == (2, 0, 0)
    assert moved.read_bytes() == before[0]
    assert (music / "B/4.flac").read_bytes() == before[3]
    row = next(row for row in server.get("decided").json()["rows"] if row["id"] == 0)
    assert row["state"] == "failed"
    assert str(moved) in row["problem"]


def test_to_accept_a_kept_track_is_to_take_what_was_heard(plan, music, start):
    server = start(plan)
    reply = server.do("decide", ids=[4], answer="accepted", scope="shown").json()
    assert reply["rows"] == []
    (row,) = server.do("decide", ids=[4], answer="accepted").json()["rows"]
    assert (row["answer"], row["state"], row["now"]) == ("accepted", "change", ["Electronic"])
    server.do("take-back")
    assert server.get("progress").json()["waiting"] == 0
    server.do("decide", ids=[4], answer="accepted")
    server.do("apply")
    server.wait()
    assert genre(music / "B/5.flac") == ["Electronic"]


def test_to_accept_a_kept_track_that_has_what_was_heard_changes_nothing(plan, music, start):
    tagged = mutagen.File(music / "B/5.flac")
    tagged["genre"] = ["Electronic"]
    tagged.save()
    server = start(plan)
    reply = server.do("decide", ids=[4], answer="accepted")
    assert (reply.status_code, reply.json()["rows"], reply.json()["left"]) == (200, [], 1)
    assert reply.json()["waiting"] == 0
    reply = server.do("edit", id=4, genres="Electronic")
    assert (reply.status_code, "has that already" in reply.json()["error"]) == (409, True)


def test_after_apply_and_undo_a_line_says_what_it_is_now(plan, music, start):
    changed = mutagen.File(music / "B/4.flac")
    changed["title"] = ["new"]
    changed.save()
    server = start(plan)

    def lines():
        rows = server.get("decided").json()["rows"]
        return [(row["id"], row["state"], row["now"]) for row in rows]

    server.do("decide", ids=[0, 3], answer="accepted")
    server.do("apply")
    server.wait()
    assert lines() == [(0, "written", ["Electronic"]), (3, "failed", ["Electronic"])]
    assert "changed since" in server.get("decided").json()["rows"][1]["reason"]
    server.do("undo")
    server.wait()
    assert lines()[0] == (0, "change", ["Electronic"])


def test_a_timeline_can_be_stopped_and_asked_for_again(plan, bundle_of_default, monkeypatch):
    from genretagger.review import session as sessions

    session = sessions.Session(plan, (), bundle_of_default)
    shares = []

    def patient(*_, advance, **__):
        for share in (0.25, 0.5):
            advance(share)
            shares.append(session.share_heard())
        session.stop_hearing()
        advance(0.75)

    monkeypatch.setattr(sessions, "hear_closely", patient)
    with pytest.raises(sessions.RefusedError, match="stopped"):
        session.hear_closely(0, False)
    assert shares == [0.25, 0.5]
    monkeypatch.setattr(sessions, "hear_closely", lambda *_, **__: "heard")
    assert session.hear_closely(0, False) == "heard"


def test_with_no_cache_nothing_is_remembered(plan, start):
    server = start(plan, "--no-cache")
    server.do("decide", ids=[0], answer="accepted")
    server.do("apply")
    assert server.wait()["done"] == 1
    assert not places.cache_file().exists()


def test_a_restart_knows_what_a_killed_apply_had_written_and_undoes_it(plan, music, start):
    before = {path: path.read_bytes() for path in music.rglob("*.flac")}
    server = start(plan)
    server.do("decide", ids=[0, 1, 2], answer="accepted")
    server.do("apply")
    server.wait()
    server.end(signal.SIGKILL)
    # as if it had been killed between the file and the plan
    lines = plan.read_text(encoding="utf-8").splitlines()
    plan.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    server = start(plan)
    assert server.get("progress").json()["waiting"] == 0
    assert server.get("progress").json()["undoable"] == 3
    server.do("undo")
    server.wait()
    assert {path: path.read_bytes() for path in before} == before


def test_what_the_command_line_has_taken_back_waits_again(plan, start):
    server = start(plan)
    server.do("decide", ids=[0], answer="accepted")
    server.do("apply")
    server.wait()
    server.end()
    assert main(["undo", "--yes"]) == 0
    server = start(plan)
    assert server.get("progress").json()["waiting"] == 1
    server.do("apply")
    assert server.wait()["failed"] == 0


def test_a_file_that_has_changed_since_is_refused_and_can_be_edited(plan, music, start):
    changed = mutagen.File(music / "B/4.flac")
    changed["title"] = ["new"]
    changed.save()
    server = start(plan)
    server.do("decide", ids=[3], answer="accepted")
    server.do("apply")
    assert server.wait()["failed"] == 1
    (row,) = server.get("decided").json()["rows"]
    assert "changed since" in row["problem"]
    server.do("edit", id=3, genres="Jazz")
    server.do("apply")
    assert server.wait()["failed"] == 0
    assert genre(music / "B/4.flac") == ["Jazz"]
    assert mutagen.File(music / "B/4.flac")["title"] == ["new"]


def test_wishes_that_make_no_sense_change_nothing(plan, start):
    server = start(plan)
    before = plan.read_bytes()
    for genres in ("", " , ", "a\nb", "a/b", "x" * 61, ",".join("abcdefghijk")):
        assert server.do("edit", id=0, genres=genres).status_code == 409, genres
    for what, wish in (
        ("decide", {}),
        ("decide", {"ids": [99], "answer": "accepted"}),
        ("decide", {"ids": [0], "answer": "perhaps"}),
        ("decide", {"ids": "x", "answer": "accepted"}),
        ("decide", {"ids": [0], "answer": "accepted", "scope": "all"}),
        ("decide", {"ids": [0], "answer": "accepted", "scope": ["line"]}),
        ("edit", {"id": -1, "genres": "Jazz"}),
        ("format", {}),
    ):
        assert server.do(what, **wish).status_code in (400, 409), (what, wish)
    assert server.client.post("do/decide", content=b"[").status_code == 400
    assert server.client.post("do/decide", content=b"[]").status_code == 400
    assert plan.read_bytes() == before


def test_paths_make_a_plan_that_can_be_gone_on_with(music, start, tmp_path):
    path = tmp_path / "new.jsonl"
    server = start(music, "--plan", path, "--always", "--existing", "replace", "-j1")
    assert "5 tracks: 5 to change" in server.said
    server.do("decide", ids=[4], answer="accepted")
    server.end()
    assert len(planfile.read(path, []).changes) == 1


# ---- in the browser ------------------------------------------------------------------------


def press(driver, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def until(driver, condition):
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(driver, 90, 0.05).until(lambda d: d.execute_script(f"return {condition}"))


ANSWERS = "genretagger.rows.map(row => row.answer).join()"


def test_a_review_by_keyboard_alone(browser, plan, music, start):  # noqa: F811
    from selenium.webdriver.common.keys import Keys

    before = {path: path.read_bytes() for path in music.rglob("*.flac")}
    server = start(plan)
    browser.get(server.address)
    until(browser, "window.genretagger && genretagger.current && genretagger.current.id === 0")
    press(browser, "y")
    until(browser, f"{ANSWERS} === 'accepted,,,,' && genretagger.current.id === 1")
    press(browser, "n")
    until(browser, f"{ANSWERS} === 'accepted,rejected,,,' && genretagger.current.id === 2")
    press(browser, "y")
    until(browser, f"{ANSWERS} === 'accepted,rejected,accepted,,'")
    press(browser, "u")
    until(browser, f"{ANSWERS} === 'accepted,rejected,,,' && genretagger.current.id === 2")
    press(browser, "k", "j", "j", "j")
    until(browser, "genretagger.current.id === 4")
    button = "document.querySelector('#detail .button.primary').textContent"
    until(browser, f"{button} === 'Take what was heard y'")
    press(browser, "y")  # its genre is kept: what was heard is taken
    until(browser, f"{ANSWERS} === 'accepted,rejected,,,accepted'")
    said = browser.execute_script("return document.querySelector('.said').textContent")
    assert said.startswith("5.flac: Electronic in place of <script>alert(2)</script>.")
    assert browser.execute_script("return genretagger.rows[4].now") == ["Electronic"]
    browser.execute_script("genretagger.select(4)")
    press(browser, "e")
    until(browser, "document.activeElement.id === 'review-genres'")
    press(browser, "rock, Blues", Keys.ENTER)  # what stands there is selected, and gives way
    until(browser, "genretagger.rows[4].now.join() === 'Rock; Blues'")

    # the server dies, and a new one goes on where it stopped
    server.end(signal.SIGKILL)
    press(browser, "n")
    until(browser, "document.querySelector('.trouble').textContent.includes('not saved')")
    server = start(plan)
    browser.get(server.address)
    until(browser, f"window.genretagger && {ANSWERS} === 'accepted,rejected,,,accepted'")
    until(browser, "document.querySelector('#banner .said').textContent.includes('goes on')")
    network(browser), console(browser)

    press(browser, "w")
    until(browser, "document.querySelector('dialog.question').open")
    press(browser, Keys.ENTER)
    until(browser, "genretagger.rows.filter(row => row.written).length === 2")
    says = "document.getElementById('row-0').innerText.includes('changed')"
    until(browser, says)
    until(browser, "document.querySelector('.tile-written b').textContent === '2'")
    assert genre(music / "B/5.flac") == ["Rock; Blues"]
    first = planfile.read(plan, []).lines[0]
    assert genre(first.path) == list(first.new)
    unchanged = [path for path in before if path not in (first.path, music / "B/5.flac")]
    assert all(path.read_bytes() == before[path] for path in unchanged)

    until(browser, "!document.querySelector('dialog.question').open")
    press(browser, "U")
    until(browser, "document.querySelector('dialog.question').open")
    press(browser, Keys.ENTER)
    until(browser, "genretagger.rows.every(row => !row.written)")
    assert {path: path.read_bytes() for path in before} == before
    assert all(url.startswith(server.address) for url in network(browser))
    assert console(browser) == []


def test_space_plays_the_excerpt_and_t_shows_the_timeline(browser, plan, start):  # noqa: F811
    browser.get(start(plan).address)
    until(browser, "window.genretagger && genretagger.current")
    press(browser, " ")
    until(browser, "document.querySelector('audio').currentTime > 0")
    assert browser.execute_script("return document.querySelector('audio').error") is None
    press(browser, "t")
    until(browser, "(document.querySelector('.timeline img') ?? {}).naturalWidth > 500")
    assert console(browser) == []
    press(browser, "t")
    until(browser, "document.querySelector('.timeline').hidden")


def test_all_that_a_filter_shows_and_whole_albums_are_decided_at_once(
    browser,  # noqa: F811
    plan,
    start,
):
    browser.get(start(plan).address)
    until(browser, "window.genretagger && genretagger.current")
    press(browser, "Y")
    until(browser, f"{ANSWERS} === 'accepted,accepted,accepted,,'")
    press(browser, "u")
    until(browser, f"{ANSWERS} === ',,,,'")
    browser.execute_script(
        "const search = document.getElementById('search'); search.value = '4.flac';"
        "search.dispatchEvent(new Event('input', {bubbles: true}));"
    )
    until(browser, "genretagger.filtered().length === 1")
    browser.execute_script("document.getElementById('tracks').focus()")
    press(browser, "+")
    until(browser, f"{ANSWERS} === ',,,accepted,'")
    press(browser, "-")
    until(browser, f"{ANSWERS} === ',,,rejected,'")
    browser.execute_script("genretagger.select(genretagger.filtered()[0].id)")
    press(browser, "n")  # by hand now
    until(browser, "document.getElementById('live').textContent.endsWith('rejected')")
    press(browser, "+")
    words = "0 accepted; 1 decided by hand left as it is."
    until(browser, f"document.querySelector('.said').textContent === '{words}'")
    assert browser.execute_script(f"return {ANSWERS}") == ",,,rejected,"


def test_names_and_tags_inject_nothing(browser, plan, start):  # noqa: F811
    browser.get(start(plan).address)
    until(browser, "window.genretagger && genretagger.current")
    for n in range(5):
        browser.execute_script(f"genretagger.select({n})")
    press(browser, "t", "e")
    until(browser, "(document.querySelector('.timeline img') ?? {}).naturalWidth > 500")
    page = browser.execute_script("return document.body.textContent")
    assert HOSTILE in page
    assert "<script>alert(2)</script>" in page
    assert browser.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
    assert console(browser) == []


def test_nothing_serious_is_found_by_axe_light_and_dark_and_narrow(browser, plan, start):  # noqa: F811
    browser.get(start(plan).address)
    until(browser, "window.genretagger && genretagger.current")
    press(browser, "y", " ")
    until(browser, f"{ANSWERS} === 'accepted,,,,'")
    press(browser, "e")
    assert axe(browser) == []
    scheme(browser, "dark")
    size(browser, 390, 844)
    assert axe(browser) == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (800, 1100), (1280, 800)])
def test_at_no_size_is_anything_cut_off_or_covered(browser, plan, start, width, height):  # noqa: F811
    size(browser, width, height, touch=width == 390)
    browser.get(start(plan).address)
    until(browser, "window.genretagger && genretagger.current")
    assert cut_or_covered(browser) == []
    until(browser, "document.getElementById('row-0')")  # rows are drawn anew while it settles
    browser.execute_script("document.getElementById('row-0').click()")
    until(browser, "!document.getElementById('detail').hidden && genretagger.isSeen()")
    assert cut_or_covered(browser) == []
    buttons = "[...document.querySelectorAll('#detail button')]"
    edit = f"{buttons}.find(it => it.textContent.startsWith('Edit'))"
    until(browser, edit)
    browser.execute_script(f"{edit}.click()")
    until(browser, "document.activeElement.id === 'review-genres'")
    save, panel = (
        f"document.querySelector('{name}').getBoundingClientRect().bottom"
        for name in ("#detail .edit .primary", "#detail")
    )
    assert browser.execute_script(f"return {save} <= Math.min({panel}, innerHeight)")


def test_without_the_extra_it_says_what_to_install(plan):
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from genretagger.cli import main\n"
        f"print(main(['review', {str(plan)!r}]))"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == "3"
    assert "pip install -e " in done.stderr
    assert "[review]'" in done.stderr
