"""A model of one's own genres: what it is learned from, what it holds, and what it refuses."""

import io
import json
import pickle
import re
import shutil
import zipfile
from pathlib import Path

import browser as browsers
import embedding_bundle
import mutagen
import numpy as np
import pytest
from runs import encode, run

from genretagger import bundle, cli, places, tags
from genretagger.errors import FatalError
from genretagger.genres import SHIPPED, Vocabulary
from genretagger.heads import Heads
from genretagger.learn import card, fit
from genretagger.learn.labels import Tagged, label, read_synonyms, unmatched
from genretagger.report.learned import page

RNG = np.random.default_rng(0)


def collection(**genres):
    """Tag tracks: ``collection(Lied=(9, 3))`` is 9 tracks of 3 artists."""
    return [
        Tagged((name.replace("_", " "),), f"{name} {n % n_artists}")
        for name, (n_tracks, n_artists) in genres.items()
        for n in range(n_tracks)
    ]


# ---- Labels ------------------------------------------------------------------------------------


def test_a_genre_is_learned_under_its_most_common_spelling_and_others_are_named():
    tracks = collection(Deep_House=(9, 3), Lied=(8, 3), Polka=(7, 3), Solo=(9, 2))
    tracks += [Tagged(("deep-house; LIED",), "Deep House 0")] * 3
    made = label(tracks, {})
    assert set(made.vocabulary.genres) == {"Deep House", "Lied"}
    assert made.vocabulary.fusions == {frozenset(("Deep House", "Lied"))}
    assert made.reference.sum() == 9 + 8 + 6
    assert [(g.name, g.n_tracks, g.n_artists) for g in made.left_out] == [
        *(("Solo", 9, 2), ("Polka", 7, 3))
    ]
    assert all(genre.has_few for genre in made.left_out)
    (long,) = label([*tracks, *collection(**{61 * "x": (11, 3)})], {}).left_out[:1]
    assert (long.name, long.has_few) == (61 * "x", False)


def test_genres_stand_in_the_order_in_which_they_stand_on_tracks_that_have_both():
    tracks = collection(A=(9, 3), B=(20, 3)) + [Tagged(("A", "B"), "x")] * 4
    assert label(tracks, {}).vocabulary.genres == ("A", "B")
    tracks = collection(A=(9, 3), B=(20, 3)) + [Tagged(("B", "A"), "x")] * 4
    assert label(tracks, {}).vocabulary.genres == ("B", "A")


