"""Settings that are wrong are named with what was found and what is allowed; so is a full disk."""

import copy
import errno
import math
import shutil
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import pytest

from genretagger.errors import FatalError
from training import config, files, settings
from training.__main__ import main
from training.collect import config as collect
from training.collect.config import COLLECT, load_collect
from training.data.trials import Trial
from training.folders import RunFolder
from training.learn.recipes import Material
from training.learn.validation import check_loss
from training.networks import litert
from training.settings import Count, Positive, Range, Rate
from training.stages import manifest
from training.study import config as study

pytestmark = pytest.mark.quick


def broken(tmp_path, source, old, new):
    """Write a configuration with one line changed, and its card beside it."""
    text = source.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / source.name
    path.write_text(text.replace(old, new), encoding="utf-8")
    shutil.copy(source.with_name("plain.card.md"), tmp_path)
    return path


QUICK = config.DEFAULT.with_name("quick.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 20", "epochs = -3", r"\[train\]: epochs = -3, but a whole number of 1 or more"),
        ("epochs = 20", 'epochs = "20"', r'epochs = "20", but a whole number of 1 or more'),
        ("epochs = 20", "epochs = 2.5", r"epochs = 2.5, but a whole number"),
        ("epochs = 20", "epochs = true", r"epochs = true, but a whole number"),
        ("batch_size = 8", "batch_size = 0", "batch_size = 0, but a whole number of 1 or more"),
        (
            "dropout = 0.3",
            "dropout = 3",
            r"\[network\]: dropout = 3, but a number of 0 or more and ",
        ),
        ("dropout = 0.3", "dropout = 1.0", "less than 1 is allowed"),
        ("dropout = 0.3", "dropout = nan", "dropout = nan, but a number"),
        ("n_folds = 5", "n_folds = 1", r"\[split\]: n_folds = 1, but a whole number of 2 or more"),
        (
            "n_folds = 5",
            "n_folds = 1000000",
            "1000000, but a whole number of 2 or more and",
        ),
        ("[train]\nseed = 0", "[train]\n#", r"\[train\]: missing setting seed$"),
        ("[128, 1]", "[128, 2]", r"\[network\]: the strides in blocks have to make 16"),
        ("[network]", "[negatives]\n[network]", r"\[negatives\] goes with \[head\], which is mis"),
        ("n_test = 1", "n_test = 4", r"\[split\]: n_folds has to be 2 at least, and more than"),
        ("[128, 1]", "[128]", r"blocks = .*, but a list in brackets, each \[a whole number of 1"),
        ("interval = 0.95", "interval = 95", "interval = 95, but a number of more than 0 and less"),
        ('version = "0"', "version = 0", "version = 0, but a text in quotes is allowed"),
        ("[evaluate]", "[subsets]\nmine = 5\n[evaluate]", r"\[mine\]: a table is wanted"),
        ("[features]", "[features]\nfmax_hz = 9000.0 #", r"fmax_hz = 9000, but .* half of sr"),
        ("[features]", "[features]\nsr = 0 #", r"\[features\]: sr = 0, but a whole number of 8000"),
        (
            "plain.card.md",
            "none.card.md",
            r'card = "none.card.md", but .*none.card.md is not there',
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_found_and_what_is_allowed(
    tmp_path, old, new, message
):
    path = broken(tmp_path, QUICK, old, new)
    with pytest.raises(FatalError, match=message) as raised:
        config.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('pooling = "flatten"', 'pooling = "mean"', '"mean", but "flatten" or "global" is allowed'),
        ("validation = [2]", "validation = [0]", "test and validation .* none twice"),
        ("validation = [2]", "validation = [10]", "of the folds 0 to n_folds - 1"),
        ("test = [0, 1]", "test = [0, -1]", r"test = \[0, -1\], but a list in brackets"),
        ("patience = 8", "patience = 0", "patience = 0, but a whole number of 1 or more"),
        ("n_mfcc = 13", "n_mfcc = 129", "n_mfcc = 129, but up to n_mels = 128 is allowed"),
        ("hop_length = 512", "hop_length = 2049", "2049, but up to n_fft = 2048 is allowed"),
        ("delta_width = 9", "delta_width = 8", "delta_width = 8, but an odd number is allowed"),
        ("[train]\nseed = 0", "[train]\nseed = 4294967296", "and at most 4.29497e"),
    ],
)
def test_the_grid_is_checked_too(tmp_path, old, new, message):
    with pytest.raises(FatalError, match=message):
        study.load(broken(tmp_path, study.DEFAULT, old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "quality = 2",
            "quality = 4",
            "quality = 4, but a whole number of 0 or more and at most 2",
        ),
        ("requests = 45", "requests = 0", r"\[deezer\]: requests = 0"),
        ("reject_live = true", 'reject_live = "no"', '"no", but true or false is allowed'),
        ("longest_s = 1200.0", "longest_s = 1.0", "longest_s has to be more than shortest_s"),
    ],
)
def test_so_is_how_music_is_collected(tmp_path, old, new, message):
    with pytest.raises(FatalError, match=message):
        load_collect(broken(tmp_path, COLLECT, old, new))


