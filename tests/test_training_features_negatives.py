"""Speech and noise that heads learn to say nothing about."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from make_deb import build_package

from genretagger.errors import FatalError
from training import config
from training.features import negatives, stored


@pytest.fixture(scope="module")
def settings():
    found = config.load(config.DEFAULT)
    wanted = replace(found.model.negatives, packages=("speech",), n_segments=2, n_noises=20)
    return replace(found, model=replace(found.model, negatives=wanted))


@pytest.fixture
def run(settings, tmp_path):
    """Build a package of 30 short recordings at 8 kHz, and one that is no sound."""
    if shutil.which("dpkg-deb") is None or shutil.which("apt-get") is None:
        pytest.skip("not Debian")
    root = tmp_path / "root"
    sounds = root / "usr/share/sounds"
    sounds.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(30):
        soundfile.write(sounds / f"{i:02}.wav", 0.1 * rng.standard_normal(8000), 8000)
    (sounds / "broken.wav").write_bytes(b"no sound" * 1000)
    # the game's music: a segment of it would have something above 4 kHz
    soundfile.write(sounds / "music.wav", 0.1 * rng.standard_normal(16000 * 30), 16000)
    build_package(root, "speech", tmp_path / "negatives" / "packages")
    return tmp_path / "negatives"


def test_short_recordings_are_joined_to_segments_under_their_peak(settings, run):
    said = []
    negatives.collect(run, settings.model.negatives, settings.features, [], say=said.append)
    assert said[-1] == "2/2 sources of what is no music"
    found = negatives.read(run, settings.features)
    features = settings.features
    assert found.shape == (2 + 20, features.n_frames, features.n_mels)
    assert np.array_equal(found.max(axis=(1, 2)), np.zeros(22))
    assert found.min() >= -features.top_db
    # a recording at 8 kHz has nothing above 4
    speech = found[-2:].mean(axis=(0, 1))
    assert speech[-10:].max() < speech[:50].min() - 20

    shutil.rmtree(run / "packages")  # what is there is not made again
    negatives.collect(run, settings.model.negatives, settings.features, [], say=said.append)
    again = negatives.read(run, settings.features)
    assert np.array_equal(found, again)


def test_what_was_collected_under_other_settings_is_refused_and_made_again(settings, run):
    def collect(wanted, place):
        negatives.collect(run, wanted, settings.features, place, say=lambda _: None)

    def check(wanted):
        stored.check(run, negatives.wanted(wanted, settings.features))

    first = settings.model.negatives
    with pytest.raises(FatalError, match="not whole: run the stage `corpus` first"):
        check(first)
    collect(first, [])
    check(replace(first, share=0.5))  # of no matter here
    fewer = replace(first, n_noises=7)
    with pytest.raises(FatalError, match="other settings: run the stage `corpus` again"):
        check(fewer)
    with pytest.raises(FatalError, match="other settings"):
        check(replace(first, packages=("another",)))
    collect(fewer, [])
    check(fewer)
    assert len(negatives.read(run, settings.features)) == 2 + 7
    # a folder stands for the packages, and takes what is stored of them away
    place = run / "audio" / "speech"
    collect(fewer, [place])
    check(fewer)
    assert not (run / "mel" / "speech.npy").exists()
    # a run that was killed
    with pytest.raises(FatalError, match="apt-get download missing"):
        collect(replace(first, packages=("missing",)), [])
    with pytest.raises(FatalError, match="not whole"):
        check(replace(first, packages=("missing",)))


def test_any_folder_of_speech_will_do(settings, run, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    soundfile.write(folder / "a.flac", np.random.default_rng(0).normal(0, 0.1, 160_000), 16000)
    target = tmp_path / "other"
    negatives.collect(
        target, settings.model.negatives, settings.features, [folder], say=lambda _: None
    )
    assert len(negatives.read(target, settings.features)) == 1 + 20
    (folder / "a.flac").write_bytes(b"no sound")
    with pytest.raises(FatalError, match="mine holds no speech"):
        negatives.collect(
            tmp_path / "third",
            settings.model.negatives,
            settings.features,
            [folder],
            say=lambda _: None,
        )


def test_noises_differ_and_stay_in_range(settings):
    rng = np.random.default_rng(0)
    made = [negatives.noise(rng, settings.features) for _ in range(30)]
    assert {y.shape for y in made} == {(160_000,)}
    assert all(np.isfinite(y).all() and abs(np.abs(y).max() - 0.5) < 1e-3 for y in made)
    spectra = np.array([np.abs(np.fft.rfft(y)) for y in made])
    power = spectra**2 / (spectra**2).sum(axis=1, keepdims=True)
    # tones and hum hold most of their power in few lines, noise spreads it
    share = np.sort(power, axis=1)[:, -20:].sum(axis=1)
    assert (share > 0.5).any() and (share < 0.05).any()


def test_what_is_missing_is_said_with_the_remedy(settings, tmp_path):
    with pytest.raises(FatalError, match="run the stage `corpus` first"):
        negatives.read(tmp_path, settings.features)
