"""How long the frames of a map of 20,000 tracks take in Chromium while a person uses it.

``python tests/benchmarks/bench_map.py`` prints, for each way to use it, the time from frame to
frame: median, and what 95 % stay below. 17 ms is as often as the screen shows anything new. Needs
Chromium, its driver and Selenium.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import browser
from test_discover import write_map

N_TRACKS = 20_000
N_FRAMES = 120

WAYS = {
    "nothing": "",
    "zoomed by wheel": "point('wheel', 400, 300, {deltaY: i < 60 ? -40 : 40})",
    "panned by mouse": (
        "point(i == 0 ? 'pointerdown' : i < 119 ? 'pointermove' : 'pointerup',"
        "400 + 100 * Math.sin(i / 10), 300 + 60 * Math.cos(i / 10), {buttons: 1})"
    ),
    "pointed at": "point('pointermove', 200 + 4 * i, 150 + 3 * i, {})",
    "searched, a letter in ten frames": (
        "if (i % 10 == 0) { search.value = 'artist 12345'.slice(0, i / 10 + 1);"
        "search.dispatchEvent(new Event('input')) }"
    ),
}
"""What is done in frame ``i``, in JavaScript."""

_MEASURED = """
const done = arguments[0];
const [map, search] = ["map", "search"].map((id) => document.getElementById(id));
const at = map.getBoundingClientRect(), frames = [];
map.setPointerCapture = () => {};  // there is no such pointer
const point = (type, x, y, more) => {
  const place = {clientX: at.left + x, clientY: at.top + y, bubbles: true, cancelable: true};
  const Kind = type == "wheel" ? WheelEvent : PointerEvent;
  map.dispatchEvent(new Kind(type, {...place, ...more}));
};
let i = 0, last = performance.now();
const next = (now) => {
  frames.push(now - last);
  last = now;
  %s;
  ++i < %d ? requestAnimationFrame(next) : done(frames.slice(2));
};
requestAnimationFrame(next);
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        page = write_map(Path(folder) / "map.html", N_TRACKS)
        driver = browser.start(Path(folder) / "profile")
        try:
            browser.size(driver, 1280, 900)
            driver.set_script_timeout(300)
            driver.get(page.as_uri())
            time.sleep(3)
            print(f"{N_TRACKS:,} tracks, {page.stat().st_size / 1e6:.1f} MB\n")
            print("| the map is | median, ms | 95 %, ms |\n|---|--:|--:|")
            for way, step in WAYS.items():
                frames = driver.execute_async_script(_MEASURED % (step, N_FRAMES))
                print(f"| {way} | {np.median(frames):.0f} | {np.percentile(frames, 95):.0f} |")
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
