"""The page for the browser, in a real one, opened from disk."""

import base64
import hashlib
import io
import json
import re
import socket
import unicodedata
from pathlib import Path

import browser as browsers
import make_rows
import pytest
import vendor

from genretagger import cli
from genretagger.genres import GENRES
from genretagger.records import Remark
from genretagger.report import html
from genretagger.report.html import Page

N = 300


def page_of(rows):
    page = Page(
        title="What would be written", command="genretagger tag", thresholds=make_rows.THRESHOLDS
    )
    for row in rows:
        page.add(row)
    return page


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Give a report of 300 tracks on disk."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    page_of(make_rows.rows(N)).write(path)
    return path


@pytest.fixture
def opened(browser, report):
    """Open it."""
    return open_page(browser, report)


def open_page(driver, path):
    driver.get(path.as_uri())
    wait(driver, "return window.genretagger?.table && document.querySelector('.tabulator-row')")
    return driver


def wait(driver, script):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 10, poll_frequency=0.05).until(lambda d: d.execute_script(script))


def press(driver, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    chain = ActionChains(driver)
    for key in keys:
        chain.send_keys(key)
    chain.perform()


def shown(driver):
    """Give the rows that the filters show."""
    return driver.execute_script("return genretagger.filtered()")


def fill(driver, name, value):
    """Type into a filter, and wait until it is obeyed."""
    script = (
        "const it = document.getElementById(arguments[0]); it.value = arguments[1];"
        "it.dispatchEvent(new Event('input')); window.filtered = false;"
        "genretagger.on('filter', () => { window.filtered = true; })"
    )
    driver.execute_script(script, name, value)
    wait(driver, "return window.filtered")


# without a browser


def test_vendored_files_are_what_the_tables_say():
    for table in vendor.TABLES:
        listed = set()
        for row in json.loads(table.read_text(encoding="utf-8")):
            assert row["package"], row["licence"]
            for file in row["files"]:
                content = (table.parent / file["name"]).read_bytes()
                assert vendor.sha256(content) == file["sha256"], file["name"]
                listed.add(file["name"])
        found = {p.name for p in table.parent.iterdir() if ".min." in p.name}
        assert found <= listed


def test_every_script_and_style_is_allowed_by_its_hash_and_no_other(report):
    html = report.read_text(encoding="utf-8")
    policy = re.search(r'Policy" content="([^"]*)"', html)[1].replace("&#39;", "'")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["connect-src"] == rules["media-src"] == "'none'"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        inline = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        hashes = [
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in inline
        ]
        assert hashes == rules[rule].split()
        assert len(hashes) == 2
    assert not re.search(r' style="', html)  # would be refused
    assert not re.search(r'(src|href)="(?!data:,")', html)


def test_the_data_cannot_end_its_element():
    rows = [dict(next(make_rows.rows(1)), path=f"/m/{name}") for name in make_rows.HOSTILE]
    rows[0]["reason"] = "</script><!--<script>"
    html = page_of(rows).render()
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    assert "<" not in text
    data = json.loads(text)
    assert data["rows"][0][data["columns"].index("reason")] == rows[0]["reason"]


def test_what_is_counted_is_what_the_rows_say():
    base = next(make_rows.rows(1))
    rows = [
        base | {"state": "change", "old": ["Rap"], "new": ["Pop; Rock"], "genres": ["Pop", "Rock"]},
        base | {"state": "change", "old": [], "new": ["Soul"], "genres": ["RNB"]},
        base | {"state": "keep", "old": ["Polka"], "new": ["Polka"]},
        base | {"state": "failed", "old": [], "new": [], "reason": "ends at 3.5 s; get another"},
        base | {"state": "failed", "old": [], "new": [], "reason": "ends at 4 s; get another"},
    ]
    page = Page(title="T", names={"RNB": "Soul"})
    for row in rows:
        page.add(row)
    seen = page._overview()
    genres = {row["name"]: (row["before"], row["after"]) for row in seen["genres"]}
    assert genres == {
        "Hip Hop": (1, 0),
        "Pop": (0, 1),
        "RNB": (0, 1),
        "Rock": (0, 1),
        "other genres": (1, 1),
        "no genre": (3, 2),
    }
    assert seen["together"] == [(("Pop", "Rock"), 1)]
    assert seen["failures"] == {"ends at … s": [3, 4]}
    assert page._gist() == "To change: 1 without a genre before, 1 with another one."
    assert sum(map(sum, seen["confidence"])) == 5


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/home/u/Music/A", "/home/u/Music/B"], ["Music/A", "Music/B"]),
        (["/home/u/Music/A"], ["A"]),
        (["/mnt/disk", "/home/u"], ["/mnt/disk", "/home/u"]),
        (["/music"], ["/music"]),
        (["Music/A", "Music/B"], ["Music/A", "Music/B"]),
        (["../Music/A", "../Music/./B"], ["Music/A", "Music/./B"]),
        (["", "A"], [".", "A"]),
    ],
)
def test_folders_have_their_names_as_they_are(folders, names):
    root, shown_names = html.below_root(folders)
    assert shown_names == names
    whole = [root + name for name in names]
    assert whole == [folder or "." for folder in folders]