def test_a_mapping_joins_genres_leaves_them_out_and_names_what_matches_nothing():
    tracks = collection(Rap=(4, 2), Hip_Hop=(4, 2), Lied=(8, 3), Mine=(9, 3))
    synonyms = read_synonyms("rap = Hip Hop\nMine =\nNowhere = Lied\n")
    made = label(tracks, synonyms)
    assert set(made.vocabulary.genres) == {"Hip Hop", "Lied"}
    assert unmatched(tracks, synonyms) == ["nowhere"]
    tracks = collection(**{"Pop/Rock": (9, 3)}, Lied=(9, 3))
    synonyms = read_synonyms("pop/rock = Pop Rock")
    assert set(label(tracks, synonyms).vocabulary.genres) == {"Pop Rock", "Lied"}
    assert unmatched(tracks, synonyms) == []
    for text, message in [
        ("Rap", "line 1: write it as"),
        ("\nA = B\na = C", "line 3: 'a' stands twice"),
        ("A = B/C", "line 1: players split"),
    ]:
        with pytest.raises(ValueError, match=message):
            read_synonyms(text)


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ([], "no track has a genre to learn from"),
        (collection(Unknown=(20, 5)), "no track has a genre to learn from.* name other folders"),
        (collection(A=(20, 1), B=(20, 1)), "by fewer than 3 artists"),
        (collection(A=(20, 5)), "only A has enough tracks: at least two with 8 tracks of 3"),
        (collection(A=(7, 5), B=(7, 5)), r"no genre.*A \(7 tracks of 5 artists\)"),
        (collection(A=(9, 3), **{61 * "x": (8, 4)}), r"4 artists, but a genre has at most 60"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused_in_a_sentence(tracks, message):
    with pytest.raises(FatalError, match=message):
        label(tracks, {})


# ---- Fit ---------------------------------------------------------------------------------------


def embedded(made, *, noise=1.0):
    """Make embeddings in which each genre has a direction."""
    directions = np.random.default_rng(1).normal(size=(len(made.vocabulary.genres), 20))
    clean = made.reference.astype(float) @ directions * 3
    return np.float32(clean + noise * RNG.normal(size=clean.shape))


def test_what_can_be_heard_is_heard_and_what_cannot_is_never_proposed():
    made = label(collection(A=(60, 12), B=(60, 12), C=(60, 12)), {})
    figures = fit.learn(embedded(made), made).genres
    assert all(g.is_heard and g.average_precision > 0.95 and g.precision > 0.8 for g in figures)
    made = label(collection(A=(60, 12), B=(60, 12)), {})
    nothing = fit.learn(np.float32(RNG.normal(size=(120, 20))), made)
    assert not any(g.is_heard for g in nothing.genres)
    assert nothing.thresholds == (1.0, 1.0)
    assert nothing.coverage < 0.1  # a fold may be lucky


def test_figures_are_of_artists_that_were_not_learned_from():
    # each artist has a sound of his own, and genres have none: by artist there is nothing to learn
    tracks = [Tagged(("AB"[artist % 2],), str(artist)) for artist in range(20) for _ in range(8)]
    made = label(tracks, {})
    sound = RNG.normal(size=(20, 40))
    x = np.float32(sound[made.groups] * 5 + 0.1 * RNG.normal(size=(160, 40)))
    learned = fit.learn(x, made)
    assert all(g.average_precision < 0.85 for g in learned.genres)
    assert learned.top1 < 0.8


def test_sums_of_folds_give_the_ridge_regression_that_scikit_learn_gives():
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    x = np.float32(RNG.normal(size=(90, 12)) * RNG.uniform(0.01, 30, size=12) + 5)
    x[:, 3] = 7.3  # a value that never changes
    reference = RNG.random((90, 4)) < 0.3
    parts = [fit._sums(x[i::3], reference[i::3]) for i in range(3)]
    weights, bias = fit._total(parts).without(parts[1]).fit(10.0)
    kept = np.arange(90) % 3 != 1
    scaler = StandardScaler().fit(x[kept])
    ridge = Ridge(alpha=10.0).fit(scaler.transform(x[kept]), reference[kept].astype(float))
    expected = ridge.predict(scaler.transform(x))
    assert x @ weights.T + bias == pytest.approx(expected, abs=1e-4)
    assert weights[:, 3] == pytest.approx(0, abs=1e-12)


def test_probabilities_of_the_heads_are_calibrated():
    made = label(collection(A=(400, 40), B=(400, 40)), {})
    learned = fit.learn(embedded(made, noise=20.0), made)
    p = learned.heads.predict(embedded(made, noise=20.0))  # of tracks that it does not know
    surely = p > 0.6
    assert surely.sum() > 100
    assert p[surely].mean() == pytest.approx(made.reference[surely].mean(), abs=0.08)


def test_the_networks_own_genre_of_that_name_is_compared():
    made = label(collection(Rock=(60, 12), Lied=(60, 12)), {})
    column = made.vocabulary.genres.index("Rock")
    theirs = np.tile(RNG.random((120, 1)), (1, 14))
    theirs[:, SHIPPED.genres.index("Rock")] = made.reference[:, column]
    learned = fit.learn(embedded(made), made, (SHIPPED, theirs))
    by_name = {g.name: g.shipped for g in learned.genres}
    assert by_name == {"Rock": 1.0, "Lied": None}


# ---- The bundle --------------------------------------------------------------------------------

OWN = Vocabulary(("Deep House", "Lied", "Shoegaze"), frozenset())


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return embedding_bundle.write(tmp_path_factory.mktemp("network"))


@pytest.fixture
def own(network):
    """A bundle of this user's own, by the name ``mine``."""
    return bundle.write_own(
        bundle.place_of_own("mine"),
        network=network,
        own_heads=Heads(
            np.float32(RNG.normal(size=(3, network.embedding.size)) / 10), np.zeros(3, np.float32)
        ),
        vocabulary=OWN,
        thresholds=(0.5, 0.5, 0.5),
        about={"name": "mine"},
        card="mine",
    )


def test_an_own_bundle_is_found_by_its_name_and_listed(own, capsys):
    assert own.path == places.bundles_folder() / "mine"
    assert bundle.read(bundle.locate("mine")).bundle_id == own.bundle_id
    assert cli.main(["model", "--bundle", "mine", "--verify"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"model: mine ({own.bundle_id}) in {own.path}\n")
    assert "all models: accurate, default, mine\n" in out
    assert "Shoegaze     too rare  from 0.50" in out


def test_it_tags_in_its_own_genres_without_hearing_anything_twice(
    own, network, music, capsys, heard
):
    run(capsys, "predict", "--bundle", network.path, "--embedding", music)
    assert len(heard) == 3
    code, rows, _ = run(capsys, "predict", "--bundle", "mine", music)
    assert (code, len(heard)) == (0, 3)
    assert all(tuple(row["probabilities"]) == OWN.genres for row in rows)
    code, rows, _ = run(capsys, "tag", "--always", "--bundle", "mine", music)
    assert (code, len(heard)) == (0, 3)
    for row in rows:
        assert set(row["genres"]) <= set(OWN.genres)
        assert tags.read(Path(row["path"])).blocks[0].values == tuple(row["new"])
    code, rows, _ = run(capsys, "tag", "--always", "--bundle", "mine", music)
    assert [row["state"] for row in rows] == ["keep"] * 3  # unless asked


def test_a_track_sounds_the_same_by_its_segments_and_as_a_whole(own, encoded, capsys):
    from genretagger.classifier import Classifier
    from genretagger.hearing import hear, in_own_genres

    path = encoded("FLAC", seconds=40.0)
    by_segment = hear(path, Classifier(own)).prediction
    whole = in_own_genres(hear(path, Classifier(own.network)).prediction, own)
    assert by_segment.probabilities == pytest.approx(whole.probabilities, abs=0.005)
    assert cli.main(["show", "--bundle", "mine", str(path)]) == 0
    assert "Shoegaze" in capsys.readouterr().out


def test_a_model_of_120_genres_tags(network, music, capsys):
    many = Vocabulary(tuple(f"Kind {n}" for n in range(120)), frozenset())
    weights = np.float32(np.random.default_rng(0).normal(size=(120, network.embedding.size)) / 10)
    bundle.write_own(
        bundle.place_of_own("many"),
        network=network,
        own_heads=Heads(weights, np.zeros(120, np.float32)),
        vocabulary=many,
        thresholds=(0.5,) * 120,
        about={},
        card="",
    )
    page = music.parent / "page.html"
    code, rows, _ = run(capsys, "tag", "--bundle", "many", "--report", page, music)
    assert (code, [len(row["probabilities"]) for row in rows]) == (0, [120] * 3)
    for row in rows:
        best = max(row["probabilities"], key=row["probabilities"].get)
        assert best in row["genres"]
        assert row["state"] == "change"
    assert '"Kind 118","Kind 119"]' in page.read_text(encoding="utf-8")


def _damage_pickle(folder):
    np.savez(folder / "heads.npz", weights=np.array([print], dtype=object), bias=np.zeros(3))
    _sign(folder)


def _damage_member(folder):
    with zipfile.ZipFile(folder / "heads.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("weights.npy", pickle.dumps(print))
        archive.writestr("bias.npy", "no array, either")
    _sign(folder)


def _damage_claim(folder):
    header = io.BytesIO()
    form = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 1 << 10)}
    np.lib.format.write_array_header_1_0(header, form)
    with zipfile.ZipFile(folder / "heads.npz", "w") as archive:
        archive.writestr("weights.npy", header.getvalue())
    _sign(folder)


def _damage_bomb(folder):
    with zipfile.ZipFile(folder / "heads.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights.npy", bytes(1 << 25))
    _sign(folder)


def _damage_threshold(folder):
    about = folder / "bundle.json"
    info = json.loads(about.read_text())
    info["thresholds"][0] *= 0.9
    about.write_text(json.dumps(info))


def _damage_size(folder):
    Heads(np.zeros((3, 7), np.float32), np.zeros(3, np.float32)).write(folder / "heads.npz")
    _sign(folder)


def _damage_numbers(folder):
    with np.load(folder / "heads.npz") as arrays:
        weights = arrays["weights"] * np.nan
    Heads(weights, np.zeros(3, np.float32)).write(folder / "heads.npz")
    _sign(folder)


def _sign(folder):
    info = json.loads((folder / "bundle.json").read_text())
    info["sha256"]["heads.npz"] = bundle._sha256(folder / "heads.npz")
    del info["sha256"]["bundle.json"]  # as in bundles of before
    (folder / "bundle.json").write_text(json.dumps(info))


def _damage_bytes(folder):
    (folder / "heads.npz").write_bytes(b"no archive")


def _without_heads(folder):
    (folder / "heads.npz").unlink()


def _without_network(folder):
    shutil.rmtree(folder / "network")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_damage_pickle, "no arrays of heads; learn it again"),
        (_damage_member, "numbers in float32; learn it again"),
        (_damage_claim, "no arrays of heads; learn it again"),
        (_damage_bomb, "too large; learn it again"),
        (_damage_threshold, "bundle.json is damaged: its SHA-256"),
        (_damage_size, "made for another embedding"),
        (_damage_numbers, "NaN or infinity"),
        (_damage_bytes, "heads.npz is damaged"),
        (_without_heads, "heads.npz cannot be read"),
        (_without_network, "network/bundle.json cannot be read: No such file.*; learn it again$"),
    ],
)
def test_a_damaged_bundle_is_refused_in_a_sentence_and_runs_no_code(own, damage, message):
    damage(own.path)
    with pytest.raises(FatalError, match=message):
        bundle.read(own.path)


