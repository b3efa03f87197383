"""A real browser for the tests of pages: headless Chromium, driven by Selenium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).with_name("vendored") / "axe.min.js"


def start(folder: Path, *, javascript: bool = True) -> Any:
    """Start Chromium with a fresh profile in a folder; the caller quits it."""
    selenium = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        *("disable-dev-shm-usage", f"user-data-dir={folder}", "window-size=1280,900"),
    ):
        options.add_argument(f"--{argument}")
    if not javascript:
        prefs = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", prefs)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = selenium.ChromeService(driver)
    return selenium.Chrome(options=options, service=service)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give one browser to all tests."""
    driver = start(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: Any) -> Any:
    """Give the browser as a person first sees it: 1280 pixels wide, light, and at no page."""
    size(chromium, 1280, 900)
    scheme(chromium, "light")
    chromium.get("about:blank")
    network(chromium)
    console(chromium)
    return chromium


def size(driver: Any, width: int, height: int, *, touch: bool = False) -> None:
    """Set the size of the page itself, which a window's frame cannot narrow; or a touch screen."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": touch})


def scheme(driver: Any, which: str) -> None:
    """Choose ``light`` or ``dark``."""
    features = [{"name": "prefers-color-scheme", "value": which}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def network(driver: Any) -> list[str]:
    """List the addresses that were asked for since the last call; data: addresses are none."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in asked if not url.startswith(("data:", "about:"))]


def console(driver: Any) -> list[str]:
    """List what the browser complained of since the last call."""
    return [entry["message"] for entry in driver.get_log("browser")]


_CUT_OR_COVERED = """
const isSeen = it => it.checkVisibility();
const texts = [...document.querySelectorAll(
    'h1, h2, .tile, .gist, .button, .views button, .field span:not(.unseen), .made span, .pill, ' +
    'td, th, .tabulator-row .genres, .tabulator-row .text, .tabulator-row bdi')].filter(isSeen);
const cut = texts.filter(it => it.scrollWidth > it.clientWidth + 1 && it.clientWidth
                            || it.scrollHeight > it.clientHeight + 3 && it.clientHeight)
    .map(it => 'cut: ' + it.textContent);
const parts = ['.tiles', '.gist', '.overview', '.toolbar', '#banner', '.lists', '#detail',
    '.made'].map(name => document.querySelector(name)).filter(it => it && isSeen(it));
const over = [];
for (const [i, a] of parts.entries()) for (const b of parts.slice(i + 1)) {
    const [one, other] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
    if (one.left < other.right - 1 && other.left < one.right - 1
        && one.top < other.bottom - 1 && other.top < one.bottom - 1)
        over.push(`${a.className || a.id} over ${b.className || b.id}`);
}
if (document.documentElement.scrollWidth > document.documentElement.clientWidth)
    over.push('wider than the screen');
return [...cut, ...over]
"""


def cut_or_covered(driver: Any) -> list[str]:
    """List the texts of a page that are cut off, and its parts that lie over others."""
    return list(driver.execute_script(_CUT_OR_COVERED))


def axe(driver: Any) -> list[str]:
    """List what axe-core finds serious or critical, a line each."""
    driver.execute_script(AXE.read_text(encoding="utf-8"))
    found = driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations));"
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
