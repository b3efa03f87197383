"""The founding report's network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genretagger.errors import FatalError
from genretagger.genres import GENRES

if TYPE_CHECKING:
    import keras


FILTERS = (8, 16, 32, 64, 128)
"""Channels of the founding report's five convolutions."""

_MOMENTUM = 0.9
"""Of the report's BatchNorm: with Keras' default of 0.99 its running averages are not there yet
after the few hundred steps of a short study, and accuracy was under chance (seen: 3 to 8 %)."""

_LEAST_MEL_ROWS = 78  # 3x3 and 2x2 maxima four times, and 3x3 once more, leave one row


def build(
    shape: tuple[int, int, int],
    *,
    pooling: str = "flatten",
    mean: Any = 0.0,
    variance: Any = 1.0,
) -> keras.Model:
    """Build the founding report's network for one of its variants.

    Five 3x3 convolutions of 8 to 128 channels without padding, each with BatchNorm and
    ReLU, 2x2 maxima after the first four, dropout of 0.3 and 14 sigmoids, as printed
    there. Its network for MFCC is not printed: only that kernels and pools were fitted to
    the 13 rows. Ours keeps the kernels and pools over time alone, because neighbouring
    coefficients are no neighbours in pitch: rows go 13, 11, 9, 7, 5, 3. Where the report
    divides pixels by 255, each row and channel is standardised; and BatchNorm's averages
    run faster, so that few steps are enough for them.

    Parameters
    ----------
    shape : tuple of int
        Rows, frames, channels of an example. Fewer rows than the pools need are pooled
        over time alone.
    pooling : {"flatten", "global"}
        "flatten" is the report's, for this number of frames alone. "global" averages over
        what is left of rows and frames, for any length.
    mean, variance : array_like, shape (rows, channels)
        Of the training examples.

    Returns
    -------
    keras.Model
        (n, rows, frames, channels) to probabilities (n, n_genres).
    """
    import keras
    from keras import layers

    rows, frames, channels = shape
    over_rows = 2 if rows >= _LEAST_MEL_ROWS else 1
    signal = keras.Input((rows, None if pooling == "global" else frames, channels))
    x = layers.Normalization(axis=(1, 3), mean=mean, variance=variance)(signal)
    for i, filters in enumerate(FILTERS):
        x = layers.BatchNormalization(momentum=_MOMENTUM)(layers.Conv2D(filters, 3)(x))
        x = layers.ReLU()(x)
        if i < len(FILTERS) - 1:
            x = layers.MaxPooling2D((over_rows, 2))(x)
    if pooling == "global":
        x = layers.GlobalAveragePooling2D()(x)
    elif pooling == "flatten":
        x = layers.Flatten()(x)
    else:
        raise FatalError(f"no pooling {pooling!r}: there are flatten and global")
    x = layers.Dropout(0.3)(x)
    return keras.Model(signal, layers.Dense(len(GENRES), activation="sigmoid")(x))
