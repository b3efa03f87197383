"""Read, write and verify a model bundle: the one folder that holds all a model assumes.

``model.tflite``
    The network: log-mel in dB, shape (1, n_mels, n_frames, 1), to n_genres sigmoids and, where
    ``bundle.json`` names it, an embedding.
``bundle.json``
    Genres, fusions, features, mel filterbank, thresholds, calibration, when to hear more, data,
    metrics, versions, licence, and the SHA-256 of the other files.
``golden.npz``
    One segment of samples with the log-mel and the probabilities it must give.
``MODEL_CARD.md``
    The same for people.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genretagger import doubt
from genretagger.doubt import Doubt
from genretagger.errors import FatalError
from genretagger.features import FeatureConfig
from genretagger.genres import SHIPPED, Vocabulary, read_vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genretagger.arrays import Floats

FORMAT = 1
"""Version of the bundle's layout; a reader of another version refuses it."""

_SHIPPED = Path(__file__).with_name("bundles")

DEFAULT = _SHIPPED / "default"
"""The bundle that is used unless another is named."""

_MOST_N_FFT = 1 << 16
"""Samples; 4 s at 16 kHz, where no frame is short any more. More would only fill the memory."""

_HASHED = ("model.tflite", "golden.npz")

_MOST_EMBEDDED = 480
"""Values of an embedding: the cache keeps them in float16, and less than 1 kB for a track."""


class EmbeddingOutput(NamedTuple):
    """The output of a network that is its embedding.

    Attributes
    ----------
    output : int
        Its place in LiteRT's list of outputs, of which there are two.
    size : int
        Its number of values.
    """

    output: int
    size: int


@dataclass(frozen=True)
class Bundle:
    """A model and everything it assumes.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    bundle_id : str
        First 12 hex digits of the SHA-256 of ``bundle.json``, which holds the others' hashes.
    vocabulary : Vocabulary
        The genres that its network hears.
    features : FeatureConfig
    filterbank : numpy.ndarray, shape (n_mels, 1 + n_fft // 2), float32
    thresholds : tuple of float, length n_genres
        A genre passes at this probability.
    calibration : tuple of (float, float), length n_genres
        Slope and intercept applied to a track's mean logit.
    embedding : EmbeddingOutput or None
        None where the network gives none.
    info : dict
        All of ``bundle.json``, for ``genretagger model``.
    doubt : Doubt or None
        When to hear more of a track; None is never. In ``bundle.json`` it is optional.
    """

    path: Path
    bundle_id: str
    vocabulary: Vocabulary
    features: FeatureConfig
    filterbank: Floats
    thresholds: tuple[float, ...]
    calibration: tuple[tuple[float, float], ...]
    embedding: EmbeddingOutput | None
    info: dict[str, Any]
    doubt: Doubt | None = None

    @property
    def bands_hz(self) -> Floats:
        """Where each mel band is loudest, in Hz, shape (n_mels,)."""
        peaks = self.filterbank.argmax(axis=1) * self.features.sr / self.features.n_fft
        return np.asarray(peaks, dtype=np.float32)

    @property
    def model_path(self) -> Path:
        """Where the network lies."""
        return self.path / "model.tflite"


def locate(named: str | Path) -> Path:
    """Find a bundle's folder.

    Parameters
    ----------
    named : str or pathlib.Path
        A bundle that ships with the package, such as ``accurate``, or any folder. A folder
        of such a name in the working directory is ``./accurate``.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> locate("accurate").parent == DEFAULT.parent, locate("my/model").as_posix()
    (True, 'my/model')
    """
    names = [path.name for path in _SHIPPED.iterdir() if path.is_dir()]
    return _SHIPPED / named if str(named) in names else Path(named)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sparse(filterbank: Floats) -> list[dict[str, Any]]:
    bands = []
    for band in filterbank:
        nonzero = np.flatnonzero(band)
        first, last = int(nonzero[0]), int(nonzero[-1])
        weights = [float(f"{w:.9g}") for w in band[first : last + 1]]
        bands.append({"first_bin": first, "weights": weights})
    return bands


def _dense(bands: list[dict[str, Any]], features: FeatureConfig) -> Floats:
    if not 0 < features.n_fft <= _MOST_N_FFT:
        raise ValueError(f"n_fft is not within 1 to {_MOST_N_FFT}")
    n_bins = 1 + features.n_fft // 2
    if len(bands) != features.n_mels:
        raise ValueError(f"{len(bands)} mel bands, {features.n_mels} expected")
    filterbank = np.zeros((features.n_mels, n_bins), dtype=np.float32)
    for row, band in zip(filterbank, bands, strict=True):
        first, weights = int(band["first_bin"]), band["weights"]
        if first < 0 or first + len(weights) > n_bins:
            raise ValueError("a mel band reaches outside the spectrum")
        row[first : first + len(weights)] = weights
    if not np.isfinite(filterbank).all():
        raise ValueError("a mel band holds NaN or infinity")
    return filterbank


