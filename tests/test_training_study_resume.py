"""Trainings of the study that are killed, on records of three timbres that no decoder has made."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genretagger.errors import FatalError
from training import files
from training.data.clips import Clip
from training.study import extract, plan, trainings, variants
from training.study.config import DEFAULT, load
from training.study.grid import parse

tensorflow = pytest.importorskip("tensorflow")
ROOT = Path(__file__).resolve().parent.parent
CONFIG = load(DEFAULT)
CONFIG = replace(CONFIG, train=replace(CONFIG.train, patience=2, most_passes=30, batch_size=8))
VARIANT = parse("mfcc-3s-augmented")
TRAINING = plan.Training(VARIANT, "artists", 0, 3)
KINDS = ("Classical", "Punk", "Rock")
CLIPS = [
    Clip(f"t{i:02}", f"a{i // 2}", "panda", f"{i}", (KINDS[i % 3],), 3, 30.0) for i in range(30)
]


def records(path, track_id, n_copies, files, config):
    """Stand in for a decoder and the features: a level of its own for each genre, and noise."""
    rng = np.random.default_rng(int(path.name))
    return [
        (rng.standard_normal((n_copies, file.n_parts, *file.shape_in(config))) + int(path.name) % 3)
        .astype(np.float16)
        .tobytes()
        for file in files
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extract, "extract_track", records)
        copied = [True] * len(CLIPS)
        list(
            variants.build(
                folder, CLIPS, folder, [VARIANT], CONFIG.features, copied=copied, n_jobs=1
            )
        )
    return folder


def train(store, folder):
    """Train, and read what is left."""
    about = trainings.train(Path(folder), Path(store), CLIPS, TRAINING, CONFIG)
    with np.load(TRAINING.path(Path(folder)).with_suffix(".npz")) as saved:
        return about, dict(saved)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
import tensorflow as tf
import test_training_study_resume as t
# sums depend on the number of threads, which another test in our process may have set
tf.config.threading.set_intra_op_parallelism_threads({threads})
replace, seen = Path.replace, []
def torn(part, path):
    seen.append(path)
    if len(seen) == 3:  # the state of the third pass is written, but not in its place yet
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(part, path)
Path.replace = torn
t.train({store!r}, {folder!r})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills by POSIX")
def test_a_training_that_is_killed_ends_as_one_that_is_not(store, tmp_path, capfd):
    whole, arrays = train(store, tmp_path / "whole")
    losses = [line["validation_loss"] for line in whole["log"]]
    assert whole["converged"]
    assert whole["best_pass"] == 1 + int(np.argmin(losses)) == len(losses) - 2
    places = {"root": str(ROOT), "tests": str(ROOT / "tests"), "store": str(store)}
    places["threads"] = str(tensorflow.config.threading.get_intra_op_parallelism_threads())
    code = KILLED.format(**places, folder=str(tmp_path / "torn"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert "seed 3: pass 2  loss" in done.stdout.decode().splitlines()[-1]
    capfd.readouterr()
    torn, again = train(store, tmp_path / "torn")
    assert "seed 3: pass 3  loss" in capfd.readouterr().out.splitlines()[0]
    for key in ("loss", "validation_loss", "validation_accuracy"):
        expected = [line[key] for line in whole["log"]]
        assert [line[key] for line in torn["log"]] == pytest.approx(expected, rel=1e-4)
    assert np.allclose(again["test"], arrays["test"], atol=1e-4)
    left = sorted(path.name for path in TRAINING.path(tmp_path / "torn").parent.iterdir())
    assert left == ["fold-0-seed-3.json", "fold-0-seed-3.npz"]


ABANDONED = """
import multiprocessing, os, signal, sys, time
sys.path.insert(0, {root!r})
from training.study.trainings import end_with_parent
def work(pipe):
    end_with_parent()
    pipe.send(os.getpid())
    time.sleep(600)
if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    spawn.Process(target=work, args=(there,)).start()
    print(here.recv(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills by POSIX")
def test_when_the_stage_is_killed_its_trainings_end_too(tmp_path):
    script = tmp_path / "abandoned.py"
    script.write_text(ABANDONED.format(root=str(ROOT)), encoding="utf-8")
    # the worker holds the pipe of stdout, so this waits for its end, and not for 600 s
    done = subprocess.run(
        [sys.executable, script], stdout=subprocess.PIPE, check=False, timeout=300
    )
    assert done.returncode == -signal.SIGKILL
    assert int(done.stdout) > 0


def test_what_was_begun_with_other_settings_is_refused(store, tmp_path):
    state = TRAINING.path(tmp_path).with_suffix(".state.npz")
    files.write_arrays(state, {"origin": "another", "log": json.dumps([])})
    with pytest.raises(
        FatalError, match=r"state\.npz comes from other data or settings: remove it"
    ):
        train(store, tmp_path)
