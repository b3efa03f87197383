"""What a step of the study costs, by variant, and what all of its trainings cost for each pass.

    python tests/benchmarks/bench_study.py [--variant ID ...]

CPU seconds of one thread, so that other work on the machine makes little difference. What is not
measured is taken to cost as much as the nearest measured variant for each value of an example.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import keras
import numpy as np
import tensorflow as tf

from genretagger.genres import GENRES
from training import markdown
from training.networks import report
from training.study import grid, plan
from training.study.config import DEFAULT, load

N_STEPS = 4
N_TRACKS = 600  # of a pass
N_VALIDATED = {"artists": 85, "shuffled": 256, "tracks": 256}  # tracks of a fold; the most


def measure(variant, config):
    """Measure CPU seconds of a step, and of predicting a batch."""
    keras.backend.clear_session()
    shape = variant.shape_in(config.features)
    network = report.build(shape, pooling=config.train.pooling)
    network.compile(keras.optimizers.Adam(config.train.learning_rate), "binary_crossentropy")
    size = config.train.batch_size
    x = np.random.default_rng(0).standard_normal((size, *shape), dtype=np.float32)
    y = np.eye(len(GENRES), dtype=np.float32)[np.arange(size) % len(GENRES)]
    seconds = []
    for work in (lambda: network.train_on_batch(x, y), lambda: network.predict_on_batch(x)):
        work()  # traces
        work()
        began = time.process_time()
        for _ in range(N_STEPS):
            work()
        seconds.append((time.process_time() - began) / N_STEPS)
    return seconds


def a_pass(training, costs, config):
    """Estimate CPU seconds of a pass of a training, with what it measures."""
    size = np.prod(training.variant.shape_in(config.features))
    same = [v for v in costs if v.mfcc == training.variant.mfcc]
    near = min(same, key=lambda v: abs(np.log(np.prod(v.shape_in(config.features)) / size)))
    step, predict = (s * size / np.prod(near.shape_in(config.features)) for s in costs[near])
    n_validated = N_VALIDATED[training.protocol]
    if training.protocol == "artists":
        n_validated = min(n_validated * training.variant.n_parts, config.train.most_validated)
    batch = config.train.batch_size
    return N_TRACKS / batch * step + n_validated / batch * predict


def main():
    """Measure, and lay it out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--variant", action="append", metavar="ID")
    chosen = grid.select(
        parser.parse_args().variant
        or [f"{kind}-deltas-{length}s" for kind in ("mel", "mfcc") for length in (30, 10, 3)]
    )
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    config = load(DEFAULT)
    costs = {variant: measure(variant, config) for variant in chosen}
    rows = []
    for variant, (step, predict) in costs.items():
        seconds = a_pass(plan.Training(variant, "artists", 0, 0), costs, config)
        rows.append([variant.id, f"{step:.3f}", f"{predict:.3f}", f"{seconds:.1f}"])
    head = ["variant", "a step, CPU s", "predicting a batch", "a pass, artists apart"]
    print(markdown.table(head, rows))
    trainings = plan.trainings(config)
    total = sum(a_pass(training, costs, config) for training in trainings)
    print(f"\nA pass of all {len(trainings)} trainings: {total:.0f} CPU s.")
    print(f"8 hours of two cores: {8 * 2 * 3600 / total:.0f} passes of each on average.")


if __name__ == "__main__":
    main()
