"""Cut the music of ``genretagger demo`` out of free music in Debian's packages.

``apt-get download wesnoth-1.16-music planetblupi-music-ogg``, ``dpkg-deb -x`` both into one folder,
and ``python tests/tools/make_demo.py FOLDER``. Needs ffmpeg.
"""

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "genretagger/cli/demo"
START_S, LENGTH_S = 30, 8

WESNOTH = "usr/share/games/wesnoth/1.16/data/core/music"
BLUPI = "usr/share/planetblupi/music"

CLIPS = {
    "Love Theme.ogg": (f"{WESNOTH}/love_theme.ogg", "Love Theme", "Ryan Reilly", ""),
    "Frantic.ogg": (f"{WESNOTH}/frantic.ogg", "Frantic", "Stephen Rozanc", ""),
    # as its author has tagged it
    "Still Another Wanderer.ogg": (
        f"{WESNOTH}/wanderer.ogg",
        "Still Another Wanderer",
        "Timothy Pinkham",
        "Romantic Classical",
    ),
    "Blupi 3.ogg": (f"{BLUPI}/music003.ogg", "Music 3 of Planet Blupi", "EPSITEC SA", ""),
    "Blupi 5.ogg": (f"{BLUPI}/music005.ogg", "Music 5 of Planet Blupi", "EPSITEC SA", ""),
}
"""From the file's name to its source, title, artist and genre."""


def main(folder: Path) -> None:
    """Cut, encode and tag each clip."""
    for name, (source, title, artist, genre) in CLIPS.items():
        tags = {"title": title, "artist": artist} | ({"genre": genre} if genre else {})
        command = ["ffmpeg", "-v", "error", "-y", "-ss", str(START_S), "-t", str(LENGTH_S)]
        command += ["-i", str(folder / source), "-map", "0:a", "-map_metadata", "-1"]
        command += [word for tag in tags.items() for word in ("-metadata:s:a", "=".join(tag))]
        subprocess.run([*command, "-c:a", "libvorbis", "-q:a", "1", DEMO / name], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
