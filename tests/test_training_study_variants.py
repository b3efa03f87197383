"""The 24 variants: their shapes, their store, and what may go wrong while it is made."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import make_audio
import numpy as np
import pytest

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training import files
from training.data.clips import Clip, reference
from training.study import extract, grid, pictures, protocols, variants
from training.study.config import DEFAULT, load
from training.study.grid import VARIANTS, Variant

pytest.importorskip("librosa")

ROOT = Path(__file__).resolve().parent.parent
CONFIG = load(DEFAULT).features


def test_there_are_24_variants_and_the_report_has_a_figure_for_each():
    assert len({variant.id for variant in VARIANTS}) == 24
    assert set(grid.REPORTED) == {variant.id for variant in VARIANTS}
    assert all(grid.parse(variant.id) == variant for variant in VARIANTS)
    assert grid.select(["all", "mel-3s"]) == list(VARIANTS)


def test_the_shapes_at_44100_hz_are_the_reports():
    frames = {30: 2584, 10: 862, 3: 288}
    for variant in VARIANTS:
        rows, channels = (13 if variant.mfcc else 128), (3 if variant.deltas else 1)
        assert variant.shape(44100) == (rows, frames[variant.seconds], channels)


def test_an_unknown_variant_is_refused_with_the_list():
    with pytest.raises(FatalError, match=r"no variant 'mel-31s'.* mel-30s"):
        grid.parse("mel-31s")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six tracks of 31 s at 16 kHz; the fourth is no audio, the fifth too short."""
    folder = tmp_path_factory.mktemp("tracks")
    import soundfile

    clips = []
    for i in range(6):
        path = folder / f"t{i}.flac"
        y = make_audio.music(20.0 if i == 4 else 31.0, 16000, 1, seed=i)
        soundfile.write(path, np.roll(y, 1000 * i), 16000)
        if i == 3:
            path.write_bytes(b"fLaC" + bytes(1000))
        genres = (GENRES[i % 3],)
        clips.append(Clip(f"t{i}", f"a{i}", "panda", path.name, genres, 3, 31.0))
    return folder, clips


def build(folder, data, names, *, copied=True, n_jobs=1, config=CONFIG, **options):
    path, clips = data
    return list(
        variants.build(
            folder,
            clips,
            path,
            grid.select(names),
            config,
            copied=[copied] * len(clips),
            n_jobs=n_jobs,
            **options,
        )
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("store")
    assert build(folder, data, ["all"])[-1] == (6, 2)
    return folder


def contents(folder):
    names = ("rows.jsonl", "meta.json", "rejects.tsv")
    paths = [*sorted(folder.glob("*.f16")), *(folder / name for name in names)]
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.id)
def test_every_variant_is_what_librosa_says_within_the_stated_error(variant, store, data):
    import librosa

    examples = variants.read(store, data[1], variant, CONFIG)
    assert examples.shape == variant.shape(16000)
    assert len(examples) == 4 * variant.n_parts * (3 if variant.augmented else 1)
    assert examples.track.tolist() == sorted(examples.track)
    assert set(examples.copy) == ({0, 1, 2} if variant.augmented else {0})
    last = int(np.flatnonzero((examples.track == 5) & (examples.copy == 0))[-1])
    y = extract.decode(data[0] / "t5.flac", CONFIG)
    part = y[len(y) - variant.n_samples(16000) :]
    mel = librosa.feature.melspectrogram(y=part, sr=16000, n_fft=2048, hop_length=512, n_mels=128)
    expected = librosa.power_to_db(mel, ref=np.max, top_db=80.0)
    if variant.mfcc:
        expected = librosa.feature.mfcc(S=expected, n_mfcc=13)
    channels = [expected, librosa.feature.delta(expected), librosa.feature.delta(expected, order=2)]
    expected = np.stack(channels[: variant.n_channels], axis=-1)
    (found,) = examples.read([last]).astype(np.float32)
    # float16 halves a step of a 1024th; the arithmetic differs by 1e-4 dB, an MFCC of 128 more
    assert np.abs(found - expected).max() < 2e-3 + np.abs(expected).max() / 2048


