"""The product's features are librosa's, without librosa."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from genretagger.features import FeatureConfig, log_mel, mel_power, to_db

librosa = pytest.importorskip("librosa")

CONFIG = FeatureConfig()
DATA = os.environ.get("GENRETAGGER_DATA")


@pytest.fixture(scope="module")
def filterbank():
    return librosa.filters.mel(
        sr=CONFIG.sr,
        n_fft=CONFIG.n_fft,
        n_mels=CONFIG.n_mels,
        fmin=CONFIG.fmin_hz,
        fmax=CONFIG.fmax_hz,
    ).astype(np.float32)


def by_librosa(y, *, precise):
    """Log-mel in dB by librosa, computed in float64 if precise, else in float32."""
    power = librosa.feature.melspectrogram(
        y=y.astype(np.float64) if precise else y,
        sr=CONFIG.sr,
        n_fft=CONFIG.n_fft,
        hop_length=CONFIG.hop_length,
        n_mels=CONFIG.n_mels,
        fmin=CONFIG.fmin_hz,
        fmax=CONFIG.fmax_hz,
        pad_mode="constant",
    )
    return librosa.power_to_db(power, ref=np.max, top_db=CONFIG.top_db)


def signal(kind):
    rng = np.random.default_rng(7)
    t = np.arange(CONFIG.n_samples) / CONFIG.sr
    if kind == "noise":
        return rng.uniform(-1, 1, len(t)).astype(np.float32)
    if kind == "chord":
        tones = [np.sin(2 * np.pi * f * t) / k for k, f in enumerate((220, 277, 330, 2000), 1)]
        return (0.2 * np.sum(tones, axis=0)).astype(np.float32)
    if kind == "clicks":
        y = np.zeros(len(t), np.float32)
        y[:: CONFIG.sr // 4] = 1.0
        return y
    if kind == "sweep":
        return (0.5 * np.sin(2 * np.pi * (50 * t + 350 * t**2))).astype(np.float32)
    return np.zeros(len(t), np.float32)


@pytest.mark.parametrize("kind", ["noise", "chord", "clicks", "sweep", "silence"])
def test_log_mel_is_librosas_within_a_thousandth_of_a_decibel(kind, filterbank):
    y = signal(kind)
    assert np.abs(log_mel(y, CONFIG, filterbank) - by_librosa(y, precise=False)).max() < 1e-3


@pytest.mark.parametrize("kind", ["noise", "chord", "sweep"])
def test_single_precision_costs_less_than_a_thousandth_of_a_decibel(kind, filterbank):
    y = signal(kind)
    assert np.abs(log_mel(y, CONFIG, filterbank) - by_librosa(y, precise=True)).max() < 1e-3


@pytest.mark.parametrize("kind", ["noise", "chord", "silence"])
def test_log_mel_has_the_shape_and_range_that_the_network_is_made_for(kind, filterbank):
    found = log_mel(signal(kind), CONFIG, filterbank)
    assert found.shape == (CONFIG.n_mels, CONFIG.n_frames) == (96, 501)
    assert found.dtype == np.float32
    assert found.max() == 0.0
    assert found.min() >= -CONFIG.top_db


@pytest.mark.parametrize("gain", [0.5, 2.0**-6])
def test_loudness_does_not_matter(gain, filterbank):
    y = signal("chord")
    quiet = log_mel(np.float32(gain) * y, CONFIG, filterbank)
    assert np.abs(quiet - log_mel(y, CONFIG, filterbank)).max() < 1e-3


def test_power_of_silence_is_floored_before_the_logarithm():
    assert to_db(np.zeros((3, 4), np.float32), 80.0).tolist() == np.zeros((3, 4)).tolist()


def test_mel_power_of_any_length_has_a_frame_for_each_hop_and_one_more(filterbank):
    y = signal("noise")[:16000]
    assert mel_power(y, CONFIG, filterbank).shape == (96, 1 + 16000 // 320)


@pytest.mark.parametrize(
    ("name", "scales"), [("default", ["htk"]), ("accurate", ["slaney", "htk"])]
)
def test_the_shipped_filterbank_is_librosas(name, scales):
    bundle = pytest.importorskip("genretagger.bundle")
    shipped = bundle.read(bundle.locate(name))
    features = shipped.features
    settings = {"slaney": {}, "htk": {"htk": True, "norm": None}}
    expected = [
        librosa.filters.mel(
            sr=features.sr,
            n_fft=features.n_fft,
            n_mels=features.n_mels // len(scales),
            fmin=features.fmin_hz,
            fmax=features.fmax_hz,
            **settings[scale],
        )
        for scale in scales
    ]
    assert np.abs(shipped.filterbank - np.concatenate(expected)).max() <= 1e-7


@pytest.mark.skipif(not DATA, reason="GENRETAGGER_DATA names no folder with labels.tsv")
def test_log_mel_is_librosas_on_real_clips(filterbank):
    from genretagger import audio

    with (Path(DATA) / "labels.tsv").open(encoding="utf-8", newline="") as file:
        ids = sorted(row["id"] for row in csv.DictReader(file, delimiter="\t"))
    worst = 0.0
    for track_id in ids[:: len(ids) // 50]:
        path = Path(DATA) / "clips" / f"{track_id}.opus"
        excerpts = audio.decode(path, sr=CONFIG.sr, segment_s=CONFIG.segment_s)
        for segment in excerpts.segments:
            found = log_mel(segment.y, CONFIG, filterbank)
            worst = max(worst, np.abs(found - by_librosa(segment.y, precise=False)).max())
    print(f"largest difference on real clips: {worst:.2g} dB")
    assert worst < 1e-3
