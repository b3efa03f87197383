"""Any source becomes one table; artists and copies of a recording never cross a split."""

import json
import os
import random
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training import config, files
from training.data import artists, duplicates, manifest, sources, split
from training.data.clips import Clip, read_clips, with_splits, write_clips
from training.features import shards
from training.folders import RunFolder
from training.measure import curves
from training.stages import manifest as stage

SR = 16000


def music(seed, seconds=12):
    """Chords that change twice a second: enough for Chromaprint to tell pieces apart."""
    rng = np.random.default_rng(seed)
    t = np.arange(SR // 2) / SR
    parts = []
    for _ in range(2 * seconds):
        notes = 110 * 2 ** (rng.integers(0, 36, 4) / 12)
        parts.append(sum(np.sin(2 * np.pi * f * t) for f in notes) * np.exp(-2 * t))
    return (0.2 * np.concatenate(parts)).astype(np.float32)


def save(path, y, **options):
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y, SR, **options)
    return path


def collect(folder, data=None, **options):
    lines = []
    given = {"labels": [], "downloads": [], "tree": [], "collection": []}
    given |= {"mapping": None, "artists": None}
    kept = {"keep_groups": options.pop("keep", False)}
    kept |= {"keep_contradictions": options.pop("keep_contradictions", False)}
    args = SimpleNamespace(**(given | options | kept), data=data or folder, jobs=1)
    return stage.collect(args, RunFolder(folder / "run"), lines.append), lines


@pytest.mark.parametrize(
    ("credit", "names"),
    [
        ("The Beatles", ["beatles"]),
        ("Jay-Z & Alicia Keys", ["jay z", "alicia keys"]),
        ("A feat. B ft C; D, E/F + G x H vs. I with J and K", list("abcdefghijk")),
        ("Céline Dion (live) [2001]", ["celine dion"]),
        ("The The", ["the"]),
        ("Axxess", ["axxess"]),
        ("Various Artists", []),
        ("", []),
        ("久石譲", ["久石譲"]),
    ],
)
def test_credits_are_cut_into_names(credit, names):
    assert artists.names(credit) == names


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_the_connected_parts_whatever_the_order(seed):
    rng = random.Random(seed)
    keys = [[f"k{rng.randrange(40)}" for _ in range(rng.randrange(3))] for _ in range(60)]
    roots = artists.join(keys)
    # by brute force: walk from each item over shared keys
    for i in range(60):
        reached, todo = {i}, [i]
        while todo:
            mine = set(keys[todo.pop()])
            new = {j for j in range(60) if mine & set(keys[j])} - reached
            reached |= new
            todo.extend(new)
        assert {j for j in range(60) if roots[j] == roots[i]} == reached


def test_a_copy_is_found_at_its_lag_and_other_pieces_are_not():
    pieces = [music(seed, 20) for seed in range(12)]
    rng = np.random.default_rng(0)
    copy = 0.3 * pieces[4][5 * SR :] + 0.001 * rng.standard_normal(15 * SR).astype(np.float32)
    words = [duplicates.words(duplicates.fingerprint(y)) for y in [*pieces, copy]]
    (found,) = duplicates.find(words)
    assert (found.first, found.second) == (4, 12)
    assert found.lag_s == pytest.approx(5.0, abs=0.2)
    assert found.overlap_s > 10
    assert found.error < 0.15


def test_the_search_does_not_compare_all_pairs():
    """10,000 tracks of 30 s in seconds: all pairs would be 50 million comparisons."""
    rng = np.random.default_rng(0)
    words = list(rng.integers(0, 2**32, (10_000, 220), dtype=np.uint32))
    words[7] = np.concatenate([words[9_999][100:], words[7][:100]])
    found = duplicates.find(words)
    assert [(pair.first, pair.second, pair.error) for pair in found] == [(7, 9_999, 0.0)]


def test_silence_and_short_tracks_have_no_duplicates():
    quiet = np.full(200, 627964279, np.uint32)
    assert duplicates.find([quiet] * 100) == []
    assert duplicates.find([np.zeros(0, np.uint32)] * 3) == []


