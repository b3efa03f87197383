"""Groups by sound: how they are found, described, shown on a map, and what is refused."""

import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import browser as browsers
import embedding_bundle
import httpx
import make_rows
import mutagen
import numpy as np
import pytest
from runs import LINES, encode, run
from test_report_html import press, wait

from genretagger import pipeline
from genretagger.discover import layout, mixture
from genretagger.discover.portrait import Genres, Match, portray
from genretagger.errors import FatalError, TrackError
from genretagger.playlist import Candidate
from genretagger.records import Prediction
from genretagger.report.groups import Collection, page
from genretagger.scan import read_list


def clouds(*sizes, n_values=40, apart=4.0, seed=0):
    """Make embeddings of tracks in groups of these sizes, and say of which group each is."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(len(sizes), n_values)) * apart
    of = np.repeat(np.arange(len(sizes)), sizes)
    values = 100 + middles[of] + rng.normal(size=(len(of), n_values))
    return list(values.astype(np.float16)), of


# ---- Groups ------------------------------------------------------------------------------------


def test_groups_that_are_there_are_found_the_largest_first_and_again_from_other_seeds():
    embeddings, of = clouds(60, 120, 90)
    groups = mixture.find_groups(embeddings)
    assert [len(members) for members in groups.members] == [120, 90, 60]
    for members in groups.members:
        assert len(set(of[members])) == 1
        assert set(groups.group[members]) == {groups.group[members[0]]}
    assert groups.agreement == pytest.approx(1.0)
    assert groups.stability == pytest.approx((1.0, 1.0, 1.0))
    assert groups.sureness.min() > 0.99
    again = mixture.find_groups(embeddings)
    assert (again.group == groups.group).all()


def test_the_most_typical_tracks_lie_in_the_middle_of_their_group():
    embeddings, of = clouds(100, 100)
    values = np.float32(np.stack(embeddings))
    for members in mixture.find_groups(embeddings).members:
        middle = values[of == of[members[0]]].mean(axis=0)
        away = np.linalg.norm(values[members] - middle, axis=1)
        assert away[:20].mean() < away[-20:].mean()


def test_where_nothing_sets_tracks_apart_there_is_one_group():
    embeddings, _ = clouds(300)
    groups = mixture.find_groups(embeddings)
    assert [len(members) for members in groups.members] == [300]


def test_groups_that_nothing_sets_apart_are_not_stable():
    rng = np.random.default_rng(0)
    flat = rng.uniform(-1, 1, size=(400, 2)) @ rng.normal(size=(2, 30))  # a square cut into pieces
    groups = mixture.find_groups(list(np.float16(flat + 0.1 * rng.normal(size=flat.shape))))
    assert len(groups.members) > 2
    assert groups.agreement < 0.9
    assert min(groups.stability) < 0.8
    assert groups.sureness.mean() < 0.95  # though given the one mixture, nearly all are sure


def test_the_same_audio_many_times_is_one_piece_of_evidence_and_in_one_group():
    embeddings, _ = clouds(200)
    groups = mixture.find_groups([*embeddings, *[embeddings[0]] * 80])
    assert len(groups.members) == 1
    assert len(groups.group) == 280
    copied, _ = clouds(60, 60)
    groups = mixture.find_groups([*copied, *[copied[0]] * 5])
    assert {int(group) for group in groups.group[120:]} == {int(groups.group[0])}


def test_a_mixture_that_was_fitted_to_some_tracks_groups_them_all(monkeypatch):
    monkeypatch.setattr(mixture, "_MOST_FITTED", 100)
    embeddings, _ = clouds(300, 200)
    groups = mixture.find_groups(embeddings)
    assert [len(members) for members in groups.members] == [300, 200]


@pytest.mark.parametrize("n", [0, 1, 49])
def test_too_few_different_tracks_are_refused(n):
    embeddings, _ = clouds(49)
    with pytest.raises(FatalError, match=rf"^{n} different tracks are too few .* at least 50"):
        mixture.find_groups(embeddings[:n] * 3)


# ---- Portraits ---------------------------------------------------------------------------------


def test_what_the_tags_of_a_group_have_in_common_is_what_the_others_have_less_of():
    tags = Genres([["Rock", "Shoegaze"]] * 5 + [["rock"]] * 15 + [[]] * 20 + [["Rock"]] * 20)
    assert tags[7] == ("Rock",)
    first, second = tags.traits(range(10))
    assert first == ("Shoegaze", 0.5, 5 / 60)
    assert second == ("Rock", 1.0, 40 / 60)
    assert tags.traits(range(20, 40)) == ()
    assert tags.match(range(20, 40)) is None
    assert tags.match(range(5)) == Match("Shoegaze", 1.0, 1.0)
    assert tags.match(range(5)).is_known
    assert not Match("Rock", 1.0, 0.25).is_known


def test_typical_tracks_are_by_different_artists_and_of_different_recordings():
    embeddings, _ = clouds(60, 50)
    groups = mixture.find_groups(embeddings)
    ids = range(110)
    tracks = [Candidate(Path(f"{n}"), 0.0, f"Artist {n % 4}", n % 50) for n in ids]
    heard = np.float32(np.repeat([[0.9, 0.1], [0.2, 0.12]], [60, 50], axis=0))
    first, second = portray(groups, tracks, Genres([[]] * 110), (("Rock", "Folk"), heard))
    assert len(first.typical) == 4
    assert {n % 4 for n in first.typical} == {0, 1, 2, 3}
    assert first.typical[0] == first.tracks[0]
    assert first.n_artists == 4
    ((name, inside, overall),) = first.heard
    assert (name, inside) == ("Rock", pytest.approx(0.9))
    assert overall == pytest.approx((60 * 0.9 + 50 * 0.2) / 110)
    assert second.heard == ()  # two hundredths more of Folk are nothing


# ---- The map -----------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [60, 1000])
def test_tracks_of_one_group_lie_together_also_those_that_were_not_laid_out_first(
    monkeypatch, most
):
    monkeypatch.setattr(layout, "_MOST_LAID_OUT", most)
    embeddings, of = clouds(80, 70, 60)
    places = layout.lay_out(mixture.find_groups(embeddings).components)
    assert places.shape == (210, 2)
    assert places.min() >= 0
    assert places.max() == pytest.approx(1.0)
    away = np.linalg.norm(places[:, None] - places, axis=2) + np.eye(210)
    assert (of[away.argmin(axis=1)] == of).mean() > 0.97


def collection(n, *, names=(), paths=None):
    """Make a collection of made-up tracks, in four groups; hostile `names` come first."""
    embeddings, of = clouds(*[n // 4] * 4, apart=1.5)
    groups = mixture.find_groups(embeddings)
    rng = np.random.default_rng(0)
    rows = list(make_rows.rows(n))
    paths = paths or [Path(row["path"]) for row in rows]
    paths = [*(Path("/m") / name for name in names), *paths[len(names) :]]
    genres = [(("Shoegaze", "Polka", "Lied", "Dub")[g],) if i % 3 else () for i, g in enumerate(of)]
    tags = Genres(genres)
    heard = np.float32(rng.uniform(size=(n, 14)))
    vocabulary = tuple(rows[0]["probabilities"] or rows[1]["probabilities"])
    tracks = [Candidate(path, 0.0, path.parent.parent.name) for path in paths]
    made = Collection(
        paths=paths,
        artists=[track.artist for track in tracks],
        genres=[tags[i] for i in range(n)],
        vocabulary=vocabulary,
        probabilities=heard,
        group=groups.group.tolist(),
        sureness=groups.sureness.tolist(),
        portraits=portray(groups, tracks, tags, (vocabulary, heard)),
        agreement=groups.agreement,
    )
    by_group = np.float32([[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.8]])[of]
    return made, np.clip(by_group + 0.06 * np.float32(rng.normal(size=(n, 2))), 0, 1)


HEAD = {"title": "Groups in Music", "command": "genretagger discover", "model": "test"}


def write_map(path, n, **options):
    made, places = collection(n, **options)
    path.write_text(page(made, places, **HEAD, is_served=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """Give a map of 400 tracks on disk, with hostile names."""
    return write_map(tmp_path_factory.mktemp("map") / "map.html", 400, names=make_rows.HOSTILE)


@pytest.fixture
def opened(browser, sheet):
    return open_map(browser, sheet.as_uri())


def open_map(driver, address):
    driver.get(address)
    wait(driver, "return window.genretagger && genretagger.place(0)[0] > 0")
    return driver


def test_the_map_obeys_no_name_and_its_data_cannot_end_their_element(sheet):
    html = sheet.read_text(encoding="utf-8")
    (data,) = re.findall(r'id="data">(.*?)</script>', html, re.DOTALL)
    read = json.loads(data)
    assert len(read["name"]) == len(read["group"]) == len(read["place"]) / 2 == 400
    assert read["name"][0] == "<img src=x onerror=alert(1)>.mp3"
    assert "<img" not in html
    assert "alert(2)</script>" not in html
    policy = re.search(r'Policy" content="([^"]*)"', html)[1]
    assert "default-src &#39;none&#39;" in policy
    assert "media-src &#39;none&#39;" in policy


def test_the_groups_stand_on_the_page_without_a_script(sheet, tmp_path):
    driver = browsers.start(tmp_path / "profile", javascript=False)
    try:
        driver.get(sheet.as_uri())
        text = driver.find_element("css selector", "main").text
    finally:
        driver.quit()
    assert "The map needs JavaScript" in text
    assert all(f"Group {number}" in text for number in (1, 2, 3, 4))
    assert "the tags know it as" in text


def test_the_map_asks_for_nothing_and_complains_of_nothing(opened, sheet):
    assert browsers.network(opened) == [sheet.as_uri()]
    assert browsers.console(opened) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "touch"), [(1280, False), (360, True)])
def test_the_map_is_accessible_and_nothing_is_cut(opened, scheme, width, touch):
    browsers.scheme(opened, scheme)
    browsers.size(opened, width, 800, touch=touch)
    opened.execute_script("genretagger.select(20)")
    opened.execute_script(
        "const it = document.getElementById('search'); it.value = 'shoegaze';"
        "it.dispatchEvent(new Event('input'))"
    )
    assert browsers.axe(opened) == []
    assert browsers.cut_or_covered(opened) == []


def test_a_search_and_a_colour_leave_some_tracks_lit_and_list_them(opened):
    choose = (
        "const it = document.getElementById('colour'); it.value = arguments[0];"
        "it.dispatchEvent(new Event('change'))"
    )
    find = (
        "const it = document.getElementById('search'); it.value = arguments[0];"
        "it.dispatchEvent(new Event('input')); return genretagger.lit().length"
    )
    legend = "return [...document.querySelectorAll('#legend button')].map(b => b.innerText)"
    assert opened.execute_script("return genretagger.lit().length") == 400
    groups = opened.execute_script(legend)
    assert len(groups) == 4
    n = opened.execute_script(find, "SHOEGAZE")
    assert 60 < n < 70  # two thirds of a group
    assert opened.find_element("id", "shown").text == f"{n} of 400 tracks"
    assert len(opened.find_elements("css selector", "#matches button")) == n
    opened.execute_script(choose, "genre")
    counted = dict(text.split("\n") for text in opened.execute_script(legend))
    assert counted == {"Shoegaze": str(n), "Polka": "0", "Lied": "0", "Dub": "0", "no genre": "0"}
    opened.execute_script(find, "")
    buttons = opened.find_elements("css selector", "#legend button")
    dub = next(b for b in buttons if b.text.startswith("Dub"))
    dub.click()
    assert opened.execute_script("return genretagger.lit().length") == int(dub_count(opened))
    opened.find_element("id", "whole").click()
    assert opened.execute_script("return genretagger.lit().length") == 400
    opened.execute_script(choose, "heard")
    assert 1 < len(opened.execute_script(legend)) <= 14


def dub_count(driver):
    texts = [b.text for b in driver.find_elements("css selector", "#legend button")]
    return next(text.split("\n")[1] for text in texts if text.startswith("Dub"))


def click_on(driver, track):
    """Click on a track's place on the map."""
    from selenium.webdriver.common.action_chains import ActionChains

    canvas = driver.find_element("id", "map")
    x, y = driver.execute_script("return genretagger.place(arguments[0])", track)
    dx, dy = x - canvas.size["width"] / 2, y - canvas.size["height"] / 2
    ActionChains(driver).move_to_element_with_offset(canvas, round(dx), round(dy)).click().perform()