def test_the_copies_are_shifted_and_noisy(data):
    y = extract.decode(data[0] / "t0.flac", CONFIG)
    same, shifted, noisy = extract.copies(y, "t0", CONFIG)
    assert same is y
    noise = noisy - y
    snr_db = 10 * np.log10(np.mean(y**2) / np.mean(noise**2))
    assert snr_db == pytest.approx(CONFIG.snr_db, abs=0.1)
    low, high = (np.abs(np.fft.rfft(s[: 16000 // 2])).argmax() for s in sorted_by_pitch(y, shifted))
    assert high / low == pytest.approx(2 ** (CONFIG.pitch_semitones / 12), rel=0.02)
    again = extract.copies(y, "t0", CONFIG)
    assert all(np.array_equal(a, b) for a, b in zip((same, shifted, noisy), again, strict=True))


def sorted_by_pitch(*sounds):
    return sorted(sounds, key=lambda s: np.abs(np.fft.rfft(s[: 16000 // 2])).argmax())


def test_a_corrupt_file_and_a_short_one_cost_their_rows_and_are_named(store, data):
    with (store / "rejects.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["row"], row["track_id"], row["path"]) for row in rows] == [
        ("4", "t3", "t3.flac"),
        ("5", "t4", "t4.flac"),
    ]
    assert rows[0]["reason"].startswith("cannot be decoded")
    assert rows[1]["reason"].startswith("20.0 s long, and 29.5 s are needed: get the whole track")


def crash_on_the_second(path, *arguments, real=extract.extract_track):
    if path.name == "t1.flac":
        os.abort()
    return real(path, *arguments)


def test_a_decoder_that_crashes_costs_one_row(tmp_path, data, monkeypatch):
    monkeypatch.setattr(extract, "extract_track", crash_on_the_second)
    folder, clips = data
    assert build(tmp_path, (folder, clips[:3]), ["mfcc-30s"], n_jobs=2) == [(3, 1)]
    assert variants._rows(tmp_path)[1] == {
        "rejected": "the decoder crashed on it: get another copy, or leave it out"
    }


def test_copies_are_made_for_the_training_part_alone(tmp_path, data):
    path, clips = data
    copied = [True, False, True, False, False, False]
    chosen = grid.select(["mfcc-30s-augmented"])
    list(variants.build(tmp_path, clips, path, chosen, CONFIG, copied=copied, n_jobs=1))
    examples = variants.read(tmp_path, clips, chosen[0], CONFIG)
    assert np.bincount(examples.track).tolist() == [3, 1, 3, 0, 0, 1]
    with pytest.raises(FatalError, match="needs copies of every track"):
        protocols.divide(examples, clips, load(DEFAULT), "shuffled")


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
import test_training_study_variants as t
append = t.variants._append
def torn(journal, files, n_copies, results):
    if journal.tell():  # the second block: its records are half there, its rows are not
        files[0].write(b"torn" * 1000)
        files[0].flush()
        journal.write(b'{{"cop')
        journal.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return append(journal, files, n_copies, results)
t.variants._append = torn
import pickle
data = pickle.loads({data!r})
t.build(Path({folder!r}), data, ["mfcc-10s-augmented"])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills by POSIX")
def test_after_kill_9_in_the_middle_the_result_is_the_same(tmp_path, data):
    import pickle

    whole, torn = tmp_path / "whole", tmp_path / "torn"
    build(whole, data, ["mfcc-10s-augmented"])
    code = KILLED.format(
        root=str(ROOT), tests=str(ROOT / "tests"), data=pickle.dumps(data), folder=str(torn)
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    before = len(variants._rows(torn))
    assert 0 < before < 6
    with pytest.raises(FatalError, match=f"has {before} of 6 tracks"):
        variants.read(torn, data[1], grid.parse("mfcc-10s"), CONFIG)
    assert build(torn, data, ["mfcc-10s-augmented"])[0][0] == 6
    assert contents(torn) == contents(whole)
    assert build(torn, data, ["mfcc-10s-augmented"]) == []


def test_other_settings_are_refused_and_nothing_is_lost(store, data):
    before = contents(store)
    with pytest.raises(FatalError, match="made from other data or settings: remove it"):
        build(store, data, ["all"], config=replace(CONFIG, snr_db=10.0))
    with pytest.raises(FatalError, match="made from other data: run the stage `shards` again"):
        variants.read(store, data[1], VARIANTS[0], replace(CONFIG, hop_length=256))
    assert contents(store) == before


def test_a_variant_that_was_not_made_is_named_with_its_command(tmp_path, data):
    with pytest.raises(FatalError, match=r"holds no shards: run .*--variant mfcc-3s"):
        variants.read(tmp_path / "none", data[1], grid.parse("mfcc-3s"), CONFIG)
    build(tmp_path, data, ["mfcc-30s"])
    for name in ("mfcc-3s", "mfcc-deltas-30s", "mfcc-30s-augmented"):
        with pytest.raises(FatalError, match=f"lacks {name}"):
            variants.read(tmp_path, data[1], grid.parse(name), CONFIG)


def test_a_full_disk_is_seen_before_the_start(tmp_path, data, monkeypatch):
    usage = files.shutil.disk_usage(tmp_path)._replace(free=600_000_000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: usage)
    path, clips = data
    many = [replace(clips[0], track_id=f"m{i}") for i in range(1000)]
    with pytest.raises(FatalError, match=r"about 2,[67]\d\d MB are to come, .* 600 MB free"):
        list(
            variants.build(
                tmp_path / "new",
                many,
                path,
                [Variant(False, True, True, 30)],
                CONFIG,
                copied=[True] * 1000,
                n_jobs=1,
            )
        )
    assert not (tmp_path / "new").exists()


def test_examples_come_in_a_new_order_each_time_with_their_own_labels(store, data):
    examples = variants.read(store, data[1], grid.parse("mfcc-3s-augmented"), CONFIG)
    targets = reference(data[1]).astype(np.float32)
    everything = np.arange(len(examples))
    in_order = examples.read(everything).astype(np.float32)
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(2):
        batches = list(examples.batches(targets, everything, 25, rng=rng))
        assert [len(x) for x, _ in batches[:-1]] == [25] * (len(batches) - 1)
        x, y = (np.concatenate(part) for part in zip(*batches, strict=True))
        order = [int(np.flatnonzero((in_order == one).all(axis=(1, 2, 3)))[0]) for one in x]
        assert sorted(order) == everything.tolist()
        assert np.array_equal(y, targets[examples.track[order]])
        seen.append(order)
    assert seen[0] != seen[1]


def test_pictures_are_the_examples_in_eight_bits_with_the_reports_table(store, data, tmp_path):
    from PIL import Image

    examples = variants.read(store, data[1], grid.parse("mel-deltas-10s"), CONFIG)
    assert list(pictures.export_png(tmp_path, examples, data[1])) == [12]
    with (tmp_path / "images_0_1_0_3.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[1:] == [genre.replace(" ", "") for genre in GENRES]
    about = json.loads((tmp_path / "range.json").read_text())
    low, high = np.array(about["low"]), np.array(about["high"])
    for i, row in enumerate(rows):
        pixels = np.asarray(Image.open(tmp_path / row["Filename"]), dtype=float)[::-1]
        back = low + pixels / 255 * (high - low)
        error = np.abs(back - examples.read([i])[0]).max(axis=(0, 1))
        assert (error <= np.array(about["largest_error"]) * 1.001).all()
        assert [int(row[g.replace(" ", "")]) for g in GENRES] == reference(data[1])[
            examples.track[i]
        ].astype(int).tolist()


def test_pictures_that_were_not_finished_have_no_table(store, data, tmp_path, monkeypatch):
    examples = variants.read(store, data[1], grid.parse("mel-deltas-10s"), CONFIG)
    monkeypatch.setattr(pictures, "_PICTURES", 5)
    assert list(pictures.export_png(tmp_path, examples, data[1])) == [4, 8, 12]
    assert len(list(tmp_path.glob("*.csv"))) == 1
    again = pictures.export_png(tmp_path, examples, data[1])
    next(again)
    again.close()
    assert not list(tmp_path.glob("*.csv"))


def worker(scheduler, name, folder):
    command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler]
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen([*command, *options], env=environment, stderr=log, cwd=folder)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills by POSIX")
def test_on_a_cluster_one_of_whose_workers_is_killed_the_result_is_the_same(tmp_path, data):
    distributed = pytest.importorskip("distributed")
    path, clips = data
    many = [replace(clips[i % 6], track_id=f"{i}") for i in range(24)]
    local = tmp_path / "local"
    build(local, (path, many), ["mfcc-30s"])
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        workers = [worker(address, name, tmp_path) for name in ("one", "two")]
        try:
            with distributed.Client(address) as client:
                client.wait_for_workers(2, timeout=60)
            steps = variants.build(
                tmp_path / "cluster",
                many,
                path,
                grid.select(["mfcc-30s"]),
                CONFIG,
                copied=[False] * len(many),
                n_jobs=1,
                cluster=address,
            )
            first = next(steps)
            assert first[0] < len(many)
            killer = kill_while_working(cluster, workers[0])
            list(steps)
            killer.join()
            assert killer.killed_while_working
        finally:
            for process in workers:
                process.kill()
                process.wait()
    assert contents(tmp_path / "cluster") == contents(local)


def kill_while_working(cluster, process):
    """Kill a worker with -9 as soon as it has a task."""
    import threading

    class Killer(threading.Thread):
        killed_while_working = False

        def run(self):
            until = time.monotonic() + 30
            while time.monotonic() < until:
                states = list(cluster.scheduler.workers.values())
                if any(state.name == "one" and state.processing for state in states):
                    process.kill()
                    self.killed_while_working = True
                    return
                time.sleep(0.005)

    killer = Killer()
    killer.start()
    return killer


def test_a_cluster_that_does_not_answer_is_named(tmp_path, data, monkeypatch):
    distributed = pytest.importorskip("dask.distributed")
    slow = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: slow(address, timeout=1))
    with pytest.raises(FatalError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        build(tmp_path, data, ["mfcc-30s"], cluster="tcp://127.0.0.1:9")
