"""What the network says before its last layer: made, cached, given out, and asked for."""

import contextlib
import sqlite3

import embedding_bundle
import numpy as np
import pytest
import soundfile
from runs import opened, run

import genretagger
from genretagger import pipeline, places
from genretagger.aggregate import mean_embedding
from genretagger.classifier import Classifier
from genretagger.cli import main
from genretagger.errors import FatalError
from genretagger.hearing import hear


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return embedding_bundle.write(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    return embedding_bundle.write(tmp_path_factory.mktemp("without"), embedding=False)


def test_both_outputs_come_from_one_run_and_neither_changes_the_other(model, without, encoded):
    path = encoded("FLAC", seconds=40.0)
    heard = hear(path, Classifier(model))
    plain = hear(path, Classifier(without))
    np.testing.assert_array_equal(heard.by_segment, plain.by_segment)
    assert plain.prediction.embedding is None
    _, by_segment = Classifier(model).predict_and_embed(heard.log_mels)
    assert by_segment.shape == (3, model.embedding.size)
    assert by_segment.std(axis=0).max() > 0.1  # of other sound another one
    embedding = heard.prediction.embedding
    assert embedding.dtype == np.float16
    np.testing.assert_allclose(embedding, by_segment.mean(axis=0), atol=0.01)
    assert embedding.nbytes < 1000


def test_a_track_whose_values_are_beyond_float16_has_finite_ones(model):
    assert np.isfinite(mean_embedding(np.array([[1e6, -1e6]], dtype=np.float32))).all()


@pytest.mark.parametrize(
    "embedding",
    [
        *({"output": 2, "size": 250}, {"output": 1, "size": 481}, {"output": 1, "size": 0}),
        *({"output": 1}, {"output": 1, "size": 9.5}, {"output": "1", "size": 9}, [1, 250], "x"),
    ],
)
def test_an_embedding_that_makes_no_sense_refuses_to_load(tmp_path, embedding):
    with pytest.raises(FatalError, match=r"bundle\.json is damaged"):
        embedding_bundle.write(tmp_path, about={"embedding": embedding})


@pytest.mark.parametrize(
    "embedding", [None, {"output": 0, "size": 250}, {"output": 1, "size": 249}]
)
def test_a_network_that_has_other_outputs_refuses_to_load(tmp_path, embedding):
    other = embedding_bundle.write(tmp_path, about={"embedding": embedding})
    with pytest.raises(FatalError, match=r"maps \(1, 96, 626, 1\) to .*, not \(1, 96, 626, 1\)"):
        Classifier(other)


def test_embeddings_are_cached_to_the_last_bit_and_asked_for_alone(model, music, heard):
    paths = sorted(music.iterdir())

    def predict(**more):
        with opened() as cache:
            return [a for _, a in pipeline.predict(paths, model, cache=cache, **more)]

    fresh = predict(embedding=True)
    again = predict(embedding=True)
    assert len(heard) == 3
    for first, second in zip(fresh, again, strict=True):
        assert second == first
        np.testing.assert_array_equal(second.embedding, first.embedding)
    assert [answer.embedding for answer in predict()] == [None] * 3
    assert len(heard) == 3
    with contextlib.closing(sqlite3.connect(places.cache_file())) as db:
        sizes = db.execute("SELECT length(embedding) FROM embeddings").fetchall()
    assert sizes == [(2 * model.embedding.size,)] * 3


def test_what_was_heard_without_its_embedding_is_heard_again_once(model, music, heard):
    paths = sorted(music.iterdir())

    def predict(**more):
        heard.clear()
        with opened() as cache:
            list(pipeline.predict(paths, model, cache=cache, **more))
        return len(heard)

    assert predict() == 3
    with contextlib.closing(sqlite3.connect(places.cache_file())) as db, db:
        db.execute("DROP TABLE embeddings")  # as a cache of before
    assert predict() == 0
    assert [predict(embedding=True) for _ in range(2)] == [3, 0]


def test_what_cannot_be_embedded_is_not_heard_again(model, music, heard):
    soundfile.write(music / "silence.wav", np.zeros(44100 * 4), 44100)
    soundfile.write(music / "short.wav", np.zeros(100), 44100)
    paths = sorted(music.iterdir())
    for n_heard in (5, 0):
        heard.clear()
        with opened() as cache:
            answers = dict(pipeline.predict(paths, model, cache=cache, embedding=True))
        assert len(heard) == n_heard
    assert isinstance(answers[music / "short.wav"], genretagger.TrackError)
    silence = answers[music / "silence.wav"]
    assert (silence.probabilities, silence.embedding) == (None, None)


def test_embeddings_are_pruned_with_their_predictions(model, music):
    paths = sorted(music.iterdir())
    with opened() as cache:
        list(pipeline.predict(paths, model, cache=cache))

    def n_rows():
        with contextlib.closing(sqlite3.connect(places.cache_file())) as db:
            return [
                db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("predictions", "embeddings")
            ]

    assert n_rows() == [3, 3]
    paths[0].unlink()
    main(["cache", "--prune", "--bundle", str(model.path)])
    assert n_rows() == [2, 2]
    main(["cache", "--prune"])
    assert n_rows() == [0, 0]


def test_predict_gives_embeddings_on_request_and_as_it_did_otherwise(model, music, capsys):
    code, rows, _ = run(capsys, "predict", "--bundle", model.path, "--embedding", music)
    assert code == 0
    with opened() as cache:
        paths = sorted(music.iterdir())
        answers = [a for _, a in pipeline.predict(paths, model, cache=cache, embedding=True)]
    for row, answer in zip(rows, answers, strict=True):
        np.testing.assert_array_equal(np.float16(row["embedding"]), answer.embedding)
    _, plain, _ = run(capsys, "predict", "--bundle", model.path, music)
    assert plain == [{k: v for k, v in row.items() if k != "embedding"} for row in rows]


def test_a_failure_and_silence_have_no_embedding_in_json(model, music, capsys):
    soundfile.write(music / "silence.wav", np.zeros(44100 * 4), 44100)
    (music / "broken.mp3").write_bytes(b"this is text")
    code, rows, _ = run(capsys, "predict", "--bundle", model.path, "--embedding", music)
    assert code == 1
    without = {row["path"].rpartition("/")[2] for row in rows if row["embedding"] is None}
    assert without == {"silence.wav", "broken.mp3"}


def test_a_bundle_without_an_embedding_refuses_what_needs_one_and_tags(music, capsys, without):
    code, _, err = run(capsys, "predict", "--bundle", without.path, "--embedding", music)
    assert (code, err.count("its network gives no embedding; take 'default'")) == (3, 1)
    code, rows, _ = run(capsys, "tag", "-n", "--bundle", without.path, music)
    assert (code, len(rows)) == (0, 3)


def test_embeddings_are_asked_for_in_json_alone(music, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "--embedding", "--format", "csv", str(music)])
    assert "--embedding goes with --format json" in capsys.readouterr().err


def test_a_run_that_tags_keeps_the_embeddings_of_what_it_hears(model, music, capsys, heard):
    run(capsys, "tag", "-n", "--bundle", model.path, music)
    assert len(heard) == 3
    run(capsys, "predict", "--bundle", model.path, "--embedding", music)
    assert len(heard) == 3
