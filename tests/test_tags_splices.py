"""Splices: what a file becomes is the same in memory as on the disk, and costs little."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from tag_files import AudioFile, changes_to

from genretagger import tags
from genretagger.tags.layouts.splices import Splice, Spliced, Window, apply_splices

pytestmark = pytest.mark.quick


def random_splices(rng: random.Random, size: int) -> list[Splice]:
    """Choose stretches that do not overlap, some of them empty, in any order."""
    edges = sorted(rng.sample(range(size + 1), 2 * rng.randrange(1, 5)))
    splices = [
        Splice(start, rng.choice([0, end - start]), rng.randbytes(rng.choice([0, 3, 5000])))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]
    rng.shuffle(splices)
    return splices


@pytest.mark.parametrize("seed", range(30))
def test_a_file_reads_in_memory_as_it_will_on_the_disk(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "file"
    path.write_bytes(rng.randbytes(20_000))
    splices = random_splices(rng, 20_000)
    with path.open("r+b") as file:
        with io.BufferedReader(Spliced(file, splices)) as spliced:
            whole = spliced.read()
            stretches = [(at, rng.randrange(9000)) for at in rng.sample(range(25_000), 20)]
            for at, size in stretches:
                spliced.seek(at)
                assert spliced.read(size) == whole[at : at + size]
            assert spliced.seek(0, io.SEEK_END) == len(whole)
        apply_splices(file, splices)
    assert path.read_bytes() == whole


def test_two_pieces_put_at_one_place_stand_there_in_the_same_order(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    splices = [Splice(5, 2, b"XYZ"), Splice(5, 0, b"-"), Splice(10, 0, b"b"), Splice(10, 0, b"a")]
    with path.open("r+b") as file:
        assert Spliced(file, splices).read(-1) == b"01234-XYZ789ab"
        apply_splices(file, splices)
    assert path.read_bytes() == b"01234-XYZ789ab"


def test_a_window_changes_in_memory_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        window = Window(file, 4, 8)
        with io.BufferedRandom(window) as changed:
            assert changed.read() == b"01234567"
            changed.seek(6)
            changed.write(b"abcd")
            changed.seek(0)
            assert changed.read() == b"012345abcd"
            changed.truncate(7)
            assert changed.seek(0, io.SEEK_END) == 7
        assert window.splice() == Splice(4, 4, b"45a")
    assert path.read_bytes() == b"0123456789"


def test_nothing_is_written_outside_a_window(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        window = Window(file, 4, 8)
        for at in (2, 9):
            window.seek(at)
            with pytest.raises(ValueError, match="outside the window"):
                window.write(b"?")
        with pytest.raises(ValueError, match="outside the window"):
            window.truncate(3)


def large_wav(path: Path) -> None:
    """Let the last chunk of a WAV grow to 2 GB of nothing, which takes no room on the disk."""
    data = bytearray(path.read_bytes())
    size = 2_000_000_000
    struct.pack_into("<I", data, 4, size - 8)
    struct.pack_into("<I", data, 40, size - 44)
    path.write_bytes(data)
    with path.open("r+b") as file:
        file.truncate(size)


def large_m4a(path: Path) -> None:
    """Let the ``mdat`` of an M4A, which stands behind ``moov``, grow to 2 GB of nothing."""
    fast = path.with_name("fast.m4a")
    command = ["ffmpeg", "-v", "error", "-i", path, "-c", "copy", "-movflags", "faststart", fast]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    data = bytearray(fast.read_bytes())
    at, size = data.index(b"mdat") - 4, 2_000_000_000
    struct.pack_into(">I", data, at, size - at)
    path.write_bytes(data)
    with path.open("r+b") as file:
        file.truncate(size)


@pytest.mark.parametrize(("form", "enlarge"), [("WAV", large_wav), ("M4A AAC", large_m4a)])
def test_a_rehearsal_of_two_gigabytes_takes_little_memory(
    audio_file: AudioFile, form: str, enlarge
) -> None:
    path = audio_file(form)
    enlarge(path)
    changes = changes_to(path, ("x" * 100_000,))
    tracemalloc.start()
    tags.rehearse(path, changes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000  # mutagen leaves 0.1 % of what follows as padding
