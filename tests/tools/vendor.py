"""Renew vendored JavaScript: ``python tests/tools/vendor.py [PACKAGE=VERSION ...]``.

Two tables say what is vendored, from where, and with which hash: one for what the wheel
carries, one for what only tests need. Without arguments every file is fetched again in the
version that its table names, and must be what it was; with ``tabulator-tables=6.6.0`` that
package moves on. Needs npm. tests/test_report_html.py holds the files to the tables.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLES = (
    ROOT / "genretagger/report/assets/vendored.json",
    ROOT / "tests/vendored/vendored.json",
)


def sha256(content: bytes) -> str:
    """Return the hash as the tables have it."""
    return hashlib.sha256(content).hexdigest()


def clean(content: bytes) -> bytes:
    """Drop the pointer to a source map, which a browser's tools would look for in vain."""
    lines = content.replace(b"\r\n", b"\n").split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(b"//# sourceMappingURL="))


def fetch(package: str, version: str) -> dict[str, bytes]:
    """Fetch a package and return its files by their names."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{package}@{version}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            files = (member for member in tar if member.isfile())
            return {m.name.partition("/")[2]: tar.extractfile(m).read() for m in files}


def renew(table: Path, wanted: dict[str, str]) -> None:
    """Fetch what one table lists."""
    rows = json.loads(table.read_text(encoding="utf-8"))
    for row in rows:
        version = wanted.get(row["package"], row["version"])
        found = fetch(row["package"], version)
        for file in row["files"]:
            content = clean(found[file["from"]])
            if version == row["version"] and sha256(content) != file["sha256"]:
                raise SystemExit(f"{file['name']}: {row['package']} {version} is not what it was")
            file["sha256"] = sha256(content)
            (table.parent / file["name"]).write_bytes(content)
        row["version"] = version
        print(f"{row['package']} {version}")
    table.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for path in TABLES:
        renew(path, dict(argument.split("=") for argument in sys.argv[1:]))