def test_a_tree_knows_the_layouts(tmp_path):
    tree = tmp_path / "tree"
    for number, name in enumerate(
        (
            "disco/disco.00000.wav",
            "disco/disco.00001.wav",
            "rock/01 - The Kinks - Lola.wav",
            "rock/Kinks/Album/Waterloo.wav",
            "pop/untitled.wav",
            "gravelwave/x.wav",
        )
    ):
        save(tree / name, music(number))
    save(tree / "loose.wav", music(9))
    names = tmp_path / "names"
    names.write_text("rock = Rock; Pop  # here\npop =\nGravel Waves = Rock\n")
    clips, lines = collect(tmp_path, tree=[tree], mapping=names)
    found = {clip.track_id: (clip.genres, clip.artist_id) for clip in clips}
    assert found == {
        "tree/disco/disco.00000.wav": (("Dance", "RNB"), "tree/disco/disco.00000.wav"),
        "tree/disco/disco.00001.wav": (("Dance", "RNB"), "tree/disco/disco.00001.wav"),
        "tree/rock/01 - The Kinks - Lola.wav": (("Pop", "Rock"), "kinks"),
        "tree/rock/Kinks/Album/Waterloo.wav": (("Pop", "Rock"), "kinks"),
        "tree/pop/untitled.wav": ((), "tree/pop/untitled.wav"),
    }
    assert f"{names}: 'Gravel Waves' is in no tag and no folder's name; is it spelled so?" in lines
    assert sum(line.startswith(f"{names}: ") for line in lines) == 1
    assert "unmapped genre 'gravelwave': 1 tracks" in lines
    rejected = files.read_jsonl(RunFolder(tmp_path / "run").rejected)
    assert {row["reason"] for row in rejected} == {
        "unmapped genre 'gravelwave'",
        "lies in no genre's folder",
    }
    assert all(row["remedy"] for row in rejected)


@pytest.fixture
def gtzan(tmp_path):
    """Give a tree in GTZAN's layout: ten clips of each of three genres, no artists."""
    tree = tmp_path / "gtzan"
    for g, genre in enumerate(("pop", "rock", "jazz")):
        for n in range(10):
            save(tree / genre / f"{genre}.{n:05d}.wav", music(100 * g + n, 2))
    return tree


def test_folds_lie_within_gtzans_genres_and_a_loud_word_says_that_artists_leak(gtzan, tmp_path):
    clips, lines = collect(tmp_path, tree=[gtzan])
    assert sum("WARNING: nothing tells the artist of 30 of 30 tracks" in line for line in lines)
    settings = config.SplitConfig(n_folds=5, seed=0, n_validation=1, n_test=1)
    names = split.named(clips, settings)
    for genre in ("Pop", "Rock", "Jazz"):
        found = [n for clip, n in zip(clips, names, strict=True) if genre in clip.genres]
        assert {name: found.count(name) for name in found} == {
            "train": 6,
            "validation": 2,
            "test": 2,
        }
    split.check(with_splits(clips, names))


def test_an_index_of_artists_groups_gtzans_clips(gtzan, tmp_path):
    index = tmp_path / "index.tsv"
    rows = [f"pop.{n:05d}.wav\tMadonna\tSong {n}" for n in range(4)]
    rows += [f"rock/rock.{n:05d}\tQueen & Bowie" for n in range(3)]
    rows += ["jazz.00000\tNina Simone", "jazz.99999\tNobody"]
    index.write_text("file\tartist\ttitle\n" + "\n".join(rows) + "\n", encoding="utf-8")
    clips, lines = collect(tmp_path, tree=[gtzan], artists=index)
    groups = {clip.track_id.rpartition("/")[2]: clip.artist_id for clip in clips}
    assert {groups[f"pop.{n:05d}.wav"] for n in range(4)} == {"madonna"}
    assert {groups[f"rock.{n:05d}.wav"] for n in range(3)} == {"queen"}
    assert groups["jazz.00000.wav"] == "nina simone"
    assert any("the artist of 22 of 30 tracks" in line for line in lines)
    assert any("1 of 9 names are of no file in a --tree, such as 'jazz.99999'" in x for x in lines)
    index.write_text("file\tartist\npop.00000.wav Madonna\n", encoding="utf-8")
    with pytest.raises(FatalError, match=r"index\.tsv, line 2: write a file's name, a tab"):
        sources.read_artists(index)
    index.write_text("a/1.wav\tMadonna\n1\tMadonna\r\nb/1.wav\tQueen\n", encoding="utf-8")
    with pytest.raises(FatalError, match=r"line 3: 1 is by 'Madonna' .*, and here by 'Queen'"):
        sources.read_artists(index)