LOADERS = {
    "default": config.load,
    "accurate": config.load,
    "cnn": config.load,
    "quick": config.load,
    "study": study.load,
    "collect": load_collect,
}


@pytest.mark.parametrize("name", LOADERS)
def test_whatever_a_setting_is_made_it_is_taken_or_refused_in_one_line(monkeypatch, name):
    path = config.DEFAULT.with_name(f"{name}.toml")
    whole = config.read_toml(path, "")
    if "base" in whole:
        whole = config.read_toml(path.with_name(whole.pop("base")), "") | whole
    for module in (config, collect):
        monkeypatch.setattr(module, "read_toml", lambda *_: copy.deepcopy(whole))
    tables = [whole, *(table for table in whole.values() if isinstance(table, dict))]
    settings = [(table, key) for table in tables for key in table]
    n_refused = 0
    for table, key in settings:
        right = table[key]
        for wrong in ("x", "", -3, 0, math.nan, True, [], 10**20):
            table[key] = wrong
            try:
                LOADERS[name](path)
            except FatalError as error:
                n_refused += 1
                assert str(path) in str(error)
                assert "\n" not in str(error)
        table[key] = right
    assert n_refused > 4 * len(settings)


def test_a_new_dataclass_is_checked_by_its_annotations_alone():
    @dataclass
    class New:
        n: Count
        width: Annotated[int, Range(1, 3)]
        share: Rate
        rate: Positive
        kind: Literal["a", "b"]
        sizes: tuple[Count, ...]
        plain: float

    right = {"n": 1, "width": 3, "share": 0, "rate": 1, "kind": "a", "sizes": [1], "plain": -1}
    assert settings.check(New, right, {}) == ""
    wrong = {"n": 0, "width": 4, "share": 1, "rate": 0, "kind": "c", "sizes": [0], "plain": "1"}
    found = settings.check(New, wrong, {})
    assert found.count("; ") == 6
    assert "width = 4, but a whole number of 1 or more and at most 3 is allowed" in found


# ---- The disk ----


def test_a_loss_that_is_no_number_ends_a_training():
    check_loss(0.5, "final", 0.1)
    with pytest.raises(FatalError, match=r"final: the loss has become nan: lower learning_rate ="):
        check_loss(float("nan"), "final", 1e9)


def test_what_the_disk_cannot_hold_is_not_begun(tmp_path):
    files.check_room(tmp_path / "not" / "there", 1000, "free some")
    with pytest.raises(FatalError, match=r"about [\d,]+ MB are to come, and .* MB free: free some"):
        files.check_room(tmp_path / "not" / "there", 1e18, "free some")


