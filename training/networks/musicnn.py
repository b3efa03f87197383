"""MusiCNN: the published network, from its checkpoint, in TensorFlow 2.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio
tagging", ISMIR late-breaking 2019; PyPI ``musicnn`` 0.1.0, ISC licence; the model
``MSD_musicnn``: 50 Last.fm tags, learned from the Million Song Dataset. Only the wheel's
checkpoint is used, since its code needs TensorFlow 1. Both shipped bundles are made from these
weights (`training.networks.body`).
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from training.arrays import Floats

SR = 16000
"""Sampling rate in Hz."""

N_FRAMES = 187
"""Frames of a patch: 3 s at a hop of 256 samples."""

N_HIDDEN = 200
"""Values of the last hidden layer."""

SIZE = 250
"""Values for a clip: the last hidden layer, then the logits of 50 tags."""

N_PATCHES = 4
"""Patches of a clip that are predicted, evenly spaced: tags hardly change within 30 s."""

TAGS = (
    *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s"),
    *("alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists"),
    *("classic rock", "soul", "indie rock", "Mellow", "electronica", "80s", "folk", "90s"),
    *("chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic"),
    *("experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country"),
    *("easy listening", "sexy", "catchy", "funk", "electro", "heavy metal", "Progressive rock"),
    *("60s", "rnb", "indie pop", "sad", "House", "happy"),
)
"""The tags, in the order of the network's outputs (the package's ``configuration.py``)."""

_CHECKPOINT = "musicnn/MSD_musicnn/"


def load(wheel: Path) -> dict[str, Floats]:
    """Read the checkpoint out of the wheel.

    Parameters
    ----------
    wheel : pathlib.Path
        ``musicnn-0.1.0-py3-none-any.whl``.

    Returns
    -------
    dict of str to numpy.ndarray
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        # the checkpoint has an empty prefix, which TensorFlow 2 does not read
        for ending in (".index", ".data-00000-of-00001"):
            with archive.open(_CHECKPOINT + ending) as source:
                target = Path(folder) / f"model{ending}"
                with target.open("wb") as file:
                    shutil.copyfileobj(source, file)
        reader = tf.train.load_checkpoint(str(Path(folder) / "model"))
        names = reader.get_variable_to_shape_map()
        wanted = [n for n in names if "Adam" not in n and "power" not in n]
        return {name.rpartition("model/")[2]: reader.get_tensor(name) for name in wanted}


def numbered(kind: str, i: int) -> str:
    """Name a layer as TensorFlow 1 does: the first one of a kind has no number."""
    return kind if i == 0 else f"{kind}_{i}"


def network(weights: dict[str, Floats]) -> Any:
    """Build the network for inference.

    Parameters
    ----------
    weights : dict
        From `load`.

    Returns
    -------
    callable
        From log-mel patches (n, 187, 96) to (n, 250).
    """
    import tensorflow as tf

    def norm(x: Any, i: int) -> Any:
        name = numbered("batch_normalization", i)
        scale = weights[f"{name}/gamma"] / np.sqrt(weights[f"{name}/moving_variance"] + 1e-3)
        return x * scale + (weights[f"{name}/beta"] - weights[f"{name}/moving_mean"] * scale)

    def conv(x: Any, i: int, padding: str) -> Any:
        name = numbered("conv2d", i)
        y = tf.nn.conv2d(x, weights[f"{name}/kernel"], 1, padding) + weights[f"{name}/bias"]
        return tf.nn.relu(y)

    def middle(x: Any, i: int) -> Any:
        x = tf.pad(x, [[0, 0], [3, 3], [0, 0], [0, 0]])
        return tf.transpose(norm(conv(x, i, "VALID"), i + 1), [0, 1, 3, 2])

    def run(patches: Any) -> Any:
        x = norm(patches[..., None], 0)
        timbral = tf.pad(x, [[0, 0], [3, 3], [0, 0], [0, 0]])
        parts = [norm(conv(timbral, i, "VALID"), i + 1) for i in (0, 1)]
        parts += [norm(conv(x, i, "SAME"), i + 1) for i in (2, 3, 4)]
        front = tf.concat([tf.reduce_max(part, axis=2) for part in parts], 2)[..., None]
        first = middle(front, 5)
        second = middle(first, 6) + first
        third = middle(second, 7) + second
        together = tf.concat([front, first, second, third], 2)[..., 0]
        pooled = tf.stack([tf.reduce_max(together, axis=1), tf.reduce_mean(together, axis=1)], 2)
        flat = norm(tf.reshape(pooled, [tf.shape(pooled)[0], -1]), 9)
        hidden = norm(tf.nn.relu(flat @ weights["dense/kernel"] + weights["dense/bias"]), 10)
        tags = hidden @ weights["dense_1/kernel"] + weights["dense_1/bias"]
        return tf.concat([hidden, tags], 1)

    return tf.function(run)


def patches(y: Floats) -> Floats:
    """Make the log-mel patches of a clip, as the package does.

    Parameters
    ----------
    y : numpy.ndarray, shape (n_samples,), float32
        At 16 kHz, at least 3 s.

    Returns
    -------
    numpy.ndarray, shape (N_PATCHES, N_FRAMES, 96), float32
    """
    import librosa

    power = librosa.feature.melspectrogram(y=y, sr=SR, hop_length=256, n_fft=512, n_mels=96).T
    log_mel = np.log10(10000.0 * power + 1.0).astype(np.float32)
    starts = np.linspace(0, len(log_mel) - N_FRAMES, N_PATCHES).astype(int)
    return np.stack([log_mel[s : s + N_FRAMES] for s in starts])
