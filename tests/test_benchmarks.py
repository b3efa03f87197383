"""The benchmark runs and fills its tables; how fast anything is, is no test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent / "benchmarks" / "bench.py"

ROWS = (
    "decoding alone: soundfile, the same seeks",
    "decoding + resampling",
    "decoding + resampling + features",
    "decoding + resampling + features + model",
    "decoding the whole track",
    "network only, 30 s: ours",
    "MP3, 1 job",
    "FLAC, 1 job",
    "MP3, 2 jobs",
    "FLAC, 2 jobs",
    "all steps at most 4 x decoding alone",
    "all steps less than decoding the whole track",
    "first track in under 2 s",
    "under 400 MB a worker",
)


def bench(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, BENCH, "--quick", "--without-peers", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_quick_benchmark_fills_every_row_and_puts_the_tables_into_a_page(tmp_path: Path):
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n")
    printed = bench("--write", str(page))
    written = page.read_text(encoding="utf-8")
    assert written.startswith("before\n<!-- bench:begin -->\nMachine: ")
    assert written.endswith("\n<!-- bench:end -->\nafter\n")
    assert "old" not in written
    table = {line.split(" | ")[0].strip("| "): line for line in printed.splitlines()}
    for row in ROWS:
        assert table[row] in written
        assert any(character.isdigit() for character in table[row].removeprefix(f"| {row}"))
    assert "librosa: the whole track loaded, its log-mel: not measured" in written
    assert "MusiCNN: not measured" in written


def test_the_memory_benchmark_samples_a_curve_and_says_whether_it_is_flat():
    printed = bench("memory")
    assert sum(line.startswith("| ") for line in printed.splitlines()) == 12  # 10, heading, peak
    assert "flat (at most a tenth more)." in printed


def test_the_performance_page_has_a_place_for_the_tables():
    text = (BENCH.parents[2] / "docs" / "performance.md").read_text(encoding="utf-8")
    for marker in ("bench", "bench-memory"):
        assert text.count(f"<!-- {marker}:begin -->") == 1
        assert text.count(f"<!-- {marker}:end -->") == 1
