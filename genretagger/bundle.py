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

A bundle of one's own, learned by ``genretagger learn``, has other files beside its card:

``network/``
    A copy of the bundle whose network it hears with, so that it outlives an upgrade.
``heads.npz``
    What turns that network's embedding into its own genres.
``bundle.json``
    Its genres, fusions, thresholds, what it was learned from, metrics, and the SHA-256 of the
    other two.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genretagger import doubt, heads
from genretagger.doubt import Doubt
from genretagger.errors import FatalError
from genretagger.features import FeatureConfig
from genretagger.genres import SHIPPED, Vocabulary, read_vocabulary
from genretagger.heads import Heads
from genretagger.places import bundles_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genretagger.arrays import Floats

FORMAT, OWN_FORMAT = 1, 2
"""Versions of the layout: of bundles with a network, and of one's own. Others are refused."""

_SHIPPED = Path(__file__).with_name("bundles")

DEFAULT = _SHIPPED / "default"
"""The bundle that is used unless another is named."""

_MOST_N_FFT = 1 << 16
"""Samples; 4 s at 16 kHz, where no frame is short any more. More would only fill the memory."""

_HASHED = ("model.tflite", "golden.npz")
_HASHED_OF_OWN = ("heads.npz", "network/bundle.json")

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
    heads : Heads or None
        Of a bundle of one's own.
    base : Bundle or None
        Whose network a bundle of one's own hears with: its copy.
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
    heads: Heads | None = None
    base: Bundle | None = None

    @property
    def network(self) -> Bundle:
        """The bundle whose network hears: itself, but for a bundle of one's own.

        What was heard for one is known to all that hear with it.
        """
        return self.base or self

    @property
    def bands_hz(self) -> Floats:
        """Where each mel band is loudest, in Hz, shape (n_mels,).

        It falls where a second filterbank follows the first.
        """
        peaks = self.filterbank.argmax(axis=1) * self.features.sr / self.features.n_fft
        return np.asarray(peaks, dtype=np.float32)

    @property
    def model_path(self) -> Path:
        """Where the network lies."""
        return self.network.path / "model.tflite"


def locate(named: str | PathLike[str]) -> Path:
    """Find a bundle's folder.

    Parameters
    ----------
    named : str or path-like
        As a str, a bundle that ships with the package, such as ``accurate``, or one of this user's
        own; else a folder. A folder of such a name in the working directory is ``./accurate``.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> locate("accurate").parent == DEFAULT.parent, locate("my/model").as_posix()
    (True, 'my/model')
    """
    places = (path for path in (*shipped(), *own()) if path.name == named)
    return next(places, Path(named))


def shipped() -> list[Path]:
    """List the folders of the bundles that ship with the package."""
    return sorted(path for path in _SHIPPED.iterdir() if path.is_dir())


def own() -> list[Path]:
    """List the folders of this user's own bundles; there may be none, and no place for them."""
    try:
        return sorted(path for path in bundles_folder().iterdir() if path.is_dir())
    except (OSError, FatalError):
        return []


def place_of_own(named: str | Path) -> Path:
    """Say where a bundle of one's own is to lie: by its name, among this user's, or in a folder.

    Raises
    ------
    FatalError
        If it has the name of a bundle that ships with the package, or would replace what is no
        bundle of one's own.
    """
    is_name = str(named) not in ("", ".", "..") and Path(named).name == str(named)
    if is_name and str(named) in [path.name for path in shipped()]:
        raise FatalError(f"{named} is a model that ships with genretagger; take another name")
    path = bundles_folder() / named if is_name else Path(named)
    if path.exists() and not _is_own(path):
        raise FatalError(f"{path} is there, and no model of your own; take another name")
    return path


def _is_own(path: Path) -> bool:
    try:
        _, info = _read_info(path)
    except FatalError:
        return False
    return info.get("format") == OWN_FORMAT


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


def read(named: str | PathLike[str]) -> Bundle:
    """Read a bundle and check that it is whole.

    Parameters
    ----------
    named : str or path-like
        As in `locate`.

    Returns
    -------
    Bundle

    Raises
    ------
    FatalError
        If a file is missing, damaged, or of another format version. There is no fallback.
    """
    path = locate(named)
    text, info = _read_info(path)
    if info.get("format") == OWN_FORMAT:
        try:
            return _read_own(path, text, info)
        except FatalError as error:
            raise FatalError(f"{error}; learn it again") from error
    if info.get("format") != FORMAT:
        version = str(info.get("format"))[:20]
        why = f"bundle format {version}, this version reads {FORMAT} and {OWN_FORMAT}"
        raise _refusal(path, f"{why}; it is damaged, or needs a newer genretagger")
    try:
        _check_hashes(path, info, _HASHED)
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
        raise _refusal(path, f"bundle.json is damaged: {_why(error)}") from error
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