def test_a_report_of_nothing_is_a_page_still():
    assert "<b>0</b> tracks" in page_of([]).render()


@pytest.mark.quick
def test_a_probability_has_the_two_digits_that_its_reason_has():
    for n in range(20_001):
        p = n / 20_000 + 1e-9
        assert f"{html._thousandths(p) / 1000:.2f}" == f"{p:.2f}"
        assert abs(html._thousandths(p) - 1000 * p) <= 1


def test_a_track_below_its_thresholds_alone_draws_the_page_too():
    row = next(r for r in make_rows.rows(50) if r["state"] == "undecided")
    assert "undecided" in page_of([row]).render()


def test_a_part_of_a_value_is_counted_and_what_follows_a_last_separator_is_none():
    page = Page(title="T")
    assert page._counted(("Pop/Rock",)) == ("Pop", "Rock")
    assert page._counted(("Rock;",)) == ("Rock",)
    assert page._counted(("Hip Hop/Rap", "Polka")) == ("Hip Hop", "other genres")
    assert page._counted(()) == ("no genre",)


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def data_of(path):
    html = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', html)[1])


def test_a_dry_run_a_run_and_a_plan_write_the_report(audio_file, tmp_path, capsys):
    music = tmp_path / "Music"
    music.mkdir()
    audio_file("FLAC", seconds=2.0).rename(music / "a.flac")
    (music / "b.flac").write_bytes(b"no music")
    report, plan = tmp_path / "r.html", tmp_path / "plan"
    options = ("--always", "--jobs", "1", "--report", report)
    assert run("tag", "--dry-run", "--plan", plan, *options, music) == 1
    dry = data_of(report)
    assert dry["words"][0] == "to change"
    states = [dry["states"][row[2]] for row in dry["rows"]]
    assert states == ["change", "failed"]
    assert run("apply", plan, "--report", report) == 0
    applied = data_of(report)
    assert applied["words"][0] == "changed"
    assert applied["thresholds"] == dry["thresholds"]
    assert applied["rows"][0][6] == dry["rows"][0][6] != None  # noqa: E711 - what was heard
    assert run("undo", "--yes") == 0
    assert run("tag", *options, music) == 1
    assert len(data_of(report)["rows"]) == 2


def test_a_report_that_cannot_be_written_stops_before_anything_is_done(
    audio_file, tmp_path, capsys
):
    track = audio_file("FLAC", seconds=2.0)
    before = track.read_bytes()
    for report in (tmp_path / "nowhere/r.html", track):
        assert run("tag", "--always", "--report", report, track) == 3
        assert str(report) in capsys.readouterr().err
        assert track.read_bytes() == before


# in a browser


def test_it_opens_from_disk_and_asks_for_nothing(opened):
    assert len(shown(opened)) == N
    opened.execute_script("genretagger.select(5); document.querySelector('#row-5').click()")
    opened.execute_script("document.getElementById('view-folders').click()")
    opened.execute_async_script("setTimeout(arguments[0], 300)")
    assert browsers.network(opened) == [opened.current_url]
    assert browsers.console(opened) == []  # nothing was refused by the page's own policy, either


