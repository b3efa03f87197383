"""Make the pictures of the pages in docs/, to be looked at before a commit.

``python tests/tools/make_pictures.py gallery FOLDER`` draws the tracks of `GALLERY` that lie in
FOLDER; ``python tests/tools/make_pictures.py review FOLDER`` reviews a copy of FOLDER in Chromium;
``python tests/tools/make_pictures.py page NAME.html`` opens a page that a command wrote, such as
``learn --report own-genres.html`` or ``discover --report groups.html``.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import browser

from genretagger import bundle
from genretagger.hearing import hear_closely
from genretagger.report import figure

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"

GALLERY = {
    "hungarian-dance": ("Hungarian_Dance_number_5*", "Brahms: Hungarian Dance No. 5"),
    "sugar-plum-fairy": ("Kevin_MacLeod_-_P_I*", "Tchaikovsky: Dance of the Sugar Plum Fairy"),
    "vibe-ace": ("Kevin_MacLeod_-_Vibe*", "Kevin MacLeod: Vibe Ace"),
    "lets-go-fishin": ("Karissa_Hobbs*", "Karissa Hobbs: Let's Go Fishin'"),
    "fantasma": ("Fantasma*", "Los Rombos: Fantasma"),
    "choice": ("admiralbob77*", "Admiral Bob ft. Snowflake: Choice (drums and bass)"),
}
"""Name of the picture: which file, and its title. All may be shared; docs/gallery.md says how."""


def gallery(folder: Path) -> None:
    """Draw whole tracks."""
    model = bundle.read(bundle.DEFAULT)
    for name, (pattern, title) in GALLERY.items():
        (track,) = folder.glob(pattern)
        drawn = figure.png(
            hear_closely(track, model, is_why=True),
            title=title,
            thresholds=model.thresholds,
            bands_hz=model.bands_hz,
        )
        save(drawn, f"show-{name}.png")


def save(png: bytes, name: str) -> None:
    """Save a picture with 200 colours of its own, which a page loads quickly."""
    IMAGES.mkdir(exist_ok=True)
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(200, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)
    print(name, (IMAGES / name).stat().st_size // 1000, "kB")


def review(folder: Path) -> None:
    """Go through a review and take pictures."""
    with tempfile.TemporaryDirectory() as work:
        music = Path(work) / "Music"
        shutil.copytree(folder, music, copy_function=shutil.copyfile)
        for path in (*music.rglob("*"), music):
            path.chmod(0o755)
        environment = {
            **os.environ,
            "XDG_STATE_HOME": f"{work}/state",
            "XDG_CACHE_HOME": f"{work}/cache",
        }
        server = subprocess.Popen(
            [sys.executable, "-m", "genretagger", "review", "Music", "--no-browser"],
            cwd=work,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        address = ""
        while not address:
            line = server.stderr.readline()
            address = line.partition("review: ")[2].strip()
        driver = browser.start(Path(work) / "profile")
        try:
            _photograph(driver, address)
        finally:
            driver.quit()  # or else they write on where the folder is removed
            server.kill()
            server.wait()


def _photograph(driver: Any, address: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.wait import WebDriverWait

    def press(*keys: str) -> None:
        for key in keys:
            ActionChains(driver).send_keys(key).perform()
            time.sleep(1)

    def take(name: str) -> None:
        # where it was made is nobody's business, and differs each time
        driver.execute_script(
            "const at = document.querySelector('#detail .folder');"
            "if (at) at.textContent = at.textContent.replace(/^.*(?=Music)/, '~/');"
        )
        save(driver.get_screenshot_as_png(), f"review-{name}.png")

    browser.size(driver, 1280, 860)
    browser.scheme(driver, "light")
    driver.get(address)
    time.sleep(3)
    press("y", "n", "j")
    take("light")
    press("e")
    take("edit")
    driver.switch_to.active_element.send_keys("\ue00c")
    press("t")
    WebDriverWait(driver, 120).until(
        lambda d: d.execute_script("return !!document.querySelector('.timeline img')")
    )
    browser.scheme(driver, "dark")
    press("t", "t")
    WebDriverWait(driver, 120).until(
        lambda d: d.execute_script("return !!document.querySelector('.timeline img')")
    )
    press("T")
    take("dark")
    driver.switch_to.active_element.send_keys("\ue00c")
    browser.scheme(driver, "light")
    browser.size(driver, 400, 860)
    time.sleep(2)
    take("narrow")


def page(file: Path) -> None:
    """Take a picture of a page's first screen."""
    with tempfile.TemporaryDirectory() as profile:
        driver = browser.start(Path(profile))
        browser.size(driver, 1280, 860)
        browser.scheme(driver, "light")
        driver.get(file.resolve().as_uri())
        time.sleep(5)
        save(driver.get_screenshot_as_png(), f"{file.stem}.png")
        driver.quit()


if __name__ == "__main__":
    {"gallery": gallery, "review": review, "page": page}[sys.argv[1]](Path(sys.argv[2]))