def most_telling(metrics: dict[str, Any]) -> dict[str, Any]:
    """Put figures of sets that were held out as a whole in the place of those of folds.

    A fold has other artists of collections that were learned from, a set that was held out has
    none of it: that is as a user's collection is.

    Parameters
    ----------
    metrics : dict
        Of ``bundle.json``; with ``unseen`` if sets were held out.

    Returns
    -------
    dict
        The same keys.

    Examples
    --------
    >>> most_telling({"decisions": "of folds", "unseen": {"decisions": "of sets"}})["decisions"]
    'of sets'
    """
    return {**metrics, **metrics.get("unseen", {})}


def require_embedding(model: Bundle) -> None:
    """Make sure that a bundle's network gives an embedding.

    Raises
    ------
    FatalError
        If it gives none.
    """
    if model.embedding is None:
        why = "its network gives no embedding; take 'default', or another model that has one"
        raise _refusal(model.path, why)


def _read_info(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        text = (path / "bundle.json").read_bytes()
        info = json.loads(text)
    except OSError as error:
        why = str(error.strerror)
        if not path.exists():
            names = ", ".join(place.name for place in (*shipped(), *own()))
            why = f"there is no such folder, and no model of that name; there are {names}"
        raise _refusal(path, f"bundle.json cannot be read: {why}") from error
    except (ValueError, RecursionError) as error:
        raise _refusal(path, "bundle.json is damaged: it is not JSON; take another copy") from error
    return text, info if isinstance(info, dict) else {}


def _check_hashes(path: Path, info: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        try:
            digest = _sha256(path / name)
        except OSError as error:
            raise _refusal(path, f"{name} cannot be read: {error.strerror}") from error
        if info["sha256"][name] != digest:
            raise _refusal(path, f"{name} is damaged: its SHA-256 is not bundle.json's")


def _why(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    if isinstance(error, TypeError | OverflowError):  # in Python's own words
        return f"a value of it makes no sense ({str(error)[:200]})"
    return str(error)[:200]


def _digest(info: dict[str, Any]) -> str:
    """Compute the SHA-256 of what ``bundle.json`` says beside itself; bundles of before lack it."""
    hashes = {name: value for name, value in info["sha256"].items() if name != "bundle.json"}
    text = json.dumps({**info, "sha256": hashes}, sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _read_own(path: Path, text: bytes, info: dict[str, Any]) -> Bundle:
    try:
        _check_hashes(path, info, _HASHED_OF_OWN)
        digest = _digest(info)
        if info["sha256"].get("bundle.json", digest) != digest:
            raise _refusal(path, "bundle.json is damaged: its SHA-256 is another one")
        base = read(path / "network")
        if base.embedding is None:
            raise ValueError("its network gives no embedding")
        vocabulary = read_vocabulary(info["genres"], info["fusions"])
        n = len(vocabulary.genres)
        thresholds = _numbers(info["thresholds"], n, 0.0, 1.0)
        own_heads = heads.read(path / "heads.npz", n, base.embedding.size)
    except (OSError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise _refusal(path, f"bundle.json or heads.npz is damaged: {_why(error)}") from error
    return replace(
        base,
        path=path,
        bundle_id=hashlib.sha256(text).hexdigest()[:12],
        vocabulary=vocabulary,
        thresholds=thresholds,
        calibration=((1.0, 0.0),) * n,  # it is in the heads
        info=info,
        heads=own_heads,
        base=base,
    )


def write_own(
    path: Path,
    *,
    network: Bundle,
    own_heads: Heads,
    vocabulary: Vocabulary,
    thresholds: tuple[float, ...],
    about: dict[str, Any],
    card: str,
) -> Bundle:
    """Write a bundle of one's own, in the place of one that is there, and read it back.

    Parameters
    ----------
    path : pathlib.Path
        The folder, from `place_of_own`.
    network : Bundle
        Whose network it hears with; it gets a copy.
    own_heads : Heads
    vocabulary, thresholds
        As in `Bundle`.
    about : dict
        What else ``bundle.json`` says: data, metrics, versions.
    card : str
        The model card, Markdown.

    Returns
    -------
    Bundle

    Raises
    ------
    FatalError
        If it cannot be written. A bundle that was there is then as it was.
    """
    new, old = (path.with_name(f".{path.name}.{what}") for what in ("new", "old"))
    try:
        for rest in (new, old):
            shutil.rmtree(rest, ignore_errors=True)
        new.mkdir(parents=True)
        (new / "network").mkdir()
        for name in ("bundle.json", *_HASHED, "MODEL_CARD.md"):
            shutil.copyfile(network.path / name, new / "network" / name)
        own_heads.write(new / "heads.npz")
        info = {
            "format": OWN_FORMAT,
            "genres": list(vocabulary.genres),
            "fusions": sorted(sorted(pair) for pair in vocabulary.fusions),
            **about,
            "thresholds": list(thresholds),
            "sha256": {name: _sha256(new / name) for name in _HASHED_OF_OWN},
        }
        info["sha256"]["bundle.json"] = _digest(info)
        (new / "bundle.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
        (new / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        read(new)
        if path.exists():
            path.rename(old)
        new.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise FatalError(f"{path}: {error.strerror}; the model was not written") from error
    return read(path)


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
        "features": {f.name: getattr(features, f.name) for f in fields(FeatureConfig)},
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