def test_a_click_says_what_a_track_is_and_keys_and_wheel_move_the_map(opened):
    n = opened.execute_script("return genretagger.n")
    xy = [opened.execute_script("return genretagger.place(arguments[0])", i) for i in range(n)]
    gaps = np.linalg.norm(np.array(xy)[:, None] - np.array(xy), axis=2) + 1e6 * np.eye(n)
    lone = int(gaps.min(axis=1).argmax())  # whose neighbours are farthest off
    click_on(opened, lone)
    name = opened.execute_script("return genretagger.name(arguments[0])", lone)
    assert opened.find_element("css selector", "#detail h2").text == name
    assert "sure " in opened.find_element("id", "detail").text
    assert opened.find_elements("css selector", "#detail button") == []  # no server, no sound
    press(opened, "+", "+")
    assert opened.execute_script("return genretagger.view.scale") == pytest.approx(1.96)
    before = opened.execute_script("return genretagger.place(0)")
    press(opened, "\ue014")  # arrow right: what is seen moves on
    after = opened.execute_script("return genretagger.place(0)")
    assert after == pytest.approx([before[0] - 60, before[1]])
    press(opened, "0")
    assert opened.execute_script("return genretagger.view.scale") == 1


def test_a_typical_track_in_the_list_of_groups_leads_to_the_map(opened):
    link = opened.find_element("css selector", "#group-2 .typical button")
    opened.execute_script("arguments[0].click()", link)
    assert opened.find_element("css selector", "#detail h2").text == link.text
    x, y = opened.execute_script(
        "return genretagger.place(arguments[0])", int(link.get_attribute("data-id"))
    )
    canvas = opened.find_element("id", "map")
    assert (x, y) == pytest.approx((canvas.size["width"] / 2, canvas.size["height"] / 2), abs=2)