def test_what_would_leave_the_page_is_stopped(opened):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        script = (
            "const [address, done] = arguments; const image = new Image(); image.src = address;"
            "image.onerror = () => fetch(address).catch(() => done('stopped'))"
        )
        assert opened.execute_async_script(script, address) == "stopped"
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has knocked
            server.accept()
    assert any("Content Security Policy" in line for line in browsers.console(opened))


def test_the_filters_show_what_they_say(opened):
    fill(opened, "search", "artist 002 WALTZ")
    assert shown(opened)
    assert all("Artist 002" in row["folder"] for row in shown(opened))
    assert all("Waltz" in row["name"] for row in shown(opened))
    fill(opened, "search", "")
    fill(opened, "genre", "Jazz")
    assert shown(opened)
    assert all("Jazz" in "; ".join(row["now"]) for row in shown(opened))
    fill(opened, "genre", "no genre")
    assert all(row["now"] == [] for row in shown(opened))
    fill(opened, "genre", "")
    fill(opened, "least", "0.9")
    assert shown(opened)
    assert all(row["confidence"] >= 0.9 for row in shown(opened))
    fill(opened, "least", "")
    fill(opened, "folder", "album 3")
    assert {row["folder"][-7:] for row in shown(opened)} == {"Album 3"}
    fill(opened, "folder", "/music/Artist 001/Album 1")  # whole: this one, and not "Album 10"
    assert {row["folder"] for row in shown(opened)} == {"/music/Artist 001/Album 1"}
    opened.execute_script("document.querySelector('.tile-failed').click()")
    wait(opened, "return genretagger.filtered().every(row => row.state === 'failed')")
    opened.execute_script("document.getElementById('reset').click()")
    wait(opened, f"return genretagger.filtered().length === {N}")


