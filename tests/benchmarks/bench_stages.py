"""The line step by step, in this process and on one core; and librosa beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from genretagger import audio
from genretagger.aggregate import aggregate
from genretagger.bundle import Bundle
from genretagger.classifier import Classifier
from genretagger.features import log_mel

DECODE = "decoding alone: soundfile, the same seeks"
RESAMPLE = "decoding + resampling"
FEATURES = "decoding + resampling + features"
MODEL = "decoding + resampling + features + model"
WHOLE = "decoding the whole track"
LIBROSA = "librosa: the whole track loaded, its log-mel"
OUR_NETWORK = "network only, 30 s: ours"


class Stages:
    """What is timed, given a path.

    Parameters
    ----------
    bundle : Bundle
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._features = bundle.features
        self._classifier = Classifier(bundle)
        self.rows: dict[str, Callable[[Path], object]] = {
            DECODE: self._decode_alone,
            RESAMPLE: self._decode,
            FEATURES: self._extract,
            MODEL: self._predict,
            WHOLE: self._decode_whole,
        }
        try:
            import librosa
        except ImportError:
            self.without_librosa = "librosa is not installed"
        else:
            self.without_librosa = ""
            self._librosa = librosa
            self.rows[LIBROSA] = self._librosa_log_mel

    def _decode_alone(self, path: Path) -> None:
        length_s = self._features.segment_s
        with soundfile.SoundFile(path) as file:
            for start_s in audio.excerpt_starts(file.frames / file.samplerate, length_s):
                file.seek(round(start_s * file.samplerate))
                file.read(round(length_s * file.samplerate), dtype="float32", always_2d=True)

    def _decode_whole(self, path: Path) -> None:
        soundfile.read(path, dtype="float32", always_2d=True)

    def _decode(self, path: Path) -> audio.Excerpts:
        return audio.decode(path, sr=self._features.sr, segment_s=self._features.segment_s)

    def _extract(self, path: Path) -> np.ndarray:
        filterbank = self._bundle.filterbank
        segments = self._decode(path).segments
        return np.stack([log_mel(s.y, self._features, filterbank) for s in segments])

    def _predict(self, path: Path) -> object:
        probabilities = self._classifier.predict(self._extract(path))
        return aggregate(probabilities, self._bundle.calibration)

    def _librosa_log_mel(self, path: Path) -> object:
        features = self._features
        y, sr = self._librosa.load(path, sr=features.sr)
        mel = self._librosa.feature.melspectrogram(
            y=y,
            sr=sr,
            n_fft=features.n_fft,
            hop_length=features.hop_length,
            n_mels=features.n_mels,
            fmin=features.fmin_hz,
            fmax=features.fmax_hz,
        )
        return self._librosa.power_to_db(mel, ref=np.max, top_db=features.top_db)

    def time_row(self, row: str, path: Path) -> float:
        """Run a row on a file; in seconds."""
        run = self.rows[row]
        start = time.perf_counter()
        run(path)
        return time.perf_counter() - start

    def time_network(self, path: Path) -> float:
        """Run the network alone on a file's segments; in seconds."""
        log_mels = self._extract(path)
        start = time.perf_counter()
        self._classifier.predict(log_mels)
        return time.perf_counter() - start