def test_names_that_are_taken_are_refused(own, tmp_path):
    with pytest.raises(FatalError, match="ships with genretagger; take another name"):
        bundle.place_of_own("default")
    with pytest.raises(FatalError, match="no model of your own"):
        bundle.place_of_own(tmp_path)
    assert bundle.place_of_own("mine") == own.path


def test_heads_tag_without_scikit_learn(own):
    import subprocess
    import sys

    code = (
        "import sys, genretagger.pipeline\nfrom genretagger import bundle\n"
        f"bundle.read(bundle.locate({str(own.path)!r}))\nprint('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# ---- The page ----------------------------------------------------------------------------------


@pytest.fixture
def shown(network, tmp_path):
    """Give the page of a model with a genre that can be heard, one that cannot, and a known one."""
    tracks = collection(Lied=(60, 12), **{"<b>Dub": (60, 12)}, Rock=(60, 12))
    made = label(tracks, {})
    x = embedded(made, noise=12.0)
    shipped = np.zeros((180, 14))
    shipped[:, SHIPPED.genres.index("Rock")] = made.reference[
        :, made.vocabulary.genres.index("Rock")
    ]
    learned = fit.learn(x, made, (SHIPPED, shipped))
    thresholds = tuple(1.0 if g.name == "<b>Dub" else 0.4 for g in learned.genres)
    written = bundle.write_own(
        bundle.place_of_own("shown"),
        network=network,
        own_heads=Heads(np.zeros((3, network.embedding.size), np.float32), np.zeros(3, np.float32)),
        vocabulary=made.vocabulary,
        thresholds=thresholds,
        about={"metrics": card.metrics(learned), "data": {"n_tracks": 180, "n_artists": 36}},
        card="",
    )
    path = tmp_path / "shown.html"
    path.write_text(page(written), encoding="utf-8")
    return path


def test_a_page_says_of_each_genre_whether_it_can_be_heard_and_who_does_better(browser, shown):
    browser.get(shown.as_uri())
    rows = [row.text for row in browser.find_elements("css selector", "tbody tr")]
    (dub,) = [row for row in rows if row.startswith("<b>Dub")]
    (lied,) = [row for row in rows if row.startswith("Lied")]
    (rock,) = [row for row in rows if row.startswith("Rock")]
    assert "cannot be heard: never proposed" in dub
    assert "can be heard, from 0.40" in lied
    assert "genre of that name" not in lied
    assert "the shipped model's own genre of that name ranks" in rock
    ranks = [float(row.split("\n")[-1].split()[0]) for row in rows]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] > ranks[-1]
    for scheme in ("light", "dark"):
        browsers.scheme(browser, scheme)
        assert browsers.axe(browser) == []
    browsers.size(browser, 360, 700, touch=True)
    assert browsers.cut_or_covered(browser) == []
    assert browsers.network(browser) == [shown.as_uri()]
    assert browsers.console(browser) == []


