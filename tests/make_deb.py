"""A real Debian package of what lies in a folder."""

import subprocess


def build_package(root, name, packages):
    """Build a real package of what lies in a folder."""
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\n"
        "Description: a demo\n"
    )
    packages.mkdir(parents=True)
    target = packages / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", root, target], check=True, capture_output=True)
    return target