def test_weights_that_cannot_be_written_leave_what_was_there(tmp_path, monkeypatch):
    class Network:
        def count_params(self):
            return 1000

        def save_weights(self, path):
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "model.weights.h5"
    with pytest.raises(OSError, match="No space"):
        files.write_weights(path, Network())
    assert not path.exists()
    usage = shutil.disk_usage(tmp_path)._replace(free=4000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FatalError, match="MB free: free some, and run this again"):
        files.write_weights(path, Network())
    with pytest.raises(FatalError, match="MB free: free some, or set TMPDIR"):
        litert.to_tflite(Network())


def test_models_that_are_missing_are_asked_room_for(tmp_path):
    trials = [Trial(name, np.ones(1, bool), np.zeros(1, bool)) for name in ("0", "final")]
    folder = RunFolder(tmp_path)
    material = Material(folder, [], None, trials)
    with pytest.raises(FatalError, match="about 2,000,000,000 MB are to come"):
        material.check_room(10**15)
    for trial in trials:
        weights = folder.model(trial.name).weights
        weights.parent.mkdir(parents=True)
        weights.touch()
    material.check_room(10**15)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "/x/y: the disk is full: free"),
        (OSError("Can't write data (errno = 28, No space left on device)"), "the disk is full"),
        (RuntimeError("SaveV2: /x/y; No space left on device [Op:SaveV2]"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "/x/y: Permission denied"),
    ],
)
def test_what_the_system_refuses_ends_a_stage_with_one_line(
    monkeypatch, capsys, tmp_path, error, message
):
    def fail(args, say):
        raise error

    monkeypatch.setattr(manifest, "run", fail)
    assert main(["manifest", "--run", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_full_disk_is_named_even_if_the_error_names_no_file(monkeypatch, capsys, tmp_path):
    def fail(args, say):
        raise OSError("Can't write data (errno = 28, No space left on device)")

    def disk_usage(path):
        return shutil._ntuple_diskusage(10**9, 0, 0 if path == tmp_path else 10**9)

    monkeypatch.setattr(manifest, "run", fail)
    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    assert main(["manifest", "--run", str(tmp_path)]) == 1
    assert f"training: {tmp_path}: the disk is full: free some" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["0", "-3", "two"])
def test_jobs_are_counted_from_one(capsys, jobs):
    with pytest.raises(SystemExit):
        main(["manifest", "--jobs", jobs])
    assert f"{jobs} is no whole number of 1 or more" in capsys.readouterr().err


def test_a_configuration_takes_from_its_base_what_it_lacks(tmp_path):
    base = tmp_path / "base.toml"
    base.write_text(config.DEFAULT.read_text(encoding="utf-8").replace("default.card.md", "c.md"))
    (tmp_path / "c.md").write_text("a card")
    own = tmp_path / "own.toml"
    own.write_text('base = "base.toml"\nname = "mine"\n\n[doubt]\nmargin = 0.1\n')
    with pytest.raises(FatalError, match=r"own.toml \[doubt\]"):  # a table is replaced as a whole
        config.load(own)
    own.write_text('base = "base.toml"\nname = "mine"\n')
    made, whole = config.load(own), config.load(base)
    assert made.name == "mine"
    assert replace(made, name=whole.name) == whole
    own.write_text('base = "gone.toml"\n')
    with pytest.raises(FatalError, match=r"own\.toml: base .*gone\.toml cannot be read"):
        config.load(own)
    for wrong in ("3", '""'):
        own.write_text(f"base = {wrong}\n")
        with pytest.raises(FatalError, match=r"base = .*, but the name of a configuration"):
            config.load(own)


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ('["slaney"]', r"scales = \['slaney'\], but"),
        ('["htk", "slaney", "htk"]', "scales = "),
        ('["bark"]', "scales = "),
        ("[]", "n_mels = 96, but the same number of bands"),
    ],
)
def test_scales_that_fit_no_network_are_refused(tmp_path, scales, message):
    text = config.DEFAULT.read_text(encoding="utf-8").replace('["htk"]', scales)
    (tmp_path / "default.card.md").write_text("a card")
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(FatalError, match=message):
        config.load(tmp_path / "c.toml")
