"""Make the pictures of docs/report.md: ``python tests/tools/make_screenshots.py FOLDER``.

FOLDER holds music; it is copied, and heard in a dry run. Needs selenium, Chromium and its
driver, and Pillow, which makes the files small.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import browser

from genretagger import cli

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
MOST_BYTES = 150_000


def save(driver: object, name: str) -> None:
    """Take a picture and save it in 256 colours."""
    path = IMAGES / f"{name}.png"
    driver.save_screenshot(str(path))
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{path.name} has {path.stat().st_size} bytes, more than {MOST_BYTES}")


def settle(driver: object, script: str = "") -> None:
    """Run a script, and let the page come to rest."""
    driver.execute_async_script(f"{script}; setTimeout(arguments[0], 500)")


def main(music: Path) -> None:
    """Hear the music and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        shutil.copytree(music, top / "Music")
        for path in (top / "Music", *(top / "Music").rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)  # what may not be written fails
        report = top / "report.html"
        words = [
            "tag",
            "--dry-run",
            "--existing",
            "replace",
            "--report",
            str(report),
            str(top / "Music"),
        ]
        cli.main(words)
        # the command as a person would have typed it
        html = report.read_text(encoding="utf-8").replace(f"{report} {top}/", "report.html ")
        report.write_text(html.replace(name.strip("/"), "home"), encoding="utf-8")
        driver = browser.start(top / "profile")
        try:
            driver.get(report.as_uri())
            for scheme in ("light", "dark"):
                browser.size(driver, 1280, 820)
                browser.scheme(driver, scheme)
                settle(driver)
                save(driver, f"report-{scheme}")
            browser.scheme(driver, "light")
            best = "genretagger.rows.find(row => row.p && row.state === 'change')"
            settle(driver, f"genretagger.select({best}.id)")
            settle(driver, "document.querySelector('.tabulator-row.current').click()")
            save(driver, "report-track")
            settle(driver, "document.getElementById('view-folders').click()")
            browser.size(driver, 1280, 500)
            save(driver, "report-folders")
            settle(driver, "document.getElementById('view-tracks').click()")
            browser.size(driver, 360, 780, touch=True)
            settle(driver)
            save(driver, "report-narrow")
        finally:
            driver.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