def test_a_heading_sorts_by_key_and_by_click(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    head = opened.find_element(By.CSS_SELECTOR, ".tabulator-col[tabulator-field=confidence]")
    head.click()
    wait(opened, "return document.getElementById('order').value === 'confidence desc'")
    wait(opened, "return genretagger.filtered()[0].id !== 0")
    numbers = [row["confidence"] or -1 for row in shown(opened)]
    assert numbers == sorted(numbers, reverse=True)
    head.send_keys(Keys.ENTER)
    wait(opened, "return genretagger.filtered()[0].confidence === null")
    numbers = [row["confidence"] or -1 for row in shown(opened)]
    assert numbers == sorted(numbers)
    fill(opened, "order", "id asc")
    wait(opened, "return genretagger.filtered()[1].id === 1")


def test_a_person_walks_it_by_keyboard_alone(opened):
    from selenium.webdriver.common.keys import Keys

    def current():
        return opened.execute_script("return genretagger.current?.id ?? null")

    press(opened, "j", "j", "j", "k")
    assert current() == 1
    press(opened, "/", *"artist 001")
    wait(opened, "return genretagger.filtered().every(r => r.folder.includes('Artist 001'))")
    press(opened, Keys.ESCAPE, Keys.END)
    assert current() == shown(opened)[-1]["id"]
    wait(opened, "return document.querySelector('.tabulator-row.current')")
    press(opened, Keys.HOME, Keys.ARROW_DOWN, Keys.ENTER)
    row = shown(opened)[1]
    assert current() == row["id"]
    detail = opened.execute_script("return document.getElementById('detail').innerText")
    assert row["name"] in detail
    assert row["reason"] in detail
    assert all(genre in detail for genre in GENRES)
    press(opened, Keys.ESCAPE)
    assert opened.execute_script("return document.getElementById('detail').hidden")
    press(opened, "?")
    assert opened.execute_script("return document.getElementById('help').open")


def test_the_cursor_never_leaves_the_part_of_the_list_that_is_seen(opened):
    is_seen = """
        const row = document.querySelector('.tabulator-row.current')?.getBoundingClientRect();
        const list = document.querySelector('.tabulator-tableholder').getBoundingClientRect();
        return !!row && row.top >= list.top - 1 && row.bottom <= list.bottom + 1"""
    last = shown(opened)[-1]["id"]
    for place in (last // 2, last, 0, last - 1):
        opened.execute_script("genretagger.select(arguments[0])", place)
        wait(opened, is_seen)
    press(opened, *["k"] * 30)
    wait(opened, is_seen)


def test_folders_say_where_their_tracks_disagree(opened):
    opened.execute_script("document.getElementById('view-folders').click()")
    wait(opened, "return document.querySelector('#by-folder .tabulator-row')")
    first = opened.execute_script(
        "return [...document.querySelectorAll('#by-folder .tabulator-row:first-child '"
        " + '.tabulator-cell')].map(cell => cell.textContent)"
    )
    rows = list(make_rows.rows(N))
    worst = 0
    for folder in {row["path"].rpartition("/")[0] for row in rows}:
        genres = ["; ".join(r["new"]) for r in rows if r["path"].rpartition("/")[0] == folder]
        tagged = [genre for genre in genres if genre]
        worst = max(worst, len(tagged) - max(map(tagged.count, tagged), default=0))
    assert first[1:3] == ["10", str(worst)]
    opened.execute_script("document.querySelector('#by-folder .tabulator-row').click()")
    wait(opened, "return genretagger.filtered().length === 10")


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_a_folder_of_many_genres_names_some_and_counts_the_others(browser, tmp_path, width):
    rows = [
        row | {"path": f"/m/{n}.mp3", "state": "keep", "old": [f"Genre {n}"], "new": [f"Genre {n}"]}
        for n, row in enumerate(make_rows.rows(12))
    ]
    path = tmp_path / "many.html"
    page_of(rows).write(path)
    browsers.size(browser, width, 900)
    open_page(browser, path)
    browser.execute_script("document.getElementById('view-folders').click()")
    wait(browser, "return document.querySelector('.folder-genres bdi')")
    text, full = browser.execute_script(
        "const it = document.querySelector('.folder-genres bdi'); return [it.textContent, it.title]"
    )
    *named, more = text.split(" · ")
    assert more == f"{12 - len(named)}\N{NO-BREAK SPACE}more"
    assert len(named) == (3 if width == 390 else 5)
    assert len(full.splitlines()) == 12
    assert browsers.cut_or_covered(browser) == []


def test_hostile_names_are_shown_and_never_obeyed(browser, tmp_path):
    rows = list(make_rows.rows(len(make_rows.HOSTILE)))
    for row, name in zip(rows, make_rows.HOSTILE, strict=True):
        row.update(path=f"/m/{name}", old=[name], reason=name)
    path = tmp_path / "hostile.html"
    page = Page(title=make_rows.HOSTILE[0], command=make_rows.HOSTILE[2])
    for row in rows:
        page.add(row)
    page.write(path)
    open_page(browser, path)
    for row in range(len(rows)):
        browser.execute_script(
            f"genretagger.select({row}); document.querySelector('#row-{row}').click()"
        )
    text = browser.execute_script("return document.querySelector('#tracks').textContent")
    assert "<img src=x onerror=alert(1)>.mp3" in text
    assert r"\u202egnp.exe.wav" in text
    assert r"not UTF-8 \xff\x80.mp3" in text
    assert "{{ 7 * 7 }} ${8 * 8}.wv" in text
    assert browser.execute_script("return document.images.length") == 0
    assert browser.execute_script("return document.scripts.length") == 3
    assert browsers.network(browser) == [path.as_uri()]
    assert browsers.console(browser) == []


def test_a_column_of_text_is_one_line_in_html_py(browser, tmp_path, monkeypatch):
    monkeypatch.setitem(html.TEXTS, "label", "Record label")
    path = tmp_path / "labels.html"
    page_of([row | {"label": f"label {n}"} for n, row in enumerate(make_rows.rows(20))]).write(path)
    assert path.read_text(encoding="utf-8").count("<td>label ") == 20  # where no script runs
    open_page(browser, path)
    browser.execute_script("genretagger.select(7); document.querySelector('#row-7').click()")
    detail = browser.execute_script("return document.getElementById('detail').innerText")
    assert "label 7" in detail
    fill(browser, "search", "label 13")
    assert [row["id"] for row in shown(browser)] == [13]
    fill(browser, "search", "")
    fill(browser, "order", "label asc")
    wait(browser, "return document.getElementById('order').value === 'label asc'")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    printed = browser.execute_script("return document.getElementById('print').textContent")
    assert "Record label" in printed
    assert printed.count("label 1") == 11  # 1 and 10 to 19


def test_heard_and_needed_get_a_third_digit_where_two_do_not_tell_them_apart(browser, tmp_path):
    (row,) = make_rows.rows(1)
    close = dict(zip(row["probabilities"], (t - 0.002 for t in make_rows.THRESHOLDS), strict=True))
    path = tmp_path / "close.html"
    page_of([row | {"probabilities": close}]).write(path)
    open_page(browser, path)
    browser.execute_script("genretagger.select(0); document.querySelector('#row-0').click()")
    cells = browser.execute_script(
        "return [...document.querySelectorAll('.heard tbody tr')].map(row =>"
        " [...row.children].slice(2).map(cell => cell.textContent))"
    )
    pairs = [(f"{t - 0.002:.3f}", f"{t:.3f}") for t in make_rows.THRESHOLDS]
    assert sorted(map(tuple, cells)) == sorted(pairs)


def test_all_filtered_rows_are_printed_and_not_only_those_on_the_screen(opened):
    pypdf = pytest.importorskip("pypdf")
    fill(opened, "search", "artist 00")
    fill(opened, "folder", "album 2")
    rows = shown(opened)
    drawn = opened.execute_script(
        "return document.querySelectorAll('#tracks .tabulator-row').length"
    )
    assert drawn < len(rows)
    pdf = opened.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    pages = pypdf.PdfReader(io.BytesIO(base64.b64decode(pdf))).pages
    text = "\n".join(page.extract_text() for page in pages)
    text = unicodedata.normalize("NFKC", text)  # "fl" is one letter in print
    assert len(re.findall(r"\d\d\s[A-Z][a-z\s]+\.flac", text)) == len(rows)
    assert "Album 3" not in text


def test_it_is_readable_without_javascript(report, tmp_path):
    driver = browsers.start(tmp_path / "profile", javascript=False)
    try:
        driver.get(report.as_uri())
        body = driver.execute_cdp_cmd("Runtime.evaluate", {"expression": "document.body.innerText"})
        text = body["result"]["value"]
    finally:
        driver.quit()
    rows = list(make_rows.rows(N))
    assert text.count(".flac") == N
    assert all(row["reason"] in text for row in rows)
    assert "Search" not in text


SIZES = [(390, 844), (800, 1100), (1280, 800)]


def open_at(driver, report, width, height, *, touch=False):
    """Open the report on a screen of that size."""
    browsers.size(driver, width, height, touch=touch)
    open_page(driver, report)
    wait(driver, "return document.querySelector('.tabulator-row :is(.bars, .stacked)')")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_first_screen_says_how_many_what_will_change_and_the_first_tracks(
    browser, report, width, height
):
    open_at(browser, report, width, height)
    seen = browser.execute_script(
        """return [...document.querySelectorAll('.tile, .gist, .tabulator-row')]
            .filter(it => { const box = it.getBoundingClientRect();
                            return box.top >= 0 && box.bottom <= innerHeight; })
            .map(it => it.innerText.replaceAll(/\\s+/g, ' '))"""
    )
    rows = list(make_rows.rows(N))
    changed = [row for row in rows if row["state"] == "change"]
    assert f"{N} tracks" in seen
    assert f"{len(changed)} to change" in seen
    assert f"To change: {len(changed)} without a genre before." in seen
    lines = [line for line in seen if ".flac" in line]
    assert len(lines) >= 3
    assert lines[0].count("01 ") == 1
    assert all(genre in lines[0] for genre in rows[0]["genres"])


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("is_open", [False, True])
def test_nothing_is_cut_off_and_nothing_covers_another(browser, report, width, height, is_open):
    open_at(browser, report, width, height)
    if is_open:
        browser.execute_script("document.querySelector('#row-1').click()")
        browser.execute_async_script("setTimeout(arguments[0], 500)")
    assert browsers.cut_or_covered(browser) == []
    if is_open:  # and of the list something is still seen: the track that the details are of
        assert browser.execute_script("return genretagger.isSeen()")
        box = "document.querySelector('#row-1').getBoundingClientRect()"
        assert browser.execute_script(f"return {box}.top >= 0 && {box}.bottom <= innerHeight")


def test_a_screen_for_fingers_shows_no_keys(browser, report):
    shown_keys = (
        "return [...document.querySelectorAll('kbd')].filter(k => k.getClientRects().length).length"
    )
    open_at(browser, report, 1280, 800)
    assert browser.execute_script(shown_keys) > 0
    open_at(browser, report, 1280, 800, touch=True)
    assert browser.execute_script(shown_keys) == 0
    assert browser.execute_script("return genretagger.isTouch")


def test_a_click_on_a_number_shows_what_it_counts_and_goes_to_the_list(opened):
    rows = list(make_rows.rows(N))
    counts = {
        ".tile-keep": sum(row["state"] == "keep" for row in rows),
        '[data-pick="before"][data-value="RNB"]': sum(row["old"] == ["rnb"] for row in rows),
        '[data-pick="after"][data-value="no genre"]': sum(row["new"] == [] for row in rows),
        '[data-pick="together"]': sum(row["new"] == ["Pop; Rock"] for row in rows),
        '[data-pick="failure"]': sum(row["state"] == "failed" for row in rows),
        '[data-pick="confidence"][data-value="9"]': None,
        '[data-pick="unheard"]': sum(row["probabilities"] is None for row in rows),
    }
    opened.execute_script("document.querySelector('.overview').open = true")
    for number, n in counts.items():
        opened.execute_script("scrollTo(0, 0)")
        clicked = "const it = document.querySelector(arguments[0]); it.click(); return it.innerText"
        said = int(re.match(r"\d+", opened.execute_script(clicked, number))[0])
        assert said == n or n is None, number
        wait(opened, f"return genretagger.filtered().length === {said}")
        list_top = "return document.querySelector('.lists').getBoundingClientRect().top"
        top = opened.execute_script(list_top)
        assert 0 <= top < 450, number
        opened.execute_script("""document.querySelector('.tile[data-state=""]').click()""")
        wait(opened, f"return genretagger.filtered().length === {N}")


def test_what_a_chart_filters_stands_beside_the_list_and_is_taken_away_alone(opened):
    rows = list(make_rows.rows(N))
    n_bare = sum(row["old"] == [] for row in rows)
    n_both = sum(row["old"] == [] and row["state"] == "undecided" for row in rows)
    n_undecided = sum(row["state"] == "undecided" for row in rows)
    assert 0 < n_both < n_bare
    number = """document.querySelector('[data-pick="before"][data-value="no genre"]')"""
    opened.execute_script(f"{number}.click()")
    wait(opened, f"return genretagger.filtered().length === {n_bare}")
    opened.execute_script("document.querySelector('.tile-undecided').click()")
    wait(opened, f"return genretagger.filtered().length === {n_both}")
    chip = "const it = document.getElementById('picked'); return !it.hidden && it.textContent"
    assert opened.execute_script(chip) == "no genre, before ✕"
    opened.execute_script("document.getElementById('picked').click()")
    wait(opened, f"return genretagger.filtered().length === {n_undecided}")
    assert opened.execute_script(chip) is False
    assert opened.execute_script(f"return {number}.ariaPressed") == "false"
    opened.execute_script("""document.querySelector('[data-pick="confidence"]').click()""")
    assert opened.execute_script(chip).endswith(", confidence ✕")


def test_keys_act_on_what_is_seen(opened):
    opened.execute_async_script("genretagger.select(0); setTimeout(arguments[0], 500)")
    opened.execute_script("document.querySelector('.tabulator-tableholder').scrollTop = 6000")
    opened.execute_async_script("setTimeout(arguments[0], 300)")
    assert not opened.execute_script("return genretagger.isSeen()")
    press(opened, "j")  # the first that is seen, and not the second of all
    assert opened.execute_script("return genretagger.current.id") == 100
    fill(opened, "search", "waltz")
    fill(opened, "search", "number")  # what the filters hide is under no cursor
    assert opened.execute_script("return genretagger.current") is None
    press(opened, "j")
    assert "Number" in opened.execute_script("return genretagger.current.name")
    fill(opened, "search", "")
    opened.execute_script("document.getElementById('view-folders').click()")
    wait(opened, "return document.querySelector('#by-folder .tabulator-row .link')")
    press(opened, "j", "j")
    second = "document.querySelectorAll('#by-folder .tabulator-row .link')[1]"
    assert opened.execute_script(f"return document.activeElement === {second}")
    assert opened.execute_script("return genretagger.current") is None
    press(opened, "\ue00c")
    assert not opened.execute_script("return document.getElementById('tracks').hidden")


def test_folders_fit_a_screen_that_is_turned(opened):
    opened.execute_script("document.getElementById('view-folders').click()")
    wait(opened, "return document.querySelector('#by-folder .tabulator-row .link')")
    for width, heading in ((390, "Differ"), (1280, "Tracks that differ")):
        browsers.size(opened, width, 800)
        script = "return document.querySelector('#by-folder [tabulator-field=differ]')?.innerText"
        wait(opened, f"{script.replace('return', 'return (')}) === '{heading}'")
        wait(opened, "return document.querySelector('#by-folder .tabulator-row .link')")
        # of a folder of many genres, the first are named
        assert [it for it in browsers.cut_or_covered(opened) if " · " not in it] == []


@pytest.mark.parametrize(("which", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_serious(opened, which, width):
    browsers.size(opened, width, 800)
    browsers.scheme(opened, which)
    wait(opened, "return document.querySelector('.tabulator-row :is(.bars, .stacked)')")
    opened.execute_script("genretagger.select(0); document.querySelector('#row-0').click()")
    assert browsers.axe(opened) == []
    opened.execute_script("document.querySelector('.overview').open = true")
    assert browsers.axe(opened) == []
    press(opened, "?")
    assert browsers.axe(opened) == []
    press(opened, "\ue00c")
    opened.execute_script("document.getElementById('view-folders').click()")
    wait(opened, "return document.querySelector('#by-folder .tabulator-row')")
    assert browsers.axe(opened) == []


def test_no_width_makes_the_page_overflow(opened):
    for width in (1920, 1024, 600, 360):
        browsers.size(opened, width, 800)
        opened.execute_async_script("setTimeout(arguments[0], 300)")
        wait(opened, "return document.querySelector('.tabulator-row :is(.bars, .stacked)')")
        script = (
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        assert opened.execute_script(script), width


def test_a_row_that_changes_is_drawn_anew_everywhere(opened):
    opened.execute_script("genretagger.select(0); document.querySelector('#row-0').click()")
    opened.execute_script("genretagger.refreshRow(0, {now: ['Jazz'], state: 'keep'})")
    assert "Jazz" in opened.execute_script("return document.getElementById('row-0').innerText")
    assert "Jazz" in opened.execute_script(
        "return document.querySelector('#detail .genres').innerText"
    )
    fill(opened, "genre", "Jazz")
    assert 0 in [row["id"] for row in shown(opened)]


def test_what_an_audit_found_stands_first_and_can_be_read(browser, tmp_path):
    hostile = "<img src=x onerror=alert(1)>"
    found = [
        Remark("contradicted", f'"{hostile}": Rock 0.01', (Path(f"a/{hostile}.mp3"),), 4.0),
        *(Remark("single", f'"G{n}"', (Path(f"b/{n}.mp3"),)) for n in range(300)),
    ]
    page = Page(title="Audit", remarks=lambda: found)
    for row in make_rows.rows(20):
        page.add(row)
    page.write(tmp_path / "audit.html")
    opened = open_page(browser, tmp_path / "audit.html")
    kinds = opened.find_elements("css selector", ".remarks details")
    assert [kind.find_element("css selector", "h2").text for kind in kinds] == [
        "Own genre contradicted by what is heard",
        "Genres on one track only",
    ]
    assert hostile in kinds[0].text
    assert not opened.find_elements("css selector", ".remarks img")
    kinds[1].find_element("css selector", "summary").click()
    assert "and 100 more" in kinds[1].text
    assert browsers.axe(opened) == []