def test_a_map_of_20_000_tracks_moves_without_stutter(browser, tmp_path):
    driver = open_map(browser, write_map(tmp_path / "map.html", 20_000).as_uri())
    moving = """
        const done = arguments[0], frames = [];
        let last = performance.now();
        const next = (now) => {
            frames.push(now - last);
            last = now;
            genretagger.view.scale *= 1.02;
            genretagger.draw();
            frames.length < 60 ? requestAnimationFrame(next) : done(frames);
        };
        requestAnimationFrame(next);
    """
    frames = sorted(driver.execute_async_script(moving))
    assert frames[30] < 50  # ms, of a busy machine without a graphics card; 17 of one that is not
    assert driver.execute_script("return genretagger.lit().length") == 20_000


# ---- Sound -------------------------------------------------------------------------------------

_SERVE = """
import pickle, sys
from pathlib import Path
from genretagger import bundle
from genretagger.report.groups import page
from genretagger.review import server
from genretagger.review.sound import Sounds
made, places = pickle.loads(Path(sys.argv[1]).read_bytes())
html = page(made, places, title="Groups", command="", model="", is_served=True)
sounds = Sounds(made.paths, bundle.read(bundle.DEFAULT))
server.serve(server.map_application(html, sounds), say=lambda a: print(a, flush=True), browse=False)
"""