def test_the_folder_above_the_genres_is_refused_with_the_right_one(gtzan, tmp_path):
    with pytest.raises(
        FatalError, match=rf"lie in 'gtzan', which is no genre: give --tree {gtzan}"
    ):
        sources.from_tree(gtzan.parent, sources.read_names(None), sources.Rejects(), {})


def test_a_mapping_file_of_the_tagger_is_read_backwards(tmp_path):
    path = tmp_path / "m"
    path.write_text("Hip Hop = Rap Music\nblues =\n")
    meaning = sources.read_names(path)
    assert meaning("rap music") == ("Hip Hop",)
    assert meaning("Blues") == ()
    assert meaning("hip-hop") == ("Hip Hop",)
    assert meaning("Gravelwave") is None
    path.write_text("disco, Dance\n")
    with pytest.raises(FatalError, match=r"m, line 1: write it as 'disco"):
        sources.read_names(path)


def test_a_collection_gives_what_its_tags_say(audio_file, tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    for name, genre, artist in (
        ("a", ("Pop; Rock",), "X feat. Y"),
        ("b", ("Hip-Hop",), "Y"),
        ("c", ("Gravelwave",), "Z"),
        ("f", ("Doom Metal; Reggae",), "W"),
        ("d", (), "Z"),
    ):
        path = audio_file("FLAC", name=name, genre=genre, artist=artist, seconds=2)
        shutil.move(path, folder / path.name)
    (folder / "e.flac").write_bytes(b"no audio")
    clips, lines = collect(tmp_path, collection=[folder])
    assert [(c.track_id, c.genres) for c in clips] == [
        ("music/a.flac", ("Pop", "Rock")),
        ("music/b.flac", ("Hip Hop",)),
        ("music/f.flac", ("Rock",)),
    ]
    assert clips[0].artist_id == clips[1].artist_id
    reasons = [row["reason"] for row in files.read_jsonl(RunFolder(tmp_path / "run").rejected)]
    assert len(reasons) == 3
    assert any("no genre" in reason for reason in reasons)
    assert "unmapped genre 'Gravelwave': 1 tracks" in lines


def test_downloads_that_were_found_are_taken(tmp_path):
    save(tmp_path / "preview" / "audio" / "1.wav", music(1))
    common = {"genres": ["Pop"], "source": "preview", "artist": "A & B", "artist_id": "7"}
    files.write_jsonl(
        tmp_path / "preview" / "downloads.jsonl",
        [
            {"track_id": "1", "status": "found", "path": "audio/1.wav", **common},
            {"track_id": "2", "status": "missing", "path": "", **common},
        ],
    )
    (clip,), _ = collect(tmp_path, downloads=[tmp_path / "preview" / "downloads.jsonl"])
    assert (clip.track_id, clip.source, clip.artist_id) == ("deezer-1", "preview", "a")
    assert clip.path == "preview/audio/1.wav"


def labelled(tmp_path, n=3):
    lines = ["id\tgenres\tartist\tpath"]
    for i in range(n):
        save(tmp_path / f"{i}.wav", music(i))
        lines.append(f"{i}\tPop\tartist {i}\t{i}.wav")
    return lines


def test_a_recording_under_two_names_is_one_group_and_reported(tmp_path):
    lines = labelled(tmp_path)
    save(tmp_path / "copy.flac", 0.5 * music(1)[SR:])
    lines.append("copy\tPop; Rock\tsomebody else\tcopy.flac")
    (tmp_path / "labels.tsv").write_text("\n".join(lines) + "\n")
    clips, said = collect(tmp_path)
    groups = {clip.track_id: clip.artist_id for clip in clips}
    assert groups["copy"] == groups["1"]
    assert len(set(groups.values())) == 3
    (pair,) = files.read_jsonl(RunFolder(tmp_path / "run").duplicates)
    assert (pair["first"], pair["second"]) == ("1", "copy")
    assert pair["across_artists"] and pair["labels_differ"]
    kept, _ = collect(tmp_path, keep=True)
    assert len({clip.artist_id for clip in kept}) == 4
    assert any("1 pairs sound the same, 1 of them across" in line for line in said)


def test_copies_whose_labels_contradict_each_other_are_named_and_not_learned_from(tmp_path):
    lines = labelled(tmp_path)
    save(tmp_path / "copy.flac", 0.5 * music(1)[SR:])
    lines.append("copy\tRock\tsomebody else\tcopy.flac")
    (tmp_path / "labels.tsv").write_text("\n".join(lines) + "\n")
    clips, said = collect(tmp_path)
    assert [clip.track_id for clip in clips] == ["0", "2"]
    rejected = files.read_jsonl(RunFolder(tmp_path / "run").rejected)
    assert [row["reason"] for row in rejected] == [
        "is Pop and Rock: copy is the same recording",
        "is Rock and Pop: 1 is the same recording",
    ]
    assert any("1 of these pairs have no genre in common (left out" in line for line in said)
    kept, said = collect(tmp_path, keep_contradictions=True)
    assert [clip.track_id for clip in kept] == ["0", "1", "2", "copy"]
    assert any("learned from all the same" in line for line in said)


def test_a_corrupt_file_costs_one_row_and_a_repaired_one_is_taken(tmp_path):
    lines = labelled(tmp_path)
    (tmp_path / "bad.flac").write_bytes(b"fLaC" + bytes(100))
    lines += ["bad\tPop\tx\tbad.flac", "gone\tPop\ty\tgone.wav", "odd\tPolka\tz\t0.wav"]
    (tmp_path / "labels.tsv").write_text("\n".join(lines) + "\n")
    clips, said = collect(tmp_path)
    assert [clip.track_id for clip in clips] == ["0", "1", "2"]
    rejected = files.read_jsonl(RunFolder(tmp_path / "run").rejected)
    assert sorted(row["where"].rpartition(", ")[2] for row in rejected) == [
        "line 5",
        "line 6",
        "line 7",
    ]
    assert any("bad.flac" in line and "replace or remove" in line for line in said)
    save(tmp_path / "bad.flac", music(8))
    assert len(collect(tmp_path)[0]) == 4


def test_a_killed_manifest_decodes_only_what_is_left(tmp_path, monkeypatch):
    (tmp_path / "labels.tsv").write_text("\n".join(labelled(tmp_path)) + "\n")
    first, _ = collect(tmp_path)
    journal = RunFolder(tmp_path / "run").decoded
    whole = journal.read_text()
    journal.write_text("".join(whole.splitlines(keepends=True)[:2]) + '{"file": "torn')
    opened = []
    decode = manifest._decode
    monkeypatch.setattr(manifest, "_decode", lambda path: opened.append(path.name) or decode(path))
    again, _ = collect(tmp_path)
    assert again == first
    assert opened == ["2.wav"]


def test_three_splits_are_disjoint_in_artists_and_fixed_by_the_seed():
    rng = random.Random(0)
    clips = [
        Clip(f"t{i}", f"a{i // 3}", "x", "", (rng.choice(["Pop", "Rock", "Jazz"]),), 3, 30.0)
        for i in range(300)
    ]
    settings = config.SplitConfig(n_folds=10, seed=3, n_validation=1, n_test=2)
    names = split.named(clips, settings)
    assert names == split.named(clips, settings)
    assert names != split.named(clips, config.SplitConfig(10, 4, 1, 2))
    held = {}
    for clip, name in zip(clips, names, strict=True):
        assert held.setdefault(clip.artist_id, name) == name
    for genre in ("Pop", "Rock", "Jazz"):
        mine = [n for c, n in zip(clips, names, strict=True) if genre in c.genres]
        assert mine.count("train") / len(mine) == pytest.approx(0.7, abs=0.05)
        assert mine.count("test") / len(mine) == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize(("n_validation", "n_test"), [(1, 0), (0, 1), (3, 2)])
def test_a_split_that_leaves_nothing_is_refused(n_validation, n_test):
    with pytest.raises(TypeError):
        config.SplitConfig(5, 0, n_validation, n_test)


def test_shards_of_a_killed_run_are_finished_and_equal(tmp_path, monkeypatch):
    pytest.importorskip("librosa")
    from genretagger.features import FeatureConfig

    (tmp_path / "labels.tsv").write_text("\n".join(labelled(tmp_path, 5)) + "\n")
    clips, _ = collect(tmp_path)
    monkeypatch.setattr(shards, "_BLOCK", 2)
    monkeypatch.setattr(shards, "_SAVE_S", float("inf"))

    def build(folder):
        return shards.build(
            folder,
            clips,
            tmp_path,
            FeatureConfig(),
            manifest_sha256="m",
            yamnet=None,
            musicnn_wheel=None,
            n_jobs=1,
        )

    assert list(build(tmp_path / "whole")) == [2, 4, 5]
    torn = build(tmp_path / "torn")
    assert next(torn) == 2
    torn.close()
    with (tmp_path / "torn.part" / "mel.raw").open("ab") as file:
        file.write(b"half a clip")
    assert list(build(tmp_path / "torn")) == [4, 5]
    for name in ("mel.raw", "tags.npy", "index.json"):
        whole, resumed = ((tmp_path / f / name).read_bytes() for f in ("whole", "torn"))
        assert whole == resumed, name
    monkeypatch.setattr(shards, "_extract", None)  # whole ones are not made again
    assert list(build(tmp_path / "torn")) == [5]


def genres(*sets):
    out = np.zeros((len(sets), 14), bool)
    for row, mine in zip(out, sets, strict=True):
        row[list(mine)] = True
    return out


def test_confusion_counts_by_the_published_rules():
    labels = genres({0}, {0, 1}, {0, 1}, {0}, {}, {}, {0, 1}, {2})
    written = genres({0}, {0}, {0, 2}, {0, 3}, {4}, {}, {0, 1, 5}, {3, 4})
    found = curves.confusion(labels, written)
    expected = np.zeros((15, 15), int)
    expected[0, 0] = 5  # found, alone or beside others
    expected[1, 14] = 1  # missed, nothing wrong beside
    expected[1, 2] = 1  # missed, another written
    expected[0, 3] = 1  # all found, one too many
    expected[14, 4] = 1  # nothing to find
    expected[14, 14] = 1
    expected[1, 1] = 1
    expected[0, 5] = expected[1, 5] = 1
    expected[2, 3] = expected[2, 4] = 1
    assert found.tolist() == expected.tolist()


def test_a_higher_threshold_decides_less():
    reference = np.zeros((4, len(GENRES)), dtype=bool)
    reference[[0, 1, 2], [0, 0, 1]] = True
    probabilities = np.full((4, len(GENRES)), 0.01)
    probabilities[[0, 1, 2, 3], [0, 0, 2, 1]] = (0.85, 0.55, 0.35, 0.05)
    found = curves.by_threshold(reference, probabilities)
    assert found["threshold"] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]  # at 0.9, nothing
    assert found["coverage"] == [0.75, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert found["precision"] == [0.6667] * 3 + [1.0] * 5


@pytest.mark.parametrize("seed", range(3))
def test_precision_and_recall_equal_scikit_learns(seed):
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    reference, estimated = rng.random(60) < 0.3, np.round(rng.random(60), 1)
    precision, recall = curves.precision_recall(reference, estimated)
    want_precision, want_recall, _ = sklearn.precision_recall_curve(reference, estimated)
    # scikit-learn's goes from the lowest score on, and ends at recall 0
    assert precision == pytest.approx(want_precision[:-1][::-1])
    assert recall == pytest.approx(want_recall[:-1][::-1])


def test_fpcalc_and_we_fingerprint_the_same(tmp_path):
    if shutil.which("fpcalc") is None:
        pytest.skip("fpcalc is not installed")
    path = save(tmp_path / "a.wav", music(3, 20))
    # its exit code is 3 where libav says "end of file" at the end of a file
    command = ["fpcalc", "-raw", "-json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    theirs = np.array(json.loads(done.stdout)["fingerprint"], np.uint32)
    ours = duplicates.words(duplicates.fingerprint(music(3, 20)))
    assert abs(len(ours) - len(theirs)) <= 1
    n = min(len(ours), len(theirs))
    assert np.unpackbits((ours[:n] ^ theirs[:n]).view(np.uint8)).mean() < 0.02


def test_quotes_and_odd_line_ends_in_a_table_swallow_no_row(tmp_path):
    odd = '"Heroes'
    text = f"id\tgenres\tartist\na\tRock\t{odd}\nb\tPop\tP\u2028Y\nc\tJazz\tZ\x0bW\n"
    (tmp_path / "labels.tsv").write_text(text, encoding="utf-8")
    rejects = sources.Rejects()
    found = sources.from_labels(tmp_path / "labels.tsv", rejects)
    assert [(e.track_id, e.keys, e.where[-6:]) for e in found] == [
        ("a", ("heroes",), "line 2"),
        ("b", ("p y",), "line 3"),
        ("c", ("z w",), "line 4"),
    ]
    assert rejects.rows == []


def test_a_clip_with_a_line_separator_in_its_name_is_read_back(tmp_path):
    clip = Clip("a\u2028b\x85", "x", "s", "a\u2028b.flac", (), 3, 1.0)
    write_clips(tmp_path / "m.jsonl", [clip])
    assert read_clips(tmp_path / "m.jsonl") == [clip]


def test_a_file_whose_name_is_not_utf_8_is_left_out_and_told(tmp_path):
    folder = tmp_path / "music" / "Rock"
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b"A - caf\xe9.flac")).write_bytes(b"fLaC")
    rejects = sources.Rejects()
    found = sources.from_tree(tmp_path / "music", sources.read_names(None), rejects, {})
    assert found == []
    (row,) = rejects.rows
    assert "rename" in row["remedy"]
    json.dumps(row, ensure_ascii=False).encode()
    assert sources.from_collection(tmp_path / "music", sources.read_names(None), rejects) == []
    assert len(rejects.rows) == 2


