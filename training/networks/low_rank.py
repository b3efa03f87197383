"""The start of a smaller MusiCNN: the large one's weights, its filters at low rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.arrays import Floats, Numbers
from training.config import CompactConfig
from training.networks import body, litert

if TYPE_CHECKING:
    import keras

_WINDOWS = 8000  # of the signal, to see how its bands and frames go together
_RIDGE = 1e-4  # of the mean variance: bands at the floor do not vary at all


def front(model: keras.Model) -> keras.Model:
    """Take the filters of a body: patches to (n, n_frames / time_stride, body.N_FRONT)."""
    import keras

    return keras.Model(model.inputs, model.get_layer("front").output)


def rest(model: keras.Model) -> keras.Model:
    """Take the layers behind the filters of a body: `front`'s outputs to (n, 250)."""
    import keras

    return keras.Model(model.get_layer("front").output, model.output)


def approximate(small: keras.Model, large: keras.Model, x: Floats, config: CompactConfig) -> None:
    """Give the smaller network the large one's weights, its filters at low rank.

    Maxima over fewer bands are lower: each output of the filters is then scaled and shifted
    to the large one's.

    Parameters
    ----------
    small, large : keras.Model
        From `body.build`.
    x : numpy.ndarray, shape (n, N_FRAMES, n_mels), float32
        Patches in dB.
    config : CompactConfig
    """
    for layer in large.layers:
        if layer.name.startswith(("norm_", "dense_")):
            small.get_layer(layer.name).set_weights(layer.get_weights())
    _share_filters(small, large, x, config)
    _thin_taps(small, large, config.time_stride)
    _rescale_front(small, large, x, config.time_stride)


def _share_filters(
    small: keras.Model, large: keras.Model, x: Floats, config: CompactConfig
) -> None:
    """Replace the filters of each size by combinations of `rank` ones."""
    import keras

    entering = keras.Model(large.inputs, large.get_layer("norm_0").output)
    signal = np.asarray(entering.predict_on_batch(x))[..., 0]
    rng = np.random.default_rng(config.seed)
    for i, (size, _) in enumerate(body.FILTERS):
        kernel, bias = large.get_layer(f"conv_{i}").get_weights()
        flat = kernel.reshape(-1, kernel.shape[-1])
        gamma, _, _, variance = large.get_layer(f"norm_{i + 1}").get_weights()
        scale = np.abs(gamma) / np.sqrt(variance + 1e-3)  # the weight of its outputs behind
        windows = _draw_windows(signal, size, rng)
        basis, mixing, lost = low_rank(flat, scale, windows, config.rank)
        small.get_layer(f"basis_{i}").set_weights([basis.reshape(*size, 1, -1)])
        small.get_layer(f"conv_{i}").set_weights([mixing[None, None], bias + lost])


def _draw_windows(signal: Floats, size: tuple[int, int], rng: np.random.Generator) -> Numbers:
    """Draw windows of a filter's size, shape (_WINDOWS, frames * bands)."""
    views = np.lib.stride_tricks.sliding_window_view(signal, size, axis=(1, 2))
    at = [rng.integers(n, size=_WINDOWS) for n in views.shape[:3]]
    return np.asarray(views[at[0], at[1], at[2]].reshape(_WINDOWS, -1).astype(np.float64))


def low_rank(
    kernel: Floats, scale: Floats, windows: Numbers, rank: int
) -> tuple[Numbers, Numbers, Numbers]:
    """Approximate filters by combinations of few.

    For filters K and windows w of the signal with covariance C, the combination AB of rank r
    that comes closest in what they give, E |(K - AB)'w|^2, follows from the singular value
    decomposition of C^(1/2) K.

    Parameters
    ----------
    kernel : numpy.ndarray, shape (size, n_filters)
    scale : numpy.ndarray, shape (n_filters,)
        How much each filter's output counts.
    windows : numpy.ndarray, shape (n_windows, size)
    rank : int

    Returns
    -------
    basis : numpy.ndarray, shape (size, rank)
    mixing : numpy.ndarray, shape (rank, n_filters)
    lost : numpy.ndarray, shape (n_filters,)
        What the mean window loses: to be added to the biases.
    """
    mean = windows.mean(axis=0)
    covariance = np.cov(windows.T)
    covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values) @ vectors.T
    inverse = vectors / np.sqrt(values) @ vectors.T
    left, singular, right = np.linalg.svd(root @ kernel * scale, full_matrices=False)
    basis = inverse @ left[:, :rank] * singular[:rank]
    mixing = right[:rank] / scale
    return basis, mixing, mean @ (kernel - basis @ mixing)


def _thin_taps(small: keras.Model, large: keras.Model, time_stride: int) -> None:
    """Spread the taps of filters over time on the fewer frames of the smaller network."""
    for i in (5, 6, 7):
        kernel, bias = large.get_layer(f"conv_{i}").get_weights()
        thinned = np.zeros(small.get_layer(f"conv_{i}").get_weights()[0].shape)
        for tap, values in enumerate(kernel):
            # a tap between two of the frames is shared by them
            place = (tap - 3) / time_stride + len(thinned) // 2
            low, share = int(np.floor(place)), place - np.floor(place)
            thinned[low] += (1 - share) * values
            if share:
                thinned[low + 1] += share * values
        small.get_layer(f"conv_{i}").set_weights([thinned, bias])


def _rescale_front(small: keras.Model, large: keras.Model, x: Floats, time_stride: int) -> None:
    """Scale and shift each of the filters' outputs by linear regression to the large one's."""
    run_small, run_large = (
        litert.runner(front(model), (1, *x.shape[1:])) for model in (small, large)
    )
    given = np.concatenate([run_small(patch[None]) for patch in x]).reshape(-1, body.N_FRONT)
    goal = np.concatenate([run_large(patch[None])[:, ::time_stride] for patch in x])
    goal = goal.reshape(-1, body.N_FRONT)
    mean_given, mean_goal = given.mean(axis=0), goal.mean(axis=0)
    centred = given - mean_given
    slope = (centred * (goal - mean_goal)).mean(axis=0) / ((centred**2).mean(axis=0) + 1e-9)
    shift = mean_goal - slope * mean_given
    first = 0
    for i in range(1, 1 + len(body.FILTERS)):
        layer = small.get_layer(f"norm_{i}")
        gamma, beta, *moving = layer.get_weights()
        part = slice(first, first + len(gamma))
        layer.set_weights([gamma * slope[part], beta * slope[part] + shift[part], *moving])
        first += len(gamma)