@pytest.fixture
def served(tmp_path):
    """Serve a map whose first track is music, and whose second is no audio."""
    encode(tmp_path / "sounding.flac", seconds=2.0)
    (tmp_path / "mute.flac").write_text("no audio")
    names = [str(tmp_path / "sounding.flac"), str(tmp_path / "mute.flac")]
    (tmp_path / "made").write_bytes(pickle.dumps(collection(80, names=names)))
    words = [sys.executable, "-c", _SERVE, str(tmp_path / "made")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_click_plays_a_track_and_says_why_another_cannot_be_played(browser, served):
    driver = open_map(browser, served)
    hear = "const it = document.querySelector('audio'); return it.currentTime > 0.05 && it.src"
    show(driver, "sounding")
    assert wait(driver, hear).startswith(f"{served}tracks/0/sound/")
    show(driver, "mute.flac")
    said = "return document.querySelector('#detail .note').textContent"
    assert wait(driver, said) == "this is text, not audio; get the file again"
    assert all(address.startswith(served) for address in browsers.network(driver))


def show(driver, text):
    """Choose the one track that a search finds."""
    driver.execute_script(
        "const it = document.getElementById('search'); it.value = arguments[0];"
        "it.dispatchEvent(new Event('input'))",
        text,
    )
    (found,) = driver.find_elements("css selector", "#matches button")
    found.click()


def test_the_server_gives_sound_by_number_and_nothing_else(served):
    client = httpx.Client(base_url=served, timeout=60)
    assert client.get("").status_code == 200
    assert client.get("tracks/0").json()["duration_s"] == pytest.approx(2.0, abs=0.1)
    sound = client.get("tracks/0/sound/0.wav", headers={"range": "bytes=0-3"})
    assert (sound.status_code, sound.content) == (206, b"RIFF")
    assert client.get("tracks/1").status_code == 422
    for path in ("tracks/80", "tracks/-1", "tracks/80/sound/0.wav", "decided", "../", "tracks/x"):
        assert client.get(path).status_code in (403, 404, 409), path
    assert client.post("do/apply", json={}).status_code == 404
    assert httpx.get(served, headers={"host": "evil.example"}).status_code == 403


# ---- The command -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Give a bundle that has an embedding."""
    return embedding_bundle.write(tmp_path_factory.mktemp("bundle") / "b")


@pytest.fixture
def library(audio_file, tmp_path, monkeypatch, network):
    """Give 70 tagged tracks in two groups, told apart as if they were heard."""
    folder = tmp_path / "Music"
    embeddings, of = clouds(40, 30, n_values=network.embedding.size)
    by_name = {}
    for n, group in enumerate(of):
        genre = () if n % 5 == 0 else ("Shoegaze", "Lied")[group]
        made = audio_file("FLAC", seconds=1.0, name=f"{n:02}", genre=genre and (genre,))
        tagged = mutagen.File(made)
        tagged["artist"] = f"Artist {n % 7}"
        tagged.save()
        place = folder / f"{n:02}.flac"
        folder.mkdir(exist_ok=True)
        shutil.move(made, place)
        by_name[place.name] = Prediction((0.9, *[0.1] * 13), embedding=embeddings[n])
    heard = []

    def hear(files, **_):
        for file in files:
            heard.append(file.path.name)
            yield by_name.get(file.path.name) or TrackError("cannot be decoded")

    monkeypatch.setattr(pipeline, "hear_tracks", hear)
    # all have the same audio, which would be heard once
    monkeypatch.setattr("genretagger.tags.audio_id", lambda path: path.name)
    return folder, heard


def test_discover_shows_groups_writes_playlists_and_a_page_and_hears_nothing_twice(
    library, capsys, network, tmp_path
):
    folder, heard = library
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    lists, report = tmp_path / "lists", tmp_path / "map.html"
    words = ("discover", folder, "--bundle", network.path, "--jobs", "1")
    code, out, err = run(capsys, *words, "--m3u", lists, "--report", report)
    assert code == 0
    assert "70 tracks: 70 heard, 0 silent, 0 failed" in err
    assert out.startswith(
        "2 groups among 70 tracks; groups from other seeds agree with them by 1.00"
    )
    assert "group 1: 40 tracks of 7 artists" in out
    assert "in the tags: Shoegaze 0.80 (all: 0.46)" in out
    assert "the tags know it as Lied: 0.80 of the group have it, and 1.00 of its tracks" in out
    assert len(heard) == 70
    assert sorted(path.name for path in lists.iterdir()) == ["group-01.m3u", "group-02.m3u"]
    listed = [read_list(path, path.read_bytes()) for path in sorted(lists.iterdir())]
    assert [sorted(path.name for path in some) for some in listed] == [
        [f"{n:02}.flac" for n in range(40)],
        [f"{n:02}.flac" for n in range(40, 70)],
    ]
    assert all(path.resolve().exists() for some in listed for path in some)
    assert "Group 2: <bdi>Lied</bdi>" in report.read_text(encoding="utf-8")
    code, rows, _ = run(capsys, *words, "--format", "json")
    assert (code, len(heard)) == (0, 70)
    assert [row["n_tracks"] for row in rows] == [40, 30]
    for row in rows:
        assert set(row) == set(LINES["$defs"]["group"]["properties"])
        assert row["tracks"][0]["path"] == row["typical"][0]
        assert all(0 <= value <= 1 for track in row["tracks"] for value in track["place"])
        assert row["closest_genre"]["is_known"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_playlists_of_an_earlier_run_are_named_and_stay(library, capsys, network, tmp_path):
    folder, _ = library
    (tmp_path / "group-07.m3u").write_text("old")
    words = ("discover", folder, "--bundle", network.path, "--jobs", "1", "--m3u", tmp_path)
    _, _, err = run(capsys, *words)
    assert "of an earlier run, and left alone: group-07.m3u" in err
    assert (tmp_path / "group-07.m3u").read_text() == "old"


def test_one_bad_file_is_named_and_the_others_are_grouped(library, capsys, network):
    folder, _ = library
    (folder / "bad.flac").write_text("no audio")
    code, out, err = run(capsys, "discover", folder, "--bundle", network.path, "--jobs", "1")
    assert code == 1
    assert "70 tracks" in out
    assert re.search(r"bad\.flac: ", err)
    code, out, err = run(capsys, "discover", folder, "--bundle", network.path, "--jobs", "1", "-q")
    assert (code, out) == (1, "")
    assert err == f"failed:\n  {folder}/bad.flac: cannot be decoded\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ignore", "[1-9]*"], "10 different tracks are too few to find groups in"),
        (["--ignore", "*"], "0 different tracks are too few"),
        (["--report", "nowhere/map.html"], "nowhere/map.html: there is no folder nowhere;"),
        (["--m3u", "{folder}/00.flac"], "00.flac: it is no folder; name another"),
    ],
)
def test_what_cannot_be_grouped_or_written_is_refused_in_a_sentence(
    library, capsys, network, words, message
):
    folder, heard = library
    words = [word.format(folder=folder) for word in words]
    code, out, err = run(
        capsys, "discover", folder, "--bundle", network.path, "--jobs", "1", *words
    )
    assert (code, out) == (3, "")
    assert err.splitlines()[-1].startswith("genretagger: ")
    assert message in err.splitlines()[-1]
    assert len(heard) in (0, 10)


def test_discover_refuses_a_model_without_an_embedding(library, capsys, tmp_path):
    folder, heard = library
    without = embedding_bundle.write(tmp_path / "without", embedding=False).path
    code, _, err = run(capsys, "discover", folder, "--bundle", without)
    assert (code, err.count("gives no embedding"), heard) == (3, 1, [])


_WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from genretagger.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("library_", "words", "message"),
    [("sklearn", [], "discover needs: "), ("uvicorn", ["--listen"], "--listen needs: ")],
)
def test_what_is_not_installed_is_named(tmp_path, library_, words, message):
    command = [sys.executable, "-c", _WITHOUT, library_, "discover", str(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
