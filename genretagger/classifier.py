"""Step 4, predict: log-mel spectrograms become probabilities; the only LiteRT import."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from genretagger.bundle import Bundle
from genretagger.errors import FatalError
from genretagger.features import log_mel

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
            outputs = self._network.get_output_details()
        except (OSError, ValueError, RuntimeError) as error:
            raise FatalError(f"model bundle {bundle.path}: model.tflite: {error}") from error
        expected = _maps((1, bundle.features.n_mels, bundle.features.n_frames, 1), _outputs(bundle))
        found = _maps(input_["shape"], [output["shape"] for output in outputs])
        if found != expected:
            raise FatalError(
                f"model bundle {bundle.path}: model.tflite maps {found}, not {expected}"
            )
        at = [output["index"] for output in outputs]
        self._input = input_["index"]
        self._embedding = None if bundle.embedding is None else at.pop(bundle.embedding.output)
        (self._probabilities,) = at

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
        probabilities, embeddings = self.predict_and_embed(log_mels)
        heads = self.bundle.heads
        return probabilities if heads is None else heads.predict(embeddings)

    def predict_and_embed(self, log_mels: Floats) -> tuple[Floats, Floats]:
        """Run the network, and take all that it gives.

        Parameters
        ----------
        log_mels : numpy.ndarray, shape (n_segments, n_mels, n_frames), float32
            As in `predict`.

        Returns
        -------
        probabilities : numpy.ndarray, shape (n_segments, n_genres), float32
            As from `predict`, but by the network alone: of the genres of ``bundle.network``.
        embeddings : numpy.ndarray, shape (n_segments, n_values), float32
            Of no values where the bundle has no embedding.
        """
        size = self.bundle.embedding.size if self.bundle.embedding else 0
        n_genres = len(self.bundle.network.vocabulary.genres)
        probabilities = np.empty((len(log_mels), n_genres), dtype=np.float32)
        embeddings = np.empty((len(log_mels), size), dtype=np.float32)
        for n, spectrogram in enumerate(log_mels):
            self._network.set_tensor(self._input, spectrogram[np.newaxis, :, :, np.newaxis])
            self._network.invoke()
            probabilities[n] = self._network.get_tensor(self._probabilities)[0]
            if self._embedding is not None:
                embeddings[n] = self._network.get_tensor(self._embedding)[0]
        return probabilities, embeddings

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
        bundle = self.bundle.network
        if bundle is not self.bundle:
            return Classifier(bundle).verify()
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


def _outputs(bundle: Bundle) -> list[tuple[int, int]]:
    """List the shapes of a network's outputs, in their order."""
    shapes = [(1, len(bundle.network.vocabulary.genres))]
    if bundle.embedding is not None:
        shapes.insert(bundle.embedding.output, (1, bundle.embedding.size))
    return shapes


def _maps(input_: Iterable[int], outputs: Iterable[Iterable[int]]) -> str:
    """Say in words from which shape to which a network maps."""

    def shape(sizes: Iterable[int]) -> str:
        return str(tuple(int(size) for size in sizes))

    return f"{shape(input_)} to {' and '.join(map(shape, outputs))}"
