"""A stand-in for `rip` at the network's edge: it brings, lies, hangs or talks, as it is told.

It is started as the real one is, reads the list and the config as the real one does, and
takes its orders from ``orders.json`` beside it: ``files`` (from a track's id to files that
arrive), ``rest``: what it does then.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

here = Path(__file__).resolve().parent
orders = json.loads((here / "orders.json").read_text(encoding="utf-8"))
arguments = sys.argv[1:]
config = Path(arguments[arguments.index("--config-path") + 1])
folder = Path(arguments[arguments.index("-f") + 1])
items = json.loads(Path(arguments[-1]).read_text(encoding="utf-8"))
settings = tomllib.loads(config.read_text(encoding="utf-8"))
with (here / "runs.jsonl").open("a", encoding="utf-8") as runs:
    seen = {
        "argv": sys.argv,
        "environment": dict(os.environ),
        "ids": [item["id"] for item in items],
        "mode": oct(config.stat().st_mode & 0o777),
        "folder_mode": oct(config.parent.stat().st_mode & 0o777),
        "has_arl": bool(settings["deezer"].pop("arl")),
        "settings": settings,
    }
    runs.write(json.dumps(seen) + "\n")
for item in items:
    for path in map(Path, orders["files"].get(item["id"], [])):
        (folder / "7").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / "7" / path.name)
rest = orders.get("rest", "")
if rest == "tells":
    print("cookie", tomllib.loads(config.read_text(encoding="utf-8"))["deezer"]["arl"])
if rest == "hangs":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (here / "pids").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)
if rest == "talks":
    while True:
        print("retrying", flush=True)
        time.sleep(0.05)
if rest == "crashes":
    raise RuntimeError("boom")
sys.exit(orders.get("code", 0))
