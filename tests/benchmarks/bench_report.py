"""How large the report is, how soon it stands in a browser, and how smoothly it scrolls.

``python tests/benchmarks/bench_report.py [--rows 20000] [--repeat 3]`` makes up that many
tracks, writes the report, and opens it in headless Chromium from disk. Needs selenium,
Chromium and its driver.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import browser
import make_rows

from genretagger.report.html import Page

_OPENED = """
const done = arguments[0];
const look = () => {
  if (document.querySelector('.tabulator-row .bars')) {
    requestAnimationFrame(() => done(performance.now()));
  } else setTimeout(look, 10);
};
look();
"""

# as a person turns the wheel, then as one who drags the bar: what each frame took
_SCROLL = """
const done = arguments[arguments.length - 1], jump = arguments[0];
const holder = document.querySelector('#tracks .tabulator-tableholder');
holder.scrollTop = 0;
const frames = [];
let last = null;
const next = (now) => {
  if (last !== null) frames.push(now - last);
  last = now;
  holder.scrollTop += jump;
  if (frames.length < 120) requestAnimationFrame(next);
  else done(frames);
};
requestAnimationFrame(next);
"""


def measure(rows: int, repeat: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "report.html"
        page = Page(title="Benchmark", thresholds=make_rows.THRESHOLDS)
        for row in make_rows.rows(rows):
            page.add(row)
        begin = time.perf_counter()
        page.write(path)
        written_s = time.perf_counter() - begin
        print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        print(f"{rows} rows: written in {written_s:.1f} s, {path.stat().st_size / 1e6:.1f} MB")
        driver = browser.start(Path(name) / "profile")
        try:
            print(f"Chromium {driver.capabilities['browserVersion']}")
            driver.set_script_timeout(60)
            opened = []
            for _ in range(repeat):
                driver.get("about:blank")
                driver.execute_cdp_cmd("Page.navigate", {"url": path.as_uri()})
                opened.append(driver.execute_async_script(_OPENED) / 1000)
            shown = ", ".join(f"{s:.2f}" for s in opened)
            print(f"opened, to the first rows drawn: {shown} s")
            for what, jump in (("wheel, 100 px a frame", 100), ("bar, 5,000 px a frame", 5000)):
                frames = sorted(driver.execute_async_script(_SCROLL, jump))
                print(
                    f"scrolling ({what}): median frame {statistics.median(frames):.0f} ms, "
                    f"95 % within {frames[int(0.95 * len(frames))]:.0f} ms, "
                    f"longest {frames[-1]:.0f} ms"
                )
            begin = time.perf_counter()
            driver.execute_script(
                "document.getElementById('search').value = 'artist 12 waltz'; "
                "genretagger.applyFilters()"
            )
            print(f"search: {1000 * (time.perf_counter() - begin):.0f} ms")
            begin = time.perf_counter()
            driver.execute_script("dispatchEvent(new Event('beforeprint'))")
            print(f"print table of these: {1000 * (time.perf_counter() - begin):.0f} ms")
        finally:
            driver.quit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    measure(options.rows, options.repeat)