def _numbers(values: Any, n: int, low: float, high: float) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in values)
    if len(numbers) != n or not all(low <= v <= high for v in numbers):
        raise ValueError(f"expected {n} numbers between {low:g} and {high:g}")
    return numbers


def _embedding(info: Any) -> EmbeddingOutput | None:
    if info is None:
        return None
    output, size = info["output"], info["size"]
    if output not in (0, 1) or type(size) is not int or not 1 <= size <= _MOST_EMBEDDED:
        raise ValueError(f"an embedding is output 0 or 1, of at most {_MOST_EMBEDDED} values")
    return EmbeddingOutput(int(output), size)


def _refusal(path: Path, why: str) -> FatalError:
    return FatalError(f"model bundle {path}: {why}")


def read(path: Path) -> Bundle:
    """Read a bundle and check that it is whole.

    Parameters
    ----------
    path : pathlib.Path
        The folder.

    Returns
    -------
    Bundle

    Raises
    ------
    FatalError
        If a file is missing, damaged, or of another format version. There is no fallback.
    """
    try:
        text = (path / "bundle.json").read_bytes()
        info = json.loads(text)
        hashes = {name: _sha256(path / name) for name in _HASHED}
    except OSError as error:
        name = Path(error.filename or "").name
        raise _refusal(path, f"{name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _refusal(path, "bundle.json is damaged: it is not JSON") from error
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        version = info.get("format") if isinstance(info, dict) else None
        raise _refusal(path, f"bundle format {str(version)[:20]}, this version reads {FORMAT}")
    try:
        for name, digest in hashes.items():
            if info["sha256"][name] != digest:
                raise _refusal(path, f"{name} is damaged: its SHA-256 is not bundle.json's")
        features = FeatureConfig(**info["features"])
        filterbank = _dense(info["filterbank"], features)
        vocabulary = read_vocabulary(info["genres"], info.get("fusions"))
        n = len(vocabulary.genres)
        thresholds = _numbers(info["thresholds"], n, 0.0, 1.0)
        slopes = _numbers(info["calibration"]["slope"], n, 0.0, 100.0)
        intercepts = _numbers(info["calibration"]["intercept"], n, -100.0, 100.0)
        embedding = _embedding(info.get("embedding"))
        when_in_doubt = doubt.read(info["doubt"]) if "doubt" in info else None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _refusal(path, f"bundle.json is damaged: {str(error)[:200]}") from error
    return Bundle(
        path=path,
        bundle_id=hashlib.sha256(text).hexdigest()[:12],
        vocabulary=vocabulary,
        features=features,
        filterbank=filterbank,
        thresholds=thresholds,
        calibration=tuple(zip(slopes, intercepts, strict=True)),
        embedding=embedding,
        info=info,
        doubt=when_in_doubt,
    )


def write(
    path: Path,
    *,
    model: bytes,
    golden: dict[str, NDArray[Any]],
    features: FeatureConfig,
    filterbank: Floats,
    thresholds: tuple[float, ...],
    calibration: tuple[tuple[float, float], ...],
    about: dict[str, Any],
    card: str,
    vocabulary: Vocabulary = SHIPPED,
) -> Bundle:
    """Write a bundle and read it back.

    Parameters
    ----------
    path : pathlib.Path
        The folder; made if missing, its files replaced.
    model : bytes
        A TensorFlow Lite flatbuffer.
    golden : dict
        ``y`` (n_samples,), ``log_mel`` (n_mels, n_frames), ``probabilities`` (n_genres,):
        one segment and what the network, before calibration, must say of it.
    features, filterbank, thresholds, calibration
        As in `Bundle`.
    about : dict
        What else ``bundle.json`` says: data, metrics, versions, licence; ``embedding`` as
        `EmbeddingOutput` has it, if the network has that output; ``doubt`` as `Doubt` has it,
        if more is to be heard of a track in doubt.
    card : str
        The model card, Markdown.
    vocabulary : Vocabulary, optional
        As in `Bundle`.

    Returns
    -------
    Bundle

    Raises
    ------
    FatalError
        If what was written does not read back.
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / "model.tflite").write_bytes(model)
    np.savez_compressed(path / "golden.npz", **golden)  # type: ignore[arg-type]
    info = {
        "format": FORMAT,
        "genres": list(vocabulary.genres),
        "fusions": sorted(sorted(pair) for pair in vocabulary.fusions),
        **about,
        "features": asdict(features),
        "thresholds": list(thresholds),
        "calibration": {
            "slope": [slope for slope, _ in calibration],
            "intercept": [intercept for _, intercept in calibration],
        },
        "sha256": {name: _sha256(path / name) for name in _HASHED},
        "filterbank": _sparse(filterbank),
    }
    (path / "bundle.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
    (path / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    return read(path)
