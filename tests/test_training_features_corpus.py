"""Free music out of Debian packages, for one network to learn another by."""

import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from make_deb import build_package

from genretagger import audio
from genretagger.errors import FatalError
from training import config
from training.data import duplicates
from training.features import corpus
from training.folders import RunFolder
from training.learn.recipes import Sources, recipe

SR = 22050


@pytest.fixture(scope="module")
def settings():
    found = config.load(config.DEFAULT)
    wanted = replace(found.model.corpus, packages=("demo",), shortest_s=20.0, most_segments=3)
    return replace(found, model=replace(found.model, corpus=wanted))


def collect(folder, settings, extra, measured=None, say=lambda _: None):
    model = settings.model
    corpus.collect(
        folder, model.corpus, settings.features, extra, measured=measured or {}, n_jobs=1, say=say
    )


def music(path, seconds, seed=0):
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * rng.standard_normal(int(SR * seconds)), SR)
    return path


@pytest.fixture
def package(tmp_path):
    """Build a real package: a song, a sound effect, a song in a game's archive, terms."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb")
    root = tmp_path / "root"
    games = root / "usr/share/games/demo"
    music(games / "song.ogg", 45)
    music(games / "click.ogg", 0.1)
    inner = music(tmp_path / "inner.ogg", 25, seed=1)
    with zipfile.ZipFile(games / "base.pk3", "w") as archive:
        archive.write(inner, "../../../../evil.ogg")
        archive.writestr("maps/one.bsp", b"0" * 50_000)
    (games / "broken.pk3").write_bytes(b"no zip file")
    terms = root / "usr/share/doc/demo"
    terms.mkdir(parents=True)
    (terms / "copyright").write_text("CC0-1.0")
    return build_package(root, "demo", tmp_path / "corpus" / "packages")


def test_the_music_of_a_package_is_taken_and_nothing_else(package, tmp_path):
    folder = tmp_path / "out" / "demo"
    assert corpus.unpack(package, folder) == 2
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["0000.ogg", "0001.ogg", "copyright", "origins.jsonl"]
    assert (folder / "copyright").read_text() == "CC0-1.0"
    origins = [
        json.loads(line)["from"] for line in (folder / "origins.jsonl").read_text().splitlines()
    ]
    assert sorted(origins) == [
        "./usr/share/games/demo/base.pk3/../../../../evil.ogg",
        "./usr/share/games/demo/song.ogg",
    ]
    assert not list(tmp_path.rglob("evil.ogg"))


def test_a_package_cut_short_is_named(package, tmp_path):
    package.write_bytes(package.read_bytes()[:-20_000])
    with pytest.raises(FatalError, match=r"demo_1_all\.deb"):
        corpus.unpack(package, tmp_path / "out" / "demo")
    assert not (tmp_path / "out" / "demo").exists()


def test_the_corpus_holds_segments_spread_over_each_file(package, settings, tmp_path):
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get")
    said = []
    collect(tmp_path / "corpus", settings, [], say=said.append)
    assert said == ["1/1 sources, 2 files, 5 segments", "0 files hold a labelled clip"]
    found, digest = corpus.read(tmp_path / "corpus")
    features = settings.features
    assert [len(segments) for segments in found] == [2, 3]  # of 25 and of 45 s
    assert {s.shape[1:] for s in found} == {(features.n_frames, features.n_mels)}
    assert {s.dtype for s in found} == {np.dtype(np.float16)}
    assert all(np.isfinite(s).all() and np.ptp(s) > 10 for s in found)
    package.unlink()  # what is there is not made again
    collect(tmp_path / "corpus", settings, [], say=said.append)
    assert corpus.read(tmp_path / "corpus")[1] == digest


def test_any_folder_of_music_will_do(settings, tmp_path):
    place = tmp_path / "mine"
    music(place / "a" / "long.wav", 30)
    music(place / "short.flac", 5)
    (place / "broken.mp3").write_bytes(b"no music")
    collect(tmp_path / "corpus", settings, [place])
    (segments,), _ = corpus.read(tmp_path / "corpus")
    assert len(segments) == 3
    (listed,) = (tmp_path / "corpus" / "mel").glob("mine-*.jsonl")
    lines = listed.read_text().splitlines()
    rows = {row["file"]: row for row in map(json.loads, lines)}
    assert rows["short.flac"]["left_out"] == "shorter than 20 s"
    assert "this is text, not audio" in rows["broken.mp3"]["left_out"]
    assert rows["a/long.wav"]["n_segments"] == 3


def test_folders_of_one_name_are_both_heard(settings, tmp_path):
    places = [tmp_path / "a" / "music", tmp_path / "b" / "music"]
    for n, place in enumerate(places):
        music(place / "long.wav", 20 + 10 * n)
    collect(tmp_path / "corpus", settings, places)
    segments, _ = corpus.read(tmp_path / "corpus")
    assert sorted(map(len, segments)) == [2, 3]


def melody(path, seconds, seed):
    """Chords that change twice a second, which Chromaprint can tell apart."""
    rng = np.random.default_rng(seed)
    time = np.arange(SR // 2) / SR
    chords = 220 * 2 ** (rng.integers(0, 24, (int(2 * seconds), 3, 1)) / 12)
    y = 0.1 * np.sin(2 * np.pi * chords * time).sum(axis=1).reshape(-1)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y, SR)
    return y


def test_a_file_that_holds_a_labelled_clip_is_left_out(settings, tmp_path):
    pytest.importorskip("chromaprint")
    y = melody(tmp_path / "mine" / "long.wav", 300, seed=0)
    melody(tmp_path / "mine" / "other.wav", 60, seed=1)
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, 0.3 * y[int(SR * 170.3) :][: SR * 15], SR)
    print_of = duplicates.fingerprint(audio.decode_whole(clip, duplicates.SR))
    said = []
    place = [tmp_path / "mine"]
    collect(tmp_path / "corpus", settings, place, {"clip": print_of}, said.append)
    assert said[-1] == "1 files hold a labelled clip"
    (segments,), digest = corpus.read(tmp_path / "corpus")
    collect(tmp_path / "corpus", settings, place)
    found, other = corpus.read(tmp_path / "corpus")
    assert len(found) == 2 and np.array_equal(found[1], segments)
    assert digest != other


def test_what_is_missing_is_said_with_the_remedy(settings, tmp_path, monkeypatch):
    with pytest.raises(FatalError, match="run the stage `corpus` first"):
        corpus.read(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FatalError, match=r"no music of 20 s or more.*--audio"):
        collect(tmp_path, settings, [tmp_path / "empty"])
    own = recipe(config.load(config.DEFAULT.with_name("cnn.toml")))
    with pytest.raises(FatalError, match=r"no table \[corpus\]"):
        own.collect(RunFolder(tmp_path), Sources([], [], dict, 1), print)
    monkeypatch.setattr(corpus.shutil, "which", lambda _: None)
    with pytest.raises(FatalError, match=r"apt-get is missing.*--audio"):
        collect(tmp_path, settings, [])


def test_a_package_that_apt_does_not_know_is_named(settings, tmp_path):
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get")
    unknown = replace(settings.model.corpus, packages=("no-such-package-of-music",))
    settings = replace(settings, model=replace(settings.model, corpus=unknown))
    with pytest.raises(FatalError, match="apt-get download no-such-package-of-music"):
        collect(tmp_path, settings, [])
