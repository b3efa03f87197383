"""Runs MusiCNN for the benchmark, in MusiCNN's own environment; Python 3.7 reads this file.

Started by `bench_musicnn.py`: ``bench_musicnn_worker.py CORE [WHEEL]``. With WHEEL, the
folder of the unpacked wheel, its code and weights run on today's TensorFlow, and
`add_layers` stands in for the layers that TensorFlow has removed. Requests and answers are
JSON lines.
"""

import json
import os
import sys
import time
from pathlib import Path

MODEL = "MSD_musicnn"
N_FRAMES = 186 + 1  # a patch of 3 s, as musicnn.extractor computes it


def add_layers(tf):
    """Give TensorFlow the part of ``tf.layers`` that musicnn.models uses; inference only."""
    v1 = tf.compat.v1

    def variables(layer, *named_shapes):
        with v1.variable_scope(None, default_name=layer):  # conv2d, conv2d_1, ... as saved
            return [v1.get_variable(name, shape) for name, shape in named_shapes]

    def activated(x, activation):
        return x if activation is None else activation(x)

    class Layers:
        @staticmethod
        def conv2d(inputs, filters, kernel_size, padding, activation):
            shape = [int(n) for n in (*kernel_size, inputs.shape[3], filters)]
            kernel, bias = variables("conv2d", ("kernel", shape), ("bias", [filters]))
            x = tf.nn.conv2d(inputs, kernel, strides=1, padding=padding.upper())
            return activated(tf.nn.bias_add(x, bias), activation)

        @staticmethod
        def batch_normalization(x, training):
            names = ("gamma", "beta", "moving_mean", "moving_variance")
            shapes = [(name, [int(x.shape[-1])]) for name in names]
            gamma, beta, mean, variance = variables("batch_normalization", *shapes)
            return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-3)

        @staticmethod
        def max_pooling2d(inputs, pool_size, strides):
            size, stride = [int(n) for n in pool_size], [int(n) for n in strides]
            return tf.nn.max_pool2d(inputs, size, stride, "VALID")

        @staticmethod
        def flatten(x):
            return tf.reshape(x, [-1, int(x.shape[1]) * int(x.shape[2])])

        @staticmethod
        def dense(inputs, units, activation):
            shape = [int(inputs.shape[1]), units]
            kernel, bias = variables("dense", ("kernel", shape), ("bias", [units]))
            return activated(tf.matmul(inputs, kernel) + bias, activation)

        @staticmethod
        def dropout(x, rate, training):
            return x

    v1.layers = Layers


class Loaded:
    """MusiCNN's features and network, with the network loaded once."""

    def __init__(self, tf):
        from musicnn import configuration, extractor, models

        self._batch_data = extractor.batch_data
        self._batch_size = configuration.BATCH_SIZE
        graph = tf.Graph()
        with graph.as_default():
            self._x = tf.compat.v1.placeholder(tf.float32, [None, N_FRAMES, configuration.N_MELS])
            self._training = tf.compat.v1.placeholder(tf.bool)
            labels = len(configuration.MSD_LABELS)
            logits = models.define_model(self._x, self._training, MODEL, labels)[0]
            self._output = tf.nn.sigmoid(logits)
            saver = tf.compat.v1.train.Saver()
        self._session = tf.compat.v1.Session(graph=graph)
        saver.restore(self._session, f"{Path(models.__file__).parent}/{MODEL}/")

    def features(self, path):
        return self._batch_data(path, N_FRAMES, N_FRAMES)[0]

    def network(self, batch):
        rows = []
        for i in range(0, len(batch), self._batch_size):
            patch = {self._x: batch[i : i + self._batch_size], self._training: False}
            rows.extend(self._session.run(self._output, patch).tolist())
        return rows


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # musicnn prints to stdout
    core, wheel = int(sys.argv[1]), sys.argv[2:]
    if core >= 0:
        os.sched_setaffinity(0, {core})  # before TensorFlow counts the cores
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    import librosa
    import numpy as np
    import tensorflow as tf

    if wheel:
        add_layers(tf)
        # musicnn multiplies float16 by 10000, which numpy < 2 widened to float32 first
        np.float16 = np.float32
        sys.path.insert(0, wheel[0])
    from musicnn.extractor import extractor

    loaded = Loaded(tf)

    def packaged(path):
        return extractor(path, model=MODEL, extract_features=False)[0]

    python = ".".join(map(str, sys.version_info[:3]))
    versions = {"python": python, "tensorflow": tf.__version__, "librosa": librosa.__version__}
    print(json.dumps(versions), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        path, what = request["path"], request["what"]
        batch = loaded.features(path) if what == "network" else None
        start = time.perf_counter()
        if what == "packaged":
            found = packaged(path)
        elif what == "loaded":
            found = loaded.network(loaded.features(path))
        else:
            found = loaded.network(batch)
        seconds = time.perf_counter() - start
        mean = [float(p) for p in np.mean(found, axis=0)]
        print(json.dumps({"seconds": seconds, "mean": mean}), file=answers, flush=True)


if __name__ == "__main__":
    main()