@pytest.mark.usefixtures("shown")
def test_the_terminal_shows_what_each_genre_is_worth(capsys):
    learned = bundle.read(bundle.locate("shown"))
    assert cli.main(["model", "--bundle", "shown"]) == 0
    out = capsys.readouterr().out
    figures = learned.info["metrics"]["genres"]["Lied"]
    assert f"Lied         {100 * figures['precision']:>3.0f} right from 0.40" in out
    assert re.search(r"^ .*<b>Dub +unheard   from 1\.00", out, re.MULTILINE)
    right, coverage = (learned.info["metrics"][k] for k in ("precision_of_written", "coverage"))
    assert f"right: {100 * right:.0f} of 100 genres" in out
    assert f"undecided: {100 * (1 - coverage):.0f} of 100 tracks" in out


def test_only_a_model_of_ones_own_has_a_page(capsys, tmp_path):
    path = tmp_path / "page.html"
    assert cli.main(["model", "--report", str(path)]) == 3
    assert "has no page; its card is" in capsys.readouterr().err
    assert not path.exists()


# ---- The command -------------------------------------------------------------------------------


def test_learn_then_tag(tmp_path, network, capsys, heard):
    folder = tmp_path / "Music"
    folder.mkdir()
    for n in range(18):
        path = folder / f"{n:02}.flac"
        encode(path, seconds=1.2, seed=n)
        file = mutagen.File(path, easy=True)
        file["artist"], file["genre"] = f"Artist {n % 6}", ["Shoegaze", "Deep House"][n % 2]
        if n == 16:
            del file["genre"]
        if n == 17:
            file["genre"] = "Home Taping"
        file.save()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    mapping = tmp_path / "map.txt"
    mapping.write_text("Home Taping =\nLied =\n")
    arguments = [
        "learn",
        "--map",
        str(mapping),
        "--out",
        "mine",
        "--bundle",
        str(network.path),
        "--jobs",
        "1",
        "--report",
        str(tmp_path / "mine.html"),
        str(folder),
    ]
    assert cli.main(arguments) == 0
    out, err = capsys.readouterr()
    assert "18 tracks: 16 learned from, 2 without a genre, 0 failed" in err
    assert "to use it: genretagger tag --dry-run --bundle mine PATH" in err
    assert err.count("--map: ") == 1
    assert "--map: no track has the genre 'lied'" in err
    assert out.count(" 8 tracks  average precision") == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    learned = bundle.read(bundle.locate("mine"))
    assert set(learned.vocabulary.genres) == {"Shoegaze", "Deep House"}
    assert "| Shoegaze | 8 |" in (learned.path / "MODEL_CARD.md").read_text()
    html = (tmp_path / "mine.html").read_text(encoding="utf-8")
    assert "2 genres, learned from 16 tracks by 6 artists" in html
    assert cli.main(["model", "--bundle", "mine", "--report", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == html
    assert len(heard) == 16
    assert "learned from: 16 tracks by 6 artists\n" in capsys.readouterr().out
    mapping.write_text("Home Taping =\n")
    assert cli.main([*arguments, "--quiet"]) == 0  # again, in its place, from the cache
    assert capsys.readouterr() == ("", "")
    assert len(heard) == 16
    code, rows, _ = run(capsys, "tag", "--always", "--bundle", "mine", folder)
    assert (code, len(heard)) == (0, 17)
    assert sorted(row["state"] for row in rows) == ["change"] + ["keep"] * 17


def test_learn_refuses_a_model_without_an_embedding_and_too_few_tracks(
    tmp_path, music, capsys, network
):
    without = embedding_bundle.write(tmp_path / "b", embedding=False)
    code = cli.main(["learn", "--out", "x", "--bundle", str(without.path), str(music)])
    assert (code, capsys.readouterr().err.count("its network gives no embedding")) == (3, 1)
    code = cli.main(["learn", "--out", "x", "--bundle", str(network.path), str(music)])
    assert (code, "no track has a genre to learn from" in capsys.readouterr().err) == (3, True)
    assert not places.bundles_folder().exists()