def test_a_name_of_signs_alone_is_a_name_and_nobody_joins_nothing():
    assert artists.names("!!!") == ["!!!"]
    assert artists.names("Unknown feat. Various") == []


def crash_on_b(path, real=manifest._decode):
    if path.stem == "b":
        os.abort()
    return real(path)


def test_a_decoder_that_crashes_costs_one_row(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "_decode", crash_on_b)
    paths = [save(tmp_path / f"{name}.wav", music(i, 2)) for i, name in enumerate("abc")]
    decoded = manifest.decode(paths, tmp_path / "heard.jsonl", n_jobs=2, say=lambda line: None)
    assert [found.error for found in decoded] == ["", "the decoder crashed on it", ""]
    assert [found.duration_s for found in decoded] == [2.0, 0.0, 2.0]


@pytest.mark.parametrize("change", ["other sound", "damage", "removal"])
def test_shards_of_a_file_that_changed_after_the_manifest_are_refused(tmp_path, change):
    pytest.importorskip("librosa")
    path = save(tmp_path / "a.flac", music(0, 2))
    sha256 = files.sha256(path)
    if change == "other sound":
        save(path, music(1, 2))
    elif change == "damage":
        path.write_bytes(b"fLaC")
    else:
        path.unlink()
    clip = Clip("a", "x", "s", "a.flac", ("Pop",), 3, 2.0, sha256)
    features = config.load(config.DEFAULT).features
    options = {"manifest_sha256": "m", "yamnet": None, "musicnn_wheel": None, "n_jobs": 1}
    fine = save(tmp_path / "fine.wav", music(1, 2))
    before = replace(clip, path=fine.name, sha256=files.sha256(fine))
    with pytest.raises(FatalError, match=r"a\.flac.*run the stage `manifest` again"):
        list(shards.build(tmp_path / "two", [before, clip], tmp_path, features, **options))
    (_, line) = files.read_jsonl(tmp_path / "two.part" / "journal.jsonl")
    assert len(line["clips"]) == 1  # what was done before it stays
    with pytest.raises(FatalError, match=r"a\.flac.*run the stage `manifest` again"):
        list(shards.build(tmp_path / "shards", [clip], tmp_path, features, **options))


def test_a_mix_of_hours_is_left_out_before_it_fills_the_memory(tmp_path, monkeypatch):
    import soundfile

    with soundfile.SoundFile(tmp_path / "mix.flac", "w", 4000, 1) as file:
        for _ in range(21):
            file.write(np.tile(music(0, 4)[::4], 15))
    monkeypatch.setattr(manifest.audio, "decode_whole", lambda *_: pytest.fail("decoded whole"))
    (decoded,) = manifest.decode(
        [tmp_path / "mix.flac"], tmp_path / "heard.jsonl", n_jobs=1, say=lambda line: None
    )
    assert "21 min long, over 20: a mix or an album" in decoded.error
