"""A smaller network takes over a large one's filters, at low rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.arrays import Floats
from training.config import CompactConfig
from training.networks import body, litert

if TYPE_CHECKING:
    import keras

_WINDOWS = 8000  # of the signal, to see how its bands and frames go together
_RIDGE = 1e-4  # of the mean variance: bands at the floor do not vary at all


def front(model: keras.Model) -> keras.Model:
    """Take the filters of a body: patches to (n, n_frames / time_stride, transfer.N_FRONT)."""
    import keras

    return keras.Model(model.inputs, model.get_layer("front").output)


def rest(model: keras.Model) -> keras.Model:
    """Take what follows the filters of a body: `front`'s outputs to (n, 250)."""
    import keras

    return keras.Model(model.get_layer("front").output, model.output)


def approximate(small: keras.Model, large: keras.Model, x: Floats, config: CompactConfig) -> None:
    """Give the smaller network the large one's weights, its filters at low rank.

    For filters K and windows w of the signal with covariance C, the combination AB of rank r
    that comes closest in what they give, E |(K - AB)'w|^2, follows from the singular value
    decomposition of C^(1/2) K. What the mean window loses goes into the biases. Maxima over
    fewer bands are lower: each output is then scaled and shifted to the large one's.

    Parameters
    ----------
    small, large : keras.Model
        From `body.body`.
    x : numpy.ndarray, shape (n, N_FRAMES, n_mels), float32
        Patches in dB.
    config : CompactConfig
    """
    import keras

    hears = keras.Model(large.inputs, large.get_layer("norm_0").output)
    signal = np.asarray(hears.predict_on_batch(x))[..., 0]
    rng = np.random.default_rng(config.seed)
    for layer in large.layers:
        if layer.name.startswith(("norm_", "dense_")):
            small.get_layer(layer.name).set_weights(layer.get_weights())
    for i, (size, _) in enumerate(body.FILTERS):
        kernel, bias = large.get_layer(f"conv_{i}").get_weights()
        views = np.lib.stride_tricks.sliding_window_view(signal, size, axis=(1, 2))
        at = [rng.integers(n, size=_WINDOWS) for n in views.shape[:3]]
        windows = views[at[0], at[1], at[2]].reshape(_WINDOWS, -1).astype(np.float64)
        mean = windows.mean(axis=0)
        covariance = np.cov(windows.T)
        covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(values) @ vectors.T
        inverse = vectors / np.sqrt(values) @ vectors.T
        flat = kernel.reshape(-1, kernel.shape[-1])
        gamma, _, _, variance = large.get_layer(f"norm_{i + 1}").get_weights()
        scale = np.abs(gamma) / np.sqrt(variance + 1e-3)  # what its outputs weigh later
        left, singular, right = np.linalg.svd(root @ flat * scale, full_matrices=False)
        basis = inverse @ left[:, : config.rank] * singular[: config.rank]
        mixing = right[: config.rank] / scale
        lost = mean @ (flat - basis @ mixing)
        small.get_layer(f"basis_{i}").set_weights([basis.reshape(*size, 1, -1)])
        small.get_layer(f"conv_{i}").set_weights([mixing[None, None], bias + lost])
    for i in (5, 6, 7):
        kernel, bias = large.get_layer(f"conv_{i}").get_weights()
        wanted = small.get_layer(f"conv_{i}").get_weights()[0].shape
        thinned = np.zeros(wanted)
        for tap, values in enumerate(kernel):
            # a tap between two frames that are heard is shared by them
            place = (tap - 3) / config.time_stride + wanted[0] // 2
            low, share = int(np.floor(place)), place - np.floor(place)
            thinned[low] += (1 - share) * values
            if share:
                thinned[low + 1] += share * values
        small.get_layer(f"conv_{i}").set_weights([thinned, bias])

    run_small, run_large = (
        litert.runner(front(model), (1, *x.shape[1:])) for model in (small, large)
    )
    given = np.concatenate([run_small(patch[None]) for patch in x]).reshape(-1, body.N_FRONT)
    wanted_all = [run_large(patch[None])[:, :: config.time_stride] for patch in x]
    goal = np.concatenate(wanted_all).reshape(-1, body.N_FRONT)
    mean_given, mean_goal = given.mean(axis=0), goal.mean(axis=0)
    centred = given - mean_given
    slope = (centred * (goal - mean_goal)).mean(axis=0) / ((centred**2).mean(axis=0) + 1e-9)
    shift = mean_goal - slope * mean_given
    first = 0
    for i in range(1, 1 + len(body.FILTERS)):
        layer = small.get_layer(f"norm_{i}")
        gamma, beta, *moving = layer.get_weights()
        mine = slice(first, first + len(gamma))
        layer.set_weights([gamma * slope[mine], beta * slope[mine] + shift[mine], *moving])
        first += len(gamma)
