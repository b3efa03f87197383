"""From the trainings of a study to its figures, its tables and its page, without a network."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training.data.clips import Clip, reference
from training.files import write_arrays
from training.measure import metrics
from training.study import findings, measures, plan, trainings
from training.study.config import DEFAULT, load
from training.study.grid import REPORTED

pytestmark = pytest.mark.quick
ROOT = Path(__file__).resolve().parent.parent
CONFIG = load(DEFAULT)
CONFIG = replace(
    CONFIG,
    plan=replace(CONFIG.plan, decisive=("mfcc-30s", "mel-deltas-30s"), n_seeds=2),
    evaluate=replace(CONFIG.evaluate, n_resamples=200),
)
KINDS = ("Rock", "Rock", "Pop", "Rock", "Jazz")  # of five artists each, one for each fold
CLIPS = [
    Clip(f"t{i}", f"a{i // 4}", "panda", "", (KINDS[i // 20 % 5],), 3, 30.0) for i in range(200)
]

# ---- Measures over resamples ------------------------------------------------------------------


def test_average_precision_in_resamples_is_that_of_the_clips_drawn():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 12, 60) / 12  # with ties
    known = rng.random(60) < 0.3
    weights = rng.integers(0, 4, (20, 60)).astype(float)
    for row, value in zip(weights, measures.average_precision(known, scores, weights), strict=True):
        drawn = np.repeat(np.arange(60), row.astype(int))
        expected = metrics.average_precision(known[drawn], scores[drawn])
        assert value == pytest.approx(expected)
    assert np.isnan(measures.average_precision(np.zeros(60, bool), scores, weights)).all()


def test_thresholds_are_those_of_the_highest_f1():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    scores = rng.random((60, 3))
    labels = scores + 0.5 * rng.random((60, 3)) > 0.9
    tuned = measures.tune(labels, scores, least_tuned=1)
    for known, mine, threshold in zip(labels.T, scores.T, tuned, strict=True):
        best = max(sklearn.f1_score(known, mine >= t) for t in mine)
        assert sklearn.f1_score(known, mine >= threshold) == pytest.approx(best)
    decided = scores >= tuned
    expected = sklearn.f1_score(labels, decided, average="micro")
    assert measures.f1_score(labels, decided, np.ones((1, 60)))[0] == pytest.approx(expected)


def test_a_thin_genre_has_the_threshold_common_to_all():
    scores = np.array([[0.9, 0.4], [0.8, 0.3], [0.2, 0.1], [0.1, 0.35]])
    labels = np.array([[1, 0], [1, 0], [0, 0], [0, 1]], dtype=bool)
    assert measures.tune(labels, scores, least_tuned=2).tolist() == [0.8, 0.35]


def test_resampling_by_artist_knows_that_one_artists_clips_are_alike():
    rng = np.random.default_rng(0)
    clips = [Clip(f"{i}", f"a{i // 25}", "panda", "", (), 3, 30.0) for i in range(1000)]
    hits = np.repeat(rng.integers(0, 2, 40), 25).astype(float)
    weights = measures.weigh(clips, replace(CONFIG.evaluate, n_resamples=1000))
    values = measures.average(hits, weights)
    assert values[0] == hits.mean()
    assert values[1:].std() == pytest.approx(hits.std() / np.sqrt(40), rel=0.15)  # as 40 tosses


# ---- A study that is done ----------------------------------------------------------------------


def skill(training):
    """Tell how much more probable the right genre is: as if shuffled copies leaked."""
    if training.variant.augmented:
        return {"shuffled": 3.0, "tracks": 0.6, "artists": 0.5}[training.protocol]
    return 0.5


def leave(folder, training, *, skilled=skill):
    """Leave the files of a training whose network has the given skill."""
    rng = np.random.default_rng([training.fold, training.seed, len(training.variant.id)])
    labels = reference(CLIPS)
    artist = np.arange(200) // 4
    parts = {
        "test": np.flatnonzero(artist % 5 == training.fold),
        "validation": np.flatnonzero(artist % 5 == (training.fold + 1) % 5),
    }
    arrays = {}
    for name, tracks in parts.items():
        scores = rng.standard_normal((len(tracks), len(GENRES)))
        arrays[f"{name}_track"] = tracks
        arrays[name] = 1 / (1 + np.exp(-scores - skilled(training) * labels[tracks]))
    path = training.path(folder)
    write_arrays(path.with_suffix(".npz"), arrays)
    line = {"loss": 0.3, "validation_loss": 0.4, "seconds": 9.0, "cpu_seconds": 7.0}
    log = [line | {"pass": i + 1, "validation_accuracy": 0.1 * i} for i in range(3)]
    about = {
        "variant": training.variant.id,
        "protocol": training.protocol,
        "fold": training.fold,
        "seed": training.seed,
        "config": trainings._origin(CONFIG, CLIPS),
        "log": log,
        "best_pass": 1,
        "converged": training.variant.id != "mel-3s",
        "prevalence": labels.mean(axis=0).tolist(),
        "peak_mb": 900.4,
    }
    path.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    for training in plan.trainings(CONFIG):
        leave(folder, training)
    return folder, measures.figures(folder, CLIPS, CONFIG)


def cells(table):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def test_the_grid_has_all_variants_in_the_reports_order_and_the_majority_first(done):
    _, figures = done
    rows = cells(findings.grid(figures))
    assert [row[0] for row in rows] == ["*majority*", *REPORTED]
    labels = reference(CLIPS)[np.arange(200) // 4 % 5 == 0]
    rock = labels[:, GENRES.index("Rock")].mean()
    assert rows[0][4] == f"{100 * rock:.1f}"
    assert rows[0][5].startswith(f"{rock:.2f} (")
    (headline,) = [row for row in rows if row[0] == "mel-deltas-30s-augmented"]
    assert headline[1:3] == ["71.46", "20.0"]  # the highest on the validation part
    assert headline[9:] == ["3 / 3", "21 / 21", "900 / 900"]
    (short,) = [row for row in rows if row[0] == "mel-3s"]
    assert short[9] == "3* / 3*"
    assert "(*): artists mel-3s (fold 0, seed 0), shuffled mel-3s (fold 0, seed 0)." in (
        findings.describe(figures, "study")
    )


def test_folds_are_measured_together_and_compared_by_artist(done):
    folder, figures = done
    (row,) = [row for row in figures["decisive"] if row["variant"] == "mfcc-30s"]
    hits = []
    for fold in range(5):
        with np.load(folder / f"artists/mfcc-30s/fold-{fold}-seed-0.npz") as saved:
            known = reference(CLIPS)[saved["test_track"]]
            hits += metrics.top1_hits(known, saved["test"]).tolist()
    assert len(hits) == 200
    assert row["top1"][0] == pytest.approx(np.mean(hits), abs=1e-4)
    best = figures["decisive"][-1]
    assert best["variant"] == "mel-deltas-30s-augmented"
    value, low, high = row["top1_over"]
    assert value == pytest.approx(row["top1"][0] - best["top1"][0], abs=2e-4)
    assert low < value < high
    (line,) = [line for line in cells(findings.decisive(figures)) if line[0] == "mfcc-30s"]
    assert line[6:8] == [f"{high - low:.2f}", "not told apart"]


def test_copies_gain_by_the_reports_protocol_and_the_sentence_says_that_it_is_leakage(done):
    _, figures = done
    rows = cells(findings.copies(figures))
    assert [row[:3] for row in rows] == [
        [name, protocol, folds]
        for protocol, folds in (("shuffled", "1"), ("tracks", "1"), ("artists", "5"))
        for name in ("*majority*", "mfcc-30s", "mel-deltas-30s")
    ]
    assert rows[1][7] == "+0.35"  # 66.45 after 31.90 in the report
    gains = {
        (row["variant"], row["protocol"]): row["accuracy"]["difference"][0]
        for row in figures["copies"]
        if row["variant"]
    }
    mean = np.mean([gains[name, "shuffled"] for name in CONFIG.plan.decisive])
    assert figures["leakage"]["shuffled"][0] == pytest.approx(mean, abs=1e-4)
    text = findings.leakage(figures)
    assert text.startswith(f"Over the 2 pairs that decide, copies gain {mean:+.2f} (")
    assert text.endswith("of the gain is leakage.")


def test_without_one_of_the_decisive_pairs_there_is_no_sentence(done, tmp_path):
    for training in plan.trainings(CONFIG):
        if training.variant.id != "mel-deltas-30s-augmented":
            leave(tmp_path, training)
    figures = measures.figures(tmp_path, CLIPS, CONFIG)
    assert {row["variant"] for row in figures["copies"]} == {None, "mfcc-30s"}
    text = findings.describe(figures, "study")
    assert "no sentence on leakage" in text
    assert "64 of 72 trainings are done" in text
    assert "decide, copies gain" not in text


def test_a_study_that_has_not_begun_claims_nothing(tmp_path):
    figures = measures.figures(tmp_path, CLIPS, CONFIG)
    text = findings.describe(figures, "study")
    assert "0 of 72 trainings are done." in text
    assert "converged" not in text
    assert "|" not in text


def test_a_gain_that_does_not_leak_is_not_called_leakage(tmp_path):
    for training in plan.trainings(CONFIG):
        leave(tmp_path, training, skilled=lambda one: 0.5 + one.variant.augmented)
    figures = measures.figures(tmp_path, CLIPS, CONFIG)
    assert "this data cannot say that it is leakage" in findings.leakage(figures)


def test_seeds_stand_beside_one_another(done):
    _, figures = done
    rows = cells(findings.seeds(figures))
    assert [row[0] for row in rows] == [
        "*majority*",
        *(variant.id for variant in plan.decisive(CONFIG)),
    ]
    first, second = (float(value) for value in rows[1][1].split(" / "))
    assert float(rows[1][2]) == pytest.approx(abs(first - second), abs=0.011)


def test_the_page_is_made_of_the_json_beside_it(done, tmp_path):
    pytest.importorskip("matplotlib")
    _, figures = done
    page = tmp_path / "grid.md"
    page.write_text("# A\n\n<!-- study:begin -->\nold\n<!-- study:end -->\nend\n", encoding="utf-8")
    findings.publish(page, figures)
    read = findings.read(tmp_path / "grid.json")
    assert page.read_text(encoding="utf-8") == (
        f"# A\n\n<!-- study:begin -->\n{findings.describe(read, 'grid')}\n<!-- study:end -->\nend\n"
    )
    for name in ("grid.svg", "grid-curves.svg"):
        assert (tmp_path / name).stat().st_size > 5000
    page.write_text("# A\n", encoding="utf-8")
    with pytest.raises(FatalError, match=r"lacks the lines <!-- study:begin -->"):
        findings.publish(page, figures)


def test_the_tables_of_the_page_are_those_of_the_committed_figures():
    figures = findings.read(ROOT / "docs/study.json")
    assert findings.parts(ROOT / "docs/study.md")[1] == findings.describe(figures, "study")
    most = figures["settings"]["most_passes"]
    config = load(DEFAULT)
    assert (most, figures["settings"]["patience"]) == (
        config.train.most_passes,
        config.train.patience,
    )
    assert len(plan.trainings(config)) == figures["n_planned"]
    for row in figures["grid"]:
        assert row["reported"] == REPORTED.get(row["variant"])


def test_no_figures_are_a_clear_error(tmp_path):
    with pytest.raises(FatalError, match="holds no figures of a study: run the stage `study`"):
        findings.read(tmp_path / "none.json")
