"""Folds are disjoint in artists, alike in genres, and the same every time."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training import config
from training.__main__ import main
from training.data import sources, split
from training.data.clips import Clip, read_clips, with_splits, write_clips

LARGE_SETS = ("panda", "emotify", "albums", "gtzan")


def assign(clips):
    return split.assign(clips, 5, large_sets=LARGE_SETS)


pytestmark = pytest.mark.quick


def made_up(n_groups=300, seed=3):
    """Clips of artists with one to twelve clips each, two genres of a dozen per artist."""
    rng = random.Random(seed)
    clips = []
    for group in range(n_groups):
        name = rng.choice(["panda", "emotify", "albums", "ballroom", "atar"])
        for number in range(min(12, 1 + int(rng.expovariate(0.5)))):
            genres = tuple(rng.sample(GENRES, rng.choice([0, 1, 1, 2])))
            clips.append(Clip(f"{group}-{number}", f"a{group}", name, "", genres, 3, 30.0))
    return clips


@pytest.fixture(scope="module")
def clips():
    return made_up()


@pytest.fixture(scope="module")
def folds(clips):
    return assign(clips)


def test_no_artist_is_in_two_folds(clips, folds):
    which = split.fold_of(clips, folds)
    seen = {}
    for clip, fold in zip(clips, which, strict=True):
        assert seen.setdefault(clip.artist_id, fold) == fold
    assert set(which) == set(range(5))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_clips_does_not_matter(clips, folds, seed):
    shuffled = list(clips)
    random.Random(seed).shuffle(shuffled)
    assert assign(shuffled) == folds


def test_the_assignment_is_the_same_on_every_machine(folds):
    # from the first run; a change of the algorithm is a change of all published figures
    assert split.sha256(folds) == split.sha256(dict(reversed(folds.items())))
    assert split.sha256(folds)[:12] == "434409b9bd80"


def test_folds_have_even_shares_of_each_genre_set_and_clip(clips, folds):
    which = split.fold_of(clips, folds)
    for genre in GENRES:
        counts = [
            sum(genre in clips[i].genres for i in np.flatnonzero(which == k)) for k in range(5)
        ]
        assert max(counts) - min(counts) <= 4, genre
    for name in ("panda", "emotify", "albums", ""):
        rows = [split.stratum(clip, LARGE_SETS) == name for clip in clips]
        counts = Counter(which[rows].tolist())
        assert max(counts.values()) - min(counts.values()) <= 6, name
    sizes = np.bincount(which)
    assert sizes.max() - sizes.min() <= 6


def test_an_artist_larger_than_a_fold_does_not_stop_the_rest_from_being_even(clips):
    giant = [replace(clips[0], track_id=f"g{i}", artist_id="giant") for i in range(400)]
    which = split.fold_of([*clips, *giant], assign([*clips, *giant]))
    rest = np.bincount(which[: len(clips)], minlength=5)
    fold = which[-1]
    assert rest[fold] < np.delete(rest, fold).min()
    others = np.delete(rest, fold)
    assert others.max() - others.min() <= 8


def test_all_small_sets_are_one_stratum():
    clip = Clip("t", "a", "ballroom", "", (), 3, 20.0)
    assert split.stratum(clip, LARGE_SETS) == ""
    assert split.stratum(replace(clip, source="gtzan"), LARGE_SETS) == "gtzan"


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    clips = [
        Clip("a", "y", "atar", "clips/a.opus", (), 2, 1.0, "00", "0"),
        Clip("b", "x", "panda", "/b.opus", ("Hip Hop", "Rock"), 3, 2.5, "ff", "test"),
    ]
    write_clips(tmp_path / "m.jsonl", clips)
    assert read_clips(tmp_path / "m.jsonl") == clips
    assert '"source": "panda"' in (tmp_path / "m.jsonl").read_text()


def test_a_manifest_of_another_version_is_refused_with_the_line(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"track_id": "a"}\n')
    with pytest.raises(FatalError, match=r"m.jsonl, line 1 .* run the stage `manifest` again"):
        read_clips(tmp_path / "m.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\tset\n", "lacks the column genres, artist_group"),
        ("id\tgenres\n", "lacks the column artist_group"),
    ],
)
def test_a_table_without_a_column_is_refused(tmp_path, text, message):
    (tmp_path / "labels.tsv").write_text(text)
    with pytest.raises(FatalError, match=message):
        sources.from_labels(tmp_path / "labels.tsv", sources.Rejects())


def test_a_wrong_row_is_left_out_with_the_place_and_the_others_stay(tmp_path):
    head = "id\tset\tgenres\tconfidence\tartist_group\n"
    rows = "a\tpanda\tBlues\t3\tx\nb\tpanda\tPop\t9\tx\nc\tatar\thip-hop; Rock\t2\ty\n"
    (tmp_path / "labels.tsv").write_text(head + rows)
    rejects = sources.Rejects()
    (entry,) = sources.from_labels(tmp_path / "labels.tsv", rejects)
    assert (entry.genres, entry.group, entry.confidence) == (("Hip Hop", "Rock"), "y", 2)
    assert [row["where"].rpartition(", ")[2] for row in rejects.rows] == ["line 2", "line 3"]
    assert "'Blues'" in rejects.rows[0]["reason"]


def test_a_missing_manifest_names_the_stage_to_run(tmp_path):
    with pytest.raises(FatalError, match="run the stage `manifest` first"):
        read_clips(tmp_path / "none.jsonl")


# ---- Splits that are of no use ----


def placed(*rows):
    """Give a clip for each artist, genre and split."""
    return [
        Clip(f"t{i}", artist, "s", "", (genre,) if genre else (), 3, 30.0, "", where)
        for i, (artist, genre, where) in enumerate(rows)
    ]


FINE = [("a", "Pop", "train"), ("b", "Pop", "test"), ("c", "Rock", "train"), ("d", "Rock", "test")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*FINE, ("e", "Jazz", "train")], "training or the test lacks Jazz"),
        ([*FINE, ("e", "Jazz", "test"), ("f", "Folk", "train")], "lacks Folk, Jazz"),
        ([*FINE, ("e", "Jazz", "train"), ("f", "Jazz", "validation")], "lacks Jazz"),
        ([("a", "Pop", "train"), ("a", "Pop", "test")], "all clips are one artist group"),
        ([("a", "", "train"), ("b", "", "test")], "no clip has one of the genres"),
        ([("a", "Pop", "0"), ("b", "Pop", "0"), ("c", "Rock", "1")], "all folds but one lack Pop"),
    ],
)
def test_a_split_of_which_figures_would_mean_nothing_is_refused_with_the_table(rows, message):
    with pytest.raises(FatalError, match=message) as raised:
        split.check(placed(*rows))
    text = str(raised.value)
    assert "run the stage `manifest` again" in text.splitlines()[0]
    assert f"|  | artist groups | {' | '.join(sorted({row[2] for row in rows}))} |" in text


def test_a_genre_on_both_sides_in_another_fold_or_nowhere_is_fine():
    split.check(placed(*FINE, ("e", "", "train")))
    split.check(placed(("a", "Pop", "0"), ("b", "Pop", "1")))


def test_the_table_counts_clips_and_artist_groups():
    table = split.counts(placed(*FINE, ("a", "Pop", "train"), ("z", "", "validation")))
    assert "| Pop | 2 | 1 | 2 | 0 |" in table
    assert "| none of these | 1 | 0 | 0 | 1 |" in table


@pytest.mark.parametrize("stage", ["train", "evaluate", "baselines"])
def test_no_stage_learns_or_measures_by_such_a_split(tmp_path, capsys, stage):
    configs = {"baselines": "accurate"}
    path = config.DEFAULT.with_name(f"{configs.get(stage, 'quick')}.toml")
    settings = config.load(path).split
    # each genre is one artist, as GTZAN's once were
    clips = [
        Clip(f"{genre}-{n}", f"gtzan {genre}", "gtzan", "", (genre,), 3, 30.0)
        for genre in ("Jazz", "Pop", "Rock")
        for n in range(10)
    ]
    (tmp_path / "run").mkdir()
    write_clips(tmp_path / "run/manifest.jsonl", with_splits(clips, split.named(clips, settings)))
    assert main([stage, "--config", str(path), "--run", str(tmp_path / "run")]) == 1
    err = capsys.readouterr().err
    assert "the split is of no use" in err
    assert "| Jazz | 1 |" in err
