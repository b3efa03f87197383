"""Step 4, predict: log-mel spectrograms become probabilities; the only LiteRT import."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger.bundle import Bundle
from genretagger.errors import FatalError
from genretagger.features import log_mel
from genretagger.genres import GENRES

if TYPE_CHECKING:
    from genretagger.arrays import Floats

GOLDEN_TOLERANCE = 1e-3
"""How far a probability may be from the golden one: kernels differ between processors."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep LiteRT's greeting, which its C++ code prints, off the terminal of our callers."""
    saved = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


class Classifier:
    """A bundle's network, ready to run on one core.

    Parameters
    ----------
    bundle : Bundle

    Raises
    ------
    FatalError
        If the network cannot be loaded or does not fit the bundle's features.
    """

    def __init__(self, bundle: Bundle) -> None:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - 0.15 s

        self.bundle = bundle
        try:
            model = bundle.model_path.read_bytes()
            with _quiet():
                self._network: Any = Interpreter(model_content=model, num_threads=1)
                self._network.allocate_tensors()
            (input_,) = self._network.get_input_details()
            (output,) = self._network.get_output_details()
        except (OSError, ValueError, RuntimeError) as error:
            raise FatalError(f"model bundle {bundle.path}: model.tflite: {error}") from error
        expected = (1, bundle.features.n_mels, bundle.features.n_frames, 1)
        shapes = tuple(input_["shape"].tolist()), tuple(output["shape"].tolist())
        if shapes != (expected, (1, len(GENRES))):
            raise FatalError(
                f"model bundle {bundle.path}: model.tflite maps {shapes[0]} to "
                f"{shapes[1]}, not {expected} to {(1, len(GENRES))}"
            )
        self._input, self._output = input_["index"], output["index"]

    def predict(self, log_mels: Floats) -> Floats:
        """Run the network.

        Parameters
        ----------
        log_mels : numpy.ndarray, shape (n_segments, n_mels, n_frames), float32
            In dB under each segment's peak, as `features.log_mel` makes them.

        Returns
        -------
        numpy.ndarray, shape (n_segments, n_genres), float32
            One independent probability for each genre, before calibration.
        """
        probabilities = np.empty((len(log_mels), len(GENRES)), dtype=np.float32)
        for row, spectrogram in zip(probabilities, log_mels, strict=True):
            self._network.set_tensor(self._input, spectrogram[np.newaxis, :, :, np.newaxis])
            self._network.invoke()
            row[:] = self._network.get_tensor(self._output)[0]
        return probabilities

    def verify(self) -> float:
        """Run the bundle's golden segment.

        Returns
        -------
        float
            The largest difference of a probability.

        Raises
        ------
        FatalError
            If it exceeds `GOLDEN_TOLERANCE`.
        """
        bundle = self.bundle
        with np.load(bundle.path / "golden.npz", allow_pickle=False) as golden:
            y, expected = golden["y"], golden["probabilities"]
        predicted = self.predict(log_mel(y, bundle.features, bundle.filterbank)[np.newaxis])[0]
        difference = float(np.abs(predicted - expected).max())
        if not difference <= GOLDEN_TOLERANCE:
            raise FatalError(
                f"model bundle {bundle.path}: the golden segment gives probabilities that "
                f"differ by {difference:.2g} from the expected ones"
            )
        return difference
