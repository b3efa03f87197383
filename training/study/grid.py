"""The 24 versions of the data set that the founding report compares."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Annotated

from genretagger.errors import FatalError
from training.settings import Count, Positive, Range, Weight

TRACK_S = 30.0
"""Seconds of a track that are used: three excerpts of 10 s."""

PARTS = {30: 1, 10: 3, 3: 9}
"""Examples in a track by their nominal length. The report's "3 s" are thirds of 10 s: its 288
frames at a hop of 512 samples and 44.1 kHz are 10/3 s."""

N_COPIES = 3
"""Of a track in an augmented version: as it is, pitch-shifted, noisy."""


@dataclass(frozen=True)
class GridConfig:
    """What the features of all variants depend on; `configs/study.toml` has the reasons.

    Attributes
    ----------
    sr : int
        Sampling rate in Hz.
    n_fft, hop_length : int
        In samples.
    n_mels, n_mfcc : int
        Rows of a mel spectrogram and of an MFCC.
    top_db : float
        Depth of the floor under an example's peak in dB.
    delta_width : int
        Frames that a derivative is fitted to.
    pitch_semitones : float
        How far the pitch-shifted copy is moved, up or down by the track's name.
    snr_db : float
        Level of a track above the white noise of its noisy copy, in dB.
    least_s : float
        A track shorter than this, in seconds, is left out.
    """

    sr: Annotated[int, Range(8000, 192_000)]
    n_fft: Annotated[int, Range(16, 65_536)]
    hop_length: Count
    n_mels: Annotated[int, Range(1, 1024)]
    n_mfcc: Count
    top_db: Positive
    delta_width: Annotated[int, Range(3, 99)]
    pitch_semitones: Weight
    snr_db: float
    least_s: Positive

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other, and a derivative without a middle."""
        if self.n_mfcc > self.n_mels:
            raise TypeError(f"n_mfcc = {self.n_mfcc}, but up to n_mels = {self.n_mels} is allowed")
        if self.hop_length > self.n_fft:
            raise TypeError(
                f"hop_length = {self.hop_length}, but up to n_fft = {self.n_fft} is allowed"
            )
        if self.delta_width % 2 == 0:
            raise TypeError(f"delta_width = {self.delta_width}, but an odd number is allowed")


@dataclass(frozen=True)
class Variant:
    """One of the 24.

    Attributes
    ----------
    mfcc : bool
        Cepstral coefficients rather than mel bands in dB.
    deltas : bool
        First and second derivatives as channels two and three.
    augmented : bool
        With a pitch-shifted and a noisy copy of every track, in training.
    seconds : int
        Nominal length of an example: 30, 10 or 3.

    Examples
    --------
    >>> Variant(mfcc=False, deltas=True, augmented=True, seconds=30).id
    'mel-deltas-30s-augmented'
    >>> parse("mfcc-3s").shape(44100)
    (13, 288, 1)
    """

    mfcc: bool
    deltas: bool
    augmented: bool
    seconds: int

    @property
    def id(self) -> str:
        """Its name in commands and files."""
        parts = ["mfcc" if self.mfcc else "mel", "deltas" * self.deltas, f"{self.seconds}s"]
        return "-".join(part for part in (*parts, "augmented" * self.augmented) if part)

    @property
    def n_parts(self) -> int:
        """Examples that one track is cut into."""
        return PARTS[self.seconds]

    @property
    def n_channels(self) -> int:
        """1, or 3 with derivatives."""
        return 3 if self.deltas else 1

    def n_samples(self, sr: int) -> int:
        """Count the samples of an example."""
        return round(TRACK_S * sr / self.n_parts)

    def shape(
        self, sr: int, *, hop_length: int = 512, n_mels: int = 128, n_mfcc: int = 13
    ) -> tuple[int, int, int]:
        """Tell an example's rows, frames and channels.

        Frames are centred: the first and the last lie on the ends. The defaults are the
        report's, so that ``shape(44100)`` is the shape that it gives.
        """
        frames = 1 + self.n_samples(sr) // hop_length
        return (n_mfcc if self.mfcc else n_mels, frames, self.n_channels)

    def shape_in(self, config: GridConfig) -> tuple[int, int, int]:
        """Tell an example's shape with these settings."""
        return self.shape(
            config.sr,
            hop_length=config.hop_length,
            n_mels=config.n_mels,
            n_mfcc=config.n_mfcc,
        )


VARIANTS = tuple(
    Variant(mfcc, deltas, augmented, seconds)
    for augmented, mfcc, deltas, seconds in product(
        (False, True), (False, True), (False, True), (30, 10, 3)
    )
)
"""All 24."""

_BY_ID = {variant.id: variant for variant in VARIANTS}

REPORTED = {
    "mel-30s": 0.3688,
    "mel-10s": 0.3979,
    "mel-3s": 0.6513,
    "mel-30s-augmented": 0.7062,
    "mel-10s-augmented": 0.6934,
    "mel-3s-augmented": 0.6454,
    "mel-deltas-30s-augmented": 0.7146,
    "mel-deltas-10s-augmented": 0.6707,
    "mel-deltas-3s-augmented": 0.6456,
    "mfcc-deltas-30s-augmented": 0.7072,
    "mfcc-deltas-10s-augmented": 0.6180,
    "mfcc-deltas-3s-augmented": 0.5090,
    "mfcc-30s-augmented": 0.6645,
    "mfcc-10s-augmented": 0.5989,
    "mfcc-3s-augmented": 0.5005,
    "mfcc-30s": 0.3190,
    "mfcc-10s": 0.3448,
    "mfcc-3s": 0.3190,
    "mel-deltas-30s": 0.3656,
    "mel-deltas-10s": 0.3895,
    "mel-deltas-3s": 0.4559,
    "mfcc-deltas-30s": 0.2906,
    "mfcc-deltas-10s": 0.3333,
    "mfcc-deltas-3s": 0.4048,
}
"""Maximum validation accuracy of each, as the founding report's last table gives it."""


def parse(name: str) -> Variant:
    """Look a variant up by its id.

    Raises
    ------
    FatalError
        If there is none of that name.
    """
    if name not in _BY_ID:
        raise FatalError(f"no variant {name!r}; there are: all, {', '.join(_BY_ID)}")
    return _BY_ID[name]


def select(names: list[str]) -> list[Variant]:
    """Look variants up; "all" stands for the 24.

    Raises
    ------
    FatalError
        If there is none of a name.
    """
    return list(VARIANTS) if "all" in names else [parse(name) for name in dict.fromkeys(names)]
